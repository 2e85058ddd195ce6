"""Writes the wire format by hand, good or bad."""

from typing import Any

from .twins import all_twins

VARINT, FIXED64, LEN, START_GROUP, END_GROUP, FIXED32 = range(6)


def raw_varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def padded(value: int, size: int) -> bytes:
    """A varint with zeros on top, which nobody writes but everybody must read."""
    return bytes((value >> 7 * index & 127) | 128 for index in range(size - 1)) + bytes((value >> 7 * (size - 1),))


def tag(field: int, wire_type: int) -> bytes:
    return raw_varint(field << 3 | wire_type)


def number(field: int, value: int) -> bytes:
    return tag(field, VARINT) + raw_varint(value)


def block(field: int, data: bytes) -> bytes:
    return tag(field, LEN) + raw_varint(len(data)) + data


def leaf(**fields: Any) -> bytes:
    """An `alltypes.Leaf`, written by upb."""
    return all_twins("Leaf").theirs(**fields).SerializeToString()
