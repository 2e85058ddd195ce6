"""What has to be uploaded before literals mean anything: local files, directories and frames, as data.

Conversion is done twice where there are uploads: the first one finds them, whoever performs them gives the URIs to the
second one. Nothing here does I/O.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Generator, Hashable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import FlyteError, FlyteInvalidInputException

PENDING = "pending://upload"
"""Stands in literals for the URI of what was not uploaded yet."""

Shape = Literal["file", "directory", "either"]
"""What a literal points at: one object, all below a URI, or whichever the local path is."""


@dataclass(frozen=True, eq=False)
class Content:
    """Bytes that are made when they are uploaded.

    Attributes:
        filename: the name of the object.
        owner: what they are made of; its identity tells uploads apart.
        make: makes them; may take long, and does no I/O.
    """

    filename: str
    owner: Any
    make: Callable[[], bytes]


@dataclass(frozen=True)
class Location:
    """Where one object of an upload goes: the arguments of CreateUploadLocation.

    Attributes:
        relative: which object of the upload this is; its path below the directory, with slashes.
        filename: the object's name.
        filename_root: what stands before it; empty has the server put the MD5 there.
        content_md5: the MD5 of its bytes.
    """

    relative: str
    filename: str
    filename_root: str
    content_md5: bytes


@dataclass(frozen=True, eq=False)
class Upload:
    """Something on this machine that a literal has to point at elsewhere.

    Attributes:
        name: the variable that needs it, with the path into it.
        source: a local path, or bytes to be made.
        shape: what the literal points at.
        destination: the URI that the caller wants it at; None leaves that to the server.
    """

    name: str
    source: str | Content
    shape: Shape
    destination: str | None = None

    @property
    def key(self) -> Hashable:
        """What is equal for uploads of the same thing to the same place."""
        source = os.path.abspath(self.source) if isinstance(self.source, str) else id(self.source.owner)
        return (source, self.shape, self.destination)

    @property
    def text(self) -> str:
        """What it is, for errors."""
        return f"the local path {self.source}" if isinstance(self.source, str) else f"{self.source.filename}, in memory"

    def locations(self, digests: Mapping[str, bytes]) -> tuple[Location, ...]:
        """Where the objects go if the server chooses: the same content always to the same place.

        Args:
            digests: the MD5 of each object by its relative path; a single file by its name.

        Raises:
            FlyteInvalidInputException: there are no objects, or several for a file.
        """
        if not digests or (self.shape == "file" and len(digests) > 1):
            raise FlyteInvalidInputException(f"{self.name}: {self.text} has {len(digests)} files to upload")
        if self.shape == "file":
            return tuple(Location(name, name, "", digest) for name, digest in digests.items())
        root = hashlib.md5(usedforsecurity=False)
        for name in sorted(digests):
            root.update(name.encode() + b"\0" + digests[name])
        return tuple(Location(name, name, root.hexdigest(), digests[name]) for name in sorted(digests))

    def uri(self, places: Mapping[str, str]) -> str:
        """What the literal points at, after the objects were put at these URIs, by relative path."""
        relative, place = next(iter(places.items()))
        return place if self.shape == "file" else place.removesuffix(relative).rstrip("/")


class Uploads:
    """The uploads that a conversion needs, and the URIs of those that were performed already."""

    def __init__(self, done: Mapping[Hashable, str] | None = None) -> None:
        self._done = dict(done or {})
        self._needed: dict[Hashable, Upload] = {}

    @property
    def needed(self) -> tuple[Upload, ...]:
        """Those that were not performed, each once."""
        return tuple(self._needed.values())

    def uri(self, upload: Upload) -> str:
        """Where the thing is; `PENDING`, and remembered as needed, if it was not uploaded yet."""
        uri = self._done.get(upload.key)
        if uri is None:
            self._needed.setdefault(upload.key, upload)
        return uri or PENDING

    @contextmanager
    def attempt(self) -> Generator[None]:
        """Forget what a conversion needed that failed."""
        before = dict(self._needed)
        try:
            yield
        except FlyteError:
            self._needed = before
            raise
