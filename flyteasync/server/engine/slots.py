"""How many nodes of an execution, or elements of an array node, run at a time."""

from __future__ import annotations

from collections import deque

from .activity import Activity, Wait


class Slots:
    """A counted number of places, handed on in the order in which they were asked for.

    Args:
        activity: whose counts those who wait are part of.
        limit: how many places there are; 0 is no limit.
    """

    def __init__(self, activity: Activity, limit: int) -> None:
        self._activity = activity
        self._limit = limit
        self._taken = 0
        self._waits: deque[Wait[None]] = deque()

    async def take(self) -> None:
        """Wait for a place and take it."""
        if self._limit and self._taken >= self._limit:
            wait = Wait[None](self._activity)
            self._waits.append(wait)
            try:
                await wait
            except BaseException:
                if wait.cancelled():
                    self._waits.remove(wait)
                else:
                    # The place was handed over to somebody who no longer wants it.
                    self.give_back()
                raise
        else:
            self._taken += 1

    def take_anyway(self) -> None:
        """Take a place even if there is none."""
        self._taken += 1

    def give_back(self) -> None:
        """Leave a place to the one who waits longest."""
        if self._taken <= self._limit:
            for wait in self._waits:
                if not wait.done():
                    # It stays taken, by another.
                    self._waits.remove(wait)
                    wait.settle(None)
                    return
        self._taken -= 1
