"""Which failures end waiting, which may pass, and what is told of those that last."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import NamedTuple

from ..errors import (
    FlyteAuthenticationException,
    FlyteDecodeError,
    FlyteError,
    FlyteResourceExhausted,
    FlyteTimeout,
)
from .plan import Name

logger = logging.getLogger("flyteasync.watcher")

TIMES = 3
"""So often in a row a failure that a moment's trouble could explain is met before it is believed."""

AUTHENTICATION_LIMIT = 30.0
"""Seconds for which tokens may be refused, or not to be had, before that is believed: their issuer may restart."""

OUTAGE_TOLD_AFTER = 30.0
"""Seconds without any answer after which it is worth a warning."""


def says_too_large(error: FlyteError) -> bool:
    """Whether a message is larger than somebody accepts; a limit of the rate of calls has the same status."""
    if not isinstance(error, FlyteResourceExhausted):
        return False
    # The server's words without what the call path puts after them: an execution may be called anything.
    said = (str(error) if error.method is None else str(error).rpartition(" (")[0]).lower()
    return "larg" in said or "too big" in said or ("size" in said and ("exceed" in said or "message" in said))


def limits_rate(error: FlyteError) -> bool:
    """Whether there were too many calls, of which a later one may be answered."""
    return isinstance(error, FlyteResourceExhausted) and not says_too_large(error)


class Trouble(NamedTuple):
    """What is met instead of answers about one execution.

    Attributes:
        error: the last failure.
        kind: the class of the last one that may be an answer.
        times: how often in a row it was met.
        kind_since: when it was met first.
    """

    error: FlyteError
    kind: type[FlyteError] | None = None
    times: int = 0
    kind_since: float = 0.0

    @classmethod
    def after(cls, before: Trouble | None, error: FlyteError, now: float, *, believable: bool) -> Trouble:
        """What is met after one more failure, which may be an answer or not."""
        kind, times, kind_since = (None, 0, 0.0) if before is None else before[1:]
        if not believable:
            return cls(error, kind, times, kind_since)
        if kind is not type(error):
            times, kind_since = 0, now
        return cls(error, type(error), times + 1, kind_since)


class Patience:
    """Notes failures by execution, and tells which of them end the waits: answers that will not change."""

    def __init__(self) -> None:
        self._troubles: dict[Name, Trouble] = {}
        self._last: tuple[Trouble | None, Trouble] | None = None

    def __len__(self) -> int:
        """Of how many executions the last question has failed."""
        return len(self._troubles)

    def failed(self, name: Name, error: FlyteError, now: float) -> bool:
        """Note that a question failed; True if that ends the waits."""
        believed = _believed(error)
        before, last = self._troubles.get(name), self._last
        if last is not None and last[0] is before and last[1].error is error:
            trouble = last[1]  # of all who were asked for in one question: ten thousand need not have each their own
        else:
            trouble = Trouble.after(before, error, now, believable=believed is not None)
            self._last = before, trouble
        self._troubles[name] = trouble
        if believed is None:
            return False
        times, seconds = believed
        return trouble.times >= times and now - trouble.kind_since >= seconds

    def forget(self, names: Iterable[Name]) -> None:
        """There was an answer, or nobody asks any more."""
        if self._troubles:
            for name in names:
                self._troubles.pop(name, None)
            if not self._troubles:
                self._last = None

    def trouble(self, name: Name) -> Trouble | None:
        """What is met instead of answers about an execution; None if the last question was answered."""
        return self._troubles.get(name)


def with_trouble(late: FlyteTimeout, trouble: Trouble | None) -> FlyteTimeout:
    """A timeout that tells what was met instead of answers, if anything, in its text and as its cause."""
    if trouble is not None:
        late.args = (f"{late}; the server did not answer any more: {trouble.error}",)
        late.__cause__ = trouble.error  # given as such by whoever raises it
    return late


def _believed(error: FlyteError) -> tuple[int, float] | None:
    """How often in a row, and for how many seconds, one is met before it ends the waits; None if it never does."""
    if error.retryable or limits_rate(error):
        return None
    if isinstance(error, FlyteAuthenticationException):
        return TIMES, AUTHENTICATION_LIMIT
    return (TIMES if isinstance(error, (FlyteResourceExhausted, FlyteDecodeError)) else 1), 0.0


class Outage:
    """Tells the log once of a server that answers nobody, and once that it does again."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._told = False

    def failed(self, error: FlyteError, began: float, now: float) -> None:
        """A question that was sent at `began` was not answered."""
        if self._since is None:
            self._since = began
        if not self._told and now - self._since >= OUTAGE_TOLD_AFTER:
            self._told = True
            text = "no question about executions has been answered for %.0f s; waits go on: %s"
            logger.warning(text, now - self._since, error)

    def answered(self, now: float) -> None:
        """A question was answered."""
        if self._since is not None:
            if self._told:
                logger.info("questions about executions are answered again, after %.0f s", now - self._since)
            self._since, self._told = None, False
