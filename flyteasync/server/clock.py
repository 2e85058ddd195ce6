"""The engine's clock: what time records carry, and timers that can be made to ring early."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import time
from collections.abc import Callable, Generator
from datetime import UTC, datetime, timedelta

_SWEEP_AT = 1000
"""From so many cancelled timers on, they are thrown away once they are the majority."""


class Timer:
    """A call that is due at some time; `cancel` calls it off."""

    __slots__ = ("_clock", "callback")

    def __init__(self, clock: Clock, callback: Callable[[], object]) -> None:
        self._clock = clock
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        """Call it off; nothing happens if it has rung."""
        if self.callback is not None:
            self.callback = None
            self._clock.note_cancelled()


class Clock:
    """Real time, plus what was skipped. Timers ring in the loop that runs when the first of them is set."""

    def __init__(self) -> None:
        self._epoch = datetime.now(UTC)
        self._origin = time.monotonic()
        self._skipped = 0.0
        self._frozen: float | None = None
        self._timers: list[tuple[float, bool, int, Timer]] = []
        self._number = 0
        self._cancelled = 0
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = 0.0

    def now(self) -> datetime:
        """The time that records carry, in UTC."""
        return self.moment(self.time())

    def moment(self, when: float) -> datetime:
        """A time of this clock as records carry it."""
        return self._epoch + timedelta(seconds=when)

    def time(self) -> float:
        """Seconds since the clock was made; what timers are set by. Never goes back."""
        return self._real() if self._frozen is None else self._frozen

    def _real(self) -> float:
        return time.monotonic() - self._origin + self._skipped

    def after(self, seconds: float, callback: Callable[[], object], *, late: bool = False) -> Timer:
        """Call a function when that many seconds have passed.

        Of calls that are due at the same instant the ones that are not `late` come first, in the order they were made.
        """
        return self.at(self.time() + seconds, callback, late=late)

    def at(self, when: float, callback: Callable[[], object], *, late: bool = False) -> Timer:
        """Call a function at a time of this clock; see `after`."""
        timer = Timer(self, callback)
        self._number += 1
        heapq.heappush(self._timers, (when, late, self._number, timer))
        self._set_alarm()
        return timer

    def next_due(self) -> float | None:
        """When the next timer rings; None if there is none."""
        while self._timers and self._timers[0][3].callback is None:
            heapq.heappop(self._timers)
            self._cancelled -= 1
        return self._timers[0][0] if self._timers else None

    def ring_next(self) -> None:
        """Move on to the time of the next timer and make that one ring; nothing happens if there is none."""
        when = self.next_due()
        if when is None:
            return
        self.skip_to(when)
        _, _, _, timer = heapq.heappop(self._timers)
        callback, timer.callback = timer.callback, None
        assert callback is not None, "next_due removes what was cancelled"
        callback()
        self._set_alarm()

    def skip_to(self, when: float) -> None:
        """Move on to a time of this clock; nothing happens if it has passed. No timer rings by that alone."""
        ahead = max(0.0, when - self.time())
        if self._frozen is None:
            self._skipped += ahead
        else:
            self._frozen += ahead

    @contextlib.contextmanager
    def frozen(self) -> Generator[None]:
        """Let no time pass by itself, and no timer ring, inside of the block; one block at a time."""
        self._frozen = self._real()
        try:
            yield
        finally:
            self._skipped += self._frozen - self._real()
            self._frozen = None
            self._set_alarm()

    def stop(self) -> None:
        """Let no timer ring by itself any more."""
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = None
        self._timers.clear()
        self._cancelled = 0

    def note_cancelled(self) -> None:
        """A timer of this clock was called off."""
        self._cancelled += 1
        if self._cancelled > max(_SWEEP_AT, len(self._timers) // 2):
            self._timers = [entry for entry in self._timers if entry[3].callback is not None]
            heapq.heapify(self._timers)
            self._cancelled = 0

    def _set_alarm(self) -> None:
        when = None if self._frozen is not None else self.next_due()
        if when is None or (self._alarm is not None and self._alarm_at <= when):
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at = when
        self._alarm = asyncio.get_running_loop().call_later(max(0.0, when - self.time()), self._ring)

    def _ring(self) -> None:
        """The loop says that the alarm's time has come, and is believed: its clock may be one that tests move."""
        self._alarm = None
        when = None if self._frozen is not None else self.next_due()
        if when is not None and when <= max(self.time(), self._alarm_at):
            self.ring_next()
        self._set_alarm()
