"""What the engine has under way: exact counts, from which it is known when nothing is left to run but time itself.

Every task of the engine counts as running, except while it awaits a `Wait`. Whoever settles a `Wait` makes its task
count again at that moment, before that task has had its turn in the loop: so there is no instant at which something
could still run and is not counted.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Generator
from typing import Any, TypeVar

from ..clock import Clock

T = TypeVar("T")


class Activity:
    """The counts.

    Attributes:
        running: tasks of the engine that do not wait; those that are inside of a handler are among them.
        handlers: one token for each call of a handler that has not ended.
        outside: waits for somebody outside of the server, as for a signal.
        listener: called whenever nothing but handlers may be left running.
    """

    def __init__(self) -> None:
        self.running = 0
        self.handlers: set[object] = set()
        self.outside = 0
        self.listener: Callable[[], object] | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nothing happens until a timer rings."""
        return self.running == 0 and self.outside == 0

    def is_settled(self, besides: set[object]) -> bool:
        """Whether nothing runs but these calls of handlers."""
        return self.handlers <= besides and self.running == len(self.handlers)

    def begin(self) -> None:
        """A task starts, or goes on."""
        self.running += 1

    def end(self) -> None:
        """A task ended, or waits."""
        self.running -= 1
        self._notify()

    def _notify(self) -> None:
        if self.running <= len(self.handlers) and self.listener is not None:
            self.listener()

    @contextlib.contextmanager
    def handling(self) -> Generator[None]:
        """A task is inside of a handler."""
        token = object()
        self.handlers.add(token)
        self._notify()
        try:
            yield
        finally:
            self.handlers.discard(token)


class Wait(asyncio.Future[T]):
    """A future that one task of the engine awaits, which is not running meanwhile.

    Args:
        activity: whose counts the task is part of.
        outside: whether it is somebody outside of the server who settles it.
    """

    def __init__(self, activity: Activity, *, outside: bool = False) -> None:
        super().__init__()
        self._activity = activity
        self._outside = outside
        self._parked = False

    def settle(self, result: T) -> None:
        """Set the result unless it is set."""
        if not self.done():
            self.set_result(result)

    def set_result(self, result: T, /) -> None:
        """Let the task go on."""
        self._unpark()
        super().set_result(result)

    def cancel(self, msg: Any | None = None) -> bool:
        """Let the task go on with a CancelledError."""
        if self.done():
            return False
        self._unpark()
        return super().cancel(msg)

    def __await__(self) -> Generator[Any, None, T]:
        if not self.done():
            self._parked = True
            self._activity.outside += self._outside
            self._activity.end()
        return super().__await__()

    def _unpark(self) -> None:
        if self._parked:
            self._parked = False
            self._activity.outside -= self._outside
            self._activity.begin()


async def sleep_until(clock: Clock, activity: Activity, when: float) -> None:
    """Wait for a time of the clock."""
    wait = Wait[None](activity)
    timer = clock.at(when, lambda: wait.settle(None))
    try:
        await wait
    finally:
        timer.cancel()
