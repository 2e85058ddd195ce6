"""`grpc.health.v1.Health/Check`: two messages of one field each, so they are read and written by hand."""

from __future__ import annotations

from .failures import not_found, unimplemented

HEALTH_CHECK = "/grpc.health.v1.Health/Check"
HEALTH_WATCH = "/grpc.health.v1.Health/Watch"

_SERVING = b"\x08\x01"
_SERVICES = (b"", b"flyteadmin")


async def check_health(payload: bytes, _: str) -> bytes:
    """Answer that the server, or the service that is asked for, is serving.

    Raises:
        FlyteEntityNotExistException: the service is unknown.
    """
    # Field 1, length-delimited, and nothing else: names are shorter than 128 bytes.
    service = payload[2:] if payload[:1] == b"\x0a" else b""
    if service not in _SERVICES:
        raise not_found("unknown service")
    return _SERVING


async def watch_health(payload: bytes, _: str) -> bytes:
    """Say that nobody can watch.

    Raises:
        FlyteNotImplementedException: always.
    """
    raise unimplemented("the embedded server does not report changes of its health: call Check")
