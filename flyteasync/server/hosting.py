"""What all hosts have in common."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from concurrent.futures import Future
from types import TracebackType
from typing import NamedTuple, Self, TypeVar

from .controls import Controls

T = TypeVar("T")

STOP_TIMEOUT = 10.0
"""Seconds after which an end that was asked for is no longer waited for, beside the grace."""


def pending() -> Future[T]:
    """A future that a cancelled wait cannot cancel: another thread is going to settle it."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()
    return future


class Addresses(NamedTuple):
    """Where a server listens."""

    endpoint: str
    direct: str


class Host(Controls):
    """A server that runs somewhere else than in the caller's loop.

    Usable from sync code (`start`, `stop`, `with`) and from async code (`start_async`, `stop_async`, `async with`),
    which does not block the loop. Starting returns the endpoint; a host is started once.
    """

    endpoint: str = ""
    """`host:port`; empty before the start."""

    direct: str = ""
    """`host:port` behind the relay, if there is one, where the control API always answers; else the endpoint."""

    @abstractmethod
    def _begin(self) -> Future[Addresses]:
        """Start without waiting; the future gets the addresses, or the error that it failed with."""

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
            self.endpoint, self.direct = self._begin().result()
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
            self.endpoint, self.direct = await asyncio.wrap_future(self._begin())
        except BaseException:
            self._end(0.0)
            raise
        return self.endpoint

    async def stop_async(self, grace: float = 0.0) -> None:
        """`stop` for async code."""
        # The end goes on if this wait is cancelled.
        ended = asyncio.wrap_future(self._end(grace))
        await asyncio.wait_for(asyncio.shield(ended), grace + STOP_TIMEOUT)

    async def _control_endpoint(self) -> str:
        return self.direct

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
