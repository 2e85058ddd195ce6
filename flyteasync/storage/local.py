"""Files on this machine."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import unquote

import anyio
import anyio.to_thread

from ..errors import FlyteEntityNotExistException, FlytePermissionDenied, FlyteSystemException, FlyteValueException
from .base import CHUNK, Body, Item


def local_path(uri: str) -> Path:
    """The path of a `file://` URI, or of a path."""
    return Path(unquote(uri[len("file://") :]) if uri.lower().startswith("file://") else uri)


@contextmanager
def mapped(path: str | os.PathLike[str]) -> Generator[None]:
    """Errors of the operating system as this package's."""
    try:
        yield
    except FileNotFoundError:
        raise FlyteEntityNotExistException(f"{os.fspath(path)} does not exist") from None
    except PermissionError:
        raise FlytePermissionDenied(f"{os.fspath(path)} may not be read or written") from None
    except IsADirectoryError:
        raise FlyteValueException(f"{os.fspath(path)} is a directory, not a file") from None
    except OSError as error:
        raise FlyteSystemException(f"{os.fspath(path)}: {error.strerror or type(error).__name__}") from error


class LocalSource:
    """Reads paths and `file://` URIs."""

    @asynccontextmanager
    async def get(self, uri: str) -> AsyncGenerator[Body]:
        """The file, opened."""
        path = local_path(uri)
        with mapped(path):
            file = await anyio.open_file(path, "rb")
        async with file:
            yield Body(_chunks(file, path), os.fstat(file.wrapped.fileno()).st_size)

    async def items(self, uri: str) -> list[Item]:
        """The files below a directory; the file itself if it is one."""
        path = local_path(uri)
        with mapped(path):
            return await anyio.to_thread.run_sync(_items, path)


async def _chunks(file: anyio.AsyncFile[bytes], path: Path) -> AsyncIterator[bytes]:
    with mapped(path):
        while chunk := await file.read(CHUNK):
            yield chunk


def _items(path: Path) -> list[Item]:
    if not path.is_dir():
        return [Item(str(path), path.name, path.stat().st_size)]
    found = (Path(folder, name) for folder, _, names in os.walk(path) for name in names)
    items = [Item(str(file), file.relative_to(path).as_posix(), file.stat().st_size) for file in found]
    return sorted(items, key=lambda item: item.name)
