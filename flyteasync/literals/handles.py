"""Files and directories as handles: a literal holds where they are, coroutines read them."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any, ClassVar, Literal, Self, cast

from ..config import scheme_of, without_query
from ..errors import FlyteAssertion, FlyteValueException
from .store import Item, Store, required


def is_remote(uri: str) -> bool:
    """Whether a text is a URI of something that is not on this machine's disk."""
    return scheme_of(uri) not in ("", "file")


def path_of(value: Any) -> str:
    """The path or URI of a text, a path or a handle of this package or of flytekit; empty if it is none of them."""
    # Not os.fspath alone: flytekit's handles download when they are asked for their path.
    source: Any = getattr(value, "remote_source", None) or getattr(value, "path", value)
    path: Any = os.fspath(cast("os.PathLike[Any]", source)) if isinstance(source, os.PathLike) else source
    return path if isinstance(path, str) else ""


class Handle(os.PathLike[str]):
    """What files and directories have in common.

    As an `os.PathLike` it can be given to whatever takes a path once it is on this machine.
    """

    _extension: ClassVar[str] = ""
    _what: ClassVar[str]

    def __init__(self, path: str | os.PathLike[str], *, store: Store | None = None) -> None:
        self._source: str = path_of(path)
        if not self._source:
            raise FlyteValueException(f"{type(self).__name__} needs a path or a URI")
        self._store = store
        self._local: str | None = None if is_remote(self._source) else self._source.removeprefix("file://")

    @classmethod
    def extension(cls) -> str:
        """The format that the type declares, such as `csv`; empty if it declares none."""
        return cls._extension

    @property
    def uri(self) -> str:
        """Where it is: the URI, or the local path that the handle was made with."""
        return self._source

    @property
    def remote_source(self) -> str | None:
        """The URI, if it is not on this machine."""
        return self._source if is_remote(self._source) else None

    @property
    def downloaded(self) -> bool:
        """Whether it is on this machine."""
        return self._local is not None

    @property
    def path(self) -> str:
        """The local path if it is on this machine, else the URI."""
        return self._local if self._local is not None else self._source

    def bind(self, store: Store | None) -> Self:
        """Have the handle read through this store; one that has a store keeps it."""
        if self._store is None:
            self._store = store
        return self

    def __fspath__(self) -> str:
        if self._local is None:
            raise FlyteAssertion(
                f"{without_query(self._source)} is not on this machine: `await {self._what}.download()`"
            )
        return self._local

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Handle) or self._what != other._what:
            return NotImplemented
        return self._source == other._source and self.extension() == other.extension()

    def __hash__(self) -> int:
        return hash((self._what, self._source))

    def __str__(self) -> str:
        return without_query(self._source)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({without_query(self._source)!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_store": None}  # connections do not travel

    def __reduce__(self) -> Any:
        return _restore, (self._what, self.extension(), self.__getstate__())

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin = object.__new__(type(self))
        vars(twin).update(vars(self))
        return twin

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from .models import handle_schema

        return handle_schema(cls)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        from .models import handle_json_schema

        return handle_json_schema(cls)


class FlyteFile(Handle):
    """A file, by its URI or its local path.

    `FlyteFile["csv"]` is the type of files of a format.

    A remote one is downloaded by a coroutine, `await file.download()`, after which it can be opened as any path can;
    or read without touching the disk, `await file.read()`. A local one is uploaded when it is given as an input.
    """

    _what = "file"

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        remote_path: str | os.PathLike[str] | Literal[False] | None = None,
        metadata: Mapping[str, str] | None = None,
        store: Store | None = None,
    ) -> None:
        """Describe a file; no I/O.

        Args:
            path: a URI or a local path.
            remote_path: the URI to upload a local file to; False uploads nothing and passes the path on as it is; None
                leaves the place to the server.
            metadata: travels with the literal.
            store: what to read through; handles that come out of literals have one.
        """
        super().__init__(path, store=store)
        self.remote_path = remote_path
        self.metadata = dict(metadata) if metadata else None

    def __class_getitem__(cls, item: Any) -> type[FlyteFile]:
        return with_format("file", format_name(item))

    async def download(self, to: str | os.PathLike[str] | None = None) -> str:
        """Copy the file to the local disk, once.

        Args:
            to: the path to copy it to; None is a new directory below the system's temporary one, which stays until
                somebody removes it.

        Returns:
            The path, which is `path` from now on.

        Raises:
            FlyteError: see `Store`.
        """
        if self._local is None or to is not None:
            self._local = await required(self._store, repr(self)).download(self._source, to)
        return self._local

    async def read(self, *, max_bytes: int | None = None) -> bytes:
        """The contents, without a copy on the disk.

        Args:
            max_bytes: more raise FlyteResourceExhausted; None is no limit.

        Raises:
            FlyteError: see `Store`.
        """
        return await required(self._store, repr(self)).read(self.path, max_bytes=max_bytes)

    def stream(self) -> AsyncIterator[bytes]:
        """The contents piece by piece; a checksum that does not match raises at the end.

        Raises:
            FlyteError: see `Store`.
        """
        return required(self._store, repr(self)).stream(self.path)

    @asynccontextmanager
    async def open(self, mode: str = "rb") -> AsyncGenerator[Any]:
        """Download the file, and open the copy for reading: `async with file.open("r") as lines`.

        What it gives has the methods of a file as coroutines, and can be iterated with `async for`.

        Raises:
            FlyteError: see `Store`.
        """
        path = await self.download()
        async with required(self._store, repr(self)).open(path, mode) as opened:
            yield opened


class FlyteDirectory(Handle):
    """A directory, by its URI or its local path.

    `FlyteDirectory["csv"]` is the type of directories of files of a format.
    """

    _what = "directory"

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        remote_directory: str | os.PathLike[str] | Literal[False] | None = None,
        store: Store | None = None,
    ) -> None:
        """Describe a directory; no I/O.

        Args:
            path: a URI or a local path.
            remote_directory: the URI to upload a local directory to; False uploads nothing and passes the path on as it
                is; None leaves the place to the server.
            store: what to read through; handles that come out of literals have one.
        """
        super().__init__(path, store=store)
        self.remote_directory = remote_directory

    def __class_getitem__(cls, item: Any) -> type[FlyteDirectory]:
        return with_format("directory", format_name(item))

    async def download(self, to: str | os.PathLike[str] | None = None) -> str:
        """Copy the directory with all below it to the local disk, once.

        Args:
            to: the directory to copy it to; None is a new one below the system's temporary one, which stays until
                somebody removes it.

        Returns:
            The path, which is `path` from now on.

        Raises:
            FlyteError: see `Store`.
        """
        if self._local is None or to is not None:
            store = required(self._store, repr(self))
            self._local = await store.download(self._source, to, directory=True)
        return self._local

    async def items(self) -> Sequence[Item]:
        """What is in the directory and below it, without downloading it.

        Raises:
            FlyteError: see `Store`.
        """
        return await required(self._store, repr(self)).items(self._source)

    async def files(self) -> list[FlyteFile]:
        """The files in the directory and below it, as handles.

        Raises:
            FlyteError: see `Store`.
        """
        return [FlyteFile(item.uri, store=self._store) for item in await self.items()]


def format_name(item: Any) -> str:
    """The format that a type is subscripted with: a text, or a TypeVar of that name as flytekit has them."""
    name = getattr(item, "__name__", item)
    if not isinstance(name, str):
        raise FlyteValueException(f"the format of a file is a text such as 'csv', got {type(item).__name__}")
    return name.strip().lstrip("~").lstrip(".")


@lru_cache(maxsize=1024)
def with_format(what: str, extension: str) -> Any:
    """The class of files or directories of a format; equal ones are the same class."""
    base = FlyteFile if what == "file" else FlyteDirectory
    return type(base.__name__, (base,), {"_extension": extension}) if extension else base


def _restore(what: str, extension: str, state: dict[str, Any]) -> Handle:
    handle: Handle = object.__new__(with_format(what, extension))
    vars(handle).update(state)
    return handle


def suffix_of(uri: str) -> str:
    """The last part of a URI's path: the name of the file."""
    return PurePosixPath(without_query(uri)).name
