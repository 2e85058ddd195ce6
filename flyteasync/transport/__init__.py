"""Bytes in, bytes out: how a request reaches the server and its answer comes back."""

from .base import Transport, TransportError, TransportOptions
from .grpc_aio import GrpcAioTransport

__all__ = ["GrpcAioTransport", "Transport", "TransportError", "TransportOptions"]
