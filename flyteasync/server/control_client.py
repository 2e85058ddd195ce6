"""A client of the control API of a running server."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from types import TracebackType
from typing import Any, Self, cast

import grpc
import grpc.aio

from ..errors import FlyteInvalidInputException, FlyteSystemUnavailableException
from .control import ADVANCE, GET_STATS, PING, SET_FAULTS, SET_SKIPPING
from .faults import Fault

TIMEOUT = 10.0


class ControlClient:
    """Tells a server at `host:port` what to do; an async context manager that ends its connection."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._channel = grpc.aio.insecure_channel(endpoint)

    async def set_faults(self, faults: Iterable[Fault]) -> None:
        """Replace the server's faults.

        Raises:
            FlyteSystemUnavailableException: the server cannot be reached.
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
            raise FlyteSystemUnavailableException(text) from error

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
