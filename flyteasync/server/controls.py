"""Telling a server somewhere else what to do, over the control API."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterable
from datetime import datetime
from typing import Any

import anyio

from .control_client import TIMEOUT, ControlClient
from .faults import Fault
from .relay import Outage, RelayMode


class Controls(ABC):
    """Something that knows where a server listens; every method makes a connection of its own.

    All of them raise FlyteSystemUnavailableException if the server cannot be reached, and FlyteUsageError if what
    answers there is no embedded server.
    """

    @abstractmethod
    async def _control_endpoint(self) -> str:
        """Where the control API is answered."""

    @contextlib.asynccontextmanager
    async def _control(self) -> AsyncGenerator[ControlClient]:
        async with ControlClient(await self._control_endpoint()) as control:
            yield control

    async def set_faults(self, faults: Iterable[Fault] = ()) -> None:
        """Have the server misbehave in these ways from now on, instead of what it was told before.

        Raises:
            FlyteInvalidInputException: one of them names no RPC.
        """
        async with self._control() as control:
            await control.set_faults(faults)

    async def stats(self, *, reset: bool = False) -> dict[str, Any]:
        """What the server has counted (see docs/server.md); `reset` starts from zero afterwards."""
        async with self._control() as control:
            return await control.stats(reset=reset)

    # Time ...

    async def set_skipping(self, enabled: bool) -> None:
        """Have the server skip time when nothing else can happen, or no longer."""
        async with self._control() as control:
            await control.set_skipping(enabled)

    @contextlib.asynccontextmanager
    async def skipping(self) -> AsyncGenerator[None]:
        """Have the server skip time, when nothing else can happen, until the end of the block."""
        await self.set_skipping(True)
        try:
            yield
        finally:
            with anyio.move_on_after(TIMEOUT, shield=True):
                await self.set_skipping(False)

    async def advance(self, seconds: float) -> datetime:
        """Move the server's time on by that many seconds, and return it when all that became due has happened."""
        async with self._control() as control:
            return await control.advance(seconds)

    async def now(self) -> datetime:
        """The server's time, which all its records carry."""
        async with self._control() as control:
            return await control.now()

    # Connections ...

    async def set_relay(self, mode: RelayMode | None = None, *, kill_every: float | None = None) -> None:
        """Have connections fail in some way until told otherwise, or no longer.

        Args:
            mode: `open`, `stall`, `refuse` or `down` (see `Outage`); None leaves it as it is.
            kill_every: seconds after which all connections are reset, again and again; 0 is never, None leaves it.

        Raises:
            FlyteUsageError: the server has no relay.
        """
        async with self._control() as control:
            await control.set_relay(mode, kill_every=kill_every)

    @contextlib.asynccontextmanager
    async def outage(self, mode: RelayMode = "down") -> AsyncGenerator[None]:
        """Have connections fail until the end of the block.

        Args:
            mode: `down` resets all connections, and new ones as they arrive; `refuse` resets new ones only; `stall`
                holds all bytes back.

        Raises:
            FlyteUsageError: the server has no relay.
        """
        await self.set_relay(mode)
        try:
            yield
        finally:
            with anyio.move_on_after(TIMEOUT, shield=True):
                await self.set_relay("open")

    async def plan_outages(self, *outages: Outage) -> None:
        """Have connections fail at later times.

        Raises:
            FlyteUsageError: the server has no relay.
        """
        async with self._control() as control:
            await control.plan_outages(*outages)

    async def kill_connections(self, most: int | None = None) -> int:
        """Reset the oldest `most` connections, or all, and return how many those were.

        Raises:
            FlyteUsageError: the server has no relay.
        """
        async with self._control() as control:
            return await control.kill_connections(most)

    async def restart(self, grace: float = 0.0, downtime: float = 0.0) -> None:
        """Have the server leave its port and listen on it again, as when a deployment is rolled; its state is kept.

        Args:
            grace: seconds that calls in flight are given.
            downtime: seconds in which nobody listens.

        Raises:
            FlyteSystemUnavailableException: it did not come back.
        """
        async with self._control() as control:
            await control.restart(grace, downtime)
