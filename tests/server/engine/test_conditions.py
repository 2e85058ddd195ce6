"""Which arm a condition chooses."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyteasync.idl import core
from flyteasync.server.engine.conditions import BranchFailed, compare, decide, evaluate
from tests.server.build import literal
from tests.server.engine.nodes import comparison, conjunction

OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "EQ": operator.eq,
    "NEQ": operator.ne,
    "GT": operator.gt,
    "GTE": operator.ge,
    "LT": operator.lt,
    "LTE": operator.le,
}

TIMES = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))
DURATIONS = st.timedeltas(timedelta(days=-10000), timedelta(days=10000))
ORDERED: list[st.SearchStrategy[Any]] = [
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(),
    TIMES.map(lambda value: value.replace(microsecond=0)),
    DURATIONS.map(lambda value: value - timedelta(microseconds=value.microseconds)),
]


def primitive(value: Any) -> core.Primitive:
    scalar = literal(value).scalar
    assert scalar is not None
    assert scalar.primitive is not None
    return scalar.primitive


def holds(left: Any, name: str, right: Any) -> bool:
    return compare(primitive(left), primitive(right), core.ComparisonExpressionOperator[name])


@given(st.one_of([st.tuples(values, values) for values in ORDERED]), st.sampled_from(sorted(OPERATORS)))
def test_values_that_have_an_order_compare_as_in_python(pair: tuple[Any, Any], name: str) -> None:
    left, right = pair
    assert holds(left, name, right) == OPERATORS[name](left, right)


@given(st.booleans(), st.booleans(), st.sampled_from(["EQ", "NEQ"]))
def test_booleans_are_equal_or_not(left: bool, right: bool, name: str) -> None:
    assert holds(left, name, right) == OPERATORS[name](left, right)


@pytest.mark.parametrize("name", ["GT", "GTE", "LT", "LTE"])
def test_booleans_have_no_order(name: str) -> None:
    with pytest.raises(BranchFailed, match=rf"\[{name}\] not defined for boolean operands"):
        holds(True, name, False)


@given(TIMES, DURATIONS, st.integers(0, 999_999))
def test_parts_of_a_second_make_no_difference(time: datetime, duration: timedelta, part: int) -> None:
    whole = time.replace(microsecond=0)
    assert holds(whole, "EQ", whole.replace(microsecond=part))
    seconds = timedelta(seconds=abs(int(duration.total_seconds())))
    assert holds(seconds, "EQ", seconds + timedelta(microseconds=part))
    assert holds(-seconds, "EQ", -seconds - timedelta(microseconds=part))


@pytest.mark.parametrize(
    ("name", "expected"), [("EQ", False), ("NEQ", True), ("GT", False), ("GTE", False), ("LT", True), ("LTE", True)]
)
def test_what_is_not_a_number_is_less_than_everything(name: str, expected: bool) -> None:
    assert holds(math.nan, name, 1.0) is expected


@given(st.one_of(ORDERED), st.one_of(ORDERED), st.sampled_from(sorted(OPERATORS)))
def test_different_types_do_not_compare(left: Any, right: Any, name: str) -> None:
    if type(left) is type(right):
        return
    with pytest.raises(BranchFailed, match="different primitives types"):
        holds(left, name, right)


def test_none_is_equal_to_itself_alone_and_has_no_order() -> None:
    equal, unequal = core.ComparisonExpressionOperator.EQ, core.ComparisonExpressionOperator.NEQ
    assert compare(None, None, equal)
    assert not compare(None, None, unequal)
    assert not compare(None, primitive(1), equal)
    assert compare(primitive(1), None, unequal)
    with pytest.raises(BranchFailed, match=r"operator \[LT\] is not supported"):
        compare(None, primitive(1), core.ComparisonExpressionOperator.LT)


@st.composite
def expressions(draw: st.DrawFn, depth: int = 4) -> tuple[core.BooleanExpression, bool]:
    """A condition and whether it holds."""
    if depth == 0 or draw(st.booleans()):
        left, right, name = draw(st.integers(-2, 2)), draw(st.integers(-2, 2)), draw(st.sampled_from(sorted(OPERATORS)))
        return comparison(left, name, right), OPERATORS[name](left, right)
    (left_side, a), (right_side, b) = draw(expressions(depth=depth - 1)), draw(expressions(depth=depth - 1))
    if draw(st.booleans()):
        return conjunction(left_side, "AND", right_side), a and b
    return conjunction(left_side, "OR", right_side), a or b


@given(expressions())
def test_conjunctions_of_any_depth_hold_as_in_logic(case: tuple[core.BooleanExpression, bool]) -> None:
    expression, expected = case
    assert evaluate(expression, {}) is expected


@given(st.lists(st.booleans(), min_size=1, max_size=5), st.sampled_from(["node", "error", "nothing"]))
def test_the_first_arm_that_holds_is_taken_else_the_default(conditions: list[bool], default: str) -> None:
    arms = [
        core.IfBlock(condition=comparison(1, "EQ" if holds_ else "NEQ", 1), then_node=core.Node(id=f"n{index}"))
        for index, holds_ in enumerate(conditions)
    ]
    block = core.IfElseBlock(case=arms[0], other=arms[1:])
    if default == "node":
        block.else_node = core.Node(id="else")
    elif default == "error":
        block.error = core.Error(message="no arm")
    if True in conditions:
        assert decide(block, {}).id == f"n{conditions.index(True)}"
    elif default == "node":
        assert decide(block, {}).id == "else"
    else:
        text = r"\[UserProvidedError\] no arm" if default == "error" else "No branch satisfied"
        with pytest.raises(BranchFailed, match=text):
            decide(block, {})


def test_both_sides_of_a_conjunction_are_evaluated() -> None:
    wrong = comparison("$absent", "EQ", 1)
    with pytest.raises(BranchFailed, match=r"Failed to find Value for Variable \[absent\]"):
        evaluate(conjunction(comparison(1, "EQ", 1), "OR", wrong), {})


def test_operands_are_inputs_by_name_unions_are_what_they_hold_and_lists_do_not_compare() -> None:
    union = core.Literal(scalar=core.Scalar(union=core.Union(value=literal(3), type=core.LiteralType())))
    none = core.Literal(scalar=core.Scalar(none_type=core.Void()))
    inputs = {"a": literal(3), "b": union, "c": none, "d": literal([1])}
    assert evaluate(comparison("$a", "EQ", "$b"), inputs)
    assert evaluate(comparison("$a", "NEQ", "$c"), inputs)
    with pytest.raises(BranchFailed, match=r"Only primitives can be compared\. RHS Variable is non primitive"):
        evaluate(comparison("$a", "EQ", "$d"), inputs)


def test_a_scalar_operand_may_be_none() -> None:
    scalar = core.Operand(scalar=core.Scalar(none_type=core.Void()))
    expression = core.BooleanExpression(
        comparison=core.ComparisonExpression(
            operator=core.ComparisonExpressionOperator.EQ, left_value=core.Operand(var="x"), right_value=scalar
        )
    )
    assert not evaluate(expression, {"x": literal(1)})
    assert evaluate(expression, {"x": core.Literal(scalar=core.Scalar(none_type=core.Void()))})


def test_a_condition_without_content_does_not_hold_or_fail_silently() -> None:
    with pytest.raises(BranchFailed, match="No Comparison or Conjunction found"):
        evaluate(core.BooleanExpression(), {})
    with pytest.raises(BranchFailed, match="Failed to find Value"):
        evaluate(core.BooleanExpression(comparison=core.ComparisonExpression()), {})
