"""Several coroutines at once, with the first error as it was raised."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar, cast

import anyio
from anyio.abc import TaskGroup

T = TypeVar("T")
R = TypeVar("R")


async def map_concurrently(function: Callable[[T], Coroutine[Any, Any, R]], items: Iterable[T]) -> list[R]:
    """The results of the function for all items, in their order.

    The first failure cancels the others and is raised bare, not in a group.
    """
    results: dict[int, R] = {}

    async def run(index: int, item: T) -> None:
        results[index] = await function(item)

    try:
        async with anyio.create_task_group() as group:
            for index, item in enumerate(items):
                group.start_soon(run, index, item)
    except ExceptionGroup as failures:
        raise first_of(failures) from None
    return [results[index] for index in sorted(results)]


class Workers:
    """Runs jobs, each of which may add more: the oldest first, a bounded number at a time."""

    def __init__(self, limit: int) -> None:
        """Make some; costs no task until there is a job.

        Args:
            limit: jobs that run at the same time.
        """
        self._limit = limit
        self._jobs: deque[Callable[[], Coroutine[Any, Any, None]]] = deque()
        self._group: TaskGroup | None = None
        self._busy = 0

    def add(self, job: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Have a job run, now or when `run` is called."""
        self._jobs.append(job)
        self._employ()

    async def run(self) -> None:
        """Return when all jobs are done, those that were added meanwhile, too.

        The first failure cancels the others and is raised bare, not in a group.
        """
        try:
            async with anyio.create_task_group() as self._group:
                for _ in range(len(self._jobs)):
                    self._employ()
        except ExceptionGroup as failures:
            raise first_of(failures) from None
        finally:
            self._group = None

    def _employ(self) -> None:
        if self._group is not None and self._busy < self._limit:
            self._busy += 1
            self._group.start_soon(self._work)

    async def _work(self) -> None:
        while self._jobs:
            await self._jobs.popleft()()
        self._busy -= 1


def first_of(error: Exception) -> Exception:
    """The first exception of a group that is no group itself; the exception itself if it is none."""
    if isinstance(error, ExceptionGroup):
        return first_of(cast("ExceptionGroup[Exception]", error).exceptions[0])
    return error
