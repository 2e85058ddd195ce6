"""Inputs as JSON: the schema of an interface, and values out of a body, with an error for each field that is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Any, cast

import msgspec

from ..errors import FlyteError, FlyteInvalidFields, FlyteInvalidInputException
from ..idl import core
from ..literals import to_literal, to_python, type_text

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:.+")

_JSON_NAMES: dict[type[object], str] = {
    bool: "boolean",
    int: "number",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}

_SIMPLE: dict[core.SimpleType, dict[str, Any]] = {
    core.SimpleType.NONE: {"type": "null"},
    core.SimpleType.INTEGER: {"type": "integer"},
    core.SimpleType.FLOAT: {"type": "number"},
    core.SimpleType.STRING: {"type": "string"},
    core.SimpleType.BOOLEAN: {"type": "boolean"},
    core.SimpleType.DATETIME: {"type": "string", "format": "date-time"},
    core.SimpleType.DURATION: {"type": ["string", "number"], "format": "duration"},
    core.SimpleType.STRUCT: {"type": "object"},
}

_NOTHING: dict[str, Any] = {"not": {}}
"""The schema of what cannot be given as JSON."""


def schema_of(
    variables: Mapping[str, core.Variable], required: Set[str], defaults: Mapping[str, core.Literal | None]
) -> dict[str, Any]:
    """The JSON schema of an object with these fields."""
    properties: dict[str, Any] = {}
    for name, variable in variables.items():
        escaped = name.replace("~", "~0").replace("/", "~1")
        schema = _schema(variable.type or core.LiteralType(), f"#/properties/{escaped}")
        if variable.description:
            schema["description"] = variable.description
        if (default := defaults.get(name)) is not None:
            with suppress(FlyteError, TypeError):
                schema["default"] = _jsonable(to_python(default, expected=variable.type))
        properties[name] = schema
    return {
        "$schema": DIALECT,
        "type": "object",
        "properties": properties,
        "required": sorted(required),
        "additionalProperties": False,
    }


def parse(
    body: str | bytes | Mapping[str, Any], variables: Mapping[str, core.Variable], required: Set[str]
) -> dict[str, Any]:
    """The values of a body.

    Raises:
        FlyteInvalidInputException: the body is no JSON object.
        FlyteInvalidFields: fields are missing, not known, or do not fit.
    """
    fields = _object(body)
    parser = _Parser()
    values: dict[str, Any] = {}
    for name in sorted(required - fields.keys()):
        parser.errors[name] = "is required"
    for name, value in fields.items():
        if name not in variables:
            parser.errors[name] = "there is no input of that name"
        else:
            values[name] = parser.input(value, variables[name].type or core.LiteralType(), name)
    if parser.errors:
        listed = "; ".join(f"{path}: {text}" for path, text in parser.errors.items())
        raise FlyteInvalidFields(f"the inputs do not fit: {listed}", fields=parser.errors)
    return values


def _object(body: str | bytes | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(body, Mapping):
        return dict(body)
    try:
        value = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise FlyteInvalidInputException(f"the body is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise FlyteInvalidInputException(f"the body must be a JSON object, got {_json_name(value)}")
    return cast("dict[str, Any]", value)


def _schema(kind: core.LiteralType, pointer: str) -> dict[str, Any]:
    """The schema of a type; `pointer` is where it will stand, for references within it."""
    if kind.collection_type is not None:
        return {"type": "array", "items": _schema(kind.collection_type, f"{pointer}/items")}
    if kind.map_value_type is not None:
        inner = _schema(kind.map_value_type, f"{pointer}/additionalProperties")
        return {"type": "object", "additionalProperties": inner}
    if kind.union_type is not None:
        variants = enumerate(kind.union_type.variants)
        return {"anyOf": [_schema(variant, f"{pointer}/anyOf/{index}") for index, variant in variants]}
    if kind.enum_type is not None:
        return {"type": "string", "enum": list(kind.enum_type.values)}
    if kind.blob is not None or kind.structured_dataset_type is not None:
        return {"type": "string", "format": "uri"}
    if kind.simple is None:
        return dict(_NOTHING)
    if _is_date(kind):
        return {"type": "string", "format": "date"}
    if kind.simple == core.SimpleType.STRUCT and kind.metadata is not None:
        own = to_python(core.Literal(scalar=core.Scalar(generic=kind.metadata)))
        return _moved({name: value for name, value in own.items() if name != "$schema"}, pointer)
    return dict(_SIMPLE.get(kind.simple, _NOTHING))


def _moved(schema: Any, pointer: str) -> Any:
    """A whole schema as part of another: references to its own root lead to where it stands now."""
    if isinstance(schema, dict):
        moved = {name: _moved(value, pointer) for name, value in cast("dict[str, Any]", schema).items()}
        reference = moved.get("$ref")
        if isinstance(reference, str) and reference.startswith("#"):
            moved["$ref"] = pointer + reference[1:]
        return moved
    if isinstance(schema, list):
        return [_moved(item, pointer) for item in cast("list[Any]", schema)]
    return schema


class _Parser:
    """Reads values, and collects what is wrong by path; a strict one takes no text for a date, no int for a float."""

    def __init__(self, *, strict: bool = False) -> None:
        self.errors: dict[str, str] = {}
        self._strict = strict

    def input(self, value: Any, kind: core.LiteralType, name: str) -> Any:
        """A whole input, as the conversion to literals will take it."""
        before = len(self.errors)
        parsed = self.value(value, kind, name)
        if len(self.errors) == before:
            try:
                to_literal(parsed, kind, name=name)
            except FlyteError as error:
                self.errors[name] = str(error).removeprefix(f"{name}: ")
        return parsed

    def value(self, value: Any, kind: core.LiteralType, path: str) -> Any:
        """A value of a type."""
        if (union := kind.union_type) is not None:
            return self._union(value, kind, union.variants, path)
        if (item := kind.collection_type) is not None and isinstance(value, list):
            items = cast("list[Any]", value)
            return [self.value(entry, item, f"{path}[{index}]") for index, entry in enumerate(items)]
        if (item := kind.map_value_type) is not None and isinstance(value, dict):
            entries = cast("dict[str, Any]", value)
            return {key: self.value(entry, item, f"{path}[{key!r}]") for key, entry in entries.items()}
        if (enum := kind.enum_type) is not None and isinstance(value, str):
            return value if value in enum.values else self._wrong(path, f"expected one of {', '.join(enum.values)}")
        if kind.blob is not None or kind.structured_dataset_type is not None:
            return self._uri(value, kind, path)
        if kind.simple is not None:
            return self._simple(value, kind, kind.simple, path)
        return self._mismatch(value, kind, path)

    def _simple(self, value: Any, kind: core.LiteralType, simple: core.SimpleType, path: str) -> Any:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        match simple, value:
            case core.SimpleType.NONE, None:
                return None
            case core.SimpleType.STRING, str():
                return value
            case core.SimpleType.BOOLEAN, bool():
                return value
            case core.SimpleType.STRUCT, dict():
                return cast("dict[str, Any]", value)
            case core.SimpleType.INTEGER, int() if number:
                return value
            case core.SimpleType.FLOAT, float():
                return value
            case core.SimpleType.INTEGER, float() if value.is_integer() and not self._strict:
                return int(value)
            case core.SimpleType.FLOAT, int() if number and not self._strict:
                return float(value) if abs(value) < 2**1023 else self._wrong(path, "the number is too large")
            case core.SimpleType.DATETIME, str() if not self._strict:
                return self._moment(value, kind, path)
            case core.SimpleType.DURATION, _ if not self._strict and (number or isinstance(value, str)):
                return self._duration(value, path)
            case _:
                return self._mismatch(value, kind, path)

    def _union(self, value: Any, kind: core.LiteralType, variants: list[core.LiteralType], path: str) -> Any:
        failures: list[dict[str, str]] = []
        for strict in (True,) if self._strict else (True, False):
            failures.clear()
            for variant in variants:
                attempt = _Parser(strict=strict)
                parsed = attempt.value(value, variant, path)
                if not attempt.errors:
                    return _in_union(parsed, variant)
                if variant.simple != core.SimpleType.NONE:
                    failures.append(attempt.errors)
        # The most telling are those of the only variant, or of one that is right in shape and wrong further inside.
        telling = [errors for errors in failures if len(failures) == 1 or path not in errors]
        if not telling:
            return self._mismatch(value, kind, path)
        self.errors |= telling[0]
        return None

    def _uri(self, value: Any, kind: core.LiteralType, path: str) -> Any:
        if not isinstance(value, str) or self._strict:
            return self._mismatch(value, kind, path)
        if not _URI.fullmatch(value):
            return self._wrong(path, "expected a URI, such as s3://bucket/key")
        if kind.blob is not None:
            scalar = core.Scalar(blob=core.Blob(metadata=core.BlobMetadata(type=kind.blob), uri=value))
        else:
            metadata = core.StructuredDatasetMetadata(structured_dataset_type=kind.structured_dataset_type)
            scalar = core.Scalar(structured_dataset=core.StructuredDataset(uri=value, metadata=metadata))
        return core.Literal(scalar=scalar)

    def _moment(self, value: str, kind: core.LiteralType, path: str) -> Any:
        try:
            return date.fromisoformat(value) if _is_date(kind) else datetime.fromisoformat(value)
        except ValueError:
            what = "date, such as 2024-01-31" if _is_date(kind) else "date and time, such as 2024-01-31T12:00:00Z"
            return self._wrong(path, f"expected an ISO 8601 {what}")

    def _duration(self, value: Any, path: str) -> Any:
        with suppress(msgspec.ValidationError, OverflowError, ValueError):
            return msgspec.convert(value, timedelta) if isinstance(value, str) else timedelta(seconds=value)
        return self._wrong(path, "expected seconds, or an ISO 8601 duration such as PT90S")

    def _mismatch(self, value: Any, kind: core.LiteralType, path: str) -> None:
        return self._wrong(path, f"expected {type_text(kind)}, got {_json_name(value)}")

    def _wrong(self, path: str, text: str) -> None:
        self.errors[path] = text


def _in_union(value: Any, variant: core.LiteralType) -> Any:
    """A ready literal within the union that it is meant for; other values find their variant by their type."""
    if not isinstance(value, core.Literal):
        return value
    return core.Literal(scalar=core.Scalar(union=core.Union(value=value, type=variant)))


def _is_date(kind: core.LiteralType) -> bool:
    tagged = kind.structure is not None and kind.structure.tag == "date"
    return kind.simple == core.SimpleType.DATETIME and tagged


def _json_name(value: Any) -> str:
    if value is None:
        return "null"
    kind = cast("type[object]", type(value))
    return _JSON_NAMES.get(kind, kind.__name__)


def _jsonable(value: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))
