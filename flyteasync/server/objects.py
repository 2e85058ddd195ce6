"""What can be fetched and uploaded by URL: the server's object store, in memory."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

from .. import codec
from ..errors import FlyteResourceExhausted
from .store import Store

UPLOADS = "flyte-local"
"""The scheme of what was uploaded."""

VALUES = "mem"
"""The scheme of inputs and outputs, which are read as the bytes of a LiteralMap."""


@dataclass(frozen=True, slots=True)
class Object:
    """Some bytes with their digest."""

    data: bytes
    md5: bytes


def digest(data: bytes) -> bytes:
    """The MD5 of some bytes, by which the protocol names contents."""
    return hashlib.md5(data, usedforsecurity=False).digest()


def base64_text(data: bytes) -> str:
    """Bytes as HTTP headers carry digests."""
    return base64.b64encode(data).decode()


class Objects:
    """Objects by URL.

    Args:
        store: where inputs and outputs are.
        max_object_bytes: how long one object may be.
        max_total_bytes: how much may be uploaded in all.
    """

    def __init__(self, store: Store, max_object_bytes: int, max_total_bytes: int) -> None:
        self.max_object_bytes = max_object_bytes
        self._store = store
        self._max_total_bytes = max_total_bytes
        self._uploads: dict[str, Object] = {}
        self._total = 0

    def owns(self, url: str) -> bool:
        """Whether a URL is one that objects of this server can have."""
        return url.partition("://")[0] in (UPLOADS, VALUES)

    def get(self, url: str) -> Object | None:
        """The object of a URL, or None."""
        upload = self._uploads.get(url)
        if upload is not None:
            return upload
        literals = self._store.data.get(url)
        if literals is None:
            return None
        data = codec.encode(literals)
        return Object(data, digest(data))

    def put(self, url: str, data: bytes) -> Object:
        """Store an upload, in place of an earlier one of the same URL.

        Raises:
            FlyteResourceExhausted: it, or all of them together, are too long; nothing changes then.
        """
        if len(data) > self.max_object_bytes:
            raise FlyteResourceExhausted(f"an object has at most {self.max_object_bytes} bytes, got {len(data)}")
        old = self._uploads.get(url)
        total = self._total + len(data) - (0 if old is None else len(old.data))
        if total > self._max_total_bytes:
            raise FlyteResourceExhausted(
                f"all uploads together have at most {self._max_total_bytes} bytes, with this one it would be {total}"
            )
        self._total = total
        self._uploads[url] = Object(data, digest(data))
        return self._uploads[url]
