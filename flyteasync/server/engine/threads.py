"""A few daemon threads that call functions for an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

Job = Callable[[], None]


class DaemonThreads:
    """Calls functions in at most `size` threads, which are made when they are needed and end with `close`.

    They are daemons: a function that never returns cannot keep the process from ending, as it could in the threads of
    an executor.
    """

    def __init__(self, size: int) -> None:
        self._slots = asyncio.Semaphore(size)
        # Never longer than there are slots.
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._busy = 0

    async def run(self, function: Callable[[], T]) -> T:
        """Call a function in a thread, and return or raise what it does; exits are raised as RuntimeError.

        A cancelled wait leaves the call behind, which keeps its slot until it returns.
        """
        await self._slots.acquire()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        context = contextvars.copy_context()

        def settle(result: Any, error: Exception | None) -> None:
            self._busy -= 1
            self._slots.release()
            if future.cancelled():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)

        def job() -> None:
            result, error = None, None
            try:
                result = context.run(function)
            except Exception as raised:  # noqa: BLE001 # it is raised again where the call is awaited
                # A future takes no StopIteration.
                error = RuntimeError(repr(raised)) if isinstance(raised, StopIteration) else raised
            except BaseException as raised:  # noqa: BLE001 # sys.exit() in a function must not end the thread
                error = RuntimeError(repr(raised))
                error.__cause__ = raised
            with contextlib.suppress(RuntimeError):
                # The loop is closed if nobody waited for this call.
                loop.call_soon_threadsafe(settle, result, error)

        self._busy += 1
        if self._busy > len(self._threads):
            self._threads.append(threading.Thread(target=self._work, name="flyteasync handler", daemon=True))
            self._threads[-1].start()
        self._jobs.put(job)
        return await future

    def close(self) -> None:
        """End the threads; one that is in a call ends after it."""
        for _ in self._threads:
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            # What a function returned is not kept until the next one is called.
            del job
