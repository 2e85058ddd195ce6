"""Serialised values: msgpack in `Scalar.binary` as flytekit 1.14 and later write, or a protobuf Struct before."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from ..errors import FlyteDecodeError, FlyteTypeException, FlyteValueException
from ..idl import core
from ..idl.google import protobuf
from .text import PICKLE_REFUSED, which

MSGPACK = "msgpack"
"""The tag that says how the bytes of a `Scalar.binary` are to be read."""


def is_serialised(literal: core.Literal) -> bool:
    """Whether the literal holds a serialised value."""
    scalar = literal.scalar
    return scalar is not None and (scalar.binary is not None or scalar.generic is not None)


def pickle_uri(literal: core.Literal) -> str | None:
    """Where the pickle of a dict is that its task could not serialise; None if the literal is none."""
    scalar = literal.scalar
    if scalar is None or scalar.generic is None or literal.metadata.get("format") != "pickle":
        return None
    uri = scalar.generic.fields.get("pickle_file")
    return (uri.string_value if uri is not None else None) or ""


def load(literal: core.Literal, name: str) -> Any:
    """The lists, dicts and plain values that a serialised literal holds.

    Numbers of a Struct are floats: that is all it can hold.

    Raises:
        FlyteTypeException: a format that is not supported.
        FlyteValueException: it is a pickle.
        FlyteDecodeError: the bytes are not what their tag says.
    """
    scalar = literal.scalar
    assert scalar is not None
    if (binary := scalar.binary) is not None:
        if binary.tag != MSGPACK:
            raise FlyteTypeException(f"{name}: binary format {binary.tag!r} is not supported, only {MSGPACK!r} is")
        try:
            return msgspec.msgpack.decode(binary.value)
        except (msgspec.MsgspecError, ValueError, TypeError, RecursionError) as error:
            raise FlyteDecodeError(f"{name}: not valid msgpack: {error}") from error
    assert scalar.generic is not None
    if pickle_uri(literal) is not None:
        raise FlyteValueException(f"{name}: {PICKLE_REFUSED}")
    return dict_of(scalar.generic)


def dump(value: Any) -> core.Literal:
    """The literal of a value made of what `checked` allows."""
    return core.Literal(scalar=core.Scalar(binary=core.Binary(value=msgspec.msgpack.encode(value), tag=MSGPACK)))


def checked(value: Any, name: str) -> Any:
    """The value, rebuilt of exactly what msgpack can hold and give back.

    Raises:
        FlyteTypeException: something in it is none of None, bool, int, float, str, bytes, list, tuple or dict.
        FlyteValueException: a number or text that cannot be written.
    """
    if value is None or isinstance(value, (bool, float, bytes)):
        return value
    if isinstance(value, enum.Enum) and not isinstance(value, (str, int)):
        raise FlyteTypeException(f"{name}: an Enum cannot be put into an untyped dict, put its .value there")
    if isinstance(value, str):
        return utf8(value, name)
    if isinstance(value, int):
        if not -(2**63) <= value < 2**64:
            raise FlyteValueException(f"{name}: the number does not fit into 64 bits")
        return int(value)
    if isinstance(value, (list, tuple)):
        items = cast("list[Any]", value)
        return [checked(item, f"{name}[{index}]") for index, item in enumerate(items)]
    if isinstance(value, dict):
        entries = cast("dict[Any, Any]", value)
        return {checked(key, name): checked(item, f"{name}[{key!r}]") for key, item in entries.items()}
    raise FlyteTypeException(f"{name}: {type(value).__name__} cannot be put into an untyped dict")


def utf8(value: str, name: str) -> str:
    """The text as a plain str; messages hold UTF-8 only.

    Raises:
        FlyteValueException: it has surrogates, which are no characters.
    """
    text = str.__str__(value)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise FlyteValueException(f"{name}: character {error.start} is a lone surrogate, not valid text") from None
    return text


def dict_of(struct: protobuf.Struct) -> dict[str, Any]:
    """What a Struct holds."""
    return {key: _value(value) for key, value in struct.fields.items()}


def _value(value: protobuf.Value) -> Any:
    match which(value, "kind"):
        case "struct_value", inner:
            return dict_of(inner)
        case "list_value", inner:
            return [_value(item) for item in inner.values]
        case "null_value", _:
            return None
        case _, inner:
            return inner


def struct_of(entries: Mapping[str, Any]) -> protobuf.Struct:
    """The Struct of a dict of what JSON knows."""
    return protobuf.Struct(fields={key: _value_of(item) for key, item in entries.items()})


def _value_of(value: Any) -> protobuf.Value:
    match value:
        case None:
            return protobuf.Value(null_value=protobuf.NullValue.NULL_VALUE)
        case bool():
            return protobuf.Value(bool_value=value)
        case int() | float():
            return protobuf.Value(number_value=float(value))
        case str():
            return protobuf.Value(string_value=str.__str__(value))
        case Mapping():
            return protobuf.Value(struct_value=struct_of(cast("Mapping[str, Any]", value)))
        case list() | tuple():
            items = [_value_of(item) for item in cast("Sequence[Any]", value)]
            return protobuf.Value(list_value=protobuf.ListValue(values=items))
        case _:
            raise FlyteTypeException(f"{type(value).__name__} is nothing that JSON knows")


def msgpack_mark() -> core.TypeAnnotation:
    """What tells flytekit's cache keys and flyteconsole how values of a type are serialised."""
    mark = struct_of({"cache-key-metadata": {"serialization-format": MSGPACK}})
    return core.TypeAnnotation(annotations=mark)
