"""The JSON edge: schemas, JSON to literals with every problem named, literals to JSON."""

import enum
import json
import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from flyteasync.errors import FlyteDecodeError, FlyteTypeException
from flyteasync.idl import core
from flyteasync.literals import (
    FlyteDirectory,
    FlyteFile,
    FlytePickle,
    LiteralsResolver,
    StructuredDataset,
    from_json,
    json_of,
    json_schema,
    literal_type,
    to_literal,
    to_python,
)


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Inner:
    x: int
    y: str | None = None


@dataclass
class Config:
    rate: float
    inner: Inner
    inners: list[Inner]
    moment: datetime
    wait: timedelta
    raw: bytes
    color: Color
    file: FlyteFile


class Model(BaseModel):
    inner: Inner
    color: Color = Color.RED


CONFIG = Config(
    math.inf,
    Inner(1),
    [Inner(2)],
    datetime(2024, 1, 2, tzinfo=UTC),
    timedelta(1),
    b"\xff",
    Color.RED,
    FlyteFile("s3://b/f"),
)

INNER_SCHEMA = {
    "type": "object",
    "title": "Inner",
    "properties": {
        "x": {"type": "integer"},
        "y": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
    },
    "additionalProperties": False,
    "required": ["x"],
}


def written(value: Any, python_type: Any) -> core.Literal:
    return to_literal(value, literal_type(python_type), python_type=python_type)


@pytest.mark.parametrize(
    ("python_type", "schema"),
    [
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (str, {"type": "string"}),
        (bool, {"type": "boolean"}),
        (type(None), {"type": "null"}),
        (datetime, {"type": "string", "format": "date-time"}),
        (timedelta, {"type": "number", "format": "time-delta"}),
        (Color, {"enum": ["red", "blue"]}),
        (Literal["a", "b"], {"enum": ["a", "b"]}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (
            dict[str, bool],
            {"type": "object", "propertyNames": {"type": "string"}, "additionalProperties": {"type": "boolean"}},
        ),
        (dict, {"type": "object"}),
        (int | None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        (Inner, INNER_SCHEMA),
        (list[Inner | None], {"type": "array", "items": {"anyOf": [INNER_SCHEMA, {"type": "null"}]}}),
    ],
)
def test_a_variable_has_a_schema(python_type: Any, schema: dict[str, Any]):
    assert json_schema(literal_type(python_type)) == schema


def test_schemas_are_self_contained():
    schema = json_schema(literal_type(Model))
    assert schema["properties"]["inner"] == INNER_SCHEMA
    assert "$ref" not in json.dumps(schema)


def test_the_schema_of_a_kind_that_is_not_supported_says_nothing():
    assert json_schema(core.LiteralType(simple=core.SimpleType.ERROR)) == {}
    assert json_schema(literal_type(FlytePickle)) == {}


@pytest.mark.parametrize(
    ("value", "python_type", "expected"),
    [
        (3, int, 3),
        (3, float, 3.0),
        ("NaN", float, math.nan),
        ("-Infinity", float, -math.inf),
        ("2024-01-02T00:00:00Z", datetime, datetime(2024, 1, 2, tzinfo=UTC)),
        ("2024-01-02", date, date(2024, 1, 2)),
        (1.5, timedelta, timedelta(seconds=1.5)),
        ("PT1.5S", timedelta, timedelta(seconds=1.5)),
        ("red", Color, Color.RED),
        ([1, 2], list[int], [1, 2]),
        ({"a": [None, 1]}, dict[str, list[int | None]], {"a": [None, 1]}),
        ({"a": 1}, dict, {"a": 1}),
        (None, int | None, None),
        ({"x": 1}, Inner, Inner(1)),
        ({"inner": {"x": 1}}, Model, Model(inner=Inner(1))),
        ("s3://b/f", FlyteFile, FlyteFile("s3://b/f")),
        ({"path": "s3://b/f"}, FlyteFile, FlyteFile("s3://b/f")),
        ({"path": "s3://b/d"}, FlyteDirectory, FlyteDirectory("s3://b/d")),
        (
            {"uri": "s3://b/t", "file_format": "parquet"},
            StructuredDataset,
            StructuredDataset(uri="s3://b/t", file_format="parquet"),
        ),
    ],
)
def test_json_becomes_a_literal(value: Any, python_type: Any, expected: Any):
    parsed = from_json(value, literal_type(python_type), "x")
    assert parsed.problems == ()
    assert parsed.literal is not None
    result = to_python(parsed.literal, python_type)
    assert result == expected or (math.isnan(result) and math.isnan(expected))


@pytest.mark.parametrize(
    ("value", "python_type", "problems"),
    [
        ("a", int, {"x": "x: expected int, got str"}),
        (1.5, int, {"x": "x: expected int, got float"}),
        (True, int, {"x": "x: expected int, got bool"}),
        (None, int, {"x": "x: expected int, got None"}),
        (2**63, int, {"x": "x: the number does not fit into a signed integer of 64 bits"}),
        (["a", 1, "b"], list[int], {"x[0]": "x[0]: expected int, got str", "x[2]": "x[2]: expected int, got str"}),
        ({"a": 1, "b": "c"}, dict[str, int], {"x['b']": "x['b']: expected int, got str"}),
        ("green", Color, {"x": "x: 'green' is not one of 'red', 'blue'"}),
        ("yesterday", datetime, {"x": "x: 'yesterday' is not an ISO 8601 datetime"}),
        ([], int | str, {"x": "x: expected int | str, got list"}),
        ({}, FlyteFile, {"x": "x: a FlyteFile needs a path"}),
        (
            {"rate": "a", "inner": {"x": "b"}, "inners": [{"x": 1}, {"x": None}], "moment": 3},
            Config,
            {"x": "x.color: the field is missing"},
        ),
        (
            {
                "rate": "a",
                "inner": {"x": "b"},
                "inners": [{"x": 1}, {"x": None}],
                "moment": 3,
                "wait": 1,
                "raw": "é",
                "color": "red",
                "file": {"path": 3},
            },
            Config,
            {
                "x.rate": "x.rate: expected float, got str",
                "x.inner.x": "x.inner.x: expected int, got str",
                "x.inners[1].x": "x.inners[1].x: expected int, got None",
                "x.moment": "x.moment: expected datetime, got int",
                "x.raw": "x.raw: the text is not bytes in base 64",
                "x.file": "x.file: a FlyteFile needs a path",
            },
        ),
        (
            {"x": 1, "z": 2},
            Inner,
            {"x": "x: Inner has no field 'z', known are: x, y"},
        ),
        (1, FlytePickle, {"x": "x: expected FlytePickle, got int"}),
    ],
)
def test_everything_wrong_with_json_is_told_by_its_path(value: Any, python_type: Any, problems: dict[str, str]):
    parsed = from_json(value, literal_type(python_type), "x")
    assert parsed.literal is None
    found = {problem.path: problem.message for problem in parsed.problems}
    if "missing" in str(problems):
        assert found.keys() == {"x"}
        assert "the field is missing" in found["x"]
    elif python_type is FlytePickle:
        assert "FlytePickle" in found["x"]
    else:
        assert found == problems


def test_json_nested_too_deeply_is_told():
    value: Any = 1
    for _ in range(100_000):
        value = [value]
    [problem] = from_json({"a": value}, literal_type(dict), "x").problems
    assert problem.message.startswith("x: the value is nested too deeply")


@pytest.mark.parametrize("path", ["/etc/passwd", "file:///etc/passwd", "../x"])
def test_json_never_reaches_for_files_of_this_machine(path: str):
    value = {"a": [{"path": path}]}
    parsed = from_json(value, literal_type(dict[str, list[FlyteFile]]), "x")
    assert parsed.literal is None
    [problem] = parsed.problems
    assert (problem.path, problem.message) == ("x['a'][0]", "x['a'][0]: expected a URI, got a local path")


# To JSON ...


@pytest.mark.parametrize(
    ("value", "python_type", "expected"),
    [
        (None, type(None), None),
        (2**63 - 1, int, 2**63 - 1),
        (math.nan, float, "NaN"),
        (-math.inf, float, "-Infinity"),
        (True, bool, True),
        (datetime(2024, 1, 2), datetime, "2024-01-02T00:00:00+00:00"),
        (timedelta(days=1, microseconds=1), timedelta, 86400.000001),
        (Color.RED, Color, "red"),
        ([1, None], list[int | None], [1, None]),
        ({"a": {"b": [0.5]}}, dict[str, dict[str, list[float]]], {"a": {"b": [0.5]}}),
        ({2: b"\xff", None: math.inf, True: [1]}, dict, {"2": "/w==", "null": "Infinity", "true": [1]}),
        (FlyteFile("s3://b/f", metadata={"k": "v"}), FlyteFile, {"path": "s3://b/f", "metadata": {"k": "v"}}),
        (FlyteDirectory("s3://b/d"), FlyteDirectory, {"path": "s3://b/d"}),
        (StructuredDataset(uri="s3://b/t"), StructuredDataset, {"uri": "s3://b/t", "file_format": ""}),
        (
            CONFIG,
            Config,
            {
                "rate": "Infinity",
                "inner": {"x": 1, "y": None},
                "inners": [{"x": 2, "y": None}],
                "moment": "2024-01-02T00:00:00+00:00",
                "wait": 86400.0,
                "raw": "/w==",
                "color": "red",
                "file": {"path": "s3://b/f"},
            },
        ),
    ],
)
def test_a_literal_becomes_json(value: Any, python_type: Any, expected: Any):
    found = json_of(written(value, python_type))
    assert found == expected
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    "value", [CONFIG, Model(inner=Inner(1)), [1, 2], {"a": 0.5}, FlyteFile("s3://b/f"), timedelta(1)]
)
def test_what_became_json_becomes_the_same_literal(value: Any):
    python_type = {list: list[int], dict: dict[str, float]}.get(type(value), type(value))
    literal = written(value, python_type)
    parsed = from_json(json.loads(json.dumps(json_of(literal))), literal_type(python_type))
    assert parsed.problems == ()
    assert parsed.literal is not None
    assert to_python(parsed.literal, python_type) == value


def test_a_resolver_becomes_json_by_name():
    schema = core.Literal(scalar=core.Scalar(schema=core.Schema(uri="s3://b/s")))
    error = core.Literal(scalar=core.Scalar(error=core.Error(message="m")))
    resolver = LiteralsResolver({"n": written(1, int), "s": schema, "e": error})
    assert resolver.to_json() == {"n": 1, "s": {"uri": "s3://b/s", "file_format": "parquet"}, "e": {"message": "m"}}
    assert resolver.native_values == {}


@pytest.mark.parametrize(
    ("literal", "error", "text"),
    [
        (core.Literal(), FlyteTypeException, "x: the literal is empty"),
        (core.Literal(scalar=core.Scalar()), FlyteTypeException, "x: a literal that holds empty has no JSON"),
        (
            core.Literal(offloaded_metadata=core.LiteralOffloadedMetadata(uri="s3://b/k?s")),
            FlyteTypeException,
            "x: the value is stored outside of the literal, at s3://b/k, and was not fetched",
        ),
        (
            core.Literal(scalar=core.Scalar(binary=core.Binary(value=b"\xc1", tag="msgpack"))),
            FlyteDecodeError,
            "x: not valid msgpack: MessagePack data is malformed: invalid opcode '\\xc1' (byte 0)",
        ),
    ],
)
def test_a_literal_without_json_is_refused_by_name(literal: core.Literal, error: type[Exception], text: str):
    with pytest.raises(error) as caught:
        LiteralsResolver({"x": literal}).to_json()
    assert str(caught.value) == text


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    json_values,
    st.sampled_from([int, float, list[int], dict[str, int], dict, Config, Model, Color, FlyteFile, int | str | None]),
)
def test_any_json_becomes_a_literal_or_problems_that_begin_with_the_name(value: Any, python_type: Any):
    parsed = from_json(value, literal_type(python_type), "x")
    assert (parsed.literal is None) is bool(parsed.problems)
    for problem in parsed.problems:
        assert problem.path.startswith("x")
        assert problem.message.startswith(problem.path)
