"""The gRPC socket: bytes in, whoever answers them, bytes out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

import grpc
import grpc.aio

from ..errors import FlyteError, FlyteSystemUnavailableException, Status
from .config import ServerConfig
from .failures import shorten, status_bytes
from .listening import refusal

Answer = Callable[[bytes, str], Awaitable[bytes]]
"""Makes a reply of a request and the address of the client; raises a FlyteError with the status to answer with."""

Find = Callable[[str], Answer | None]
"""What answers the calls of a path; None is answered with UNIMPLEMENTED."""

_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}

_NO_LIMIT = 2**31 - 1

CALLS_END_WITHIN = 1.0
"""Seconds that calls which were cut off are given to end when the server stops."""

ServicerContext = grpc.aio.ServicerContext[bytes, bytes]


class Listener:
    """Listens on one port, which it can leave for a while.

    Args:
        config: the limits of messages and connections.
        find: what answers the calls of a path.
    """

    def __init__(self, config: ServerConfig, find: Find) -> None:
        self._options = _options(config)
        self._calls: set[asyncio.Task[Any]] = set()
        self._dispatcher = _Dispatcher(find, self._calls)
        self._server: grpc.aio.Server | None = None
        self._changing = asyncio.Lock()
        self._address = ("", 0)
        self._stopped = asyncio.Event()

    async def start(self, host: str, port: int) -> str:
        """Listen, and return the endpoint; port 0 is a free one.

        Raises:
            FlyteSystemUnavailableException: the address cannot be listened on.
        """
        server = grpc.aio.server(options=self._options)
        server.add_generic_rpc_handlers((self._dispatcher,))
        try:
            port = server.add_insecure_port(f"{host}:{port}")
        except RuntimeError:
            reason = refusal(host, port)
            raise FlyteSystemUnavailableException(f"cannot listen on {host}:{port}: {reason}") from None
        self._server = server
        self._address = host, port
        await server.start()
        return f"{host}:{port}"

    async def restart(self, grace: float, downtime: float) -> None:
        """Say goodbye to all clients, and listen on the same port again.

        Nothing happens once it was stopped.

        Raises:
            FlyteSystemUnavailableException: another program has taken the port meanwhile.
        """
        async with self._changing:
            if self._server is None or self._stopped.is_set():
                return
            await self._server.stop(grace)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(downtime):
                    await self._stopped.wait()
            if not self._stopped.is_set():
                await self.start(*self._address)

    async def stop(self, grace: float) -> None:
        """Refuse new calls, and give those in flight `grace` seconds; a restart that is under way ends, too."""
        self._stopped.set()
        if self._server is not None:
            await self._server.stop(grace)
            async with self._changing:
                await self._server.stop(0)  # one that the restart may have made meanwhile
        if self._calls:
            # gRPC does not wait for them, and who closes the loop now would leave them behind.
            await asyncio.wait(self._calls, timeout=CALLS_END_WITHIN)


def _options(config: ServerConfig) -> list[tuple[str, Any]]:
    options: list[tuple[str, Any]] = [
        # Two servers on one port would share its connections at random.
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", config.max_receive_bytes),
        ("grpc.max_send_message_length", -1),
    ]
    if config.max_connection_age is not None:
        grace = config.max_connection_age_grace
        options += [
            ("grpc.max_connection_age_ms", _milliseconds(config.max_connection_age)),
            ("grpc.max_connection_age_grace_ms", _NO_LIMIT if grace is None else _milliseconds(grace)),
        ]
    return options


def _milliseconds(seconds: float) -> int:
    return min(max(1, int(seconds * 1000)), _NO_LIMIT)


class _Dispatcher(grpc.GenericRpcHandler):
    """Finds what answers a path, and keeps the tasks of the calls that are in flight."""

    def __init__(self, find: Find, calls: set[asyncio.Task[Any]]) -> None:
        self._find = find
        self._calls = calls

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        """The handler of a path, or None, which gRPC answers with UNIMPLEMENTED."""
        answer = self._find(handler_call_details.method)
        if answer is None:
            return None

        async def behaviour(payload: bytes, context: ServicerContext) -> bytes:
            self._remember(asyncio.current_task())
            try:
                return await answer(payload, context.peer())
            except FlyteError as error:
                failure = shorten(error)
            await _abort(context, failure)
            raise AssertionError("abort never returns")

        return cast("Any", grpc.unary_unary_rpc_method_handler)(behaviour)

    def _remember(self, task: asyncio.Task[Any] | None) -> None:
        assert task is not None, "gRPC runs every call in a task of its own"
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)


async def _abort(context: ServicerContext, error: FlyteError) -> None:
    status = Status.UNKNOWN if error.status is None else error.status
    trailing = (("grpc-status-details-bin", status_bytes(error)),) if error.details else ()
    await context.abort(_CODES[int(status)], str(error), trailing)
