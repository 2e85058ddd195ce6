"""None, truth values, numbers and text."""

# ruff: noqa: D102 # what the methods of a converter do is said once, in Converter
from __future__ import annotations

import enum
import numbers
from collections.abc import Callable
from functools import cached_property
from typing import Any, ClassVar

from ..codec.single import single
from ..errors import FlyteValueException
from ..idl import core
from . import plain
from .base import Converter, Registry
from .reading import Reader
from .text import wrong_literal, wrong_type
from .writing import Writer


def none_literal() -> core.Literal:
    """The literal of None."""
    return core.Literal(scalar=core.Scalar(none_type=core.Void()))


class NoneConverter(Converter):
    """None."""

    tag = "none"
    kinds = (core.SimpleType.NONE,)

    def handles(self, python_type: Any) -> bool:
        return python_type is type(None)

    def literal_type(self, python_type: Any, registry: Registry) -> core.LiteralType:
        return core.LiteralType(simple=core.SimpleType.NONE)

    def guess(self, literal_type: core.LiteralType, registry: Registry) -> Any:
        return type(None)

    def to_literal(self, value: Any, expected: core.LiteralType, hint: Any, name: str, writer: Writer) -> core.Literal:
        if value is not None:
            raise wrong_type(name, "None", value)
        return none_literal()

    def to_python(self, literal: core.Literal, python_type: Any, name: str, reader: Reader) -> None:
        scalar = literal.scalar
        if scalar is None or scalar.none_type is None:
            raise wrong_literal(name, "None", literal)

    def to_plain(self, value: Any, python_type: Any, name: str, writer: Writer) -> None:
        if value is not None:
            raise wrong_type(name, "None", value)

    def from_plain(self, value: Any, python_type: Any, name: str, reader: Reader) -> None:
        if value is not None:
            raise wrong_type(name, "None", value)

    def json_schema(self, python_type: Any, registry: Registry) -> dict[str, Any]:
        return {"type": "null"}


class PrimitiveConverter(Converter):
    """What the kinds of `core.Primitive` have in common: one Python type, one field."""

    python_type: ClassVar[type]
    simple: ClassVar[core.SimpleType]
    field: ClassVar[str]
    schema: ClassVar[dict[str, Any]]

    @cached_property
    def _literal(self) -> Callable[[Any], core.Literal]:
        """What makes literals; not made before there is one to make, for it takes the plans of the classes."""
        return single(core.Literal, "scalar", "primitive", self.field)

    def handles(self, python_type: Any) -> bool:
        return python_type is self.python_type

    def literal_type(self, python_type: Any, registry: Registry) -> core.LiteralType:
        return core.LiteralType(simple=self.simple)

    def guess(self, literal_type: core.LiteralType, registry: Registry) -> Any:
        return self.python_type

    def to_literal(self, value: Any, expected: core.LiteralType, hint: Any, name: str, writer: Writer) -> core.Literal:
        return self._literal(self.written(value, name, writer.strict))

    def to_python(self, literal: core.Literal, python_type: Any, name: str, reader: Reader) -> Any:
        scalar = literal.scalar
        value = (
            self.read(scalar.primitive, reader.strict) if scalar is not None and scalar.primitive is not None else None
        )
        if value is None:
            raise wrong_literal(name, self.python_type.__name__, literal)
        return value

    def to_plain(self, value: Any, python_type: Any, name: str, writer: Writer) -> Any:
        return self.written(value, name, writer.strict)

    def from_plain(self, value: Any, python_type: Any, name: str, reader: Reader) -> Any:
        return self.written(value, name, reader.strict)

    def json_schema(self, python_type: Any, registry: Registry) -> dict[str, Any]:
        return dict(self.schema)

    def written(self, value: Any, name: str, strict: bool) -> Any:
        """The value as the field holds it; strictly, or with the conversions that lose nothing.

        Raises:
            FlyteTypeException: it is of another type.
            FlyteValueException: the field cannot hold it.
        """
        raise NotImplementedError

    def read(self, primitive: core.Primitive, strict: bool) -> Any:
        """The value, None if another field is set."""
        return getattr(primitive, self.field)


class IntConverter(PrimitiveConverter):
    """int, within 64 bits; the plain form may use the sign's bit for larger ones."""

    tag = "int"
    python_type = int
    simple = core.SimpleType.INTEGER
    kinds = (simple,)
    field = "integer"
    schema: ClassVar[dict[str, Any]] = {"type": "integer"}

    def written(self, value: Any, name: str, strict: bool) -> int:
        return self._number(value, name, strict, 2**63, "a signed integer of 64 bits")

    def read(self, primitive: core.Primitive, strict: bool) -> int | None:
        if primitive.float_value is not None and not strict:
            return integral(primitive.float_value)
        return primitive.integer

    def to_plain(self, value: Any, python_type: Any, name: str, writer: Writer) -> int:
        return self._number(value, name, writer.strict, 2**64, "64 bits")

    def from_plain(self, value: Any, python_type: Any, name: str, reader: Reader) -> int:
        if isinstance(value, float) and not reader.strict:
            value = integral(value) if integral(value) is not None else value
        return self._number(value, name, reader.strict, 2**64, "64 bits")

    def _number(self, value: Any, name: str, strict: bool, end: int, what: str) -> int:
        if type(value) is int:
            number = value
        elif isinstance(value, bool) or not isinstance(value, int if strict else numbers.Integral):
            raise wrong_type(name, "int", value)
        else:
            number = int(value)
        if not -(2**63) <= number < end:
            raise FlyteValueException(f"{name}: the number does not fit into {what}")
        return number


class FloatConverter(PrimitiveConverter):
    """float; an int is taken for one, as everywhere in Python."""

    tag = "float"
    python_type = float
    simple = core.SimpleType.FLOAT
    kinds = (simple,)
    field = "float_value"
    schema: ClassVar[dict[str, Any]] = {"type": "number"}

    def written(self, value: Any, name: str, strict: bool) -> float:
        if type(value) is float:
            return value
        if isinstance(value, bool) or not isinstance(value, float if strict else numbers.Real):
            raise wrong_type(name, "float", value)
        try:
            return float(value)
        except OverflowError:
            raise FlyteValueException(f"{name}: the number is too large for a float") from None

    def read(self, primitive: core.Primitive, strict: bool) -> float | None:
        if primitive.integer is not None and not strict:
            return float(primitive.integer)
        return primitive.float_value

    def from_plain(self, value: Any, python_type: Any, name: str, reader: Reader) -> float:
        # JSON has no other way to say them.
        if isinstance(value, str) and value in ("NaN", "Infinity", "-Infinity"):
            return float(value)
        return self.written(value, name, reader.strict)


class BoolConverter(PrimitiveConverter):
    """bool, which is no int here."""

    tag = "bool"
    python_type = bool
    simple = core.SimpleType.BOOLEAN
    kinds = (simple,)
    field = "boolean"
    schema: ClassVar[dict[str, Any]] = {"type": "boolean"}

    def written(self, value: Any, name: str, strict: bool) -> bool:
        if not isinstance(value, bool):
            raise wrong_type(name, "bool", value)
        return value


class StrConverter(PrimitiveConverter):
    """str; a member of an enum of texts is taken for its value."""

    tag = "str"
    python_type = str
    simple = core.SimpleType.STRING
    kinds = (simple,)
    field = "string_value"
    schema: ClassVar[dict[str, Any]] = {"type": "string"}

    def written(self, value: Any, name: str, strict: bool) -> str:
        if isinstance(value, enum.Enum) and not strict:
            value = value.value
        if not isinstance(value, str) or isinstance(value, enum.Enum):
            raise wrong_type(name, "str", value)
        return plain.utf8(value, name)


def integral(value: float) -> int | None:
    """The int that a float is equal to; None if there is none."""
    return int(value) if value.is_integer() else None
