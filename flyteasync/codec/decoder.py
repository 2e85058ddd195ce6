"""From bytes to a message, one level at a time.

`build` scans one message.  Text, numbers and enums become attributes at once; everything that is itself a message on
the wire (sub-messages, maps, times, wrappers) stays the bytes that came, in the message's slot `_raw`, until it is
first read.
"""

from __future__ import annotations

import struct
from typing import Any, Final

from ..errors import FlyteDecodeError
from .plan import ITEM, NUMBER, TEXT, Pieces, Plan, Read
from .scalars import Scalar, unpack
from .wire import LEN, MAX_DEPTH, VARINT, read_length, read_tag, read_varint, skip, too_deep

BAD_BYTES: Final = (IndexError, ValueError, OverflowError, struct.error)
"""What bytes that break the rules make the functions of this package raise before it is put into words."""

_new = object.__new__


def build(plan: Plan, pieces: Pieces, depth: int) -> Any:
    """The message of a plan's class that one or several pieces are; what it contains is left as bytes.

    Raises:
        FlyteDecodeError: the bytes break the rules, on this level.
    """
    if depth > MAX_DEPTH:
        raise FlyteDecodeError(f"{plan.cls.__name__}: {too_deep()}")
    message = _new(plan.cls)
    fields = message.__dict__
    short = plan.short
    raw: dict[str, Any] = {}
    members: dict[str, str] | None = None  # which member of a oneof came last
    unknown: bytearray | None = None
    data, more = (pieces, None) if isinstance(pieces, bytes) else (pieces[0], iter(pieces[1:]))
    while True:
        at = start = 0
        end = len(data)
        try:
            while at < end:
                start = at
                reader = short[data[at]]
                at += 1
                if reader is None:
                    tag, at = read_tag(data, start)
                    reader = plan.reader(tag)
                    if reader is None:
                        at = skip(data, at, tag, depth)
                        unknown = unknown or bytearray()
                        unknown += data[start:at]
                        continue
                kind, name, load, group = reader
                if kind <= ITEM:
                    length = data[at]
                    at += 1
                    if length > 127:
                        high = data[at]
                        if high < 128:  # two bytes: most messages that have sub-messages are that long
                            length += (high << 7) - 128
                            at += 1
                        else:
                            length, at = read_length(data, at - 1)
                    stop = at + length
                    if not kind:
                        if name in raw:
                            raw[name] = _join(raw[name], data[at:stop])
                        else:
                            raw[name] = data[at:stop]
                    elif kind == TEXT:
                        fields[name] = data[at:stop].decode()
                    elif name in raw:
                        raw[name].append(data[at:stop])
                    else:
                        raw[name] = [data[at:stop]]
                    at = stop
                elif kind == NUMBER:
                    number = data[at]
                    at += 1
                    if number > 127:
                        number, at = read_varint(data, at - 1)
                    fields[name] = load(number)
                else:
                    at = load(data, at, fields, name)
                if group is not None:
                    if members is None:
                        members = {group: name}
                    elif members.setdefault(group, name) != name:
                        _clear(plan, members[group], fields, raw, depth)
                        members[group] = name
            if at != end:
                raise IndexError
        except FlyteDecodeError:
            raise
        except BAD_BYTES as error:
            raise _malformed(plan, data, start, error) from error
        if more is None:
            break
        data = next(more, None)
        if data is None:
            break
    if unknown is not None:
        fields["_unknown_fields"] = bytes(unknown)
    message._raw = raw or None
    message._depth = depth
    return message


def _join(pieces: Pieces, piece: bytes) -> list[bytes]:
    if isinstance(pieces, bytes):
        return [pieces, piece]
    pieces.append(piece)
    return pieces


def _clear(plan: Plan, name: str, fields: dict[str, Any], raw: dict[str, Pieces], depth: int) -> None:
    """Take back a member of a oneof of which another member came later.

    Nobody will read it any more, so this is the last chance to find that its bytes are malformed.
    """
    fields.pop(name, None)
    pieces = raw.pop(name, None)
    if pieces is not None:
        plan.checks[name](pieces, depth + 1)


def _malformed(plan: Plan, data: bytes, start: int, error: Exception) -> FlyteDecodeError:
    """Put into words what is wrong with the field that starts at `start`."""
    try:
        where = plan.where(read_tag(data, start)[0])
    except BAD_BYTES as bad_tag:
        where, error = f"{plan.cls.__name__}, a tag", bad_tag
    return FlyteDecodeError(f"{where}: {reason(error)}")


def reason(error: Exception) -> str:
    """What one of BAD_BYTES means."""
    match error:
        case IndexError():
            return "the bytes end too early"
        case UnicodeDecodeError():
            return "text that is not UTF-8"
        case struct.error():
            return "numbers that are cut off"
        case _:
            return str(error)


def read_bytes(data: bytes, at: int, fields: dict[str, Any], name: str) -> int:
    """A `Read` for a field of bytes."""
    length, at = read_length(data, at)
    fields[name] = data[at : at + length]
    return at + length


def read_fixed(scalar: Scalar) -> Read:
    """A `Read` for one number of fixed size."""
    assert scalar.layout is not None
    unpack_from, size = scalar.layout.unpack_from, scalar.layout.size

    def read(data: bytes, at: int, fields: dict[str, Any], name: str) -> int:
        (fields[name],) = unpack_from(data, at)
        return at + size

    return read


def read_item(scalar: Scalar) -> Read:
    """A `Read` for one item of a list of scalars."""
    load, wire, size = scalar.load, scalar.wire, scalar.layout.size if scalar.layout else 0

    def read(data: bytes, at: int, fields: dict[str, Any], name: str) -> int:
        if wire == VARINT:
            value, end = read_varint(data, at)
        else:
            length, at = read_length(data, at) if wire == LEN else (size, at)
            end = at + length
            value = data[at:end]
        fields.setdefault(name, []).append(load(value))
        return end

    return read


def read_packed(scalar: Scalar) -> Read:
    """A `Read` for many items of a list of numbers at once."""

    def read(data: bytes, at: int, fields: dict[str, Any], name: str) -> int:
        length, at = read_length(data, at)
        end = at + length
        fields.setdefault(name, []).extend(unpack(scalar, data, at, end))
        return end

    return read
