"""The transport over grpc.aio, with identity serializers.

Nothing but bytes crosses it: grpc.aio turns a deserializer that raises into a reply of None, and sends an empty request
when a serializer raises, so encoding and decoding happen outside.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
from typing import Any, cast

import anyio.lowlevel
import grpc
import grpc.aio

from ..deadline import Deadline
from ..errors import FlyteUsageError, FlyteWrongLoop, Status
from .base import NO_LIMIT, Metadata, TransportError, TransportOptions, check_metadata
from .tls import ShownCertificate, roots_file, shown_certificate, warn_of_blind_trust

STATUS_DETAILS = "grpc-status-details-bin"
CONNECTING_MS = 20_000
RECONNECT_CEILING_MS = 2000
DELIVERY_LIMIT = 1.0
"""Seconds that closing waits for events of calls that were cancelled; they take a millisecond."""
_NO_CONNECTION = ("failed to connect to all addresses", "errors resolving ", "DNS resolution failed")
"""How the texts begin with which gRPC's core says that it has no connection to send a call over."""
MAX_METADATA_BYTES = 256 * 1024
"""flyteadmin sends messages of up to 32,000 bytes, escaped, and again in the status' details."""


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
        # Only what a GOAWAY says was not looked at is repeated: with no service config there is no other retry.
        ("grpc.enable_retries", 1),
        ("grpc.service_config_disable_resolution", 1),
        ("grpc.use_local_subchannel_pool", 1),  # else channels of equal options share one connection
        ("grpc.primary_user_agent", options.user_agent),
    ]


@functools.cache
def _home() -> int:
    """The process in which this was called first: gRPC's core lives there, and not in forks of it."""
    return os.getpid()


class GrpcAioTransport:
    """A grpc.aio channel; it belongs to the loop of its first call."""

    def __init__(self, options: TransportOptions) -> None:
        """Raise FlyteUsageError in a fork of a process that has used grpc.aio.

        Raises FlyteInvalidInputException if the options' certificates cannot be read.
        """
        self._options = options
        self._check_process()
        file = None if options.insecure or options.insecure_skip_verify else roots_file(options)
        self._roots = None if file is None else file.read_bytes()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._under_way = 0
        self._idle = asyncio.Event()
        self._channels: list[grpc.aio.Channel] = []  # the last one is in use
        self._methods: dict[str, Any] = {}  # path -> grpc.aio.UnaryUnaryMultiCallable of bytes
        self._metadata: Metadata = ()
        self._converted = grpc.aio.Metadata()
        self._trusted: ShownCertificate | None = None
        self._looking: asyncio.Task[ShownCertificate] | None = None
        warn_of_blind_trust(options)

    @property
    def endpoint(self) -> str:
        """The endpoint as `host:port`."""
        return self._options.endpoint

    async def unary(self, path: str, request: bytes, *, timeout: float | None, metadata: Metadata) -> bytes:
        """See `Transport.unary`."""
        self._check_use()
        if timeout is not None and timeout > NO_LIMIT:
            timeout = None  # gRPC's clock overflows
        if metadata is not self._metadata:  # the call path sends the same object again and again
            check_metadata(metadata)
            self._metadata, self._converted = metadata, grpc.aio.Metadata(*metadata)
        converted = self._converted
        method = self._methods.get(path)
        task = asyncio.current_task()
        cancelled_before = task.cancelling() if task is not None else 0
        self._under_way += 1
        try:
            if method is None:
                method, timeout = await self._method(path, timeout)
            reply = await method(request, timeout=timeout, metadata=converted)
        except asyncio.CancelledError:
            if self._closed and (task is None or task.cancelling() == cancelled_before):
                # Closing a channel cancels its calls; nobody cancelled this task meanwhile.
                raise TransportError(Status.CANCELLED, "the transport was closed", closed=True) from None
            # grpc.aio drops the message by which anyio knows its own cancellation (grpc/grpc#43502): raise it anew.
            await anyio.lowlevel.checkpoint()
            raise
        except grpc.aio.AioRpcError as error:  # no exception of the library leaves this method
            if self._trusted is not None and error.code() is grpc.StatusCode.UNAVAILABLE:
                self._methods.clear()  # the server may show another certificate now
            raise self._translate(error) from None
        except (grpc.aio.UsageError, grpc.aio.InternalError) as error:
            raise TransportError(Status.INTERNAL, f"grpc.aio refuses the call: {type(error).__name__}") from None
        finally:
            self._under_way -= 1
            if self._closed and not self._under_way:
                self._idle.set()
        if reply is None:
            raise TransportError(Status.INTERNAL, "the reply is not one whole message")
        return cast("bytes", reply)

    def _check_use(self) -> None:
        if self._closed:
            raise TransportError(Status.CANCELLED, "the transport is closed", closed=True, unprocessed=True)
        self._check_process()
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        elif loop is not self._loop:
            raise FlyteWrongLoop(
                f"the connection to {self.endpoint} belongs to another event loop: make one FlyteRemote a loop"
            )

    def _check_process(self) -> None:
        if _home() != os.getpid():
            raise FlyteUsageError(
                f"this process is a fork of one that used grpc.aio (process {_home()}), which does not survive that:"
                " use FlyteRemote(..., transport='grpclib'), or start processes by 'spawn' or 'forkserver'"
            )

    async def _method(self, path: str, timeout: float | None) -> tuple[Any, float | None]:
        """The callable for a path, and what is left of the time."""
        options = self._options
        if options.insecure_skip_verify and not options.insecure:
            until = Deadline.after(timeout)
            await self._trust_what_is_shown(timeout)
            timeout = None if timeout is None else until.remaining()
        elif not self._channels:
            self._channels.append(_open_channel(options, self._roots))
        method = self._methods[path] = cast("Any", self._channels[-1].unary_unary(path))
        return method, timeout

    async def _trust_what_is_shown(self, timeout: float | None) -> None:
        """Have a channel that trusts the certificate which the server shows now."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(shown_certificate(self.endpoint))
        try:
            async with asyncio.timeout(timeout):
                shown = await asyncio.shield(self._looking)
        except TimeoutError:
            text = f"no connection within {timeout:g} s"
            raise TransportError(Status.DEADLINE_EXCEEDED, text, unprocessed=True) from None
        except TransportError as error:  # shared by all who waited
            raise TransportError(error.status, error.text, unprocessed=True) from None
        if shown != self._trusted and not self._closed:
            self._trusted = shown
            self._channels.append(_open_trusting_channel(self._options, shown))

    async def aclose(self, grace: float) -> None:
        """See `Transport.aclose`."""
        self._closed = True
        if self._looking is not None:
            self._looking.cancel()
        try:
            if self._under_way and grace > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(grace):
                        await self._idle.wait()
        finally:
            # The channel's own grace cannot be cut short, and finds no calls at all in older releases of grpcio.
            for channel in self._channels:
                await channel.close(None)  # suspends nowhere, so that no cancellation comes between
            if self._channels:
                await _events_delivered()

    def _translate(self, error: grpc.aio.AioRpcError) -> TransportError:
        status, details = Status(error.code().value[0]), b""
        for key, value in error.trailing_metadata() or ():
            if key == STATUS_DETAILS and isinstance(value, bytes):
                details = value
        closed = self._closed and status in (Status.CANCELLED, Status.UNAVAILABLE)
        text = error.details() or ""
        unprocessed = status is Status.UNAVAILABLE and text.startswith(_NO_CONNECTION) and not _headers_of(error)
        return TransportError(status, text, status_details=details, closed=closed, unprocessed=unprocessed)


def _headers_of(error: grpc.aio.AioRpcError) -> bool:
    """Whether a server, or what stands before it, has sent any."""
    return bool(error.initial_metadata() or error.trailing_metadata())


def _open_channel(options: TransportOptions, roots: bytes | None) -> grpc.aio.Channel:
    arguments = _channel_arguments(options)
    if options.insecure:
        return grpc.aio.insecure_channel(options.endpoint, options=arguments)
    return grpc.aio.secure_channel(options.endpoint, grpc.ssl_channel_credentials(roots), options=arguments)


async def _events_delivered() -> None:
    """Return when the loop has what gRPC's core had to tell until now.

    Of a call that was cancelled the core tells the end later. If the loop is closed by then, grpc.aio raises in
    whatever loop is open elsewhere in the process, and holds back the events of that one. A channel that never
    connects tells at once that it is not shut down; the core keeps the order.
    """
    channel = grpc.aio.insecure_channel("127.0.0.1:1", options=[("grpc.use_local_subchannel_pool", 1)])
    try:
        async with asyncio.timeout(DELIVERY_LIMIT):
            await channel.wait_for_state_change(grpc.ChannelConnectivity.SHUTDOWN)
    except TimeoutError:
        return
    finally:
        await channel.close(None)


def _open_trusting_channel(options: TransportOptions, shown: ShownCertificate) -> grpc.aio.Channel:
    """gRPC verifies always: so the certificate is its own authority, and its name the one that is asked for."""
    arguments = _channel_arguments(options)
    if shown.name is not None:
        arguments.append(("grpc.ssl_target_name_override", shown.name))
    return grpc.aio.secure_channel(options.endpoint, grpc.ssl_channel_credentials(shown.pem), options=arguments)
