"""When which wait is given up: one timer serves them all."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field

from .plan import Row


@dataclass
class Deadlines:
    """Who gives up when; rows of waits that ended before are thrown away from time to time."""

    _heap: list[Row] = field(default_factory=list[Row])
    _dead: int = 0

    def __len__(self) -> int:
        """How many rows are kept; some of them may have ended."""
        return len(self._heap)

    def add(self, row: Row) -> None:
        """Have a row given up at its deadline; one without a deadline never is."""
        if row.deadline != math.inf:
            heapq.heappush(self._heap, row)

    def left(self, row: Row) -> None:
        """A row's wait has ended."""
        if row.deadline == math.inf:
            return
        self._dead += 1
        if self._dead > len(self._heap) // 2:
            self._heap = [row for row in self._heap if not row.left]
            heapq.heapify(self._heap)
            self._dead = 0

    def next(self) -> float:
        """When the next row is given up; infinity if none is."""
        while self._heap and self._heap[0].left:
            heapq.heappop(self._heap)
        return self._heap[0].deadline if self._heap else math.inf

    def take(self, now: float) -> list[Row]:
        """Take the rows that are to be given up by now."""
        taken: list[Row] = []
        while self.next() <= now:
            taken.append(heapq.heappop(self._heap))
        return taken
