"""Readable names of types and literals, for error messages and representations."""

from __future__ import annotations

import reprlib
from types import UnionType
from typing import Any, Union, get_args, get_origin

import betterproto2

from ..codec import Message
from ..config import without_query
from ..errors import FlyteDecodeError, FlyteTypeException, FlyteUserException, FlyteValueException
from ..idl import core
from ..idl.google import protobuf

_SIMPLE = {
    core.SimpleType.NONE: "None",
    core.SimpleType.INTEGER: "int",
    core.SimpleType.FLOAT: "float",
    core.SimpleType.STRING: "str",
    core.SimpleType.BOOLEAN: "bool",
    core.SimpleType.DATETIME: "datetime",
    core.SimpleType.DURATION: "timedelta",
    core.SimpleType.BINARY: "binary",
    core.SimpleType.ERROR: "error",
    core.SimpleType.STRUCT: "dict",
}

_PRIMITIVE = {
    "integer": "int",
    "float_value": "float",
    "string_value": "str",
    "boolean": "bool",
    "datetime": "datetime",
    "duration": "timedelta",
}

_SCALAR = {
    "primitive": "primitive",
    "blob": "blob",
    "binary": "binary",
    "schema": "schema",
    "none_type": "None",
    "error": "error",
    "generic": "struct",
    "structured_dataset": "structured dataset",
    "union": "union",
}

_LITERAL = {"collection": "list", "map": "dict", "offloaded_metadata": "offloaded"}

PICKLE_FORMAT = "PythonPickle"
"""The format of the blobs that hold pickles."""

PICKLE_REFUSED = (
    "the value is a pickle, and loading one runs code chosen by whoever wrote it: ask for it with "
    "as_type=FlytePickle and `await` its `load()`, or make the remote with allow_pickle=True"
)

_short = reprlib.Repr()
_short.maxstring = _short.maxother = 60


def which(message: Message, group: str) -> tuple[str, Any]:
    """The name and the value of the member of a oneof that is set; an empty name if none is."""
    return betterproto2.which_one_of(message, group)


def short_repr(value: Any) -> str:
    """The value's representation, cut where it is long."""
    return _short.repr(value)


def type_text(literal_type: core.LiteralType) -> str:
    """The LiteralType as one would annotate it in Python: `list[int]`, `dict[str, float]`, `int | None`."""
    name, value = which(literal_type, "type")
    match name:
        case "simple":
            return _simple_text(literal_type)
        case "collection_type":
            return f"list[{type_text(value)}]"
        case "map_value_type":
            return f"dict[str, {type_text(value)}]"
        case "union_type":
            return " | ".join(type_text(variant) for variant in value.variants)
        case "enum_type":
            return f"Enum({', '.join(repr(member) for member in value.values)})"
        case "blob":
            return _blob_text(value)
        case "structured_dataset_type":
            return "StructuredDataset"
        case "schema":
            return "Schema"
        case _:
            return "no type"


def _simple_text(literal_type: core.LiteralType) -> str:
    simple = literal_type.simple
    if simple == core.SimpleType.STRUCT and (title := _schema_title(literal_type.metadata)):
        return title
    if simple == core.SimpleType.DATETIME and literal_type.structure and literal_type.structure.tag == "date":
        return "date"
    return _SIMPLE.get(simple, f"simple type {simple}") if simple is not None else "no type"


def _schema_title(metadata: protobuf.Struct | None) -> str | None:
    """What the JSON schema of a dataclass calls it."""
    title = metadata.fields.get("title") if metadata is not None else None
    return title.string_value if title is not None else None


def _blob_text(blob: core.BlobType) -> str:
    name = "FlyteDirectory" if blob.dimensionality == core.BlobTypeBlobDimensionality.MULTIPART else "FlyteFile"
    return f"{name}[{blob.format!r}]" if blob.format else name


def python_type_text(python_type: Any) -> str:
    """The Python type as one would write it."""
    if python_type is type(None):
        return "None"
    if get_origin(python_type) in (Union, UnionType):
        return " | ".join(python_type_text(member) for member in get_args(python_type))
    if get_origin(python_type) is not None:
        return str(python_type).replace("typing.", "")
    return getattr(python_type, "__name__", None) or str(python_type)


def literal_kind(literal: core.Literal) -> str:
    """What a literal holds, in one or two words: `int`, `list`, `structured dataset`."""
    name, value = which(literal, "value")
    if name != "scalar":
        return _LITERAL.get(name, "empty")
    name, value = which(value, "value")
    if name == "primitive":
        return _PRIMITIVE.get(which(value, "value")[0], "empty")
    return _SCALAR.get(name, "empty")


def wrong_type(name: str, expected: str, value: Any) -> FlyteTypeException:
    """The error for a Python value that does not fit.

    Names the value's type and never the value, which may be a secret or huge.
    """
    got = "None" if value is None else python_type_text(type(value))
    if got == expected:  # a namesake, such as numpy's bool
        got = f"{type(value).__module__}.{got}"
    hint = "; tuples are not Flyte values, give a list" if isinstance(value, tuple) else ""
    return FlyteTypeException(f"{name}: expected {expected}, got {got}{hint}")


def wrong_literal(name: str, expected: str, literal: core.Literal) -> FlyteUserException:
    """The error for a literal that cannot be read as the type asked for."""
    blob = literal.scalar.blob if literal.scalar is not None else None
    kind = blob.metadata.type if blob is not None and blob.metadata is not None else None
    if kind is not None and kind.format == PICKLE_FORMAT:
        return FlyteValueException(f"{name}: {PICKLE_REFUSED}")
    return FlyteTypeException(f"{name}: expected {expected}, got a literal that holds {literal_kind(literal)}")


def literal_text(literal: core.Literal) -> str:
    """The literal in a few words, however large it is: a primitive's value, else its kind and size."""
    try:
        return _literal_text(literal)
    except FlyteDecodeError:
        return "<malformed>"


def _literal_text(literal: core.Literal) -> str:
    if (scalar := literal.scalar) is not None:
        return _scalar_text(scalar)
    if literal.collection is not None:
        return f"<list of {len(literal.collection.literals)}>"
    if literal.map is not None:
        return f"<dict of {len(literal.map.literals)}>"
    if literal.offloaded_metadata is not None:
        return f"<offloaded, {literal.offloaded_metadata.size_bytes} bytes>"
    return "<empty>"


def _scalar_text(scalar: core.Scalar) -> str:
    name, value = which(scalar, "value")
    match name:
        case "none_type":
            return "None"
        case "primitive":
            return short_repr(which(value, "value")[1])
        case "binary":
            return f"<{value.tag or 'binary'}, {len(value.value)} bytes>"
        case "union":
            return literal_text(value.value) if value.value is not None else "<empty union>"
        case "blob" | "structured_dataset" | "schema":
            return f"<{_SCALAR[name]} {short_repr(without_query(value.uri))}>"
        case "":
            return "<empty>"
        case _:
            return f"<{_SCALAR[name]}>"
