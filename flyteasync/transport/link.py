"""One HTTP/2 connection of grpclib's, with what a client of flyteadmin needs on top.

grpclib cuts frames, numbers streams, waits for windows and for room, and dispatches what arrives. Here that becomes
safe to wait for: a call ends at its deadline, when it is cancelled, and when its connection does, wherever in grpclib
it is; a reply's size is bounded while it arrives; and a GOAWAY lets the calls finish that the server still answers.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import cast

import h2.settings
from grpclib.config import Configuration
from grpclib.protocol import AbstractHandler, Buffer, EventsProcessor, H2Protocol, Stream
from grpclib.utils import Wrapper
from h2.config import H2Configuration
from h2.connection import ConnectionInputs, H2ConnectionStateMachine
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, DataReceived, Event, RemoteSettingsChanged, StreamReset
from h2.exceptions import H2Error

from ..errors import Status
from .base import TransportError
from .replies import check_progress, name_of, read_reply, reset_failure

if logging.getLogger("hpack").level == logging.NOTSET:
    logging.getLogger("hpack").setLevel(logging.INFO)  # at DEBUG it shows every header, tokens included

KEEPALIVE_TIMEOUT = 20.0
"""Seconds that a keepalive ping may stay unanswered; gRPC's default."""

MAX_HEADER_BYTES = 256 * 1024
"""flyteadmin sends messages of up to 32,000 bytes, escaped, and again in the status' details."""

_ENDED = "the server closed the connection"

RequestHeaders = list[tuple[str, str]]


class Attempt(Wrapper):
    """The time of one call: it ends at its deadline, or as soon as somebody tells why there will be no reply.

    grpclib calls `cancel` of the wrapper that it was given with a stream; its own would cancel the task and never say
    that it has (`Task.uncancel`), which breaks the caller's cancel scopes.

    Attributes:
        began: when that was, by the loop's clock.
        scope: what the call runs in; raises TimeoutError at its end.
        failure: why there will be no reply, if the scope ended for that.
        opened: whether anything was sent.
        replied: whether the reply is there.
    """

    def __init__(self, until: float | None) -> None:
        super().__init__()
        self.scope = asyncio.timeout_at(until)
        self.began = asyncio.get_running_loop().time()
        self.failure: TransportError | None = None
        self.opened = False
        self.replied = False

    def cancel(self, error: Exception) -> None:
        """End the call, unless it has ended already."""
        if self.failure is None and not self.replied and not self.scope.expired():
            self.failure = error if isinstance(error, TransportError) else TransportError(Status.INTERNAL, str(error))
            self.scope.reschedule(asyncio.get_running_loop().time())


class Inbox(Buffer):
    """The body of a reply while it arrives; in place of grpclib's buffer, which takes whatever comes.

    It knows the attempt and not the stream: a cycle would keep what the call returns until the next garbage collection.
    """

    def __init__(self, stream: Stream, attempt: Attempt) -> None:
        super().__init__(partial(stream.connection.ack, cast("int", stream.id)))
        self.body = bytearray()
        self.sent = False
        self.complete = asyncio.Event()
        self._attempt = attempt

    def add(self, data: bytes, ack_size: int) -> None:
        """Take a DATA frame in, and let the server send as much again."""
        self.body += data
        self._ack_callback(ack_size)

    def eof(self) -> None:
        """The reply is complete; the call ends even if its request is not sent yet."""
        self.complete.set()
        if self.sent:
            self._attempt.replied = True
        else:
            self._attempt.cancel(TransportError(Status.INTERNAL, "the server answered before it had the request"))

    def unacked_size(self) -> int:
        """Everything is acknowledged as it comes."""
        return 0


class _StateMachine(H2ConnectionStateMachine):
    """A GOAWAY forbids new streams, and does not end those that the server still answers, as h2 has it."""

    def process_input(self, input_: ConnectionInputs) -> list[Event]:
        return [] if input_ is ConnectionInputs.RECV_GOAWAY else super().process_input(input_)


def received(headers: list[tuple[str, str]] | None) -> list[tuple[bytes, bytes]]:
    """What h2 received; bytes, since it is told no encoding, and not text as grpclib's annotations have it."""
    return cast("list[tuple[bytes, bytes]]", headers or [])


class _Processor(EventsProcessor):
    """Tells the link what grpclib's processor keeps to itself."""

    def __init__(self, link: Link) -> None:
        super().__init__(link.handler, link.connection)
        self._link = link

    def process(self, event: Event) -> None:
        """Dispatch an event; HTTP/2 wants unknown frames ignored, where grpclib raises."""
        if type(event) in getattr(self, "processors", ()):
            super().process(event)

    def process_remote_settings_changed(self, event: RemoteSettingsChanged) -> None:
        super().process_remote_settings_changed(event)
        self.connection.stream_close_waiter.set()  # more streams may be allowed now
        self._link.greeted()

    def process_data_received(self, event: DataReceived) -> None:
        super().process_data_received(event)
        stream = self.streams.get(event.stream_id)
        if stream is not None and stream.wrapper is not None:
            try:
                check_progress(received(stream.headers), cast("Inbox", stream.buffer).body, self._link.limit)
            except TransportError as refused:
                stream.wrapper.cancel(refused)

    def process_stream_reset(self, event: StreamReset) -> None:
        stream = self.streams.get(event.stream_id)
        if stream is not None and stream.wrapper is not None:
            stream.wrapper.cancel(reset_failure(event.error_code or 0))

    def process_connection_terminated(self, event: ConnectionTerminated) -> None:
        self._link.going_away(event)

    def close(self, reason: str = "the connection was closed") -> None:
        self._link.ended(reason)
        super().close(reason)


class _Handler(AbstractHandler):
    """A client accepts nothing."""

    def accept(self, stream: Stream, headers: object, release_stream: Callable[[], None]) -> None:
        """Never called: h2 refuses requests of a server."""
        raise NotImplementedError

    def cancel(self, stream: Stream) -> None:
        """Nothing to do: the stream's attempt is told."""

    def close(self) -> None:
        """Nothing to do: the link is told."""


class Link(H2Protocol):
    """A connection; calls go over it while it is `usable`, and it closes when the last one is over after that.

    Attributes:
        usable: whether further calls may be made.
        limit: bytes of the largest reply that is accepted.
        ready: done when the server has said that it speaks HTTP/2; fails if it never will.
        lost: set when the connection is gone.
        last_heard: when something arrived last, by the loop's clock.
    """

    def __init__(self, keepalive: float, limit: int, gone: Callable[[Link], None]) -> None:
        super().__init__(_Handler(), Configuration().__for_client__(), _http2_settings())
        self._loop = asyncio.get_running_loop()
        self.limit = limit
        self._keepalive = keepalive
        self._gone = gone
        self._calls: dict[Attempt, Stream] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._farewell = ""
        self.usable = True
        self.ready: asyncio.Future[None] = self._loop.create_future()
        self.lost = asyncio.Event()
        self.last_heard = self._loop.time()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet the server."""
        super().connection_made(transport)
        self._transport = cast("asyncio.Transport", transport)
        self._http2 = self.connection._connection  # pyright: ignore[reportPrivateUsage]
        machine = _StateMachine()
        machine.state, self._http2.state_machine = self._http2.state_machine.state, machine
        self._http2.update_settings(
            {h2.settings.SettingCodes.ENABLE_PUSH: 0, h2.settings.SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEADER_BYTES}
        )
        self.connection.flush()
        self.processor = _Processor(self)
        self._timer = self._loop.call_later(self._keepalive, self._ping)

    def data_received(self, data: bytes) -> None:
        """Dispatch what arrived; whatever the server sends, nothing is raised."""
        self.last_heard = self._loop.time()
        try:
            events = self.connection.feed(data)
        except H2Error as error:
            self.processor.close(f"the server does not keep to HTTP/2: {error}")
            return
        for event in events:
            self.processor.process(event)
        if not self.connection.is_closing():
            self.connection.flush()

    def resume_writing(self) -> None:
        """Let calls write again, and send the resets that were made meanwhile."""
        super().resume_writing()
        self.connection.flush()

    def connection_lost(self, exc: BaseException | None) -> None:
        """End the calls that are left."""
        self.processor.close(self._farewell or (f"the connection was lost: {exc}" if exc else _ENDED))
        self.lost.set()
        self._gone(self)

    # What the processor reports.

    def greeted(self) -> None:
        """The server sent its settings."""
        if not self.ready.done():
            self.ready.set_result(None)

    def going_away(self, event: ConnectionTerminated) -> None:
        """The server answers what it has begun to answer, and nothing else."""
        words = (event.additional_data or b"")[:200].decode("ascii", "replace")
        reason = f"the server is going away ({name_of(event.error_code or 0)}{f': {words}' if words else ''})"
        self._farewell = reason
        if not self.ready.done():
            self.ready.set_exception(TransportError(Status.UNAVAILABLE, reason, unprocessed=True))
        for attempt, stream in self._calls.items():
            if stream.id is None or stream.id > (event.last_stream_id or 0):
                attempt.cancel(TransportError(Status.UNAVAILABLE, reason, unprocessed=True))
        self.retire()

    def ended(self, reason: str) -> None:
        """There is no connection any more."""
        self.usable = False
        if self._timer is not None:
            self._timer.cancel()
        if not self.ready.done():
            self.ready.set_exception(TransportError(Status.UNAVAILABLE, reason, unprocessed=True))
        for attempt in self._calls:
            attempt.cancel(TransportError(Status.UNAVAILABLE, reason, unprocessed=not attempt.opened))

    # What the transport calls.

    async def unary(self, attempt: Attempt, headers: RequestHeaders, message: bytes) -> bytes:
        """Perform one call; runs within the attempt's scope."""
        stream = self.connection.create_stream(wrapper=attempt)
        self._calls[attempt] = stream
        try:
            release = await self._open(attempt, stream, headers)
            stream.buffer = inbox = Inbox(stream, attempt)
            try:
                await stream.send_data(message, end_stream=True)
                inbox.sent = True
                await inbox.complete.wait()
            except asyncio.CancelledError:
                if inbox.complete.is_set():
                    attempt.failure = _refusal(stream, inbox) or attempt.failure
                raise
            finally:
                if stream.closable:
                    stream.reset_nowait(ErrorCodes.CANCEL)
                release()
            return read_reply(received(stream.headers), inbox.body, received(stream.trailers))
        finally:
            del self._calls[attempt]
            self._close_if_drained()

    async def _open(self, attempt: Attempt, stream: Stream, headers: RequestHeaders) -> Callable[[], None]:
        try:
            release = await stream.send_request(headers, _processor=self.processor)
        except H2Error as error:  # no stream ids are left, or the connection ended before the call began
            self.retire()
            raise TransportError(Status.UNAVAILABLE, f"no stream can be opened: {error}", unprocessed=True) from None
        attempt.opened = True
        return release

    def retire(self) -> None:
        """Make no further calls; close when those under way are over."""
        self.usable = False
        self._close_if_drained()

    def close(self, reason: str = "the connection was closed") -> None:
        """End everything now."""
        if self.connection.is_closing():
            return
        self._http2.close_connection()
        self.connection.flush()
        stalled = self._transport.get_write_buffer_size() > 0
        self.processor.close(reason)
        if stalled:
            self._transport.abort()  # closing would wait until the server reads

    def abort(self) -> None:
        """End everything now, without a word to the server."""
        self._transport.abort()

    def _close_if_drained(self) -> None:
        if not self.usable and not self._calls:
            self.close()

    # Keepalive. grpclib's own goes by the wall clock, and waits for ever to close a connection that does not drain.

    def _ping(self) -> None:
        asked = self._loop.time()
        if not self._calls:
            self._timer = self._loop.call_at(asked + self._keepalive, self._ping)
            return
        self._http2.ping(b"flyteasy")
        self.connection.flush()
        self._timer = self._loop.call_later(min(KEEPALIVE_TIMEOUT, self._keepalive), self._expect_answer, asked)

    def _expect_answer(self, asked: float) -> None:
        if self.last_heard < asked:
            self.processor.close("the server does not answer keepalive pings")
            self.abort()
            return
        self._timer = self._loop.call_at(asked + self._keepalive, self._ping)


def _http2_settings() -> H2Configuration:
    """grpclib's, but for the encoding: a proxy may send what is not ASCII."""
    return H2Configuration(
        client_side=True,
        header_encoding=None,
        validate_inbound_headers=False,
        validate_outbound_headers=False,
        normalize_inbound_headers=False,
        normalize_outbound_headers=False,
    )


def _refusal(stream: Stream, inbox: Inbox) -> TransportError | None:
    """Why a server did not wait for the whole of a request, if it said so."""
    try:
        read_reply(received(stream.headers), inbox.body, received(stream.trailers))
    except TransportError as refusal:
        return refusal
    return None
