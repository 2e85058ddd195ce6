"""The HTTP side of the server: signed uploads and downloads, and `/healthcheck`."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Generator, MutableMapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from ..errors import FlyteResourceExhausted, FlyteSystemUnavailableException
from .failures import internal
from .listening import reachable, refusal
from .objects import Objects, base64_text, digest
from .signing import Signer, object_url

if TYPE_CHECKING:
    import uvicorn

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

Answer = tuple[int, bytes, dict[str, str]]
"""Status, body and headers."""

NEEDED = "the HTTP side of the embedded server needs uvicorn: install flyteasync[server]"

_BACKLOG = 128
_MAX_CONNECTIONS = 256


class Web:
    """Listens once somebody needs a signed URL, or from the start if a port is set.

    Args:
        host: the address to listen on.
        port: the port; None or 0 picks a free one.
        objects: what is uploaded and downloaded.
        signer: signs and checks URLs.
    """

    def __init__(self, host: str, port: int | None, objects: Objects, signer: Signer) -> None:
        self.objects = objects
        self.endpoint = ""
        self._host = host
        self._port = port or 0
        self._signer = signer
        self._server: uvicorn.Server | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Listen; requests wait until the loop comes to them.

        Raises:
            FlyteSystemException: uvicorn is not installed (INTERNAL).
            FlyteSystemUnavailableException: the address cannot be listened on.
        """
        if self._task is not None:
            return
        try:
            import uvicorn
        except ImportError:
            raise internal(NEEDED) from None
        try:
            listener = socket.create_server((self._host, self._port), backlog=_BACKLOG)
        except OSError:
            reason = refusal(self._host, self._port)
            raise FlyteSystemUnavailableException(f"cannot listen on {self._host}:{self._port}: {reason}") from None
        # Nothing is logged of requests: their URLs are permissions.
        config = uvicorn.Config(
            _App(self.objects, self._signer),
            access_log=False,
            log_config=None,
            lifespan="off",
            ws="none",
            http="h11",
            server_header=False,
            limit_concurrency=_MAX_CONNECTIONS,
            timeout_graceful_shutdown=1,
        )
        self.endpoint = f"{reachable(self._host)}:{listener.getsockname()[1]}"
        self._server = _without_signals(uvicorn.Server)(config)
        self._task = asyncio.get_running_loop().create_task(self._server.serve([listener]))

    async def stop(self) -> None:
        """Stop listening and end all connections."""
        if self._server is None or self._task is None:
            return
        self._server.should_exit = True
        await asyncio.wait([self._task])
        for connection in list(self._server.server_state.connections):
            transport: Any = connection.transport
            transport.abort()

    def sign(self, method: str, url: str, expires_at: datetime, md5: str = "") -> str:
        """An absolute URL that allows `method` on an object until then; see `Signer.path`. Listens if need be.

        Raises:
            FlyteSystemException: it is no object of this server, or nothing can listen (INTERNAL).
        """
        if not self.objects.owns(url):
            raise internal(f"failed to create a signed url. Error: [{url}] is not in this server's store")
        try:
            self.start()
        except FlyteSystemUnavailableException as error:
            raise internal(f"failed to create a signed url. Error: {error}") from error
        return f"http://{self.endpoint}{self._signer.path(method, url, expires_at, md5)}"


def _without_signals(base: type[uvicorn.Server]) -> type[uvicorn.Server]:
    """Signals are the business of whoever started the server."""

    class Quiet(base):
        @contextlib.contextmanager
        def capture_signals(self) -> Generator[None]:
            yield

    return Quiet


class _App:
    """The ASGI application."""

    def __init__(self, objects: Objects, signer: Signer) -> None:
        self._objects = objects
        self._signer = signer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, body, headers = await self._answer(scope, receive)
        headers = {"content-type": "text/plain; charset=utf-8", "content-length": str(len(body))} | headers
        if status >= 400:
            # What is left of a refused upload is not read.
            headers["connection"] = "close"
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            }
        )
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        method, path = str(scope["method"]), str(scope["path"])
        url = object_url(path)
        if path != "/healthcheck" and not url:
            return _error(404, "there is nothing here")
        if method not in (("GET", "HEAD", "PUT") if url else ("GET", "HEAD")):
            return _error(405, f"{method} is not allowed here")
        if not url:
            return 200, b"", {}
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        md5 = headers.get("content-md5", "")
        reason = self._signer.refusal("PUT" if method == "PUT" else "GET", url, query, md5)
        if reason:
            return _error(403, reason)
        return await self._put(url, md5, headers, receive) if method == "PUT" else self._get(url)

    def _get(self, url: str) -> Answer:
        found = self._objects.get(url)
        if found is None:
            return _error(404, f"there is no object {url}")
        headers = {"content-type": "application/octet-stream", "etag": f'"{found.md5.hex()}"'}
        return 200, found.data, headers | {"content-md5": base64_text(found.md5)}

    async def _put(self, url: str, md5: str, headers: dict[str, str], receive: Receive) -> Answer:
        limit = self._objects.max_object_bytes
        announced = headers.get("content-length", "0")
        data = None if int(announced) > limit else await _read(receive, limit)
        if data is None:
            return _error(413, f"an object has at most {limit} bytes")
        if md5 and base64_text(digest(data)) != md5:
            return _error(400, "the Content-MD5 is not that of the body")
        try:
            stored = self._objects.put(url, data)
        except FlyteResourceExhausted as error:
            return _error(507, str(error))
        return 200, b"", {"etag": f'"{stored.md5.hex()}"'}


async def _read(receive: Receive, limit: int) -> bytes | None:
    """The body; None if it is longer than allowed, or if the client went away."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if len(body) > limit:
            return None
        if not message.get("more_body", False):
            return bytes(body)


def _error(status: int, text: str) -> Answer:
    return status, text.encode(), {}
