"""Messages to dicts, lists, numbers and strings, by the JSON mapping of proto3.

https://protobuf.dev/programming-guides/json/
"""

from __future__ import annotations

import base64
import math
import struct
from typing import Any, NamedTuple, cast

import betterproto2 as bp

from ..errors import FlyteValueException
from . import times
from .decoder import build
from .json_names import FLOATS, TEXT_NUMBERS, class_of_url, form_of, is_null_enum, json_name, own_name
from .lazy import Exact
from .nested import WRAPPERS, TimeType, WrapperType
from .plan import Field, Nested
from .scalars import SCALARS, Scalar
from .schema import plan_of

_SINGLE = struct.Struct("<f")


class Style(NamedTuple):
    """How to dump; see `Message.to_dict`."""

    output_format: bp.OutputFormat
    casing: bp.Casing
    include_default_values: bool

    @property
    def python(self) -> bool:
        """Whether values stay what they are in Python if JSON has no equal."""
        return self.output_format == bp.OutputFormat.PYTHON


def dump(message: Any, style: Style) -> Any:
    """The JSON form of a message.

    Raises:
        FlyteDecodeError: it was decoded, and is malformed.
        FlyteValueException: it holds a time or a number that JSON cannot express.
    """
    match form_of(cast("type[Any]", type(message))):
        case None:
            return _dump_fields(message, style)
        case "Struct":
            return {name: dump(value, style) for name, value in message.fields.items()}
        case "ListValue":
            return [dump(value, style) for value in message.values]
        case "Value":
            return _dump_any_value(message, style)
        case "Any":
            return _dump_any(message, style)
        case "Timestamp" | "Duration" as name:
            return _time_text(name, name, message.seconds, message.nanos)
        case wrapper:
            return _dump_scalar(SCALARS[WRAPPERS[wrapper]], message.value, style)


def _dump_fields(message: Any, style: Style) -> dict[str, Any]:
    cls = cast("type[Any]", type(message))
    result: dict[str, Any] = {}
    for field in plan_of(cls).fields.values():
        value = getattr(message, field.name)
        if not style.include_default_values and not _is_shown(field, value):
            continue
        name = json_name(cls, field.name) if style.casing == bp.Casing.CAMEL else own_name(field.name)
        result[name] = None if value is None else _dump_field(message, field, value, style)
    return result


def _is_shown(field: Field, value: Any) -> bool:
    """Whether a value is on the wire, too."""
    if field.optional:
        return value is not None
    return bool(value) or (isinstance(value, float) and math.copysign(1, value) < 0)


def _dump_field(message: Any, field: Field, value: Any, style: Style) -> Any:
    where = f"{type(message).__name__}.{field.name}"
    if field.key is not None:
        return {
            name if style.python else str(name).lower() if isinstance(name, bool) else str(name): (
                _dump_value(where, field.type, item, style)
            )
            for name, item in value.items()
        }
    if field.repeated:
        return [_dump_value(where, field.type, item, style) for item in value]
    if isinstance(field.type, TimeType) and not style.python:
        exact = cast("dict[str, Any]", message._raw or {}).get(field.name)
        if isinstance(exact, Exact) and exact.value == value:
            seconds, nanos, _ = times.read_seconds(exact.data, 0)
            return _time_text(where, field.type.name, seconds, nanos)
    return _dump_value(where, field.type, value, style)


def _dump_value(where: str, type_: Scalar | Nested, value: Any, style: Style) -> Any:
    if isinstance(type_, WrapperType):
        type_ = type_.scalar
    if isinstance(type_, Scalar):
        return _dump_scalar(type_, value, style)
    if isinstance(type_, TimeType):
        return value if style.python else _time_text(where, type_.name, *type_.numbers(value))
    return dump(value, style)


def _dump_scalar(type_: Scalar, value: Any, style: Style) -> Any:
    if style.python:
        return value
    if type_.proto_type in TEXT_NUMBERS:
        return str(value)
    if type_.proto_type == bp.TYPE_BYTES:
        return base64.b64encode(value).decode()
    if type_.enum is not None:
        if is_null_enum(type_):
            return None
        member = cast("bp.Enum", type_.enum(value))
        return (member.proto_name or member.name) if member.name else member.value
    if type_.proto_type in FLOATS:
        return _dump_float(value, single=type_.proto_type == bp.TYPE_FLOAT)
    return value


def _dump_float(value: float, *, single: bool) -> float | str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if single:
        for digits in range(6, 9):  # the shortest number of double precision that is this one of single precision
            shorter = float(f"{value:.{digits}g}")
            if _SINGLE.pack(shorter) == _SINGLE.pack(value):
                return shorter
    return value


def _time_text(where: str, name: str, seconds: int, nanos: int) -> str:
    try:
        return times.to_text(name, seconds, nanos)
    except OverflowError as error:
        raise FlyteValueException(
            f"{where}: JSON has no {name} of {seconds} seconds and {nanos} nanoseconds"
        ) from error


def _dump_any_value(value: Any, style: Style) -> Any:
    for name in plan_of(cast("type[Any]", type(value))).fields:
        inner = getattr(value, name)
        if inner is None:
            continue
        if name == "null_value":
            return None
        if name == "number_value" and not math.isfinite(inner):
            raise FlyteValueException(f"Value.number_value: JSON has no {inner}")
        return dump(inner, style) if name in ("struct_value", "list_value") else inner
    return None


def _dump_any(message: Any, style: Style) -> dict[str, Any]:
    if not message:
        return {}
    cls = class_of_url(cast("type[Any]", type(message)), message.type_url)
    if cls is None:  # the mapping has nothing for a type that is not known; `json_load` reads this back
        return {"@type": message.type_url, "value": base64.b64encode(message.value).decode()}
    inner = dump(build(plan_of(cls), message.value, 0), style)
    return {"@type": message.type_url, "value": inner} if form_of(cls) else {"@type": message.type_url, **inner}
