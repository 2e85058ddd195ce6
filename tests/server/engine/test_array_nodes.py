"""Array nodes: one task, or one execution, per item of a list."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flyteasync.idl import admin, core
from tests.server.build import execution_id, node, promise, task, workflow
from tests.server.client import Client
from tests.server.conftest import Connect
from tests.server.engine.nodes import (
    E1,
    Called,
    ErrorKind,
    NodePhase,
    Phase,
    TaskPhase,
    array_node,
    below,
    inputs_and_outputs,
    launch_plan_node,
    phases,
    run,
    terminate,
)

# As flytekit registers the task of a map_task: with the interface of the whole.
MAPPED = task("m.map_square_0123456789abcdef0123456789abcdef-arraynode", {"x": list[int]}, {"o0": list[int]})
NAME = MAPPED.id.name if MAPPED.id is not None else ""
SQUARE = {"m.square": lambda x: x * x}


def mapped(template: core.TaskTemplate = MAPPED, kind: Any = list[int], **array: Any) -> core.WorkflowTemplate:
    assert template.id is not None
    inner = node("inner", template.id.name, {"x": promise("xs")}, retries=array.pop("retries", None))
    return workflow(
        "wf",
        [array_node("n0", inner, {"x": promise("xs")}, **array)],
        {"xs": list[int]},
        {"o0": (kind, promise("n0.o0"))},
    )


async def with_map(connect: Connect, handlers: dict[str, Any], **array: Any) -> tuple[Client, core.Identifier]:
    client: Client = await connect(handlers)
    return client, await client.register(mapped(**array), [MAPPED])


def resources(attempt: admin.TaskExecution) -> list[tuple[int, int, str]]:
    assert attempt.closure is not None
    assert attempt.closure.metadata is not None
    found = attempt.closure.metadata.external_resources
    return [(item.index, item.retry_attempt, str(item.phase.name)) for item in found]


async def test_the_handler_is_called_for_each_item_and_the_results_are_lists(connect: Connect) -> None:
    client, plan = await with_map(connect, SQUARE)
    execution = await run(client, plan, {"xs": [1, 2, 3]})
    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error
    assert await client.outputs(E1) == {"o0": [1, 4, 9]}
    assert await inputs_and_outputs(client, "n0") == ({"x": [1, 2, 3]}, {"o0": [1, 4, 9]})


async def test_there_is_one_task_execution_with_an_entry_per_item(connect: Connect) -> None:
    client, plan = await with_map(connect, SQUARE)
    await run(client, plan, {"xs": [1, 2]})
    array = (await client.nodes(E1))["n0"]
    assert (array.metadata.is_array, array.metadata.is_parent_node) == (True, False)
    assert await below(client, "n0") == {}
    [attempt] = await client.attempts(E1, "n0")
    closure = attempt.closure
    assert (attempt.id.retry_attempt, attempt.id.task_id.name) == (0, NAME)
    assert (closure.phase, closure.task_type) == (TaskPhase.SUCCEEDED, "container_array")
    assert closure.metadata.plugin_identifier == "k8s-array"
    assert closure.output_uri == array.closure.output_uri
    assert resources(attempt) == [(0, 0, "SUCCEEDED"), (1, 0, "SUCCEEDED")]
    assert [item.external_id for item in closure.metadata.external_resources] == ["e1-n0-0-n0-0", "e1-n0-0-n1-0"]


async def test_the_mapped_task_has_a_handler_of_its_own_name_or_pattern_first(connect: Connect) -> None:
    client, plan = await with_map(connect, {"m.square": lambda x: x, "m.map_square*": lambda x: x + 1})
    await run(client, plan, {"xs": [1, 2]})
    assert await client.outputs(E1) == {"o0": [2, 3]}


async def test_inputs_that_are_bound_are_the_same_for_all_items(connect: Connect) -> None:
    template = task("add", {"x": list[int], "y": int, "zs": list[int]}, {"o0": list[int]})
    inner = node("inner", "add")
    inputs = {"x": promise("xs"), "y": promise("y"), "zs": promise("zs")}
    array = array_node("n0", inner, inputs, bound_inputs=["y", "zs"])
    kinds = {"xs": list[int], "y": int, "zs": list[int]}
    client: Client = await connect({"add": lambda x, y, zs: x + y + sum(zs)})
    plan = await client.register(workflow("wf", [array], kinds, {"o0": (list[int], promise("n0.o0"))}), [template])
    execution = await run(client, plan, {"xs": [1, 2], "y": 10, "zs": [100, 200, 300]})
    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error
    assert await client.outputs(E1) == {"o0": [611, 612]}


async def test_a_list_without_items_needs_no_handler_and_has_no_task_execution(connect: Connect) -> None:
    client, plan = await with_map(connect, {})
    request: Any = core.Literal(collection=core.LiteralCollection())
    execution = await run(client, plan, {"xs": request})
    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error
    assert await client.outputs(E1) == {"o0": []}
    assert await client.attempts(E1, "n0") == []


@pytest.mark.parametrize(("parallelism", "expected"), [(2, 2), (0, 5), (None, 5)])
async def test_no_more_items_run_at_a_time_than_may(connect: Connect, parallelism: int | None, expected: int) -> None:
    running = most = 0

    async def count(x: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(20):
            await asyncio.sleep(0)
        running -= 1
        return x

    client: Client = await connect({"m.square": count})
    array = {} if parallelism is None else {"parallelism": parallelism}
    plan = await client.register(mapped(**array), [MAPPED])
    await run(client, plan, {"xs": [1, 2, 3, 4, 5]})
    assert most == expected


def fail_for(*bad: int) -> dict[str, Any]:
    def square(x: int) -> int:
        if x in bad:
            raise ValueError(f"no {x}")
        return x * x

    return {"m.square": square}


@pytest.mark.parametrize("array", [{"min_successes": 2}, {"min_success_ratio": 0.5}])
async def test_enough_successes_are_a_success_with_none_for_what_failed(
    connect: Connect, array: dict[str, Any]
) -> None:
    kind = list[int | None]
    template = task(NAME, {"x": list[int]}, {"o0": kind})
    client: Client = await connect(fail_for(2, 3))
    plan = await client.register(mapped(template, kind, **array), [template])
    execution = await run(client, plan, {"xs": [1, 2, 3, 4]})
    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error
    assert await client.outputs(E1) == {"o0": [1, None, None, 16]}
    [attempt] = await client.attempts(E1, "n0")
    assert [phase for _, _, phase in resources(attempt)] == ["SUCCEEDED", "FAILED", "FAILED", "SUCCEEDED"]


async def test_too_few_successes_fail_the_node_and_abort_the_items_that_run(connect: Connect) -> None:
    called = Called()

    async def square(x: int) -> int:
        if x == 1:
            await called.wait()
            raise ValueError("no 1")
        called.note()
        return await asyncio.get_running_loop().create_future()

    client, plan = await with_map(connect, {"m.square": square})
    execution = await run(client, plan, {"xs": [1, 2]})
    error = execution.closure.error
    assert (error.code, error.kind) == ("", ErrorKind.UNKNOWN)
    assert error.message == "[0]: [1/1] currentAttempt done. Last Error: USER::ValueError: no 1\n"
    assert (await client.nodes(E1))["n0"].closure.error == error
    [attempt] = await client.attempts(E1, "n0")
    assert attempt.closure.phase == TaskPhase.ABORTED
    assert resources(attempt) == [(0, 0, "FAILED"), (1, 0, "ABORTED")]


async def test_equal_errors_are_told_once_with_all_their_indices(connect: Connect) -> None:
    def square(x: int) -> int:
        raise ValueError("even" if x % 2 == 0 else "odd")

    client, plan = await with_map(connect, {"m.square": square}, run_all_sub_nodes=True)
    execution = await run(client, plan, {"xs": [1, 2, 4, 6, 3]})
    assert execution.closure.error.message == (
        "[1-3]: [1/1] currentAttempt done. Last Error: USER::ValueError: even\n"
        "[0][4]: [1/1] currentAttempt done. Last Error: USER::ValueError: odd\n"
    )


async def test_items_are_repeated_one_by_one(connect: Connect) -> None:
    failed: set[int] = set()

    def square(x: int) -> int:
        if x == 2 and x not in failed:
            failed.add(x)
            raise ValueError("not yet")
        return x * x

    client, plan = await with_map(connect, {"m.square": square}, retries=1)
    await run(client, plan, {"xs": [1, 2]})
    assert await client.outputs(E1) == {"o0": [1, 4]}
    [attempt] = await client.attempts(E1, "n0")
    assert sorted(resources(attempt)) == [(0, 0, "SUCCEEDED"), (1, 0, "FAILED"), (1, 1, "SUCCEEDED")]


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        ({"xs": [1, 2], "ys": [1]}, "input arrays have different lengths: expecting '2' found '1'"),
        ({"xs": 1, "ys": 1}, "no input array provided"),
    ],
)
async def test_lists_that_do_not_fit_each_other_fail_the_node(
    connect: Connect, inputs: dict[str, Any], text: str
) -> None:
    kinds = {name: type(value) if isinstance(value, int) else list[int] for name, value in inputs.items()}
    template = task("add", kinds, {"o0": list[int]})
    array = array_node("n0", node("inner", "add"), {name: promise(name) for name in inputs})
    client: Client = await connect({"add": lambda xs, ys: xs + ys})
    execution = await run(client, await client.register(workflow("wf", [array], kinds), [template]), inputs)
    assert (execution.closure.error.code, execution.closure.error.kind) == ("InvalidArrayLength", ErrorKind.USER)
    assert execution.closure.error.message == text
    assert (await client.nodes(E1))["n0"].closure.started_at is None


async def test_an_abort_reaches_the_items(connect: Connect) -> None:
    called = Called()
    client, plan = await with_map(connect, {"m.square": called.hang()})
    await client.launch(plan, "e1", {"xs": [1, 2]})
    await called.wait(times=2)
    await terminate(client)
    await client.finish(E1)
    assert phases(await client.nodes(E1))["n0"] == "ABORTED"
    [attempt] = await client.attempts(E1, "n0")
    assert attempt.closure.phase == TaskPhase.ABORTED
    assert {phase for _, _, phase in resources(attempt)} == {"ABORTED"}


async def test_an_array_of_launch_plans_starts_an_execution_per_item(connect: Connect) -> None:
    client: Client = await connect({"square": lambda x: x * x})
    child = workflow("child", [node("a", "square", {"x": promise("x")})], {"x": int}, {"o0": (int, promise("a.o0"))})
    await client.register(child, [task("square", {"x": int}, {"o0": int})])
    array = array_node(
        "n0",
        launch_plan_node("inner", "child"),
        {"x": promise("xs")},
        is_original_sub_node_interface=True,
        parallelism=1,
        execution_mode=core.ArrayNodeExecutionMode.FULL_STATE,
    )
    template = workflow("wf", [array], {"xs": list[int]}, {"o0": (list[int], promise("n0.o0"))})
    execution = await run(client, await client.register(template, []), {"xs": [2, 3]})
    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error
    assert await client.outputs(E1) == {"o0": [4, 9]}
    # What cannot be told in the entries of a task's execution has nodes of its own.
    assert (await client.nodes(E1))["n0"].metadata.is_parent_node
    items = await below(client, "n0")
    assert phases(items) == {"n0": "SUCCEEDED", "n1": "SUCCEEDED"}
    metadata = items["n1"].closure.workflow_node_metadata
    assert metadata.execution_id == execution_id("e1-n0-0-n1-0")
    assert await client.outputs(execution_id("e1-n0-0-n1-0")) == {"o0": 9}
    assert items["n1"].closure.phase == NodePhase.SUCCEEDED
