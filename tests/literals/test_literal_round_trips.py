"""Properties: whatever fits a type comes back equal, over the wire; whatever does not is refused in our own words."""

import enum
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

from hypothesis import given
from hypothesis import strategies as st

from flyteasync.codec import decode, encode
from flyteasync.errors import FlyteError
from flyteasync.idl import core
from flyteasync.literals import guess_type, literal_type, to_literal, to_python


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
    # How negative and very long ones look on the wire is the codec's business.
    timedelta: st.timedeltas(timedelta(0), timedelta(days=100_000)),
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
    return scalars | lists | dicts | optionals | unions


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
    )


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
