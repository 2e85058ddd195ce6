"""None, numbers, text, points in time and enums."""

# ruff: noqa: D102 # what the methods of a converter do is said once, in Converter
from __future__ import annotations

import enum
import math
import numbers
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, ClassVar, cast

from ..errors import FlyteTypeException, FlyteValueException
from ..idl import core
from . import plain
from .base import Converter, Reader, Registry, Writer
from .text import python_type_text, short_repr, type_text, wrong_literal, wrong_type

MAX_DURATION = timedelta(seconds=315_576_000_000)
"""What a protobuf Duration may hold, about 10,000 years either way."""


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


class PrimitiveConverter(Converter):
    """What the kinds of `core.Primitive` have in common: one Python type, one field."""

    python_type: ClassVar[type]
    simple: ClassVar[core.SimpleType]
    field: ClassVar[str]

    def handles(self, python_type: Any) -> bool:
        return python_type is self.python_type

    def literal_type(self, python_type: Any, registry: Registry) -> core.LiteralType:
        return core.LiteralType(simple=self.simple)

    def guess(self, literal_type: core.LiteralType, registry: Registry) -> Any:
        return self.python_type

    def to_literal(self, value: Any, expected: core.LiteralType, hint: Any, name: str, writer: Writer) -> core.Literal:
        primitive = core.Primitive(**{self.field: self.written(value, name, writer.strict)})
        return core.Literal(scalar=core.Scalar(primitive=primitive))

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
    """int, within 64 bits."""

    tag = "int"
    python_type = int
    simple = core.SimpleType.INTEGER
    kinds = (simple,)
    field = "integer"

    def written(self, value: Any, name: str, strict: bool) -> int:
        if isinstance(value, bool) or not isinstance(value, int if strict else numbers.Integral):
            raise wrong_type(name, "int", value)
        number = int(value)
        if not -(2**63) <= number < 2**63:
            raise FlyteValueException(f"{name}: the number does not fit into a signed integer of 64 bits")
        return number

    def read(self, primitive: core.Primitive, strict: bool) -> int | None:
        if primitive.float_value is not None and not strict:
            return integral(primitive.float_value)
        return primitive.integer

    def from_plain(self, value: Any, python_type: Any, name: str, reader: Reader) -> int:
        if isinstance(value, float) and not reader.strict:
            value = integral(value) if integral(value) is not None else value
        return self.written(value, name, reader.strict)


class FloatConverter(PrimitiveConverter):
    """float; an int is taken for one, as everywhere in Python."""

    tag = "float"
    python_type = float
    simple = core.SimpleType.FLOAT
    kinds = (simple,)
    field = "float_value"

    def written(self, value: Any, name: str, strict: bool) -> float:
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


class BoolConverter(PrimitiveConverter):
    """bool, which is no int here."""

    tag = "bool"
    python_type = bool
    simple = core.SimpleType.BOOLEAN
    kinds = (simple,)
    field = "boolean"

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

    def written(self, value: Any, name: str, strict: bool) -> str:
        if isinstance(value, enum.Enum) and not strict:
            value = value.value
        if not isinstance(value, str) or isinstance(value, enum.Enum):
            raise wrong_type(name, "str", value)
        return plain.utf8(value, name)


class DatetimeConverter(PrimitiveConverter):
    """datetime, always aware when read; a naive one is taken as UTC, as flytekit takes it."""

    tag = "datetime"
    python_type = datetime
    simple = core.SimpleType.DATETIME
    kinds = (simple,)
    field = "datetime"

    def written(self, value: Any, name: str, strict: bool) -> datetime:
        if not isinstance(value, datetime):
            raise wrong_type(name, "datetime", value)
        return utc(value, name)

    def read(self, primitive: core.Primitive, strict: bool) -> datetime | None:
        value = primitive.datetime
        return None if value is None else utc(value, "value")

    def to_plain(self, value: Any, python_type: Any, name: str, writer: Writer) -> str:
        return self.written(value, name, writer.strict).isoformat()

    def from_plain(self, value: Any, python_type: Any, name: str, reader: Reader) -> datetime:
        if isinstance(value, str):
            return utc(_from_iso(datetime, value, name), name)
        return self.written(value, name, reader.strict)


class DateConverter(PrimitiveConverter):
    """date, which travels as midnight UTC of the day."""

    tag = "date"
    python_type = date
    simple = core.SimpleType.DATETIME
    kinds = (simple,)
    field = "datetime"

    def written(self, value: Any, name: str, strict: bool) -> datetime:
        return datetime.combine(self._date(value, name), time.min, UTC)

    def read(self, primitive: core.Primitive, strict: bool) -> date | None:
        value = primitive.datetime
        return None if value is None else utc(value, "value").date()

    def to_plain(self, value: Any, python_type: Any, name: str, writer: Writer) -> str:
        return self._date(value, name).isoformat()

    def from_plain(self, value: Any, python_type: Any, name: str, reader: Reader) -> date:
        return _from_iso(date, value, name) if isinstance(value, str) else self._date(value, name)

    def _date(self, value: Any, name: str) -> date:
        if not isinstance(value, date) or isinstance(value, datetime):
            raise wrong_type(name, "date", value)
        return value


class TimedeltaConverter(PrimitiveConverter):
    """timedelta."""

    tag = "timedelta"
    python_type = timedelta
    simple = core.SimpleType.DURATION
    kinds = (simple,)
    field = "duration"

    def written(self, value: Any, name: str, strict: bool) -> timedelta:
        if not isinstance(value, timedelta):
            raise wrong_type(name, "timedelta", value)
        if abs(value) > MAX_DURATION:
            raise FlyteValueException(f"{name}: the duration is longer than 10,000 years")
        return timedelta(value.days, value.seconds, value.microseconds)

    def to_plain(self, value: Any, python_type: Any, name: str, writer: Writer) -> float:
        return self.written(value, name, writer.strict).total_seconds()

    def from_plain(self, value: Any, python_type: Any, name: str, reader: Reader) -> timedelta:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            try:
                return timedelta(seconds=value)
            except OverflowError:
                raise FlyteValueException(f"{name}: the duration is too long for a timedelta") from None
        return self.written(value, name, reader.strict)


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
        except ValueError:
            known = ", ".join(map(repr, members(python_type)))
            raise FlyteValueException(f"{name}: {short_repr(value)} is not one of {known}") from None


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


def integral(value: float) -> int | None:
    """The int that a float is equal to; None if there is none."""
    return int(value) if value.is_integer() else None


def utc(value: datetime, name: str) -> datetime:
    """The same moment in UTC; naive ones are taken as UTC, those of subclasses become plain ones."""
    try:
        plain_value = value if type(value) is datetime else datetime.combine(value.date(), value.timetz())
        return plain_value.replace(tzinfo=UTC) if plain_value.tzinfo is None else plain_value.astimezone(UTC)
    except (OverflowError, ValueError):  # the latter for what is no moment at all, such as pandas' NaT
        raise FlyteValueException(f"{name}: the datetime is not between the years 1 and 9999 in UTC") from None


def _from_iso(kind: Any, value: str, name: str) -> Any:
    try:
        return kind.fromisoformat(value)
    except ValueError as error:
        raise FlyteValueException(f"{name}: {short_repr(value)} is not an ISO 8601 {kind.__name__}") from error
