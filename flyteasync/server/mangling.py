"""Replies that are not what they should be: pure functions from bytes to bytes."""

from __future__ import annotations

import random
from typing import Final

from .. import codec
from ..codec.nested import MessageType
from ..codec.plan import Plan
from ..codec.scalars import Scalar
from ..codec.schema import plan_of
from ..codec.wire import LEN, VARINT, read_length, read_tag, skip, varint

UNKNOWN_NUMBER: Final = 536_870_911
"""The highest number that a field can have: no message of Flyte has it."""

UNKNOWN_MEMBER: Final = 9999
"""A number that no enum of Flyte has."""

_NO_TAG: Final = b"\x07"
"""Wire type 7 of field 0: neither exists, so nothing that begins with it is a message."""


def truncated(reply: bytes) -> bytes:
    """The reply without its last byte, or the beginning of a field if it is empty: its last field is incomplete."""
    return reply[:-1] or b"\x0a"


def garbage(length: int, seed: int) -> bytes:
    """Bytes, at least one, that are no message of any type; the same for the same seed."""
    return _NO_TAG + random.Random(seed).randbytes(max(0, length - 1))  # noqa: S311 # it has to repeat


def garbage_inside(reply: bytes, seed: int) -> bytes:
    """The reply with garbage of the same length in every field that has a length.

    What looks at the outermost level only, as a lazy decoder does, finds nothing wrong.
    """
    out = bytearray()
    at = 0
    while at < len(reply):
        tag, start = read_tag(reply, at)
        end = skip(reply, start, tag, 0)
        if tag & 7 == LEN:
            length, start = read_length(reply, start)
            out += reply[at:start] + garbage(length, seed)[:length]
        else:
            out += reply[at:end]
        at = end
    return bytes(out)


def with_unknown_enums(cls: type[codec.Message], reply: bytes) -> bytes:
    """The reply with a member that nobody knows in place of every member of an enum that is not zero."""
    return _rewrite(plan_of(cls), reply, enums=True)


def with_unknown_fields(cls: type[codec.Message], reply: bytes) -> bytes:
    """The reply with a field that nobody knows in it, and in every message inside of it but those in maps."""
    return _rewrite(plan_of(cls), reply, fields=True)


def oversize(reply: bytes, size: int) -> bytes:
    """The reply, as long as asked for or a few bytes longer, by a field that nobody knows."""
    return reply + _unknown_field(max(0, size - len(reply)))


def _unknown_field(length: int) -> bytes:
    return varint(UNKNOWN_NUMBER << 3 | LEN) + varint(length) + bytes(length)


def _rewrite(plan: Plan, data: bytes, *, enums: bool = False, fields: bool = False) -> bytes:
    types = {field.number: field.type for field in plan.fields.values() if field.key is None}
    out = bytearray()
    at = 0
    while at < len(data):
        tag, start = read_tag(data, at)
        end = skip(data, start, tag, 0)
        kind = types.get(tag >> 3)
        if isinstance(kind, MessageType) and tag & 7 == LEN:
            _, start = read_length(data, start)
            inner = _rewrite(kind.plan, data[start:end], enums=enums, fields=fields)
            out += varint(tag) + varint(len(inner)) + inner
        elif enums and isinstance(kind, Scalar) and kind.enum is not None and tag & 7 == VARINT:
            out += varint(tag) + varint(UNKNOWN_MEMBER)
        else:
            out += data[at:end]
        at = end
    return bytes(out) + (_unknown_field(7) if fields else b"")
