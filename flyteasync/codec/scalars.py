"""The fifteen scalar types of protobuf, and enums: how a value of each looks on the wire and in Python."""

from __future__ import annotations

import enum
import struct
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple, cast

import betterproto2 as bp

from .wire import FIXED32, FIXED64, LEN, VARINT, read_varint, varint


class Scalar(NamedTuple):
    """How to read and write the values of one type."""

    wire: int
    """The wire type."""

    load: Callable[[Any], Any]
    """Makes a Python value of the number (VARINT) or the bytes (all others) on the wire."""

    dump: Callable[[Any], bytes]
    """Makes the wire form, without tag and length; raises OverflowError or ValueError for a value that is not allowed,
    TypeError, AttributeError or struct.error for one of a wrong type."""

    default: Any
    """What a field holds that is not on the wire."""

    expected: str
    """What `dump` accepts, for error messages."""

    proto_type: str
    """The name of the type, one of betterproto2's TYPE_ constants."""

    layout: struct.Struct | None = None
    """The layout of FIXED32 and FIXED64."""

    enum: type[enum.IntEnum] | None = None
    """The class of TYPE_ENUM."""


def _integer(proto_type: str, bits: int, *, signed: bool) -> Scalar:
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    mask = (1 << bits) - 1

    def load(number: int) -> int:
        if number > high:
            number &= mask
            if number > high:
                number -= mask + 1
        return number

    def dump(value: int) -> bytes:
        if low <= value <= high:
            return varint(value if value >= 0 else value & 0xFFFFFFFFFFFFFFFF)
        raise OverflowError

    return Scalar(VARINT, load, dump, 0, f"an int from {low} to {high}", proto_type)


def _zigzag(proto_type: str, bits: int) -> Scalar:
    low, high, mask = -(1 << bits - 1), (1 << bits - 1) - 1, (1 << bits) - 1

    def load(number: int) -> int:
        number &= mask
        return number >> 1 ^ -(number & 1)

    def dump(value: int) -> bytes:
        if low <= value <= high:
            return varint(value << 1 if value >= 0 else ~(value << 1))
        raise OverflowError

    return Scalar(VARINT, load, dump, 0, f"an int from {low} to {high}", proto_type)


def _fixed_integer(proto_type: str, wire: int, code: str, bits: int, *, signed: bool) -> Scalar:
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    layout = struct.Struct(code)
    pack, unpack = layout.pack, layout.unpack

    def dump(value: int) -> bytes:
        if low <= value <= high:
            return pack(value)
        raise OverflowError

    def load(raw: bytes) -> int:
        return unpack(raw)[0]

    return Scalar(wire, load, dump, 0, f"an int from {low} to {high}", proto_type, layout)


def _floating(proto_type: str, wire: int, code: str, expected: str) -> Scalar:
    layout = struct.Struct(code)
    unpack = layout.unpack

    def load(raw: bytes) -> float:
        return unpack(raw)[0]

    return Scalar(wire, load, layout.pack, 0.0, expected, proto_type, layout)


def _dump_bool(value: object) -> bytes:
    if isinstance(value, int):
        return b"\1" if value else b"\0"
    raise TypeError


def _dump_bytes(value: object) -> bytes:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(cast("bytes", value))
    raise TypeError


def _load_bytes(raw: bytes) -> bytes:
    return raw


_TYPES = (
    Scalar(VARINT, bool, _dump_bool, False, "a bool", bp.TYPE_BOOL),
    _integer(bp.TYPE_INT32, 32, signed=True),
    _integer(bp.TYPE_INT64, 64, signed=True),
    _integer(bp.TYPE_UINT32, 32, signed=False),
    _integer(bp.TYPE_UINT64, 64, signed=False),
    _zigzag(bp.TYPE_SINT32, 32),
    _zigzag(bp.TYPE_SINT64, 64),
    _fixed_integer(bp.TYPE_FIXED32, FIXED32, "<I", 32, signed=False),
    _fixed_integer(bp.TYPE_FIXED64, FIXED64, "<Q", 64, signed=False),
    _fixed_integer(bp.TYPE_SFIXED32, FIXED32, "<i", 32, signed=True),
    _fixed_integer(bp.TYPE_SFIXED64, FIXED64, "<q", 64, signed=True),
    _floating(bp.TYPE_FLOAT, FIXED32, "<f", "a float of single precision"),
    _floating(bp.TYPE_DOUBLE, FIXED64, "<d", "a float"),
    Scalar(LEN, bytes.decode, str.encode, "", "a str that UTF-8 can encode", bp.TYPE_STRING),
    Scalar(LEN, _load_bytes, _dump_bytes, b"", "bytes", bp.TYPE_BYTES),
)
SCALARS: Final = {scalar.proto_type: scalar for scalar in _TYPES}
INT32: Final = SCALARS[bp.TYPE_INT32]
INT64: Final = SCALARS[bp.TYPE_INT64]


class _Members(dict[int, Any]):
    """The members of an enum by number; as in betterproto2, a number that is not known is a member without a name."""

    def __init__(self, cls: type[enum.IntEnum]) -> None:
        super().__init__({member.value: member for member in cls.__members__.values()})
        self._cls = cls

    def __missing__(self, number: int) -> Any:
        number = INT32.load(number)
        known = self.get(number)
        return self._cls(number) if known is None else known


def enum_scalar(cls: type[enum.IntEnum]) -> Scalar:
    """The scalar for the values of one enum."""
    load = _Members(cls).__getitem__
    return Scalar(VARINT, load, INT32.dump, cls(0), f"a {cls.__name__} or its number", bp.TYPE_ENUM, enum=cls)


def unpack(scalar: Scalar, data: bytes, at: int, end: int) -> Iterator[Any]:
    """The values of a packed field, which takes data[at:end]."""
    if scalar.layout is not None:
        for (value,) in scalar.layout.iter_unpack(data[at:end]):
            yield value
        return
    load = scalar.load
    while at < end:
        number = data[at]
        at += 1
        if number > 127:
            number, at = read_varint(data, at - 1)
        yield load(number)
    if at != end:
        raise IndexError
