"""Nodes that start executions of their own."""

from __future__ import annotations

from typing import Any

from flyteasync.idl import admin, core, methods
from flyteasync.server.engine.names import child_execution_name
from tests.server.build import execution_id, literal, node, promise, task, workflow
from tests.server.client import Client
from tests.server.conftest import Connect
from tests.server.engine.nodes import (
    E1,
    Called,
    ErrorKind,
    NodePhase,
    Phase,
    launch_plan_node,
    phases,
    run,
    set_signal,
    signal_gate,
    terminate,
)

INT = {"o0": int}
STEP = task("step", {"x": int}, INT)
CHILD = workflow("child", [node("a", "step", {"x": promise("x")})], {"x": int}, {"o0": (int, promise("a.o0"))})
CHILD_ID = execution_id("e1-n0-0")
Mode = admin.ExecutionMetadataExecutionMode


def parent(name: str = "wf", child: str = "child", node_id: str = "n0") -> core.WorkflowTemplate:
    call = launch_plan_node(node_id, child, {"x": promise("x")})
    return workflow(name, [call], {"x": int}, {"o0": (int, promise(f"{node_id}.o0"))})


async def with_child(
    connect: Connect, handler: Any, child_plan: admin.LaunchPlanSpec | None = None, **settings: Any
) -> tuple[Client, core.Identifier]:
    client: Client = await connect({"step": handler}, **settings)
    await client.register(CHILD, [STEP], child_plan)
    return client, await client.register(parent(), [])


def add_one(x: int) -> int:
    return x + 1


async def test_the_child_gets_the_nodes_inputs_and_the_node_its_outputs(connect: Connect) -> None:
    client, plan = await with_child(connect, add_one)
    execution = await run(client, plan, {"x": 1})
    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error
    assert await client.outputs(E1) == await client.outputs(CHILD_ID) == {"o0": 2}


async def test_the_child_is_an_execution_that_names_its_parent(connect: Connect) -> None:
    client, plan = await with_child(connect, add_one)
    await client.finish(await client.launch(plan, "e1", {"x": 1}, max_parallelism=7, tags=["t"]))
    child = await client.get(CHILD_ID)
    metadata = child.spec.metadata
    assert (metadata.mode, metadata.nesting) == (Mode.CHILD_WORKFLOW, 1)
    assert metadata.parent_node_execution == core.NodeExecutionIdentifier(node_id="n0", execution_id=E1)
    assert child.spec.max_parallelism == 7
    assert child.spec.tags == []
    called = (await client.nodes(E1))["n0"]
    assert called.closure.workflow_node_metadata.execution_id == CHILD_ID
    assert not called.metadata.is_parent_node
    assert await client.attempts(E1, "n0") == []


async def test_the_child_inherits_the_labels_of_the_parents_resource_and_its_annotations(connect: Connect) -> None:
    client, plan = await with_child(connect, add_one)
    labels = admin.Labels(values={"team": "a", "workflow-name": "mine"})
    annotations = admin.Annotations(values={"note": "b"})
    await client.finish(await client.launch(plan, "e1", {"x": 1}, labels=labels, annotations=annotations))
    child = await client.get(CHILD_ID)
    assert child.spec.labels.values == {
        "team": "a",
        "execution-id": "e1",
        "project": "flytesnacks",
        "domain": "development",
        "workflow-name": "wf",
    }
    assert child.spec.annotations.values == {"note": "b"}
    request = admin.ResourceListRequest(
        id=admin.NamedEntityIdentifier(project="flytesnacks", domain="development"),
        limit=10,
        filters="eq(execution_tag.key,execution-id)+eq(execution_tag.value,e1)",
    )
    found = await client.call(methods.LIST_EXECUTIONS, request)
    assert [item.id for item in found.executions] == [CHILD_ID]


async def test_children_of_children_are_nested_deeper_and_long_names_are_hashed(connect: Connect) -> None:
    client: Client = await connect({"step": add_one})
    await client.register(CHILD, [STEP])
    await client.register(parent("middle", "child", "inner-node"), [])
    plan = await client.register(parent("wf", "middle"), [])
    assert (await run(client, plan, {"x": 1})).closure.phase == Phase.SUCCEEDED
    name = child_execution_name("e1-n0-0", "inner-node", 0)
    grandchild = await client.get(execution_id(name))
    assert grandchild.spec.metadata.nesting == 2
    assert grandchild.spec.labels.values["execution-id"] == "e1-n0-0"
    assert name == "e1-n0-0-inner-node-0"
    assert child_execution_name("e1-n0-0", "inner-node", 10).startswith("f")
    assert len(child_execution_name("e1-n0-0", "inner-node", 10)) == 14


async def test_inputs_with_defaults_need_not_be_bound_and_fixed_ones_are_the_launch_plans(connect: Connect) -> None:
    parameter = core.Parameter(
        var=core.Variable(type=core.LiteralType(simple=core.SimpleType.INTEGER)), default=literal(41)
    )
    spec = admin.LaunchPlanSpec(default_inputs=core.ParameterMap(parameters={"x": parameter}))
    client: Client = await connect({"step": add_one})
    await client.register(CHILD, [STEP], spec)
    template = workflow("wf", [launch_plan_node("n0", "child")], {}, {"o0": (int, promise("n0.o0"))})
    await run(client, await client.register(template, []))
    assert await client.outputs(E1) == {"o0": 42}


async def test_a_child_that_fails_fails_its_node_with_its_error(connect: Connect) -> None:
    def fail(x: int) -> int:
        raise ValueError("boom")

    client, plan = await with_child(connect, fail)
    execution = await run(client, plan, {"x": 1})
    child = await client.get(CHILD_ID)
    assert child.closure.phase == Phase.FAILED
    assert execution.closure.error == child.closure.error
    assert phases(await client.nodes(E1))["n0"] == "FAILED"


async def test_a_child_that_is_aborted_fails_its_node(connect: Connect) -> None:
    called = Called()
    client, plan = await with_child(connect, called.hang())
    await client.launch(plan, "e1", {"x": 1})
    await called.wait()
    request = admin.ExecutionTerminateRequest(id=CHILD_ID, cause="enough")
    await client.call(methods.TERMINATE_EXECUTION, request)
    execution = await client.finish(E1)
    assert execution.closure.phase == Phase.FAILED
    error = execution.closure.error
    assert (error.code, error.kind) == ("RemoteChildWorkflowExecutionFailed", ErrorKind.USER)
    assert "launchplan [e1-n0-0] aborted" in error.message


async def test_an_abort_of_the_parent_reaches_its_child(connect: Connect) -> None:
    called = Called()
    client, plan = await with_child(connect, called.hang())
    await client.launch(plan, "e1", {"x": 1})
    await called.wait()
    await terminate(client, "enough")
    assert (await client.finish(E1)).closure.phase == Phase.ABORTED
    child = await client.finish(CHILD_ID)
    assert child.closure.phase == Phase.ABORTED
    assert child.closure.abort_metadata.cause == (
        "cascading abort as parent execution id [e1] aborted, reason [Workflow aborted.]"
    )
    assert phases(await client.nodes(CHILD_ID))["a"] == "ABORTED"


async def test_a_sibling_that_fails_aborts_the_child(connect: Connect) -> None:
    called = Called()

    async def fail() -> None:
        await called.wait()
        raise ValueError("boom")

    client: Client = await connect({"step": called.hang(), "fail": fail})
    await client.register(CHILD, [STEP])
    template = workflow("wf", [launch_plan_node("n0", "child", {"x": promise("x")}), node("n1", "fail")], {"x": int})
    execution = await run(client, await client.register(template, [task("fail")]), {"x": 1})
    assert execution.closure.phase == Phase.FAILED
    child = await client.finish(CHILD_ID)
    assert child.closure.phase == Phase.ABORTED
    assert "Some node execution failed, auto-abort." in child.closure.abort_metadata.cause


async def test_a_child_that_cannot_be_created_fails_its_node_before_it_runs(connect: Connect) -> None:
    client: Client = await connect({"step": add_one})
    await client.register(CHILD, [STEP])
    nodes = [signal_gate("g", "go", int), launch_plan_node("n0", "child", {"x": promise("g.o0")})]
    await client.launch(await client.register(workflow("wf", nodes), []), "e1")
    await client.node(E1, "g", NodePhase.RUNNING)
    project = admin.Project(id="flytesnacks", state=admin.ProjectProjectState.ARCHIVED)
    await client.call(methods.UPDATE_PROJECT, project)
    await set_signal(client, "go", 1)
    execution = await client.finish(E1)
    error = execution.closure.error
    assert (error.code, error.kind) == ("RuntimeExecutionError", ErrorKind.USER)
    assert "project [flytesnacks] is not active" in error.message
    assert (await client.nodes(E1))["n0"].closure.started_at is None


async def test_an_execution_that_has_the_childs_name_stands_for_it(connect: Connect) -> None:
    client, plan = await with_child(connect, add_one)
    child_plan = core.Identifier(
        resource_type=core.ResourceType.LAUNCH_PLAN,
        project="flytesnacks",
        domain="development",
        name="child",
        version="v1",
    )
    await client.finish(await client.launch(child_plan, "e1-n0-0", {"x": 100}))
    await run(client, plan, {"x": 1})
    assert await client.outputs(E1) == {"o0": 101}


async def test_a_launch_plan_that_lets_no_more_executions_run_fails_the_node(connect: Connect) -> None:
    spec = admin.LaunchPlanSpec(concurrency_policy=admin.ConcurrencyPolicy(max=1))
    called = Called()
    client, plan = await with_child(connect, called.hang(), spec)
    await client.launch(plan, "e0", {"x": 1})
    await called.wait()
    execution = await run(client, plan, {"x": 1})
    assert execution.closure.error.kind == ErrorKind.SYSTEM
    assert "launch-plan not found" in execution.closure.error.message


async def test_a_child_waits_for_its_signals_under_its_own_name(connect: Connect) -> None:
    client: Client = await connect()
    await client.register(workflow("child", [signal_gate("g", "go", int)], {"x": int}), [])
    plan = await client.register(workflow("wf", [launch_plan_node("n0", "child", {"x": promise("x")})], {"x": int}), [])
    await client.launch(plan, "e1", {"x": 1})
    await client.node(CHILD_ID, "g", NodePhase.RUNNING)
    request = admin.SignalSetRequest(id=core.SignalIdentifier(signal_id="go", execution_id=CHILD_ID), value=literal(1))
    await client.call(methods.SET_SIGNAL, request)
    assert (await client.finish(E1)).closure.phase == Phase.SUCCEEDED
