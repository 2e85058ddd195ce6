"""From a message to bytes.

What was read or set is in a message's `__dict__` and is written by its class's table; what was never touched is still
in `_raw` and is written as it came.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any, Final, cast

from ..errors import FlyteError, FlyteTypeException, FlyteValueException
from .lazy import Exact
from .plan import NUMBER, OTHER, SUB, TEXT, Nested, Plan, Write
from .scalars import Scalar
from .wire import LEN, MAX_DEPTH, SMALL, too_deep, varint

BAD_TYPE: Final = (TypeError, AttributeError, struct.error)
BAD_VALUE: Final = (OverflowError, ValueError)
"""What dumping a value raises that is not allowed, before it is put into words."""


def flatten(plan: Plan, message: Any, depth: int) -> bytes:
    """The bytes of a message of a plan's class.

    Raises:
        TypeError: it is something else.
        FlyteTypeException: a field holds a value of another type than its own.
        FlyteValueException: a number is out of range, or two members of a oneof are set.
    """
    if message.__class__ is not plan.cls and not isinstance(message, plan.cls):
        raise TypeError
    if depth > MAX_DEPTH:
        raise FlyteValueException(f"{plan.cls.__name__}: {too_deep()}")
    raw = message._raw
    if raw is not None:
        raw = raw.copy()  # before looking at `fields`: another thread may move a value from here to there
    fields = message.__dict__
    writers = plan.writers
    if raw is None:
        if len(fields) == 1:  # as most messages that literals are made of: what else it might have need not be asked
            (name,) = fields
            writers = plan.writers_of.get(name, ())
    elif len(raw) == 1 and not fields:
        (name,) = raw
        writers = plan.writers_of[name]
    members: dict[str, str] | None = None
    out: list[bytes] = []
    name = ""
    try:
        for name, kind, explicit, tag, dump, group in writers:
            if name in fields:
                value = fields[name]
                if value is None or not (explicit or value):
                    continue
                if kind == NUMBER:
                    out.append(tag)
                    out.append(dump(value))
                elif kind == OTHER:
                    dump(value, out.append, depth)
                else:
                    if kind == TEXT:
                        data = dump(value)
                    elif kind == SUB:
                        data = dump.dump(value, depth + 1)
                    else:
                        data = _time(message, name, dump, value, depth + 1)
                    size = len(data)
                    out.append(tag)
                    out.append(SMALL[size] if size < 128 else varint(size))
                    out.append(data)
            elif raw is not None and name in raw:
                data = raw[name]
                if isinstance(data, bytes):
                    size = len(data)
                    out.append(tag)
                    out.append(SMALL[size] if size < 128 else varint(size))
                    out.append(data)
                else:
                    _append_pieces(tag, data, out)
            else:
                continue
            if group is not None:
                if members is None:
                    members = {group: name}
                elif group in members:
                    raise FlyteValueException(two_members(plan.cls, group, members[group], name))
                else:
                    members[group] = name
    except FlyteError:
        raise
    except BAD_TYPE as error:
        raise FlyteTypeException(complaint(plan, name, fields[name])) from error
    except BAD_VALUE as error:
        raise FlyteValueException(complaint(plan, name, fields[name])) from error
    if "_unknown_fields" in fields:
        out.append(fields["_unknown_fields"])
    return b"".join(out)


def _time(message: Any, name: str, type_: Nested, value: Any, depth: int) -> bytes:
    """The bytes of a time: those that it was made of, if it is still the same and they say more."""
    raw: dict[str, Any] | None = message._raw
    kept = None if raw is None else raw.get(name)
    return kept.data if isinstance(kept, Exact) and kept.value == value else type_.dump(value, depth)


def _append_pieces(tag: bytes, pieces: list[bytes] | Exact, out: list[bytes]) -> None:
    for piece in (pieces.data,) if isinstance(pieces, Exact) else pieces:
        out.append(tag)
        out.append(varint(len(piece)))
        out.append(piece)


def two_members(cls: type[Any], group: str, one: str, other: str) -> str:
    """What to say of a message with two members of a oneof."""
    return f"{cls.__name__}: {one} and {other} are both set, but only one member of the oneof {group} can be"


def complaint(plan: Plan, name: str, value: Any) -> str:
    """What is wrong with the value of a field, for all we can find out."""
    field = plan.fields[name]
    where = f"{plan.cls.__name__}.{name}"
    if field.key is not None:
        if not isinstance(value, dict):
            return f"{where}: expected a dict, got {_shown(value)}"
        for key, item in cast("dict[Any, Any]", value).items():
            if not _fits(field.key, key):
                return f"{where}: expected {field.key.expected} as a key, got {_shown(key)}"
            if not _fits(field.type, item):
                return f"{where}[{key!r}]: expected {field.type.expected}, got {_shown(item)}"
    elif field.repeated:
        if not isinstance(value, list | tuple):
            return f"{where}: expected a list, got {_shown(value)}"
        for index, item in enumerate(cast("list[Any]", value)):
            if not _fits(field.type, item):
                return f"{where}[{index}]: expected {field.type.expected}, got {_shown(item)}"
    return f"{where}: expected {field.type.expected}, got {_shown(value)}"


def _fits(type_: Scalar | Nested, value: Any) -> bool:
    try:
        if isinstance(type_, Scalar):
            type_.dump(value)
        else:
            type_.dump(value, 0)
    except (*BAD_TYPE, *BAD_VALUE):
        return False
    return True


def _shown(value: Any) -> str:
    """A number in full, of everything else only the type: what it says is nobody's business."""
    if value is None or isinstance(value, bool | float) or (isinstance(value, int) and value.bit_length() <= 128):
        return repr(value)
    return f"a value of type {type(value).__name__}"


def write_scalar(tag: bytes, scalar: Scalar) -> Write:
    """A `Write` for a scalar that is written whatever it is."""
    dump, sized = scalar.dump, scalar.wire == LEN

    def write(value: Any, append: Callable[[bytes], None], _: int) -> None:
        data = dump(value)
        append(tag)
        if sized:
            append(varint(len(data)))
        append(data)

    return write


def write_float(tag: bytes, scalar: Scalar) -> Write:
    """A `Write` for a float that is not written if it is 0.0; -0.0 is."""
    write = write_scalar(tag, scalar)
    return lambda value, append, depth: write(value, append, depth) if value or math.copysign(1, value) < 0 else None


def write_items(tag: bytes, type_: Scalar | Nested) -> Write:
    """A `Write` for a list whose items have a length each."""
    if isinstance(type_, Scalar):
        write_one = write_scalar(tag, type_)

        def write_scalars(value: Any, append: Callable[[bytes], None], depth: int) -> None:
            for item in value:
                write_one(item, append, depth)

        return write_scalars

    def write(value: Any, append: Callable[[bytes], None], depth: int) -> None:
        dump = type_.dump
        for item in value:
            data = dump(item, depth + 1)
            append(tag)
            append(varint(len(data)))
            append(data)

    return write


def write_packed(tag: bytes, scalar: Scalar) -> Write:
    """A `Write` for a list of numbers."""
    dump = scalar.dump

    def write(value: Any, append: Callable[[bytes], None], _: int) -> None:
        data = b"".join(map(dump, value))
        append(tag)
        append(varint(len(data)))
        append(data)

    return write


def write_map(tag: bytes, key: Scalar, type_: Scalar | Nested, where: str) -> Write:
    """A `Write` for a map, which is a list of messages {key = 1; value = 2}, both always written."""
    key_tag = varint(1 << 3 | key.wire)
    value_tag = varint(2 << 3 | (type_.wire if isinstance(type_, Scalar) else LEN))
    key_has_size = key.wire == LEN
    value_has_size = not isinstance(type_, Scalar) or type_.wire == LEN

    def write(value: Any, append: Callable[[bytes], None], depth: int) -> None:
        if depth == MAX_DEPTH:
            raise FlyteValueException(f"{where}: {too_deep()}")
        for name, item in value.items():
            first = key.dump(name)
            second = type_.dump(item) if isinstance(type_, Scalar) else type_.dump(item, depth + 2)
            size, second_size = len(first), len(second)
            entry = b"".join(
                (
                    key_tag,
                    b"" if not key_has_size else SMALL[size] if size < 128 else varint(size),
                    first,
                    value_tag,
                    b"" if not value_has_size else SMALL[second_size] if second_size < 128 else varint(second_size),
                    second,
                )
            )
            append(tag)
            append(varint(len(entry)))
            append(entry)

    return write
