"""The protobuf wire format: varints, tags, and how to step over a field that is not understood.

The limits are those of upb, the codec of the official protobuf package: a tag or a length has at most 5 bytes, a varint
at most 10, of which the lowest 64 bits count, and messages and groups are nested at most 100 deep.

Functions here raise ValueError for bytes that break the rules and IndexError for bytes that end too early; their
callers know which message and field that is, and say so.
"""

from __future__ import annotations

from typing import Final

VARINT: Final = 0
FIXED64: Final = 1
LEN: Final = 2
START_GROUP: Final = 3
END_GROUP: Final = 4
FIXED32: Final = 5

MAX_DEPTH: Final = 100
"""How deep messages may be nested; the outermost message is at depth 0."""

_LOW_64_BITS = (1 << 64) - 1
_HIGHEST_TAG = (1 << 32) - 1
_MAX_VARINT = 10
_MAX_LENGTH = 5

SMALL: Final = tuple(bytes((number,)) for number in range(128))
"""The varints of one byte."""


def read_varint(data: bytes, at: int, most: int = _MAX_VARINT) -> tuple[int, int]:
    """The varint of at most `most` bytes that starts at `at`, and where it ends."""
    first = data[at]
    if first < 128:
        return first, at + 1
    second = data[at + 1]
    if second < 128:
        return first + (second << 7) - 128, at + 2
    value, shift, end = (first & 127) | (second & 127) << 7, 14, at + most
    at += 2
    while at < end:
        byte = data[at]
        at += 1
        if byte < 128:
            return (value | byte << shift) & _LOW_64_BITS, at
        value |= (byte & 127) << shift
        shift += 7
    raise ValueError(f"a number of more than {most} bytes")


def read_length(data: bytes, at: int) -> tuple[int, int]:
    """The length that starts at `at`, and where it ends."""
    return read_varint(data, at, _MAX_LENGTH)


def read_tag(data: bytes, at: int) -> tuple[int, int]:
    """The tag that starts at `at`, and where it ends."""
    tag, end = read_varint(data, at, _MAX_LENGTH)
    if not 8 <= tag <= _HIGHEST_TAG:
        raise ValueError(f"no field has the tag {tag}")
    return tag, end


def skip(data: bytes, at: int, tag: int, depth: int) -> int:
    """Where the field ends whose value starts at `at`; `depth` is that of the message or group around it."""
    match tag & 7:
        case 0:
            end = read_varint(data, at)[1]
        case 1:
            end = at + 8
        case 2:
            length, end = read_length(data, at)
            end += length
        case 3:
            end = _skip_group(data, at, tag, depth + 1)
        case 5:
            end = at + 4
        case 4:
            raise ValueError(f"the end of group {tag >> 3}, which was not begun")
        case wire:
            raise ValueError(f"wire type {wire}, which does not exist")
    if end > len(data):
        raise IndexError
    return end


def _skip_group(data: bytes, at: int, start_tag: int, depth: int) -> int:
    if depth > MAX_DEPTH:
        raise ValueError(too_deep())
    while True:
        tag, at = read_tag(data, at)
        if tag & 7 == END_GROUP:
            if tag >> 3 != start_tag >> 3:
                raise ValueError(f"group {start_tag >> 3} ends as group {tag >> 3}")
            return at
        at = skip(data, at, tag, depth)


def too_deep() -> str:
    """What to say of a message that is nested too deep."""
    return f"messages are nested more than {MAX_DEPTH} deep"


def varint(number: int) -> bytes:
    """The varint of a number from 0 to 2**64 - 1."""
    if number < 128:
        return SMALL[number]
    if number < 16384:
        return bytes((number & 127 | 128, number >> 7))
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)
