"""Which failures of which methods may be repeated, and the loop that repeats them."""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Generic, TypeVar

from ..deadline import Deadline
from ..errors import FlyteError, Status
from ..idl import methods
from .limits import RetryBudget
from .options import RetryPolicy

if TYPE_CHECKING:
    import tenacity

logger = logging.getLogger("flyteasync.rpc")
T = TypeVar("T")

MIN_RETRY_AFTER = 1.0
"""Seconds that a caller is told to wait at the least when the budget of retries is empty."""

SERVER_FAULT_ATTEMPTS = 5
"""UNKNOWN and INTERNAL may be a passing database conflict or a lasting defect: they are tried this often, not more."""

LAST_ATTEMPT = 1.0
"""Seconds that a pause leaves for a last attempt, if it would otherwise last beyond the deadline."""


class Kind(enum.Enum):
    """What repeating a method does."""

    REPEATABLE = "a read, or a write that the server answers alike when it comes twice"
    ONCE = "a write with side effects before the server notices the repetition: whoever makes it verifies first"


_ONCE = {methods.CREATE_EXECUTION.path, methods.RELAUNCH_EXECUTION.path, methods.RECOVER_EXECUTION.path}

_ON_THE_WAY = {Status.UNAVAILABLE, Status.CANCELLED, Status.DEADLINE_EXCEEDED}
_IN_THE_SERVER = {Status.UNKNOWN, Status.INTERNAL}

AMBIGUOUS = frozenset(_ON_THE_WAY | _IN_THE_SERVER)
"""After one of these, nobody but the server knows whether the call took effect."""


def kind_of(path: str) -> Kind:
    """What repeating the method of that path does."""
    return Kind.ONCE if path in _ONCE else Kind.REPEATABLE


def may_repeat(kind: Kind, status: Status, number: int, max_attempts: int | None, *, unprocessed: bool = False) -> bool:
    """Whether a call that failed with `status` at its attempt of that number should be attempted again.

    One that the server certainly did not look at is repeated whatever it does.
    """
    if (kind is Kind.ONCE and not unprocessed) or (max_attempts is not None and number >= max_attempts):
        return False
    if status in _IN_THE_SERVER:
        return number < SERVER_FAULT_ATTEMPTS
    return status in _ON_THE_WAY


class Again(Exception):
    """An attempt failed in a way that allows another one; carries what to raise if there is none."""

    def __init__(self, error: FlyteError) -> None:
        super().__init__(str(error))
        self.error = error


async def repeat(
    attempt: Callable[[int], Awaitable[T]],
    failed: Again,
    *,
    what: str,
    until: Deadline,
    policy: RetryPolicy,
    budget: RetryBudget,
    extra: Mapping[str, object] | None = None,
) -> T:
    """Go on after a first failed attempt, with jittered pauses, until success, a final failure or the deadline.

    Args:
        attempt: called with the number of the attempt, 2 and up; raises Again to be called once more.
        failed: how the first attempt ended.
        what: names the operation in the log.
        until: no pause reaches beyond it; one that would is cut short, and followed by the last attempt.
        policy: the pauses.
        budget: pays for every attempt.
        extra: what records in the log carry beside their text.

    Raises:
        FlyteError: that of the last attempt which was not cut off, with a note of how many were made; or what attempt
            raised.
    """
    import tenacity  # a call that succeeds at once does not pay for it

    repetition = _Repetition(attempt, failed, until, budget)
    drawn = tenacity.wait_random_exponential(multiplier=policy.initial_backoff, max=policy.max_backoff)

    def log(state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        text = "%s: attempt %d failed, again in %.2f s: %s"
        logger.debug(text, what, repetition.number, state.upcoming_sleep, error, extra=extra)

    retrying = tenacity.AsyncRetrying(
        # A predicate that is true of more would retry CancelledError (tenacity#529).
        retry=tenacity.retry_if_exception_type(Again),
        wait=lambda state: repetition.pause(drawn(state)),
        stop=lambda state: repetition.is_over(state.upcoming_sleep),
        sleep=asyncio.sleep,
        before_sleep=log,
        reraise=True,
    )
    try:
        return await retrying(repetition.next)
    except Again:
        error = repetition.failed.error
        error.add_note(f"gave up after {repetition.number} attempts")
        raise error from None


class _Repetition(Generic[T]):
    """What `repeat` decides.

    Attributes:
        number: of the attempt that was made last.
        failed: how the last attempt ended that was not cut off.
    """

    def __init__(
        self, attempt: Callable[[int], Awaitable[T]], failed: Again, until: Deadline, budget: RetryBudget
    ) -> None:
        self.number = 0
        self.failed = failed
        self._attempt = attempt
        self._until = until
        self._budget = budget
        self._is_last = False

    async def next(self) -> T:
        """Make the next attempt."""
        self.number += 1
        if self.number == 1:
            raise self.failed  # tenacity begins with an attempt, and the first one is over
        try:
            return await self._attempt(self.number)
        except Again as again:
            # An attempt that the deadline cut off tells less than the one before it.
            if again.error.status is not Status.DEADLINE_EXCEEDED or self._until.remaining() > 0:
                self.failed = again
            raise

    def pause(self, drawn: float) -> float:
        """Seconds until the next attempt: what was drawn, or once what leaves time for a last attempt."""
        left = self._until.remaining()
        if self._is_last or drawn < left:
            return drawn
        self._is_last = True
        return max(left / 2, left - LAST_ATTEMPT)

    def is_over(self, pause: float) -> bool:
        """Whether there is neither time nor budget for another attempt after the pause."""
        if self._until.remaining() <= pause:
            return True
        now = asyncio.get_running_loop().time()
        if self._budget.take(now):
            return False
        error = self.failed.error
        error.retry_after = max(MIN_RETRY_AFTER, self._budget.wait(now))
        error.add_note("too many calls of this remote fail: the budget of retries is empty")
        return True
