"""The bound on calls in flight."""

from __future__ import annotations

import asyncio
import math
import random
from contextlib import AsyncExitStack
from typing import Any

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
RESERVED = 3
ORDINARY = 9


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


@pytest.mark.parametrize("total", [0, -1, math.nan, 200.5, True, "500", None], ids=repr)
def test_a_bound_that_is_no_count_is_refused_when_the_remote_is_made(total: Any) -> None:
    with pytest.raises(FlyteInvalidInputException, match="max_concurrent_rpcs"):
        FlyteRemote(Config.for_endpoint("localhost:1", insecure=True), max_concurrent_rpcs=total)


@pytest.mark.parametrize(("total", "ordinary"), [(1, 1), (3, 3), (4, 3), (8, 6), (32, 24), (200, 192)])
async def test_small_bounds_work_too_and_keep_at_most_a_quarter_for_urgent_calls(total: int, ordinary: int) -> None:
    limiter = CallLimiter(total)
    async with AsyncExitStack() as held:
        for _ in range(ordinary):
            await held.enter_async_context(limiter.place(Deadline.after(0)))
        with pytest.raises(TransportError, match="stayed taken") as caught:
            await held.enter_async_context(limiter.place(Deadline.after(0)))
        assert caught.value.unprocessed
        for _ in range(total - ordinary):
            await held.enter_async_context(limiter.place(Deadline.after(0), urgent=True))
        with pytest.raises(TransportError):
            await held.enter_async_context(limiter.place(Deadline.after(0), urgent=True))


class Holders:
    """Tasks that hold places, by names, until they are told to go."""

    def __init__(self, limiter: CallLimiter) -> None:
        self.limiter = limiter
        self.order: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.gates: dict[str, asyncio.Event] = {}

    async def begin(self, *names: str) -> None:
        """Have each ask for a place; those whose names begin with u are urgent."""
        for name in names:
            self.gates[name] = asyncio.Event()
            self.tasks[name] = asyncio.ensure_future(self._hold(name))
        await settle()

    async def end(self, *names: str) -> None:
        for name in names:
            self.gates[name].set()
        await settle()

    async def _hold(self, name: str) -> None:
        async with self.limiter.place(Deadline.after(None), urgent=name.startswith("u")):
            self.order.append(name)
            await self.gates[name].wait()


async def test_an_urgent_call_takes_whichever_place_is_free_first_and_before_ordinary_calls() -> None:
    holders = Holders(CallLimiter(total=3, reserved=2))
    await holders.begin("a", "u1", "u2", "b", "c", "u3", "u4")
    assert holders.order == ["a", "u1", "u2"]
    await holders.end("u1")
    assert holders.order[3:] == ["u3"], "a reserved place"
    await holders.end("a")
    assert holders.order[4:] == ["u4"], "an ordinary place, before those who wait for longer"
    await holders.end("u2", "u3")
    assert holders.order[5:] == [], "reserved places are not for ordinary calls"
    await holders.end("u4")
    assert holders.order[5:] == ["b"]
    await holders.end("b", "c")
    assert holders.order[6:] == ["c"]
    await asyncio.gather(*holders.tasks.values())


async def test_one_who_is_cancelled_just_as_a_place_comes_hands_it_on() -> None:
    holders = Holders(CallLimiter(total=1))
    await holders.begin("a", "b", "c")
    holders.gates["a"].set()
    holders.tasks["b"].cancel()
    await settle()
    assert holders.order == ["a", "c"]
    await holders.begin("d")
    await asyncio.sleep(0)
    holders.limiter.free(False)  # as if somebody else gave one back: d has it now, and does not know yet
    holders.tasks["d"].cancel()
    await settle()
    async with holders.limiter.place(Deadline.after(0)):
        assert holders.order == ["a", "c"]
    await holders.end("c")
    await asyncio.wait(holders.tasks.values())


async def test_calls_that_never_got_a_place_are_not_attempts_that_ended(bare: Backend) -> None:
    bare.misbehave(Fault(method="GetVersion", kind="hang"))
    async with remote_of(bare.server.endpoint, max_concurrent_rpcs=1) as remote:
        hung = asyncio.ensure_future(remote.admin.get_version(VERSION))
        await eventually(lambda: bare.server.stats.in_flight == 1)
        with pytest.raises(FlyteDeadlineExceeded):
            await remote.with_options(timeout=0.01).admin.get_domains(admin.GetDomainRequest())
        assert not [name for name in remote.metrics() if "GetDomains" in name]
        hung.cancel()
        await asyncio.wait([hung])


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(("ordinary", "reserved"), [(1, 0), (1, 1), (2, 1), (2, 2), (3, 2)])
async def test_places_are_neither_lost_nor_made_whatever_happens(ordinary: int, reserved: int, seed: int) -> None:
    """Calls begin, end and are cancelled in any order, several in one turn of the loop too."""
    chance = random.Random(f"{ordinary} {reserved} {seed}")
    total = ordinary + reserved
    limiter = CallLimiter(total, reserved)
    holding: dict[asyncio.Task[None], bool] = {}

    async def call(urgent: bool) -> None:
        task = asyncio.current_task()
        assert task is not None
        async with limiter.place(Deadline.after(None), urgent=urgent):
            holding[task] = urgent
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                del holding[task]

    calls: list[tuple[asyncio.Task[None], bool]] = []
    for _ in range(100):
        what = chance.choice(["begin", "begin urgent", "end", "cancel"])
        if what.startswith("begin"):
            urgent = what.endswith("urgent")
            calls.append((asyncio.ensure_future(call(urgent)), urgent))
        elif calls:
            task, _ = calls.pop(chance.randrange(len(calls)))
            task.cancel()
            if what == "cancel":
                await settle(chance.randrange(3))
                continue  # what comes next happens before all know who have to
        await settle(4)
        queued = [urgent for task, urgent in calls if task not in holding]
        assert len(holding) <= total
        assert sum(not urgent for urgent in holding.values()) <= total - reserved
        if True in queued:
            assert len(holding) == total, "an urgent call waits while there is a place"
        if False in queued:
            assert len(holding) >= total - reserved, "an ordinary call waits while there is a place for it"
    for task, _ in calls:
        task.cancel()
    if calls:
        await asyncio.wait([task for task, _ in calls])
    await settle(4)
    async with AsyncExitStack() as everything:
        for _ in range(total):
            await everything.enter_async_context(limiter.place(Deadline.after(0), urgent=True))
