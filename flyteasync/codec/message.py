"""The base class of every generated message, and the two functions that all of the package encodes and decodes with."""

from __future__ import annotations

from typing import TypeVar

import betterproto2

from ..errors import FlyteDecodeError


class Message(betterproto2.Message):
    """A protobuf message; generated classes inherit from it."""


M = TypeVar("M", bound=Message)


def decode(cls: type[M], data: bytes) -> M:
    """Make a message of `cls` out of its wire form.

    Raises:
        FlyteDecodeError: the bytes are not a message of that type.
    """
    try:
        return cls.parse(data)
    except Exception as error:
        raise FlyteDecodeError(f"{cls.__name__}: {error}") from error


def encode(message: Message) -> bytes:
    """The wire form of a message."""
    return bytes(message)
