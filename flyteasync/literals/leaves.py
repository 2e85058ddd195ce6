"""Types that have a plain form only: fields of dataclasses and items of untyped dicts, but not variables."""

# ruff: noqa: D102 # what the methods of a converter do is said once, in Converter
from __future__ import annotations

import base64
import binascii
from collections import abc
from collections.abc import Callable, Iterable
from datetime import time
from decimal import Decimal, InvalidOperation
from pathlib import Path, PurePath
from typing import Any, cast, get_args, get_origin, get_type_hints, is_typeddict
from uuid import UUID

from ..errors import FlyteTypeException, FlyteValueException
from ..idl import core
from . import plain
from .base import Converter, Registry, unwrap
from .pickles import pickle_type
from .reading import Reader
from .text import python_type_text, wrong_literal, wrong_type
from .times import from_iso
from .writing import Writer


class LeafConverter(Converter):
    """What these families have in common: as variables, flytekit pickles them."""

    tag = "FlytePickle"
    kinds = ()

    def literal_type(self, python_type: Any, registry: Registry) -> core.LiteralType:
        return pickle_type(python_type)

    def guess(self, literal_type: core.LiteralType, registry: Registry) -> Any:
        raise NotImplementedError  # there is no LiteralType of theirs to guess from

    def to_literal(self, value: Any, expected: core.LiteralType, hint: Any, name: str, writer: Writer) -> core.Literal:
        return writer.literal(value, expected, Any, name)

    def to_python(self, literal: core.Literal, python_type: Any, name: str, reader: Reader) -> Any:
        raise wrong_literal(name, python_type_text(python_type), literal)


class AnyConverter(LeafConverter):
    """Any: whatever msgpack can hold."""

    def handles(self, python_type: Any) -> bool:
        return python_type is Any or python_type is object

    def to_plain(self, value: Any, python_type: Any, name: str, writer: Writer) -> Any:
        return plain.checked(value, name)

    def from_plain(self, value: Any, python_type: Any, name: str, reader: Reader) -> Any:
        return value


class BytesConverter(LeafConverter):
    """bytes: themselves in msgpack, base 64 in JSON."""

    def handles(self, python_type: Any) -> bool:
        return python_type is bytes

    def to_plain(self, value: Any, python_type: Any, name: str, writer: Writer) -> bytes:
        if not isinstance(value, (bytes, bytearray, memoryview)):
            raise wrong_type(name, "bytes", value)
        return bytes(cast("bytes", value))

    def from_plain(self, value: Any, python_type: Any, name: str, reader: Reader) -> bytes:
        if isinstance(value, bytes):
            return value
        if not isinstance(value, str) or reader.strict:
            raise wrong_type(name, "bytes", value)
        try:
            return base64.b64decode("".join(value.split()), validate=True)
        except (binascii.Error, ValueError):
            raise FlyteValueException(f"{name}: the text is not bytes in base 64") from None

    def json_schema(self, python_type: Any, registry: Registry) -> dict[str, Any]:
        return {"type": "string", "format": "base64"}


class TextConverter(LeafConverter):
    """A type whose values travel as texts."""

    def __init__(
        self, python_type: type, read: Callable[[Any, str], Any], schema: str, base: type | None = None
    ) -> None:
        self._type = python_type
        self._base = base or python_type
        self._read = read
        self._schema = schema

    def handles(self, python_type: Any) -> bool:
        return isinstance(python_type, type) and issubclass(python_type, self._base)

    def to_plain(self, value: Any, python_type: Any, name: str, writer: Writer) -> str:
        if not isinstance(value, self._base):
            raise wrong_type(name, python_type_text(python_type), value)
        return value.isoformat() if isinstance(value, time) else plain.utf8(str(value), name)

    def from_plain(self, value: Any, python_type: Any, name: str, reader: Reader) -> Any:
        if isinstance(value, self._base):
            return value
        if not isinstance(value, str):
            raise wrong_type(name, python_type_text(python_type), value)
        try:
            read = self._read(value, name)
            return read if isinstance(read, python_type) else python_type(read)
        except (ValueError, InvalidOperation) as error:
            if isinstance(error, FlyteValueException):
                raise
            raise FlyteValueException(f"{name}: the text is not a {python_type_text(python_type)}") from None

    def json_schema(self, python_type: Any, registry: Registry) -> dict[str, Any]:
        return {"type": "string", "format": self._schema}


def _read_time(value: str, name: str) -> time:
    return from_iso(time, value, name)


TEXTS = (
    TextConverter(Decimal, lambda value, _: Decimal(value), "decimal"),
    TextConverter(UUID, lambda value, _: UUID(value), "uuid"),
    TextConverter(Path, lambda value, _: Path(value), "path", PurePath),
    TextConverter(time, _read_time, "time"),
)


class TupleConverter(LeafConverter):
    """Tuples, those with names, and sets: lists in the plain form."""

    def handles(self, python_type: Any) -> bool:
        origin = get_origin(python_type) or python_type
        return isinstance(origin, type) and issubclass(origin, (tuple, set, frozenset))

    def literal_type(self, python_type: Any, registry: Registry) -> core.LiteralType:
        if issubclass(get_origin(python_type) or python_type, tuple):
            raise FlyteTypeException(
                f"{python_type_text(python_type)} has no Flyte type: tuples are not Flyte values, use a list"
            )
        return pickle_type(python_type)

    def to_plain(self, value: Any, python_type: Any, name: str, writer: Writer) -> list[Any]:
        if not isinstance(value, (tuple, set, frozenset) if not writer.strict else _class_of(python_type)):
            raise wrong_type(name, python_type_text(python_type), value)
        items = list(cast("Iterable[Any]", value))
        kinds = self._kinds(python_type, len(items), name)
        return [
            writer.plain(item, kind, f"{name}[{index}]")
            for index, (item, kind) in enumerate(zip(items, kinds, strict=True))
        ]

    def from_plain(self, value: Any, python_type: Any, name: str, reader: Reader) -> Any:
        if not isinstance(value, (list, tuple)):
            raise wrong_type(name, python_type_text(python_type), value)
        found = cast("list[Any]", value)
        kinds = self._kinds(python_type, len(found), name)
        items = [
            reader.value(item, kind, f"{name}[{index}]")
            for index, (item, kind) in enumerate(zip(found, kinds, strict=True))
        ]
        made = _class_of(python_type)
        try:
            return made(*items) if hasattr(made, "_fields") else made(items)
        except TypeError:
            raise FlyteTypeException(f"{name}: the items cannot be put into a {made.__name__}") from None

    def json_schema(self, python_type: Any, registry: Registry) -> dict[str, Any]:
        made, arguments = _class_of(python_type), get_args(python_type)
        if hasattr(made, "_fields"):
            arguments = _named(made)
        if issubclass(made, tuple):
            if len(arguments) == 2 and arguments[1] is ...:
                return {"type": "array", "items": registry.json_schema(arguments[0])}
            schemas = [registry.json_schema(argument) for argument in arguments]
            bounds = {"prefixItems": schemas, "maxItems": len(schemas), "minItems": len(schemas)}
            return {"type": "array", **bounds} if schemas else {"type": "array"}
        items = {"items": registry.json_schema(arguments[0])} if arguments and arguments[0] is not Any else {}
        return {"type": "array", **items, "uniqueItems": True}

    def _kinds(self, python_type: Any, count: int, name: str) -> list[Any]:
        """The types of so many items."""
        made, arguments = _class_of(python_type), get_args(python_type)
        if hasattr(made, "_fields"):
            arguments = _named(made)
        elif not arguments:
            return [Any] * count
        elif not issubclass(made, tuple) or (len(arguments) == 2 and arguments[1] is ...):
            return [arguments[0]] * count
        if len(arguments) != count:
            raise FlyteValueException(f"{name}: expected {len(arguments)} items, got {count}")
        return list(arguments)


class AbstractConverter(LeafConverter):
    """Sequence and Mapping: lists and dicts by another name."""

    def handles(self, python_type: Any) -> bool:
        return _concrete(python_type) is not None

    def to_plain(self, value: Any, python_type: Any, name: str, writer: Writer) -> Any:
        if isinstance(value, tuple):
            value = list(cast("tuple[Any, ...]", value))
        return writer.plain(value, _concrete(python_type), name)

    def from_plain(self, value: Any, python_type: Any, name: str, reader: Reader) -> Any:
        return reader.value(value, _concrete(python_type), name)

    def json_schema(self, python_type: Any, registry: Registry) -> dict[str, Any]:
        return registry.json_schema(_concrete(python_type))


class TypedDictConverter(LeafConverter):
    """TypedDict: a dict whose keys are known."""

    kinds = (core.SimpleType.STRUCT,)

    def handles(self, python_type: Any) -> bool:
        return is_typeddict(python_type)

    def literal_type(self, python_type: Any, registry: Registry) -> core.LiteralType:
        return registry.literal_type(dict)

    def guess(self, literal_type: core.LiteralType, registry: Registry) -> Any:
        return dict

    def to_literal(self, value: Any, expected: core.LiteralType, hint: Any, name: str, writer: Writer) -> core.Literal:
        return plain.dump(self.to_plain(value, hint, name, writer))

    def to_plain(self, value: Any, python_type: Any, name: str, writer: Writer) -> dict[str, Any]:
        entries = self._entries(value, python_type, name)
        kinds = _keys(python_type)
        return {key: writer.plain(item, kinds.get(key, Any), f"{name}[{key!r}]") for key, item in entries.items()}

    def from_plain(self, value: Any, python_type: Any, name: str, reader: Reader) -> dict[str, Any]:
        entries = self._entries(value, python_type, name)
        kinds = _keys(python_type)
        return {key: reader.value(item, kinds.get(key, Any), f"{name}[{key!r}]") for key, item in entries.items()}

    def json_schema(self, python_type: Any, registry: Registry) -> dict[str, Any]:
        properties = {key: registry.json_schema(kind) for key, kind in _keys(python_type).items()}
        schema: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
        required = [key for key in properties if key in python_type.__required_keys__]
        return {**schema, "required": required} if required else schema

    def _entries(self, value: Any, python_type: Any, name: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise wrong_type(name, python_type_text(python_type), value)
        entries = cast("dict[str, Any]", value)
        missing = sorted(python_type.__required_keys__ - entries.keys())
        if missing:
            raise FlyteValueException(f"{name}: the key {missing[0]!r} is missing")
        return entries


def _class_of(python_type: Any) -> Any:
    return get_origin(python_type) or python_type


def _named(python_type: Any) -> tuple[Any, ...]:
    """The types of the items of a NamedTuple."""
    hints = get_type_hints(python_type)
    return tuple(hints.get(field, Any) for field in python_type._fields)


def _keys(python_type: Any) -> dict[str, Any]:
    """The types of the entries of a TypedDict."""
    return get_type_hints(python_type)


def _concrete(python_type: Any) -> Any:
    """list[T] for Sequence[T], dict[K, V] for Mapping[K, V]; None for what is neither."""
    python_type = unwrap(python_type)
    origin = get_origin(python_type) or python_type
    bases: dict[Any, Any] = {
        abc.Sequence: list,
        abc.MutableSequence: list,
        abc.Collection: list,
        abc.Mapping: dict,
        abc.MutableMapping: dict,
    }
    base = bases.get(origin) if isinstance(origin, type) else None
    arguments = get_args(python_type)
    return base[arguments] if base is not None and arguments else base
