"""May a value of one literal type be given where another is declared, and what type does a literal have.

Pure; the rules are those of the propeller's compiler, which flyteadmin also checks inputs with.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, cast

import betterproto2

from ..idl import core
from .text import proto_text

NONE = core.LiteralType(simple=core.SimpleType.NONE)

_SCHEMA_COLUMNS = {
    core.SchemaTypeSchemaColumnSchemaColumnType.INTEGER: core.SimpleType.INTEGER,
    core.SchemaTypeSchemaColumnSchemaColumnType.FLOAT: core.SimpleType.FLOAT,
    core.SchemaTypeSchemaColumnSchemaColumnType.STRING: core.SimpleType.STRING,
    core.SchemaTypeSchemaColumnSchemaColumnType.BOOLEAN: core.SimpleType.BOOLEAN,
    core.SchemaTypeSchemaColumnSchemaColumnType.DATETIME: core.SimpleType.DATETIME,
    core.SchemaTypeSchemaColumnSchemaColumnType.DURATION: core.SimpleType.DURATION,
}

_PRIMITIVES = {
    "integer": core.SimpleType.INTEGER,
    "float_value": core.SimpleType.FLOAT,
    "string_value": core.SimpleType.STRING,
    "boolean": core.SimpleType.BOOLEAN,
    "datetime": core.SimpleType.DATETIME,
    "duration": core.SimpleType.DURATION,
}

MSGPACK = "msgpack"
"""The tag of binary scalars that hold something structured."""

_SIMPLE_SCALARS = {
    "none_type": core.SimpleType.NONE,
    "error": core.SimpleType.ERROR,
    "generic": core.SimpleType.STRUCT,
}


def castable(value: core.LiteralType, declared: core.LiteralType) -> bool:
    """Whether a value of type `value` may be given where `declared` is expected."""
    union = value.union_type
    if union is not None and len(union.variants) == 1 and _casts(union.variants[0], declared):
        return True
    return _casts(value, declared)


def _casts(value: core.LiteralType, declared: core.LiteralType) -> bool:
    match betterproto2.which_one_of(declared, "type"):
        case "collection_type", core.LiteralType() as element:
            return _element_casts(value.collection_type, element)
        case "map_value_type", core.LiteralType() as element:
            return _element_casts(value.map_value_type, element)
        case "blob", core.BlobType() as blob:
            return value.blob is not None and _same_format(value.blob.format, blob.format)
        case "schema", core.SchemaType() as schema:
            return _casts_to_schema(value, schema)
        case "structured_dataset_type", core.StructuredDatasetType() as dataset:
            return _casts_to_dataset(value, dataset)
        case "union_type", core.UnionType() as union:
            return _casts_to_union(value, union)
        case "simple", core.SimpleType.NONE:
            return _is_none(value)
        case _:
            return _casts_trivially(value, declared)


def _is_none(value: core.LiteralType | None) -> bool:
    return value is not None and value.simple == core.SimpleType.NONE


def _element_casts(value: core.LiteralType | None, declared: core.LiteralType) -> bool:
    # An empty list or map has elements of type none, and fits every declaration.
    return value is not None and (_is_none(value) or _casts(value, declared))


def _same_format(value: str, declared: str) -> bool:
    return not value or not declared or value.lower() == declared.lower()


def _casts_trivially(value: core.LiteralType, declared: core.LiteralType) -> bool:
    if value.enum_type is not None and declared.simple == core.SimpleType.STRING:
        return True
    if declared.enum_type is not None and value.simple == core.SimpleType.STRING:
        return True
    if type_tag(value) and type_tag(value) != type_tag(declared):
        return False
    if value.simple == declared.simple == core.SimpleType.STRUCT and value.metadata and declared.metadata:
        return value.metadata == declared.metadata or _is_super_schema(value, declared)
    return _bare(value) == _bare(declared)


def _is_super_schema(value: core.LiteralType, declared: core.LiteralType) -> bool:
    """Whether the value's JSON schema has all that the declared one asks for."""
    assert value.metadata is not None
    assert declared.metadata is not None
    return _schema_covers(value.metadata.to_dict(), declared.metadata.to_dict())


def _schema_covers(value: Any, declared: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(declared, dict):
        return bool(value == declared)
    have, want = cast("dict[str, Any]", value), cast("dict[str, Any]", declared)
    if "properties" not in have or "properties" not in want:
        return have.get("type") == want.get("type") if "type" in have and "type" in want else have == want
    properties = have["properties"]
    return all(
        name in properties and _schema_covers(properties[name], part) for name, part in want["properties"].items()
    )


def _bare(kind: core.LiteralType) -> core.LiteralType:
    return dataclasses.replace(kind, metadata=None, annotation=None, structure=None)


def type_tag(kind: core.LiteralType) -> str:
    """The tag that tells variants of a union apart; empty if there is none."""
    return "" if kind.structure is None else kind.structure.tag


def _casts_to_union(value: core.LiteralType, declared: core.UnionType) -> bool:
    if value.union_type is not None:
        return all(any(castable(have, want) for want in declared.variants) for have in value.union_type.variants)
    return sum(castable(value, want) for want in declared.variants) == 1


def _casts_to_schema(value: core.LiteralType, declared: core.SchemaType) -> bool:
    if value.schema is not None:
        if not value.schema.columns or not declared.columns:
            return True
        have = {column.name: column.type for column in value.schema.columns}
        return all(have.get(column.name) == column.type for column in declared.columns)
    dataset = value.structured_dataset_type
    if dataset is None or not _same_format(dataset.format, "parquet"):
        return False
    if not dataset.columns or not declared.columns:
        return True
    types = {column.name: column.literal_type for column in dataset.columns}
    return all(_column_matches(column.type, types.get(column.name)) for column in declared.columns)


def _column_matches(schema: core.SchemaTypeSchemaColumnSchemaColumnType, dataset: core.LiteralType | None) -> bool:
    return dataset is not None and dataset.simple is not None and _SCHEMA_COLUMNS.get(schema) == dataset.simple


def _casts_to_dataset(value: core.LiteralType, declared: core.StructuredDatasetType) -> bool:
    if _is_none(value):
        return True
    if value.schema is not None:
        if not _same_format("parquet", declared.format):
            return False
        if not value.schema.columns or not declared.columns:
            return True
        have = {column.name: column.type for column in value.schema.columns}
        return all(
            column.name in have and _column_matches(have[column.name], column.literal_type)
            for column in declared.columns
        )
    dataset = value.structured_dataset_type
    if dataset is None or not _same_format(dataset.format, declared.format):
        return False
    if not dataset.columns or not declared.columns:
        return True
    types = {column.name: column.literal_type for column in dataset.columns}
    return all(_dataset_column_casts(types.get(column.name), column.literal_type) for column in declared.columns)


def _dataset_column_casts(value: core.LiteralType | None, declared: core.LiteralType | None) -> bool:
    return value is not None and declared is not None and _casts(value, declared)


def literal_type_of(literal: core.Literal) -> core.LiteralType | None:
    """The type that a literal has by itself; None if it cannot be told."""
    match betterproto2.which_one_of(literal, "value"):
        case "scalar", core.Scalar() as scalar:
            return scalar_type_of(scalar)
        case "collection", core.LiteralCollection() as collection:
            return core.LiteralType(collection_type=_element_type(collection.literals))
        case "map", core.LiteralMap() as literals:
            return core.LiteralType(map_value_type=_element_type(literals.literals.values()))
        case "offloaded_metadata", core.LiteralOffloadedMetadata() as offloaded:
            return offloaded.inferred_type
        case _:
            return None


def scalar_type_of(scalar: core.Scalar) -> core.LiteralType | None:
    """The type that a scalar has by itself; None if it cannot be told."""
    name, value = betterproto2.which_one_of(scalar, "value")
    if name in _SIMPLE_SCALARS:
        return core.LiteralType(simple=_SIMPLE_SCALARS[name])
    match value:
        case core.Binary():
            # Dataclasses, models and untyped dicts are serialised so.
            structured = value.tag == MSGPACK
            return core.LiteralType(simple=core.SimpleType.STRUCT if structured else core.SimpleType.BINARY)
        case core.Primitive():
            kind, _ = betterproto2.which_one_of(value, "value")
            return core.LiteralType(simple=_PRIMITIVES.get(kind, core.SimpleType.NONE))
        case core.Blob():
            return None if value.metadata is None else core.LiteralType(blob=value.metadata.type or core.BlobType())
        case core.Schema():
            return core.LiteralType(schema=value.type or core.SchemaType())
        case core.StructuredDataset():
            known = None if value.metadata is None else value.metadata.structured_dataset_type
            return core.LiteralType(structured_dataset_type=known or core.StructuredDatasetType())
        case core.Union():
            variants = [] if value.type is None else [value.type]
            return core.LiteralType(union_type=core.UnionType(variants=variants))
        case _:
            return None


def _element_type(literals: Iterable[core.Literal]) -> core.LiteralType:
    """The one type of all elements; a union if there are several, none if there are no elements."""
    kinds: dict[str, core.LiteralType] = {}
    empty: core.LiteralType | None = None
    for literal in literals:
        kind = literal_type_of(literal)
        if literal.collection is not None and not literal.collection.literals:
            empty = kind
            continue
        if kind is not None:
            kinds.setdefault(proto_text(kind), kind)
    if not kinds:
        return empty or NONE
    ordered = [kinds[text] for text in sorted(kinds)]
    return ordered[0] if len(ordered) == 1 else _union_of(ordered)


def _union_of(kinds: list[core.LiteralType]) -> core.LiteralType:
    variants: list[core.LiteralType] = []
    nested = False
    for kind in kinds:
        inner = None if kind.collection_type is None else kind.collection_type.union_type
        nested = nested or inner is not None
        variants.extend([kind] if inner is None else inner.variants)
    union = core.LiteralType(union_type=core.UnionType(variants=variants))
    return core.LiteralType(collection_type=union) if nested else union
