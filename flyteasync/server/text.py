"""Messages in protobuf's text format, as Go prints them inside error texts."""

from __future__ import annotations

import dataclasses
import enum
import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, cast

from .. import codec


def proto_text(message: codec.Message | None) -> str:
    """One line of `name:value` pairs; unset fields are left out."""
    return "" if message is None else " ".join(_fields(message))


def _fields(message: codec.Message) -> Iterator[str]:
    for field in dataclasses.fields(cast("Any", message)):
        name = field.name.rstrip("_")
        value: object = getattr(message, field.name)
        optional = bool(field.metadata["betterproto"].optional)
        if value is None or (not optional and not value):
            continue
        if isinstance(value, list):
            yield from (f"{name}:{_value(item)}" for item in cast("list[object]", value))
        elif isinstance(value, Mapping):
            pairs = sorted(cast("Mapping[object, object]", value).items(), key=lambda pair: str(pair[0]))
            yield from (f"{name}:{{key:{_value(key)} value:{_value(item)}}}" for key, item in pairs)
        else:
            yield f"{name}:{_value(value)}"


def _value(value: object) -> str:
    match value:
        case codec.Message():
            return "{" + proto_text(value) + "}"
        case enum.IntEnum():
            return value.name or str(int(value))
        case bool():
            return "true" if value else "false"
        case str():
            return json.dumps(value, ensure_ascii=False)
        case bytes():
            return json.dumps(value.decode("latin-1"))
        case datetime():
            return f"{{seconds:{int(value.timestamp())}}}"
        case timedelta():
            return f"{{seconds:{int(value.total_seconds())}}}"
        case _:
            return str(value)


def go_duration(value: timedelta) -> str:
    """A duration as Go prints it: `1h0m0s`, `1.5s`, `2ms`."""
    microseconds = value // timedelta(microseconds=1)
    sign, microseconds = ("-", -microseconds) if microseconds < 0 else ("", microseconds)
    if microseconds < 10**6:
        unit, size = ("µs", 1) if microseconds < 1000 else ("ms", 1000)
        return "0s" if microseconds == 0 else f"{sign}{microseconds / size:g}{unit}"
    seconds, rest = divmod(microseconds, 60 * 10**6)
    minutes, hours = seconds % 60, seconds // 60
    text = f"{rest / 10**6:.6f}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{sign}{hours}h{minutes}m{text}"
    return f"{sign}{minutes}m{text}" if minutes else sign + text
