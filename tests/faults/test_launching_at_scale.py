"""Many launches through what a network and a server do to them: exactly the right executions, and the right phases."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from flyteasync import CallOptions, FlyteLaunchPlan, FlyteRemote
from flyteasync.errors import Status
from flyteasync.idl import admin, core
from flyteasync.remote.completions import Outcome
from flyteasync.server import Fault
from flyteasync.server.relay import Outage, Relay, RelayMode
from tests.support.backend import Backend, register, remote_of, single
from tests.support.loop import clock, eventually

Phase = core.WorkflowExecutionPhase

LIMIT = 40
"""How many executions of the limited launch plan may run at a time."""

SIZES = pytest.mark.parametrize("count", [200, pytest.param(1000, marks=pytest.mark.long)])

ROUGH = (
    Fault(method="CreateExecution", kind="lost_reply", probability=0.2, seed=1, status=Status.UNAVAILABLE),
    Fault(method="*", kind="error", probability=0.1, seed=2),
    Fault(method="*", kind="delay", probability=0.05, seed=3, delay=0.02),
)
SETTINGS: dict[str, Any] = {"max_launch_rate": None, "poll_interval": 0.2}


async def collect(runs: Any) -> list[Outcome]:
    async with runs:
        return [run async for run in runs]


async def limited(backend: Backend) -> FlyteLaunchPlan:
    template, tasks = single("hold", {"name": str}, str, version="limited")
    policy = admin.ConcurrencyPolicy(max=LIMIT, behavior=admin.ConcurrencyLimitBehavior.SKIP)
    await register(backend.remote, template, tasks, admin.LaunchPlanSpec(concurrency_policy=policy))
    return await backend.remote.fetch_launch_plan(name="hold", version="limited")


async def stored(backend: Backend) -> list[str]:
    """The names of the executions that the server has."""
    backend.misbehave()
    return sorted(execution.id.name for execution in await backend.executions() if execution.id is not None)


@SIZES
@pytest.mark.parametrize("named", [False, True], ids=["generated names", "deterministic names"])
async def test_every_input_makes_one_execution_and_every_wait_ends_with_its_phase(
    backend: Backend, count: int, named: bool
) -> None:
    good = await backend.remote.fetch_launch_plan(name="nothing")
    bad = await backend.remote.fetch_launch_plan(name="fail")
    half = count // 2
    backend.misbehave(*ROUGH)

    def runs(plan: FlyteLaunchPlan, prefix: str, inputs: dict[str, Any]) -> Any:
        names = [f"{prefix}-{index}" for index in range(half)] if named else None
        return backend.remote.execute_many(plan, [inputs] * half, names=names, **SETTINGS)

    text = "what went wrong, at length: " * 10
    ended = await asyncio.gather(collect(runs(good, "good", {})), collect(runs(bad, "bad", {"text": text})))
    phases = [Counter(run.execution.closure.phase for run in each if run.execution is not None) for each in ended]
    assert phases == [{Phase.SUCCEEDED: half}, {Phase.FAILED: half}]
    assert all(text in run.execution.error.message for run in ended[1] if run.execution and run.execution.error)
    assert await stored(backend) == sorted(run.name for each in ended for run in each)
    assert backend.server.stats.duplicates == 0, "what exists is never created again"
    assert backend.server.stats.hits["CreateExecution"] > count * 0.2


@SIZES
async def test_first_launches_of_a_task_that_race_through_faults_make_one_execution_each(
    backend: Backend, count: int
) -> None:
    task = await backend.remote.fetch_task(name="nothing")
    race = Fault(method="CreateExecution", status=Status.ALREADY_EXISTS, details="value already exists", times=50)
    backend.misbehave(race, *ROUGH)
    executions = await asyncio.gather(*(backend.remote.execute(task) for _ in range(count)))
    finished = await backend.remote.wait_all(executions, poll_interval=0.2)
    assert all(execution.is_successful for execution in finished)
    assert await stored(backend) == sorted(execution.id.name for execution in executions)
    assert backend.server.stats.duplicates == 0


@SIZES
async def test_a_limit_of_running_executions_is_kept_by_max_running_and_all_are_launched(
    backend: Backend, count: int
) -> None:
    plan = await limited(backend)
    backend.gate.set()
    backend.misbehave(*ROUGH)
    inputs = [{"name": str(index)} for index in range(count)]
    runs = await collect(backend.remote.execute_many(plan, inputs, max_running=LIMIT, **SETTINGS))
    assert all(run.is_successful for run in runs)
    assert all(run.execution.outputs["o0"] == str(run.index) for run in runs if run.execution is not None)
    assert await stored(backend) == sorted(run.name for run in runs)
    assert backend.server.stats.duplicates == 0


async def test_what_a_limit_of_running_executions_refuses_is_launched_when_there_is_room(backend: Backend) -> None:
    plan = await limited(backend)
    backend.gate.set()
    backend.misbehave(*ROUGH)
    inputs = [{"name": str(index)} for index in range(200)]
    taking = asyncio.ensure_future(collect(backend.remote.execute_many(plan, inputs, **SETTINGS)))
    while not taking.done():
        await clock().advance(0.05)
        await asyncio.sleep(0.005)
    runs = await taking
    assert all(run.is_successful for run in runs)
    assert await stored(backend) == sorted(run.name for run in runs)
    assert backend.server.stats.duplicates == 0


async def test_a_driver_that_is_killed_and_started_again_through_faults_launches_nothing_twice(
    backend: Backend,
) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    names = [f"run-{index}" for index in range(200)]
    backend.misbehave(*ROUGH)
    for patience in (5, 40, 90):  # outcomes that are taken before it is killed
        task = asyncio.ensure_future(_take(backend, plan, names, patience))
        await task
    runs = await collect(backend.remote.execute_many(plan, [{}] * 200, names=names, **SETTINGS))
    assert all(run.is_successful for run in runs)
    assert await stored(backend) == sorted(names)
    assert backend.server.stats.duplicates == 0


async def _take(backend: Backend, plan: FlyteLaunchPlan, names: list[str], number: int) -> None:
    taken = 0
    async with backend.remote.execute_many(plan, [{}] * len(names), names=names, max_running=50, **SETTINGS) as runs:
        async for _ in runs:
            taken += 1
            if taken == number:
                return  # launches under way are cut off


# What happens to connections ...


@asynccontextmanager
async def behind_a_relay(backend: Backend, **settings: Any) -> AsyncGenerator[tuple[Relay, FlyteRemote]]:
    """A remote whose connections a test can break."""
    host, _, port = backend.server.endpoint.rpartition(":")
    relay = Relay(host, int(port))
    await relay.start("127.0.0.1", 0)
    try:
        async with remote_of(relay.endpoint, **settings) as remote:
            yield relay, remote
    finally:
        await relay.aclose()


async def launched_exactly_once(backend: Backend, remote: FlyteRemote, count: int, rate: float) -> list[Outcome]:
    """Launch under names of one's own, as a driver that resumes does, and check what became of it."""
    plan = await remote.fetch_launch_plan(name="nothing")
    names = [f"run-{index}" for index in range(count)]
    settings = {**SETTINGS, "max_launch_rate": rate}
    runs = await collect(remote.execute_many(plan, [{}] * count, names=names, **settings))
    assert all(run.is_successful for run in runs), Counter(str(run.error) for run in runs)
    assert await stored(backend) == sorted(names)
    assert backend.server.stats.duplicates == 0
    return runs


@pytest.mark.parametrize(
    ("count", "every"),
    [(200, 0.1), pytest.param(1000, 1.0, marks=[pytest.mark.long, pytest.mark.timeout(120)])],
)
async def test_connections_that_are_cut_again_and_again_cost_no_execution_and_make_none_twice(
    backend: Backend, count: int, every: float
) -> None:
    async with behind_a_relay(backend) as (relay, remote):
        await remote.ping()
        relay.set_kill_every(every)
        await launched_exactly_once(backend, remote, count, rate=200 if count < 1000 else 100)
        relay.set_kill_every(0)
        assert relay.stats.killed >= 5


@pytest.mark.parametrize(
    ("count", "seconds", "mode"),
    [
        (200, 1.0, "down"),
        (200, 1.0, "stall"),
        pytest.param(1000, 30.0, "down", marks=[pytest.mark.long, pytest.mark.timeout(180)]),
    ],
)
async def test_an_outage_in_the_middle_is_waited_out(
    backend: Backend, count: int, seconds: float, mode: RelayMode
) -> None:
    options = CallOptions(timeout=60.0, attempt_timeout=5.0)
    async with behind_a_relay(backend, options=options) as (relay, remote):
        relay.plan([Outage(after=0.4, seconds=seconds, mode=mode)])
        loop = asyncio.get_running_loop()
        began = loop.time()
        await launched_exactly_once(backend, remote, count, rate=200)
        assert loop.time() - began > seconds


@pytest.mark.parametrize("count", [200, pytest.param(1000, marks=[pytest.mark.long, pytest.mark.timeout(120)])])
async def test_restarts_of_the_server_cost_no_execution_and_make_none_twice(backend: Backend, count: int) -> None:
    async with remote_of(backend.server.endpoint, options=CallOptions()) as remote:
        launching = asyncio.ensure_future(launched_exactly_once(backend, remote, count, rate=200))
        for part in (1, 2, 3):
            await eventually(lambda least=count * part // 4: backend.calls("CreateExecution") >= least, limit=60)
            await backend.server.restart(downtime=0.2)
        await launching
    assert backend.server.stats.restarts == 3
