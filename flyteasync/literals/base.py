"""What conversions are made of: one converter per family of types, the registry that finds them, a writer and a reader.

A converter never looks for its fellows: it asks the writer or the reader that it is given, so that containers of
anything work, and so that new converters only have to be listed in a registry.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, cast, get_args, get_origin

from ..errors import FlyteTypeException
from ..idl import core
from . import plain
from .text import literal_kind, python_type_text, type_text, which, wrong_type

Kind = core.SimpleType | str
"""What tells LiteralTypes apart: the simple type, else the name of the member that is set."""


class Converter(ABC):
    """One family of Python types, and how it looks as a literal.

    `name` is the variable's, with the path into containers; every error must begin with it.
    """

    tag: ClassVar[str]
    """The name that flytekit marks this family's variants of a union with."""

    kinds: ClassVar[tuple[Kind, ...]]
    """The kinds of LiteralType that values of this family are written for."""

    reads_unions: ClassVar[bool] = False
    """Whether `to_python` wants the union around a literal; else it gets what is inside."""

    @abstractmethod
    def handles(self, python_type: Any) -> bool:
        """Whether the type belongs to the family; it comes without `Annotated`."""

    @abstractmethod
    def literal_type(self, python_type: Any, registry: Registry) -> core.LiteralType:
        """The LiteralType that flytekit gives to the type."""

    @abstractmethod
    def guess(self, literal_type: core.LiteralType, registry: Registry) -> Any:
        """The Python type to read with where nobody named one."""

    @abstractmethod
    def to_literal(self, value: Any, expected: core.LiteralType, hint: Any, name: str, writer: Writer) -> core.Literal:
        """The literal of a value; `hint` is the Python type that the caller declared, or Any."""

    @abstractmethod
    def to_python(self, literal: core.Literal, python_type: Any, name: str, reader: Reader) -> Any:
        """The value of a literal that is neither serialised (see `from_plain`) nor offloaded."""

    def to_plain(self, value: Any, python_type: Any, name: str, writer: Writer) -> Any:
        """The value as it stands inside of a serialised dict."""
        raise FlyteTypeException(f"{name}: {python_type_text(python_type)} cannot be put into an untyped dict")

    def from_plain(self, value: Any, python_type: Any, name: str, reader: Reader) -> Any:
        """The value out of what a serialised dict holds."""
        raise wrong_type(name, python_type_text(python_type), value)


class Registry:
    """Finds the converter for a Python type or a LiteralType; of several that would do, the first one listed."""

    def __init__(self, converters: Iterable[Converter]) -> None:
        self._converters = tuple(converters)
        self._by_kind: dict[Kind, tuple[Converter, ...]] = {}
        for converter in self._converters:
            for kind in converter.kinds:
                self._by_kind[kind] = (*self._by_kind.get(kind, ()), converter)

    def for_type(self, python_type: Any, name: str = "") -> Converter:
        """The converter of a Python type.

        Raises:
            FlyteTypeException: no converter handles it.
        """
        python_type = unwrap(python_type)
        for converter in self._converters:
            if converter.handles(python_type):
                return converter
        why = ": tuples are not Flyte values, use a list" if (get_origin(python_type) or python_type) is tuple else ""
        raise FlyteTypeException(f"{_prefix(name)}{python_type_text(python_type)} has no Flyte type{why}")

    def for_literal_type(self, literal_type: core.LiteralType, python_type: Any = Any, name: str = "") -> Converter:
        """The converter of a LiteralType.

        Where several families share it (datetime and date), the tag decides, else the Python type.

        Raises:
            FlyteTypeException: no converter writes for it.
        """
        candidates = self._by_kind.get(kind_of(literal_type), ())
        if not candidates:
            raise FlyteTypeException(f"{_prefix(name)}values of type {type_text(literal_type)} are not supported")
        if len(candidates) == 1:
            return candidates[0]
        tag = literal_type.structure.tag if literal_type.structure is not None else ""
        tagged = [converter for converter in candidates if converter.tag == tag]
        fitting = [converter for converter in candidates if converter.handles(python_type)]
        return (tagged or fitting or candidates)[0]

    def literal_type(self, python_type: Any) -> core.LiteralType:
        """The LiteralType of a Python type."""
        return self.for_type(python_type).literal_type(unwrap(python_type), self)

    def guess(self, literal_type: core.LiteralType) -> Any:
        """The Python type that a LiteralType is read as."""
        return self.for_literal_type(literal_type).guess(literal_type, self)


@dataclass(frozen=True, slots=True)
class Writer:
    """Turns values into literals.

    Attributes:
        registry: where converters are found.
        strict: whether only values of exactly the expected type will do; unions try this first.
    """

    registry: Registry
    strict: bool = False

    def strictly(self) -> Writer:
        """The same writer, accepting exact types only."""
        return replace(self, strict=True)

    def literal(self, value: Any, expected: core.LiteralType, hint: Any, name: str) -> core.Literal:
        """The literal of a value; a literal is taken as it is."""
        if isinstance(value, core.Literal):
            return value
        hint = unwrap(hint)
        converter = self.registry.for_literal_type(expected, type(value) if hint is Any else hint, name)
        return converter.to_literal(value, expected, hint, name, self)

    def plain(self, value: Any, python_type: Any, name: str) -> Any:
        """The value as it stands inside of a serialised dict."""
        python_type = unwrap(python_type)
        if python_type is Any:
            return plain.checked(value, name)
        return self.registry.for_type(python_type, name).to_plain(value, python_type, name, self)


@dataclass(frozen=True, slots=True)
class Reader:
    """Turns literals into values.

    Attributes:
        registry: where converters are found.
        strict: whether only literals of exactly the type asked for will do; unions try this first.
    """

    registry: Registry
    strict: bool = False

    def strictly(self) -> Reader:
        """The same reader, accepting exact types only."""
        return replace(self, strict=True)

    def python(self, literal: core.Literal, python_type: Any, name: str) -> Any:
        """The value of a literal as `python_type`; with Any, as what the literal itself says it is."""
        python_type = unwrap(python_type)
        if literal.offloaded_metadata is not None:
            raise FlyteTypeException(f"{name}: the value is stored outside of the literal (offloaded), fetch it first")
        if python_type is Any or python_type is object:
            return self.by_itself(literal, name)
        converter = self.registry.for_type(python_type, name)
        if not converter.reads_unions and (inner := in_union(literal)) is not None:
            return self.python(inner, python_type, name)
        if plain.is_serialised(literal):
            return converter.from_plain(plain.load(literal, name), python_type, name, self)
        return converter.to_python(literal, python_type, name, self)

    def value(self, value: Any, python_type: Any, name: str) -> Any:
        """A value out of a serialised dict, as `python_type`."""
        python_type = unwrap(python_type)
        if python_type is Any or python_type is object:
            return value
        return self.registry.for_type(python_type, name).from_plain(value, python_type, name, self)

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
        raise FlyteTypeException(f"{name}: reading a literal that holds {literal_kind(literal)} is not supported")

    def guess_or_any(self, literal_type: core.LiteralType) -> Any:
        """The guessed type; Any if some part of it is of a kind that is not supported, as the value may not be."""
        try:
            return self.registry.guess(literal_type)
        except FlyteTypeException:
            return Any


def in_union(literal: core.Literal) -> core.Literal | None:
    """The literal inside of a union; None if it is no union."""
    scalar = literal.scalar
    return scalar.union.value if scalar is not None and scalar.union is not None else None


def _prefix(name: str) -> str:
    return f"{name}: " if name else ""


def kind_of(literal_type: core.LiteralType) -> Kind:
    """What a LiteralType is; an empty text if it is not set at all."""
    name, value = which(literal_type, "type")
    return cast("core.SimpleType", value) if name == "simple" else name


def unwrap(python_type: Any) -> Any:
    """The type without `Annotated`, `NewType` and `type` statements around it."""
    while True:
        if get_origin(python_type) is Annotated:
            python_type = get_args(python_type)[0]
        elif hasattr(python_type, "__supertype__"):
            python_type = python_type.__supertype__
        elif type(python_type).__name__ == "TypeAliasType":
            python_type = python_type.__value__
        elif python_type is None:
            return type(None)
        else:
            return python_type
