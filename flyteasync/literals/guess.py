"""Python types out of JSON schemas: what dataclasses and pydantic models of a task look like from outside."""

from __future__ import annotations

import dataclasses
import enum
import json
import keyword
import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Union, cast, get_args
from uuid import UUID

from ..idl import core
from . import plain
from .choices import dynamic_enum, members
from .datasets import StructuredDataset
from .handles import FlyteDirectory, FlyteFile, with_format
from .unset import UNSET

_TEXTS: Mapping[str, Any] = {
    "date-time": datetime,
    "date": date,
    "time": time,
    "duration": timedelta,
    "time-delta": timedelta,
    "base64": bytes,
    "binary": bytes,
    "decimal": Decimal,
    "uuid": UUID,
    "path": Path,
}

_HANDLES: Mapping[str, tuple[str, Any]] = {
    "FlyteFile": ("path", FlyteFile),
    "FlyteDirectory": ("path", FlyteDirectory),
    "StructuredDataset": ("uri", StructuredDataset),
}
"""The class and the field that tells it, by the title of the schema."""


def schema_of(literal_type: core.LiteralType) -> dict[str, Any] | None:
    """The JSON schema of a LiteralType's values; None if it has none."""
    if literal_type.simple != core.SimpleType.STRUCT or literal_type.metadata is None:
        return None
    schema = plain.dict_of(literal_type.metadata)
    if isinstance(schema.get("$ref"), str):  # flytekit before 1.10 wrote all of them so, pydantic those of cycles
        return {**schema, **_resolved(schema, schema)} if {"definitions", "$defs"} & schema.keys() else None
    return schema if "title" in schema else None


def guess_record(literal_type: core.LiteralType) -> Any:
    """The dataclass that values of a LiteralType with a schema are read as; dict if it has none, or cannot be one.

    Equal schemas give the same class.
    """
    schema = schema_of(literal_type)
    if schema is None:
        return dict
    structure = literal_type.structure
    formats = _formats(structure.dataclass_type) if structure is not None else {}
    return _record(schema, _Definitions(schema), formats)


class _Definitions:
    """The named schemas of a document, and which of them are being looked at."""

    def __init__(self, root: Mapping[str, Any], within: frozenset[str] = frozenset()) -> None:
        self.root = root
        self.within = within

    def inside(self, reference: str) -> _Definitions:
        return _Definitions(self.root, self.within | {reference})


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema that a reference names; an empty one if there is none."""
    name = str(schema["$ref"]).rpartition("/")[2]
    for group in ("$defs", "definitions"):
        entries = root.get(group)
        named = cast("Mapping[str, Any]", entries).get(name) if isinstance(entries, Mapping) else None
        if isinstance(named, Mapping):
            return {"title": name, **cast("Mapping[str, Any]", named)}
    return {}


def _type(schema: Any, known: _Definitions) -> Any:
    """The Python type of a schema; Any for one that says nothing."""
    if not isinstance(schema, Mapping):
        return Any
    schema = cast("Mapping[str, Any]", schema)
    if "$ref" in schema:
        reference = str(schema["$ref"])
        return Any if reference in known.within else _type(_resolved(schema, known.root), known.inside(reference))
    for several in ("anyOf", "oneOf", "allOf"):
        if isinstance(options := schema.get(several), list):
            return _union([_type(option, known) for option in cast("list[Any]", options)])
    if "const" in schema:
        return _choice([schema["const"]])
    if isinstance(values := schema.get("enum"), list):
        return _choice(cast("list[Any]", values))
    kind = schema.get("type")
    if isinstance(kind, list):
        return _union([_type({**schema, "type": item}, known) for item in cast("list[Any]", kind)])
    return _simple(str(kind), schema, known)


def _simple(kind: str, schema: Mapping[str, Any], known: _Definitions) -> Any:
    """The Python type of a schema of one JSON type."""
    said = schema.get("format")
    match kind:
        case "string":
            return _TEXTS.get(str(said), str)
        case "integer":
            return int
        case "number":
            return timedelta if said == "time-delta" else int if said == "integer" else float
        case "boolean":
            return bool
        case "null":
            return type(None)
        case "array":
            return _array(schema, known)
        case "object":
            return _object(schema, known)
        case _:
            return Any


def _array(schema: Mapping[str, Any], known: _Definitions) -> Any:
    if isinstance(several := schema.get("prefixItems"), list):
        kinds = [_type(item, known) for item in cast("list[Any]", several)]
        return tuple[tuple(kinds)]
    items = _type(schema.get("items"), known)
    if schema.get("uniqueItems"):
        return set if items is Any else set[items]
    return list if items is Any else list[items]


def _object(schema: Mapping[str, Any], known: _Definitions) -> Any:
    properties = schema.get("properties")
    if isinstance(properties, Mapping):
        field, handle = _HANDLES.get(str(schema.get("title")), ("", None))
        return handle if field in properties else _record(schema, known, {})
    if "title" in schema and schema.get("additionalProperties") is False:
        return _record(schema, known, {})
    keys = _type(schema.get("propertyNames"), known)
    values = _type(schema.get("additionalProperties"), known)
    if values is Any and keys is Any:
        return dict
    return dict[str if keys is Any else keys, values]


def _union(options: list[Any]) -> Any:
    return Any if Any in options or not options else cast("Any", Union)[tuple(options)]


def _choice(values: list[Any]) -> Any:
    """An enum for texts, as most of them are; a Literal for anything else."""
    if all(isinstance(value, str) for value in values):
        return dynamic_enum(tuple(values)) if len(set(values)) == len(values) else str
    whole = [int(value) if isinstance(value, float) and value.is_integer() else value for value in values]
    return cast("Any", Literal)[tuple(whole)] if all(isinstance(value, (str, int, bool)) for value in whole) else Any


def _formats(kinds: Mapping[str, core.LiteralType]) -> dict[str, str]:
    """The formats of the files and directories among the fields, which the schema does not say."""
    return {name: kind.blob.format for name, kind in kinds.items() if kind.blob is not None and kind.blob.format}


def _record(schema: Mapping[str, Any], known: _Definitions, formats: Mapping[str, str]) -> Any:
    """The dataclass of a schema with properties; dict if some name cannot be that of a field."""
    found = schema.get("properties")
    properties: Mapping[str, Any] = cast("Mapping[str, Any]", found) if isinstance(found, Mapping) else {}
    if not all(name.isidentifier() and not keyword.iskeyword(name) for name in properties):
        return dict
    # Maps have no order on the wire, lists have: the required fields stand as they were declared.
    listed = schema.get("required")
    named = cast("list[Any]", listed) if isinstance(listed, list) else []
    required = list(dict.fromkeys(name for name in named if isinstance(name, str) and name in properties))
    fields: list[tuple[str, Any, str | None]] = []
    for name in [*required, *sorted(set(properties) - set(required))]:
        kind = _type(properties[name], known)
        if name in formats and kind in (FlyteFile, FlyteDirectory):
            kind = with_format("file" if kind is FlyteFile else "directory", formats[name])
        default = None if name in required else _default_text(properties[name])
        fields.append((name, kind, default))
    title = re.sub(r"\W", "_", str(schema.get("title") or "Record"))
    return _make(title if title.isidentifier() and not keyword.iskeyword(title) else f"_{title}", tuple(fields))


def _default_text(schema: Any) -> str:
    """The default in JSON, which has a hash; empty if the schema has none."""
    if not isinstance(schema, Mapping) or "default" not in schema:
        return ""
    return json.dumps(cast("Mapping[str, Any]", schema)["default"], sort_keys=True)


@lru_cache(maxsize=1024)
def _make(title: str, fields: tuple[tuple[str, Any, str | None], ...]) -> Any:
    """The dataclass of these fields; for each the name, the type, and the default: None requires the field."""
    return dataclasses.make_dataclass(
        title,
        [
            (name, kind) if default is None else (name, kind, dataclasses.field(default=_default(kind, default)))
            for name, kind, default in fields
        ],
    )


def _default(kind: Any, text: str) -> Any:
    """The default of a field; unset where only the task's code knows it, or where it is no plain value."""
    value = json.loads(text) if text else UNSET
    for member in get_args(kind) or (kind,):
        if value is None and member is type(None):
            return None
        if isinstance(member, type) and issubclass(member, enum.Enum) and value in members(member):
            return member(value)
        if isinstance(value, bool) or member is bool:
            if isinstance(value, bool) and member is bool:
                return value
        elif member in (int, float) and isinstance(value, (int, float)) and member(value) == value:
            return member(value)
        elif member is str and isinstance(value, str):
            return value
    return UNSET
