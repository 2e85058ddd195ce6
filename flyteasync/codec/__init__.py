"""Bytes to message and back, for the dataclasses that betterproto2 generates.

`decode` looks at one level of a message; what it contains is decoded when it is first read.  See docs/codec.md.
"""

from .construction import dataclass
from .message import Message, decode, encode

__all__ = ["Message", "dataclass", "decode", "encode"]
