"""The one event loop thread of the process, in which all blocking calls run.

A bare task measures at half the cost of anyio's BlockingPortal, and what the portal adds, a task group for background
work, is not needed: nothing outlives its call here but the remotes' own pollers.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

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
        self.closing = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="flyteasync", daemon=True)
        self._thread.start()

    def run(
        self,
        coroutine: Coroutine[Any, Any, T],
        meanwhile: Callable[[concurrent.futures.Future[T]], None] | None = None,
    ) -> T:
        """Run a coroutine in the loop thread and wait for its result.

        KeyboardInterrupt, or whatever else ends the waiting, cancels the coroutine.

        Args:
            coroutine: what to run.
            meanwhile: what this thread does until the result is there; told the future that has it then.

        Raises:
            FlyteUsageError: called in the loop thread itself, which would wait for itself.
        """
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise FlyteUsageError(
                "a blocking call of flyteasync.sync was made in its own event loop: use flyteasync.FlyteRemote there"
            )
        call = _Call(self, coroutine)
        try:
            if not self._post(call.start):
                coroutine.close()
                raise FlyteUsageError("a blocking call of flyteasync.sync was made after its event loop had ended")
            if meanwhile is not None:
                meanwhile(call.done)
            return call.done.result()
        except BaseException:
            if not call.done.done() and self._post(call.cancel):
                # Nothing of the call shall outlive it, if it does not take too long to clean up.
                concurrent.futures.wait([call.done], CANCEL_LIMIT)
            raise
        finally:
            del call  # or an error and the frame that it was raised in would keep each other

    def submit(self, coroutine: Coroutine[Any, Any, object]) -> None:
        """Run a coroutine in the loop thread without waiting for it; not at all if that has ended."""
        if not self._post(_Call(self, coroutine).start):
            coroutine.close()

    def close(self) -> None:
        """Cancel what runs, stop the loop and wait for the thread, within a bound.

        Threads that wait for a call stay where they are: at the end of the process they are daemons, which end with it.
        """
        self.closing = True
        if self._post(self._loop.stop):
            self._thread.join(SHUTDOWN_LIMIT)

    def _post(self, callback: Callable[[], object]) -> bool:
        """Have the loop thread call a function; False if it has ended."""
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError:
            return False
        return True

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


class _Call(Generic[T]):
    """A coroutine that one thread has another one run; unlike asyncio's own bridge, it is done when it has ended."""

    def __init__(self, portal: Portal, coroutine: Coroutine[Any, Any, T]) -> None:
        self._portal = portal
        self._coroutine = coroutine
        self._task: asyncio.Task[T] | None = None
        self.done: concurrent.futures.Future[T] = concurrent.futures.Future()
        self.done.set_running_or_notify_cancel()

    def start(self) -> None:
        """Begin; called by the loop, after which `cancel` may be."""
        self._task = asyncio.get_running_loop().create_task(self._coroutine)
        self._task.add_done_callback(self._ended)

    def cancel(self) -> None:
        """Cancel it; called by the loop."""
        if self._task is not None:
            self._task.cancel()

    def _ended(self, task: asyncio.Task[T]) -> None:
        if task.cancelled():
            if not self._portal.closing:
                self.done.set_exception(FlyteUsageError("a blocking call of flyteasync.sync was cancelled"))
        elif (error := task.exception()) is not None:
            self.done.set_exception(error)
        else:
            self.done.set_result(task.result())


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
