"""The reader: turns literals into values."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from ..config import without_query
from ..errors import FlyteDecodeError, FlyteTypeException, FlyteUserException, FlyteValueException
from ..idl import core
from . import plain
from .base import Registry, unwrap
from .store import Access
from .text import literal_kind, which


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a part of a value.

    Attributes:
        path: the variable's name with the path into it.
        message: what is wrong, beginning with the path.
    """

    path: str
    message: str


@dataclass(frozen=True, slots=True)
class Reader:
    """Turns literals into values.

    Attributes:
        registry: where converters are found.
        strict: whether only literals of exactly the type asked for will do; unions try this first.
        access: what handles read through, and whether pickles may be read.
        closed: whether fields that a dataclass does not have are refused, as for what a caller gives; else they are
            ignored, as for what a newer task wrote.
        problems: collects what is wrong with the parts of a value, all of it; None raises the first.
    """

    registry: Registry
    strict: bool = False
    access: Access = field(default_factory=Access)
    closed: bool = False
    problems: list[Problem] | None = None

    def strictly(self) -> Reader:
        """The same reader, accepting exact types only."""
        return self if self.strict else replace(self, strict=True)

    def raising(self) -> Reader:
        """The same reader, which raises the first problem: for what is only tried."""
        return self if self.problems is None else replace(self, problems=None)

    def python(self, literal: core.Literal, python_type: Any, name: str) -> Any:
        """The value of a literal as `python_type`; with Any, as what the literal itself says it is."""
        bare = unwrap(python_type)
        if (offloaded := literal.offloaded_metadata) is not None:
            where = without_query(offloaded.uri)
            raise FlyteTypeException(
                f"{name}: the value is stored outside of the literal (offloaded), at {where}, and was not fetched"
            )
        if bare is Any or bare is object:
            return self.by_itself(literal, name)
        converter = self.registry.for_type(bare, name)
        if not converter.reads_unions and (inner := in_union(literal)) is not None:
            return self.python(inner, python_type, name)
        if plain.is_serialised(literal) and not converter.reads_serialised:
            return converter.from_plain(plain.load(literal, name), bare, name, self)
        return converter.to_python(literal, python_type if converter.reads_annotations else bare, name, self)

    def value(self, value: Any, python_type: Any, name: str) -> Any:
        """A value out of its plain form, as `python_type`; None in place of one that was found to be wrong."""
        python_type = unwrap(python_type)
        if python_type is Any or python_type is object:
            return value
        if self.problems is None:
            return self.registry.for_type(python_type, name).from_plain(value, python_type, name, self)
        try:
            return self.registry.for_type(python_type, name).from_plain(value, python_type, name, self)
        except FlyteUserException as error:
            self.problems.append(Problem(name, str(error)))
            return None

    def by_itself(self, literal: core.Literal, name: str) -> Any:
        """The value of a literal whose type nobody knows."""
        if plain.is_serialised(literal):
            return plain.load(literal, name)
        if (collection := literal.collection) is not None:
            return [self.python(item, Any, f"{name}[{index}]") for index, item in enumerate(collection.literals)]
        if (entries := literal.map) is not None:
            return {key: self.python(item, Any, f"{name}[{key!r}]") for key, item in entries.literals.items()}
        if (scalar := literal.scalar) is not None:
            if scalar.none_type is not None:
                return None
            if scalar.primitive is not None:
                return which(scalar.primitive, "value")[1]
            if scalar.union is not None and (inner := scalar.union.value) is not None:
                stored = scalar.union.type
                return self.python(inner, Any if stored is None else self.guess_or_any(stored), name)
            if (literal_type := _type_of_reference(scalar)) is not None:
                return self.python(literal, self.registry.guess(literal_type), name)
        raise FlyteTypeException(f"{name}: reading a literal that holds {literal_kind(literal)} is not supported")

    def guess_or_any(self, literal_type: core.LiteralType) -> Any:
        """The guessed type; Any if some part of it is of a kind that is not supported, as the value may not be."""
        try:
            return self.registry.guess(literal_type)
        except FlyteTypeException:
            return Any


@contextmanager
def naming(name: str) -> Generator[None]:
    """Have the errors of a literal that is none, or is without end, begin with the variable's name."""
    try:
        yield
    except RecursionError:
        raise FlyteValueException(f"{name}: the literal is nested too deeply") from None
    except FlyteDecodeError as error:
        if str(error).startswith(name):
            raise
        raise FlyteDecodeError(f"{name}: {error}") from error


def in_union(literal: core.Literal) -> core.Literal | None:
    """The literal inside of a union; None if it is no union."""
    scalar = literal.scalar
    return scalar.union.value if scalar is not None and scalar.union is not None else None


def _type_of_reference(scalar: core.Scalar) -> core.LiteralType | None:
    """The type of a literal that points at its value."""
    if (blob := scalar.blob) is not None:
        kind = blob.metadata.type if blob.metadata is not None else None
        return core.LiteralType(blob=kind if kind is not None else core.BlobType())
    if scalar.structured_dataset is not None or scalar.schema is not None:
        return core.LiteralType(structured_dataset_type=core.StructuredDatasetType())
    return None
