"""Timers and the time they ring at."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from flyteasync.server.clock import Clock


async def test_a_new_clock_shows_the_time_of_day_and_never_goes_back() -> None:
    clock = Clock()
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5)
    before = clock.now()
    clock.skip_to(clock.time() - 100)
    assert clock.now() >= before
    clock.skip_to(clock.time() + 100)
    assert clock.now() - before >= timedelta(seconds=100)


async def test_timers_ring_when_their_time_has_come_in_real_time() -> None:
    clock, rang = Clock(), asyncio.Event()
    clock.after(0.01, rang.set)
    await asyncio.wait_for(rang.wait(), 5)
    assert clock.time() >= 0.01


async def test_an_earlier_timer_that_is_set_later_rings_first() -> None:
    clock, order = Clock(), list[str]()
    done = asyncio.Event()
    clock.after(0.02, lambda: (order.append("second"), done.set()))
    clock.after(0.01, lambda: order.append("first"))
    await asyncio.wait_for(done.wait(), 5)
    assert order == ["first", "second"]


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=20), st.sets(st.integers(0, 19)))
async def test_timers_ring_by_time_then_the_late_ones_last_then_by_age(
    timers: list[tuple[int, bool]], cancelled: set[int]
) -> None:
    clock, rang = Clock(), list[int]()
    start = clock.time() + 1000
    made = [
        clock.at(start + when, lambda index=index: rang.append(index), late=late)
        for index, (when, late) in enumerate(timers)
    ]
    for index in cancelled:
        if index < len(made):
            made[index].cancel()
            made[index].cancel()
    while clock.next_due() is not None:
        clock.ring_next()
    kept = [index for index in range(len(timers)) if index not in cancelled]
    assert rang == sorted(kept, key=lambda index: (timers[index], index))
    assert not timers or clock.time() >= start or not kept
    clock.stop()


async def test_no_time_passes_and_no_timer_rings_while_a_clock_is_frozen() -> None:
    clock, rang = Clock(), asyncio.Event()
    with clock.frozen():
        before = clock.now()
        clock.after(0, rang.set)
        await asyncio.sleep(0.01)
        assert clock.now() == before
        assert not rang.is_set()
        clock.skip_to(clock.time() + 50)
    assert timedelta(seconds=50) <= clock.now() - before < timedelta(seconds=55)
    await asyncio.wait_for(rang.wait(), 5)


async def test_cancelled_timers_are_thrown_away() -> None:
    clock = Clock()
    for _ in range(10_000):
        clock.after(1000, lambda: None).cancel()
    assert clock.next_due() is None
    timers = [clock.after(1000, lambda: None) for _ in range(5000)]
    for timer in timers[:-1]:
        timer.cancel()
    assert len(clock._timers) < 2000  # pyright: ignore[reportPrivateUsage]
    assert clock.next_due() is not None
    clock.stop()
    assert clock.next_due() is None
