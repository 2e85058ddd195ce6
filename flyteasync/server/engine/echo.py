"""Outputs of a task that nobody implements: its inputs come back where they fit; pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import betterproto2

from ...idl import core
from ...idl.google.protobuf import Struct
from ..inputs import variables_of
from ..typecheck import castable

_EMPTY_MSGPACK_MAP = b"\x80"

_PRIMITIVES = {
    core.SimpleType.INTEGER: core.Primitive(integer=0),
    core.SimpleType.FLOAT: core.Primitive(float_value=0.0),
    core.SimpleType.STRING: core.Primitive(string_value=""),
    core.SimpleType.BOOLEAN: core.Primitive(boolean=False),
    core.SimpleType.DATETIME: core.Primitive(datetime=datetime(1970, 1, 1, tzinfo=UTC)),
    core.SimpleType.DURATION: core.Primitive(duration=timedelta()),
}


def echo(interface: core.TypedInterface | None, inputs: Mapping[str, core.Literal]) -> dict[str, core.Literal]:
    """An output is the input of the same name, else the first by name whose type fits, else its type's zero value."""
    interface = interface or core.TypedInterface()
    given = variables_of(interface.inputs)
    return {
        name: _matching(name, variable.type or core.LiteralType(), given, inputs)
        for name, variable in variables_of(interface.outputs).items()
    }


def _matching(
    name: str, wanted: core.LiteralType, given: Mapping[str, core.Variable], inputs: Mapping[str, core.Literal]
) -> core.Literal:
    for candidate in [name, *sorted(given)]:
        variable = given.get(candidate)
        kind = None if variable is None else variable.type
        if kind is not None and candidate in inputs and castable(kind, wanted):
            return _fitted(inputs[candidate], kind, wanted)
    return zero(wanted)


def _fitted(literal: core.Literal, kind: core.LiteralType, wanted: core.LiteralType) -> core.Literal:
    """A value of a union says which variant it is."""
    union = wanted.union_type
    already = literal.scalar is not None and literal.scalar.union is not None
    variants = [] if union is None or already else [item for item in union.variants if castable(kind, item)]
    if not variants:
        return literal
    return core.Literal(scalar=core.Scalar(union=core.Union(value=literal, type=variants[0])))


def zero(kind: core.LiteralType) -> core.Literal:
    """The value of a type that says least: 0, an empty text, list or map, none."""
    match betterproto2.which_one_of(kind, "type"):
        case _, core.SimpleType() as simple:
            return core.Literal(scalar=_zero_scalar(simple))
        case "collection_type", _:
            return core.Literal(collection=core.LiteralCollection())
        case "map_value_type", _:
            return core.Literal(map=core.LiteralMap())
        case _, core.EnumType() as enum:
            value = enum.values[0] if enum.values else ""
            return core.Literal(scalar=core.Scalar(primitive=core.Primitive(string_value=value)))
        case _, core.UnionType() as union if union.variants:
            none = [item for item in union.variants if item.simple == core.SimpleType.NONE]
            variant = (none or union.variants)[0]
            return core.Literal(scalar=core.Scalar(union=core.Union(value=zero(variant), type=variant)))
        case _, core.BlobType() as blob:
            return core.Literal(scalar=core.Scalar(blob=core.Blob(metadata=core.BlobMetadata(type=blob))))
        case _, core.SchemaType() as schema:
            return core.Literal(scalar=core.Scalar(schema=core.Schema(type=schema)))
        case _, core.StructuredDatasetType() as dataset:
            metadata = core.StructuredDatasetMetadata(structured_dataset_type=dataset)
            return core.Literal(scalar=core.Scalar(structured_dataset=core.StructuredDataset(metadata=metadata)))
        case _:
            return core.Literal(scalar=core.Scalar(none_type=core.Void()))


def _zero_scalar(simple: core.SimpleType) -> core.Scalar:
    if simple in _PRIMITIVES:
        return core.Scalar(primitive=_PRIMITIVES[simple])
    if simple == core.SimpleType.STRUCT:
        # Dataclasses travel as msgpack today, and readers take the older form of an empty one, too.
        return core.Scalar(generic=Struct())
    if simple == core.SimpleType.BINARY:
        return core.Scalar(binary=core.Binary(value=_EMPTY_MSGPACK_MAP, tag="msgpack"))
    if simple == core.SimpleType.ERROR:
        return core.Scalar(error=core.Error())
    return core.Scalar(none_type=core.Void())
