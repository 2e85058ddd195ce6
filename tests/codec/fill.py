"""Messages with random contents, and random damage to bytes."""

import random
from typing import Any

from google.protobuf import duration_pb2, timestamp_pb2, wrappers_pb2
from google.protobuf.descriptor import FieldDescriptor

from .twins import is_map

_DEEPEST = 4
_TEXTS = ("", "a", "é", "日本", "x" * 127, "y" * 128, "flytesnacks", "😀z", "\0")
_FLOATS = (0.0, -0.0, 1.5, -0.25, float("inf"), float("-inf"))
_UNSIGNED = (
    FieldDescriptor.TYPE_UINT32,
    FieldDescriptor.TYPE_UINT64,
    FieldDescriptor.TYPE_FIXED32,
    FieldDescriptor.TYPE_FIXED64,
)
_SHORT = (
    FieldDescriptor.TYPE_INT32,
    FieldDescriptor.TYPE_SINT32,
    FieldDescriptor.TYPE_SFIXED32,
    FieldDescriptor.TYPE_UINT32,
    FieldDescriptor.TYPE_FIXED32,
)


def fill(message: Any, chance: random.Random, share: float, depth: int = 0) -> Any:
    """Set about a share of the fields of a message of upb, and of those it contains; times have whole microseconds."""
    name = message.DESCRIPTOR.full_name
    if name == "google.protobuf.Timestamp":
        message.seconds = chance.choice((0, 1, -1, -62135596800, 253402300799, chance.randrange(2**31)))
        message.nanos = chance.choice((0, 1000, 999999000, chance.randrange(10**6) * 1000))
        return message
    if name == "google.protobuf.Duration":
        seconds = chance.choice((0, 1, -1, 33, -3600, chance.randrange(2**31)))
        nanos = chance.choice((0, 1000, 999999000, chance.randrange(10**6) * 1000))
        negative = seconds < 0 or (seconds == 0 and chance.random() < 0.5)
        message.seconds, message.nanos = seconds, -nanos if negative else nanos
        return message
    if name == "google.protobuf.Any":
        if chance.random() < 0.8:
            inner = chance.choice((duration_pb2.Duration, timestamp_pb2.Timestamp, wrappers_pb2.Int64Value))()
            message.Pack(fill(inner, chance, share, depth + 1))
        return message
    done: set[str] = set()
    for field in chance.sample(list(message.DESCRIPTOR.fields), len(message.DESCRIPTOR.fields)):
        oneof = field.containing_oneof
        if oneof is not None and oneof.name in done:
            continue
        if name != "google.protobuf.Value" and chance.random() > share:
            continue
        if oneof is not None:
            done.add(oneof.name)
        _fill_field(message, field, chance, share, depth)
    return message


def _fill_field(message: Any, field: FieldDescriptor, chance: random.Random, share: float, depth: int) -> None:
    def filled(inner: Any) -> None:
        inner.SetInParent()
        if depth < _DEEPEST or inner.DESCRIPTOR.full_name == "google.protobuf.Value":
            fill(inner, chance, share * 0.8, depth + 1)

    target = getattr(message, field.name)
    if is_map(field):
        key, value = (field.message_type.fields_by_name[name] for name in ("key", "value"))
        for _ in range(chance.randrange(4)):
            if value.message_type is None:
                target[scalar(key, chance)] = scalar(value, chance)
            elif depth < _DEEPEST:
                filled(target[scalar(key, chance)])
    elif field.is_repeated:
        for _ in range(chance.randrange(4)):
            if field.message_type is None:
                target.append(scalar(field, chance))
            elif depth < _DEEPEST:
                filled(target.add())
    elif field.message_type is not None:
        filled(target)
    else:
        setattr(message, field.name, scalar(field, chance))


def scalar(field: FieldDescriptor, chance: random.Random) -> Any:
    """A value for a field, often one at an edge."""
    match field.type:
        case FieldDescriptor.TYPE_STRING:
            return chance.choice(_TEXTS)
        case FieldDescriptor.TYPE_BYTES:
            return chance.choice((b"", b"\0", chance.randbytes(chance.randrange(200))))
        case FieldDescriptor.TYPE_BOOL:
            return chance.random() < 0.5
        case FieldDescriptor.TYPE_DOUBLE:
            return chance.choice((*_FLOATS, -1e300, chance.random()))
        case FieldDescriptor.TYPE_FLOAT:
            return chance.choice(_FLOATS)
        case FieldDescriptor.TYPE_ENUM:
            known = [value.number for value in field.enum_type.values]
            return chance.choice(known + ([-1, 99, 2**31 - 1, -(2**31)] if chance.random() < 0.3 else []))
    bits = 32 if field.type in _SHORT else 64
    if field.type in _UNSIGNED:
        return chance.choice((0, 1, 127, 128, 300, 2**bits - 1, chance.randrange(2**bits)))
    half = 2 ** (bits - 1)
    return chance.choice((0, 1, -1, 127, 128, -129, half - 1, -half, chance.randrange(-half, half)))


def damage(data: bytes, chance: random.Random) -> bytes:
    """One to three bytes changed, a bit flipped, a byte put in, or the end cut off."""
    result = bytearray(data)
    for _ in range(chance.randrange(1, 4)):
        if not result:
            break
        index = chance.randrange(len(result))
        match chance.randrange(4):
            case 0:
                result[index] = chance.randrange(256)
            case 1:
                result[index] ^= 1 << chance.randrange(8)
            case 2:
                del result[index:]
            case _:
                result.insert(index, chance.randrange(256))
    return bytes(result)
