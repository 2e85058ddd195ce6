"""Holding launches back while they cannot succeed: during an outage, or at the limit of a launch plan."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Generator
from contextlib import contextmanager

from typing_extensions import override

from ..errors import FlyteConcurrencyLimitReached, FlyteError, FlyteSystemException, Status
from ..watcher.patience import limits_rate

logger = logging.getLogger("flyteasync.launch")

FIRST_PAUSE = 1.0
"""Seconds before the first further try, less jitter."""

OUTAGE_PAUSE = 30.0
"""Seconds between two tries during an outage, at the most."""

LIMIT_PAUSE = 10.0
"""Seconds between two tries at a launch plan's limit, at the most."""

OUTAGE_WARNING = 30.0
"""Seconds for which launches are held back until that is worth a warning."""

_ON_THE_WAY = {Status.UNAVAILABLE, Status.DEADLINE_EXCEEDED, Status.CANCELLED}


def is_outage(error: FlyteError) -> bool:
    """Whether the same would succeed if only the server could be reached."""
    if limits_rate(error):
        return True
    return isinstance(error, FlyteSystemException) and (error.retryable or error.status in _ON_THE_WAY)


def is_limit(error: FlyteError) -> bool:
    """Whether the same would succeed if only others had ended."""
    return isinstance(error, FlyteConcurrencyLimitReached)


class Hold:
    """Holds back what cannot succeed now, and lets one at a time try again, after pauses that grow.

    Attributes:
        successes: how much has succeeded so far, held or not.
    """

    def __init__(self, longest: float) -> None:
        self.successes = 0
        self._longest = longest
        self._pause = FIRST_PAUSE
        self._next = 0.0
        self._held = 0
        self._shut = False
        self._changed = asyncio.Event()

    @contextmanager
    def held(self) -> Generator[None]:
        """Something failed, and is held while the block runs, however that ends."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
            if not self._held:
                self._pause, self._shut = FIRST_PAUSE, False
                self.close()
                self.wake()

    def succeeded(self) -> None:
        """Something succeeded: so may one more that is held, or what has not begun."""
        self.successes += 1
        self._shut = False
        self.let_one()

    def let_one(self) -> None:
        """Have one that is held try at once."""
        if self._held:
            self._pause = FIRST_PAUSE
            self._next = 0.0
            self.wake()

    def wake(self) -> None:
        """Have all that are held look whether they still are."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def turn(self, error: FlyteError, given_up: Callable[[], bool], tries: int = 0) -> bool:
        """Wait until it is worth a try after a failure; False if it was given up.

        Args:
            error: the failure; its `retry_after` is kept to.
            given_up: whether there is to be no further try; looked at after each `wake`.
            tries: how often the same failed while other things succeeded, so that it waits longer.
        """
        now, successes, self._shut = self._now(), self.successes, True
        at_the_least = max(self._jittered(FIRST_PAUSE * 2**tries), error.retry_after or 0.0)
        self._next = max(self._next, now + max(self._jittered(self._pause), error.retry_after or 0.0))
        while not given_up():
            over = self._is_over_for(successes)
            left = (now + at_the_least if over else self._next) - self._now()
            if left <= 0:
                if not over:  # the others go on waiting
                    self._pause = min(self._longest, 2 * self._pause)
                    self._next = self._now() + self._jittered(self._pause)
                return True
            await self._woken_within(left)
        return False

    async def over(self, given_up: Callable[[], bool]) -> None:
        """Wait until something succeeded since the last failure, or nothing is held, or it was given up."""
        while self._shut and not given_up():
            await self._changed.wait()

    def close(self) -> None:
        """Nothing is held any more."""

    def _is_over_for(self, successes: int) -> bool:
        """Whether all may try that failed when there were that many successes."""
        return False

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    @staticmethod
    def _jittered(pause: float) -> float:
        return pause * random.uniform(0.5, 1.0)  # noqa: S311 - jitter is no secret

    async def _woken_within(self, limit: float) -> None:
        try:
            async with asyncio.timeout(limit):
                await self._changed.wait()
        except TimeoutError:
            return


class Outage(Hold):
    """A hold that ends for all with the first success, and is warned about if that is long in coming."""

    def __init__(self) -> None:
        super().__init__(OUTAGE_PAUSE)
        self._began = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._warned = False
        self._error: FlyteError | None = None

    @override
    def succeeded(self) -> None:
        if self._held:
            if self._warned:
                lasted = self._now() - self._began
                logger.info("launching goes on, after it was held back for %.0f s", lasted)
            self.close()
        super().succeeded()

    @override
    async def turn(self, error: FlyteError, given_up: Callable[[], bool], tries: int = 0) -> bool:
        self._error = error
        if self._timer is None and not self._warned:
            self._began = self._now()
            self._timer = asyncio.get_running_loop().call_later(OUTAGE_WARNING, self._warn)
        return await super().turn(error, given_up, tries)

    @override
    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._warned = None, False

    @override
    def _is_over_for(self, successes: int) -> bool:
        return self.successes > successes

    def _warn(self) -> None:
        self._timer, self._warned = None, True
        logger.warning("launching has been held back for %g s, for calls fail: %s", OUTAGE_WARNING, self._error)
