"""Places that nodes run in."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from flyteasync.server.engine.activity import Activity
from flyteasync.server.engine.slots import Slots


@given(st.integers(1, 3), st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=12))
async def test_no_more_hold_a_place_than_there_are_and_those_who_are_cancelled_hold_up_nobody(
    limit: int, jobs: list[tuple[int, bool]]
) -> None:
    slots = Slots(Activity(), limit)
    holding, most, done = 0, 0, list[int]()

    async def job(index: int, turns: int) -> None:
        nonlocal holding, most
        await slots.take()
        try:
            holding += 1
            most = max(most, holding)
            for _ in range(turns):
                await asyncio.sleep(0)
            done.append(index)
        finally:
            holding -= 1
            slots.give_back()

    tasks = [asyncio.create_task(job(index, turns)) for index, (turns, _) in enumerate(jobs)]
    await asyncio.sleep(0)
    for running, (_, cancelled) in zip(tasks, jobs, strict=True):
        if cancelled:
            running.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert most <= limit
    assert {index for index, (_, cancelled) in enumerate(jobs) if not cancelled} <= set(done)
    # All places are free again.
    for _ in range(limit):
        await asyncio.wait_for(slots.take(), 1)


async def test_a_place_that_is_taken_anyway_has_to_be_given_back_before_others_go_on() -> None:
    slots = Slots(Activity(), 1)
    await slots.take()
    slots.take_anyway()
    waiting = asyncio.create_task(slots.take())
    slots.give_back()
    await asyncio.sleep(0)
    assert not waiting.done()
    slots.give_back()
    await waiting


async def test_without_a_limit_nobody_waits() -> None:
    slots = Slots(Activity(), 0)
    for _ in range(100):
        await asyncio.wait_for(slots.take(), 1)
    for _ in range(100):
        slots.give_back()
