"""The transport over grpc.aio, with identity serializers.

Nothing but bytes crosses it: grpc.aio turns a deserializer that raises into a reply of None, and sends an empty request
when a serializer raises, so encoding and decoding happen outside.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

import anyio.lowlevel
import grpc
import grpc.aio

from ..errors import Status
from .base import Metadata, TransportError, TransportOptions
from .tls import channel_credentials

STATUS_DETAILS = "grpc-status-details-bin"
CONNECTING_MS = 20_000
RECONNECT_CEILING_MS = 2000
MAX_METADATA_BYTES = 256 * 1024  # flyteadmin sends texts of up to 32,000 bytes, and gRPC writes some bytes as three


def _channel_arguments(options: TransportOptions) -> list[tuple[str, Any]]:
    return [
        ("grpc.max_receive_message_length", options.max_receive_bytes),
        ("grpc.max_send_message_length", options.max_send_bytes),
        ("grpc.max_metadata_size", MAX_METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", MAX_METADATA_BYTES),
        ("grpc.keepalive_time_ms", int(options.keepalive * 1000)),
        ("grpc.keepalive_permit_without_calls", 0),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", CONNECTING_MS),  # in fact the time that making a connection may take
        ("grpc.max_reconnect_backoff_ms", RECONNECT_CEILING_MS),
        ("grpc.enable_retries", 0),  # the call path retries
        ("grpc.use_local_subchannel_pool", 1),  # else channels of equal options share one connection
        ("grpc.primary_user_agent", options.user_agent),
    ]


class GrpcAioTransport:
    """A grpc.aio channel; make it inside the loop that will use it."""

    def __init__(self, options: TransportOptions) -> None:
        arguments = _channel_arguments(options)
        self._endpoint = options.endpoint
        self._closed = False
        self._channel = (
            grpc.aio.insecure_channel(options.endpoint, options=arguments)
            if options.insecure
            else grpc.aio.secure_channel(options.endpoint, channel_credentials(options.ca_cert_file), options=arguments)
        )
        self._methods: dict[str, Any] = {}  # path -> grpc.aio.UnaryUnaryMultiCallable of bytes

    @property
    def endpoint(self) -> str:
        """The endpoint as `host:port`."""
        return self._endpoint

    async def unary(self, path: str, request: bytes, *, timeout: float | None, metadata: Metadata) -> bytes:
        """See `Transport.unary`."""
        if self._closed:
            raise TransportError(Status.CANCELLED, "the transport is closed", closed=True)
        method = self._methods.get(path)
        if method is None:
            method = self._methods[path] = cast("Any", self._channel.unary_unary(path))
        task = asyncio.current_task()
        cancelled_before = task.cancelling() if task is not None else 0
        try:
            return cast("bytes", await method(request, timeout=timeout, metadata=metadata))
        except asyncio.CancelledError:
            if self._closed and (task is None or task.cancelling() == cancelled_before):
                # Closing a channel cancels its calls; nobody cancelled this task meanwhile.
                raise TransportError(Status.CANCELLED, "the transport was closed", closed=True) from None
            # grpc.aio drops the message by which anyio knows its own cancellation (grpc/grpc#43502): raise it anew.
            await anyio.lowlevel.checkpoint()
            raise
        except grpc.aio.AioRpcError as error:
            raise _translate(error) from None  # no exception of the library leaves it

    async def aclose(self, grace: float) -> None:
        """See `Transport.aclose`."""
        self._closed = True
        await self._channel.close(grace)


def _translate(error: grpc.aio.AioRpcError) -> TransportError:
    details = b""
    for key, value in error.trailing_metadata() or ():
        if key == STATUS_DETAILS and isinstance(value, bytes):
            details = value
    return TransportError(Status(error.code().value[0]), error.details() or "", status_details=details)
