"""`Storage`: reads what URIs and paths point at."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, cast

import anyio
import anyio.to_thread

from ..config import DataConfig, scheme_of, without_query
from ..deadline import Duration, seconds
from ..errors import (
    FlyteDeadlineExceeded,
    FlyteInvalidInputException,
    FlyteSystemUnavailableException,
    FlyteUsageError,
    FlyteValueException,
)
from .base import Item, Source, checked
from .local import LocalSource, local_path, mapped

if TYPE_CHECKING:
    import tenacity

HTTP = ("http", "https")
LOCAL = ("", "file")
OBJECTS = ("s3", "s3a", "gs", "abfs", "abfss", "az")

ATTEMPTS = 3
"""How often a whole read is tried; object stores try single requests again by themselves."""

CONCURRENT_DOWNLOADS = 8
"""Objects of a directory that are copied at the same time."""


class Storage:
    """Reads local paths, `file://`, `http://`, `https://` (signed URLs), `s3://`, `gs://`, `abfs://` and `az://`.

    Holds no connection between calls but what obstore keeps, belongs to no event loop, and need not be closed. Makes no
    RPC. Object stores need the extra `storage`.

    Everything raises FlyteEntityNotExistException where nothing is, FlytePermissionDenied where nobody may read,
    FlyteAuthenticationException where there are no credentials for an object store,
    FlyteResourceExhausted for more bytes than allowed, FlyteDecodeError for bytes that do not match their checksum,
    FlyteUsageError for a URI that needs a package that is not installed, FlyteInvalidInputException for one that nobody
    can read, and FlyteSystemUnavailableException for whatever else goes wrong on the way. Errors never show the query
    of a URL, which may be a signature.
    """

    def __init__(
        self, config: DataConfig | None = None, *, timeout: Duration = 60.0, tls: ssl.SSLContext | None = None
    ) -> None:
        """Describe the access; no I/O.

        Args:
            config: credentials and endpoints of object stores; None takes them from the environment, as the stores'
                own tools do.
            timeout: seconds or a timedelta that the other side may be silent.
            tls: what HTTPS is checked with; None trusts what the system trusts.

        Raises:
            FlyteInvalidInputException: a negative or not-a-number duration.
        """
        self._config = config or DataConfig()
        self._timeout = seconds(timeout)
        self._tls = tls

    async def stream(self, uri: str, *, max_bytes: int | None = None) -> AsyncGenerator[bytes]:
        """The bytes of one object, piece by piece, checked at the end; a failure midway raises.

        Args:
            uri: a URI or a local path.
            max_bytes: more raise FlyteResourceExhausted; None is no limit.
        """
        async with self._source(uri).get(uri) as body, aclosing(checked(body, uri, max_bytes)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def read(self, uri: str, *, max_bytes: int | None = None) -> bytes:
        """The bytes of one object; begins again after a failure, three times at most.

        Args:
            uri: a URI or a local path.
            max_bytes: more raise FlyteResourceExhausted; None is no limit.
        """

        async def attempt() -> bytes:
            async with aclosing(self.stream(uri, max_bytes=max_bytes)) as chunks:
                return b"".join([chunk async for chunk in chunks])

        return await _retrying()(attempt)

    async def items(self, uri: str) -> list[Item]:
        """The objects below a URI, in the order of their names; the object itself if the URI is one.

        Raises:
            FlyteEntityNotExistException: there are none.
        """
        return await self._source(uri).items(uri)

    async def download(self, uri: str, to: str | os.PathLike[str] | None = None, *, directory: bool = False) -> str:
        """Copy an object, or all below a URI, to the local disk.

        A file appears under its name when it is whole; one that is there already is replaced.

        Args:
            uri: a URI or a local path.
            to: the path to copy to; None is a new directory below the system's temporary one, which stays until
                somebody removes it. A file is put into a directory that exists under its own name.
            directory: whether the URI is a directory.

        Returns:
            The path of the copy.

        Raises:
            FlyteValueException: an object whose name leads out of the directory.
        """
        if directory:
            return await self._download_all(uri, Path(to) if to is not None else await _new_directory())
        name = PurePosixPath(without_query(uri)).name or "file"
        target = Path(to) if to is not None else await _new_directory() / name
        if await anyio.Path(target).is_dir():
            target /= name
        await _retrying()(self._copy, uri, target)
        return str(target)

    def open(self, path: str, mode: str = "rb") -> AbstractAsyncContextManager[Any]:
        """A local file, opened for reading; what it gives has coroutines for methods.

        Raises:
            FlyteInvalidInputException: a mode that writes.
        """
        if set(mode) - set("rbt"):
            raise FlyteInvalidInputException(f"files are opened for reading: 'r' or 'rb', not {mode!r}")
        return _opened(local_path(path), mode)

    async def _download_all(self, uri: str, root: Path) -> str:
        limit = anyio.CapacityLimiter(CONCURRENT_DOWNLOADS)
        items = await self.items(uri)
        targets = [_inside(root, item.name, uri) for item in items]

        async def copy(item: Item, target: Path) -> None:
            async with limit:
                await _retrying()(self._copy, item.uri, target)

        try:
            async with anyio.create_task_group() as group:
                for item, target in zip(items, targets, strict=True):
                    group.start_soon(copy, item, target)
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        with mapped(root):
            await anyio.Path(root).mkdir(parents=True, exist_ok=True)
        return str(root)

    async def _copy(self, uri: str, target: Path) -> None:
        """Copy an object to where it appears when it is whole."""
        with mapped(target):
            await anyio.Path(target.parent).mkdir(parents=True, exist_ok=True)
            descriptor, part = await anyio.to_thread.run_sync(_new_part, target)
        try:
            async with aclosing(self.stream(uri)) as chunks, await anyio.open_file(descriptor, "wb") as file:
                async for chunk in chunks:
                    with mapped(target):
                        await file.write(chunk)
            with mapped(target):
                await anyio.Path(part).replace(target)
        except BaseException:
            os.unlink(part)  # at once, as the task may be cancelled
            raise

    def _source(self, uri: str) -> Source:
        scheme = scheme_of(uri)
        if scheme in LOCAL:
            return LocalSource()
        if scheme in HTTP:
            return self._http
        if scheme in OBJECTS:
            return self._objects
        known = ", ".join(f"{name}://" for name in ("file", *HTTP, *OBJECTS))
        raise FlyteInvalidInputException(f"{without_query(uri)} cannot be read; what can: paths, {known}")

    @cached_property
    def _http(self) -> Source:
        from .http import HttpSource  # what nobody uses costs nobody an import

        return HttpSource(self._timeout, self._tls)

    @cached_property
    def _objects(self) -> Source:
        try:
            from .objects import ObjectSource
        except ImportError as error:
            raise FlyteUsageError(
                "reading from object stores needs the extra `storage`: `pip install 'flyteasync[storage]'`"
            ) from error
        return ObjectSource(self._config, self._timeout)


def _retrying() -> tenacity.AsyncRetrying:
    import tenacity  # a program that reads no storage does not pay for it

    return tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception_type((FlyteSystemUnavailableException, FlyteDeadlineExceeded)),
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        wait=tenacity.wait_random_exponential(multiplier=0.2, max=2.0),
        reraise=True,
    )


def _inside(root: Path, name: str, uri: str) -> Path:
    """The path of an object below a directory; its name was chosen by whoever wrote it."""
    parts = PurePosixPath(name).parts
    if not parts or PurePosixPath(name).is_absolute() or ".." in parts or "\\" in name:
        raise FlyteValueException(f"{without_query(uri)} has an object whose name leads out of a directory")
    return root.joinpath(*parts)


def _new_part(target: Path) -> tuple[int, str]:
    return tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)


async def _new_directory() -> Path:
    return Path(await anyio.to_thread.run_sync(lambda: tempfile.mkdtemp(prefix="flyteasync-")))


@asynccontextmanager
async def _opened(path: Path, mode: Any) -> AsyncGenerator[Any]:
    with mapped(path):
        file = cast("anyio.AsyncFile[Any]", await anyio.open_file(path, mode))
    async with file:
        yield file
