"""Several coroutines at once."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyteasync.executions.concurrent import Workers, map_concurrently
from tests.support.loop import settle


@given(st.lists(st.integers(0, 3), max_size=30), st.integers(1, 5))
async def test_all_jobs_run_the_oldest_first_and_no_more_at_a_time_than_may(children: list[int], limit: int) -> None:
    """Each job adds as many jobs as the list says of it."""
    workers, began, left = Workers(limit), list[int](), iter(children)
    running = most = 0
    added = 1

    async def job(number: int) -> None:
        nonlocal running, most, added
        began.append(number)
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        for _ in range(next(left, 0)):
            workers.add(partial(job, added))
            added += 1
        running -= 1

    workers.add(partial(job, 0))
    await workers.run()
    assert began == list(range(added))
    assert most <= limit
    assert running == 0


async def test_without_jobs_there_is_nothing_to_wait_for() -> None:
    workers = Workers(2)
    await workers.run()
    await workers.run()


async def test_the_first_failure_is_raised_bare_and_the_other_jobs_are_cancelled() -> None:
    workers, ended = Workers(2), list[str]()

    async def fail() -> None:
        raise ValueError("first")

    async def hang() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.append("cancelled")

    for job in (hang, fail, hang):
        workers.add(job)
    with pytest.raises(ValueError, match="first"):
        await workers.run()
    assert ended == ["cancelled"], "the third was never begun"


async def test_cancelling_ends_the_jobs_under_way() -> None:
    workers, ended = Workers(3), list[str]()

    async def hang() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.append("cancelled")

    for _ in range(5):
        workers.add(hang)
    before = asyncio.all_tasks()
    running = asyncio.ensure_future(workers.run())
    await settle()
    assert len(asyncio.all_tasks() - before) == 1 + 3
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ended == ["cancelled"] * 3
    assert asyncio.all_tasks() == before


async def test_results_are_in_the_order_of_the_items() -> None:
    async def later(number: int) -> int:
        await settle(10 - number)
        return number * 2

    assert await map_concurrently(later, range(10)) == [number * 2 for number in range(10)]
