"""Lists, dicts and unions."""

# ruff: noqa: D102 # what the methods of a converter do is said once, in Converter
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from types import UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin

from ..errors import FlyteTypeException, FlyteUserException, FlyteValueException
from ..idl import core
from . import plain
from .base import Converter, Registry, unwrap
from .reading import Reader, in_union
from .text import python_type_text, type_text, which, wrong_literal, wrong_type
from .writing import Writer

C = TypeVar("C")
T = TypeVar("T")


class ListConverter(Converter):
    """list[T]."""

    tag = "Typed List"
    kinds = ("collection_type",)

    def handles(self, python_type: Any) -> bool:
        return (get_origin(python_type) or python_type) is list

    def literal_type(self, python_type: Any, registry: Registry) -> core.LiteralType:
        if not get_args(python_type):
            raise FlyteTypeException("list has no Flyte type without the type of its items: list[int]")
        return core.LiteralType(collection_type=registry.literal_type(_item_type(python_type)))

    def guess(self, literal_type: core.LiteralType, registry: Registry) -> Any:
        assert literal_type.collection_type is not None
        return list[registry.guess(literal_type.collection_type)]

    def to_literal(self, value: Any, expected: core.LiteralType, hint: Any, name: str, writer: Writer) -> core.Literal:
        item_type = expected.collection_type
        assert item_type is not None
        hint = _item_type(hint)
        items = _list(value, type_text(expected), name)
        literals = [writer.literal(item, item_type, hint, f"{name}[{index}]") for index, item in enumerate(items)]
        return core.Literal(collection=core.LiteralCollection(literals=literals))

    def to_python(self, literal: core.Literal, python_type: Any, name: str, reader: Reader) -> list[Any]:
        collection = literal.collection
        if collection is None:
            raise wrong_literal(name, python_type_text(python_type), literal)
        item_type = _item_type(python_type)
        return [reader.python(item, item_type, f"{name}[{index}]") for index, item in enumerate(collection.literals)]

    def to_plain(self, value: Any, python_type: Any, name: str, writer: Writer) -> list[Any]:
        item_type = _item_type(python_type)
        items = _list(value, python_type_text(python_type), name)
        return [writer.plain(item, item_type, f"{name}[{index}]") for index, item in enumerate(items)]

    def from_plain(self, value: Any, python_type: Any, name: str, reader: Reader) -> list[Any]:
        item_type = _item_type(python_type)
        items = _list(value, python_type_text(python_type), name)
        return [reader.value(item, item_type, f"{name}[{index}]") for index, item in enumerate(items)]

    def json_schema(self, python_type: Any, registry: Registry) -> dict[str, Any]:
        items = registry.json_schema(_item_type(python_type))
        return {"type": "array", "items": items} if items else {"type": "array"}


class DictConverter(Converter):
    """dict[str, T], and dicts without types or with other keys, which are serialised."""

    tag = "Typed Dict"
    kinds = ("map_value_type", core.SimpleType.STRUCT)

    def handles(self, python_type: Any) -> bool:
        return (get_origin(python_type) or python_type) is dict

    def literal_type(self, python_type: Any, registry: Registry) -> core.LiteralType:
        key_type, value_type = _entry_types(python_type)
        if key_type is str:
            return core.LiteralType(map_value_type=registry.literal_type(value_type))
        return core.LiteralType(simple=core.SimpleType.STRUCT, annotation=plain.msgpack_mark())

    def guess(self, literal_type: core.LiteralType, registry: Registry) -> Any:
        if literal_type.map_value_type is None:
            return dict
        return dict[str, registry.guess(literal_type.map_value_type)]

    def to_literal(self, value: Any, expected: core.LiteralType, hint: Any, name: str, writer: Writer) -> core.Literal:
        if (value_type := expected.map_value_type) is None:
            # Strictly, a union may hold something that fits a dict better than the untyped one.
            if writer.strict:
                raise wrong_type(name, type_text(expected), value)
            return plain.dump(self.to_plain(value, hint, name, writer))
        hint = _entry_types(hint)[1]
        entries: dict[str, core.Literal] = {}
        for key, item in _dict(value, type_text(expected), name).items():
            if not isinstance(key, str):
                raise FlyteTypeException(f"{name}: keys must be str, got {python_type_text(type(key))}")
            entries[plain.utf8(key, name)] = writer.literal(item, value_type, hint, f"{name}[{key!r}]")
        return core.Literal(map=core.LiteralMap(literals=entries))

    def to_python(self, literal: core.Literal, python_type: Any, name: str, reader: Reader) -> dict[Any, Any]:
        entries = literal.map
        if entries is None:
            raise wrong_literal(name, python_type_text(python_type), literal)
        key_type, value_type = _entry_types(python_type)
        return {
            _key(key, key_type, name, reader): reader.python(item, value_type, f"{name}[{key!r}]")
            for key, item in entries.literals.items()
        }

    def to_plain(self, value: Any, python_type: Any, name: str, writer: Writer) -> dict[Any, Any]:
        key_type, value_type = _entry_types(python_type)
        return {
            writer.plain(key, key_type, f"{name}.keys()"): writer.plain(item, value_type, f"{name}[{key!r}]")
            for key, item in _dict(value, "dict", name).items()
        }

    def from_plain(self, value: Any, python_type: Any, name: str, reader: Reader) -> dict[Any, Any]:
        key_type, value_type = _entry_types(python_type)
        return {
            _key(key, key_type, name, reader): reader.value(item, value_type, f"{name}[{key!r}]")
            for key, item in _dict(value, python_type_text(python_type), name).items()
        }

    def json_schema(self, python_type: Any, registry: Registry) -> dict[str, Any]:
        schemas = zip(("propertyNames", "additionalProperties"), _entry_types(python_type), strict=True)
        found = {name: registry.json_schema(kind) for name, kind in schemas}
        return {"type": "object", **{name: schema for name, schema in found.items() if schema}}


class UnionConverter(Converter):
    """Union and Optional."""

    tag = "Typed Union"
    kinds = ("union_type",)
    reads_unions = True

    def handles(self, python_type: Any) -> bool:
        return get_origin(python_type) in (Union, UnionType)

    def literal_type(self, python_type: Any, registry: Registry) -> core.LiteralType:
        variants = [_tagged(member, registry) for member in get_args(python_type)]
        return core.LiteralType(union_type=core.UnionType(variants=variants))

    def guess(self, literal_type: core.LiteralType, registry: Registry) -> Any:
        assert literal_type.union_type is not None
        variants = [registry.guess(variant) for variant in literal_type.union_type.variants]
        return cast("Any", Union)[tuple(variants)] if variants else Any

    def to_literal(self, value: Any, expected: core.LiteralType, hint: Any, name: str, writer: Writer) -> core.Literal:
        assert expected.union_type is not None
        variants = expected.union_type.variants
        hints = (
            get_args(hint) if self.handles(hint) and len(get_args(hint)) == len(variants) else [hint] * len(variants)
        )
        choices = list(zip(variants, hints, strict=True))

        def write(choice: tuple[core.LiteralType, Any], strict: bool) -> core.Literal:
            variant, variant_hint = choice
            with writer.uploads.attempt():
                inner = (writer.strictly() if strict else writer).literal(value, variant, variant_hint, name)
            return core.Literal(scalar=core.Scalar(union=core.Union(value=inner, type=variant)))

        return _choose(
            choices, write, writer.strict, name, lambda: wrong_type(name, type_text(expected), value), unique=True
        )

    def to_python(self, literal: core.Literal, python_type: Any, name: str, reader: Reader) -> Any:
        members = get_args(python_type)
        union = literal.scalar.union if literal.scalar is not None else None
        if union is not None and union.type is not None:
            members = _stored_first(members, union.type, reader.registry)
        inner = in_union(literal)
        held = literal if inner is None else inner

        def read(member: Any, strict: bool) -> Any:
            return (reader.strictly() if strict else reader).python(held, member, name)

        return _choose(
            members, read, reader.strict, name, lambda: wrong_literal(name, python_type_text(python_type), held)
        )

    def to_plain(self, value: Any, python_type: Any, name: str, writer: Writer) -> Any:
        def write(member: Any, strict: bool) -> Any:
            with writer.uploads.attempt():
                return (writer.strictly() if strict else writer).plain(value, member, name)

        return _choose(
            get_args(python_type),
            write,
            writer.strict,
            name,
            lambda: wrong_type(name, python_type_text(python_type), value),
        )

    def from_plain(self, value: Any, python_type: Any, name: str, reader: Reader) -> Any:
        loose = reader.raising()
        strictly = loose.strictly()

        def read(member: Any, strict: bool) -> Any:
            return (strictly if strict else loose).value(value, member, name)

        return _choose(
            get_args(python_type),
            read,
            reader.strict,
            name,
            lambda: wrong_type(name, python_type_text(python_type), value),
        )

    def json_schema(self, python_type: Any, registry: Registry) -> dict[str, Any]:
        return {"anyOf": [registry.json_schema(member) for member in get_args(python_type)]}


def _choose(
    choices: Iterable[C],
    attempt: Callable[[C, bool], T],
    strict: bool,
    name: str,
    error: Callable[[], FlyteUserException],
    *,
    unique: bool = False,
) -> T:
    """What the first exactly fitting choice gives, else the first one that fits with a conversion.

    Raises:
        FlyteTypeException: none fits; or `unique`, and several fit with a conversion only.
    """
    choices = list(choices)
    for choice in choices:
        with suppress(FlyteUserException):
            return attempt(choice, True)
    if strict:
        raise error()
    results: list[T] = []
    failures: list[FlyteUserException] = []
    for choice in choices:
        try:
            results.append(attempt(choice, False))
        except FlyteUserException as failure:
            failures.append(failure)
    if not results:
        raise _most_telling(failures, name) or error()
    if unique and len(results) > 1:
        raise FlyteTypeException(f"{error()}, which fits several of them: give a value of exactly one")
    return results[0]


def _most_telling(failures: list[FlyteUserException], name: str) -> FlyteUserException | None:
    """The failure that says more than that the type is another one: a bad value, or something deep inside."""
    for failure in failures:
        if isinstance(failure, FlyteValueException) or str(failure).startswith((f"{name}[", f"{name}.")):
            return failure
    return None


def _stored_first(members: Sequence[Any], stored: core.LiteralType, registry: Registry) -> list[Any]:
    """The members of a union, those before the others that a literal was written for.

    The writer's tag tells which; where several have it, the type does.
    """
    tag = stored.structure.tag if stored.structure is not None else ""
    pool = [member for member in members if _tag(member, registry) == tag] or list(members)
    if len(pool) > 1:
        pool.sort(key=lambda member: not _has_type(member, stored, registry))
    return [*pool, *(member for member in members if member not in pool)]


def _tag(python_type: Any, registry: Registry) -> str | None:
    try:
        return registry.for_type(python_type).tag
    except FlyteTypeException:
        return None


def _has_type(python_type: Any, stored: core.LiteralType, registry: Registry) -> bool:
    try:
        return essence(registry.literal_type(python_type)) == essence(stored)
    except FlyteTypeException:
        return False


def _tagged(member: Any, registry: Registry) -> core.LiteralType:
    """The LiteralType of a union's member, marked as flytekit marks it."""
    variant = registry.literal_type(member)
    variant.structure = core.TypeStructure(tag=registry.for_type(member).tag)
    return variant


def essence(literal_type: core.LiteralType) -> tuple[core.LiteralType, str]:
    """The type alone, without metadata, annotation and tag; and its name, which tells dataclasses apart."""
    field, value = which(literal_type, "type")
    return core.LiteralType(**{field: value}) if field else core.LiteralType(), type_text(literal_type)


def _item_type(python_type: Any) -> Any:
    """The T of list[T]; Any if there is none."""
    python_type = unwrap(python_type)
    arguments = get_args(python_type)
    return arguments[0] if get_origin(python_type) is list and arguments else Any


def _entry_types(python_type: Any) -> tuple[Any, Any]:
    """The K and V of dict[K, V]; Any and Any if there are none."""
    python_type = unwrap(python_type)
    arguments = get_args(python_type)
    return (unwrap(arguments[0]), arguments[1]) if get_origin(python_type) is dict and arguments else (Any, Any)


def _key(key: Any, key_type: Any, name: str, reader: Reader) -> Any:
    """A key out of a map or a serialised dict; the keys of a Struct are texts whatever they were."""
    if isinstance(key, str) and key_type in (int, float):
        with suppress(ValueError):
            key = key_type(key)
    return reader.value(key, key_type, f"{name}.keys()")


def _list(value: Any, expected: str, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise wrong_type(name, expected, value)
    return cast("list[Any]", value)


def _dict(value: Any, expected: str, name: str) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise wrong_type(name, expected, value)
    return cast("Mapping[Any, Any]", value)
