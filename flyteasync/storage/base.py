"""What the kinds of storage have in common: where bytes come from, and how they are checked on the way."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from ..config import without_query
from ..errors import FlyteDecodeError, FlyteResourceExhausted, FlyteSystemUnavailableException

CHUNK = 1024 * 1024
"""Bytes that are read at a time."""


@dataclass(frozen=True)
class Item:
    """One object below a URI.

    Attributes:
        uri: where it is.
        name: its path below the URI that was listed, with slashes; its own name if that URI is the object itself.
        size: bytes; None if that cannot be known without reading it.
    """

    uri: str
    name: str
    size: int | None = None


@dataclass(frozen=True)
class Body:
    """The bytes of an object, and what its storage says of them.

    Attributes:
        chunks: the bytes, piece by piece.
        size: how many there are; None if the storage does not say.
        md5: their MD5; None if the storage does not say.
    """

    chunks: AsyncIterator[bytes]
    size: int | None = None
    md5: bytes | None = None


class Source(Protocol):
    """One kind of storage."""

    def get(self, uri: str) -> AbstractAsyncContextManager[Body]:
        """The object at a URI, opened."""
        ...

    async def items(self, uri: str) -> list[Item]:
        """The objects below a URI, in the order of their names; the object itself if the URI is one."""
        ...


async def checked(body: Body, uri: str, max_bytes: int | None) -> AsyncGenerator[bytes]:
    """The bytes of an object, which are what its storage said they are.

    Raises:
        FlyteResourceExhausted: there are more than `max_bytes`.
        FlyteSystemUnavailableException: there are fewer than the storage said.
        FlyteDecodeError: they are others than the storage said.
    """
    shown = without_query(uri)
    if max_bytes is not None and body.size is not None and body.size > max_bytes:
        raise FlyteResourceExhausted(f"{shown} has {body.size} bytes, more than the {max_bytes} allowed")
    digest = hashlib.md5(usedforsecurity=False)
    count = 0
    async for chunk in body.chunks:
        count += len(chunk)
        if max_bytes is not None and count > max_bytes:
            raise FlyteResourceExhausted(f"{shown} has more than the {max_bytes} bytes allowed")
        if body.md5 is not None:
            digest.update(chunk)
        yield chunk
    if body.size is not None and count != body.size:
        raise FlyteSystemUnavailableException(f"{shown} gave {count} bytes, not the {body.size} that it has")
    if body.md5 is not None and digest.digest() != body.md5:
        raise FlyteDecodeError(f"{shown}: the bytes do not match their MD5, they were changed on the way")


def md5_of(text: str | None) -> bytes | None:
    """The MD5 that a header says, in base 64 or in hexadecimal; None if it says none."""
    if not text:
        return None
    try:
        digest = bytes.fromhex(text) if len(text) == 32 else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return None
    return digest if len(digest) == 16 else None
