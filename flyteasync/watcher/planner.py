"""The poller's decisions, put together: which question to ask now, and what an answer changes."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, field

from .line import Line, Poll
from .plan import CHUNK, LARGEST_CHUNK, POLL_PACE, Name, Schedule, Target

OUTAGE_STRETCH = 2.0
"""How much longer a target's interval is after a poll that failed."""

DISTRUST = 60.0
"""Seconds until names whose answers were too large are asked for in chunks of the usual size again."""


@dataclass
class Planner:
    """Knows who waits and what is asked; has neither a clock nor a connection.

    Attributes:
        schedule: who waits, and when each is to be asked for.
        line: who is due.
        chunk: names in one question at the most: grows with full answers, and is halved by those that were too large.
        open_at: when the next question may be asked.
        trusts_at: when those whose answers were too large are asked for with as many others again as anybody.
    """

    schedule: Schedule = field(default_factory=Schedule)
    line: Line = field(default_factory=Line)
    chunk: int = CHUNK
    open_at: float = 0.0
    trusts_at: float = 0.0

    def renewed(self) -> Planner:
        """One for those who wait next, when nobody waits; what it has learnt of the server, it keeps."""
        return Planner(chunk=self.chunk, open_at=self.open_at)

    def step(self, now: float) -> Poll | float:
        """The question to ask now; if there is none, when to look again, unless something happens before."""
        self.line.add(self.schedule.take_due(now), now)
        if self.line and now < self.open_at:
            return self.open_at
        poll = self.line.take(self.chunk)
        if poll is None:
            return self.schedule.next_due()
        self.open_at = now + POLL_PACE
        return poll

    def answered(self, poll: Poll, seen: Container[Name], now: float, jitter: float = 1.0) -> None:
        """A question was answered: those who are not finished are asked for again, and who is missing, singly.

        Args:
            poll: the question.
            seen: the names that were in the answer.
            now: the time.
            jitter: factor of the intervals, about one.
        """
        self.line.answered(poll)
        if self.line.shares and now >= self.trusts_at:
            self.line.shares.clear()
        if len(poll.targets) >= self.chunk:
            self.chunk = min(LARGEST_CHUNK, self.chunk + max(1, self.chunk // 8))
        going_on: Iterable[Target] = poll.targets
        if poll.whole:
            self.line.confirm(target for target in poll.targets if target.name not in seen)
            going_on = [target for target in poll.targets if target.name in seen]
        self.schedule.again(going_on, now, jitter)

    def failed(self, poll: Poll, now: float, jitter: float = 1.0) -> None:
        """A question was not answered: ask again, but more slowly."""
        self.line.answered(poll)
        self.schedule.again(poll.targets, now, jitter * OUTAGE_STRETCH)

    def too_large(self, poll: Poll, now: float) -> None:
        """The answer to a question was too large: ask at once for half of it, and for no more next time."""
        self.line.answered(poll)
        half = max(1, len(poll.targets) // 2)
        self.chunk = min(self.chunk, half)
        if not self.line.shares:
            self.trusts_at = now + DISTRUST
        self.line.shares.update(dict.fromkeys(poll.targets, half))
        self.line.add(poll.targets, now)
