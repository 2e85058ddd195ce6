"""What a wait does after it saw the end: it loads what there is, through outages, and once for all who wait."""

from __future__ import annotations

import asyncio

import pytest

from flyteasync import CallOptions, FlyteRemote, FlyteWorkflowExecution
from flyteasync.errors import (
    FlytePermissionDenied,
    FlyteRemoteClosed,
    FlyteResourceExhausted,
    FlyteSystemUnavailableException,
    FlyteTimeout,
    Status,
)
from flyteasync.executions.renewal import LOOK_LIMIT
from flyteasync.server import Fault
from tests.support.backend import LONG_TEXT, Backend, remote_of
from tests.support.loop import clock, eventually, settle


async def launch(remote: FlyteRemote, workflow: str, /, **inputs: object) -> FlyteWorkflowExecution:
    return await remote.execute(await remote.fetch_launch_plan(name=workflow), inputs)


async def ended(backend: Backend, count: int) -> list[FlyteWorkflowExecution]:
    """Executions that have ended, which nobody has looked at."""
    executions = [await launch(backend.remote, "demo.report", n=3, name="x") for _ in range(count)]
    for execution in executions:
        await backend.remote.execution(execution.id.name).wait()
    return executions


def handles(remote: FlyteRemote, executions: list[FlyteWorkflowExecution]) -> list[FlyteWorkflowExecution]:
    return [remote.execution(execution.id.name) for execution in executions]


# Outages ...


@pytest.mark.parametrize("nodes", [False, True])
async def test_an_outage_after_the_end_does_not_end_a_wait(backend: Backend, nodes: bool) -> None:
    """The calls themselves give up much sooner."""
    (execution,) = handles(backend.remote.with_options(timeout=0.05), await ended(backend, 1))
    backend.misbehave(Fault(method="GetExecutionData", status=Status.UNAVAILABLE))
    waiting = asyncio.ensure_future(execution.wait(timeout=60, sync_nodes=nodes))
    await eventually(lambda: backend.calls("GetExecutionData") >= 3)
    await clock().advance(10)
    await eventually(lambda: backend.calls("GetExecutionData") >= 6)
    assert not waiting.done()
    backend.misbehave()
    await clock().advance(10)
    assert (await waiting).outputs["total"] == 5


async def test_an_outage_does_not_cost_a_wait_the_whole_error(backend: Backend) -> None:
    view = backend.remote.with_options(timeout=0.05)
    executions = [await launch(view, "fail", text=LONG_TEXT) for _ in range(5)]
    for execution in executions:
        await backend.remote.execution(execution.id.name).wait()
    backend.misbehave(Fault(method="GetExecution", status=Status.UNAVAILABLE))
    tasks = [asyncio.ensure_future(execution.wait()) for execution in executions]
    await eventually(lambda: backend.calls("GetExecution") >= 10)
    await settle()
    assert not any(task.done() for task in tasks)
    backend.misbehave()
    await clock().advance(10)
    for execution in await asyncio.gather(*tasks):
        assert execution.error is not None
        assert execution.error.message.endswith(LONG_TEXT)


async def test_an_outage_after_the_end_gives_no_outcome_an_error(backend: Backend) -> None:
    executions = handles(backend.remote.with_options(timeout=0.05), await ended(backend, 5))
    backend.misbehave(Fault(method="GetExecutionData", status=Status.UNAVAILABLE))

    async def collect() -> list[object]:
        return [outcome.error async for outcome in backend.remote.as_completed(executions, timeout=60)]

    collecting = asyncio.ensure_future(collect())
    await eventually(lambda: backend.calls("GetExecutionData") >= 15)
    backend.misbehave()
    await clock().advance(5)
    assert await collecting == [None] * 5
    assert all(execution.outputs["total"] == 5 for execution in executions)


async def test_an_outage_after_the_end_gives_no_run_an_error(backend: Backend) -> None:
    view = backend.remote.with_options(timeout=0.2)
    plan = await view.fetch_launch_plan(name="nothing")
    backend.misbehave(Fault(method="GetExecutionData", status=Status.UNAVAILABLE))
    async with view.execute_many(plan, [{}] * 5, timeout=60) as runs:
        first = asyncio.ensure_future(anext(runs))
        await eventually(lambda: backend.calls("GetExecutionData") >= 10)
        assert not first.done()
        backend.misbehave()
        await clock().advance(5)
        outcomes = [await first] + [run async for run in runs]
    assert [run.error for run in outcomes] == [None] * 5


async def test_a_wait_whose_values_do_not_come_in_time_says_why(backend: Backend) -> None:
    (execution,) = handles(backend.remote, await ended(backend, 1))
    backend.misbehave(Fault(method="GetExecutionData", status=Status.UNAVAILABLE, details="down"))
    with pytest.raises(FlyteTimeout, match=r"not loaded within 0.3 s.* did not answer.*down") as caught:
        await execution.wait(timeout=0.3)
    assert isinstance(caught.value.__cause__, FlyteSystemUnavailableException)
    assert execution.is_successful


async def test_a_refusal_of_what_an_execution_left_ends_the_wait(backend: Backend) -> None:
    execution = await launch(backend.remote, "fail", text=LONG_TEXT)
    listed = [await launch(backend.remote, "fail", text=LONG_TEXT) for _ in range(4)]
    for one in (execution, *listed):
        await backend.remote.execution(one.id.name).wait()
    backend.misbehave(Fault(method="GetExecution", status=Status.PERMISSION_DENIED))
    with pytest.raises(FlytePermissionDenied):
        await backend.remote.wait_all([execution, *listed])


async def test_closing_the_remote_ends_a_wait_that_loads(backend: Backend) -> None:
    async with remote_of(backend.server.endpoint, options=CallOptions(timeout=0.05)) as remote:
        (execution,) = handles(remote, await ended(backend, 1))
        backend.misbehave(Fault(method="GetExecutionData", status=Status.UNAVAILABLE))
        waiting = asyncio.ensure_future(execution.wait())
        await eventually(lambda: backend.calls("GetExecutionData") >= 3)
    await clock().advance(10)
    with pytest.raises(FlyteRemoteClosed):
        await waiting


async def test_a_limit_of_the_rate_of_calls_does_not_cost_a_wait_its_values(backend: Backend) -> None:
    (execution,) = handles(backend.remote, await ended(backend, 1))
    limit = Fault(method="GetExecutionData", status=Status.RESOURCE_EXHAUSTED, details="too many requests")
    backend.misbehave(limit)
    with pytest.raises(FlyteResourceExhausted, match="too many requests"):
        await execution.sync()
    waiting = asyncio.ensure_future(execution.wait())
    await eventually(lambda: backend.calls("GetExecutionData") >= 3)
    backend.misbehave()
    assert (await waiting).outputs["total"] == 5


# A look ...


async def test_a_look_during_an_outage_fails_at_once(backend: Backend) -> None:
    execution = await launch(backend.remote, "hold", name="x")
    backend.misbehave(Fault(method="GetExecution", status=Status.UNAVAILABLE, details="down"))
    with pytest.raises(FlyteTimeout, match=f"whether execution .*{execution.id.name} is finished is not known.*down"):
        await execution.wait(timeout=0)
    assert backend.calls("GetExecution") == 1


async def test_a_look_at_what_has_finished_loads_for_a_limited_time(backend: Backend) -> None:
    (execution,) = handles(backend.remote, await ended(backend, 1))
    backend.misbehave(Fault(method="GetExecutionData", kind="hang"))
    looking = asyncio.ensure_future(execution.wait(timeout=0))
    await eventually(lambda: backend.server.stats.in_flight)
    await clock().advance(LOOK_LIMIT)
    with pytest.raises(FlyteTimeout, match=r"not loaded within 10 s"):
        await looking
    assert execution.is_successful


# Together ...


async def test_waits_for_one_execution_load_its_values_once(backend: Backend) -> None:
    execution = await launch(backend.remote, "hold", name="x")
    waits = [asyncio.ensure_future(execution.wait()) for _ in range(20)]
    await eventually(lambda: backend.held)
    backend.gate.set()
    await asyncio.gather(*waits)
    assert execution.outputs["o0"] == "x"
    assert backend.calls("GetExecutionData") == 1


async def test_a_wait_that_is_cancelled_as_it_loads_leaves_the_loading_to_others(backend: Backend) -> None:
    (execution,) = handles(backend.remote, await ended(backend, 1))
    backend.misbehave(Fault(method="GetExecutionData", kind="hang", times=1))
    waits = [asyncio.ensure_future(execution.wait()) for _ in range(3)]
    await eventually(lambda: backend.server.stats.in_flight)
    await settle()
    waits[0].cancel()
    await asyncio.gather(*waits[1:])
    assert waits[0].cancelled()
    assert execution.outputs["total"] == 5
    assert backend.server.stats.hits["GetExecutionData"] == 1


async def test_a_wait_for_the_nodes_is_not_content_with_the_values(backend: Backend) -> None:
    (execution,) = handles(backend.remote, await ended(backend, 1))
    waits = [asyncio.ensure_future(execution.wait(sync_nodes=nodes)) for nodes in (False, True, False, True)]
    await asyncio.gather(*waits)
    assert set(execution.node_executions) >= {"start-node", "end-node"}
    assert backend.calls("GetWorkflow") <= 1
