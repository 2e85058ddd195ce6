"""Types of a few values: enums, and `typing.Literal`."""

# ruff: noqa: D102 # what the methods of a converter do is said once, in Converter
from __future__ import annotations

import enum
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Literal, cast, get_args, get_origin

from ..errors import FlyteTypeException, FlyteValueException
from ..idl import core
from . import plain
from .base import Converter, Registry
from .reading import Reader
from .text import python_type_text, short_repr, type_text, wrong_literal, wrong_type
from .writing import Writer


class EnumConverter(Converter):
    """An Enum whose values are texts; the text itself is accepted in place of a member."""

    tag = "DefaultEnumTransformer"
    kinds = ("enum_type",)

    def handles(self, python_type: Any) -> bool:
        return isinstance(python_type, type) and issubclass(python_type, enum.Enum)

    def literal_type(self, python_type: Any, registry: Registry) -> core.LiteralType:
        values = members(python_type)
        if not values or not all(isinstance(value, str) for value in values):
            raise FlyteTypeException(f"{python_type.__name__}: only an Enum whose values are str has a Flyte type")
        return core.LiteralType(enum_type=core.EnumType(values=[str.__str__(value) for value in values]))

    def guess(self, literal_type: core.LiteralType, registry: Registry) -> Any:
        assert literal_type.enum_type is not None
        return dynamic_enum(tuple(literal_type.enum_type.values))

    def to_literal(self, value: Any, expected: core.LiteralType, hint: Any, name: str, writer: Writer) -> core.Literal:
        assert expected.enum_type is not None
        values = list(expected.enum_type.values)
        if writer.strict and not (isinstance(value, enum.Enum) and members(type(value)) == values):
            raise wrong_type(name, type_text(expected), value)
        text = value.value if isinstance(value, enum.Enum) else value
        if not isinstance(text, str):
            raise wrong_type(name, type_text(expected), value)
        if text not in values:
            raise FlyteValueException(f"{name}: {short_repr(text)} is not one of {', '.join(map(repr, values))}")
        primitive = core.Primitive(string_value=str.__str__(text))
        return core.Literal(scalar=core.Scalar(primitive=primitive))

    def to_python(self, literal: core.Literal, python_type: Any, name: str, reader: Reader) -> Any:
        scalar = literal.scalar
        text = scalar.primitive.string_value if scalar is not None and scalar.primitive is not None else None
        if text is None:
            raise wrong_literal(name, python_type_text(python_type), literal)
        return self.from_plain(text, python_type, name, reader)

    def to_plain(self, value: Any, python_type: Any, name: str, writer: Writer) -> Any:
        return self.from_plain(value, python_type, name, Reader(writer.registry)).value

    def from_plain(self, value: Any, python_type: Any, name: str, reader: Reader) -> Any:
        try:
            return python_type(value)
        except (ValueError, TypeError):
            known = ", ".join(map(repr, members(python_type)))
            raise FlyteValueException(f"{name}: {short_repr(value)} is not one of {known}") from None

    def json_schema(self, python_type: Any, registry: Registry) -> dict[str, Any]:
        return {"enum": members(python_type)}


def members(enum_type: Any) -> list[Any]:
    """The values of an Enum class, in order."""
    return [member.value for member in cast("type[enum.Enum]", enum_type)]


@lru_cache(maxsize=256)
def dynamic_enum(values: tuple[str, ...]) -> type[enum.Enum]:
    """The Enum that stands in for one that only the task's code knows.

    Its members are texts too, so they compare to plain ones. Equal values give one class.
    """
    names: dict[str, str] = {}
    for value in values:
        name = f"value{value}" if value.startswith("_") or value in ("", "mro", "name", "value") else value
        while name in names or (name != value and name in values):
            name += "_"
        names[name] = value
    return cast("type[enum.Enum]", enum.Enum("DynamicEnum", names, type=str))


LITERAL_VALUES = "literal_values"
"""The key of a LiteralType's annotation under which the values of a `typing.Literal` stand."""


class LiteralConverter(Converter):
    """typing.Literal, of values of one type."""

    tag = "LiteralTypeTransformer"
    kinds = (
        core.SimpleType.STRING,
        core.SimpleType.INTEGER,
        core.SimpleType.FLOAT,
        core.SimpleType.BOOLEAN,
        core.SimpleType.DATETIME,
        core.SimpleType.DURATION,
    )

    def claims(self, literal_type: core.LiteralType) -> bool:
        return bool(_values(literal_type))

    def handles(self, python_type: Any) -> bool:
        return get_origin(python_type) is Literal

    def literal_type(self, python_type: Any, registry: Registry) -> core.LiteralType:
        values = get_args(python_type)
        base = _base(python_type)
        if base not in (str, int, float, bool, datetime, timedelta):
            raise FlyteTypeException(
                f"{python_type_text(python_type)} has no Flyte type: its values must be of one type"
            )
        annotations = plain.struct_of({LITERAL_VALUES: list(values)})
        kind = registry.literal_type(base)
        return core.LiteralType(simple=kind.simple, annotation=core.TypeAnnotation(annotations=annotations))

    def guess(self, literal_type: core.LiteralType, registry: Registry) -> Any:
        base = registry.guess(core.LiteralType(simple=literal_type.simple))
        # Numbers of an annotation are floats, whatever they were.
        values = tuple(base(value) if base in (int, float) else value for value in _values(literal_type))
        return cast("Any", Literal)[values] if all(isinstance(value, base) for value in values) else base

    def to_literal(self, value: Any, expected: core.LiteralType, hint: Any, name: str, writer: Writer) -> core.Literal:
        python_type = hint if self.handles(hint) else self.guess(expected, writer.registry)
        if self.handles(python_type):
            value = self.from_plain(value, python_type, name, Reader(writer.registry))
        simple = core.LiteralType(simple=expected.simple)
        return writer.literal(value, simple, Any, name)

    def to_python(self, literal: core.Literal, python_type: Any, name: str, reader: Reader) -> Any:
        return self.from_plain(reader.python(literal, _base(python_type) or Any, name), python_type, name, reader)

    def to_plain(self, value: Any, python_type: Any, name: str, writer: Writer) -> Any:
        return writer.plain(self.from_plain(value, python_type, name, Reader(writer.registry)), type(value), name)

    def from_plain(self, value: Any, python_type: Any, name: str, reader: Reader) -> Any:
        for known in get_args(python_type):
            same = type(known) is type(value) or (isinstance(value, float) and isinstance(known, int))
            if same and not (isinstance(known, bool) and isinstance(value, float)) and known == value:
                return known
        known = ", ".join(map(repr, get_args(python_type)))
        raise FlyteValueException(f"{name}: {short_repr(value)} is not one of {known}")

    def json_schema(self, python_type: Any, registry: Registry) -> dict[str, Any]:
        values = list(get_args(python_type))
        return {"const": values[0]} if len(values) == 1 else {"enum": values}


def _values(literal_type: core.LiteralType) -> list[Any]:
    """The values that a LiteralType is annotated with."""
    annotation = literal_type.annotation
    entries = annotation.annotations if annotation is not None else None
    values = plain.dict_of(entries).get(LITERAL_VALUES) if entries is not None else None
    return cast("list[Any]", values) if isinstance(values, list) else []


def _base(python_type: Any) -> Any:
    """The type that all the values have; None if they have several."""
    kinds: set[type[Any]] = {type(value) for value in get_args(python_type)}
    return kinds.pop() if len(kinds) == 1 else None
