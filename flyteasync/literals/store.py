"""What handles of files and datasets read through; implemented by `flyteasync.storage`."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from ..config import pickles_allowed
from ..errors import FlyteUsageError


class Item(Protocol):
    """One object below a URI."""

    @property
    def uri(self) -> str:
        """Where it is."""
        ...

    @property
    def name(self) -> str:
        """Its path below the URI that was listed, with slashes; its own name if that URI is the object itself."""
        ...

    @property
    def size(self) -> int | None:
        """Bytes; None if that cannot be known without reading it."""
        ...


class Store(Protocol):
    """Reads what URIs and local paths point at.

    Everything raises FlyteEntityNotExistException where nothing is, FlytePermissionDenied where nobody may read,
    FlyteResourceExhausted for more bytes than allowed, FlyteDecodeError for bytes that do not match their checksum,
    FlyteUsageError for a URI that cannot be read with what is installed, and FlyteSystemUnavailableException for
    whatever else goes wrong on the way.
    """

    def stream(self, uri: str, *, max_bytes: int | None = None) -> AsyncIterator[bytes]:
        """The bytes of one object, piece by piece, checked at the end."""
        ...

    async def read(self, uri: str, *, max_bytes: int | None = None) -> bytes:
        """The bytes of one object."""
        ...

    async def items(self, uri: str) -> Sequence[Item]:
        """The objects below a URI, in the order of their names; the object itself if the URI is one."""
        ...

    async def download(self, uri: str, to: str | os.PathLike[str] | None = None, *, directory: bool = False) -> str:
        """Copy an object, or all below a URI, to the local disk, and return where it is.

        Without `to`, into a new directory below the system's temporary one.
        """
        ...

    def open(self, path: str, mode: str = "rb") -> AbstractAsyncContextManager[Any]:
        """A local file, opened for reading; reads are coroutines."""
        ...


@dataclass(frozen=True)
class Access:
    """What values may reach for outside of their literals.

    Attributes:
        store: what handles read through; None gives handles that read nothing.
        allow_pickle: whether pickles are read without being asked for; None goes by the environment.
    """

    store: Store | None = None
    allow_pickle: bool | None = None

    @property
    def pickles(self) -> bool:
        """Whether pickles are read without being asked for."""
        return pickles_allowed() if self.allow_pickle is None else self.allow_pickle


def required(store: Store | None, what: str) -> Store:
    """The store.

    Raises:
        FlyteUsageError: there is none.
    """
    if store is None:
        raise FlyteUsageError(f"{what} has no store to read through: give it one, `store=Storage()`")
    return store
