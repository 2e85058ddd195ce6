"""HTTP, for signed URLs above all: their queries are secrets, which neither errors nor logs may show."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cached_property
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx2

from ..config import scheme_of, without_query
from ..errors import (
    FlyteDeadlineExceeded,
    FlyteDecodeError,
    FlyteEntityNotExistException,
    FlyteError,
    FlyteInvalidInputException,
    FlytePermissionDenied,
    FlyteSystemUnavailableException,
)
from .base import Body, Item, md5_of

MAX_REDIRECTS = 5

_MD5_HEADERS = ("x-amz-meta-flytecontentmd5", "x-goog-meta-flytecontentmd5", "x-ms-meta-flytecontentmd5", "content-md5")


class HttpSource:
    """Reads `http://` and `https://` URLs.

    Goes by the transport and not by httpx2's client, as the client logs whole URLs.
    """

    def __init__(self, timeout: float, tls: ssl.SSLContext | None = None) -> None:
        self._timeout = httpx2.Timeout(timeout, connect=min(timeout, 10.0))
        self._given_tls = tls

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return self._given_tls or httpx2.create_ssl_context()

    @asynccontextmanager
    async def get(self, uri: str) -> AsyncGenerator[Body]:
        """The object, opened; redirects are followed."""
        shown = without_query(uri)
        async with AsyncExitStack() as stack:
            try:
                response = await self._open(uri, shown, stack)
            except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
                raise _mapped(error, shown) from None
            yield _body(response, shown)

    async def items(self, uri: str) -> list[Item]:
        """The object itself: HTTP has no directories."""
        return [Item(uri, urlsplit(uri).path.rpartition("/")[2])]

    async def _open(self, uri: str, shown: str, stack: AsyncExitStack) -> httpx2.Response:
        for _ in range(MAX_REDIRECTS + 1):
            transport = await stack.enter_async_context(self._transport(uri))
            response = await transport.handle_async_request(self._request(uri))
            stack.push_async_callback(response.aclose)
            if not response.has_redirect_location:
                _check(response, shown)
                return response
            uri = _next(uri, response.headers["location"], shown)
        raise FlyteInvalidInputException(f"{shown} redirects more than {MAX_REDIRECTS} times")

    def _transport(self, uri: str) -> httpx2.AsyncHTTPTransport:
        parts = urlsplit(uri)
        if not parts.hostname:
            raise httpx2.InvalidURL("no host")
        proxies = {} if proxy_bypass(parts.hostname) else getproxies()
        proxy = proxies.get(parts.scheme.lower()) or proxies.get("all")
        # Nothing to verify in plain text, and a context takes its time.
        return httpx2.AsyncHTTPTransport(verify=self._tls if scheme_of(uri) == "https" else False, proxy=proxy)

    def _request(self, uri: str) -> httpx2.Request:
        # What was stored is what is wanted, compressed or not.
        headers = {"accept": "*/*", "accept-encoding": "identity", "user-agent": "flyteasync"}
        return httpx2.Request("GET", uri, headers=headers, extensions={"timeout": self._timeout.as_dict()})


def _next(uri: str, location: str, shown: str) -> str:
    target = urljoin(uri, location)
    if scheme_of(target) not in ("http", "https") or (scheme_of(uri) == "https" and scheme_of(target) == "http"):
        raise FlyteInvalidInputException(f"{shown} redirects to {without_query(target)}, which is not followed")
    return target


def _check(response: httpx2.Response, shown: str) -> None:
    """Raise for a status that is no success."""
    status = response.status_code
    if status == 200:
        return
    text = f"{shown}: HTTP status {status} {response.reason_phrase}".rstrip()
    if status in (404, 410):
        raise FlyteEntityNotExistException(text)
    if status in (401, 403):
        raise FlytePermissionDenied(f"{text}; a signed URL may have expired")
    if status in (408, 429) or status >= 500:
        raise FlyteSystemUnavailableException(text)
    raise FlyteInvalidInputException(text)


def _body(response: httpx2.Response, shown: str) -> Body:
    headers = response.headers
    length = headers.get("content-length", "")
    # A proxy, or GCS for objects that are stored compressed, may send others than the stored bytes.
    stored = headers.get("x-goog-stored-content-encoding", "identity") == headers.get("content-encoding", "identity")
    return Body(
        _chunks(response, shown), int(length) if length.isdecimal() else None, _md5(headers) if stored else None
    )


def _md5(headers: Mapping[str, str]) -> bytes | None:
    for name in _MD5_HEADERS:
        if (digest := md5_of(headers.get(name))) is not None:
            return digest
    for part in headers.get("x-goog-hash", "").split(","):
        name, _, value = part.strip().partition("=")
        if name == "md5":
            return md5_of(value)
    return None


async def _chunks(response: httpx2.Response, shown: str) -> AsyncIterator[bytes]:
    try:
        async for chunk in response.aiter_raw():
            yield chunk
    except (httpx2.HTTPError, OSError) as error:
        raise _mapped(error, shown) from None


def _mapped(error: Exception, shown: str) -> FlyteError:
    """An error of HTTP as this package's, without the URL that it may hold."""
    what = f"{shown}: {type(error).__name__}"
    if isinstance(error, httpx2.TimeoutException):
        return FlyteDeadlineExceeded(what)
    if isinstance(error, (httpx2.InvalidURL, httpx2.UnsupportedProtocol)):
        return FlyteInvalidInputException(f"{shown} is not a URL that can be read")
    if isinstance(error, httpx2.DecodingError):
        return FlyteDecodeError(what)
    return FlyteSystemUnavailableException(what)
