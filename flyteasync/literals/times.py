"""Points in time, and durations."""

# ruff: noqa: D102 # what the methods of a converter do is said once, in Converter
from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, ClassVar

from ..errors import FlyteValueException
from ..idl import core
from .reading import Reader
from .scalars import PrimitiveConverter
from .text import short_repr, wrong_type
from .writing import Writer

MAX_DURATION = timedelta(seconds=315_576_000_000)
"""What a protobuf Duration may hold, about 10,000 years either way."""

_ISO_DURATION = re.compile(
    r"(?P<sign>[+-]?)P(?:(?P<weeks>[\d.]+)W)?(?:(?P<days>[\d.]+)D)?"
    r"(?:T(?:(?P<hours>[\d.]+)H)?(?:(?P<minutes>[\d.]+)M)?(?:(?P<seconds>[\d.]+)S)?)?"
)


class DatetimeConverter(PrimitiveConverter):
    """datetime: aware and in UTC as a variable, where a naive one is taken as UTC; as it is in the plain form."""

    tag = "datetime"
    python_type = datetime
    simple = core.SimpleType.DATETIME
    kinds = (simple,)
    field = "datetime"
    schema: ClassVar[dict[str, Any]] = {"type": "string", "format": "date-time"}

    def written(self, value: Any, name: str, strict: bool) -> datetime:
        if not isinstance(value, datetime):
            raise wrong_type(name, "datetime", value)
        return utc(value, name)

    def read(self, primitive: core.Primitive, strict: bool) -> datetime | None:
        value = primitive.datetime
        return None if value is None else utc(value, "value")

    def to_plain(self, value: Any, python_type: Any, name: str, writer: Writer) -> str:
        self.written(value, name, writer.strict)
        return value.isoformat()

    def from_plain(self, value: Any, python_type: Any, name: str, reader: Reader) -> datetime:
        return from_iso(datetime, value, name) if isinstance(value, str) else self.written(value, name, reader.strict)


class DateConverter(PrimitiveConverter):
    """date, which travels as midnight UTC of the day."""

    tag = "date"
    python_type = date
    simple = core.SimpleType.DATETIME
    kinds = (simple,)
    field = "datetime"
    schema: ClassVar[dict[str, Any]] = {"type": "string", "format": "date"}

    def written(self, value: Any, name: str, strict: bool) -> datetime:
        return datetime.combine(self._date(value, name), time.min, UTC)

    def read(self, primitive: core.Primitive, strict: bool) -> date | None:
        value = primitive.datetime
        return None if value is None else utc(value, "value").date()

    def to_plain(self, value: Any, python_type: Any, name: str, writer: Writer) -> str:
        return self._date(value, name).isoformat()

    def from_plain(self, value: Any, python_type: Any, name: str, reader: Reader) -> date:
        return from_iso(date, value, name) if isinstance(value, str) else self._date(value, name)

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
    schema: ClassVar[dict[str, Any]] = {"type": "number", "format": "time-delta"}

    def written(self, value: Any, name: str, strict: bool) -> timedelta:
        if not isinstance(value, timedelta):
            raise wrong_type(name, "timedelta", value)
        if abs(value) > MAX_DURATION:
            raise FlyteValueException(f"{name}: the duration is longer than 10,000 years")
        return timedelta(value.days, value.seconds, value.microseconds)

    def to_plain(self, value: Any, python_type: Any, name: str, writer: Writer) -> float:
        return self.written(value, name, writer.strict).total_seconds()

    def from_plain(self, value: Any, python_type: Any, name: str, reader: Reader) -> timedelta:
        if isinstance(value, str):
            return from_iso_duration(value, name)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            try:
                return timedelta(seconds=value)
            except OverflowError:
                raise FlyteValueException(f"{name}: the duration is too long for a timedelta") from None
        return self.written(value, name, reader.strict)


def utc(value: datetime, name: str) -> datetime:
    """The same moment in UTC; naive ones are taken as UTC, those of subclasses become plain ones."""
    try:
        plain_value = value if type(value) is datetime else datetime.combine(value.date(), value.timetz())
        return plain_value.replace(tzinfo=UTC) if plain_value.tzinfo is None else plain_value.astimezone(UTC)
    except (OverflowError, ValueError):  # the latter for what is no moment at all, such as pandas' NaT
        raise FlyteValueException(f"{name}: the datetime is not between the years 1 and 9999 in UTC") from None


def from_iso(kind: Any, value: str, name: str) -> Any:
    """The date, time or datetime that a text says.

    Raises:
        FlyteValueException: it says none.
    """
    try:
        return kind.fromisoformat(value)
    except ValueError as error:
        raise FlyteValueException(f"{name}: {short_repr(value)} is not an ISO 8601 {kind.__name__}") from error


def from_iso_duration(value: str, name: str) -> timedelta:
    """The duration that a text such as `P1DT2H3.5S` says, as pydantic writes them.

    Raises:
        FlyteValueException: it says none, or one too long.
    """
    match = _ISO_DURATION.fullmatch(value)
    parts = {key: part for key, part in match.groupdict().items() if part and key != "sign"} if match else {}
    if match is None or not parts:
        raise FlyteValueException(f"{name}: {short_repr(value)} is not an ISO 8601 duration")
    try:
        duration = timedelta(**{key: float(part) for key, part in parts.items()})
    except (OverflowError, ValueError):
        raise FlyteValueException(f"{name}: {short_repr(value)} is not a duration that a timedelta holds") from None
    return -duration if match["sign"] == "-" else duration
