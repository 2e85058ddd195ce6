"""Pickles: how flytekit passes on what has no Flyte type. Loading one runs code chosen by whoever wrote it."""

# ruff: noqa: D102 # what the methods of a converter do is said once, in Converter
from __future__ import annotations

import importlib
import pickle
from functools import partial
from typing import Any, Generic, TypeVar, cast, get_origin

import anyio.to_thread

from ..config import without_query
from ..errors import FlyteTypeException, FlyteUsageError, FlyteValueException
from ..idl import core
from . import plain
from .base import Converter, Registry
from .foreign import is_foreign
from .reading import Reader
from .store import Store, required
from .text import PICKLE_FORMAT, PICKLE_REFUSED, python_type_text, wrong_literal, wrong_type
from .uploads import Content, Upload
from .writing import Writer

T = TypeVar("T")


class FlytePickle(Generic[T]):
    """A pickled value, by its URI; `await value.load()` runs whatever its writer put into it."""

    def __init__(self, uri: str, *, store: Store | None = None) -> None:
        """Describe a pickle; no I/O.

        Args:
            uri: where it is.
            store: what to read through; handles that come out of literals have one.
        """
        self.uri = uri
        self._store = store

    async def load(self) -> T:
        """Read and unpickle the value, in a thread: this runs code chosen by whoever wrote it.

        Raises:
            FlyteUsageError: it needs a package that is not installed, such as cloudpickle.
            FlyteValueException: it cannot be unpickled.
            FlyteError: see `Store`.
        """
        content = await required(self._store, repr(self)).read(self.uri)
        return cast("T", await anyio.to_thread.run_sync(partial(_load, content, without_query(self.uri))))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FlytePickle) and self.uri == cast("FlytePickle[Any]", other).uri

    def __hash__(self) -> int:
        return hash(self.uri)

    def __repr__(self) -> str:
        return f"FlytePickle({without_query(self.uri)!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_store": None}  # connections do not travel


class UnaskedPickle(FlytePickle[Any]):
    """The type that is guessed for pickles: nobody asked for one."""


class PickleConverter(Converter):
    """FlytePickle."""

    tag = "FlytePickle"
    kinds = ("blob",)
    reads_serialised = True

    def claims(self, literal_type: core.LiteralType) -> bool:
        return literal_type.blob is not None and literal_type.blob.format == PICKLE_FORMAT

    def handles(self, python_type: Any) -> bool:
        origin = get_origin(python_type) or python_type
        return isinstance(origin, type) and (issubclass(origin, FlytePickle) or is_foreign(origin, "FlytePickle"))

    def literal_type(self, python_type: Any, registry: Registry) -> core.LiteralType:
        return pickle_type(python_type)

    def guess(self, literal_type: core.LiteralType, registry: Registry) -> Any:
        return UnaskedPickle

    def to_literal(self, value: Any, expected: core.LiteralType, hint: Any, name: str, writer: Writer) -> core.Literal:
        kind = core.BlobType(format=PICKLE_FORMAT)
        if isinstance(value, FlytePickle):
            uri = cast("FlytePickle[Any]", value).uri
        elif self.handles(hint) or writer.access.pickles:
            content = Content("pickle", value, partial(_dump, value, name))
            uri = writer.uploads.uri(Upload(name, content, "file"))
        else:
            got = python_type_text(type(value))
            raise FlyteTypeException(
                f"{name}: expected FlytePickle, got {got}; it is pickled if its type hint is FlytePickle, or with "
                "allow_pickle=True"
            )
        blob = core.Blob(metadata=core.BlobMetadata(type=kind), uri=uri)
        return core.Literal(scalar=core.Scalar(blob=blob))

    def to_python(self, literal: core.Literal, python_type: Any, name: str, reader: Reader) -> Any:
        uri = plain.pickle_uri(literal)
        scalar = literal.scalar
        if uri is None and scalar is not None and (blob := scalar.blob) is not None:
            uri = blob.uri
        if uri is None:
            raise wrong_literal(name, "FlytePickle", literal)
        if python_type is UnaskedPickle and not reader.access.pickles:
            raise FlyteValueException(f"{name}: {PICKLE_REFUSED}")
        if not uri:
            raise FlyteValueException(f"{name}: the literal does not say where the pickle is")
        return FlytePickle[Any](uri, store=reader.access.store)

    def from_plain(self, value: Any, python_type: Any, name: str, reader: Reader) -> Any:
        raise wrong_type(name, "FlytePickle", value)


def pickle_type(python_type: Any) -> core.LiteralType:
    """The LiteralType that flytekit gives to what has none of its own."""
    return core.LiteralType(
        blob=core.BlobType(format=PICKLE_FORMAT),
        metadata=plain.struct_of({"python_class_name": str(python_type)}),
    )


def _load(content: bytes, where: str) -> Any:
    try:
        return pickle.loads(content)  # noqa: S301 # the caller asked for it
    except ModuleNotFoundError as error:
        raise FlyteUsageError(f"the pickle at {where} needs the module {error.name}") from error
    except Exception as error:  # a pickle runs any code, which may raise anything
        raise FlyteValueException(f"the pickle at {where} cannot be loaded: {type(error).__name__}") from error


def _dump(value: Any, name: str) -> bytes:
    """The pickle of a value; by cloudpickle where it is installed, as it knows classes of `__main__`."""
    try:
        pickler: Any = importlib.import_module("cloudpickle")
    except ImportError:
        pickler = pickle
    try:
        return cast("bytes", pickler.dumps(value))
    except Exception as error:  # whatever the value's own reduction raises
        raise FlyteValueException(f"{name}: {python_type_text(type(value))} cannot be pickled") from error
