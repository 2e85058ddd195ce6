"""What the headers, the body and the trailers of a reply mean; no I/O."""

from __future__ import annotations

import binascii
import math
from base64 import b64decode
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import unquote_to_bytes

from h2.errors import ErrorCodes

from ..errors import Status
from .base import TransportError, too_large

PREFIX = 5
"""Bytes before a message: whether it is compressed, and its length."""

Headers = Iterable[tuple[bytes, bytes]]

_STATUSES: Final[Mapping[bytes, Status]] = MappingProxyType({b"%d" % status: status for status in Status})

# The two tables are gRPC's: doc/http-grpc-status-mapping.md and doc/PROTOCOL-HTTP2.md, "Errors".
_OF_HTTP: Final[Mapping[bytes, Status]] = MappingProxyType(
    {
        b"400": Status.INTERNAL,
        b"401": Status.UNAUTHENTICATED,
        b"403": Status.PERMISSION_DENIED,
        b"404": Status.UNIMPLEMENTED,
        b"429": Status.UNAVAILABLE,
        b"502": Status.UNAVAILABLE,
        b"503": Status.UNAVAILABLE,
        b"504": Status.UNAVAILABLE,
    }
)
_RESET_NAMES: Final[Mapping[int, str]] = MappingProxyType({int(code): code.name for code in ErrorCodes})
_OF_RESET: Final[Mapping[int, Status]] = MappingProxyType(
    {
        ErrorCodes.REFUSED_STREAM: Status.UNAVAILABLE,
        ErrorCodes.CANCEL: Status.CANCELLED,
        ErrorCodes.ENHANCE_YOUR_CALM: Status.RESOURCE_EXHAUSTED,
        ErrorCodes.INADEQUATE_SECURITY: Status.PERMISSION_DENIED,
    }
)


def timeout_header(seconds: float) -> str:
    """The value of `grpc-timeout`: at most eight digits and a unit, never less than `seconds`."""
    milliseconds = math.ceil(seconds * 1000)
    return f"{max(milliseconds, 1)}m" if milliseconds < 10**8 else f"{math.ceil(seconds)}S"


def check_progress(headers: Headers, body: bytearray, limit: int) -> None:
    """Look at a body that has not arrived in full yet, so that no more of it is taken in than has to be.

    Raises:
        TransportError: it announces more than `limit` bytes or is more; or it is compressed, which nobody asked for.
    """
    size = len(body) - PREFIX
    if size >= 0 and dict(headers).get(b"content-type", b"").startswith(b"application/grpc"):
        if body[0]:
            raise TransportError(Status.INTERNAL, "the reply is compressed, which was not asked for")
        size = max(size, int.from_bytes(body[1:PREFIX], "big"))
    if size > limit:
        raise too_large("Received", size, limit)


def name_of(code: int) -> str:
    """The name of an HTTP/2 error code, for texts."""
    return _RESET_NAMES.get(code, str(code))


def reset_failure(code: int) -> TransportError:
    """The failure of a call whose stream the server reset."""
    return TransportError(
        _OF_RESET.get(code, Status.INTERNAL),
        f"the server reset the stream ({name_of(code)})",
        unprocessed=code == ErrorCodes.REFUSED_STREAM,
    )


def read_reply(headers: Headers, body: bytearray, trailers: Headers) -> bytes:
    """The message of a reply that has arrived in full.

    Args:
        headers: what came before the body; of a reply without one, all there is.
        body: prefix and message.
        trailers: what came after the body; empty if nothing did.

    Raises:
        TransportError: the reply says so, or is no reply of gRPC.
    """
    first, last = dict(headers), dict(trailers)
    status = last.get(b"grpc-status") or first.get(b"grpc-status")
    if status is None:
        raise _not_grpc(first)
    if status != b"0":
        raise _failure(status, last or first)
    if len(body) < PREFIX or len(body) != PREFIX + int.from_bytes(body[1:PREFIX], "big"):
        raise TransportError(Status.INTERNAL, f"the reply is not one whole message, but {len(body)} bytes")
    return memoryview(body)[PREFIX:].tobytes()


def _not_grpc(headers: Mapping[bytes, bytes]) -> TransportError:
    http = headers.get(b":status", b"")
    if http != b"200":
        return TransportError(_OF_HTTP.get(http, Status.UNKNOWN), f"HTTP status {_text(http)}")
    kind = _text(headers.get(b"content-type", b"none"))
    return TransportError(Status.UNKNOWN, f"the reply has no grpc-status (content-type: {kind})")


def _failure(status: bytes, fields: Mapping[bytes, bytes]) -> TransportError:
    code = _STATUSES.get(status)
    text = unquote_to_bytes(fields.get(b"grpc-message", b"")).decode("utf-8", "replace")
    if code is None:
        code = Status.UNKNOWN
        text = f"{text} (grpc-status {_text(status)})".strip()
    return TransportError(code, text, status_details=_decode_binary(fields.get(b"grpc-status-details-bin", b"")))


def _decode_binary(value: bytes) -> bytes:
    """The bytes of a `-bin` field, whose padding is optional; empty if they are no base64."""
    try:
        return b64decode(value + b"==")
    except binascii.Error:
        return b""


def _text(value: bytes) -> str:
    return value[:100].decode("ascii", "replace")
