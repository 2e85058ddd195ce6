"""Bytes to message and back, for the dataclasses that betterproto2 generates."""

from .message import Message, decode, encode

__all__ = ["Message", "decode", "encode"]
