"""What the call path asks of a transport, and what it may raise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ..errors import FlyteInvalidInputException, Status

MiB = 1024 * 1024

NO_LIMIT = 99_999_999.0
"""Seconds that a timeout must stay below to be one: `grpc-timeout` holds eight digits."""

Metadata = Sequence[tuple[str, str | bytes]]
"""Names and values that travel beside a message; the values of names that end in `-bin` are bytes."""


class TransportError(Exception):
    """A call that brought no reply. Stays inside the package: the call path makes a FlyteError of it.

    Attributes:
        status: the code that the server sent, or that the transport gives to what went wrong on the way.
        text: the server's words, or the transport's.
        status_details: the serialised google.rpc.Status that the server attached; empty if none.
        closed: the transport was closed under the call.
        unprocessed: the server certainly did not look at the request, so that repeating it is safe whatever it asks.
    """

    def __init__(
        self,
        status: Status,
        text: str,
        *,
        status_details: bytes = b"",
        closed: bool = False,
        unprocessed: bool = False,
    ) -> None:
        super().__init__(f"{status.name}: {text}")
        self.status = status
        self.text = text
        self.status_details = status_details
        self.closed = closed
        self.unprocessed = unprocessed


class Transport(Protocol):
    """A connection to one endpoint, made when it is first needed and kept while it works."""

    @property
    def endpoint(self) -> str:
        """The endpoint as `host:port`, for texts."""
        ...

    async def unary(self, path: str, request: bytes, *, timeout: float | None, metadata: Metadata) -> bytes:
        """Send one request and return the bytes of its reply.

        Args:
            path: `/package.Service/Method`.
            request: the serialised message.
            timeout: seconds that this attempt may take, connecting included; travels to the server. None is no limit.
            metadata: sent with the request. Names are lower case; values are bytes under names that end in `-bin`, and
                printable ASCII under the others.

        Raises:
            TransportError: for everything that goes wrong but the caller's own cancellation, which resets the stream.
            FlyteWrongLoop: the transport belongs to another event loop, which is still open.
            FlyteUsageError: the process was forked, and the transport cannot survive that.
            FlyteInvalidInputException: metadata or TLS settings that cannot be.
        """
        ...

    async def aclose(self, grace: float) -> None:
        """Close; calls under way have `grace` seconds to end and then fail with a `closed` TransportError."""
        ...


@dataclass(frozen=True)
class TransportOptions:
    """How to connect.

    Attributes:
        endpoint: `host:port`.
        insecure: plain text instead of TLS.
        insecure_skip_verify: TLS with whoever answers, whatever certificate they show.
        ca_cert_file: path of a PEM file with the certificates to trust instead of the usual ones.
        max_receive_bytes: the largest reply that is accepted.
        max_send_bytes: the largest request that is sent; flyteadmin itself accepts 4 MiB unless configured otherwise.
        keepalive: seconds between pings while calls are under way. flyteadmin's plain-text listener drops a client that
            pings more often than every five minutes.
        user_agent: put before the library's own.
    """

    endpoint: str
    insecure: bool = False
    insecure_skip_verify: bool = False
    ca_cert_file: str | None = None
    max_receive_bytes: int = 20 * MiB
    max_send_bytes: int = 20 * MiB
    keepalive: float = 330.0
    user_agent: str = "flyteasync"


def too_large(what: str, size: int, limit: int) -> TransportError:
    """The failure of a message that exceeds a limit; `what` is Sent or Received, as in grpc.aio's text."""
    return TransportError(Status.RESOURCE_EXHAUSTED, f"{what} message larger than max ({size} vs. {limit})")


def refused_metadata(metadata: Metadata) -> FlyteInvalidInputException:
    """What to raise for metadata that a library rejects; values, and the library's texts with them, may be secret."""
    names = ", ".join(repr(name) for name, _ in metadata)
    return FlyteInvalidInputException(f"metadata that cannot be sent, under one of the names {names}")
