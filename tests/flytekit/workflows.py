"""Workflows of every kind of node, and what stands for their tasks.

No annotations from the future: flytekit reads those of tasks as types.
"""

import functools
import typing
import warnings
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flyteasync.idl import core

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from flytekit import (
        LaunchPlan,
        approve,
        conditional,
        dynamic,
        map_task,
        sleep,
        task,
        wait_for_input,
        workflow,
    )
    from flytekit.types.error import FlyteError

    from tests.flytekit.compiled import generated

MODULE = __name__


FAILING = -1
"""The input that makes `two_more` fail."""


@dataclass
class Point:
    x: int
    y: typing.List[int]  # noqa: UP006


@task
def one_more(a: int) -> int:
    return a + 1


@task
def two_more(a: int) -> int:
    return a + 2


@task
def add(a: int, b: int) -> int:
    return a + b


@task
def make_point(a: int) -> Point:
    return Point(x=a, y=[a, a + 1])


@task
def cleanup(a: int, err: typing.Optional[FlyteError] = None) -> None:  # noqa: UP045
    return None


@workflow
def branch(a: int) -> int:
    x = one_more(a=a)
    return (
        conditional("choice")
        .if_((x > 3) & (a < 10))
        .then(one_more(a=x))
        .elif_(x == 2)
        .then(two_more(a=a))
        .else_()
        .fail("no way")
    )


@workflow
def nested_branch(a: int) -> int:
    inner = conditional("inner").if_(a > 5).then(one_more(a=a)).else_().then(two_more(a=a))
    return conditional("outer").if_(a > 3).then(inner).else_().then(add(a=a, b=a))


@workflow
def branch_in_branch(a: int) -> int:
    return (
        conditional("outer")
        .if_(a > 3)
        .then(conditional("inner").if_(a > 5).then(one_more(a=a)).else_().then(two_more(a=a)))
        .else_()
        .then(two_more(a=a))
    )


@workflow
def mapped(xs: typing.List[int], b: int) -> typing.List[int]:  # noqa: UP006
    return map_task(functools.partial(add, b=b), concurrency=2)(a=xs)


@workflow
def sub(a: int) -> int:
    return one_more(a=a)


SUB_PLAN = LaunchPlan.get_or_create(sub, name=f"{MODULE}.sub_plan", default_inputs={"a": 5})


@workflow
def parent(a: int) -> int:
    return add(a=sub(a=a), b=add(a=SUB_PLAN(a=a), b=SUB_PLAN()))


@workflow
def mapped_plan(xs: typing.List[int]) -> typing.List[int]:  # noqa: UP006
    return map_task(SUB_PLAN)(a=xs)


@workflow
def recorded(a: int) -> Point:
    return make_point(a=a)


@workflow(on_failure=cleanup)
def failing(a: int) -> int:
    return two_more(a=a)


@workflow
def gates(a: int) -> int:
    given = wait_for_input("value", timeout=timedelta(hours=1), expected_type=int)
    pause = sleep(timedelta(hours=1))
    approved = approve(one_more(a=given), "ok", timeout=timedelta(hours=2))
    pause >> given
    return add(a=approved, b=given)


@dynamic
def fan_out(n: int) -> typing.List[int]:  # noqa: UP006
    return [one_more(a=index) for index in range(n)]


@workflow
def dynamic_workflow(n: int) -> typing.List[int]:  # noqa: UP006
    return fan_out(n=n)


@workflow
def attributes(d: typing.Dict[str, typing.List[int]], a: int) -> int:  # noqa: UP006
    point = make_point(a=a)
    return add(a=d["k"][1], b=add(a=point.x, b=point.y[1]))


def generate(n: int) -> core.DynamicJobSpec:
    return generated(fan_out, n=n)


def two_more_or_fail(a: int) -> int:
    if a == FAILING:
        raise ValueError("boom")
    return a + 2


SEEN: list[Any] = []

HANDLERS = {
    f"{MODULE}.one_more": lambda a: a + 1,
    f"{MODULE}.two_more": two_more_or_fail,
    f"{MODULE}.add": lambda a, b: a + b,
    f"{MODULE}.make_point": lambda a: {"x": a, "y": [a, a + 1]},
    f"{MODULE}.cleanup": lambda a, err: SEEN.append(err),
    f"{MODULE}.fan_out": generate,
}
