"""Which handler a task has, and what becomes of a task that has none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

import pytest

from flyteasync.idl import admin, core, event, methods
from flyteasync.server.engine.echo import echo, zero
from flyteasync.server.engine.mapping import mapped_task_name
from tests.server.build import as_type, execution_id, interface, literal, node, promise, task, values, workflow
from tests.server.client import Client
from tests.server.conftest import Connect
from tests.server.engine.nodes import E1, Phase, TaskPhase, launch_plan_node, phases, run, sleep_gate, terminate

INT = {"o0": int}
TEMPLATE = workflow("wf", [node("n0", "a.b.c", {"x": promise("x")})], {"x": int}, {"o0": (int, promise("n0.o0"))})
TASKS = [task("a.b.c", {"x": int}, INT)]


# Patterns...


@pytest.mark.parametrize(
    ("handlers", "expected"),
    [
        ({"a.b.c": 1, "*": 2}, 1),
        ({"*": 2, "a.b.c": 1}, 1),
        ({"a.*": 3, "*": 2}, 3),
        ({"*": 2, "a.*": 3}, 2),
        ({"a.?.[cd]": 4}, 4),
    ],
)
async def test_a_handler_of_the_very_name_goes_before_patterns_and_those_go_by_their_order(
    connect: Connect, handlers: dict[str, int], expected: int
) -> None:
    client: Client = await connect({name: lambda x, result=result: result for name, result in handlers.items()})
    await run(client, await client.register(TEMPLATE, TASKS), {"x": 9})
    assert await client.outputs(E1) == {"o0": expected}


async def test_names_that_no_pattern_fits_have_no_handler(connect: Connect) -> None:
    client: Client = await connect({"a.*.d": lambda x: x, "A.B.C": lambda x: x})
    execution = await run(client, await client.register(TEMPLATE, TASKS), {"x": 9})
    assert execution.closure.error.code == "UnregisteredTask"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pkg.mod.map_square_0123456789abcdef0123456789abcdef-arraynode", "pkg.mod.square"),
        ("map_a_map_b_0123456789abcdef0123456789abcdef-arraynode", "a_map_b"),
        ("pkg.map_square", None),
        ("pkg.square_0123456789abcdef0123456789abcdef-arraynode", None),
    ],
)
def test_flytekits_names_of_mapped_tasks_are_read(name: str, expected: str | None) -> None:
    assert mapped_task_name(name) == expected


# Echo...


async def test_echo_returns_inputs_and_zero_values(connect: Connect) -> None:
    client: Client = await connect(unregistered="echo")
    outputs = {"x": int, "o0": int, "text": str, "many": list[int]}
    template = workflow(
        "wf",
        [node("n0", "t", {"x": promise("x"), "w": promise("w")})],
        {"x": int, "w": int},
        {name: (kind, promise(f"n0.{name}")) for name, kind in outputs.items()},
    )
    execution = await run(
        client, await client.register(template, [task("t", {"x": int, "w": int}, outputs)]), {"x": 7, "w": 8}
    )
    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error
    # By name, else the first by name whose type fits, else zero.
    assert await client.outputs(E1) == {"x": 7, "o0": 8, "text": "", "many": []}


class Color(Enum):
    RED = "red"
    BLUE = "blue"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (int, 0),
        (float, 0.0),
        (str, ""),
        (bool, False),
        (datetime, datetime(1970, 1, 1, tzinfo=UTC)),
        (timedelta, timedelta()),
        (list[int], []),
        (dict[str, int], {}),
        (int | None, None),
    ],
)
def test_the_zero_value_of_a_type_says_nothing(kind: Any, expected: Any) -> None:
    assert values(core.LiteralMap(literals={"v": zero(as_type(kind))})) == {"v": expected}


def test_types_without_a_native_zero_have_one_of_their_kind() -> None:
    enum = zero(as_type(Color)).scalar
    assert enum is not None
    assert enum.primitive is not None
    assert enum.primitive.string_value == "red"
    blob = zero(core.LiteralType(blob=core.BlobType(format="csv"))).scalar
    assert blob is not None
    assert blob.blob is not None
    assert blob.blob.metadata == core.BlobMetadata(type=core.BlobType(format="csv"))
    for simple in (core.SimpleType.STRUCT, core.SimpleType.BINARY, core.SimpleType.ERROR, core.SimpleType.NONE):
        assert zero(core.LiteralType(simple=simple)).scalar is not None
    for kind in (
        core.LiteralType(schema=core.SchemaType()),
        core.LiteralType(structured_dataset_type=core.StructuredDatasetType()),
    ):
        assert zero(kind).scalar is not None


def test_an_echo_in_a_union_says_which_variant_it_is() -> None:
    union = as_type(int | str)
    outputs = echo(interface({"x": str}, {"o0": union}), {"x": literal("text")})
    scalar = outputs["o0"].scalar
    assert scalar is not None
    assert scalar.union is not None
    assert scalar.union.type is not None
    assert scalar.union.type.simple == core.SimpleType.STRING
    assert scalar.union.value == literal("text")


async def test_registered_handlers_are_called_even_so(connect: Connect) -> None:
    client: Client = await connect({"a.b.c": lambda x: x + 1}, unregistered="echo")
    await run(client, await client.register(TEMPLATE, TASKS), {"x": 1})
    assert await client.outputs(E1) == {"o0": 2}


# Left to others...


async def test_an_execution_with_a_task_that_nobody_implements_can_be_left_to_others(connect: Connect) -> None:
    client: Client = await connect({"known": lambda: None}, unregistered="external")
    template = workflow("wf", [node("n0", "known"), node("n1", "unknown")])
    await client.launch(await client.register(template, [task("known"), task("unknown")]), "e1")
    for _ in range(10):
        await client.control("Ping")
    assert (await client.get(E1)).closure.phase == Phase.UNDEFINED
    assert await client.nodes(E1) == {}
    # Nobody but them ends it, either.
    await terminate(client, "enough")
    for _ in range(10):
        await client.control("Ping")
    assert (await client.get(E1)).closure.phase == Phase.ABORTING


async def test_the_others_of_the_same_server_are_run(connect: Connect) -> None:
    client: Client = await connect({"known": lambda: None}, unregistered="external")
    plan = await client.register(workflow("wf", [node("n0", "known")]), [task("known")])
    assert (await run(client, plan)).closure.phase == Phase.SUCCEEDED


async def end_it(client: Client, name: str, phase: core.WorkflowExecutionPhase) -> None:
    """Say that an execution has ended, as a propeller would."""
    ended = event.WorkflowExecutionEvent(execution_id=execution_id(name), phase=phase, occurred_at=datetime.now(UTC))
    await client.call(methods.CREATE_WORKFLOW_EVENT, admin.WorkflowExecutionEventRequest(event=ended))


async def test_a_parent_goes_on_when_others_end_its_child(connect: Connect) -> None:
    client: Client = await connect(unregistered="external")
    await client.register(workflow("child", [node("n0", "unknown")]), [task("unknown")])
    plan = await client.register(workflow("wf", [launch_plan_node("n0", "child")]), [])
    await client.launch(plan, "e1")
    child = (await client.node(E1, "n0", core.NodeExecutionPhase.RUNNING)).closure.workflow_node_metadata
    assert child.execution_id == execution_id("e1-n0-0")
    await end_it(client, "e1-n0-0", Phase.SUCCEEDED)
    assert (await client.finish(E1)).closure.phase == Phase.SUCCEEDED


async def test_the_time_limit_of_a_child_that_others_drive_is_not_skipped(connect: Connect) -> None:
    client: Client = await connect(unregistered="external", skipping=True)
    await client.register(workflow("child", [node("n0", "unknown")]), [task("unknown")])
    nodes = [launch_plan_node("n0", "child", timeout=3600), sleep_gate("n1", 3600)]
    await client.launch(await client.register(workflow("wf", nodes), []), "e1")
    await client.node(E1, "n0", core.NodeExecutionPhase.RUNNING)
    for _ in range(10):
        await client.control("Ping")
    assert phases(await client.nodes(E1)) == {"start-node": "SUCCEEDED", "n0": "RUNNING", "n1": "RUNNING"}
    await end_it(client, "e1-n0-0", Phase.SUCCEEDED)
    assert (await client.finish(E1)).closure.phase == Phase.SUCCEEDED


async def test_a_run_stops_without_a_word_when_others_end_its_execution(connect: Connect) -> None:
    client: Client = await connect(unregistered="hang")
    await client.launch(await client.register(TEMPLATE, TASKS), "e1", {"x": 1})
    await client.node(E1, "n0", core.NodeExecutionPhase.RUNNING)
    await end_it(client, "e1", Phase.TIMED_OUT)

    async def running() -> int:
        return (await client.control("GetStats"))["running"]

    while await running():
        pass
    assert (await client.get(E1)).closure.phase == Phase.TIMED_OUT
    assert phases(await client.nodes(E1))["n0"] == "ABORTED"
    [attempt] = await client.attempts(E1, "n0")
    assert attempt.closure.phase == TaskPhase.ABORTED
