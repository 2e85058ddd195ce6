"""A small HTTP server on loopback that answers as a test says, byte for byte."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType

Answer = Callable[[str, asyncio.StreamWriter], Awaitable[None]]
"""Gets the target of a request, and writes the answer."""


class HttpServer:
    """Listens while an `async with` block runs.

    `requests` are the heads of what arrived, in order; `arrived` is set by the first.
    """

    def __init__(self, answer: Answer) -> None:
        self.requests: list[str] = []
        self.arrived = asyncio.Event()
        self.url = ""
        self._answer = answer
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def targets(self) -> list[str]:
        return [head.split(" ")[1] for head in self.requests]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.requests.append(head)
            self.arrived.set()
            await self._answer(head.split(" ")[1], writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client went away, as tests have it do
        finally:
            writer.close()
            self._serving.discard(task)

    async def __aenter__(self) -> HttpServer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.close()
        for task in list(self._serving):
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)


def reply(body: bytes = b"", status: str = "200 OK", **headers: str) -> bytes:
    """A whole answer; header names are written with underscores."""
    headers = {"content_length": str(len(body)), "connection": "close"} | headers
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items() if value)]
    return "\r\n".join([*lines, "", ""]).encode() + body


def answering(*answers: bytes) -> Answer:
    """These answers, one after another; the last one again and again."""
    left = list(answers)

    async def answer(_: str, writer: asyncio.StreamWriter) -> None:
        writer.write(left.pop(0) if len(left) > 1 else left[0])

    return answer


async def hanging(_: str, __: asyncio.StreamWriter) -> None:
    """No answer at all."""
    await asyncio.get_running_loop().create_future()
