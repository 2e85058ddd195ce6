"""Fewer, larger writes."""

from __future__ import annotations

import asyncio
from typing import Any


class BatchingTransport(asyncio.Transport):
    """A transport of asyncio that writes once a turn of the loop.

    grpclib writes frame by frame, and a system call a frame is a fifth of what a call costs; this way the frames of all
    calls that are made in one turn go out together.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Any] = []

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Write at the end of this turn of the loop."""
        if not self._waiting:
            self._loop.call_soon(self.flush)
        self._waiting.append(data)

    def flush(self) -> None:
        """Write now."""
        data = b"".join(self._waiting)
        self._waiting.clear()
        if data and not self._transport.is_closing():
            self._transport.write(data)

    def is_closing(self) -> bool:
        """Whether it is closed or about to be."""
        return self._transport.is_closing()

    def close(self) -> None:
        """Write what waits, and close."""
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        """Close now."""
        self._waiting.clear()
        self._transport.abort()

    def get_write_buffer_size(self) -> int:
        """Bytes that the operating system has not taken."""
        return self._transport.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What the transport knows under a name."""
        return self._transport.get_extra_info(name, default)
