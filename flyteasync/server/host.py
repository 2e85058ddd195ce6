"""Where a server runs: in a thread, in a process of its own, or in the foreground until somebody ends it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable

from .app import Server
from .collecting import collect_rarely
from .config import ServerConfig
from .hosting import Host
from .process import ProcessHost
from .references import HandlersReference, load_handlers
from .thread import ThreadHost

__all__ = ["Host", "run_forever", "serve_in_process", "serve_in_thread"]

SHUTDOWN_GRACE = 2.0
"""Seconds that calls in flight are given when a signal ends the server."""


def serve_in_thread(config: ServerConfig | None = None, handlers: HandlersReference | None = None) -> Host:
    """A server in a thread of this process, with a loop of its own; the host that is returned starts it.

    Any function can be a handler, closures and lambdas included; async ones run in the server's loop, so they share
    no loop-bound object (an `asyncio.Event`, say) with the caller.
    """
    return ThreadHost(config or ServerConfig(), handlers)


def serve_in_process(config: ServerConfig | None = None, handlers: HandlersReference | None = None) -> Host:
    """A server in a process of its own, which cannot outlive this one; the host that is returned starts it.

    Raises:
        FlyteInvalidInputException: a handler that another process cannot import.
    """
    return ProcessHost(config or ServerConfig(), handlers)


def run_forever(
    config: ServerConfig | None = None,
    handlers: HandlersReference | None = None,
    *,
    announce: Callable[[str, str], object] | None = None,
) -> None:
    """Run a server in the foreground until SIGINT or SIGTERM, then end it within a few seconds.

    Args:
        config: the settings.
        handlers: the handlers, or their import path.
        announce: is told the endpoint once the server listens, and that of HTTP, which is empty if no port is set for
            it; prints them if it is None.

    Raises:
        FlyteInvalidInputException: the handlers cannot be loaded.
        FlyteSystemUnavailableException: the address cannot be listened on.
    """
    functions = load_handlers(handlers)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(config or ServerConfig(), functions, announce or _print_endpoints))


async def _serve(
    config: ServerConfig, handlers: dict[str, Callable[..., object]], announce: Callable[[str, str], object]
) -> None:
    server = Server(config, handlers)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Windows has no handlers inside of a loop: there Ctrl-C is a KeyboardInterrupt.
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, ended.set)
    endpoint = await server.start()
    collect_rarely()
    try:
        announce(endpoint, server.http_endpoint)
        await ended.wait()
    finally:
        await server.stop(SHUTDOWN_GRACE)


def _print_endpoints(endpoint: str, http: str) -> None:
    sys.stdout.write(f"flyteasync server listening on {endpoint}\n")
    if http:
        sys.stdout.write(f"signed URLs and health on http://{http}/healthcheck\n")
    sys.stdout.flush()
