"""Makes the plan of a message class out of what betterproto2 noted on its dataclass fields."""

from __future__ import annotations

import dataclasses
import inspect
import sys
import types
import typing
from collections.abc import Callable
from typing import Any, cast

import betterproto2 as bp

from .decoder import read_bytes, read_fixed, read_item, read_packed
from .encoder import write_float, write_items, write_map, write_packed
from .lazy import Lazy, LazyOptional, LazyTime
from .nested import WRAPPERS, ListType, MapType, MessageType, TimeType, WrapperType
from .plan import ITEM, MAKING, NUMBER, OTHER, SUB, TEXT, TIME, Field, Nested, Plan
from .scalars import SCALARS, Scalar, enum_scalar
from .wire import LEN, VARINT, varint


def plan_of(cls: type[Any]) -> Plan:
    """The plan of a message class, made when it is first asked for."""
    plan: Plan | None = cls._plan
    if plan is None or plan.cls is not cls:
        with MAKING:
            plan = cls._plan
            if plan is None or plan.cls is not cls:
                cls._plan = plan = _make_plan(cls)
    return plan


def _make_plan(cls: type[Any]) -> Plan:
    fields = sorted((_field(cls, field) for field in dataclasses.fields(cls)), key=lambda field: field.number)
    plan = Plan(cls, {field.name: field for field in fields})
    attributes = {field.name: _add(plan, field) for field in fields}
    optional = [value for value in attributes.values() if isinstance(value, LazyOptional)]
    for value in optional:
        value.siblings = tuple(sibling.name for sibling in optional)
    for name, value in attributes.items():
        setattr(cls, name, value)
    return plan


# What betterproto2 noted


def _field(cls: type[Any], field: dataclasses.Field[Any]) -> Field:
    meta: bp.FieldMetadata = field.metadata["betterproto"]
    assert field.default_factory is not dataclasses.MISSING
    key: Scalar | None = None
    value = meta
    if meta.map_meta is not None:
        key_meta, value = meta.map_meta
        key = SCALARS[key_meta.proto_type]
    return Field(
        name=field.name,
        number=meta.number,
        type=_type(cls, field, value),
        default=field.default_factory,
        repeated=bool(meta.repeated),
        key=key,
        optional=bool(meta.optional or meta.group),
        group=meta.group,
    )


def _type(cls: type[Any], field: dataclasses.Field[Any], meta: bp.FieldMetadata) -> Scalar | Nested:
    if meta.proto_type == bp.TYPE_MESSAGE:
        unwrap = meta.unwrap
        if unwrap is None:
            return cast("Nested", MessageType(lambda: plan_of(_annotated(cls, field))))
        name, where = unwrap().__name__, f"{cls.__name__}.{field.name}"
        return WrapperType(name, where, lambda: plan_of(unwrap())) if name in WRAPPERS else TimeType(name, where)
    if meta.proto_type == bp.TYPE_ENUM:
        return enum_scalar(_annotated(cls, field))
    return SCALARS[meta.proto_type]


def _annotated(cls: type[Any], field: dataclasses.Field[Any]) -> type[Any]:
    """The class in a field's annotation: `X`, `X | None`, `list[X]` or `dict[K, X]`."""
    hint: Any = field.type
    if isinstance(hint, str):
        owner = next(base for base in cls.__mro__ if field.name in inspect.get_annotations(base))
        hint = eval(hint, vars(sys.modules[owner.__module__]))  # noqa: S307 - an annotation in the source of a class
    classes = [argument for argument in typing.get_args(hint) if argument is not types.NoneType]
    return classes[-1] if classes else hint


# What the codec makes of it


def _add(plan: Plan, field: Field) -> Any:
    """Put a field into the tables of a plan; returns what the class shows for it if a message has nothing."""
    if field.key is not None:
        return _add_map(plan, field, field.key)
    if field.repeated:
        return _add_list(plan, field)
    if isinstance(field.type, Scalar):
        return _add_scalar(plan, field, field.type)
    is_time = isinstance(field.type, TimeType)
    lazy = (LazyTime if is_time else LazyOptional)(field.name, field.type)
    tag = field.number << 3 | LEN
    plan.add_reader(tag, (SUB, field.name, None, field.group))
    plan.add_writer((field.name, TIME if is_time else SUB, True, varint(tag), field.type, field.group))
    plan.checks[field.name] = lazy.check
    return lazy


class _Entry:
    """The base of classes for the entries of maps."""

    __slots__ = ("__dict__", "_depth", "_raw")


def _add_map(plan: Plan, field: Field, key: Scalar) -> Lazy:
    entry = Plan(type(f"an entry of {plan.cls.__name__}.{field.name}", (_Entry,), {}), {})
    _add(entry, Field("key", 1, key, field.default))
    _add(entry, Field("value", 2, field.type, field.default))
    lazy = Lazy(field.name, MapType(entry, key, field.type), dict)
    where = f"{plan.cls.__name__}.{field.name}"
    tag = field.number << 3 | LEN
    plan.add_reader(tag, (ITEM, field.name, None, None))
    plan.add_writer((field.name, OTHER, False, varint(tag), write_map(varint(tag), key, field.type, where), None))
    plan.checks[field.name] = lazy.check
    return lazy


def _add_list(plan: Plan, field: Field) -> Lazy:
    name, type_, tag = field.name, field.type, field.number << 3 | LEN
    write = write_items(varint(tag), type_)
    if isinstance(type_, Scalar):
        lazy = Lazy(name, None, list)
        plan.add_reader(field.number << 3 | type_.wire, (OTHER, name, read_item(type_), None))
        if type_.wire != LEN:
            plan.add_reader(tag, (OTHER, name, read_packed(type_), None))
            write = write_packed(varint(tag), type_)
    else:
        lazy = Lazy(name, ListType(type_), list)
        plan.add_reader(tag, (ITEM, name, None, None))
        plan.checks[name] = lazy.check
    plan.add_writer((name, OTHER, False, varint(tag), write, None))
    return lazy


def _add_scalar(plan: Plan, field: Field, scalar: Scalar) -> Any:
    name, group, explicit = field.name, field.group, field.optional
    tag = field.number << 3 | scalar.wire
    dump: Callable[..., Any] = scalar.dump
    if scalar.wire == VARINT:
        plan.add_reader(tag, (NUMBER, name, scalar.load, group))
        kind = NUMBER
    elif scalar.layout is not None:
        plan.add_reader(tag, (OTHER, name, read_fixed(scalar), group))
        kind = NUMBER
        if isinstance(scalar.default, float) and not explicit:
            kind, explicit, dump = OTHER, True, write_float(varint(tag), scalar)
    else:
        plan.add_reader(tag, (TEXT, name, None, group) if scalar.default == "" else (OTHER, name, read_bytes, group))
        kind = TEXT
    plan.add_writer((name, kind, explicit, varint(tag), dump, group))
    return None if field.optional else scalar.default
