"""Several awaitables at once, with the first error as it was raised."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar, cast

import anyio

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


def first_of(error: Exception) -> Exception:
    """The first exception of a group that is no group itself; the exception itself if it is none."""
    if isinstance(error, ExceptionGroup):
        return first_of(cast("ExceptionGroup[Exception]", error).exceptions[0])
    return error
