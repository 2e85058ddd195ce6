"""Messages that hold one value."""

import datetime
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyteasync.codec import encode
from flyteasync.codec.single import single
from flyteasync.errors import FlyteError, FlyteTypeException, FlyteValueException
from flyteasync.idl import core

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "integer": st.integers(-(2**63), 2**63 - 1),
    "float_value": st.floats(allow_nan=False),
    "string_value": st.text(),
    "boolean": st.booleans(),
    "datetime": st.datetimes(timezones=st.just(datetime.UTC)),
    "duration": st.timedeltas(),
}
BAD: list[tuple[str, Any, type[FlyteError]]] = [
    ("integer", 2**63, FlyteValueException),
    ("integer", "1", FlyteTypeException),
    ("float_value", "1", FlyteTypeException),
    ("string_value", 1, FlyteTypeException),
    ("string_value", "\ud800", FlyteValueException),
    ("datetime", 1, FlyteTypeException),
]


def built(field: str, value: Any) -> core.Literal:
    return core.Literal(scalar=core.Scalar(primitive=core.Primitive(**{field: value})))


@pytest.mark.parametrize("field", VALUES)
@given(data=st.data())
def test_it_is_the_message_that_its_parts_make(field: str, data: st.DataObject) -> None:
    value = data.draw(VALUES[field])
    made = single(core.Literal, "scalar", "primitive", field)(value)

    assert encode(made) == encode(built(field, value))
    assert made == built(field, value)
    assert made.scalar is not None
    assert made.scalar.primitive is not None
    assert getattr(made.scalar.primitive, field) == value


def test_zeros_are_set() -> None:
    made = single(core.Literal, "scalar", "primitive", "float_value")(-0.0)
    assert made.scalar is not None
    assert made.scalar.primitive is not None
    assert made.scalar.primitive.float_value is not None
    assert math.copysign(1, made.scalar.primitive.float_value) == -1
    empty = single(core.Literal, "scalar", "primitive", "string_value")("")
    assert empty == built("string_value", "")


def test_what_is_long_has_its_length() -> None:
    text = "x" * 100_000
    assert single(core.Literal, "scalar", "primitive", "string_value")(text) == built("string_value", text)


@pytest.mark.parametrize(("field", "value", "error"), BAD)
def test_a_value_that_the_field_cannot_hold_is_refused_as_by_encode(
    field: str, value: Any, error: type[FlyteError]
) -> None:
    with pytest.raises(error) as ours:
        single(core.Literal, "scalar", "primitive", field)(value)
    with pytest.raises(error) as theirs:
        encode(built(field, value))
    assert str(ours.value) == str(theirs.value)


def test_nothing_is_no_value() -> None:
    with pytest.raises(FlyteTypeException, match="boolean: expected a bool, got None"):
        single(core.Literal, "scalar", "primitive", "boolean")(None)


def test_what_is_inside_can_be_changed() -> None:
    made = single(core.Literal, "scalar", "primitive", "integer")(1)
    assert made.scalar is not None
    assert made.scalar.primitive is not None
    made.scalar.primitive.integer = 2
    made.hash = "h"
    wanted = built("integer", 2)
    wanted.hash = "h"
    assert encode(made) == encode(wanted)
