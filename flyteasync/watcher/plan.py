"""Whom to ask, how, and when: decisions without I/O.

flyteadmin has no way to be told of changes, so executions are polled. What keeps that cheap: names are asked in chunks,
a chunk of names that are known to exist asks for the finished ones only, and the interval grows with the wait's age.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from ..idl import admin, core

Phase = core.WorkflowExecutionPhase

TERMINAL_PHASES = frozenset({Phase.SUCCEEDED, Phase.FAILED, Phase.ABORTED, Phase.TIMED_OUT})
"""The phases that an execution never leaves."""

FLOOR = 0.1
"""Seconds between two polls of a name at the least, whatever a caller asks for."""

SOONEST, LATEST = 0.2, 30.0
"""Seconds between which the interval adapts when callers give none."""

AGES_PER_INTERVAL = 20.0
"""A wait is polled after each twentieth of the time that it has lasted."""

CHUNK = 200
"""Names in one ListExecutions to begin with."""

COALESCE = 0.25
"""The part of its interval by which a target may be asked early, to share a question with others."""

SINGLY = 3
"""So few names of a project and domain are asked for one by one, with GetExecution, which brings the whole error."""


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

    @classmethod
    def of(cls, identifier: core.WorkflowExecutionIdentifier | None) -> Name:
        """The name that a message holds."""
        return cls("", "", "") if identifier is None else cls(identifier.project, identifier.domain, identifier.name)


@dataclass(slots=True, eq=False)
class Target:
    """An execution that somebody waits for.

    Attributes:
        name: which.
        since: when the first wait began, on the loop's clock.
        ceiling: seconds that the most eager waiter allows between polls.
        known: whether the execution is known to exist.
        due: when to ask next.
        serial: tells the entry of the schedule that counts from outdated ones.
    """

    name: Name
    since: float
    ceiling: float
    known: bool
    due: float
    serial: int = 0


@dataclass(frozen=True)
class Poll:
    """One question: these targets, all of one project and domain and all known or all not."""

    targets: tuple[Target, ...]

    @property
    def singly(self) -> bool:
        """Whether to ask with GetExecution."""
        return len(self.targets) == 1

    def request(self) -> admin.ResourceListRequest:
        """The question as ListExecutions: archived ones too, and only finished ones if all are known to exist."""
        first = self.targets[0]
        filters = [
            f"value_in(execution_name,{';'.join(target.name.name for target in self.targets)})",
            "value_in(state,0;1)",
        ]
        if first.known:
            filters.append(f"value_in(phase,{';'.join(sorted(str(phase.name) for phase in TERMINAL_PHASES))})")
        return admin.ResourceListRequest(
            id=admin.NamedEntityIdentifier(project=first.name.project, domain=first.name.domain),
            limit=len(self.targets) + 1,
            filters="+".join(filters),
        )

    def halves(self) -> tuple[Poll, Poll]:
        """The same question in two parts."""
        middle = len(self.targets) // 2
        return Poll(self.targets[:middle]), Poll(self.targets[middle:])


def interval(age: float, ceiling: float) -> float:
    """Seconds until a target that has been waited for `age` seconds is asked again."""
    return max(FLOOR, min(ceiling, max(SOONEST, age / AGES_PER_INTERVAL)))


@dataclass
class Schedule:
    """The targets, ordered by when each is due."""

    targets: dict[Name, Target] = field(default_factory=dict[Name, Target])
    _heap: list[tuple[float, int, Target]] = field(default_factory=list[tuple[float, int, Target]])
    _serials: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def add(self, name: Name, now: float, ceiling: float, *, known: bool) -> Target:
        """Begin to ask for a name, or ask at a higher rate, from now on."""
        target = self.targets.get(name)
        if target is None:
            target = self.targets[name] = Target(name, now, ceiling, known, now)
            self._push(target, now)
            return target
        target.known |= known
        if ceiling < target.ceiling:
            target.ceiling = ceiling
            self._push(target, min(target.due, now + interval(now - target.since, ceiling)))
        return target

    def relax(self, name: Name, ceiling: float) -> None:
        """Ask at a lower rate after the next time."""
        target = self.targets.get(name)
        if target is not None:
            target.ceiling = ceiling

    def remove(self, name: Name) -> None:
        """Ask no more for a name."""
        target = self.targets.pop(name, None)
        if target is not None:
            target.serial = 0

    def again(self, target: Target, now: float, factor: float = 1.0) -> None:
        """Ask for a target again after its interval, stretched or shrunk by a factor (jitter, back-off)."""
        if target.serial:
            self._push(target, now + factor * interval(now - target.since, target.ceiling))

    def next_due(self) -> float:
        """When the next target is due; infinity if none is."""
        while self._heap and self._heap[0][1] != self._heap[0][2].serial:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else math.inf

    def take_due(self, now: float) -> list[Target]:
        """Take the targets that are due, and with them those that soon will be, so that they share one question.

        Each stays out of the schedule until `again` puts it back.
        """
        taken: list[Target] = []
        if self.next_due() > now:
            return taken
        while (due := self.next_due()) != math.inf:
            target = self._heap[0][2]
            if due > now + COALESCE * interval(now - target.since, target.ceiling):
                break
            heapq.heappop(self._heap)
            taken.append(target)
        return taken

    def _push(self, target: Target, due: float) -> None:
        target.due = due
        target.serial = next(self._serials)
        heapq.heappush(self._heap, (due, target.serial, target))


def polls(targets: Iterable[Target], chunk: int) -> list[Poll]:
    """The questions that ask for all of these targets, each for at most `chunk`; few targets are asked for singly."""
    groups: defaultdict[tuple[str, str, bool], list[Target]] = defaultdict(list)
    for target in targets:
        groups[target.name.project, target.name.domain, target.known].append(target)
    sized = ((group, 1 if len(group) <= SINGLY else chunk) for group in groups.values())
    return [Poll(tuple(group[start : start + size])) for group, size in sized for start in range(0, len(group), size)]
