"""Which question to ask next: the targets that are due stand in a line, where projects take turns."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from ..idl import admin
from .plan import CHUNK, TERMINAL_PHASES, Lane, Target

SINGLY = 3
"""So few names of a project and domain are asked for one by one, with GetExecution, which brings the whole error."""

POLLS_IN_FLIGHT = 64
"""No poll is sent while so many are unanswered."""

POLLS_IN_FLIGHT_EACH = 8
"""The same for one lane, so that one project that hangs does not hold up the others."""


class Poll(NamedTuple):
    """One question."""

    lane: Lane
    targets: tuple[Target, ...]

    @property
    def singly(self) -> bool:
        """Whether to ask with GetExecution."""
        return len(self.targets) == 1

    @property
    def whole(self) -> bool:
        """Whether a name without an answer may not exist."""
        return self.singly or self.lane.kind != "ended"

    def request(self) -> admin.ResourceListRequest:
        """The question as ListExecutions: archived ones too."""
        filters = [
            f"value_in(execution_name,{';'.join(target.name.name for target in self.targets)})",
            "value_in(state,0;1)",
        ]
        if not self.whole:
            filters.append(f"value_in(phase,{';'.join(sorted(str(phase.name) for phase in TERMINAL_PHASES))})")
        return admin.ResourceListRequest(
            id=admin.NamedEntityIdentifier(project=self.lane.project, domain=self.lane.domain),
            limit=len(self.targets) + 1,
            filters="+".join(filters),
        )


@dataclass
class Line:
    """The targets that are due, in lanes that take turns; each lane has a bounded number of questions unanswered.

    Attributes:
        shares: how many may be asked for in one question with a target, where larger answers were too large.
    """

    shares: dict[Target, int] = field(default_factory=dict["Target", int])
    _lanes: OrderedDict[Lane, deque[Target]] = field(default_factory=OrderedDict[Lane, "deque[Target]"])
    _flying: dict[Lane, int] = field(default_factory=dict[Lane, int])
    _total: int = 0

    def __bool__(self) -> bool:
        """Whether anybody stands in it."""
        return bool(self._lanes)

    def add(self, targets: Iterable[Target], now: float) -> None:
        """Queue up targets that are due."""
        last, queue = None, deque[Target]()
        for target in targets:
            lane = target.lane(now)
            if lane is not last:
                last, queue = lane, self._lanes.setdefault(lane, deque())
            queue.append(target)

    def confirm(self, targets: Iterable[Target]) -> None:
        """Queue up targets to be asked for one by one: the only question to which NOT_FOUND is an answer."""
        for target in targets:
            lane = Lane(target.name.project, target.name.domain, "alone")
            self._lanes.setdefault(lane, deque()).append(target)

    def take(self, chunk: int) -> Poll | None:
        """The next question to ask, for at most `chunk` targets; None if there is none, or none may be asked now.

        Whoever takes a question tells with `answered` when it is no longer under way.
        """
        if self._total >= POLLS_IN_FLIGHT:
            return None
        for lane in list(self._lanes):
            if self._flying.get(lane, 0) >= POLLS_IN_FLIGHT_EACH:
                continue
            targets = self._next(lane, chunk)
            if self._lanes[lane]:
                self._lanes.move_to_end(lane)
            else:
                del self._lanes[lane]
            if targets:
                self._flying[lane] = self._flying.get(lane, 0) + 1
                self._total += 1
                return Poll(lane, tuple(targets))
        return None

    def answered(self, poll: Poll) -> None:
        """A question is no longer under way."""
        self._total -= 1
        self._flying[poll.lane] -= 1
        if not self._flying[poll.lane]:
            del self._flying[poll.lane]

    def _next(self, lane: Lane, chunk: int) -> list[Target]:
        """Those whose turn it is; those that nobody waits for any more are dropped."""
        queue = self._lanes[lane]
        few = lane.kind == "alone" or len(queue) <= SINGLY
        # In whatever phase, each is in the answer.
        many = chunk if lane.kind == "ended" else min(chunk, CHUNK)
        most, taken = 1 if few else many, list[Target]()
        while queue and len(taken) < most:
            target = queue.popleft()
            if not target.serial:
                continue
            if self.shares and (share := self.shares.get(target)) is not None:
                if share <= len(taken):
                    queue.appendleft(target)
                    break
                most = min(most, share)
            taken.append(target)
        return taken
