"""A deadline is a point in time of the running loop's clock; what callers give is a duration."""

from __future__ import annotations

import asyncio
import math
import types
from collections.abc import Awaitable, Generator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from .errors import FlyteInvalidInputException

T = TypeVar("T")

Duration = float | int | timedelta
"""What callers may give as a duration: seconds, or a timedelta."""


def seconds(value: Duration, name: str = "timeout") -> float:
    """The duration in seconds.

    Args:
        value: seconds, or a timedelta; zero or more.
        name: what the caller knows the value as, for the error's text.

    Raises:
        FlyteInvalidInputException: negative, NaN, or not a duration.
    """
    if isinstance(value, timedelta):
        result = value.total_seconds()
    elif isinstance(value, bool) or not isinstance(value, (int, float)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise FlyteInvalidInputException(
            f"{name} must be a number of seconds or a timedelta, got {value!r} ({type(value).__name__})"
        )
    else:
        result = as_float(value, name)
    if math.isnan(result) or result < 0:
        raise FlyteInvalidInputException(f"{name} must be zero or more seconds, got {value!r}")
    return result


def as_float(value: float, name: str) -> float:
    """A number as a float.

    Raises:
        FlyteInvalidInputException: a whole number too large for it.
    """
    try:
        return float(value)
    except OverflowError:
        raise FlyteInvalidInputException(f"{name} is larger than any float") from None


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point in time of the loop's clock; `math.inf` never comes."""

    at: float

    @classmethod
    def after(cls, timeout: Duration | None, name: str = "timeout") -> Deadline:
        """The deadline that lies `timeout` ahead; None is never.

        Needs a running loop. Raises FlyteInvalidInputException as `seconds` does.
        """
        if timeout is None:
            return NEVER
        if type(timeout) is not float or not timeout >= 0:  # as it mostly is
            timeout = seconds(timeout, name)
        return cls(asyncio.get_running_loop().time() + timeout)

    def remaining(self) -> float:
        """Seconds left, never below zero."""
        return math.inf if self.at == math.inf else max(0.0, self.at - asyncio.get_running_loop().time())

    def sooner(self, other: Deadline) -> Deadline:
        """The one of the two that comes first."""
        return self if self.at <= other.at else other


NEVER = Deadline(math.inf)


async def within(deadline: Deadline, wanted: Awaitable[T]) -> T:
    """Wait for something, but not beyond a deadline.

    A timer costs several times what the rest does, so there is one only if there is anything to wait for.

    Raises:
        TimeoutError: the deadline has come.
    """
    steps: Generator[Any, Any, T] = wanted.__await__()
    try:
        awaited = steps.send(None)
    except StopIteration as end:
        return end.value
    async with asyncio.timeout_at(None if deadline.at == math.inf else deadline.at):
        return await _go_on(steps, awaited)


@types.coroutine
def _go_on(steps: Generator[Any, Any, T], awaited: Any) -> Generator[Any, Any, T]:
    """The rest of something that has begun and waits; what the task is sent or thrown meanwhile is passed on to it."""
    while True:
        try:
            sent = yield awaited
        except BaseException as error:  # noqa: BLE001 # a cancellation above all, which is for whoever waits innermost
            thrown: BaseException | None = error
            sent = None
        else:
            thrown = None
        try:
            awaited = steps.send(sent) if thrown is None else steps.throw(thrown)
        except StopIteration as end:
            return end.value
