"""What all hosts have in common."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable
from concurrent.futures import Future
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar

from .control_client import ControlClient
from .faults import Fault

T = TypeVar("T")

STOP_TIMEOUT = 10.0
"""Seconds after which an end that was asked for is no longer waited for, beside the grace."""


def pending() -> Future[T]:
    """A future that a cancelled wait cannot cancel: another thread is going to settle it."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()
    return future


class Host(ABC):
    """A server that runs somewhere else than in the caller's loop.

    Usable from sync code (`start`, `stop`, `with`) and from async code (`start_async`, `stop_async`, `async with`),
    which does not block the loop. Starting returns the endpoint; a host is started once.
    """

    endpoint: str = ""
    """`host:port`; empty before the start."""

    @abstractmethod
    def _begin(self) -> Future[str]:
        """Start without waiting; the future gets the endpoint, or the error that it failed with."""

    @abstractmethod
    def _end(self, grace: float) -> Future[None]:
        """Stop without waiting; the future is done when the server is gone. Repeating it is allowed."""

    def start(self) -> str:
        """Start the server and return its endpoint.

        Raises:
            FlyteUsageError: it was started before.
            FlyteSystemUnavailableException: it cannot be started; the text has the reason.
            FlyteInvalidInputException: the handlers cannot be loaded.
        """
        try:
            self.endpoint = self._begin().result()
        except BaseException:
            self._end(0.0)
            raise
        return self.endpoint

    def stop(self, grace: float = 0.0) -> None:
        """End the server, giving calls in flight `grace` seconds; nothing happens if it does not run."""
        self._end(grace).result(grace + STOP_TIMEOUT)

    async def start_async(self) -> str:
        """`start` for async code."""
        try:
            self.endpoint = await asyncio.wrap_future(self._begin())
        except BaseException:
            self._end(0.0)
            raise
        return self.endpoint

    async def stop_async(self, grace: float = 0.0) -> None:
        """`stop` for async code."""
        # The end goes on if this wait is cancelled.
        ended = asyncio.wrap_future(self._end(grace))
        await asyncio.wait_for(asyncio.shield(ended), grace + STOP_TIMEOUT)

    async def set_faults(self, faults: Iterable[Fault]) -> None:
        """Replace the faults of the running server."""
        async with ControlClient(self.endpoint) as control:
            await control.set_faults(faults)

    async def stats(self, *, reset: bool = False) -> dict[str, Any]:
        """What the running server has counted; `reset` starts from zero afterwards."""
        async with ControlClient(self.endpoint) as control:
            return await control.stats(reset=reset)

    async def set_skipping(self, enabled: bool) -> None:
        """Have the running server skip time when nothing else can happen, or no longer."""
        async with ControlClient(self.endpoint) as control:
            await control.set_skipping(enabled)

    async def advance(self, seconds: float) -> datetime:
        """Move the running server's time on, and return it when all that became due has happened."""
        async with ControlClient(self.endpoint) as control:
            return await control.advance(seconds)

    async def now(self) -> datetime:
        """The running server's time."""
        async with ControlClient(self.endpoint) as control:
            return await control.now()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        await self.start_async()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop_async()
