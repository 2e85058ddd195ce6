"""Bytes in, bytes out: how a request reaches the server and its answer comes back."""

from typing import Literal, get_args

from ..errors import FlyteInvalidInputException
from .base import Metadata, Transport, TransportError, TransportOptions

__all__ = [
    "Metadata",
    "Transport",
    "TransportError",
    "TransportName",
    "TransportOptions",
    "check_name",
    "make_transport",
]

TransportName = Literal["grpc_aio", "grpclib"]
"""What carries the calls."""


def make_transport(name: TransportName, options: TransportOptions) -> Transport:
    """The transport of that name; its library is imported now, and the other one is not.

    Raises:
        FlyteInvalidInputException: there is none of that name, or the options cannot be.
        FlyteUsageError: this process is a fork that the library does not survive.
    """
    if name == "grpclib":
        from .grpclib import GrpclibTransport

        return GrpclibTransport(options)
    check_name(name)
    from .grpc_aio import GrpcAioTransport

    return GrpcAioTransport(options)


def check_name(name: str) -> None:
    """Raise FlyteInvalidInputException if there is no transport of that name."""
    if name not in get_args(TransportName):
        names = " or ".join(map(repr, get_args(TransportName)))
        raise FlyteInvalidInputException(f"there is no transport {name!r}; choose {names}")
