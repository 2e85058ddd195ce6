"""Which arm of a branch is taken, in the propeller's way; pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, cast

import betterproto2

from ...idl import core
from ..compiler.references import if_blocks

USER_PROVIDED = "UserProvidedError"
MALFORMED = "MalformedBranchUserError"

_Operator = core.ComparisonExpressionOperator

Inputs = Mapping[str, core.Literal]


class BranchFailed(Exception):
    """No arm can be taken: the workflow says so, or its conditions make no sense.

    Attributes:
        code: the code of the node's error.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"[{code}] {text}")
        self.code = code


def decide(block: core.IfElseBlock, inputs: Inputs) -> core.Node:
    """The node of the first arm whose condition holds, or of the default.

    Raises:
        BranchFailed: the default is an error, there is none, or a condition cannot be evaluated.
    """
    for arm in if_blocks(block):
        if evaluate(arm.condition, inputs):
            if arm.then_node is None:
                raise BranchFailed(MALFORMED, "The arm that is taken has no node")
            return arm.then_node
    if block.else_node is not None:
        return block.else_node
    if block.error is not None:
        raise BranchFailed(USER_PROVIDED, block.error.message)
    raise BranchFailed(MALFORMED, "No branch satisfied")


def evaluate(expression: core.BooleanExpression | None, inputs: Inputs) -> bool:
    """Whether a condition holds. Both sides of a conjunction are always evaluated.

    Raises:
        BranchFailed: it cannot be evaluated.
    """
    match None if expression is None else betterproto2.which_one_of(expression, "expr")[1]:
        case core.ComparisonExpression() as comparison:
            left = _operand(comparison.left_value, inputs, "LHS")
            right = _operand(comparison.right_value, inputs, "RHS")
            return compare(left, right, comparison.operator)
        case core.ConjunctionExpression() as conjunction:
            sides = (
                evaluate(conjunction.left_expression, inputs),
                evaluate(conjunction.right_expression, inputs),
            )
            return any(sides) if conjunction.operator == core.ConjunctionExpressionLogicalOperator.OR else all(sides)
        case _:
            raise BranchFailed(MALFORMED, "No Comparison or Conjunction found in Branch node expression.")


def _operand(operand: core.Operand | None, inputs: Inputs, side: str) -> core.Primitive | None:
    """The primitive that an operand stands for; None is the value none."""
    match None if operand is None else betterproto2.which_one_of(operand, "val")[1]:
        case core.Primitive() as primitive:
            return primitive
        case core.Scalar() as scalar:
            return _primitive(core.Literal(scalar=scalar), side)
        case str() as name if name in inputs:
            return _primitive(inputs[name], side)
        case name:
            raise BranchFailed(MALFORMED, f"Failed to find Value for Variable [{name or ''}]")


def _primitive(literal: core.Literal, side: str) -> core.Primitive | None:
    scalar = literal.scalar
    while scalar is not None and scalar.union is not None:
        scalar = None if scalar.union.value is None else scalar.union.value.scalar
    if scalar is not None and scalar.primitive is not None:
        return scalar.primitive
    if scalar is not None and scalar.none_type is not None:
        return None
    raise BranchFailed(MALFORMED, f"Only primitives can be compared. {side} Variable is non primitive.")


def compare(left: core.Primitive | None, right: core.Primitive | None, operator: _Operator) -> bool:
    """Compare two primitives, of which None is the value none.

    Raises:
        BranchFailed: they are of different types, or of one that has no order.
    """
    name = operator.name or str(int(operator))
    if left is None or right is None:
        if operator in (_Operator.EQ, _Operator.NEQ):
            return (left is right) == (operator == _Operator.EQ)
        raise BranchFailed(
            MALFORMED, f"Comparison between nil and non-nil values with operator [{name}] is not supported."
        )
    if operator not in list(_Operator):
        raise BranchFailed(MALFORMED, "Unsupported operator type in Propeller. System error.")
    (left_kind, a), (right_kind, b) = (betterproto2.which_one_of(item, "value") for item in (left, right))
    if left_kind != right_kind:
        raise BranchFailed(
            MALFORMED, f"Comparison between different primitives types. lVal[{left_kind}]:rVal[{right_kind}]"
        )
    if left_kind == "boolean" and operator not in (_Operator.EQ, _Operator.NEQ):
        raise BranchFailed(MALFORMED, f"[{name}] not defined for boolean operands.")
    return _ordered(_comparable(a), _comparable(b), operator)


def _comparable(value: object) -> Any:
    """Times and durations are compared by whole seconds, as the propeller does."""
    if isinstance(value, datetime):
        return math.floor(value.timestamp())
    if isinstance(value, timedelta):
        return math.trunc(value.total_seconds())
    return cast("Any", value)


def _ordered(a: Any, b: Any, operator: _Operator) -> bool:
    """Everything by way of `>` and `==`, which shows with floats that are not numbers."""
    match operator:
        case _Operator.EQ:
            return bool(a == b)
        case _Operator.NEQ:
            return bool(a != b)
        case _Operator.GT:
            return bool(a > b)
        case _Operator.GTE:
            return bool(a == b or a > b)
        case _Operator.LT:
            return not (a > b or a == b)
        case _Operator.LTE:
            return not a > b
