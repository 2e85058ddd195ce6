"""Inputs at the JSON edge of a service: the schema, the values, and an error for each field that is wrong."""

import enum
import json
import math
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyteasync.entities import FlyteLaunchPlan, TypedInterface
from flyteasync.errors import FlyteInvalidFields, FlyteInvalidInputException
from flyteasync.idl import admin, core
from flyteasync.idl.google import protobuf
from flyteasync.literals import literal_map, literal_type, to_literal
from tests.entities.build import plan_id, plan_spec, variables


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


FILE = core.LiteralType(blob=core.BlobType(format="csv"))
# Within a union a date is told from a datetime.
DATE = core.LiteralType(simple=core.SimpleType.DATETIME, structure=core.TypeStructure(tag="date"))
FRAME = core.LiteralType(structured_dataset_type=core.StructuredDatasetType(format="parquet"))


def interface(**types: Any) -> TypedInterface:
    kinds = {name: kind if isinstance(kind, core.LiteralType) else literal_type(kind) for name, kind in types.items()}
    return TypedInterface(variables(**kinds), {})


def schema_of(kind: Any) -> Any:
    return interface(x=kind).json_schema()["properties"]["x"]


def parse(kind: Any, value: Any) -> Any:
    """What a JSON body's value becomes; the value goes through JSON."""
    return interface(x=kind).parse_json(json.dumps({"x": value}))["x"]


def errors(kind: Any, value: Any) -> dict[str, str]:
    with pytest.raises(FlyteInvalidFields) as info:
        parse(kind, value)
    return info.value.fields


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (str, {"type": "string"}),
        (bool, {"type": "boolean"}),
        (None, {"type": "null"}),
        (datetime, {"type": "string", "format": "date-time"}),
        (DATE, {"type": "string", "format": "date"}),
        (timedelta, {"type": ["string", "number"], "format": "duration"}),
        (dict, {"type": "object"}),
        (Color, {"type": "string", "enum": ["red", "blue"]}),
        (list[list[int]], {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}}),
        (dict[str, float], {"type": "object", "additionalProperties": {"type": "number"}}),
        (int | None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        (FILE, {"type": "string", "format": "uri"}),
        (FRAME, {"type": "string", "format": "uri"}),
        (core.LiteralType(simple=core.SimpleType.BINARY), {"not": {}}),
        (core.LiteralType(), {"not": {}}),
    ],
    ids=str,
)
def test_every_type_has_its_schema(kind: Any, schema: Any) -> None:
    assert schema_of(kind) == schema


def test_schema_is_that_of_an_object_with_the_inputs() -> None:
    made = interface(b=int, a=str)
    made.inputs["a"].description = "who"
    assert made.json_schema() == {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {"b": {"type": "integer"}, "a": {"type": "string", "description": "who"}},
        "required": ["a", "b"],
        "additionalProperties": False,
    }


def test_schema_of_a_dataclass_is_its_own_with_references_that_lead_into_it() -> None:
    own = {
        "$schema": "x",
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/A"}, "self": {"$ref": "#"}},
        "$defs": {"A": {"enum": [{"$ref": 1}]}},
    }
    kind = core.LiteralType(simple=core.SimpleType.STRUCT, metadata=protobuf.Struct.from_dict(own))
    schema = interface(**{"x~/y": core.LiteralType(collection_type=kind)}).json_schema()["properties"]["x~/y"]["items"]
    assert "$schema" not in schema
    assert schema["properties"]["a"] == {"$ref": "#/properties/x~0~1y/items/$defs/A"}
    assert schema["properties"]["self"] == {"$ref": "#/properties/x~0~1y/items"}
    assert schema["$defs"] == {"A": {"enum": [{"$ref": 1}]}}


def test_launch_plan_tells_what_is_required_and_the_defaults() -> None:
    plan = FlyteLaunchPlan.promote_from_model(plan_id("p"), plan_spec(), closure=admin.LaunchPlanClosure())
    schema = plan.interface.json_schema()
    assert schema["required"] == ["a"]
    assert schema["properties"]["b"] == {"type": "string", "default": "x"}
    assert plan.interface.parse_json({"a": 1}) == {"a": 1}


@pytest.mark.parametrize(
    ("kind", "default", "shown"),
    [
        (datetime, datetime(2024, 1, 2, tzinfo=UTC), "2024-01-02T00:00:00Z"),
        (timedelta, timedelta(seconds=90), "PT90S"),
        (Color, Color.RED, "red"),
        (float, math.nan, None),
        (list[int], [1, 2], [1, 2]),
    ],
)
def test_defaults_are_shown_as_json(kind: Any, default: Any, shown: Any) -> None:
    literal = to_literal(default, literal_type(kind), python_type=kind)
    made = TypedInterface(variables(x=literal_type(kind)), {}, optional={"x": literal})
    assert json.loads(json.dumps(made.json_schema()))["properties"]["x"]["default"] == shown


def test_default_that_cannot_be_shown_is_left_out() -> None:
    made = TypedInterface(variables(x=FILE), {}, optional={"x": core.Literal()})
    assert made.json_schema()["properties"]["x"] == {"type": "string", "format": "uri"}


@pytest.mark.parametrize(
    ("kind", "value", "parsed"),
    [
        (int, 5, 5),
        (int, 5.0, 5),
        (float, 1.5, 1.5),
        (float, 2, 2.0),
        (str, "é", "é"),
        (bool, True, True),
        (None, None, None),
        (datetime, "2024-01-31T12:00:00Z", datetime(2024, 1, 31, 12, tzinfo=UTC)),
        (datetime, "2024-01-31", datetime(2024, 1, 31)),
        (DATE, "2024-01-31", date(2024, 1, 31)),
        (int | date, "2024-01-31", date(2024, 1, 31)),
        (timedelta, "PT1M30S", timedelta(seconds=90)),
        (timedelta, 1.5, timedelta(seconds=1.5)),
        (dict, {"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}),
        (Color, "red", "red"),
        (list[float], [1, 2.5], [1.0, 2.5]),
        (dict[str, list[int]], {"a": [1], "b": []}, {"a": [1], "b": []}),
        (int | None, None, None),
        (int | None, 3, 3),
        (int | str, "3", "3"),
        (int | float, 3, 3),
        (int | float, 3.0, 3.0),
        (str | datetime, "2024-01-31", "2024-01-31"),
        (int | datetime, "2024-01-31", datetime(2024, 1, 31)),
        (list[int | None] | None, [1, None], [1, None]),
    ],
    ids=str,
)
def test_values_become_what_launching_takes(kind: Any, value: Any, parsed: Any) -> None:
    result = parse(kind, value)
    assert result == parsed
    assert type(result) is type(parsed)
    made = interface(x=kind)
    assert literal_map({"x": result}, made.inputs).literals.keys() == {"x"}


def test_uris_become_literals() -> None:
    file = core.Literal(
        scalar=core.Scalar(blob=core.Blob(metadata=core.BlobMetadata(type=FILE.blob), uri="s3://b/k.csv"))
    )
    assert parse(FILE, "s3://b/k.csv") == file
    assert parse(core.LiteralType(collection_type=FILE), ["s3://b/k.csv"]) == [file]
    frame = parse(FRAME, "gs://b/k").scalar.structured_dataset
    assert (frame.uri, frame.metadata.structured_dataset_type.format) == ("gs://b/k", "parquet")


def test_uri_in_a_union_is_marked_with_its_variant() -> None:
    optional = core.LiteralType(union_type=core.UnionType(variants=[FILE, literal_type(None)]))
    union = parse(optional, "s3://b/k.csv").scalar.union
    assert union.type == FILE
    assert union.value.scalar.blob.uri == "s3://b/k.csv"
    assert parse(optional, None) is None


@pytest.mark.parametrize(
    ("kind", "value", "fields"),
    [
        (int, "5", {"x": "expected int, got string"}),
        (int, True, {"x": "expected int, got boolean"}),
        (int, 5.5, {"x": "expected int, got number"}),
        (int, None, {"x": "expected int, got null"}),
        (float, True, {"x": "expected float, got boolean"}),
        (str, {}, {"x": "expected str, got object"}),
        (bool, 1, {"x": "expected bool, got number"}),
        (None, 0, {"x": "expected None, got number"}),
        (dict, [], {"x": "expected dict, got array"}),
        (Color, "green", {"x": "expected one of red, blue"}),
        (Color, 1, {"x": "expected Enum('red', 'blue'), got number"}),
        (datetime, "soon", {"x": "expected an ISO 8601 date and time, such as 2024-01-31T12:00:00Z"}),
        (datetime, 5, {"x": "expected datetime, got number"}),
        (DATE, "2024-02-30", {"x": "expected an ISO 8601 date, such as 2024-01-31"}),
        (timedelta, "long", {"x": "expected seconds, or an ISO 8601 duration such as PT90S"}),
        (timedelta, 1e300, {"x": "expected seconds, or an ISO 8601 duration such as PT90S"}),
        (timedelta, False, {"x": "expected timedelta, got boolean"}),
        (list[int], {"a": 1}, {"x": "expected list[int], got object"}),
        (list[int], [1, "2", 3, None], {"x[1]": "expected int, got string", "x[3]": "expected int, got null"}),
        (dict[str, list[int]], {"a": [1], "b": [None]}, {"x['b'][0]": "expected int, got null"}),
        (int | None, "5", {"x": "expected int, got string"}),
        (int | str, [], {"x": "expected int | str, got array"}),
        (list[int] | dict[str, int], ["a"], {"x[0]": "expected int, got string"}),
        (FILE, 5, {"x": "expected FlyteFile['csv'], got number"}),
        (FILE, "/etc/passwd", {"x": "expected a URI, such as s3://bucket/key"}),
        (core.LiteralType(), 5, {"x": "expected no type, got number"}),
    ],
    ids=str,
)
def test_wrong_field_is_told_with_its_path(kind: Any, value: Any, fields: dict[str, str]) -> None:
    assert errors(kind, value) == fields


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 10**400, 1e300])
def test_number_that_no_literal_can_hold_is_a_wrong_field(value: Any) -> None:
    assert set(errors(int, value)) == {"x"}


def test_all_fields_are_told_at_once() -> None:
    made = interface(a=int, b=str, c=bool)
    with pytest.raises(FlyteInvalidFields) as info:
        made.parse_json({"a": "secret", "zz": 1, "c": True})
    assert info.value.fields == {
        "b": "is required",
        "a": "expected int, got string",
        "zz": "there is no input of that name",
    }
    assert info.value.http_status == 422
    assert isinstance(info.value, ValueError)
    assert str(info.value).startswith("the inputs do not fit: b: is required; a: expected int")
    assert "secret" not in str(info.value)


@pytest.mark.parametrize("body", ["", "{", b"\xff", "[1]", "5", "NaN", "[" * 100_000, '{"x": 1} x'])
def test_body_that_is_no_json_object_is_refused(body: Any) -> None:
    with pytest.raises(FlyteInvalidInputException, match="the body "):
        interface(x=int).parse_json(body)


KINDS: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    str: st.text(st.characters(exclude_categories=["Cs"])),
    bool: st.booleans(),
    Color: st.sampled_from(["red", "blue"]),
}
names = st.sampled_from("abc")
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("ab:/1", max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
kinds = st.recursive(
    st.sampled_from([*KINDS, datetime, date, timedelta, dict, type(None)]).map(literal_type) | st.just(FILE),
    lambda inner: (
        st.builds(lambda item: core.LiteralType(collection_type=item), inner)
        | st.builds(lambda item: core.LiteralType(map_value_type=item), inner)
        | st.builds(
            lambda items: core.LiteralType(union_type=core.UnionType(variants=items)), st.lists(inner, max_size=3)
        )
    ),
    max_leaves=4,
)


@given(st.data(), st.sampled_from(list(KINDS)))
def test_json_of_fitting_values_comes_back(data: st.DataObject, kind: Any) -> None:
    value = data.draw(st.lists(KINDS[kind]))
    assert parse(list[kind], value) == value


@given(kinds, json_values)
def test_whatever_is_accepted_can_be_launched_and_all_else_names_the_field(kind: core.LiteralType, value: Any) -> None:
    made = interface(x=kind)
    fields: dict[str, str] = {}
    parsed: dict[str, Any] = {}
    try:
        parsed = made.parse_json(json.dumps({"x": value}))
    except FlyteInvalidFields as error:
        fields = error.fields
    assert bool(fields) != bool(parsed)
    assert all(path.startswith("x") for path in fields)
    assert literal_map(parsed, made.inputs).literals.keys() == parsed.keys()
