"""How `execute_many` ends: its timeout, halting, leaving the block, and who is terminated then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from flyteasync import RetryPolicy
from flyteasync.entities import LazyEntity
from flyteasync.errors import FlyteNotLaunched, FlyteTimeout, Status
from flyteasync.idl import core
from flyteasync.remote.completions import Outcome
from flyteasync.server import Fault
from tests.support.backend import Backend, remote_of
from tests.support.loop import clock, eventually, settle
from tests.support.wire import Call, Relay, Wire

SETTINGS: dict[str, Any] = {"max_launch_rate": None, "poll_interval": 0}
ABORTED, RUNNING = core.WorkflowExecutionPhase.ABORTED, core.WorkflowExecutionPhase.RUNNING


async def collect(runs: Any) -> list[Outcome]:
    async with runs:
        return [run async for run in runs]


async def phases(backend: Backend) -> list[core.WorkflowExecutionPhase]:
    """Of all executions, as soon as none is about to end."""
    for _ in range(1000):
        found = [execution.closure.phase for execution in await backend.executions() if execution.closure is not None]
        if core.WorkflowExecutionPhase.ABORTING not in found:
            return found
        await asyncio.sleep(0.001)
    raise AssertionError("an execution does not end")


# The timeout ...


async def test_a_timeout_ends_launching_though_outcomes_are_taken_late(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    async with backend.remote.execute_many(plan, [{}] * 20, max_running=5, timeout=60, **SETTINGS) as runs:
        await eventually(lambda: backend.calls("GetExecutionData") == 5)
        await asyncio.sleep(0.02)
        await clock().advance(61)
        outcomes: list[Outcome] = []
        async for run in runs:
            outcomes.append(run)
            await asyncio.sleep(0.01)
    assert len(outcomes) == 20
    assert sum(run.is_successful for run in outcomes) == backend.calls("CreateExecution") == 5
    assert backend.remote.watcher.waiting == 0


async def test_the_poller_looks_once_more_right_before_the_timeout(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="hold")
    taking = asyncio.ensure_future(collect(backend.remote.execute_many(plan, [{"name": "a"}], timeout=600)))
    await eventually(lambda: backend.held)
    began = clock().time()

    async def until(seconds: float, step: float) -> None:
        before = backend.remote.watcher.polls
        while not taking.done() and clock().time() < began + seconds:
            if step == 1 and backend.remote.watcher.polls > before:
                return  # the next look by the interval comes after the timeout
            await clock().advance(step)
            await asyncio.sleep(0.002)

    await until(578, 2)
    await until(595, 1)
    backend.gate.set()
    await asyncio.sleep(0.05)
    await until(601, 0.05)
    (run,) = await taking
    assert run.is_successful


async def test_the_text_of_a_timeout_tells_the_phase_that_was_seen_or_none(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="hold")
    taking = asyncio.ensure_future(collect(backend.remote.execute_many(plan, [{"name": "a"}], timeout=60)))
    await eventually(lambda: backend.held)
    await clock().advance(61)
    (run,) = await taking
    assert str(run.error).startswith(f"execution flytesnacks/development/{run.name} ")
    assert str(run.error).endswith("did not finish within 60 s")
    assert "UNDEFINED" not in str(run.error)
    execution = backend.remote.execution(run.name)
    waiting = asyncio.ensure_future(backend.remote.wait_all([execution], timeout=60))
    await eventually(lambda: backend.remote.watcher.polls > 1)
    await asyncio.sleep(0.05)
    await clock().advance(61)
    with pytest.raises(FlyteTimeout, match=rf"1 of 1 executions .*{run.name} \(RUNNING\)$"):
        await waiting


@pytest.mark.parametrize("sequence", [True, False])
async def test_an_entity_that_is_not_fetched_in_time_is_told(backend: Backend, sequence: bool) -> None:
    async def never() -> Any:
        await asyncio.get_running_loop().create_future()

    inputs: Any = [{"name": "a"}] * 5
    runs = backend.remote.execute_many(
        LazyEntity("hold", never), inputs if sequence else iter(inputs), timeout=60, **SETTINGS
    )
    taking = asyncio.ensure_future(collect(runs))
    await settle()
    await clock().advance(61)
    if sequence:
        outcomes = await taking
        assert [run.index for run in outcomes] == list(range(5))
        assert all(isinstance(run.error, FlyteNotLaunched) for run in outcomes)
        assert "the 60 s for everything were over" in str(outcomes[0].error)
    else:
        with pytest.raises(FlyteTimeout, match="could not be fetched within 60 s"):
            await taking


async def test_stopping_does_not_wait_for_an_entity_that_is_not_fetched(backend: Backend) -> None:
    async def never() -> Any:
        await asyncio.get_running_loop().create_future()

    async with backend.remote.execute_many(LazyEntity("hold", never), [{"name": "a"}] * 3, **SETTINGS) as runs:
        await settle()
        runs.stop()
        assert [type(run.error) async for run in runs] == [FlyteNotLaunched] * 3


# Inputs that were taken ...


@pytest.mark.parametrize("how", ["stop", "halt"])
async def test_inputs_that_were_taken_ahead_all_have_outcomes(backend: Backend, how: str) -> None:
    plan = await backend.remote.fetch_launch_plan(name="hold")
    taken: list[int] = []

    async def messages() -> AsyncIterator[dict[str, str]]:
        for index in range(1000):
            taken.append(index)
            yield {"name": str(index)}

    async with backend.remote.execute_many(
        plan, messages(), names=lambda given: f"run-{given['name']}", max_running=5, **SETTINGS
    ) as runs:
        await eventually(lambda: backend.held == 5)
        backend.gate.set()
        outcomes = [await anext(runs) for _ in range(3)]
        left = []
        if how == "stop":
            runs.stop()
        else:
            left = await runs.halt()
        outcomes += [run async for run in runs]
    assert len(taken) <= 210, "200 are read ahead"
    assert sorted([run.name for run in outcomes] + [each.id.name for each in left]) == sorted(
        f"run-{index}" for index in taken
    )


# Halting ...


async def test_halting_returns_what_cannot_be_loaded_during_an_outage_after_five_seconds(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    backend.misbehave(Fault(method="GetExecutionData", status=Status.UNAVAILABLE))
    async with backend.remote.execute_many(plan, [{}] * 100, **SETTINGS) as runs:
        await eventually(lambda: backend.server.stats.hits["GetExecutionData"] > 100)
        halting = asyncio.ensure_future(runs.halt())
        await asyncio.sleep(0.01)
        assert not halting.done()
        await clock().advance(5.1)
        left = await halting
        outcomes = [run async for run in runs]
    assert len(left) + len(outcomes) == 100
    assert len(left) > 50
    assert backend.remote.watcher.waiting == 0


async def test_halting_waits_for_values_that_are_being_loaded(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    backend.misbehave(Fault(method="GetExecutionData", kind="delay", delay=0.05))
    async with backend.remote.execute_many(plan, [{}] * 3, **SETTINGS) as runs:
        await eventually(lambda: backend.remote.metrics()["done"] == 3)
        assert await runs.halt() == []
        assert [run.is_successful async for run in runs] == [True] * 3


# Leaving the block ...


@pytest.mark.parametrize("times", [1, 2, 4])
@pytest.mark.parametrize("on_exit", ["leave", "terminate"])
async def test_a_task_that_is_cancelled_again_while_it_leaves_the_block_leaves_nothing_behind(
    backend: Backend, times: int, on_exit: Any
) -> None:
    plan = await backend.remote.fetch_launch_plan(name="hold")
    backend.misbehave(
        Fault(method="CreateExecution", kind="hang", calls=(3,)),
        Fault(method="TerminateExecution", kind="delay", delay=0.02),
    )

    async def work() -> None:
        async with backend.remote.execute_many(
            plan, [{"name": str(index)} for index in range(3)], on_exit=on_exit, **SETTINGS
        ) as runs:
            async for _ in runs:
                pytest.fail("nothing finishes here")

    task = asyncio.ensure_future(work())
    await eventually(lambda: backend.held == 2)
    for _ in range(times):
        task.cancel()
        await settle()
    if on_exit == "terminate":
        await clock().advance(5.1)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert backend.remote.watcher.waiting == 0
    assert await phases(backend) == [ABORTED if on_exit == "terminate" else RUNNING] * 2


async def test_terminating_at_the_exit_includes_what_the_timeout_gave_up(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="hold")
    inputs = [{"name": "a"}] * 3
    async with backend.remote.execute_many(plan, inputs, on_exit="terminate", timeout=60, **SETTINGS) as runs:
        await eventually(lambda: backend.held == 3)
        await clock().advance(61)
        assert [type(run.error) async for run in runs] == [FlyteTimeout] * 3
    assert await phases(backend) == [ABORTED] * 3


async def test_terminating_at_the_exit_leaves_alone_what_was_adopted(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="hold")
    await backend.remote.execute(plan, {"name": "a"}, execution_name="theirs")
    await eventually(lambda: backend.held)
    inputs = [{"name": "a"}, {"name": "b"}]
    async with backend.remote.execute_many(plan, inputs, names=["theirs", "ours"], on_exit="terminate", **SETTINGS):
        await eventually(lambda: backend.held == 2 and backend.remote.metrics()["waiting"] == 2)
    assert sorted(await phases(backend)) == [RUNNING, ABORTED]


async def test_terminating_at_the_exit_costs_nothing_for_what_has_finished(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    await collect(backend.remote.execute_many(plan, [{}] * 3, on_exit="terminate", **SETTINGS))
    assert backend.calls("TerminateExecution") == 0


@pytest.mark.parametrize("named", [False, True], ids=["generated names", "names"])
async def test_terminating_at_the_exit_includes_what_may_have_been_launched(backend: Backend, named: bool) -> None:
    plan = await backend.remote.fetch_launch_plan(name="hold")
    backend.misbehave(
        Fault(method="CreateExecution", kind="lost_reply", status=Status.UNAVAILABLE),
        Fault(method="GetExecution", status=Status.UNAVAILABLE),
    )
    view = backend.remote.with_options(retry=RetryPolicy(max_attempts=1))
    given: Any = {"names": ["a", "b", "c"]} if named else {}
    async with view.execute_many(plan, [{"name": "a"}] * 3, on_exit="terminate", **given, **SETTINGS):
        await eventually(lambda: backend.held == 3)
        await asyncio.sleep(0.05)
    backend.misbehave()
    assert await phases(backend) == [ABORTED] * 3


async def test_what_was_in_doubt_and_does_not_exist_is_no_trouble_at_the_exit(
    backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    plan = await backend.remote.fetch_launch_plan(name="hold")
    backend.misbehave(Fault(method="CreateExecution"), Fault(method="GetExecution"))
    view = backend.remote.with_options(retry=RetryPolicy(max_attempts=1))
    async with view.execute_many(plan, [{"name": "a"}] * 3, on_exit="terminate", **SETTINGS):
        await eventually(lambda: backend.server.stats.hits["GetExecution"] >= 3)
        await asyncio.sleep(0.05)
    assert backend.calls("TerminateExecution") == 3
    assert caplog.records == []


# Names of others ...


async def test_a_slow_launch_does_not_make_the_next_one_rely_on_an_old_answer(backend: Backend) -> None:
    """Else, the inputs of what another driver launched meanwhile would be overwritten."""
    plan = await backend.remote.fetch_launch_plan(name="hold")
    relay, first = Relay(backend.server.endpoint), asyncio.Event()

    async def answer(call: Call) -> bytes:
        if call.method == "CreateExecution" and call.request.name == "run-0":
            await first.wait()
        return await relay(call)

    inputs = [{"name": "mine"}] * 2
    async with Wire(answer) as wire, remote_of(wire.endpoint) as remote:
        view = remote.with_options(timeout=600, attempt_timeout=600)
        async with view.execute_many(plan, inputs, names=["run-0", "run-1"], max_launching=1, **SETTINGS) as runs:
            await eventually(lambda: "CreateExecution" in wire.methods)
            await clock().advance(30)
            theirs = await backend.remote.execute(plan, {"name": "theirs"}, execution_name="run-1")
            first.set()
            run = await anext(runs)
            assert "exists already and differs in the input name" in str(run.error)
        await theirs.sync()
    await relay.aclose()
    assert dict(theirs.inputs) == {"name": "theirs"}
    assert backend.server.stats.duplicates == 0


async def test_a_low_rate_does_not_make_a_launch_rely_on_an_old_answer(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="hold")
    inputs = [{"name": "mine"}] * 2
    async with backend.remote.execute_many(plan, inputs, names=["run-0", "run-1"], max_launch_rate=1 / 30) as runs:
        await eventually(lambda: backend.held)
        await clock().advance(20)
        theirs = await backend.remote.execute(plan, {"name": "theirs"}, execution_name="run-1")
        await clock().advance(11)
        run = await anext(runs)
        assert "exists already and differs in the input name" in str(run.error)
    await theirs.sync()
    assert dict(theirs.inputs) == {"name": "theirs"}


async def test_names_that_are_taken_use_up_nothing_of_the_rate(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    names = [f"run-{index}" for index in range(50)]
    await collect(backend.remote.execute_many(plan, [{}] * 50, names=names, **SETTINGS))
    runs = backend.remote.execute_many(plan, [{}] * 50, names=names, max_launch_rate=1 / 60)
    assert all(run.is_successful for run in await asyncio.wait_for(collect(runs), 30))


async def test_a_workflows_launch_plan_that_is_slow_to_come_does_not_make_answers_grow_old(backend: Backend) -> None:
    workflow = await backend.remote.fetch_workflow(name="hold")
    relay, found = Relay(backend.server.endpoint), asyncio.Event()

    async def answer(call: Call) -> bytes:
        if call.method == "GetLaunchPlan":
            await found.wait()
        return await relay(call)

    async with (
        Wire(answer) as wire,
        remote_of(wire.endpoint) as remote,
        remote.execute_many(workflow, [{"name": "mine"}], names=["run-0"], **SETTINGS) as runs,
    ):
        await eventually(lambda: "GetLaunchPlan" in wire.methods)
        theirs = await backend.remote.execute(workflow, {"name": "theirs"}, execution_name="run-0")
        await clock().advance(11)
        found.set()
        assert "exists already" in str((await anext(runs)).error)
    await relay.aclose()
    await theirs.sync()
    assert dict(theirs.inputs) == {"name": "theirs"}
