"""A gRPC server that answers every call with the same bytes, and costs so little that the client is what is measured.

    python -m benchmarks.support.canned FILE

Prints its port, and ends when its standard input does.  No HTTP/2 library: frames are cut by hand, header blocks are
skipped over, and every reply is one write of frames that were made beforehand, but for the stream's number.
"""

import asyncio
import struct
import sys
from pathlib import Path
from typing import cast

DATA, HEADERS, SETTINGS, PING, WINDOW_UPDATE = 0, 1, 4, 6, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4
PREFACE = len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
FRAME = 16384
WINDOW = 1 << 30


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def field(name: bytes, value: bytes) -> bytes:
    """A header field that neither side's table remembers."""
    return b"\0" + bytes((len(name),)) + name + bytes((len(value),)) + value


STATUS_200 = b"\x88"
HEAD = STATUS_200 + field(b"content-type", b"application/grpc")
TAIL = field(b"grpc-status", b"0")


class Connection(asyncio.Protocol):
    """Answers requests as soon as they have ended, as far as the client's window allows."""

    transport: asyncio.Transport

    def __init__(self, body: bytes) -> None:
        self.message = b"\0" + struct.pack(">I", len(body)) + body
        self.buffer = b""
        self.greeted = False
        self.window = 65535
        self.waiting: list[int] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        settings = struct.pack(">HI", 3, 10_000) + struct.pack(">HI", 4, WINDOW)
        self.transport.write(frame(SETTINGS, 0, 0, settings) + frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", WINDOW)))

    def data_received(self, data: bytes) -> None:
        buffer, at, out = self.buffer + data, 0, list[bytes]()
        if not self.greeted:
            if len(buffer) < PREFACE:
                self.buffer = buffer
                return
            at, self.greeted = PREFACE, True
        while len(buffer) - at >= 9:
            size = int.from_bytes(buffer[at : at + 3], "big")
            if len(buffer) - at < 9 + size:
                break
            kind, flags = buffer[at + 3], buffer[at + 4]
            stream = int.from_bytes(buffer[at + 5 : at + 9], "big")
            self.take(kind, flags, stream, buffer[at + 9 : at + 9 + size], out)
            at += 9 + size
        self.buffer = buffer[at:]
        if out:
            self.transport.write(b"".join(out))

    def take(self, kind: int, flags: int, stream: int, payload: bytes, out: list[bytes]) -> None:
        if kind in (DATA, HEADERS):
            if flags & END_STREAM:
                self.waiting.append(stream)
        elif kind == SETTINGS and not flags & ACK:
            out.append(frame(SETTINGS, ACK, 0, b""))
        elif kind == PING and not flags & ACK:
            out.append(frame(PING, ACK, 0, payload))
        elif kind == WINDOW_UPDATE and stream == 0:
            self.window += int.from_bytes(payload, "big")
        while self.waiting and self.window >= len(self.message):
            out.append(self.answer(self.waiting.pop(0)))

    def answer(self, stream: int) -> bytes:
        """One reply; the windows of streams are taken to be as large as it is."""
        self.window -= len(self.message)
        parts = [frame(HEADERS, END_HEADERS, stream, HEAD)]
        parts += [frame(DATA, 0, stream, self.message[i : i + FRAME]) for i in range(0, len(self.message), FRAME)]
        parts.append(frame(HEADERS, END_HEADERS | END_STREAM, stream, TAIL))
        return b"".join(parts)


async def serve(body: bytes) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(body), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)  # ends with whoever started this process


if __name__ == "__main__":
    body = Path(sys.argv[1]).read_bytes()
    try:
        import uvloop

        uvloop.run(serve(body))
    except ImportError:
        asyncio.run(serve(body))
