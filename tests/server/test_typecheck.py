"""Which types fit which declarations, and what types literals have."""

from __future__ import annotations

from typing import Any

import pytest

from flyteasync.idl import core
from flyteasync.idl.google.protobuf import Struct
from flyteasync.literals import literal_type
from flyteasync.server.typecheck import castable, literal_type_of
from tests.server.build import as_type, literal

NONE = core.LiteralType(simple=core.SimpleType.NONE)
STRUCT = core.LiteralType(simple=core.SimpleType.STRUCT)
SINGLE = core.BlobTypeBlobDimensionality.SINGLE
MULTIPART = core.BlobTypeBlobDimensionality.MULTIPART
Column = core.SchemaTypeSchemaColumn
ColumnType = core.SchemaTypeSchemaColumnSchemaColumnType


def union(*variants: Any) -> core.LiteralType:
    return core.LiteralType(union_type=core.UnionType(variants=[as_type(item) for item in variants]))


def enum(*values: str) -> core.LiteralType:
    return core.LiteralType(enum_type=core.EnumType(values=list(values)))


def blob(form: str, dimensionality: core.BlobTypeBlobDimensionality = SINGLE) -> core.LiteralType:
    return core.LiteralType(blob=core.BlobType(format=form, dimensionality=dimensionality))


def schema(**columns: ColumnType) -> core.LiteralType:
    return core.LiteralType(schema=core.SchemaType(columns=[Column(name=k, type=v) for k, v in columns.items()]))


def dataset(form: str = "", **columns: Any) -> core.LiteralType:
    made = [
        core.StructuredDatasetTypeDatasetColumn(name=name, literal_type=as_type(kind)) for name, kind in columns.items()
    ]
    return core.LiteralType(structured_dataset_type=core.StructuredDatasetType(format=form, columns=made))


def tagged(kind: Any, tag: str) -> core.LiteralType:
    result = literal_type(kind)
    result.structure = core.TypeStructure(tag=tag)
    return result


def with_schema(**properties: str) -> core.LiteralType:
    content = {"type": "object", "properties": {name: {"type": kind} for name, kind in properties.items()}}
    return core.LiteralType(simple=core.SimpleType.STRUCT, metadata=Struct.from_dict(content))


FITS = {
    "equal simple types": (int, int),
    "metadata is ignored": (core.LiteralType(simple=core.SimpleType.INTEGER, metadata=Struct()), int),
    "an enum for a string": (enum("a"), str),
    "a string for an enum": (str, enum("a")),
    "another enum's values are not compared": (str, enum("b", "c")),
    "none for none": (NONE, NONE),
    "a list of the same": (list[int], list[int]),
    "an empty list for any list": (core.LiteralType(collection_type=NONE), list[str]),
    "nested lists": (list[list[int]], list[list[int]]),
    "an empty map for any map": (core.LiteralType(map_value_type=NONE), dict[str, int]),
    "a map of the same": (dict[str, int], dict[str, int]),
    "blobs of one format": (blob("csv"), blob("csv")),
    "a blob without format": (blob(""), blob("csv")),
    "for a blob without format": (blob("csv"), blob("")),
    "blobs of other dimensions": (blob("csv", SINGLE), blob("csv", MULTIPART)),
    "a schema with more columns": (schema(a=ColumnType.INTEGER, b=ColumnType.STRING), schema(a=ColumnType.INTEGER)),
    "a schema without columns": (schema(), schema(a=ColumnType.INTEGER)),
    "a dataset for a schema": (dataset("parquet", a=int), schema(a=ColumnType.INTEGER)),
    "a schema for a dataset": (schema(a=ColumnType.INTEGER), dataset("parquet", a=int)),
    "none for a dataset": (NONE, dataset("csv", a=int)),
    "a dataset with more columns": (dataset("csv", a=int, b=str), dataset("csv", a=int)),
    "a dataset for one without columns": (dataset("csv", a=int), dataset("csv")),
    "one variant of a union": (int, union(int, str)),
    "a union for a wider one": (union(int, str), union(int, str, float)),
    "a union of one variant for that variant": (union(int), int),
    "tags that are equal": (tagged(int, "int"), tagged(int, "int")),
    "an untagged value for a tagged type": (int, tagged(int, "int")),
    "structs without JSON schemas": (STRUCT, with_schema(a="integer")),
    "a struct with more fields": (with_schema(a="integer", b="string"), with_schema(a="integer")),
}

DOES_NOT_FIT = {
    "an int for a float": (int, float),
    "a bool for an int": (bool, int),
    "none for an int": (NONE, int),
    "an int for none": (int, NONE),
    "a list of others": (list[int], list[str]),
    "an int for a list": (int, list[int]),
    "a list for a map": (list[int], dict[str, int]),
    "blobs of other formats": (blob("csv"), blob("json")),
    "an int for a blob": (int, blob("csv")),
    "a schema without the column": (schema(b=ColumnType.INTEGER), schema(a=ColumnType.INTEGER)),
    "a schema with a column of another type": (schema(a=ColumnType.STRING), schema(a=ColumnType.INTEGER)),
    "an int for a schema": (int, schema(a=ColumnType.INTEGER)),
    "a dataset of another format for a schema": (dataset("csv", a=int), schema(a=ColumnType.INTEGER)),
    "a dataset of another format": (dataset("csv"), dataset("parquet")),
    "a schema for a dataset that is not parquet": (schema(a=ColumnType.INTEGER), dataset("csv", a=int)),
    "a dataset without the column": (dataset("csv", b=int), dataset("csv", a=int)),
    "none of the variants": (float, union(int, str)),
    "two of the variants": (str, union(enum("a"), str)),
    "a union for a narrower one": (union(int, float), union(int, str)),
    "another tag": (tagged(int, "int"), tagged(int, "other")),
    "a tag for an untagged type": (tagged(int, "int"), int),
    "a struct without a field": (with_schema(b="string"), with_schema(a="integer")),
    "a struct with a field of another type": (with_schema(a="string"), with_schema(a="integer")),
}


@pytest.mark.parametrize(("value", "declared"), FITS.values(), ids=FITS.keys())
def test_a_type_fits_a_declaration(value: Any, declared: Any) -> None:
    assert castable(as_type(value), as_type(declared))


@pytest.mark.parametrize(("value", "declared"), DOES_NOT_FIT.values(), ids=DOES_NOT_FIT.keys())
def test_a_type_does_not_fit_a_declaration(value: Any, declared: Any) -> None:
    assert not castable(as_type(value), as_type(declared))


@pytest.mark.parametrize("value", [1, 1.5, "text", True, [1, 2], {"a": 1}, [[1], [2]], {"a": ["b"]}])
def test_a_value_has_the_type_that_it_was_made_of(value: Any) -> None:
    made = literal(value)
    kind = literal_type_of(made)
    assert kind is not None
    assert kind.simple == as_type(type(value)).simple if not isinstance(value, (list, dict)) else True
    assert castable(kind, kind)


def test_an_empty_list_has_elements_of_type_none() -> None:
    kind = literal_type_of(core.Literal(collection=core.LiteralCollection()))
    assert kind == core.LiteralType(collection_type=NONE)


def test_a_list_of_several_types_is_a_list_of_a_union() -> None:
    mixed = core.Literal(collection=core.LiteralCollection(literals=[literal(1), literal("a"), literal(2)]))
    kind = literal_type_of(mixed)
    assert kind is not None
    assert kind.collection_type is not None
    assert kind.collection_type.union_type is not None
    assert len(kind.collection_type.union_type.variants) == 2


def test_an_empty_list_among_others_says_nothing_about_the_type() -> None:
    empty = core.Literal(collection=core.LiteralCollection())
    mixed = core.Literal(collection=core.LiteralCollection(literals=[empty, literal([1])]))
    assert literal_type_of(mixed) == literal_type(list[list[int]])


@pytest.mark.parametrize(("tag", "simple"), [("msgpack", core.SimpleType.STRUCT), ("x", core.SimpleType.BINARY)])
def test_a_serialised_dataclass_is_a_struct(tag: str, simple: core.SimpleType) -> None:
    binary = core.Literal(scalar=core.Scalar(binary=core.Binary(value=b"\x80", tag=tag)))
    assert literal_type_of(binary) == core.LiteralType(simple=simple)


def test_a_literal_without_a_value_has_no_type() -> None:
    assert literal_type_of(core.Literal()) is None


def test_an_offloaded_literal_has_the_type_that_it_names() -> None:
    offloaded = core.LiteralOffloadedMetadata(uri="s3://x", inferred_type=literal_type(list[int]))
    assert literal_type_of(core.Literal(offloaded_metadata=offloaded)) == literal_type(list[int])


def test_a_union_literal_is_a_union_of_the_one_variant_that_it_is() -> None:
    scalar = core.Scalar(union=core.Union(value=literal(1), type=literal_type(int)))
    kind = literal_type_of(core.Literal(scalar=scalar))
    assert kind == union(int)
    assert castable(kind, union(int, str))
