"""A scripted gRPC server on a real socket: it records what arrives, in order, and answers as a test says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio

from flyteasync import codec
from flyteasync.errors import Status
from flyteasync.idl import methods


@dataclass(frozen=True)
class Call:
    """An RPC as it arrived."""

    path: str
    payload: bytes
    metadata: dict[str, str | bytes]
    seconds_left: float | None

    @property
    def method(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def request(self) -> Any:
        return codec.decode(methods.METHODS[self.path].request, self.payload)


class Refusal(Exception):
    """Raised by a script to answer with a status."""

    def __init__(self, status: Status, text: str = "refused", details: bytes = b"") -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.details = details


Answer = Callable[[Call], Awaitable[bytes]]


class Wire:
    """Listens on loopback while an `async with` block runs."""

    def __init__(self, answer: Answer) -> None:
        self.calls: list[Call] = []
        self.endpoint = ""
        self.answer = answer
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers((_Handlers(self._serve),))

    @property
    def methods(self) -> list[str]:
        """The names of the RPCs in the order of their arrival."""
        return [call.method for call in self.calls]

    async def _serve(self, path: str, payload: bytes, context: Any) -> bytes:
        metadata = {str(key): value for key, value in context.invocation_metadata() or ()}
        call = Call(path, payload, metadata, context.time_remaining())
        self.calls.append(call)
        try:
            return await self.answer(call)
        except Refusal as refusal:
            trailing = (("grpc-status-details-bin", refusal.details),) if refusal.details else ()
            code = next(code for code in grpc.StatusCode if code.value[0] == refusal.status)
            await context.abort(code, refusal.text, trailing)
            raise AssertionError("abort never returns") from None

    async def __aenter__(self) -> Wire:
        port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        self.endpoint = f"127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop(0)


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, serve: Callable[[str, bytes, Any], Awaitable[bytes]]) -> None:
        self._serve = serve

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        path = handler_call_details.method

        async def behaviour(payload: bytes, context: Any) -> bytes:
            return await self._serve(path, payload, context)

        return grpc.unary_unary_rpc_method_handler(behaviour)


class Relay:
    """An answer that passes every call on to another server, and its answer back."""

    def __init__(self, endpoint: str) -> None:
        self._channel = grpc.aio.insecure_channel(endpoint)

    async def __call__(self, call: Call) -> bytes:
        try:
            return await self._channel.unary_unary(call.path)(call.payload)
        except grpc.aio.AioRpcError as error:
            details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
            raise Refusal(Status(error.code().value[0]), error.details() or "", bytes(details)) from None

    async def aclose(self) -> None:
        await self._channel.close()


async def hang(_: Call) -> bytes:
    """An answer that never comes."""
    await asyncio.get_running_loop().create_future()
    raise AssertionError("nobody sets the future")


def always(payload: bytes) -> Answer:
    """An answer that is always the same."""

    async def answer(_: Call) -> bytes:
        return payload

    return answer


def refuse(status: Status, text: str = "refused") -> Answer:
    """An answer that is always a status."""

    async def answer(_: Call) -> bytes:
        raise Refusal(status, text)

    return answer
