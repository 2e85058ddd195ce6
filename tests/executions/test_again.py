"""Relaunching and recovering: what runs again, what is known of it, and that it is launched once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flyteasync import FlyteWorkflowExecution, RetryPolicy
from flyteasync.errors import (
    FlyteEntityAlreadyExistsException,
    FlyteEntityNotExistException,
    FlyteError,
    FlyteInvalidInputException,
    Status,
)
from flyteasync.executions.again import named, recover_request, relaunch_request, repeats, spec_of_repetition
from flyteasync.idl import admin, core
from flyteasync.rpc.retry import AMBIGUOUS
from flyteasync.server import Fault
from tests.server.build import execution_id
from tests.support.backend import Backend, remote_of
from tests.support.loop import clock, eventually
from tests.support.wire import Call, Refusal, Wire

Mode = admin.ExecutionMetadataExecutionMode
VERBS = pytest.mark.parametrize("verb", ["relaunch", "recover"])
RPCS = {"relaunch": "RelaunchExecution", "recover": "RecoverExecution"}


async def finish(backend: Backend, workflow: str, **inputs: Any) -> FlyteWorkflowExecution:
    plan = await backend.remote.fetch_launch_plan(name=workflow)
    return await backend.remote.execute(plan, inputs, wait=True)


@VERBS
async def test_the_same_runs_once_more_with_the_same_inputs(backend: Backend, verb: str) -> None:
    first = await finish(backend, "demo.report", n=3, name="x")
    backend.server.stats.reset()
    second = await getattr(first, verb)()
    assert backend.calls() == backend.calls(RPCS[verb]) == 1
    assert second != first
    assert not second.is_done
    assert second.spec.launch_plan == first.spec.launch_plan
    await second.wait()
    assert dict(second.inputs) == {"n": 3, "name": "x"}
    assert dict(second.outputs) == dict(first.outputs)
    assert first.is_successful


@VERBS
async def test_what_is_known_of_the_new_execution_is_what_the_server_has(backend: Backend, verb: str) -> None:
    first = await finish(backend, "nothing")
    second = await getattr(first, verb)("again")
    assert second.id == execution_id("again")
    known = second.spec.metadata
    await second.sync()
    told = second.spec.metadata
    for metadata in (known, told):
        assert metadata.mode == (Mode.RELAUNCH if verb == "relaunch" else Mode.RECOVERED)
        assert metadata.reference_execution == first.id


@VERBS
async def test_a_repetition_counts_as_launched_and_one_that_was_there_as_adopted(backend: Backend, verb: str) -> None:
    first = await finish(backend, "nothing")
    await getattr(first, verb)()
    await getattr(first, verb)("again")
    metrics = backend.remote.metrics()
    assert (metrics["launched"], metrics["adopted"]) == (3, 0)
    await getattr(first, verb)("again")
    metrics = backend.remote.metrics()
    assert (metrics["launched"], metrics["adopted"]) == (3, 1)


async def test_one_time_limit_holds_for_the_look_and_the_repetition_together() -> None:
    async def answer(call: Call) -> bytes:
        if call.method == "GetExecution":
            await clock().advance(40)
            raise Refusal(Status.NOT_FOUND)
        return b""

    async with Wire(answer) as wire, remote_of(wire.endpoint) as remote:
        view = remote.with_options(timeout=50, attempt_timeout=100)
        await view.execution("source").relaunch("again")
    look, launch = (call.seconds_left for call in wire.calls)
    assert look == pytest.approx(50, abs=1.5)
    assert launch == pytest.approx(8, abs=1.5), "ten are left, and a look takes two of them"


def test_a_request_is_named_without_being_changed() -> None:
    request = relaunch_request(execution_id("source"), overwrite_cache=True)
    assert named(request, "again") == admin.ExecutionRelaunchRequest(
        id=execution_id("source"), name="again", overwrite_cache=True
    )
    assert request.name == ""


@VERBS
async def test_a_handle_can_be_repeated_without_being_synced(backend: Backend, verb: str) -> None:
    first = await finish(backend, "nothing")
    second = await getattr(backend.remote.execution(first.id.name), verb)()
    assert second.spec.launch_plan is None, "nobody has told yet"
    assert (await second.wait()).is_successful
    assert second.spec.launch_plan == first.spec.launch_plan


async def test_type_hints_hold_for_the_new_execution(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="defaults")
    first = await backend.remote.execute(plan, {"a": 1}, type_hints={"o0": float}, wait=True)
    second = await first.relaunch()
    assert isinstance((await second.result())["o0"], float)


@pytest.mark.parametrize("overwrite", [True, False])
async def test_a_relaunch_overwrites_what_is_cached_only_if_told(backend: Backend, overwrite: bool) -> None:
    first = await finish(backend, "nothing")
    second = await first.relaunch(overwrite_cache=overwrite)
    assert second.spec.overwrite_cache is overwrite
    await second.sync()
    assert second.spec.overwrite_cache is overwrite


async def test_a_recovery_does_not_run_again_what_has_succeeded(backend: Backend) -> None:
    first = await finish(backend, "demo.report", n=3, name="x")
    second = await (await first.recover()).wait(sync_nodes=True)
    node = second.node_executions["n2"]
    assert node.closure.phase == core.NodeExecutionPhase.RECOVERED
    assert node.is_done
    assert node.error is None
    assert dict(node.outputs) == {"o0": "hello x: 3 squares", "o1": 5}
    assert node.task_executions == []


@VERBS
async def test_what_is_running_can_be_repeated(backend: Backend, verb: str) -> None:
    plan = await backend.remote.fetch_launch_plan(name="hold")
    first = await backend.remote.execute(plan, {"name": "x"})
    second = await getattr(first, verb)()
    await eventually(lambda: backend.held == 2)
    backend.gate.set()
    assert (await second.wait()).outputs["o0"] == "x"


# Exactly once ...


@VERBS
@pytest.mark.parametrize("status", sorted(AMBIGUOUS), ids=lambda status: status.name)
async def test_a_repetition_whose_reply_was_lost_is_looked_for_and_not_made_again(
    backend: Backend, verb: str, status: Status
) -> None:
    first = await finish(backend, "nothing")
    backend.misbehave(Fault(method=RPCS[verb], kind="lost_reply", status=status))
    backend.server.stats.reset()
    second = await getattr(first, verb)()
    assert (backend.calls(RPCS[verb]), backend.calls("GetExecution")) == (1, 1)
    assert len(await backend.executions()) == 2
    assert (await second.wait()).is_successful


@VERBS
async def test_fifty_repetitions_whose_replies_get_lost_make_fifty_executions(backend: Backend, verb: str) -> None:
    first = await finish(backend, "nothing")
    backend.misbehave(
        Fault(method=RPCS[verb], kind="lost_reply", probability=0.3, seed=1, status=Status.UNAVAILABLE),
        Fault(method=RPCS[verb], kind="error", probability=0.3, seed=2),
        Fault(method="GetExecution", kind="error", probability=0.2, seed=3),
    )
    made = await asyncio.gather(*(getattr(first, verb)() for _ in range(50)))
    backend.misbehave()
    assert len(set(made)) == 50
    assert {one.id.name for one in await backend.executions() if one.id} == {one.id.name for one in [first, *made]}


@VERBS
async def test_a_repetition_is_not_sent_again_without_a_look(backend: Backend, verb: str) -> None:
    first = await finish(backend, "nothing")
    backend.misbehave(
        Fault(method=RPCS[verb], kind="lost_reply", status=Status.UNAVAILABLE),
        Fault(method="GetExecution", status=Status.UNAVAILABLE),
    )
    view = backend.remote.with_options(retry=RetryPolicy(max_attempts=2, initial_backoff=0.001))
    with pytest.raises(FlyteError) as caught:
        await getattr(view.execution(first.id.name), verb)()
    backend.misbehave()
    assert "whether execution" in "".join(caught.value.__notes__)
    assert backend.calls(RPCS[verb]) == 1


@VERBS
async def test_a_named_repetition_can_be_asked_for_again(backend: Backend, verb: str) -> None:
    first = await finish(backend, "nothing")
    made = {await getattr(first, verb)("again"), await getattr(first, verb)("again")}
    assert len(made) == 1
    assert backend.calls(RPCS[verb]) == 1


@VERBS
async def test_a_name_that_something_else_has_is_refused(backend: Backend, verb: str) -> None:
    first = await finish(backend, "nothing")
    other = await finish(backend, "nothing")
    with pytest.raises(FlyteEntityAlreadyExistsException, match=f"not as a repetition of {first.id.name}"):
        await getattr(first, verb)(other.id.name)
    await (first.recover if verb == "relaunch" else first.relaunch)("again")
    with pytest.raises(FlyteEntityAlreadyExistsException, match="again"):
        await getattr(first, verb)("again")
    assert backend.calls(RPCS[verb]) == 0


@VERBS
async def test_a_name_that_cannot_be_is_refused_and_nothing_is_sent(backend: Backend, verb: str) -> None:
    with pytest.raises(FlyteInvalidInputException, match="execution_name"):
        await getattr(backend.remote.execution("e"), verb)("Not A Name")
    assert backend.calls() == 0


@VERBS
async def test_what_does_not_exist_cannot_be_repeated(backend: Backend, verb: str) -> None:
    with pytest.raises(FlyteEntityNotExistException, match="nowhere"):
        await getattr(backend.remote.execution("nowhere"), verb)()


# What is asked for, and what it made ...


def test_only_a_repetition_of_the_same_kind_and_source_is_one() -> None:
    request = relaunch_request(execution_id("a"), overwrite_cache=False)

    def marked(**metadata: Any) -> admin.Execution:
        return admin.Execution(spec=admin.ExecutionSpec(metadata=admin.ExecutionMetadata(**metadata)))

    assert repeats(marked(mode=Mode.RELAUNCH, reference_execution=execution_id("a")), request)
    assert not repeats(marked(mode=Mode.RELAUNCH, reference_execution=execution_id("b")), request)
    assert not repeats(marked(mode=Mode.RECOVERED, reference_execution=execution_id("a")), request)
    assert not repeats(marked(mode=Mode.MANUAL), request)
    assert not repeats(admin.Execution(), request)


def test_the_spec_of_the_source_is_not_changed() -> None:
    spec = admin.ExecutionSpec(tags=["a"], overwrite_cache=True)
    new = spec_of_repetition(spec, recover_request(execution_id("a")))
    assert new is not None
    assert (new.tags, new.overwrite_cache) == (["a"], True)
    assert spec.metadata is None
    assert spec_of_repetition(None, recover_request(execution_id("a"))) is None
