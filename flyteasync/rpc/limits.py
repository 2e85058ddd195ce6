"""What all calls of one connection share: the bound on calls in flight, the retry budget, the counters."""

from __future__ import annotations

import asyncio
import math
from collections import Counter, OrderedDict
from dataclasses import dataclass, field

from ..deadline import Deadline, within
from ..errors import FlyteInvalidInputException, Status
from ..transport import TransportError

RESERVED = 8
"""Places that are kept for the watcher, but no more than a quarter of all."""


class CallLimiter:
    """At most so many RPCs in flight; some places are kept for the watcher, so that its polls pass the queue."""

    def __init__(self, total: int = 200, reserved: int | None = None) -> None:
        """Make one.

        Args:
            total: places in all, 1 or more.
            reserved: those for urgent calls; 8, or a quarter of all if that is less, if not given.

        Raises:
            FlyteInvalidInputException: another total.
        """
        if isinstance(total, bool) or not isinstance(total, int) or total < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise FlyteInvalidInputException(
                f"max_concurrent_rpcs must be a whole number, 1 or more, got {total!r} ({type(total).__name__})"
            )
        self._reserved = min(RESERVED, total // 4) if reserved is None else reserved
        self._ordinary = total - self._reserved
        # Whoever waits here, waits for a place of any kind that it may take: none of those is free meanwhile.
        self._queue: OrderedDict[asyncio.Future[bool], None] = OrderedDict()
        self._urgent: OrderedDict[asyncio.Future[bool], None] = OrderedDict()

    def place(self, deadline: Deadline, *, urgent: bool = False) -> _Place:
        """A place to hold while an `async with` block runs; an urgent call takes any, and before all others.

        Entering raises a DEADLINE_EXCEEDED TransportError, `unprocessed`, if no place was free before the deadline.
        """
        return _Place(self, deadline, urgent)

    def take(self, *, urgent: bool) -> bool | None:
        """Take a place that is free: True is a reserved one, False an ordinary one, None that there is none."""
        if urgent and self._reserved:
            self._reserved -= 1
            return True
        if self._ordinary:
            self._ordinary -= 1
            return False
        return None

    def free(self, place: bool) -> None:
        """Give a place back, or rather to the first one in the queue who may have it."""
        for queue in (self._urgent,) if place else (self._urgent, self._queue):
            while queue:
                waiter, _ = queue.popitem(last=False)
                if not waiter.done():
                    waiter.set_result(place)
                    return
        if place:
            self._reserved += 1
        else:
            self._ordinary += 1

    async def wait(self, deadline: Deadline, *, urgent: bool) -> bool:
        """A place, as soon as there is one; see `place`."""
        queue = self._urgent if urgent else self._queue
        waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        queue[waiter] = None
        try:
            return await within(deadline, waiter)
        except BaseException as error:
            queue.pop(waiter, None)
            if waiter.done() and not waiter.cancelled():
                self.free(waiter.result())  # it came too late
            if isinstance(error, TimeoutError):
                text = "all places for calls in flight stayed taken"
                raise TransportError(Status.DEADLINE_EXCEEDED, text, unprocessed=True) from None
            raise


class _Place:
    """A hand-written context manager: this is on the way of every call, and a generator costs four times as much."""

    __slots__ = ("_deadline", "_limiter", "_place", "_urgent")

    def __init__(self, limiter: CallLimiter, deadline: Deadline, urgent: bool) -> None:
        self._limiter = limiter
        self._deadline = deadline
        self._urgent = urgent
        self._place = False

    async def __aenter__(self) -> None:
        place = self._limiter.take(urgent=self._urgent)
        self._place = await self._limiter.wait(self._deadline, urgent=self._urgent) if place is None else place

    async def __aexit__(self, *_: object) -> None:
        self._limiter.free(self._place)


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
        reached: the server has answered, in whatever way; or it was said in the log that it cannot be reached.
    """

    attempts: Counter[str] = field(default_factory=Counter[str])
    failures: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    retries: Counter[str] = field(default_factory=Counter[str])
    successes: Counter[str] = field(default_factory=Counter[str])
    in_flight: int = 0
    reached: bool = False
