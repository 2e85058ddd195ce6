"""Threads for plain handlers, which cannot keep the process from ending, as those of an executor would."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar, cast

T = TypeVar("T")


class DaemonThreads:
    """At most so many threads, each started when there is none that has nothing to do.

    Args:
        limit: how many there are at most.
    """

    def __init__(self, limit: int) -> None:
        self._places = asyncio.Semaphore(limit)
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._started = self._idle = 0

    async def run(self, function: Callable[[], T]) -> T:
        """Call a function in a thread.

        A cancelled wait leaves the function behind; its thread takes the next one when it has ended.

        Raises:
            Exception: what the function raises; a RuntimeError if that is no Exception.
        """
        await self._places.acquire()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        context = contextvars.copy_context()

        def finish(result: T | None, error: Exception | None) -> None:
            self._idle += 1
            self._places.release()
            if future.cancelled():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(cast("T", result))

        def job() -> None:
            result, error = None, None
            try:
                result = context.run(function)
            except Exception as raised:  # it is raised again where the call is awaited  # noqa: BLE001
                # A future takes no StopIteration.
                error = RuntimeError(repr(raised)) if isinstance(raised, StopIteration) else raised
            except BaseException as raised:  # a handler that calls sys.exit() must not end the server  # noqa: BLE001
                error = RuntimeError(repr(raised))
            with contextlib.suppress(RuntimeError):
                # The loop is closed if the server stopped without waiting for this thread.
                loop.call_soon_threadsafe(finish, result, error)

        self._submit(job)
        return await future

    def _submit(self, job: Callable[[], None]) -> None:
        self._jobs.put(job)
        if self._idle:
            self._idle -= 1
            return
        self._started += 1
        threading.Thread(target=_work, args=(self._jobs,), name="flyteasync handler", daemon=True).start()

    def close(self) -> None:
        """Let every thread end that has nothing to do, and the others when they have."""
        for _ in range(self._started):
            self._jobs.put(None)


def _work(jobs: queue.SimpleQueue[Any]) -> None:
    while (job := jobs.get()) is not None:
        job()
        # What a handler returned is not kept until the next one is called.
        del job
