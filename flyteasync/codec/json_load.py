"""Messages from dicts, lists, numbers and strings, by the JSON mapping of proto3.

https://protobuf.dev/programming-guides/json/
"""

from __future__ import annotations

import binascii
import datetime
import math
import re
from collections.abc import Mapping
from typing import Any, NoReturn, cast

import betterproto2 as bp

from ..errors import FlyteValueException
from . import times
from .encoder import BAD_TYPE, BAD_VALUE, flatten, two_members
from .json_names import FLOATS, class_of_url, form_of, holds_null, is_null_enum, json_name, own_name, takes_null
from .lazy import Exact
from .nested import WRAPPERS, MessageType, TimeType, WrapperType
from .plan import Field, Nested, Plan
from .scalars import SCALARS, Scalar
from .schema import plan_of

_SPECIAL_FLOATS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
_IGNORED = object()  # in place of an enum member of unknown name, if those are to be ignored


def load(cls: type[Any], value: Any, ignore_unknown: bool) -> Any:
    """The message of a class that a JSON value is.

    Raises:
        FlyteValueException: it does not fit; the text names the message and the field.
    """
    if isinstance(value, cls):
        return value
    match form_of(cls):
        case None:
            return _load_fields(cls, value, ignore_unknown)
        case "Struct":
            entries = _mapping("Struct", value)
            return cls(
                fields={_text("Struct", name): _load_nested(cls, "fields", item) for name, item in entries.items()}
            )
        case "ListValue":
            return cls(values=[_load_nested(cls, "values", item) for item in _array("ListValue", value)])
        case "Value":
            return _load_any_value(cls, value)
        case "Any":
            return _load_any(cls, value, ignore_unknown)
        case "Timestamp" | "Duration" as name:
            seconds, nanos = _numbers(name, name, value)
            return cls(seconds=seconds, nanos=nanos)
        case wrapper:
            return cls(value=_load_scalar(wrapper, SCALARS[WRAPPERS[wrapper]], value))


def _reject(where: str, expected: str, value: Any) -> NoReturn:
    got = repr(value) if isinstance(value, int | float | None) else f"a value of type {type(value).__name__}"
    raise FlyteValueException(f"{where}: expected {expected}, got {got}")


def _mapping(where: str, value: Any) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        _reject(where, "an object", value)
    return cast("Mapping[Any, Any]", value)


def _array(where: str, value: Any) -> list[Any] | tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        _reject(where, "an array", value)
    return cast("list[Any]", value)


def _text(where: str, value: Any) -> str:
    if not isinstance(value, str):
        _reject(where, "a string", value)
    return value


# Messages


def _load_fields(cls: type[Any], value: Any, ignore_unknown: bool) -> Any:
    by_name = _fields_by_name(plan_of(cls))
    found: dict[str, Any] = {}
    exact: dict[str, Exact] = {}
    members: dict[str, str] = {}
    for key, item in _mapping(cls.__name__, value).items():
        field = by_name.get(key)
        if field is None:
            if ignore_unknown:
                continue
            known = ", ".join(json_name(cls, name) for name in plan_of(cls).fields)
            raise FlyteValueException(f"{cls.__name__} has no field {key!r}; its fields are: {known}")
        if item is None and not takes_null(field):
            continue
        name = field.name
        if field.group is not None and (other := members.setdefault(field.group, name)) != name:
            raise FlyteValueException(two_members(cls, field.group, other, name))
        loaded = _load_field(f"{cls.__name__}.{name}", field, item, ignore_unknown)
        if isinstance(loaded, Exact):
            exact[name], loaded = loaded, loaded.value
        if loaded is not _IGNORED:
            found[name] = loaded
    message = cls(**found)
    message._raw = exact or None
    return message


def _fields_by_name(plan: Plan) -> dict[str, Field]:
    result: dict[str, Field] = {}
    for name, field in plan.fields.items():
        for alias in (name, own_name(name), json_name(plan.cls, name)):
            result[alias] = field
    return result


def _load_field(where: str, field: Field, value: Any, ignore_unknown: bool) -> Any:
    if field.key is not None:
        entries = {
            _load_key(where, field.key, key): _load_item(f"{where}[{key!r}]", field.type, item, ignore_unknown)
            for key, item in _mapping(where, value).items()
        }
        return {key: item for key, item in entries.items() if item is not _IGNORED}
    if field.repeated:
        items = [
            _load_item(f"{where}[{index}]", field.type, item, ignore_unknown)
            for index, item in enumerate(_array(where, value))
        ]
        return [item for item in items if item is not _IGNORED]
    return _load_value(where, field.type, value, ignore_unknown)


def _load_key(where: str, type_: Scalar, key: Any) -> Any:
    if type_.proto_type == bp.TYPE_BOOL:
        if key not in (True, False, "true", "false"):
            _reject(where, '"true" or "false" as a key', key)
        return key in (True, "true")
    return _load_scalar(where, type_, key)


def _load_item(where: str, type_: Scalar | Nested, value: Any, ignore_unknown: bool) -> Any:
    if value is None and not holds_null(type_):
        _reject(where, type_.expected, value)
    loaded = _load_value(where, type_, value, ignore_unknown)
    return loaded.value if isinstance(loaded, Exact) else loaded


def _load_value(where: str, type_: Scalar | Nested, value: Any, ignore_unknown: bool) -> Any:
    if isinstance(type_, WrapperType):
        type_ = type_.scalar
    if isinstance(type_, Scalar):
        if ignore_unknown and type_.enum is not None and isinstance(value, str) and _member(type_, value) is None:
            return _IGNORED
        return _load_scalar(where, type_, value)
    if isinstance(type_, TimeType):
        return _load_time(where, type_, value)
    assert isinstance(type_, MessageType)
    return load(type_.plan.cls, value, ignore_unknown)


# Scalars and times


def _load_scalar(where: str, type_: Scalar, value: Any) -> Any:
    try:
        loaded = _convert(type_, value)
        type_.dump(loaded)  # checks type and range
    except (*BAD_TYPE, *BAD_VALUE):
        _reject(where, type_.expected, value)
    return loaded


def _convert(type_: Scalar, value: Any) -> Any:
    """A Python value of a JSON value; raises as `Scalar.dump` does."""
    if type_.enum is not None:
        return _enum_member(type_, value)
    if type_.proto_type == bp.TYPE_BYTES:
        return value if isinstance(value, bytes) else _bytes(value)
    if type_.proto_type in (bp.TYPE_BOOL, bp.TYPE_STRING):
        if type(value) is not type(type_.default):
            raise TypeError
        return value
    if isinstance(value, bool):
        raise TypeError
    if type_.proto_type in FLOATS:
        return _float(value)
    return _integer(value)


def _member(type_: Scalar, name: str) -> Any:
    """The member of an enum with a name that the proto file gives it; None if there is none."""
    cls = cast("type[bp.Enum]", type_.enum)
    number = cls.betterproto_renamed_proto_names_to_value().get(name)
    return cls.__members__.get(name) if number is None else cls(number)


def _enum_member(type_: Scalar, value: Any) -> Any:
    if value is None and is_null_enum(type_):
        return type_.default
    if isinstance(value, str):
        member = _member(type_, value)
        if member is not None:
            return member
    return cast("type[bp.Enum]", type_.enum)(_integer(value))


def _integer(value: Any) -> int:
    if isinstance(value, str):
        value = int(value) if re.fullmatch(r"-?\d+", value, re.ASCII) else _float(value)
    if isinstance(value, float):
        if not value.is_integer():
            raise ValueError
        return int(value)
    if not isinstance(value, int):
        raise TypeError
    return value


def _float(value: Any) -> float:
    if isinstance(value, str):
        if value in _SPECIAL_FLOATS:
            return _SPECIAL_FLOATS[value]
        if not _NUMBER.fullmatch(value):
            raise ValueError
    elif not isinstance(value, int | float):
        raise TypeError
    return float(value)


def _bytes(value: Any) -> bytes:
    """Base64 of either alphabet, with or without padding."""
    if not isinstance(value, str):
        raise TypeError
    text = value.rstrip("=").replace("-", "+").replace("_", "/")
    return binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)


def _numbers(where: str, name: str, value: Any) -> tuple[int, int]:
    try:
        return times.from_text(name, value)
    except (TypeError, ValueError, OverflowError):
        example = "2024-02-29T12:34:56.789Z" if name == "Timestamp" else "-1.5s"
        _reject(where, f"a {name} such as {example!r}", value)


def _load_time(where: str, type_: TimeType, value: Any) -> Any:
    if isinstance(value, datetime.datetime | datetime.timedelta):
        try:
            type_.numbers(value)
        except (*BAD_TYPE, *BAD_VALUE):
            _reject(where, type_.expected, value)
        return value
    seconds, nanos = _numbers(where, type_.name, value)
    return type_.load_exact(times.dump_seconds(seconds, nanos), 0)


# Messages with a form of their own


def _load_nested(cls: type[Any], field: str, value: Any) -> Any:
    """What a Struct or ListValue holds: a Value."""
    type_ = plan_of(cls).fields[field].type
    assert isinstance(type_, MessageType)
    return load(type_.plan.cls, value, False)


def _load_any_value(cls: type[Any], value: Any) -> Any:
    match value:
        case None:
            return cls(null_value=cast("Scalar", plan_of(cls).fields["null_value"].type).default)
        case bool():
            return cls(bool_value=value)
        case int() | float():
            return cls(number_value=_load_scalar("Value.number_value", SCALARS[bp.TYPE_DOUBLE], value))
        case str():
            return cls(string_value=value)
        case list() | tuple():
            return cls(list_value=_load_nested(cls, "list_value", value))
        case Mapping():
            return cls(struct_value=_load_nested(cls, "struct_value", value))
        case _:
            _reject("Value", "a value of JSON", value)


def _load_any(cls: type[Any], value: Any, ignore_unknown: bool) -> Any:
    entries = dict(_mapping("Any", value))
    if not entries:
        return cls()
    url = _text("Any.@type", entries.pop("@type", None))
    inner = class_of_url(cls, url)
    if inner is None:
        return cls(type_url=url, value=_load_scalar("Any.value", SCALARS[bp.TYPE_BYTES], entries.get("value", "")))
    message = load(inner, entries.get("value") if form_of(inner) else entries, ignore_unknown)
    return cls(type_url=url, value=flatten(plan_of(inner), message, 0))
