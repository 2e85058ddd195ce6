"""Connections that die, stall and are refused, and servers that restart: nothing is lost, and nothing is done twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import get_args

import pytest

from flyteasync import CallOptions, FlyteRemote, RetryPolicy
from flyteasync.errors import FlyteSystemUnavailableException
from flyteasync.idl import admin
from flyteasync.server import Fault, Outage, RelayConfig
from flyteasync.server.relay import Relay, RelayMode
from flyteasync.transport import TransportName
from tests.support.backend import Backend, remote_of
from tests.support.loop import clock, eventually

VERSION = admin.GetVersionRequest()


@pytest.fixture
async def backend() -> AsyncGenerator[Backend]:
    """As all tests have it, behind a relay."""
    async with Backend(relay=RelayConfig()) as backend:
        yield backend


@pytest.fixture
def relay(backend: Backend) -> Relay:
    assert backend.server.relay is not None
    return backend.server.relay


@pytest.fixture(params=get_args(TransportName))
def transport(request: pytest.FixtureRequest) -> TransportName:
    return request.param


@pytest.fixture
async def remote(transport: TransportName, backend: Backend) -> AsyncGenerator[FlyteRemote]:
    options = CallOptions(timeout=30, retry=RetryPolicy(initial_backoff=0.05, max_backoff=0.2))
    async with remote_of(backend.server.endpoint, transport=transport, options=options) as remote:
        yield remote


async def test_reads_survive_connections_that_are_killed_again_and_again(
    backend: Backend, relay: Relay, remote: FlyteRemote
) -> None:
    await remote.ping()
    backend.misbehave(Fault(method="GetVersion", kind="delay", delay=0.01))
    relay.set_kill_every(0.05)
    while relay.stats.killed < 5:
        answers = await asyncio.gather(*(remote.admin.get_version(VERSION) for _ in range(10)))
        assert all(answer.control_plane_version is not None for answer in answers)
    assert remote.stats.failures


@pytest.mark.parametrize("mode", ["down", "refuse", "stall"])
async def test_reads_survive_an_outage(backend: Backend, relay: Relay, remote: FlyteRemote, mode: RelayMode) -> None:
    await remote.ping()
    relay.set_mode(mode)
    relay.kill(1)
    reads = [asyncio.create_task(remote.admin.get_version(VERSION)) for _ in range(20)]
    await eventually(lambda: relay.stats.refused > 1 or (mode == "stall" and relay.stats.accepted > 1))
    assert not any(read.done() for read in reads)
    relay.set_mode("open")
    assert all(answer.control_plane_version is not None for answer in await asyncio.gather(*reads))


async def test_a_call_that_nobody_repeats_fails_at_once_when_its_connection_is_killed(
    backend: Backend, relay: Relay, remote: FlyteRemote
) -> None:
    await remote.ping()
    backend.misbehave(Fault(method="GetVersion", kind="hang"))
    asking = asyncio.create_task(remote.ping())
    await eventually(lambda: backend.server.stats.in_flight)
    relay.kill()
    with pytest.raises(FlyteSystemUnavailableException):
        await asking
    backend.misbehave()
    await remote.admin.get_version(VERSION)
    await eventually(lambda: not backend.server.stats.in_flight)


async def test_launches_over_connections_that_are_killed_are_made_once_each(
    backend: Backend, relay: Relay, remote: FlyteRemote
) -> None:
    plan = await remote.fetch_launch_plan(name="nothing")
    relay.set_kill_every(0.05)
    names: set[str] = set()
    while relay.stats.killed < 5:
        names |= {each.id.name for each in await asyncio.gather(*(remote.execute(plan) for _ in range(10)))}
    relay.set_kill_every(0)
    assert remote.stats.failures
    assert {each.id.name for each in await backend.executions() if each.id is not None} == names


async def test_launches_whose_replies_die_with_their_connection_are_made_once_each(
    backend: Backend, relay: Relay, remote: FlyteRemote
) -> None:
    """The worst moment: the server has done it, and the answer is on its way."""
    plan = await remote.fetch_launch_plan(name="nothing")
    backend.misbehave(Fault(method="CreateExecution", kind="delay", delay=0.3, calls=range(1, 21)))
    launches = [asyncio.create_task(remote.execute(plan)) for _ in range(20)]
    await eventually(lambda: backend.server.stats.in_flight == 20)
    relay.set_mode("stall")
    await eventually(lambda: not backend.server.stats.in_flight)
    assert backend.server.stats.calls["CreateExecution"]["OK"] == 20
    relay.kill()
    relay.set_mode("open")
    names = {execution.id.name for execution in await asyncio.gather(*launches)}
    assert len(names) == 20
    assert len(await backend.executions()) == 20
    assert backend.calls("CreateExecution") == 20
    assert backend.server.stats.duplicates == 0


async def test_many_executions_are_launched_once_each_and_all_end_in_spite_of_all(
    backend: Backend, relay: Relay, remote: FlyteRemote
) -> None:
    plan = await remote.fetch_launch_plan(name="demo.report")
    relay.set_kill_every(0.1)
    relay.plan([Outage(after=0.15, seconds=0.2), Outage(after=0.5, seconds=0.2, mode="stall")])
    inputs = [{"n": n, "name": f"run {n}"} for n in range(40)]
    async with remote.execute_many(plan, inputs, max_running=10, poll_interval=0.1) as runs:
        ended = {run.index: run async for run in runs}
    assert sorted(ended) == list(range(40))
    assert not [run.error for run in ended.values() if run.error is not None]
    assert len(await backend.executions()) == 40
    assert relay.stats.killed > 0


@pytest.mark.parametrize("count", [1, 6], ids=["alone", "in a chunk"])
@pytest.mark.parametrize("mode", ["down", "stall"])
async def test_a_wait_survives_an_outage(
    backend: Backend, relay: Relay, remote: FlyteRemote, mode: RelayMode, count: int
) -> None:
    plan = await remote.fetch_launch_plan(name="hold")
    executions = [await remote.execute(plan, {"name": "x"}) for _ in range(count)]
    waits = [asyncio.create_task(execution.wait(600)) for execution in executions]
    await eventually(lambda: backend.held == count)
    relay.set_mode(mode)
    backend.gate.set()
    for _ in range(3):
        await clock().advance(1)
        await asyncio.sleep(0.02)
    assert not any(wait.done() for wait in waits)
    relay.set_mode("open")
    while not all(wait.done() for wait in waits):
        await clock().advance(0.5)
        await asyncio.sleep(0.01)
    assert all(execution.is_successful for execution in await asyncio.gather(*waits))


async def test_a_wait_survives_a_restart(backend: Backend, remote: FlyteRemote) -> None:
    plan = await remote.fetch_launch_plan(name="hold")
    execution = await remote.execute(plan, {"name": "x"})
    waiting = asyncio.create_task(execution.wait(600))
    await eventually(lambda: backend.held == 1 and backend.calls("GetExecution"))
    await backend.server.restart(downtime=0.05)
    backend.gate.set()
    while not waiting.done():
        await clock().advance(0.5)
        await asyncio.sleep(0.01)
    assert dict((await waiting).outputs) == {"o0": "x"}


async def test_a_server_without_a_relay_leaves_its_port_and_takes_it_again(transport: TransportName) -> None:
    async with (
        Backend(registered=False) as plain,
        remote_of(plain.server.endpoint, transport=transport) as remote,
    ):
        for _ in range(3):
            assert (await remote.admin.get_version(VERSION)).control_plane_version is not None
            await plain.server.restart()
        assert (await remote.admin.get_version(VERSION)).control_plane_version is not None
        assert plain.server.stats.restarts == 3


async def test_calls_under_way_end_well_in_a_graceful_restart(backend: Backend, remote: FlyteRemote) -> None:
    backend.misbehave(Fault(method="GetVersion", kind="delay", delay=0.3, times=1))
    asking = asyncio.create_task(remote.ping())
    await eventually(lambda: backend.server.stats.in_flight)
    await backend.server.restart(grace=10)
    assert (await asking).version
    assert remote.stats.retries.total() == 0


async def test_a_connection_that_is_told_to_go_is_replaced_and_no_call_notices(transport: TransportName) -> None:
    async with (
        Backend(registered=False, max_connection_age=0.1) as aging,
        remote_of(aging.server.endpoint, transport=transport) as remote,
    ):
        while len(aging.server.stats.peers) < 4:
            await remote.ping()
            await asyncio.sleep(0.002)
        assert not remote.stats.failures
