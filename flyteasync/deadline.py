"""A deadline is a point in time of the running loop's clock; what callers give is a duration."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from datetime import timedelta

from .errors import FlyteInvalidInputException

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
        result = float(value)
    if math.isnan(result) or result < 0:
        raise FlyteInvalidInputException(f"{name} must be zero or more seconds, got {value!r}")
    return result


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
        return cls(asyncio.get_running_loop().time() + seconds(timeout, name))

    def remaining(self) -> float:
        """Seconds left, never below zero."""
        return math.inf if self.at == math.inf else max(0.0, self.at - asyncio.get_running_loop().time())

    def sooner(self, other: Deadline) -> Deadline:
        """The one of the two that comes first."""
        return self if self.at <= other.at else other


NEVER = Deadline(math.inf)
