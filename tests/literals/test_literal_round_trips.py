"""Properties: whatever fits a type comes back equal, over the wire; whatever does not is refused in our own words."""

import dataclasses
import enum
import keyword
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any, TypeVar

from hypothesis import given
from hypothesis import strategies as st

from flyteasync.codec import decode, encode
from flyteasync.errors import FlyteDecodeError, FlyteError
from flyteasync.idl import core
from flyteasync.literals import (
    FlyteDirectory,
    FlyteFile,
    FlytePickle,
    LiteralsResolver,
    StructuredDataset,
    guess_type,
    literal_type,
    to_literal,
    to_python,
)
from flyteasync.literals.plain import struct_of
from flyteasync.literals.times import MAX_DURATION


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


T = TypeVar("T")

text = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False),
    str: text,
    bool: st.booleans(),
    datetime: st.datetimes(timezones=st.just(UTC)),
    date: st.dates(),
    # Inside of dataclasses they are seconds in floats, which do not have the microseconds of longer ones.
    timedelta: st.timedeltas(timedelta(days=-10_000), timedelta(days=10_000)),
    Color: st.sampled_from(Color),
    type(None): st.none(),
}
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | text | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(text | st.integers(-(2**63), 2**63 - 1), inner),
    max_leaves=10,
)


def typed_values(depth: int) -> st.SearchStrategy[tuple[Any, Any]]:
    """Pairs of a type and a value of it."""
    scalars = st.sampled_from(list(SCALARS)).flatmap(lambda kind: st.tuples(st.just(kind), SCALARS[kind]))
    if depth == 0:
        return scalars
    inner = types(depth - 1)
    lists = inner.flatmap(lambda pair: st.tuples(st.just(list[pair[0]]), st.lists(pair[1], max_size=3)))
    dicts = inner.flatmap(
        lambda pair: st.tuples(st.just(dict[str, pair[0]]), st.dictionaries(text, pair[1], max_size=3))
    )
    optionals = inner.flatmap(lambda pair: st.tuples(st.just(pair[0] | None), pair[1] | st.none()))
    unions = st.tuples(inner, inner).flatmap(
        lambda pairs: st.tuples(st.just(pairs[0][0] | pairs[1][0]), pairs[0][1] | pairs[1][1])
    )
    records = st.dictionaries(names, inner, max_size=3).map(record)
    return (
        scalars
        | lists
        | dicts
        | optionals
        | unions
        | records.flatmap(lambda pair: st.tuples(st.just(pair[0]), pair[1]))
    )


def types(depth: int) -> st.SearchStrategy[tuple[Any, st.SearchStrategy[Any]]]:
    """Pairs of a type and the strategy of its values."""
    scalars = st.sampled_from(list(SCALARS.items()))
    if depth == 0:
        return scalars
    inner = types(depth - 1)
    return (
        scalars
        | inner.map(lambda pair: (list[pair[0]], st.lists(pair[1], max_size=3)))
        | inner.map(lambda pair: (dict[str, pair[0]], st.dictionaries(text, pair[1], max_size=3)))
        | inner.map(lambda pair: (pair[0] | None, pair[1] | st.none()))
        | st.dictionaries(names, inner, max_size=3).map(record)
    )


@cache
def record_class(fields: tuple[tuple[str, Any], ...]) -> type[Any]:
    """The dataclass of these fields; two of them that cannot be told apart would be one too many in a union."""
    return dataclasses.make_dataclass("Record", fields)


names = st.from_regex(r"[a-z]{1,3}", fullmatch=True).filter(lambda name: not keyword.iskeyword(name))


def record(fields: dict[str, tuple[Any, st.SearchStrategy[Any]]]) -> tuple[Any, st.SearchStrategy[Any]]:
    """A dataclass of these fields, and the strategy of its values."""
    kind = record_class(tuple((name, pair[0]) for name, pair in sorted(fields.items(), key=lambda item: item[0])))
    return kind, st.builds(kind, **{name: pair[1] for name, pair in fields.items()})


def unless_refused(call: Callable[[], T]) -> T | None:
    """What the call gives; None if it refused in our own words, which name the variable."""
    try:
        return call()
    except FlyteError as error:
        if not str(error).startswith("x"):
            raise
        return None


def over_the_wire(literal: core.Literal) -> core.Literal:
    return decode(core.Literal, encode(literal))


@given(typed_values(2))
def test_a_value_of_a_type_comes_back_equal(pair: tuple[Any, Any]):
    python_type, value = pair
    literal = over_the_wire(to_literal(value, literal_type(python_type)))
    assert to_python(literal, python_type) == value


@given(st.timedeltas(-MAX_DURATION, MAX_DURATION))
def test_any_duration_that_a_message_holds_comes_back_equal(value: timedelta):
    assert to_python(over_the_wire(to_literal(value, literal_type(timedelta))), timedelta) == value


@given(typed_values(2))
def test_a_value_of_a_type_can_be_read_by_the_variables_type_alone(pair: tuple[Any, Any]):
    python_type, value = pair
    expected = literal_type(python_type)
    result = to_python(over_the_wire(to_literal(value, expected)), expected=expected)
    assert to_literal(result, expected) == to_literal(value, expected)


@given(typed_values(2))
def test_a_guessed_type_is_guessed_again_from_its_own_literal_type(pair: tuple[Any, Any]):
    # Not equal literal types: two variants of a union, such as list[datetime] and list[date], may guess alike.
    guessed = guess_type(literal_type(pair[0]))
    assert guess_type(literal_type(guessed)) == guessed


@given(st.dictionaries(text, plain))
def test_an_untyped_dict_comes_back_equal(value: dict[str, Any]):
    assert to_python(over_the_wire(to_literal(value, literal_type(dict))), dict) == value


@given(typed_values(1), typed_values(1))
def test_a_value_of_another_type_is_converted_or_refused_and_nothing_else(one: tuple[Any, Any], two: tuple[Any, Any]):
    literal = unless_refused(lambda: to_literal(one[1], literal_type(two[0]), name="x"))
    if literal is not None:
        # The literal itself may say more than the type keeps: a datetime is a literal of a date, too.
        value = to_python(literal, two[0])
        assert to_python(to_literal(value, literal_type(two[0])), two[0]) == value


@given(st.binary(), typed_values(1))
def test_any_bytes_are_read_or_refused_and_nothing_else(data: bytes, pair: tuple[Any, Any]):
    literal = core.Literal(scalar=core.Scalar(binary=core.Binary(value=data, tag="msgpack")))
    for python_type in (None, dict, pair[0]):
        unless_refused(lambda as_type=python_type: to_python(literal, as_type, name="x"))


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
schemas = st.recursive(
    json_values,
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["object", "array", "string", "number", "integer", "boolean", "null"]) | inner,
            "format": st.sampled_from(["date-time", "date", "duration", "time-delta", "base64"]),
            "title": st.sampled_from(["Record", "FlyteFile", "StructuredDataset", "two words"]) | inner,
            "properties": st.dictionaries(names, inner, max_size=3) | inner,
            "required": st.lists(names, max_size=3) | inner,
            "items": inner,
            "additionalProperties": inner,
            "propertyNames": inner,
            "anyOf": st.lists(inner, max_size=3) | inner,
            "enum": st.lists(inner, max_size=3) | inner,
            "const": inner,
            "default": inner,
            "prefixItems": st.lists(inner, max_size=2),
            "uniqueItems": st.booleans(),
            "$ref": st.just("#/$defs/a") | inner,
            "$defs": st.fixed_dictionaries({"a": inner}) | inner,
        },
    ),
    max_leaves=8,
)


@given(schemas.filter(lambda schema: isinstance(schema, dict)))
def test_a_type_is_guessed_of_any_schema(schema: dict[str, Any]):
    expected = core.LiteralType(simple=core.SimpleType.STRUCT, metadata=struct_of({"title": "Record", **schema}))
    assert guess_type(expected) is guess_type(expected)
    assert literal_type(guess_type(expected)).simple == core.SimpleType.STRUCT


blobs = st.builds(
    core.Blob,
    uri=st.sampled_from(["", "s3://b/k", "/tmp/k"]),
    metadata=st.none()
    | st.builds(
        core.BlobMetadata,
        type=st.none()
        | st.builds(
            core.BlobType,
            format=st.sampled_from(["", "csv", "PythonPickle"]),
            dimensionality=st.sampled_from(list(core.BlobTypeBlobDimensionality)),
        ),
    ),
)
scalars = st.one_of(
    st.builds(core.Scalar, primitive=st.builds(core.Primitive, integer=SCALARS[int])),
    st.builds(core.Scalar, primitive=st.builds(core.Primitive, string_value=text)),
    st.builds(core.Scalar, primitive=st.just(core.Primitive())),
    st.builds(core.Scalar, blob=blobs),
    st.builds(
        core.Scalar, binary=st.builds(core.Binary, value=st.binary(max_size=8), tag=st.sampled_from(["msgpack", "x"]))
    ),
    st.builds(core.Scalar, generic=st.dictionaries(text, json_values, max_size=2).map(struct_of)),
    st.builds(core.Scalar, structured_dataset=st.builds(core.StructuredDataset, uri=st.sampled_from(["", "s3://b/t"]))),
    st.builds(core.Scalar, schema=st.builds(core.Schema, uri=st.sampled_from(["", "s3://b/t"]))),
    st.builds(core.Scalar, error=st.builds(core.Error, message=text)),
    st.builds(core.Scalar, none_type=st.just(core.Void())),
    st.just(core.Scalar()),
)
literals = st.recursive(
    st.builds(core.Literal, scalar=scalars)
    | st.just(core.Literal())
    | st.builds(core.Literal, offloaded_metadata=st.builds(core.LiteralOffloadedMetadata, uri=text)),
    lambda inner: st.one_of(
        st.builds(core.Literal, collection=st.builds(core.LiteralCollection, literals=st.lists(inner, max_size=3))),
        st.builds(core.Literal, map=st.builds(core.LiteralMap, literals=st.dictionaries(text, inner, max_size=3))),
        st.builds(
            core.Literal,
            scalar=st.builds(core.Scalar, union=st.builds(core.Union, value=inner, type=st.just(literal_type(int)))),
        ),
    ),
    max_leaves=5,
)
HANDLES = [FlyteFile, FlyteDirectory, StructuredDataset, FlytePickle, dict, list[FlyteFile], FlyteFile | int | None]


@given(literals, typed_values(1), st.sampled_from(HANDLES))
def test_any_literal_is_read_or_refused_and_nothing_else(literal: core.Literal, pair: tuple[Any, Any], handle: Any):
    resolver = LiteralsResolver({"x": over_the_wire(literal)}, {"x": core.Variable(type=literal_type(pair[0]))})
    for python_type in (None, pair[0], handle):
        unless_refused(lambda as_type=python_type: resolver.get("x", as_type))
    unless_refused(resolver.to_json)
    assert repr(resolver)


@given(st.binary(), typed_values(1), st.sampled_from(HANDLES))
def test_any_bytes_in_place_of_a_literal_are_read_or_refused(data: bytes, pair: tuple[Any, Any], handle: Any):
    try:
        literal = decode(core.Literal, data)
    except FlyteDecodeError:
        return  # it is the map around it that is refused
    resolver = LiteralsResolver({"x": literal}, {"x": core.Variable(type=literal_type(pair[0]))})
    for python_type in (None, pair[0], handle):
        unless_refused(lambda as_type=python_type: resolver.get("x", as_type))
    unless_refused(resolver.to_json)
    assert repr(resolver)
