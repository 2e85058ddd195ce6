"""Values at the JSON edge of a service: schemas, JSON to literals, literals to JSON."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from ..config import without_query
from ..errors import FlyteTypeException, FlyteUserException
from ..idl import core
from . import plain
from .builtin import REGISTRY
from .conversion import convert
from .reading import Problem, Reader, in_union
from .text import literal_kind, which
from .times import utc


@dataclass(frozen=True)
class Parsed:
    """A literal made of JSON, or what is wrong with the JSON.

    Attributes:
        literal: None if there are problems.
        problems: what is wrong, each with the path of the field.
    """

    literal: core.Literal | None
    problems: tuple[Problem, ...] = ()


def json_schema(literal_type: core.LiteralType) -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of a variable's values, self-contained; empty for what can be anything."""
    python_type = Reader(REGISTRY).guess_or_any(literal_type)
    try:
        return REGISTRY.json_schema(python_type)
    except FlyteTypeException:
        return {}


def from_json(value: Any, literal_type: core.LiteralType, name: str = "value") -> Parsed:
    """Make the literal of a value that came as JSON; everything wrong with it is found, not just the first thing.

    Args:
        value: what a JSON parser gives.
        literal_type: the variable's type.
        name: the variable's name, with which paths begin.
    """
    problems: list[Problem] = []
    python_type = Reader(REGISTRY).guess_or_any(literal_type)
    try:
        converted = Reader(REGISTRY, closed=True, problems=problems).value(value, python_type, name)
        literal = None if problems else _written(converted, literal_type, python_type, name, problems)
    except RecursionError:
        problems.append(Problem(name, f"{name}: the value is nested too deeply"))
        literal = None
    except FlyteUserException as error:
        problems.append(Problem(name, str(error)))
        literal = None
    return Parsed(literal, tuple(problems))


def _written(
    value: Any, literal_type: core.LiteralType, python_type: Any, name: str, problems: list[Problem]
) -> core.Literal | None:
    """The literal of a value that came from outside, which must not reach for the files of this machine."""
    variables = {name: core.Variable(type=literal_type)}
    converted = convert({name: value}, variables, type_hints={name: python_type})
    problems += [
        Problem(upload.name, f"{upload.name}: expected a URI, got a local path") for upload in converted.uploads
    ]
    return None if problems else converted.literals.literals[name]


def json_of(literal: core.Literal, name: str = "value") -> Any:
    """The value of a literal in JSON's types; see `LiteralsResolver.to_json` for what becomes of the others.

    Raises:
        FlyteTypeException: it was not fetched, or is of a kind that is not known.
        FlyteValueException: it is a pickle.
        FlyteDecodeError: its bytes are not in the format that they claim.
    """
    if plain.pickle_uri(literal) is None and plain.is_serialised(literal):
        return _jsonable(plain.load(literal, name), name)
    if (inner := in_union(literal)) is not None:
        return json_of(inner, name)
    if (collection := literal.collection) is not None:
        return [json_of(item, f"{name}[{index}]") for index, item in enumerate(collection.literals)]
    if (entries := literal.map) is not None:
        return {key: json_of(item, f"{name}[{key!r}]") for key, item in entries.literals.items()}
    if (offloaded := literal.offloaded_metadata) is not None:
        where = without_query(offloaded.uri)
        raise FlyteTypeException(f"{name}: the value is stored outside of the literal, at {where}, and was not fetched")
    if (scalar := literal.scalar) is not None:
        return _json_of_scalar(literal, scalar, name)
    raise FlyteTypeException(f"{name}: the literal is empty")


def _json_of_scalar(literal: core.Literal, scalar: core.Scalar, name: str) -> Any:
    match which(scalar, "value"):
        case "none_type", _:
            return None
        case "primitive", primitive:
            return _jsonable(which(primitive, "value")[1], name)
        case "blob", blob:
            return {"path": blob.uri, **({"metadata": dict(literal.metadata)} if literal.metadata else {})}
        case "structured_dataset", dataset:
            kind = dataset.metadata.structured_dataset_type if dataset.metadata is not None else None
            return {"uri": dataset.uri, "file_format": kind.format if kind is not None else ""}
        case "schema", schema:
            return {"uri": schema.uri, "file_format": "parquet"}
        case "generic", _:
            return {"path": plain.pickle_uri(literal)}
        case "error", error:
            return {"message": error.message}
        case _:
            raise FlyteTypeException(f"{name}: a literal that holds {literal_kind(literal)} has no JSON")


def _jsonable(value: Any, name: str) -> Any:
    """A plain value in JSON's types."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            if math.isfinite(value):
                return value
            return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        case bytes():
            return base64.b64encode(value).decode()
        case datetime():
            return utc(value, name).isoformat()
        case timedelta():
            return value.total_seconds()
        case list() | tuple():
            return [_jsonable(item, f"{name}[{index}]") for index, item in enumerate(cast("list[Any]", value))]
        case Mapping():
            entries = cast("Mapping[Any, Any]", value)
            return {_key(key): _jsonable(item, f"{name}[{key!r}]") for key, item in entries.items()}
        case _:
            raise FlyteTypeException(f"{name}: {type(value).__name__} has no JSON")


def _key(key: Any) -> str:
    """The key of an object; JSON's are texts."""
    return (
        key
        if isinstance(key, str)
        else "null"
        if key is None
        else str(key).lower()
        if isinstance(key, bool)
        else str(key)
    )
