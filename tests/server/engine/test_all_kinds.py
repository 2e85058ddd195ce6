"""One execution with nodes of all kinds: what must hold whatever they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flyteasync.idl import admin, core, methods
from flyteasync.server import DynamicWorkflow
from tests.server.build import bindings, node, promise, scalar, task, workflow
from tests.server.client import Client
from tests.server.conftest import Connect
from tests.server.engine.nodes import (
    E1,
    NodePhase,
    Phase,
    TaskPhase,
    all_nodes,
    array_node,
    branch_node,
    comparison,
    launch_plan_node,
    register_workflow,
    set_signal,
    signal_gate,
    sleep_gate,
    sub_workflow_node,
    terminate,
)

X = {"x": promise("x")}
INNER = workflow(
    "inner", [node("a", "t", X), node("b", "last", {"x": promise("a.o0")}), sleep_gate("c", 5)], {"x": int}
)
NODES = [
    node("task", "t", X),
    sub_workflow_node("sub", "inner", X),
    branch_node(
        "branch",
        [(comparison("$x", "GT", 0), node("yes", "last", X)), (comparison("$x", "LT", 0), node("no", "t", X))],
        "neither",
        X,
    ),
    launch_plan_node("plan", "inner", X),
    node("dynamic", "generate", X),
    array_node("array", node("each", "last"), {"x": promise("xs")}, is_original_sub_node_interface=True),
    signal_gate("gate", "go", int),
    sleep_gate("sleep", 3600),
]
OUTER = workflow("outer", NODES, {"x": int, "xs": list[int]})
INPUTS: dict[str, Any] = {"x": 1, "xs": [1, 2, 3]}
INT = {"o0": int}


def generate(x: int) -> DynamicWorkflow:
    nodes = [node("d0", "t", {"x": scalar(x)}), node("d1", "last", {"x": promise("d0.o0")})]
    return DynamicWorkflow(nodes=nodes, outputs=bindings({"o0": promise("d1.o0")}))


async def prepared(connect: Connect, last: Any, **settings: Any) -> tuple[Client, core.Identifier]:
    given = {} if last is None else {"last": last}
    client: Client = await connect({"t": lambda x: x + 1, "generate": generate, **given}, **settings)
    tasks = [task(name, {"x": int}, INT) for name in ("t", "last", "generate")]
    await register_workflow(client, INNER, tasks)
    return client, await register_workflow(client, OUTER, [], parts=[INNER])


def spans_of(span: core.Span) -> Iterator[core.Span]:
    yield span
    for inner in span.spans:
        yield from spans_of(inner)


async def test_all_kinds_run_together_and_their_times_fit_into_one_another(connect: Connect) -> None:
    client, plan = await prepared(connect, lambda x: x, skipping=True)
    await client.launch(plan, "e1", INPUTS)
    await client.node(E1, "gate", NodePhase.RUNNING)
    await set_signal(client, "go", 3)
    execution = await client.finish(E1)
    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error
    for found in all_nodes(client).values():
        closure = found.closure
        assert closure is not None
        assert closure.phase in (NodePhase.SUCCEEDED, NodePhase.SKIPPED), found
        assert closure.created_at is not None
        assert closure.updated_at is not None
        assert execution.closure.started_at <= closure.created_at <= closure.updated_at <= execution.closure.updated_at
        if closure.started_at is not None:
            assert closure.created_at <= closure.started_at
            assert closure.duration == closure.updated_at - closure.started_at
    request = admin.WorkflowExecutionGetMetricsRequest(id=E1, depth=10)
    spans = list(spans_of((await client.call(methods.GET_EXECUTION_METRICS, request)).span))
    assert {span.node_id.node_id for span in spans if span.node_id is not None} > {item.id for item in NODES}
    assert all(span.start_time <= span.end_time for span in spans if span.start_time and span.end_time)


async def test_an_abort_reaches_nodes_of_all_kinds(connect: Connect) -> None:
    client, plan = await prepared(connect, None, unregistered="hang", max_parallelism=0)
    await client.launch(plan, "e1", INPUTS)
    for name in ("sub", "branch", "plan", "array", "gate", "sleep"):
        await client.node(E1, name, NodePhase.RUNNING)
    await client.node(E1, "dynamic", NodePhase.DYNAMIC_RUNNING)
    await terminate(client, "enough")
    assert (await client.finish(E1)).closure.phase == Phase.ABORTED
    nodes = all_nodes(client)
    assert {name for name, item in nodes.items() if item.closure and item.closure.phase == NodePhase.SUCCEEDED} >= {
        "start-node",
        "task",
    }
    for name in ("sub", "branch", "branch-0-branch-yes", "plan", "dynamic", "array", "gate", "sleep"):
        closure = nodes[name].closure
        assert closure is not None
        assert closure.phase == NodePhase.ABORTED, name
        assert closure.error is not None
    assert client.server is not None
    [attempt] = client.server.store.task_executions.group(("flytesnacks", "development", "e1", "branch-0-branch-yes"))
    assert attempt.closure.phase == TaskPhase.ABORTED
    children = [row for row in client.server.store.executions.rows() if row.execution_name != "e1"]
    assert [row.closure.phase for row in children] == [Phase.ABORTED]
