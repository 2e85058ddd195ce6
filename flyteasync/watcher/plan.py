"""Whom to ask, how, and when: decisions without I/O.

flyteadmin has no way to be told of changes, so executions are polled. What keeps that cheap: names are asked in chunks,
a chunk of names that are known to exist asks for the finished ones only, and the interval grows with the wait's age.
"""

from __future__ import annotations

import heapq
import itertools
import math
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, NamedTuple

from ..idl import core

Phase = core.WorkflowExecutionPhase

TERMINAL_PHASES = frozenset({Phase.SUCCEEDED, Phase.FAILED, Phase.ABORTED, Phase.TIMED_OUT})
"""The phases that an execution never leaves."""

FLOOR = 0.1
"""Seconds between two polls of a name at the least, whatever a caller asks for."""

SOONEST, LATEST = 0.2, 30.0
"""Seconds between which the interval adapts when callers give none."""

AGES_PER_INTERVAL = 20.0
"""A wait is polled after each twentieth of the time that it has lasted."""

CHUNK, LARGEST_CHUNK = 200, 500
"""Names in one ListExecutions to begin with, and when full answers have been fine."""

LOOKS_PER_SECOND = 10_000.0
"""Names that are asked for in a second, if nobody wants it more often: of many, each is asked for less often."""

COALESCE = 0.25
"""The part of its interval by which a target may be asked early, to share a turn or a question with others."""

VERIFY = 120.0
"""Seconds after which names are asked for whatever their phase is: one that has been deleted has no end to be found."""

LAST_LOOK = 1.5
"""Seconds before a deadline at which a name is asked for once more, whatever its phase is."""

POLL_PACE = 0.02
"""Seconds between the starts of two polls: at most 50 a second."""

ABORTING_LIMIT = 600.0
"""Seconds of ABORTING after which it is worth a warning: the phase may never end."""


class Name(NamedTuple):
    """The full name of an execution."""

    project: str
    domain: str
    name: str

    def __str__(self) -> str:
        return "/".join(self)

    def identifier(self) -> core.WorkflowExecutionIdentifier:
        """The same as a message."""
        return core.WorkflowExecutionIdentifier(project=self.project, domain=self.domain, name=self.name)

    def extra(self) -> dict[str, str]:
        """What a log record about the execution carries beside its text."""
        return {"execution": str(self)}

    @classmethod
    def of(cls, identifier: core.WorkflowExecutionIdentifier | None) -> Name:
        """The name that a message holds."""
        return cls("", "", "") if identifier is None else cls(identifier.project, identifier.domain, identifier.name)


_PLAIN = re.compile(r"[A-Za-z0-9._-]+")
"""Names that can stand in a filter, which knows no quoting."""


@dataclass(slots=True, eq=False)
class Row:
    """Somebody who waits for an execution.

    Attributes:
        target: the execution.
        since: when the wait began, on the loop's clock.
        ceiling: seconds between two polls at the most.
        deadline: when the wait is given up; infinity if never.
        whole: every phase matters, not only the end.
        left: nobody waits any more.
    """

    target: Target
    since: float
    ceiling: float
    deadline: float = math.inf
    whole: bool = False
    left: bool = False

    def __lt__(self, other: Row) -> bool:
        """Whether its deadline comes first; so that rows can be kept in order without anything around them."""
        return self.deadline < other.deadline


@dataclass(slots=True, eq=False)
class Target:
    """An execution that somebody waits for.

    Attributes:
        name: which.
        since: when the latest wait began, on the loop's clock.
        known: whether the execution is known to exist.
        due: when to ask next.
        looked: when it was last seen in whatever phase; at first, when the first wait began.
        rows: those who wait.
        ceiling: the lowest of theirs.
        deadline: the earliest of theirs.
        whole: whether the phases matter to one of them.
        serial: tells the turn of the schedule that counts from outdated ones; 0 if nobody waits any more.
        stale: somebody left, so that what those want who wait has to be found out anew.
        phase: the last one that was seen.
        aborting: when ABORTING was first seen; infinity once that was warned about.
        lanes: how to ask for its end only, and how in whatever phase.
    """

    name: Name
    since: float
    known: bool
    due: float
    looked: float
    rows: list[Row] = field(default_factory=list[Row])
    ceiling: float = LATEST
    deadline: float = math.inf
    whole: bool = False
    serial: int = 0
    stale: bool = False
    phase: Phase | None = None
    aborting: float | None = None
    lanes: tuple[Lane, Lane] = field(init=False)

    def __post_init__(self) -> None:
        self.lanes = _lanes(self.name.project, self.name.domain, plain=_PLAIN.fullmatch(self.name.name) is not None)

    def refresh(self) -> None:
        """Find out anew what those who wait want."""
        self.stale = False
        self.since = max(row.since for row in self.rows)
        self.ceiling = min(row.ceiling for row in self.rows)
        self.deadline = min(row.deadline for row in self.rows)
        self.whole = any(row.whole for row in self.rows)

    def lane(self, now: float) -> Lane:
        """How to ask for it, and with whom: for its end only, unless there is a reason to see it as it is."""
        ended, whole = self.lanes
        last_look = self.deadline - now <= 2 * LAST_LOOK
        return whole if last_look or self.whole or not self.known or now - self.looked >= VERIFY else ended

    def saw(self, phase: Phase, now: float) -> bool:
        """Note the phase that an answer showed; True once, if it has been ABORTING for too long."""
        self.known, self.looked, self.phase = True, now, phase
        if phase != Phase.ABORTING:
            self.aborting = None
        elif self.aborting is None:
            self.aborting = now
        elif now - self.aborting >= ABORTING_LIMIT:
            self.aborting = math.inf
            return True
        return False


class Lane(NamedTuple):
    """What the targets of one question have in common: project and domain, and how they are asked for.

    "ended" asks for those that have finished, "whole" in whatever phase, "alone" for each with GetExecution.
    """

    project: str
    domain: str
    kind: Literal["ended", "whole", "alone"]


@lru_cache(maxsize=1024)
def _lanes(project: str, domain: str, *, plain: bool) -> tuple[Lane, Lane]:
    """The lanes of the names of a project and domain; those that cannot stand in a filter are asked for alone."""
    if plain:
        return Lane(project, domain, "ended"), Lane(project, domain, "whole")
    alone = Lane(project, domain, "alone")
    return alone, alone


def interval(age: float, ceiling: float, soonest: float = SOONEST) -> float:
    """Seconds until a target that has been waited for `age` seconds is asked again."""
    pause = age / AGES_PER_INTERVAL  # no `max` and `min`: this is asked for each target at each look
    if pause < soonest:
        pause = soonest
    if pause > ceiling:
        pause = ceiling
    return max(FLOOR, pause)


class Turn(NamedTuple):
    """Targets that are due together: of many, most want the same, and one turn costs as much as one target would.

    Attributes:
        due: when.
        serial: a target is of this turn only if it has the same one.
        early: the time from which none of them would be asked too early.
        targets: who.
    """

    due: float
    serial: int
    early: float
    targets: list[Target]

    def counts(self) -> bool:
        """Whether somebody still is of this turn."""
        serial = self.serial
        return any(target.serial == serial for target in self.targets)


@dataclass
class Schedule:
    """The targets, ordered by when each is due."""

    targets: dict[Name, Target] = field(default_factory=dict[Name, Target])
    _turns: list[Turn] = field(default_factory=list[Turn])
    _serials: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def target(self, name: Name, now: float, *, known: bool) -> Target:
        """The target of a name; one that nobody waited for is due at once."""
        target = self.targets.get(name)
        if target is None:
            target = self.targets[name] = Target(name, now, known, now, now)
            self._push([target], now, 0.0, 0.0)
        target.known |= known
        return target

    def join(self, row: Row) -> None:
        """One more waits: ask soon, and as often as he wants from then on."""
        target, now = row.target, row.since
        target.rows.append(row)
        target.since = now
        target.ceiling = min(target.ceiling, row.ceiling)
        target.deadline = min(target.deadline, row.deadline)
        target.whole |= row.whole
        # One that others wait for may have been asked for just now, unless there is no time for another look.
        pause = FLOOR if row.deadline - now > 2 * FLOOR else 0.0
        if target.due > now + pause:
            self._push([target], now, pause, pause)

    def leave(self, row: Row) -> None:
        """One waits no more; if he was the last one, the name is not asked for again."""
        row.left = True
        target = row.target
        if row in target.rows:
            target.rows.remove(row)
            target.stale = True
            if not target.rows:
                self.remove(target)

    def remove(self, target: Target) -> list[Row]:
        """Ask no more for a target; returns those who waited."""
        if self.targets.get(target.name) is target:
            del self.targets[target.name]
        target.serial = 0
        rows, target.rows = target.rows, []
        for row in rows:
            row.left = True
        return rows

    def again(self, targets: Iterable[Target], now: float, factor: float = 1.0) -> None:
        """Ask for targets again after their intervals, stretched or shrunk by a factor (jitter, back-off)."""
        soonest = max(SOONEST, len(self.targets) / LOOKS_PER_SECOND)
        going_on: list[Target] = []
        pauses: list[float] = []
        for target in targets:
            if target.serial:
                if target.stale:
                    target.refresh()
                pause = factor * interval(now - target.since, target.ceiling, soonest)
                if target.deadline != math.inf:  # not after the last look, if that is still to come
                    left = target.deadline - LAST_LOOK - now
                    if 0 < left < pause:
                        pause = left
                going_on.append(target)
                pauses.append(pause)
        for first, shortest, longest in _alike(going_on, pauses):
            self._push(first, now, shortest, longest)

    def next_due(self) -> float:
        """When the next target is due; infinity if none is."""
        turns = self._turns
        while turns and not turns[0].counts():
            heapq.heappop(turns)
        return turns[0].due if turns else math.inf

    def peek(self) -> float:
        """As `next_due`, or earlier if those who are next wait no more; changes nothing, so that any thread may ask."""
        try:
            return self._turns[0].due
        except IndexError:
            return math.inf

    def take_due(self, now: float) -> list[Target]:
        """Take the targets that are due, and with them those that soon will be, so that they share one question.

        Each stays out of the schedule until `again` puts it back.
        """
        taken: list[Target] = []
        turns = self._turns
        if self.next_due() > now:
            return taken
        while turns and (turns[0].due <= now or turns[0].early <= now):
            _, serial, _, targets = heapq.heappop(turns)
            for target in targets:
                if target.serial == serial:
                    target.due = -math.inf
                    taken.append(target)
        return taken

    def _push(self, targets: list[Target], now: float, shortest: float, longest: float) -> None:
        """Give targets a turn after the shortest of their intervals."""
        due, serial = now + shortest, next(self._serials)
        for target in targets:
            target.due = due
            target.serial = serial
        heapq.heappush(self._turns, Turn(due, serial, now + (1 - COALESCE) * longest, targets))


def _alike(targets: list[Target], pauses: list[float]) -> Iterator[tuple[list[Target], float, float]]:
    """Targets parted by their intervals, so that none is asked too early in a turn; with the shortest and longest."""
    if not targets:
        return
    shortest, longest = min(pauses), max(pauses)
    if (1 - COALESCE) * longest <= shortest:
        yield targets, shortest, longest
        return
    order = sorted(range(len(pauses)), key=pauses.__getitem__)
    while order:
        shortest = pauses[order[0]]
        end = bisect_right(order, shortest / (1 - COALESCE), key=pauses.__getitem__)
        yield [targets[index] for index in order[:end]], shortest, pauses[order[end - 1]]
        del order[:end]
