"""Workflows as flytekit compiles them run on the embedded server."""

from __future__ import annotations

import asyncio
import functools
import typing
import warnings
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from flyteasync.idl import admin, core, methods
from flyteasync.server import Server, ServerConfig
from tests.server.build import execution_id, literal
from tests.server.client import Client

# Not "flytekit" alone: that is the name of this folder, too.
pytest.importorskip("flytekit.core.type_engine")
pytestmark = [pytest.mark.flytekit, pytest.mark.filterwarnings("ignore")]

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

    from tests.flytekit.compiled import generated, register

MODULE = __name__


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


def fail(a: int) -> int:
    raise ValueError("boom")


SEEN: list[Any] = []

HANDLERS = {
    f"{MODULE}.one_more": lambda a: a + 1,
    f"{MODULE}.two_more": lambda a: a + 2,
    f"{MODULE}.add": lambda a, b: a + b,
    f"{MODULE}.make_point": lambda a: {"x": a, "y": [a, a + 1]},
    f"{MODULE}.cleanup": lambda a, err: SEEN.append(err),
    f"{MODULE}.fan_out": generate,
}


@pytest.fixture
async def client() -> AsyncGenerator[Client]:
    server = Server(ServerConfig(skipping=True), HANDLERS)
    client = Client(await server.start(), server)
    yield client
    await client.aclose()
    await server.stop()


async def run(client: Client, entity: Any, **inputs: Any) -> tuple[admin.Execution, dict[str, Any]]:
    plan = await register(client, entity)
    execution = await client.finish(await client.launch(plan, "e1", inputs))
    return execution, await client.outputs(execution_id("e1"))


@pytest.mark.parametrize(
    ("entity", "inputs", "expected"),
    [
        (branch, {"a": 5}, 7),
        (branch, {"a": 1}, 3),
        (nested_branch, {"a": 9}, 10),
        (nested_branch, {"a": 4}, 6),
        (nested_branch, {"a": 1}, 2),
        (mapped, {"xs": [1, 2, 3], "b": 10}, [11, 12, 13]),
        (parent, {"a": 1}, 10),
        (mapped_plan, {"xs": [1, 2]}, [2, 3]),
        (dynamic_workflow, {"n": 3}, [1, 2, 3]),
        (attributes, {"d": {"k": [10, 20]}, "a": 3}, 27),
    ],
    ids=lambda value: getattr(value, "name", None),
)
async def test_a_workflow_returns_what_flytekit_itself_would(
    client: Client, entity: Any, inputs: dict[str, Any], expected: Any
) -> None:
    execution, outputs = await run(client, entity, **inputs)
    assert execution.closure.phase == core.WorkflowExecutionPhase.SUCCEEDED, execution.closure.error
    assert outputs == {"o0": expected}


async def test_the_error_of_a_branch_is_the_workflows(client: Client) -> None:
    execution, _ = await run(client, branch, a=100)
    assert execution.closure.error.message == "[UserProvidedError] no way"


async def test_a_failure_node_gets_the_error(client: Client) -> None:
    SEEN.clear()
    assert client.server is not None
    client.server._engine._handlers._handlers[f"{MODULE}.two_more"] = fail
    execution, _ = await run(client, failing, a=1)
    assert [error.message for error in SEEN] == [execution.closure.error.message]


async def test_gates_wait_for_their_signals_and_a_sleep_of_an_hour_is_skipped(client: Client) -> None:
    plan = await register(client, gates)
    await client.launch(plan, "e1", {"a": 1})
    for name, value in (("value", 5), ("ok", True)):
        signal_id = core.SignalIdentifier(signal_id=name, execution_id=execution_id("e1"))
        request = admin.SignalListRequest(workflow_execution_id=execution_id("e1"), limit=10)
        async with asyncio.timeout(10):
            while name not in {
                signal.id.signal_id for signal in (await client.call(methods.LIST_SIGNALS, request)).signals
            }:
                pass
        await client.call(methods.SET_SIGNAL, admin.SignalSetRequest(id=signal_id, value=literal(value)))
    execution = await client.finish(execution_id("e1"))
    assert execution.closure.phase == core.WorkflowExecutionPhase.SUCCEEDED, execution.closure.error
    assert await client.outputs(execution_id("e1")) == {"o0": 11}
    assert execution.closure.duration >= timedelta(hours=1)
