"""Dataclasses made of JSON schemas: mashumaro's, pydantic's and marshmallow's."""

import dataclasses
import enum
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from flyteasync.codec import decode, encode
from flyteasync.idl import core
from flyteasync.literals import (
    UNSET,
    FlyteDirectory,
    FlyteFile,
    LiteralsResolver,
    StructuredDataset,
    guess_type,
    literal_type,
    to_literal,
    to_python,
)
from flyteasync.literals.plain import struct_of


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
    by_name: dict[str, Inner]
    by_number: dict[int, str]
    color: Color
    word: Literal["a", "b"]
    number: Literal[1, 2]
    moment: datetime
    day: date
    wait: timedelta
    raw: bytes
    fixed: tuple[int, str]
    loose: dict
    bare: list
    anything: Any
    file: FlyteFile["csv"]  # type: ignore[type-arg]  # noqa: F821
    directory: FlyteDirectory
    dataset: StructuredDataset
    files: list[FlyteFile]
    maybe: Inner | None = None
    either: int | str = 1
    default_color: Color = Color.BLUE
    made: list[int] = field(default_factory=lambda: [1])
    text: str = "t"
    flag: bool = True


class Child(BaseModel):
    x: int


class Model(BaseModel):
    child: Child
    children: list[Child]
    color: Color
    maybe: Child | None = None
    wait: timedelta = timedelta(1)
    file: FlyteFile | None = None


def fields(python_type: Any) -> dict[str, Any]:
    return {item.name: item.type for item in dataclasses.fields(python_type)}


def test_every_field_has_its_type():
    guessed = guess_type(literal_type(Config))
    assert guessed.__name__ == "Config"
    found = fields(guessed)
    inner = found.pop("inner")
    color = found.pop("color")
    assert fields(inner) == {"x": int, "y": str | None}
    assert [member.value for member in color] == ["red", "blue"]
    assert found == {
        "rate": float,
        "inners": list[inner],
        "by_name": dict[str, inner],
        "by_number": dict[int, str],
        "word": guess_type(core.LiteralType(enum_type=core.EnumType(values=["a", "b"]))),
        "number": Literal[1, 2],
        "moment": datetime,
        "day": date,
        "wait": timedelta,
        "raw": bytes,
        "fixed": tuple[int, str],
        "loose": dict,
        "bare": list,
        "anything": Any,
        "file": FlyteFile["csv"],
        "directory": FlyteDirectory,
        "dataset": StructuredDataset,
        "files": list[FlyteFile],
        "maybe": inner | None,
        "either": int | str,
        "default_color": color,
        "made": list[int],
        "text": str,
        "flag": bool,
    }


def test_fields_stand_in_the_order_of_the_class_as_far_as_they_are_required():
    names = list(fields(guess_type(literal_type(Config))))
    declared = list(fields(Config))
    assert names[:20] == declared[:20]
    assert sorted(names[20:]) == sorted(declared[20:])


def test_defaults_are_those_of_the_schema_or_unset():
    guessed = guess_type(literal_type(Config))
    defaults = {item.name: item.default for item in dataclasses.fields(guessed)}
    assert defaults["rate"] is dataclasses.MISSING
    assert defaults["maybe"] is None
    assert defaults["either"] == 1
    assert defaults["text"] == "t"
    assert defaults["flag"] is True
    assert defaults["default_color"] == "blue"
    assert defaults["made"] is UNSET


def test_a_value_is_read_as_the_guessed_class_and_written_back_the_same():
    value = Config(
        rate=0.5,
        inner=Inner(1),
        inners=[Inner(2)],
        by_name={"k": Inner(3)},
        by_number={1: "a"},
        color=Color.RED,
        word="a",
        number=2,
        moment=datetime(2024, 1, 2),
        day=date(2024, 1, 2),
        wait=timedelta(1),
        raw=b"r",
        fixed=(1, "a"),
        loose={"a": 1},
        bare=[1],
        anything=None,
        file=FlyteFile["csv"]("s3://b/f.csv"),
        directory=FlyteDirectory("s3://b/d"),
        dataset=StructuredDataset(uri="s3://b/t"),
        files=[FlyteFile("s3://b/g")],
    )
    expected = literal_type(Config)
    literal = to_literal(value, expected)
    guessed = to_python(literal, expected=expected)
    assert guessed.inner.x == 1
    assert guessed.color == "red"
    assert guessed.moment == value.moment
    assert guessed.file == value.file
    assert to_python(to_literal(guessed, expected), Config) == value


def test_equal_schemas_give_one_class_however_they_came():
    one = literal_type(Config)
    two = decode(core.LiteralType, encode(literal_type(Config)))
    assert one is not two
    assert guess_type(one) is guess_type(two)
    assert guess_type(literal_type(list[Inner])) == list[guess_type(literal_type(Inner))]


def test_other_schemas_of_the_same_name_give_another_class():
    @dataclass
    class Inner:
        x: float

    assert guess_type(literal_type(Inner)) is not guess_type(literal_type(globals()["Inner"]))


def test_a_guessed_class_can_be_made_by_hand():
    guessed = guess_type(literal_type(Config)).__dataclass_fields__["inner"].type
    assert to_python(to_literal(guessed(x=1), literal_type(Inner)), Inner) == Inner(1)


def test_a_model_of_pydantic_is_guessed_as_a_dataclass():
    guessed = guess_type(literal_type(Model))
    found = fields(guessed)
    child = found["child"]
    assert fields(child) == {"x": int}
    assert found["children"] == list[child]
    assert found["maybe"] == child | None
    assert [member.value for member in found["color"]] == ["red", "blue"]
    assert found["wait"] is timedelta
    assert found["file"] == FlyteFile | None
    value = Model(child=Child(x=1), children=[], color=Color.RED, file=FlyteFile("s3://b/f"))
    literal = to_literal(value, literal_type(Model))
    read = to_python(literal, expected=literal_type(Model))
    assert read.wait == timedelta(1)
    assert read.file == FlyteFile("s3://b/f")
    assert to_python(to_literal(read, literal_type(Model)), Model) == value


def schema_type(schema: dict[str, Any]) -> core.LiteralType:
    return core.LiteralType(simple=core.SimpleType.STRUCT, metadata=struct_of(schema))


def test_a_model_that_contains_itself_ends_in_anything():
    class Tree(BaseModel):
        value: int
        children: list["Tree"] = []

    expected = schema_type(Tree.model_json_schema())
    found = fields(guess_type(expected))
    inner = found["children"].__args__[0]
    assert found["value"] is int
    assert fields(inner) == {"value": int, "children": list}
    literal = to_literal(Tree(value=1, children=[Tree(value=2)]), expected)
    assert to_python(literal, expected=expected).children[0].value == 2


def test_the_schemas_of_an_older_flytekit_are_understood():
    guessed = guess_type(
        schema_type(
            {
                "$schema": "http://json-schema.org/draft-07/schema#",
                "$ref": "#/definitions/FooSchema",
                "definitions": {
                    "FooSchema": {
                        "type": "object",
                        "required": ["count", "inner"],
                        "properties": {
                            "count": {"title": "count", "type": "number", "format": "integer"},
                            "inner": {"type": "object", "$ref": "#/definitions/BarSchema"},
                            "names": {"type": "array", "items": {"type": "string"}},
                            "maybe": {"type": ["integer", "null"]},
                            "loose": {"type": "object", "additionalProperties": {}},
                        },
                    },
                    "BarSchema": {"type": "object", "properties": {"x": {"type": "number", "format": "float"}}},
                },
            }
        )
    )
    found = fields(guessed)
    assert guessed.__name__ == "FooSchema"
    assert found.pop("inner").__name__ == "BarSchema"
    assert found == {"count": int, "names": list[str], "maybe": int | None, "loose": dict}


@pytest.mark.parametrize(
    "schema",
    [
        {"title": "Odd", "type": "object", "properties": {"my-field": {"type": "integer"}}},
        {"title": "Odd", "type": "object", "properties": {"class": {"type": "integer"}}},
    ],
)
def test_fields_that_are_no_names_of_python_make_a_dict(schema: dict[str, Any]):
    assert guess_type(schema_type(schema)) is dict
    assert to_python(to_literal({"my-field": 1}, schema_type(schema))) == {"my-field": 1}


@pytest.mark.parametrize("title", ["two words", "class", "1st", ""])
def test_any_title_can_be_the_name_of_a_class(title: str):
    schema = {"title": title, "type": "object", "properties": {"x": {"type": "integer"}}}
    assert guess_type(schema_type(schema))(x=1).x == 1


@pytest.mark.parametrize(
    "schema",
    [
        {"title": "T", "properties": {"x": {"$ref": "#/$defs/Nothing"}}},
        {"title": "T", "properties": {"x": {"type": "whatever"}}},
        {"title": "T", "properties": {"x": {"anyOf": [{}, {"type": "null"}]}}},
        {"title": "T", "properties": {"x": True}},
        {"title": "T", "properties": {"x": {"$ref": "#/$defs/T"}}, "$defs": {"T": {"$ref": "#/$defs/T"}}},
        {"title": "T", "properties": {"x": {}}},
    ],
)
def test_what_a_schema_does_not_say_is_anything(schema: dict[str, Any]):
    assert fields(guess_type(schema_type(schema))) == {"x": Any}


@pytest.mark.parametrize("schema", [{"title": "T", "properties": 3}, {"title": "T", "required": "x"}, {"title": []}])
def test_a_schema_that_is_none_is_guessed_all_the_same(schema: dict[str, Any]):
    assert guess_type(schema_type(schema)) is not None


def test_a_resolver_of_guessed_values_can_be_pickled():
    import pickle

    expected = literal_type(Inner)
    resolver = LiteralsResolver({"x": to_literal(Inner(1), expected)}, {"x": core.Variable(type=expected)})
    assert resolver["x"].x == 1
    assert pickle.loads(pickle.dumps(resolver))["x"].x == 1
