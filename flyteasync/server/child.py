"""The child's side of `process.py`."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

from ..errors import FlyteInvalidInputException
from .app import Server
from .collecting import collect_rarely
from .config import ServerConfig
from .engine import Handler
from .references import load_handlers

EXIT_AFTER = 1.0
"""Seconds beside the grace after which the process ends even if its loop is blocked."""

_STDIN, _STDOUT, _STDERR = 0, 1, 2


def run_child() -> int:
    """Serve until the parent says so or is gone, and return the exit status."""
    # Ctrl-C reaches the whole group of processes; ending this one is the parent's business.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(_STDOUT), "w")
    # What handlers print must not fill a pipe that nobody reads.
    os.dup2(_STDERR, _STDOUT)
    lines = _Lines()

    def answer(message: dict[str, Any]) -> None:
        with answers:
            answers.write(json.dumps(message) + "\n")

    try:
        hello = json.loads(lines.next() or "{}")
        sys.path += [entry for entry in hello.get("sys_path", ()) if entry not in sys.path]
        config, handlers = ServerConfig.from_dict(hello["config"]), load_handlers(hello["handlers"])
        asyncio.run(_serve(config, handlers, lines, answer))
    except Exception as error:
        if answers.closed:
            raise
        answer({"error": f"{error}", "invalid": isinstance(error, FlyteInvalidInputException)})
        return 1
    return 0


async def _serve(
    config: ServerConfig, handlers: dict[str, Handler], lines: _Lines, announce: Callable[[dict[str, Any]], None]
) -> None:
    server = Server(config, handlers)
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[float] = loop.create_future()

    def watch() -> None:
        line = lines.next()
        grace = float(json.loads(line)["grace"]) if line else 0.0
        loop.call_soon_threadsafe(ended.set_result, grace)
        threading.Event().wait(grace + EXIT_AFTER)
        os._exit(1)

    endpoint = await server.start()
    collect_rarely()
    announce({"endpoint": endpoint, "direct": server.direct})
    threading.Thread(target=watch, name="flyteasync parent watch", daemon=True).start()
    grace = await ended
    await server.stop(grace)


class _Lines:
    """The lines of standard input; the end of it, or of the parent, is an empty one."""

    def __init__(self) -> None:
        self._rest = b""
        self._parent = os.getppid()

    def next(self) -> str:
        while b"\n" not in self._rest:
            if not self._parent_lives():
                return ""
            data = os.read(_STDIN, 65536)
            if not data:
                return ""
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()

    def _parent_lives(self) -> bool:
        """Wait for input as long as the parent is there.

        A process that the parent forked holds the pipe open when the parent is gone.
        """
        if sys.platform == "win32":
            return True
        while not select.select([_STDIN], [], [], 1.0)[0]:
            if os.getppid() != self._parent:
                return False
        return True
