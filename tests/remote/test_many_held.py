"""`execute_many` while nothing can be launched: an outage, or the limit of a launch plan."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from flyteasync import RetryPolicy
from flyteasync.entities import FlyteLaunchPlan
from flyteasync.errors import FlyteDeadlineExceeded, FlyteNotLaunched, Status
from flyteasync.idl import admin
from flyteasync.remote.completions import Outcome
from flyteasync.server import Fault
from tests.support.backend import Backend, register, remote_of, single
from tests.support.loop import clock, eventually, settle
from tests.support.wire import Call, Refusal, Relay, Wire

SETTINGS: dict[str, Any] = {"max_launch_rate": None, "poll_interval": 0}
ONCE: dict[str, Any] = {"timeout": 60.0, "retry": RetryPolicy(max_attempts=1)}
"""Options with which a call of a server that is away fails at once."""


async def collect(runs: Any) -> list[Outcome]:
    async with runs:
        return [run async for run in runs]


async def passing(condition: Callable[[], object], step: float = 1.0) -> None:
    """Let time pass until a condition holds."""
    for _ in range(1000):
        if condition():
            return
        await clock().advance(step)
        await asyncio.sleep(0.002)
    pytest.fail("the condition did not come true")


def names(count: int) -> list[str]:
    return [f"run-{index}" for index in range(count)]


@pytest.mark.parametrize("named", [False, True], ids=["generated names", "names"])
@pytest.mark.parametrize("method", ["CreateExecution", "*"])
@pytest.mark.parametrize("status", [Status.UNAVAILABLE, Status.RESOURCE_EXHAUSTED], ids=["outage", "rate limit"])
async def test_an_outage_uses_up_no_inputs(backend: Backend, status: Status, named: bool, method: str) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    view = backend.remote.with_options(**ONCE)
    given: Any = {"names": names(300)} if named else {}
    backend.misbehave(Fault(method=method, status=status, details="not now"))
    taking = asyncio.ensure_future(collect(view.execute_many(plan, [{}] * 300, outputs=False, **given, **SETTINGS)))
    failed = "CreateExecution" if method != "*" or not named else "ListExecutions"
    await passing(lambda: backend.server.stats.hits[failed] > 20)
    backend.misbehave()
    await passing(taking.done)
    runs = await taking
    assert all(run.is_successful for run in runs)
    assert len(runs) == len(await backend.executions()) == 300
    assert backend.server.stats.duplicates == 0


async def test_a_launch_in_doubt_is_looked_for_under_its_name_until_it_is_found(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    view = backend.remote.with_options(**ONCE)
    backend.misbehave(
        Fault(method="CreateExecution", kind="lost_reply", times=5), Fault(method="GetExecution", times=20)
    )
    taking = asyncio.ensure_future(collect(view.execute_many(plan, [{}] * 5, **SETTINGS)))
    await passing(taking.done)
    assert all(run.is_successful for run in await taking)
    assert len(await backend.executions()) == 5


async def test_one_tries_during_an_outage_and_the_others_wait_for_him(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    view = backend.remote.with_options(**ONCE)
    backend.misbehave(Fault(method="CreateExecution", status=Status.UNAVAILABLE))
    async with view.execute_many(plan, [{}] * 100, **SETTINGS) as runs:
        await eventually(lambda: backend.calls("CreateExecution") == 32)
        for _ in range(300):
            await clock().advance(1)
            await asyncio.sleep(0.002)
        assert 8 <= backend.calls("CreateExecution") - 32 <= 30, "pauses grow to 30 s, for all together"
        runs.stop()
        assert all(isinstance(run.error, FlyteNotLaunched) for run in [run async for run in runs])


async def test_a_long_outage_is_warned_about_once_and_its_end_is_told(
    backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "flyteasync.launch")
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    view = backend.remote.with_options(**ONCE)
    backend.misbehave(Fault(method="*", details="the server is away"))
    taking = asyncio.ensure_future(collect(view.execute_many(plan, [{}] * 3, **SETTINGS)))
    await eventually(lambda: backend.server.stats.hits["CreateExecution"])
    await passing(lambda: caplog.records)
    for _ in range(100):
        await clock().advance(1)
        await asyncio.sleep(0.001)
    (warning,) = caplog.records
    assert warning.levelname == "WARNING"
    assert "launching has been held back for 30 s, for calls fail: " in warning.getMessage()
    assert "the server is away" in warning.getMessage()
    backend.misbehave()
    await passing(taking.done)
    assert all(run.is_successful for run in await taking)
    (told,) = [record for record in caplog.records if record is not warning and record.levelname == "INFO"]
    assert "launching goes on" in told.getMessage()


async def test_a_short_outage_is_not_worth_a_warning(backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    backend.misbehave(Fault(method="CreateExecution", times=5))
    view = backend.remote.with_options(**ONCE)
    taking = asyncio.ensure_future(collect(view.execute_many(plan, [{}] * 3, **SETTINGS)))
    await passing(taking.done, step=0.1)
    await clock().advance(60)
    assert caplog.records == []


@pytest.mark.parametrize("how", ["halt", "leave", "stop", "timeout"])
async def test_whatever_ends_launching_ends_the_holding_at_once(backend: Backend, how: str) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    view = backend.remote.with_options(**ONCE)
    # From the reply's loss on, nobody can tell what became of the first launch.
    backend.misbehave(
        Fault(method="CreateExecution", kind="lost_reply", times=1),
        Fault(method="*"),
    )
    timeout = 3600.0 if how == "timeout" else None
    outcomes: dict[int, Outcome] = {}
    async with view.execute_many(plan, [{}] * 40, max_launching=1, timeout=timeout, **SETTINGS) as runs:
        await eventually(lambda: backend.server.stats.hits["GetExecution"])
        await asyncio.sleep(0.1)
        before = clock().time()
        if how == "halt":
            assert await runs.halt() == []
        elif how == "timeout":
            await clock().advance(3600)
        elif how == "stop":
            runs.stop()
            await settle()
            await runs.halt()
        if how != "leave":
            outcomes = {run.index: run async for run in runs}
    assert clock().time() - before < (3601 if how == "timeout" else 1)
    if how != "leave":
        (there,) = await exists(backend)
        assert sorted(outcomes) == list(range(40))
        in_doubt = outcomes.pop(0)
        assert isinstance(in_doubt.error, FlyteDeadlineExceeded)
        assert not in_doubt.error.retryable, "under a new name, it might run twice"
        assert in_doubt.name == there
        assert in_doubt.error.identifier == f"flytesnacks/development/{there}"
        assert all(isinstance(run.error, FlyteNotLaunched) and run.name == "" for run in outcomes.values())


async def exists(backend: Backend) -> list[str]:
    backend.misbehave()
    return [execution.id.name for execution in await backend.executions() if execution.id is not None]


async def test_an_input_that_fails_while_others_are_launched_has_that_as_its_outcome(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="hold")
    backend.gate.set()
    relay = Relay(backend.server.endpoint)

    async def answer(call: Call) -> bytes:
        if call.method == "CreateExecution" and call.request.name == "run-3":
            raise Refusal(Status.UNAVAILABLE, "not this one")
        return await relay(call)

    async with Wire(answer) as wire, remote_of(wire.endpoint) as remote:
        view = remote.with_options(**ONCE)
        inputs = ({"name": str(index)} for index in range(1000))
        settings = {**SETTINGS, "max_launch_rate": 10.0}
        async with view.execute_many(plan, inputs, names=names(1000), **settings) as runs:
            failed: list[Outcome] = []

            async def take() -> None:
                async for run in runs:
                    if run.error is not None:
                        failed.append(run)
                        runs.stop()

            taking = asyncio.ensure_future(take())
            await passing(lambda: failed, step=0.2)
            await taking
        assert failed[0].name == "run-3"
        assert "not this one" in str(failed[0].error)
        assert failed[0].error is not None
        assert failed[0].error.identifier == "flytesnacks/development/run-3"
    await relay.aclose()


async def test_a_failure_that_will_not_pass_is_told_of_each_name_and_as_an_error_of_its_own(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    backend.misbehave(Fault(method="ListExecutions", status=Status.PERMISSION_DENIED))
    runs = await collect(backend.remote.execute_many(plan, [{}] * 3, names=names(3), **SETTINGS))
    assert len({id(run.error) for run in runs}) == 3
    for run in runs:
        assert run.error is not None
        assert run.error.identifier == f"flytesnacks/development/{run.name}"


# The limit of a launch plan ...


async def limited(backend: Backend, most: int) -> FlyteLaunchPlan:
    template, tasks = single("hold", {"name": str}, str, version="limited")
    policy = admin.ConcurrencyPolicy(max=most, behavior=admin.ConcurrencyLimitBehavior.SKIP)
    await register(backend.remote, template, tasks, admin.LaunchPlanSpec(concurrency_policy=policy))
    return await backend.remote.fetch_launch_plan(name="hold", version="limited")


@pytest.mark.parametrize("named", [False, True], ids=["generated names", "names"])
@pytest.mark.parametrize("max_running", [None, 10])
async def test_a_batch_larger_than_the_limit_of_its_launch_plan_is_run(
    backend: Backend, named: bool, max_running: int | None
) -> None:
    plan = await limited(backend, 5)
    backend.gate.set()
    given: Any = {"names": names(60)} if named else {}
    inputs = [{"name": str(index)} for index in range(60)]
    taking = asyncio.ensure_future(
        collect(backend.remote.execute_many(plan, inputs, max_running=max_running, **given, **SETTINGS))
    )
    await passing(taking.done, step=0.1)
    runs = await taking
    assert sorted(run.index for run in runs) == list(range(60))
    assert all(run.is_successful for run in runs)
    assert len(await backend.executions()) == 60
    assert backend.server.stats.duplicates == 0


async def test_an_end_of_an_execution_lets_the_next_one_begin_at_once(backend: Backend) -> None:
    plan = await limited(backend, 1)
    async with backend.remote.execute_many(plan, [{"name": "a"}, {"name": "b"}], **SETTINGS) as runs:
        await eventually(lambda: backend.held == 1 and backend.calls("CreateExecution") == 2)
        await settle()
        first = (await backend.executions())[0]
        await backend.remote.admin.terminate_execution(admin.ExecutionTerminateRequest(id=first.id))
        assert (await anext(runs)).execution is not None
        await eventually(lambda: backend.held == 2, limit=0.4)


async def test_executions_of_others_at_the_limit_are_waited_for_with_pauses_until_the_timeout(
    backend: Backend,
) -> None:
    plan = await limited(backend, 1)
    await backend.remote.execute(plan, {"name": "theirs"})
    await eventually(lambda: backend.held)
    backend.server.stats.reset()
    runs = backend.remote.execute_many(plan, [{"name": "a"}, {"name": "b"}], timeout=600, **SETTINGS)
    taking = asyncio.ensure_future(collect(runs))
    await eventually(lambda: backend.calls("CreateExecution") == 2)
    await passing(taking.done)
    assert 50 <= backend.calls("CreateExecution") <= 150
    for run in await taking:
        assert isinstance(run.error, FlyteNotLaunched)
        assert "concurrency limit (1) reached" in str(run.error)
