"""The transport over grpclib: pure Python, and able to go on after a fork."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import ssl
from base64 import b64encode
from collections.abc import AsyncGenerator, Awaitable
from typing import Any

from grpclib.metadata import USER_AGENT

from ..errors import FlyteWrongLoop, Status
from .base import NO_LIMIT, Metadata, TransportError, TransportOptions, check_metadata, too_large
from .link import Attempt, Link, RequestHeaders
from .replies import timeout_header
from .tls import client_context, split, warn_of_blind_trust

logger = logging.getLogger("flyteasync.transport")

CONNECT_LIMIT = 20.0
"""Seconds after which connecting is given up; gRPC's own."""

HUNG_AFTER = 2.0
"""Seconds of connecting after which the next call tries anew beside it, rather than wait for what may be hung."""

BACKOFF = 0.1
BACKOFF_CEILING = 2.0
"""Seconds between attempts to connect: doubled from the first to the second."""

SUSPICIOUS_SILENCE = 2.0
"""Seconds without a word from a server that was asked, after which a call that is late gives its connection up. The
network may have swallowed it, and TCP would take a quarter of an hour to tell."""

CLOSING_LIMIT = 1.0
"""Seconds that closed connections have to say so."""


class GrpclibTransport:
    """A connection over grpclib; it belongs to the loop of its first call, and after a fork to the child's."""

    def __init__(self, options: TransportOptions) -> None:
        """Raises FlyteInvalidInputException if the options' certificates cannot be read."""
        self._host, self._port = split(options.endpoint)
        self._options = options
        self._closed = False
        self._tls = None if options.insecure else client_context(options)
        self._prefix: RequestHeaders = [
            (":method", "POST"),
            (":scheme", "http" if options.insecure else "https"),
            (":authority", options.endpoint),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("user-agent", f"{options.user_agent} {USER_AGENT}"),
        ]
        self._inherited: Any = None
        self._metadata: Metadata = ()
        self._encoded: RequestHeaders = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._begin()
        warn_of_blind_trust(options)

    def _begin(self) -> None:
        """The state of a transport that has not connected."""
        self._pid = os.getpid()
        self._link: Link | None = None
        self._links: set[Link] = set()
        self._dials: list[asyncio.Task[str | None]] = []
        self._dialled_at = 0.0
        self._attempts: set[Attempt] = set()
        self._idle = asyncio.Event()
        self._ending: AsyncGenerator[None] | None = None
        self._failures = 0
        self._retry_at = 0.0
        self._last_failure = ""

    @property
    def endpoint(self) -> str:
        """The endpoint as `host:port`."""
        return self._options.endpoint

    async def unary(self, path: str, request: bytes, *, timeout: float | None, metadata: Metadata) -> bytes:
        """See `Transport.unary`."""
        loop = self._enter()
        size = len(request)
        if size > self._options.max_send_bytes:
            raise too_large("Sent", size, self._options.max_send_bytes)
        headers = [(":path", path), *self._prefix, *self._encode(metadata)]
        until = _until(loop.time(), timeout)
        attempt = Attempt(until)
        self._attempts.add(attempt)
        link: Link | None = None
        try:
            async with attempt.scope:
                link = self._link
                if link is None or not link.usable:
                    link = await self._connected()
                if until is not None:
                    headers.append(("grpc-timeout", timeout_header(until - loop.time())))
                message = b"\0" + size.to_bytes(4, "big") + request
                return await link.unary(attempt, headers, message)
        except TimeoutError:
            raise attempt.failure or _late(attempt, link, timeout) from None
        finally:
            self._attempts.discard(attempt)
            if self._closed and not self._attempts:
                self._idle.set()

    def _enter(self) -> asyncio.AbstractEventLoop:
        """The running loop, if this transport may be used in it."""
        if self._closed:
            raise TransportError(Status.CANCELLED, "the transport is closed", closed=True, unprocessed=True)
        loop = asyncio.get_running_loop()
        if self._pid != os.getpid():
            # The parent's connections and their loop are not touched: closing them here would disturb the parent.
            self._inherited = (self._inherited, self._loop, self._links, self._dials, self._attempts, self._ending)
        elif loop is self._loop:
            return loop
        elif self._loop is not None and not self._loop.is_closed():
            raise FlyteWrongLoop(
                f"the connection to {self.endpoint} belongs to another event loop: make one FlyteRemote a loop"
            )
        self._loop = loop
        self._begin()
        return loop

    def _encode(self, metadata: Metadata) -> RequestHeaders:
        if metadata is not self._metadata:  # the call path sends the same object again and again
            check_metadata(metadata)
            self._encoded = [(name, value if isinstance(value, str) else _base64(value)) for name, value in metadata]
            self._metadata = metadata
        return self._encoded

    async def _connected(self) -> Link:
        """A usable connection, once there is one."""
        dial = self._dial_now()
        await asyncio.wait([dial])
        if self._link is not None and self._link.usable:
            return self._link
        failure = None if dial.cancelled() else dial.result()
        raise TransportError(Status.UNAVAILABLE, failure or "the connection was lost", unprocessed=True)

    def _dial_now(self) -> asyncio.Task[str | None]:
        """The attempt to connect that is under way, or a new one."""
        now = asyncio.get_running_loop().time()
        if self._dials and now - self._dialled_at <= HUNG_AFTER:
            return self._dials[-1]
        if now < self._retry_at:
            raise TransportError(Status.UNAVAILABLE, self._last_failure, unprocessed=True)
        dial = asyncio.create_task(self._connect())
        self._dialled_at = now
        self._dials.append(dial)
        dial.add_done_callback(self._dials.remove)
        return dial

    async def _connect(self) -> str | None:
        """Connect; returns why that failed."""
        loop = asyncio.get_running_loop()
        link: Link | None = None
        try:
            if self._ending is None:
                self._ending = _close_with_the_loop(self._links)
                await anext(self._ending)
            async with asyncio.timeout(CONNECT_LIMIT):
                link = await self._open()
                await link.ready
        except (OSError, ValueError, TransportError) as error:  # TimeoutError is an OSError
            self._last_failure = f"cannot connect to {self.endpoint}: {_reason(error)}"
            pause = min(BACKOFF * 2**self._failures, BACKOFF_CEILING)
            self._failures = min(self._failures + 1, 10)
            self._retry_at = loop.time() + random.uniform(pause / 2, pause)  # noqa: S311 # nothing secret
            logger.debug("%s", self._last_failure)
            return self._last_failure
        else:
            logger.debug("connected to %s", self.endpoint)
            self._failures = 0
            self._retry_at = 0.0
            before, self._link = self._link, link
            if before is not None:
                before.retire()
            for other in self._dials:
                if other is not asyncio.current_task():
                    other.cancel()  # whoever waits for it has a connection now
            return None
        finally:
            if link is not None and link is not self._link:
                link.abort()

    async def _open(self) -> Link:
        loop = asyncio.get_running_loop()
        # uvloop knows no happy eyeballs.
        extra: dict[str, Any] = {"happy_eyeballs_delay": 0.25} if isinstance(loop, asyncio.BaseEventLoop) else {}
        if self._tls is not None:
            extra.update(ssl=self._tls, server_hostname=self._host)
        transport, link = await loop.create_connection(
            lambda: Link(self._options.keepalive, self._options.max_receive_bytes, self._links.discard),
            self._host,
            self._port,
            **extra,
        )
        if not link.lost.is_set():
            self._links.add(link)
        tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() != "h2":
            link.abort()
            raise TransportError(Status.UNAVAILABLE, "the server does not offer HTTP/2 over TLS (ALPN h2)")
        return link

    async def aclose(self, grace: float) -> None:
        """See `Transport.aclose`."""
        self._closed = True
        if self._loop is not asyncio.get_running_loop() or self._pid != os.getpid():
            return
        try:
            if self._attempts:
                await _at_most(grace, self._idle.wait())
            self._end("the transport was closed")
            await _at_most(CLOSING_LIMIT, asyncio.gather(*(link.lost.wait() for link in self._links)))
        finally:
            self._end("the transport was closed")
            if self._ending is not None:
                await self._ending.aclose()

    def _end(self, reason: str) -> None:
        for attempt in self._attempts:
            attempt.cancel(TransportError(Status.CANCELLED, reason, closed=True))
        for task in self._dials:
            task.cancel()
        for link in list(self._links):
            link.close(reason)


def _base64(value: bytes) -> str:
    """How bytes travel in a header."""
    return b64encode(value).rstrip(b"=").decode()


async def _at_most(seconds: float, wanted: Awaitable[object]) -> None:
    """Wait, but no longer than that."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await wanted


async def _close_with_the_loop(links: set[Link]) -> AsyncGenerator[None]:
    """Closes connections when it is closed or dropped, or when the loop ends.

    asyncio tells asynchronous generators of that, so that nobody has to close a remote whose program ends.
    """
    try:
        yield
    finally:
        for link in list(links):
            link.close("the event loop ended")
            link.abort()


def _until(now: float, timeout: float | None) -> float | None:
    """The point in time at which a call ends that may take so long; None is never."""
    if timeout is None or timeout > NO_LIMIT:
        return None
    if timeout <= 0:
        raise TransportError(Status.DEADLINE_EXCEEDED, "no time is left", unprocessed=True)
    return now + timeout


def _late(attempt: Attempt, link: Link | None, timeout: float | None) -> TransportError:
    """The failure of a call whose time is over."""
    if link is not None and link.silence >= SUSPICIOUS_SILENCE:
        link.retire()  # the next call shall not depend on it
    text = f"no {'connection' if link is None else 'reply'} within {timeout:.4g} s"
    return TransportError(Status.DEADLINE_EXCEEDED, text, unprocessed=not attempt.opened)


def _reason(error: OSError | ValueError | TransportError) -> str:
    """Why connecting failed, for a text."""
    if isinstance(error, TransportError):
        return error.text
    if isinstance(error, ConnectionError) and error.errno:
        return os.strerror(error.errno)  # asyncio's own text has the number and the address
    return str(error) or f"no answer in {CONNECT_LIMIT:g} s"
