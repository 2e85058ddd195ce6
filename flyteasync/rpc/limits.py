"""What all calls of one connection share: the bound on calls in flight, the retry budget, the counters."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from dataclasses import dataclass, field

from ..deadline import Deadline, within
from ..errors import FlyteInvalidInputException, Status
from ..transport import TransportError


class CallLimiter:
    """At most so many RPCs in flight; some places are kept for the watcher, so that its polls pass the queue."""

    def __init__(self, total: int = 200, reserved: int = 8) -> None:
        if total <= reserved:
            raise FlyteInvalidInputException(f"max_concurrent_rpcs must be more than {reserved}, got {total}")
        self._ordinary = asyncio.Semaphore(total - reserved)
        self._urgent = asyncio.Semaphore(reserved)

    def place(self, deadline: Deadline, *, urgent: bool = False) -> _Place:
        """A place to hold while an `async with` block runs; if all urgent ones are taken, an urgent call takes any.

        Entering raises a DEADLINE_EXCEEDED TransportError if no place was free before the deadline.
        """
        return _Place(self._urgent if urgent and not self._urgent.locked() else self._ordinary, deadline)


class _Place:
    """A hand-written context manager: this is on the way of every call, and a generator costs four times as much."""

    __slots__ = ("_deadline", "_semaphore")

    def __init__(self, semaphore: asyncio.Semaphore, deadline: Deadline) -> None:
        self._semaphore = semaphore
        self._deadline = deadline

    async def __aenter__(self) -> None:
        if not self._semaphore.locked():
            await self._semaphore.acquire()
            return
        try:
            await within(self._deadline, self._semaphore.acquire())
        except TimeoutError:
            raise TransportError(Status.DEADLINE_EXCEEDED, "all places for calls in flight stayed taken") from None

    async def __aexit__(self, *_: object) -> None:
        self._semaphore.release()


class RetryBudget:
    """A token bucket that a retry empties and time and success fill, so that a dead server meets no storm."""

    def __init__(self, capacity: float = 1000.0, per_second: float = 20.0, per_success: float = 0.1) -> None:
        self._capacity = capacity
        self._per_second = per_second
        self._per_success = per_success
        self._tokens = capacity
        self._filled_at = 0.0

    def succeeded(self) -> None:
        """Put back what a successful call earns."""
        self._tokens = min(self._capacity, self._tokens + self._per_success)

    def wait(self, now: float) -> float:
        """Seconds until there will be a token."""
        if self._per_second <= 0:
            return math.inf
        return max(0.0, (1 - self._tokens) / self._per_second - (now - self._filled_at))

    def take(self, now: float) -> bool:
        """Take the token for one retry; False if there is none."""
        if self._tokens < self._capacity:
            self._tokens = min(self._capacity, self._tokens + (now - self._filled_at) * self._per_second)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


@dataclass
class CallStats:
    """Counters of attempts since the connection was made.

    Attributes:
        attempts: by method name, retries included.
        failures: by method name and status name.
        retries: by method name; of CreateExecution, creations that were repeated after a look included.
        successes: by method name.
        in_flight: attempts under way now.
    """

    attempts: Counter[str] = field(default_factory=Counter[str])
    failures: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    retries: Counter[str] = field(default_factory=Counter[str])
    successes: Counter[str] = field(default_factory=Counter[str])
    in_flight: int = 0
