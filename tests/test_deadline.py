"""Durations as callers give them, and points in time."""

import math
from datetime import timedelta

import pytest

from flyteasync.deadline import NEVER, Deadline, seconds
from flyteasync.errors import FlyteInvalidInputException
from tests.support.loop import clock


@pytest.mark.parametrize(("given", "expected"), [(3, 3.0), (0.5, 0.5), (0, 0.0), (timedelta(minutes=2), 120.0)])
def test_seconds_accepts_numbers_and_timedeltas(given: float | timedelta, expected: float) -> None:
    assert seconds(given) == expected


@pytest.mark.parametrize("given", [-1, -0.001, math.nan, timedelta(seconds=-1), "5", True, None])
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
