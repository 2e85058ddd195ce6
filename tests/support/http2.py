"""A server that speaks HTTP/2 frame by frame and does to a client what its test tells it to."""

import asyncio
import socket
import ssl
import struct
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings
from hyperframe.frame import Frame, GoAwayFrame

OK_HEADERS = ((":status", "200"), ("content-type", "application/grpc"))


def message(body: bytes, flag: int = 0) -> bytes:
    """A gRPC message as it travels: a flag, the length, the bytes."""
    return struct.pack(">BI", flag, len(body)) + body


@dataclass
class Request:
    """What a client asked, and the ways to answer it."""

    connection: "PeerConnection"
    stream: int
    headers: dict[str, str]
    body: bytearray = field(default_factory=bytearray)

    @property
    def payload(self) -> bytes:
        return bytes(self.body[5:])

    def send_headers(self, *headers: tuple[str, str], end: bool = False) -> None:
        self.connection.http2.send_headers(self.stream, list(headers or OK_HEADERS), end_stream=end)
        self.connection.flush()

    def send_data(self, data: bytes, *, end: bool = False) -> None:
        """Send as far as the client's window allows, the rest when it allows more."""
        self.connection.send_data(self.stream, data, end=end)

    def send_trailers(self, *trailers: tuple[str, str]) -> None:
        self.connection.send_trailers(self.stream, list(trailers or (("grpc-status", "0"),)))

    def reply(self, body: bytes) -> None:
        self.send_headers()
        self.send_data(message(body))
        self.send_trailers()

    def fail(self, *headers: tuple[str, str]) -> None:
        """Answer with headers alone: `("grpc-status", "5"), ("grpc-message", "none")`."""
        self.send_headers(*OK_HEADERS, *headers, end=True)

    def reset(self, code: h2.errors.ErrorCodes) -> None:
        self.connection.http2.reset_stream(self.stream, code)
        self.connection.flush()


class PeerConnection(asyncio.Protocol):
    """One connection of a client."""

    transport: asyncio.Transport

    def __init__(self, peer: "Peer") -> None:
        self.peer = peer
        self.http2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self.resets: asyncio.Queue[tuple[int, int]] = asyncio.Queue()
        self.seen = 0
        self.pings = 0
        self.farewell = False
        self.lost = asyncio.Event()
        self._unread = bytearray()
        self._requests: dict[int, Request] = {}
        self._unsent: dict[int, tuple[bytes, bool]] = {}
        self._trailers: dict[int, list[tuple[str, str]]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.peer.connections.append(self)
        self.peer.arrivals.put_nowait(self)
        if not self.peer.silent:
            self.greet()

    def greet(self) -> None:
        """Say that HTTP/2 is spoken, and read what was said meanwhile."""
        self.http2.local_settings = h2.settings.Settings(client=False, initial_values=self.peer.settings)
        self.http2.initiate_connection()
        self._take(bytes(self._unread))

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()

    def data_received(self, data: bytes) -> None:
        self.seen += len(data)
        if self.peer.silent:
            self._unread += data
        else:
            self._take(data)

    def _take(self, data: bytes) -> None:
        for event in self.http2.receive_data(data):
            self._handle(event)
        self.flush()

    def _handle(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.RequestReceived(stream_id=stream, headers=headers):
                assert stream is not None
                assert headers is not None
                pairs = {str(name): str(value) for name, value in headers}
                request = self._requests[stream] = Request(self, stream, pairs)
                self.peer.beginnings.put_nowait(request)
            case h2.events.DataReceived(stream_id=stream, data=data, flow_controlled_length=length):
                assert stream is not None
                self._requests[stream].body += data or b""
                if self.peer.reading:
                    self.http2.acknowledge_received_data(length or 0, stream)
            case h2.events.StreamEnded(stream_id=stream):
                assert stream is not None
                self.peer.requests.put_nowait(self._requests[stream])
            case h2.events.StreamReset(stream_id=stream, error_code=code):
                assert stream is not None
                self.resets.put_nowait((stream, int(code or 0)))
            case h2.events.WindowUpdated() | h2.events.RemoteSettingsChanged():
                for stream in list(self._unsent):
                    self.send_data(stream, b"")
            case h2.events.PingReceived():
                self.pings += 1
            case h2.events.ConnectionTerminated():
                self.farewell = True
            case _:
                pass

    def send_data(self, stream: int, data: bytes, *, end: bool = False) -> None:
        """Send as far as the client's window allows; the rest follows when it allows more."""
        before, ending = self._unsent.pop(stream, (b"", False))
        data, end = before + data, end or ending
        while (data or end) and stream in self.http2.streams:
            size = min(self.http2.local_flow_control_window(stream), self.http2.max_outbound_frame_size, len(data))
            if size <= 0 and data:
                self._unsent[stream] = (data, end)
                break
            self.http2.send_data(stream, data[:size], end_stream=end and size == len(data))
            data = data[size:]
            if not data:
                break
        if stream in self._trailers and stream not in self._unsent:
            self.http2.send_headers(stream, self._trailers.pop(stream), end_stream=True)
        self.flush()

    def send_trailers(self, stream: int, trailers: list[tuple[str, str]]) -> None:
        """Send trailers after the data that still waits for the client's window."""
        self._trailers[stream] = trailers
        self.send_data(stream, b"")

    def flush(self) -> None:
        self.transport.write(self.http2.data_to_send())

    def send_frames(self, *frames: Frame) -> None:
        """Send frames in one write, behind the back of the state that is kept of the connection."""
        self.transport.write(self.http2.data_to_send() + b"".join(frame.serialize() for frame in frames))

    def go_away(self, last_stream: int, code: int = 0, text: bytes = b"") -> None:
        """Say that streams above `last_stream` are not looked at."""
        self.send_frames(GoAwayFrame(0, last_stream_id=last_stream, error_code=code, additional_data=text))


class Peer:
    """Listens on a port of the loopback; an async context manager.

    Args:
        port: 0 for a free one.
        settings: HTTP/2 settings to announce.
        tls: speak TLS.
        silent: accept connections and say nothing; may be changed, and a connection told to `greet`.
        reading: whether request data is acknowledged, so that more can come.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        settings: dict[h2.settings.SettingCodes | int, int] | None = None,
        tls: ssl.SSLContext | None = None,
        silent: bool = False,
        reading: bool = True,
    ) -> None:
        self.settings = settings or {}
        self.silent = silent
        self.reading = reading
        self.connections: list[PeerConnection] = []
        self.arrivals: asyncio.Queue[PeerConnection] = asyncio.Queue()
        self.beginnings: asyncio.Queue[Request] = asyncio.Queue()
        self.requests: asyncio.Queue[Request] = asyncio.Queue()
        self._port = port
        self._tls = tls

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self._port}"

    async def request(self) -> Request:
        """The next request that has arrived in full."""
        return await self.requests.get()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: PeerConnection(self), "127.0.0.1", self._port, ssl=self._tls)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for connection in self.connections:
            connection.transport.abort()
        await asyncio.gather(*(connection.lost.wait() for connection in self.connections))


def unused_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
