"""The bound on calls in flight."""

from __future__ import annotations

import asyncio

import pytest

from flyteasync import Config, FlyteRemote
from flyteasync.deadline import Deadline
from flyteasync.errors import FlyteDeadlineExceeded, FlyteInvalidInputException
from flyteasync.idl import admin
from flyteasync.rpc import CallLimiter
from flyteasync.server import Fault
from flyteasync.transport import TransportError
from tests.support.backend import Backend, remote_of
from tests.support.loop import clock, eventually, settle

VERSION = admin.GetVersionRequest()
RESERVED = 8
ORDINARY = 4


async def test_one_call_more_than_allowed_is_not_sent_until_a_place_is_free(bare: Backend) -> None:
    bare.misbehave(Fault(method="GetVersion", kind="hang"))
    async with remote_of(bare.server.endpoint, max_concurrent_rpcs=RESERVED + ORDINARY) as remote:
        hung = [asyncio.ensure_future(remote.admin.get_version(VERSION)) for _ in range(ORDINARY)]
        await eventually(lambda: bare.server.stats.in_flight == ORDINARY)
        queued = asyncio.ensure_future(remote.admin.get_domains(admin.GetDomainRequest()))
        await settle(50)
        assert remote.stats.attempts["GetDomains"] == 0
        hung[0].cancel()
        await queued
        assert bare.calls("GetDomains") == 1
        for task in hung:
            task.cancel()
        await asyncio.wait(hung)


async def test_a_call_that_finds_no_place_ends_at_its_deadline_without_being_sent(bare: Backend) -> None:
    bare.misbehave(Fault(method="GetVersion", kind="hang"))
    async with remote_of(bare.server.endpoint, max_concurrent_rpcs=RESERVED + ORDINARY) as remote:
        hung = [asyncio.ensure_future(remote.admin.get_version(VERSION)) for _ in range(ORDINARY)]
        await eventually(lambda: bare.server.stats.in_flight == ORDINARY)
        queued = asyncio.ensure_future(remote.with_options(timeout=300).admin.get_domains(admin.GetDomainRequest()))
        await settle()
        await clock().advance(301)
        with pytest.raises(FlyteDeadlineExceeded, match="calls in flight"):
            await queued
        assert bare.calls("GetDomains") == 0
        for task in hung:
            task.cancel()
        await asyncio.wait(hung)


async def test_polls_of_the_watcher_pass_the_queue(backend: Backend) -> None:
    backend.misbehave(Fault(method="GetVersion", kind="hang"))
    async with remote_of(backend.server.endpoint, max_concurrent_rpcs=RESERVED + ORDINARY) as remote:
        execution = await remote.execute(await remote.fetch_launch_plan(name="hold"), {"name": "x"})
        hung = [asyncio.ensure_future(remote.admin.get_version(VERSION)) for _ in range(ORDINARY)]
        await eventually(lambda: backend.server.stats.in_flight == ORDINARY)
        waiting = asyncio.ensure_future(execution.wait())
        await eventually(lambda: backend.calls("GetExecution") >= 2)
        for task in (waiting, *hung):
            task.cancel()
        await asyncio.wait([waiting, *hung])


async def test_a_cancelled_wait_for_a_place_takes_none() -> None:
    limiter = CallLimiter(total=2, reserved=1)
    deadline = Deadline.after(None)

    async def hold(release: asyncio.Event) -> None:
        async with limiter.place(deadline):
            await release.wait()

    first, second = asyncio.Event(), asyncio.Event()
    holder = asyncio.ensure_future(hold(first))
    await settle()
    waiters = [asyncio.ensure_future(hold(second)) for _ in range(3)]
    await settle()
    waiters[0].cancel()
    first.set()
    await holder
    second.set()
    await asyncio.wait(waiters)
    async with limiter.place(Deadline.after(0)):
        pass


async def test_a_place_in_the_urgent_part_does_not_count_in_the_ordinary_one() -> None:
    limiter = CallLimiter(total=2, reserved=1)
    async with limiter.place(Deadline.after(0), urgent=True), limiter.place(Deadline.after(0)):
        for urgent in (True, False):
            with pytest.raises(TransportError, match="DEADLINE_EXCEEDED"):
                async with limiter.place(Deadline.after(0), urgent=urgent):
                    pass


@pytest.mark.parametrize("total", [8, 0, -1])
def test_a_bound_that_leaves_no_ordinary_place_is_refused_when_the_remote_is_made(total: int) -> None:
    with pytest.raises(FlyteInvalidInputException, match="max_concurrent_rpcs"):
        FlyteRemote(Config.for_endpoint("localhost:1", insecure=True), max_concurrent_rpcs=total)
