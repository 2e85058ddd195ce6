"""How time passes faster than it does: by itself when nothing else can happen, or by hand."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Generator

from ..clock import Clock
from .activity import Activity

PATIENCE = 1.0
"""Real seconds that a step of `advance` gives the handlers that it set off."""


class Skipper:
    """Moves the engine's clock.

    While skipping is on and nothing is left to run, the clock moves on to the next timer, that timer alone rings, and
    all that it sets off runs before the next one. Time is not skipped

    * while a task of the engine runs, or a handler is under way: what it does takes real time;
    * while anything waits for somebody outside, as a gate for its signal, or a launch plan node for an execution that
      others drive: nobody can tell when that comes, and the timers that run meanwhile, the gate's own time limit among
      them, run in real time.
    """

    def __init__(self, clock: Clock, activity: Activity) -> None:
        self._clock = clock
        self._activity = activity
        self._enabled = False
        self._planned: asyncio.Handle | None = None
        self._changed: asyncio.Event | None = None
        self._advancing = asyncio.Lock()
        activity.listener = self._consider

    @property
    def skipping(self) -> bool:
        """Whether time is skipped when nothing else can happen."""
        return self._enabled

    def set_skipping(self, enabled: bool) -> None:
        """Turn skipping on or off."""
        self._enabled = enabled
        self._consider()

    def stop(self) -> None:
        """Move the clock no more."""
        self._enabled = False

    async def advance(self, seconds: float, patience: float = PATIENCE) -> None:
        """Move the clock on by that many seconds, whatever goes on, and return when all that became due has happened.

        Every timer on the way rings at its own time, and what it sets off runs before the next one: a chain of three
        sleeps of an hour is over after `advance(3 * 3600)`. No time passes by itself meanwhile. Handlers that are under
        way already are not waited for, so that their time limits can be tested; those that are called on the way are
        given `patience` real seconds a step.
        """
        async with self._advancing:
            # What handlers take meanwhile in real time must not make what comes after them late.
            with self._clock.frozen():
                await self._move(self._clock.time() + seconds, patience)

    async def _move(self, target: float, patience: float) -> None:
        left_alone = set(self._activity.handlers)
        while True:
            await self._settle(left_alone, patience)
            due = self._clock.next_due()
            if due is None or due > target:
                break
            self._clock.ring_next()
        self._clock.skip_to(target)

    async def _settle(self, left_alone: set[object], patience: float) -> None:
        """Wait until nothing runs but these handlers; add those to them that do not end."""
        # What has just been settled, or begun, gets its turn in the loop.
        await asyncio.sleep(0)
        with self._watch() as changed, contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while not self._activity.is_settled(left_alone):
                    await changed.wait()
                    changed.clear()
        left_alone |= self._activity.handlers

    @contextlib.contextmanager
    def _watch(self) -> Generator[asyncio.Event]:
        self._changed = asyncio.Event()
        try:
            yield self._changed
        finally:
            self._changed = None

    def _consider(self) -> None:
        if self._changed is not None:
            self._changed.set()
        if self._enabled and self._planned is None and self._activity.is_idle:
            self._planned = asyncio.get_running_loop().call_soon(self._skip)

    def _skip(self) -> None:
        self._planned = None
        if self._enabled and self._activity.is_idle and self._clock.next_due() is not None:
            self._clock.ring_next()
            self._consider()
