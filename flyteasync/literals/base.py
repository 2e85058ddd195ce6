"""What conversions are made of: one converter per family of types, and the registry that finds them.

A converter never looks for its fellows: it asks the writer or the reader that it is given, so that containers of
anything work, and so that new converters only have to be listed in a registry.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, cast, get_args, get_origin

from ..errors import FlyteTypeException
from ..idl import core
from .text import python_type_text, type_text, which, wrong_type

if TYPE_CHECKING:
    from .reading import Reader
    from .writing import Writer

TYPES_KEPT = 1024
"""Types whose converters are remembered."""

Kind = core.SimpleType | str
"""What tells LiteralTypes apart: the simple type, else the name of the member that is set."""


class Converter(ABC):
    """One family of Python types, and how it looks as a literal.

    `name` is the variable's, with the path into containers; every error must begin with it.

    A family has up to two forms: the literal of a variable, and the plain form in which its values stand inside of
    something serialised (a dataclass, a pydantic model, an untyped dict), which is made of what msgpack and JSON know.
    """

    tag: ClassVar[str]
    """The name that flytekit marks this family's variants of a union with."""

    kinds: ClassVar[tuple[Kind, ...]]
    """The kinds of LiteralType that values of this family are written for; none if it has the plain form only."""

    reads_unions: ClassVar[bool] = False
    """Whether `to_python` wants the union around a literal; else it gets what is inside."""

    reads_serialised: ClassVar[bool] = False
    """Whether `to_python` gets serialised literals, too; else `from_plain` gets what is in them."""

    reads_annotations: ClassVar[bool] = False
    """Whether types come with the `Annotated` around them; `handles` never gets it."""

    def claims(self, literal_type: core.LiteralType) -> bool:
        """Whether no other family writes for that LiteralType, whatever the value's type is."""
        return False

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
        """The value in its plain form."""
        raise FlyteTypeException(f"{name}: {python_type_text(python_type)} cannot be put into an untyped dict")

    def from_plain(self, value: Any, python_type: Any, name: str, reader: Reader) -> Any:
        """The value out of its plain form."""
        raise wrong_type(name, python_type_text(python_type), value)

    def json_schema(self, python_type: Any, registry: Registry) -> dict[str, Any]:
        """The JSON schema of the plain form, worded as flytekit words it; empty is anything."""
        return {}


class Registry:
    """Finds the converter for a Python type or a LiteralType; of several that would do, the first one listed."""

    def __init__(self, converters: Iterable[Converter]) -> None:
        self._converters = tuple(converters)
        self._within: tuple[Any, ...] = ()
        self._find = lru_cache(maxsize=TYPES_KEPT)(self._search)
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
        try:
            found = self._find(python_type)
        except TypeError:  # an argument of a generic type that has no hash
            found = self._find.__wrapped__(python_type)
        if found is not None:
            return found
        raise FlyteTypeException(
            f"{_prefix(name)}{python_type_text(python_type)} has no Flyte type; "
            "such values travel as pickles, which are FlytePickle here"
        )

    def _search(self, python_type: Any) -> Converter | None:
        return next((converter for converter in self._converters if converter.handles(python_type)), None)

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
        for converter in candidates:
            if converter.claims(literal_type):
                return converter
        if literal_type.structure is not None:
            for converter in candidates:
                if converter.tag == literal_type.structure.tag:
                    return converter
        for converter in candidates:
            if converter.handles(python_type):
                return converter
        return candidates[0]

    def literal_type(self, python_type: Any) -> core.LiteralType:
        """The LiteralType of a Python type."""
        converter = self.for_type(python_type)
        return converter.literal_type(python_type if converter.reads_annotations else unwrap(python_type), self)

    def guess(self, literal_type: core.LiteralType) -> Any:
        """The Python type that a LiteralType is read as."""
        return self.for_literal_type(literal_type).guess(literal_type, self)

    def json_schema(self, python_type: Any) -> dict[str, Any]:
        """The JSON schema of the plain form of a type.

        Raises:
            FlyteTypeException: no converter handles it.
        """
        python_type = unwrap(python_type)
        return self.for_type(python_type).json_schema(python_type, self)

    def inside(self, python_type: Any) -> Registry:
        """The same registry, for what a type consists of.

        Raises:
            FlyteTypeException: the type consists of itself, which neither schemas nor LiteralTypes can say.
        """
        if python_type in self._within:
            raise FlyteTypeException(f"{python_type_text(python_type)} contains itself")
        inner = copy.copy(self)
        inner._within = (*self._within, python_type)
        return inner


def _prefix(name: str) -> str:
    return f"{name}: " if name else ""


def kind_of(literal_type: core.LiteralType) -> Kind:
    """What a LiteralType is; an empty text if it is not set at all."""
    if literal_type.simple is not None:  # as most are
        return literal_type.simple
    return which(literal_type, "type")[0]


def unwrap(python_type: Any) -> Any:
    """The type without `Annotated`, `NewType` and `type` statements around it."""
    while type(python_type) is not type:  # a plain class, as most types are, has nothing around it
        if get_origin(python_type) is Annotated:
            python_type = get_args(python_type)[0]
        elif hasattr(python_type, "__supertype__"):
            python_type = python_type.__supertype__
        elif type(python_type).__name__ == "TypeAliasType":
            python_type = python_type.__value__
        elif python_type is None:
            return type(None)
        else:
            break
    return python_type


def annotations_of(python_type: Any) -> tuple[Any, ...]:
    """What `Annotated` attaches to a type."""
    return cast("tuple[Any, ...]", python_type.__metadata__) if get_origin(python_type) is Annotated else ()
