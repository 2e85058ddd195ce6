"""A client of the control API of a running server."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from types import TracebackType
from typing import Any, Self, cast

import grpc
import grpc.aio

from ..errors import FlyteInvalidInputException, FlyteSystemUnavailableException, FlyteUsageError
from .control import (
    ADVANCE,
    GET_STATS,
    KILL_CONNECTIONS,
    PING,
    PLAN_OUTAGES,
    RESTART,
    SET_FAULTS,
    SET_RELAY,
    SET_SKIPPING,
)
from .faults import Fault
from .relay import Outage, RelayMode

TIMEOUT = 10.0
"""Seconds in which a server answers; moving its time on may take longer."""

_PAUSE = 0.02

_NOT_OURS = (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
"""How a cluster answers, or a proxy in front of it."""

_OPTIONS = (("grpc.initial_reconnect_backoff_ms", 20), ("grpc.max_reconnect_backoff_ms", 200))


class ControlClient:
    """Tells a server at `host:port` what to do; an async context manager that ends its connection."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._channel = grpc.aio.insecure_channel(endpoint, options=_OPTIONS)

    async def set_faults(self, faults: Iterable[Fault]) -> None:
        """Replace the server's faults.

        Raises:
            FlyteInvalidInputException: one of them names no RPC.
            FlyteSystemUnavailableException: the server cannot be reached.
            FlyteUsageError: it is no embedded server.
        """
        await self._call(SET_FAULTS, [fault.to_dict() for fault in faults])

    async def stats(self, *, reset: bool = False) -> dict[str, Any]:
        """What the server has counted (see `Stats`); `reset` starts from zero afterwards."""
        return await self._call(GET_STATS, {"reset": reset})

    async def set_skipping(self, enabled: bool) -> None:
        """Have the server skip time when nothing else can happen, or no longer."""
        await self._call(SET_SKIPPING, enabled)

    async def advance(self, seconds: float) -> datetime:
        """Move the time of the server's engine on, and return it when all that became due has happened."""
        return datetime.fromisoformat((await self._call(ADVANCE, {"seconds": seconds}, timeout=None))["now"])

    async def now(self) -> datetime:
        """The time of the server's engine."""
        return datetime.fromisoformat((await self._call(PING, None))["now"])

    async def ping(self) -> None:
        """Return if the server answers.

        Raises:
            FlyteSystemUnavailableException: it does not.
        """
        await self._call(PING, None)

    async def direct(self) -> str:
        """The endpoint at which the server can be told what to do, whatever its relay does."""
        port = (await self._call(PING, None))["direct"]
        return self._endpoint if port is None else f"{self._endpoint.rpartition(':')[0]}:{port}"

    async def set_relay(self, mode: RelayMode | None = None, *, kill_every: float | None = None) -> None:
        """Have connections of the server's relay fail, or no longer; see `Outage` and `RelayConfig`.

        Raises:
            FlyteUsageError: it has no relay.
        """
        settings = {"mode": mode, "kill_every": kill_every}
        await self._call(SET_RELAY, {name: value for name, value in settings.items() if value is not None})

    async def plan_outages(self, *outages: Outage) -> None:
        """Have connections of the server's relay fail at later times.

        Raises:
            FlyteUsageError: it has no relay.
        """
        await self._call(PLAN_OUTAGES, [asdict(outage) for outage in outages])

    async def kill_connections(self, most: int | None = None) -> int:
        """Reset the oldest `most` connections of the server's relay, or all, and return how many those were.

        Raises:
            FlyteUsageError: it has no relay.
        """
        return (await self._call(KILL_CONNECTIONS, {"most": most}))["killed"]

    async def restart(self, grace: float = 0.0, downtime: float = 0.0) -> None:
        """Have the server leave its port and listen on it again, and return when it does; see `Server.restart`.

        Raises:
            FlyteSystemUnavailableException: it does not come back.
        """
        before = (await self.stats())["restarts"]
        # The answer may get lost with the connection; the counter tells whether it was done.
        with contextlib.suppress(FlyteSystemUnavailableException):
            await self._call(RESTART, {"grace": grace, "downtime": downtime})
        try:
            async with asyncio.timeout(grace + downtime + TIMEOUT):
                while (await self._restarts()) <= before:  # noqa: ASYNC110 # another program tells nobody
                    await asyncio.sleep(_PAUSE)
        except TimeoutError:
            raise FlyteSystemUnavailableException(f"the server at {self._endpoint} did not come back") from None

    async def _restarts(self) -> int:
        """The number of restarts; -1 while nobody answers."""
        try:
            return (await self.stats())["restarts"]
        except FlyteSystemUnavailableException:
            return -1

    async def aclose(self) -> None:
        """End the connection."""
        await self._channel.close()

    async def _call(self, path: str, payload: object, timeout: float | None = TIMEOUT) -> Any:
        call = cast("Any", self._channel.unary_unary(path))
        try:
            return json.loads(await call(json.dumps(payload).encode(), timeout=timeout))
        except grpc.aio.AioRpcError as error:
            text = f"{path} on {self._endpoint}: {error.code().name}: {error.details()}"
            if error.code() == grpc.StatusCode.INVALID_ARGUMENT:
                raise FlyteInvalidInputException(text) from error
            if error.code() in _NOT_OURS:
                raise FlyteUsageError(
                    f"{self._endpoint} is no embedded server: it cannot be told what to do"
                ) from error
            if error.code() == grpc.StatusCode.FAILED_PRECONDITION:
                raise FlyteUsageError(error.details() or text) from error
            raise FlyteSystemUnavailableException(text) from error

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
