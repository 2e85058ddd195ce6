"""Events of executions for programs without an event loop."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Self

from ..watcher import Event
from ..watcher import Watch as AioWatch
from .portal import portal


class Watch(Iterator[Event]):
    """An iterator, and context manager, of the events of an execution; `next` blocks until there is one.

    The events are those of `flyteasync.FlyteWorkflowExecution.watch`. Leaving the block, `close`, an error, Ctrl-C, the
    last event, and being collected as garbage all end the watch.
    """

    def __init__(self, watch: AioWatch) -> None:
        """Show an async watch; `FlyteWorkflowExecution.watch` makes these."""
        self._aio = watch

    def __next__(self) -> Event:
        event = portal().run(_next(self._aio))
        if event is None:
            raise StopIteration
        return event

    def close(self) -> None:
        """End the iteration, also one that waits for an event in another thread."""
        portal().run(self._aio.aclose())

    def __enter__(self) -> Self:
        portal().run(self._aio.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


async def _next(watch: AioWatch) -> Event | None:
    return await anext(watch, None)
