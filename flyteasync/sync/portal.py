"""The one event loop thread of the process, in which all blocking calls run.

`run_coroutine_threadsafe` measures at half the cost of anyio's BlockingPortal, and what the portal adds, a task group
for background work, is not needed: nothing outlives its call here but the remotes' own pollers.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from ..errors import FlyteUsageError

T = TypeVar("T")

SHUTDOWN_LIMIT = 5.0
"""Seconds that the end of the process waits for the loop thread."""

CANCEL_LIMIT = 5.0
"""Seconds that Ctrl-C waits for the cancelled call to clean up."""


class Portal:
    """A thread with an event loop."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="flyteasync", daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the loop thread and wait for its result.

        KeyboardInterrupt, or whatever else ends the waiting, cancels the coroutine.

        Raises:
            FlyteUsageError: called in the loop thread itself, which would wait for itself.
        """
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise FlyteUsageError(
                "a blocking call of flyteasync.sync was made in its own event loop: use flyteasync.FlyteRemote there"
            )
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            if not future.done():
                self._cancel(future)
            raise

    def submit(self, coroutine: Coroutine[Any, Any, object]) -> None:
        """Run a coroutine in the loop thread without waiting for it."""
        if self._loop.is_closed():
            coroutine.close()
            return
        asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def close(self) -> None:
        """Cancel what runs, stop the loop and wait for the thread, within a bound."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(SHUTDOWN_LIMIT)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._wind_up()

    def _wind_up(self) -> None:
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self._loop.run_until_complete(asyncio.wait(tasks, timeout=SHUTDOWN_LIMIT / 2))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    @staticmethod
    def _cancel(future: concurrent.futures.Future[Any]) -> None:
        """Cancel a coroutine and give it a bounded time to clean up, so that nothing of it outlives the call."""
        ended = threading.Event()
        future.add_done_callback(lambda _: ended.set())
        future.cancel()
        ended.wait(CANCEL_LIMIT)


class _Portals:
    """Makes the portal on first use, and another one in a forked child, whose parent's thread is not there."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._portal: Portal | None = None

    def get(self) -> Portal:
        portal = self._portal
        if portal is not None and portal.pid == os.getpid():
            return portal
        with self._lock:
            if self._portal is None or self._portal.pid != os.getpid():
                self._portal = Portal()
                atexit.register(self._portal.close)
            return self._portal

    def after_fork(self) -> None:
        self._lock = threading.Lock()  # another thread may have held it


_portals = _Portals()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_portals.after_fork)


def portal() -> Portal:
    """The portal of this process."""
    return _portals.get()
