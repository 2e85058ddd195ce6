"""The types of values that are messages on the wire: messages themselves, times, and the wrappers around scalars."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import betterproto2 as bp

from ..errors import FlyteDecodeError, FlyteValueException
from . import times
from .decoder import build, reason
from .encoder import flatten
from .lazy import Exact, touch
from .plan import Nested, Pieces, Plan
from .scalars import SCALARS, Scalar
from .wire import LEN, MAX_DEPTH, too_deep, varint


class MessageType:
    """Messages of one class.

    Classes refer to each other, so which class it is is found out when a message of it is first read or written.
    """

    __slots__ = ("_find", "_plan", "dump", "load")

    def __init__(self, find: Callable[[], Plan]) -> None:
        self._find = find
        self._plan: Plan | None = None
        self.load: Callable[[Pieces, int], Any] = lambda pieces, depth: build(self.plan, pieces, depth)
        self.dump: Callable[[Any, int], bytes] = lambda message, depth: flatten(self.plan, message, depth)

    @property
    def plan(self) -> Plan:
        """The plan of the class."""
        if self._plan is None:
            self._plan = plan = self._find()
            self.load, self.dump = partial(build, plan), partial(flatten, plan)
        return self._plan

    @property
    def expected(self) -> str:
        """What `dump` accepts."""
        return f"a message of type {self.plan.cls.__name__}"


class TimeType:
    """Timestamp or Duration, seen as `datetime` or `timedelta`."""

    __slots__ = ("_to_python", "_where", "expected", "name", "numbers")

    def __init__(self, name: str, where: str) -> None:
        self.name = name
        self._where = where
        if name == "Timestamp":
            self._to_python, self.numbers = times.to_datetime, times.from_datetime
            self.expected = "a datetime with a time zone"
        else:
            self._to_python, self.numbers = times.to_timedelta, times.from_timedelta
            self.expected = "a timedelta"

    def load(self, pieces: Pieces, depth: int) -> datetime.datetime | datetime.timedelta:
        """The value, cut to microseconds."""
        value = self.load_exact(pieces, depth)
        return value.value if isinstance(value, Exact) else value

    def load_exact(self, pieces: Pieces, depth: int) -> datetime.datetime | datetime.timedelta | Exact:
        """The value; together with its bytes if these say more."""
        try:
            seconds, nanos, whole = times.read_seconds(pieces, depth)
        except (IndexError, ValueError) as error:
            raise FlyteDecodeError(f"{self._where}: {reason(error)}") from error
        try:
            value = self._to_python(seconds, nanos)
        except OverflowError as error:
            text = f"{self._where}: a {self.name} of {seconds} seconds, which Python has no value for"
            raise FlyteDecodeError(text) from error
        if whole and not nanos % 1000 and times.is_normal(self.name, seconds, nanos):
            return value
        return Exact(value, pieces if isinstance(pieces, bytes) else b"".join(pieces))

    def dump(self, value: Any, depth: int) -> bytes:
        """Its two numbers."""
        if depth > MAX_DEPTH:
            raise FlyteValueException(f"{self._where}: {too_deep()}")
        return times.dump_seconds(*self.numbers(value))


WRAPPERS: Final = {
    "BoolValue": bp.TYPE_BOOL,
    "BytesValue": bp.TYPE_BYTES,
    "DoubleValue": bp.TYPE_DOUBLE,
    "FloatValue": bp.TYPE_FLOAT,
    "Int32Value": bp.TYPE_INT32,
    "Int64Value": bp.TYPE_INT64,
    "StringValue": bp.TYPE_STRING,
    "UInt32Value": bp.TYPE_UINT32,
    "UInt64Value": bp.TYPE_UINT64,
}
"""The messages of google.protobuf that hold one scalar, which tells "not set" from zero."""


class WrapperType:
    """A message around a scalar, seen as the scalar."""

    __slots__ = ("_message", "_tag", "_where", "expected", "scalar")

    def __init__(self, name: str, where: str, find: Callable[[], Plan]) -> None:
        self._where = where
        self.scalar = SCALARS[WRAPPERS[name]]
        self.expected = self.scalar.expected
        self._message = MessageType(find)
        self._tag = varint(1 << 3 | self.scalar.wire)

    def load(self, pieces: Pieces, depth: int) -> Any:
        """The scalar."""
        return self._message.load(pieces, depth).value

    def dump(self, value: Any, depth: int) -> bytes:
        """The wrapper around a scalar; empty around zero."""
        if depth > MAX_DEPTH:
            raise FlyteValueException(f"{self._where}: {too_deep()}")
        data = self.scalar.dump(value)
        if data == self.scalar.dump(self.scalar.default):
            return b""
        return self._tag + (varint(len(data)) if self.scalar.wire == LEN else b"") + data


class ListType:
    """Lists of messages, times or wrappers."""

    __slots__ = ("_item",)

    def __init__(self, item: Nested) -> None:
        self._item = item

    def load(self, pieces: list[bytes], depth: int) -> list[Any]:
        """One item a piece."""
        load = self._item.load
        return [load(piece, depth) for piece in pieces]


_KEY_TAG = 1 << 3 | LEN
_VALUE_TAG = 2 << 3 | LEN


class MapType:
    """Maps, which on the wire are lists of messages {key = 1; value = 2} of which the last one with a key counts."""

    __slots__ = ("_entry", "_has_plain_entries", "_key", "_value", "_value_is_text")

    def __init__(self, entry: Plan, key: Scalar, value: Scalar | Nested) -> None:
        self._entry = entry
        self._key = key
        self._value = value
        self._has_plain_entries = key.default == "" and (not isinstance(value, Scalar) or value.wire == LEN)
        self._value_is_text = isinstance(value, Scalar) and value.default == ""

    def load(self, pieces: list[bytes], depth: int) -> dict[Any, Any]:
        """One item a piece; a key or value that is missing is zero or an empty message."""
        type_ = self._value
        result: dict[Any, Any] = {}
        for piece in pieces:
            key, value = (self._plain(piece) if depth <= MAX_DEPTH else None) or self._any(piece, depth)
            if isinstance(type_, Scalar):
                result[key] = value
                continue
            if key in result:
                touch(result[key])  # nobody will read it any more: the last chance to find that it is malformed
            result[key] = type_.load(value, depth + 1)
        return result

    def _any(self, piece: bytes, depth: int) -> tuple[Any, Any]:
        """The key and the value of an entry, a message not yet loaded."""
        message = build(self._entry, piece, depth)
        fields: dict[str, Any] = message.__dict__
        key = fields.get("key", self._key.default)
        if isinstance(self._value, Scalar):
            return key, fields.get("value", self._value.default)
        return key, message._raw["value"] if message._raw else b""

    def _plain(self, piece: bytes) -> tuple[str, Any] | None:
        """The same, for an entry that has just what most have, a short string and then something with a length."""
        if not self._has_plain_entries or len(piece) < 4 or piece[0] != _KEY_TAG:
            return None
        middle = piece[1] + 2
        if middle > 129 or middle + 2 > len(piece) or piece[middle] != _VALUE_TAG:
            return None
        start, size = middle + 2, piece[middle + 1]
        if size > 127:
            if start == len(piece) or piece[start] > 127:
                return None
            start, size = start + 1, size + (piece[start] << 7) - 128
        if start + size != len(piece):
            return None
        try:
            key = piece[2:middle].decode()
            return key, piece[start:].decode() if self._value_is_text else piece[start:]
        except UnicodeDecodeError:
            return None
