"""Results: outputs, or an exception that carries the remote error; and what a sync shows that was cut short."""

from __future__ import annotations

import asyncio
import pickle
from typing import assert_type

import pytest

from flyteasync import FlyteWorkflowExecution, LiteralsResolver
from flyteasync.errors import (
    FlyteAssertion,
    FlyteExecutionFailed,
    FlyteSystemUnavailableException,
    FlyteTimeout,
    Status,
)
from flyteasync.idl import core
from flyteasync.server import Fault
from tests.support.backend import LONG_TEXT, Backend
from tests.support.loop import eventually

Phase = core.WorkflowExecutionPhase


async def launch(backend: Backend, workflow: str, **inputs: object) -> FlyteWorkflowExecution:
    return await backend.remote.execute(await backend.remote.fetch_launch_plan(name=workflow), inputs)


# Results ...


async def test_the_result_is_the_outputs(backend: Backend) -> None:
    execution = await launch(backend, "demo.report", n=3, name="x")
    outputs = await execution.result()
    assert dict(outputs) == {"text": "hello x: 3 squares", "total": 5, "roots": [0, 1, 4]}
    assert outputs is execution.outputs
    backend.server.stats.reset()
    assert await execution.result(timeout=0) is outputs
    assert backend.calls() == 0


async def test_type_checkers_know_the_type_that_is_asked_for(backend: Backend) -> None:
    outputs = await (await launch(backend, "demo.report", n=3, name="x")).result()
    assert_type(outputs, LiteralsResolver)
    assert assert_type(outputs.get("total", float), float) == 5.0
    assert assert_type(outputs.get("roots", list[int]), list[int]) == [0, 1, 4]
    assert assert_type(outputs.get("text", as_type=str), str) == "hello x: 3 squares"


async def test_the_result_of_a_failed_execution_is_its_remote_error(backend: Backend) -> None:
    execution = await launch(backend, "fail", text=LONG_TEXT)
    with pytest.raises(FlyteExecutionFailed) as caught:
        await execution.result()
    failed, error = caught.value, execution.error
    assert error is not None
    assert error.message.endswith(LONG_TEXT)
    assert failed.error == error
    assert failed.error_code == error.code != ""
    assert failed.phase == "FAILED"
    assert failed.identifier == f"flytesnacks/development/{execution.id.name}"
    assert error.message in str(failed)
    assert not failed.retryable
    copy = pickle.loads(pickle.dumps(failed))
    assert (str(copy), copy.error, copy.phase) == (str(failed), error, "FAILED")


async def test_the_result_of_an_aborted_execution_tells_the_cause(backend: Backend) -> None:
    execution = await launch(backend, "hold", name="x")
    await eventually(lambda: backend.held)
    await execution.terminate("nobody needs it")
    with pytest.raises(FlyteExecutionFailed, match="ended as ABORTED: nobody needs it") as caught:
        await execution.result()
    assert (caught.value.phase, caught.value.error_code) == ("ABORTED", "Aborted")


async def test_a_result_that_does_not_come_in_time_is_a_timeout(backend: Backend) -> None:
    execution = await launch(backend, "hold", name="x")
    with pytest.raises(FlyteTimeout, match=execution.id.name):
        await execution.result(timeout=0)
    backend.gate.set()
    assert (await execution.result(poll_interval=0))["o0"] == "x"


# Syncs that are cut short ...


async def test_a_sync_that_an_outage_cuts_short_shows_the_phase(backend: Backend) -> None:
    execution = await launch(backend, "demo.report", n=3, name="x")
    await backend.remote.execution(execution.id.name).wait()
    backend.misbehave(Fault(method="GetExecutionData", status=Status.UNAVAILABLE))
    view = backend.remote.with_options(timeout=0.2).execution(execution.id.name)
    with pytest.raises(FlyteSystemUnavailableException, match="GetExecutionData"):
        await view.sync()
    assert view.closure.phase == Phase.SUCCEEDED
    with pytest.raises(FlyteAssertion, match="not loaded yet"):
        _ = view.outputs
    with pytest.raises(FlyteTimeout, match=r"not loaded within 0\.3 s"):
        await view.wait(timeout=0.3)
    backend.misbehave()
    assert (await view.wait()).outputs["total"] == 5, "what was not loaded is loaded by the next wait"


async def test_a_cancelled_sync_shows_the_phase_that_it_was_told(backend: Backend) -> None:
    execution = await (await launch(backend, "nothing")).wait()
    handle = backend.remote.execution(execution.id.name)
    backend.misbehave(Fault(method="GetExecutionData", kind="hang"))
    task = asyncio.ensure_future(handle.sync())
    await eventually(lambda: backend.server.stats.hits["GetExecutionData"])
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert handle.is_successful


@pytest.mark.parametrize("status", [Status.INTERNAL, Status.RESOURCE_EXHAUSTED], ids=lambda status: status.name)
@pytest.mark.parametrize("nodes", [False, True], ids=["alone", "with nodes"])
async def test_values_that_the_server_refuses_are_no_failure_of_a_sync(
    backend: Backend, status: Status, nodes: bool
) -> None:
    launched = await (await launch(backend, "demo.report", n=3, name="x")).wait()
    backend.misbehave(Fault(method="GetExecutionData", status=status, details="larger than max"))
    execution = await backend.remote.execution(launched.id.name).sync(sync_nodes=nodes)
    assert execution.is_successful
    assert bool(execution.node_executions) is nodes
    for read in ("inputs", "outputs"):
        with pytest.raises(FlyteAssertion, match=r"could not be read: .*GetExecutionData"):
            getattr(execution, read)
    backend.misbehave()
    assert (await execution.sync()).outputs["total"] == 5


async def test_a_wait_that_cannot_read_the_whole_error_shows_the_end(backend: Backend) -> None:
    """A list has told the end, with the beginning of the error."""
    executions = [await launch(backend, "fail", text=LONG_TEXT) for _ in range(5)]
    for execution in executions:
        await backend.remote.execution(execution.id.name).wait()
    backend.misbehave(Fault(method="GetExecution", status=Status.PERMISSION_DENIED))
    failures = await asyncio.gather(*(execution.wait() for execution in executions), return_exceptions=True)
    assert all(isinstance(failure, Exception) for failure in failures)
    assert all(execution.closure.phase == Phase.FAILED for execution in executions)
    backend.misbehave()
    await executions[0].wait()
    assert executions[0].error is not None
    assert executions[0].inputs["text"] == LONG_TEXT
