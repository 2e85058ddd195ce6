"""Execution objects over a real socket: sync, wait, terminate, and what they show."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import pytest

from flyteasync import FlyteRemote, FlyteWorkflowExecution, codec
from flyteasync.errors import (
    FlyteAssertion,
    FlyteEntityNotExistException,
    FlyteInvalidInputException,
    FlyteTimeout,
    FlyteUsageError,
)
from flyteasync.idl import admin, core
from flyteasync.server import Fault
from tests.server.build import execution_id
from tests.support.backend import LONG_TEXT, Backend, remote_of
from tests.support.loop import clock, end_at, eventually, settle
from tests.support.wire import Call, Relay, Wire

Phase = core.WorkflowExecutionPhase


async def launch(remote: FlyteRemote, workflow: str, **inputs: Any) -> FlyteWorkflowExecution:
    return await remote.execute(await remote.fetch_launch_plan(name=workflow), inputs)


@pytest.fixture
async def relayed(backend: Backend) -> AsyncGenerator[tuple[Wire, Relay, FlyteRemote]]:
    """A wire that passes everything on to the backend until a test has it do otherwise, and a remote of it."""
    relay = Relay(backend.server.endpoint)
    async with Wire(relay) as wire, remote_of(wire.endpoint) as remote:
        yield wire, relay, remote
    await relay.aclose()


# Before the end ...


async def test_a_launched_execution_shows_what_it_knows(backend: Backend) -> None:
    execution = await launch(backend.remote, "hold", name="x")
    assert execution.closure.phase == Phase.UNDEFINED
    assert not execution.is_done
    assert not execution.is_successful
    assert execution.spec.launch_plan is not None
    assert execution.spec.launch_plan.name == "hold"
    assert execution.id.project == "flytesnacks"
    assert dict(execution.node_executions) == {}
    with pytest.raises(FlyteAssertion, match=r"await execution\.sync\(\)"):
        _ = execution.inputs
    with pytest.raises(FlyteAssertion, match="Please wait until the execution has completed"):
        _ = execution.outputs
    with pytest.raises(FlyteAssertion, match="Please wait until the execution has completed"):
        _ = execution.error


async def test_sync_shows_a_running_execution_with_its_inputs(backend: Backend) -> None:
    execution = await launch(backend.remote, "hold", name="x")
    await eventually(lambda: backend.held)
    assert await execution.sync() is execution
    assert execution.closure.phase == Phase.RUNNING
    assert execution.closure.started_at is not None
    assert dict(execution.inputs) == {"name": "x"}
    assert not execution.is_done
    with pytest.raises(FlyteAssertion, match="in progress"):
        _ = execution.outputs
    assert "RUNNING" in repr(execution)


async def test_sync_loads_values_once(backend: Backend) -> None:
    execution = await launch(backend.remote, "hold", name="x")
    backend.server.stats.reset()
    for _ in range(3):
        await execution.sync()
    assert (backend.calls("GetExecution"), backend.calls("GetExecutionData")) == (3, 1)
    backend.gate.set()
    await execution.wait()
    inputs, outputs = execution.inputs, execution.outputs
    backend.server.stats.reset()
    await execution.sync()
    assert backend.calls() == backend.calls("GetExecution") == 1
    assert execution.inputs is inputs
    assert execution.outputs is outputs


# The end ...


async def test_wait_returns_the_execution_with_its_values(backend: Backend) -> None:
    execution = await launch(backend.remote, "demo.report", n=4, name="x")
    assert await execution.wait() is execution
    assert execution.is_done
    assert execution.is_successful
    assert execution.error is None
    assert dict(execution.inputs) == {"n": 4, "name": "x"}
    assert dict(execution.outputs) == {"text": "hello x: 4 squares", "total": 14, "roots": [0, 1, 4, 9]}
    assert execution.outputs.get("total", float) == 14.0
    assert dict(execution.node_executions) == {}, "nodes are not synced unless asked for"
    assert execution.closure.duration is not None
    backend.server.stats.reset()
    await execution.wait()
    assert backend.calls() == 0, "what is finished and loaded is not asked for again"


async def test_wait_for_a_fetched_finished_execution_only_loads_its_values(backend: Backend) -> None:
    launched = await launch(backend.remote, "demo.report", n=2, name="x")
    await launched.wait()
    fetched = await backend.remote.fetch_execution(name=launched.id.name)
    assert fetched.is_done
    with pytest.raises(FlyteAssertion, match=r"not loaded yet: `await execution\.sync\(\)`"):
        _ = fetched.outputs
    backend.server.stats.reset()
    await fetched.wait()
    assert backend.calls() == backend.calls("GetExecutionData") == 1
    assert fetched.outputs == launched.outputs


async def test_an_execution_without_inputs_and_outputs_has_empty_ones(backend: Backend) -> None:
    execution = await (await launch(backend.remote, "nothing")).wait()
    assert execution.is_successful
    assert dict(execution.inputs) == {}
    assert dict(execution.outputs) == {}


@pytest.mark.parametrize("count", [1, 5], ids=["alone", "in a chunk"])
async def test_the_error_of_a_failed_execution_is_whole(backend: Backend, count: int) -> None:
    executions = [await launch(backend.remote, "fail", text=LONG_TEXT) for _ in range(count)]
    await asyncio.gather(*(execution.wait() for execution in executions))
    for execution in executions:
        assert execution.is_done
        assert not execution.is_successful
        assert execution.error is not None
        assert execution.error.message.endswith(LONG_TEXT)
        assert execution.error.code.endswith("USER:ValueError")
        assert dict(execution.inputs) == {"text": LONG_TEXT}
        with pytest.raises(FlyteAssertion, match="ended in failure") as caught:
            _ = execution.outputs
        assert LONG_TEXT in str(caught.value)


async def test_a_short_error_costs_no_further_question(backend: Backend) -> None:
    executions = [await launch(backend.remote, "fail", text="no") for _ in range(6)]
    backend.server.stats.reset()
    await asyncio.gather(*(execution.wait() for execution in executions))
    assert backend.calls("GetExecution") == 0
    assert backend.calls("GetExecutionData") == 6
    assert all(execution.error is not None for execution in executions)


async def test_the_error_of_an_aborted_execution_tells_the_cause(backend: Backend) -> None:
    execution = await launch(backend.remote, "hold", name="x")
    await eventually(lambda: backend.held)
    await execution.terminate("nobody needs it")
    await execution.wait()
    assert execution.closure.phase == Phase.ABORTED
    assert execution.error is not None
    assert (execution.error.code, execution.error.message) == ("Aborted", "nobody needs it")
    assert not execution.is_successful
    with pytest.raises(FlyteAssertion, match="nobody needs it"):
        _ = execution.outputs


def ended(closure: admin.ExecutionClosure) -> FlyteWorkflowExecution:
    return FlyteWorkflowExecution.promote_from_model(admin.Execution(id=execution_id("run"), closure=closure))


def test_an_end_without_an_error_is_told_all_the_same() -> None:
    aborted = ended(admin.ExecutionClosure(phase=Phase.ABORTED)).error
    assert aborted == core.ExecutionError(code="Aborted", message="the execution was aborted")
    timed_out = ended(admin.ExecutionClosure(phase=Phase.TIMED_OUT)).error
    assert timed_out == core.ExecutionError(code="TimedOut", message="the execution ended as TIMED_OUT")


def test_a_success_has_no_error_whatever_the_closure_says() -> None:
    """An abort that came too late leaves its metadata behind."""
    closure = admin.ExecutionClosure(phase=Phase.SUCCEEDED, abort_metadata=admin.AbortMetadata(cause="too late"))
    assert ended(closure).error is None
    assert ended(closure).is_successful


async def test_an_execution_that_failed_before_it_started_is_found_out(backend: Backend) -> None:
    """flyteadmin answers OK to a launch that its cluster refuses, and stores a failed execution."""
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    request = admin.ExecutionCreateRequest(
        project="flytesnacks", domain="development", name="run-", spec=admin.ExecutionSpec(launch_plan=plan.id)
    )
    await backend.remote.admin.create_execution(request)
    execution = await backend.remote.execution("run-").wait()
    assert execution.closure.started_at is None
    assert execution.error is not None
    assert "RFC 1123" in execution.error.message


async def test_outputs_that_the_server_cannot_read_are_an_error_that_names_the_place(
    backend: Backend, relayed: tuple[Wire, Relay, FlyteRemote]
) -> None:
    wire, relay, remote = relayed

    async def unreadable(call: Call) -> bytes:
        reply = await relay(call)
        if call.method != "GetExecutionData":
            return reply
        data = codec.decode(admin.WorkflowExecutionGetDataResponse, reply)
        data.full_outputs = core.LiteralMap()
        return codec.encode(data)

    wire.answer = unreadable
    launched = await (await launch(remote, "demo.report", n=2, name="x")).wait()
    fetched = await (await remote.fetch_execution(name=launched.id.name)).wait()
    for execution in (launched, fetched):
        assert execution.is_successful
        assert execution.closure.outputs is not None
        with pytest.raises(FlyteAssertion, match="could not be read") as caught:
            _ = execution.outputs
        assert str(execution.closure.outputs.uri) in str(caught.value)
        assert dict(execution.inputs) == {"n": 2, "name": "x"}
    wire.answer = relay
    await fetched.sync()
    assert fetched.outputs["total"] == 1


# Time limits ...


async def test_a_time_limit_of_zero_looks_once(backend: Backend) -> None:
    execution = await launch(backend.remote, "hold", name="x")
    await eventually(lambda: backend.held)
    backend.server.stats.reset()
    with pytest.raises(FlyteTimeout, match="RUNNING") as caught:
        await execution.wait(timeout=0)
    assert execution.id.name in str(caught.value)
    assert backend.calls() == backend.calls("GetExecution") == 1
    backend.gate.set()
    await backend.remote.execution(execution.id.name).wait()
    assert (await execution.wait(timeout=0)).outputs["o0"] == "x"
    with pytest.raises(FlyteEntityNotExistException):
        await backend.remote.execution("nowhere").wait(timeout=0)


@pytest.mark.parametrize("limit", [-1, -0.001, math.nan, timedelta(seconds=-1), "5", True], ids=str)
@pytest.mark.parametrize("name", ["timeout", "poll_interval"])
async def test_a_time_that_makes_no_sense_is_refused_and_nothing_is_sent(
    backend: Backend, name: str, limit: Any
) -> None:
    with pytest.raises(FlyteInvalidInputException, match=name):
        await backend.remote.execution("run").wait(**{name: limit})
    with pytest.raises(FlyteInvalidInputException, match=name):
        await backend.remote.wait(backend.remote.execution("run"), **{name: limit})
    assert backend.calls() == 0


async def test_time_limits_may_be_timedeltas(backend: Backend) -> None:
    execution = await launch(backend.remote, "hold", name="x")
    task = asyncio.ensure_future(execution.wait(timedelta(minutes=5), timedelta(seconds=1)))
    await eventually(lambda: backend.calls("GetExecution"))
    await clock().advance(300)
    with pytest.raises(FlyteTimeout, match="300 s"):
        await task


async def test_a_poll_interval_of_zero_is_the_floor_and_not_thirty_seconds(backend: Backend) -> None:
    execution = await launch(backend.remote, "hold", name="x")
    task = asyncio.ensure_future(execution.wait(poll_interval=0))
    loop = asyncio.get_running_loop()
    await eventually(lambda: backend.calls("GetExecution"))
    await clock().advance(1000)
    began, before = loop.time(), backend.calls("GetExecution")
    await eventually(lambda: backend.calls("GetExecution") >= before + 4)
    assert 0.2 < loop.time() - began < 2
    backend.gate.set()
    await task


@pytest.mark.parametrize("method", ["GetExecutionData", "GetExecution"])
async def test_the_time_limit_includes_loading_what_a_finished_execution_left(backend: Backend, method: str) -> None:
    patient = backend.remote.with_options(timeout=60)
    executions = [await launch(patient, "fail", text=LONG_TEXT) for _ in range(5)]
    backend.misbehave(Fault(method=method, kind="hang"))
    tasks = [asyncio.ensure_future(execution.wait(timeout=5)) for execution in executions]
    await settle(1)
    deadline = clock().time() + 5
    await eventually(lambda: backend.server.stats.hits[method] == 5)
    await end_at(deadline, *tasks)
    for execution, task in zip(executions, tasks, strict=True):
        with pytest.raises(FlyteTimeout, match="within 5 s") as caught:
            await task
        assert execution.id.name in str(caught.value)
        assert execution.closure.phase == Phase.FAILED, "that it has ended is known"
    backend.misbehave()
    await executions[0].wait()
    assert dict(executions[0].inputs) == {"text": LONG_TEXT}


# Concurrent calls ...


async def test_a_wait_is_not_undone_by_syncs_while_it_lasts(backend: Backend) -> None:
    execution = await launch(backend.remote, "hold", name="x")
    waiting = asyncio.ensure_future(execution.wait(poll_interval=0.1))
    for _ in range(3):
        await execution.sync()
        assert not execution.is_done
    backend.gate.set()
    await waiting
    assert execution.is_done
    assert execution.outputs["o0"] == "x"


async def test_a_reply_does_not_replace_that_of_a_sync_that_was_started_later(
    backend: Backend, relayed: tuple[Wire, Relay, FlyteRemote]
) -> None:
    wire, relay, remote = relayed
    late = asyncio.Event()

    async def answer(call: Call) -> bytes:
        reply = await relay(call)
        if wire.methods.count("GetExecution") == 1:
            await late.wait()
        return reply

    execution = await launch(remote, "hold", name="x")
    wire.answer = answer
    early = asyncio.ensure_future(execution.sync())
    await eventually(lambda: "GetExecution" in wire.methods)
    await eventually(lambda: backend.held)
    await execution.sync()
    assert execution.closure.phase == Phase.RUNNING
    shown = execution.closure
    late.set()
    await early
    assert execution.closure is shown


async def test_a_terminal_phase_once_seen_is_final(backend: Backend, relayed: tuple[Wire, Relay, FlyteRemote]) -> None:
    """flyteadmin may lose the end of an execution to a concurrent update."""
    wire, relay, remote = relayed
    execution = await (await launch(remote, "demo.report", n=2, name="x")).wait()

    async def unfinished(call: Call) -> bytes:
        reply = await relay(call)
        if call.method == "GetExecution":
            shown = codec.decode(admin.Execution, reply)
            shown.closure = admin.ExecutionClosure(phase=Phase.ABORTING)
            return codec.encode(shown)
        return reply

    wire.answer = unfinished
    await execution.sync()
    assert execution.is_successful
    assert execution.outputs["total"] == 1
    assert (await execution.wait()).is_successful


async def test_readers_never_see_half_of_an_update(backend: Backend) -> None:
    execution = await launch(backend.remote, "demo.report", n=3, name="x")
    waiting = asyncio.ensure_future(execution.wait(sync_nodes=True))
    while not waiting.done():
        if execution.is_done:
            assert execution.outputs["total"] == 5
            assert set(execution.node_executions) >= {"n0", "n1", "n2"}
        await asyncio.sleep(0)
    await waiting
    assert execution.is_done


# Ending it ...


async def test_terminating_a_finished_execution_leaves_it_as_it_is(backend: Backend) -> None:
    execution = await (await launch(backend.remote, "nothing")).wait()
    backend.server.stats.reset()
    await execution.terminate("too late")
    assert backend.calls() == backend.calls("TerminateExecution") == 1
    await execution.sync()
    assert execution.is_successful


async def test_terminating_what_does_not_exist_is_an_error(backend: Backend) -> None:
    with pytest.raises(FlyteEntityNotExistException, match="nowhere"):
        await backend.remote.execution("nowhere").terminate("x")


async def test_cancelling_a_wait_does_not_end_the_execution(backend: Backend) -> None:
    execution = await launch(backend.remote, "hold", name="x")
    task = asyncio.ensure_future(execution.wait())
    await eventually(lambda: backend.calls("GetExecution"))
    task.cancel()
    await asyncio.wait([task])
    assert backend.calls("TerminateExecution") == 0
    backend.gate.set()
    assert (await execution.wait()).is_successful


# The object itself ...


def test_executions_are_equal_and_hash_alike_if_their_identifiers_are() -> None:
    one = FlyteWorkflowExecution(id=execution_id("run"))
    same = ended(admin.ExecutionClosure(phase=Phase.FAILED))
    other = FlyteWorkflowExecution(id=execution_id("other"))
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert one != "run"
    assert len({one, same, other}) == 2


async def test_an_execution_made_without_a_remote_says_what_it_needs(backend: Backend) -> None:
    launched = await launch(backend.remote, "nothing")
    execution = FlyteWorkflowExecution(id=launched.id)
    for verb in (execution.sync(), execution.wait(), execution.terminate("x")):
        with pytest.raises(FlyteUsageError, match=r"remote\.sync\(execution\)"):
            await verb
    assert await backend.remote.sync(execution) is execution
    assert (await execution.wait()).is_successful


async def test_the_remote_has_the_same_verbs(backend: Backend) -> None:
    execution = await launch(backend.remote, "hold", name="x")
    await backend.remote.sync(execution, sync_nodes=True)
    assert execution.node_executions
    await backend.remote.terminate(execution, "enough")
    await backend.remote.wait(execution)
    assert execution.closure.phase == Phase.ABORTED


async def test_type_hints_type_inputs_and_outputs(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="defaults")
    execution = await backend.remote.execute(plan, {"a": 1}, type_hints={"o0": float}, wait=True)
    assert isinstance(execution.outputs["o0"], float)
    assert dict(execution.inputs) == {"a": 1, "b": 10}


async def test_a_handle_costs_nothing_and_shows_when_it_is_synced(backend: Backend) -> None:
    launched = await launch(backend.remote, "nothing")
    backend.server.stats.reset()
    handle = backend.remote.execution(launched.id.name)
    assert backend.calls() == 0
    assert handle == launched
    await handle.sync()
    assert handle.spec.launch_plan is not None
    with pytest.raises(FlyteEntityNotExistException, match="nowhere"):
        await backend.remote.execution("nowhere").sync()


async def test_the_console_shows_it(backend: Backend) -> None:
    handle = backend.remote.execution("run", project="p", domain="d")
    assert handle.execution_url == f"http://{backend.server.endpoint}/console/projects/p/domains/d/executions/run"


async def test_concurrent_syncs_are_independent(backend: Backend) -> None:
    execution = await launch(backend.remote, "hold", name="x")
    backend.misbehave(Fault(method="GetExecution", kind="hang", times=1))
    stuck = asyncio.ensure_future(execution.sync())
    await eventually(lambda: backend.server.stats.in_flight)
    async with asyncio.timeout(5):
        await execution.sync()
    assert not stuck.done()
    stuck.cancel()
    await asyncio.wait([stuck])
    await settle()
