"""Durations as callers give them, and points in time."""

import asyncio
import math
from datetime import timedelta

import pytest

from flyteasync.deadline import NEVER, Deadline, seconds, within
from flyteasync.errors import FlyteInvalidInputException
from tests.support.loop import clock, settle


@pytest.mark.parametrize(("given", "expected"), [(3, 3.0), (0.5, 0.5), (0, 0.0), (timedelta(minutes=2), 120.0)])
def test_seconds_accepts_numbers_and_timedeltas(given: float | timedelta, expected: float) -> None:
    assert seconds(given) == expected


class _Huge(int):
    """More digits than Python shows."""

    def __str__(self) -> str:
        return "huge"


_HUGE = _Huge(10**5000)


@pytest.mark.parametrize("given", [-1, -0.001, math.nan, timedelta(seconds=-1), "5", True, None, 10**400, _HUGE])
def test_seconds_refuses_what_is_no_duration_and_names_the_parameter(given: object) -> None:
    with pytest.raises(FlyteInvalidInputException, match="poll_interval"):
        seconds(given, "poll_interval")  # type: ignore[arg-type]


async def test_a_deadline_comes_nearer_as_the_clock_moves() -> None:
    deadline = Deadline.after(60)
    assert deadline.remaining() == pytest.approx(60, abs=1)
    await clock().advance(45)
    assert deadline.remaining() == pytest.approx(15, abs=1)
    await clock().advance(45)
    assert deadline.remaining() == 0


async def test_no_timeout_is_a_deadline_that_never_comes() -> None:
    assert Deadline.after(None) is NEVER
    assert NEVER.remaining() == math.inf
    assert NEVER.sooner(Deadline(5.0)) == Deadline(5.0)


# Waiting ...


async def two_steps(first: asyncio.Future[int], second: asyncio.Future[int]) -> int:
    return await first + await second


async def test_what_is_there_at_once_is_returned_though_the_deadline_has_come() -> None:
    async def ready() -> int:
        return 7

    assert await within(Deadline.after(0), ready()) == 7
    done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    done.set_result(8)
    assert await within(NEVER, done) == 8


async def test_what_has_to_wait_is_waited_for() -> None:
    loop = asyncio.get_running_loop()
    first, second = loop.create_future(), loop.create_future()
    task = asyncio.ensure_future(within(Deadline.after(60), two_steps(first, second)))
    await settle()
    first.set_result(1)
    await settle()
    second.set_result(2)
    assert await task == 3


async def test_waiting_ends_at_the_deadline_in_the_innermost_place() -> None:
    ended: list[type[BaseException] | None] = []

    async def wait() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        except BaseException as error:
            ended.append(type(error))
            raise

    task = asyncio.ensure_future(within(Deadline.after(60), wait()))
    await settle()
    await clock().advance(60)
    with pytest.raises(TimeoutError):
        await task
    assert ended == [asyncio.CancelledError]


async def test_a_cancelled_wait_is_cancelled_innermost_and_may_clean_up() -> None:
    loop = asyncio.get_running_loop()
    cleaned = loop.create_future()

    async def wait() -> None:
        try:
            await loop.create_future()
        finally:
            await cleaned

    task = asyncio.ensure_future(within(Deadline.after(60), wait()))
    await settle()
    task.cancel()
    await settle()
    assert not task.done()
    cleaned.set_result(None)
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_fails_fails_as_it_is_before_and_after_it_has_waited() -> None:
    async def fail(turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        raise ValueError(turns)

    for turns in range(3):
        with pytest.raises(ValueError, match=str(turns)):
            await within(Deadline.after(60), fail(turns))
