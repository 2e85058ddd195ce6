"""GetExecutionMetrics: the tree of spans, of executions that events describe second by second."""

from __future__ import annotations

from typing import Any

from flyteasync.errors import Status
from flyteasync.idl import admin, core, event, methods
from tests.server.build import execution_id, identifier, node, task, workflow
from tests.server.client import Client
from tests.server.conftest import Connect
from tests.server.events import (
    E1,
    NodePhase,
    TaskPhase,
    WorkflowPhase,
    at,
    attempt_id,
    node_event,
    node_id,
    send,
    task_event,
    workflow_event,
)

SUB = identifier("sub", core.ResourceType.WORKFLOW)


async def span_of(client: Client, depth: int, name: str = "e1") -> core.Span:
    request = admin.WorkflowExecutionGetMetricsRequest(id=execution_id(name), depth=depth)
    return (await client.call(methods.GET_EXECUTION_METRICS, request)).span


def shown(span: core.Span) -> tuple[Any, ...]:
    """A span's name and, in seconds, its ends; and the same of those inside."""
    name = span.operation_id
    if span.workflow_id is not None:
        name = span.workflow_id.name
    if span.node_id is not None:
        name = span.node_id.node_id
    if span.task_id is not None:
        name = f"{span.task_id.node_execution_id.node_id}/{span.task_id.retry_attempt}"
    ends = tuple(None if end is None else (end - at(0)).total_seconds() for end in (span.start_time, span.end_time))
    return (name, *ends, *(shown(inner) for inner in span.spans))


async def told(connect: Connect, *nodes: core.Node, start: bool = True) -> Client:
    """A server with the execution `e1` of these nodes, which only events drive from second 0 on."""
    client: Client = await connect(unregistered="hang", max_parallelism=1)
    sub = workflow("sub", [node("s0", "t")])
    await client.register(sub, [task("t")])
    template = workflow("wf", [node("hangs", "t"), *nodes])
    spec = admin.WorkflowSpec(template=template, sub_workflows=[sub])
    await client.call(methods.CREATE_WORKFLOW, admin.WorkflowCreateRequest(id=template.id, spec=spec))
    plan = identifier("wf", core.ResourceType.LAUNCH_PLAN)
    request = admin.LaunchPlanCreateRequest(id=plan, spec=admin.LaunchPlanSpec(workflow_id=template.id))
    await client.call(methods.CREATE_LAUNCH_PLAN, request)
    await client.launch(plan, "e1")
    await client.node(E1, "hangs", NodePhase.RUNNING)
    # What the engine has recorded so far is taken back: these tests tell another story.
    store = client.server.store  # type: ignore[union-attr]
    for row in list(store.node_executions.rows()):
        for attempt in list(store.task_executions.group(row.key)):
            store.task_executions.delete(attempt)
        store.node_executions.delete(row)
    for execution in store.executions.rows():
        execution.closure.created_at = at(0)
    if start:
        await send(client, node_event("start-node", NodePhase.SUCCEEDED, 1, spec_node_id="start-node"))
    return client


async def tell(client: Client, name: str, *seconds: float, **fields: Any) -> None:
    """A node is queued, runs, and succeeds."""
    fields = {"spec_node_id": name} | fields
    phases = (NodePhase.QUEUED, NodePhase.RUNNING, NodePhase.SUCCEEDED)
    for phase, second in zip(phases, seconds, strict=False):
        await send(client, node_event(name, phase, second, **fields))


async def tell_attempt(client: Client, name: str, attempt: int, *seconds: float) -> None:
    phases = (TaskPhase.QUEUED, TaskPhase.RUNNING, TaskPhase.SUCCEEDED)
    for phase, second in zip(phases, seconds, strict=False):
        await send(client, task_event(name, phase, second, retry_attempt=attempt))


async def end(client: Client, second: float) -> None:
    await send(client, workflow_event(WorkflowPhase.SUCCEEDED, second))


def inside(name: str) -> dict[str, Any]:
    return {"parent_node_metadata": event.ParentNodeExecutionMetadata(node_id=name)}


async def test_depth_zero_is_the_execution_alone(connect: Connect) -> None:
    client = await told(connect)
    await end(client, 9)
    assert shown(await span_of(client, 0)) == ("e1", 0, 9)
    assert (await span_of(client, 0)).workflow_id == E1


async def test_before_its_start_an_execution_is_being_set_up(connect: Connect) -> None:
    client = await told(connect, start=False)
    await send(client, workflow_event(WorkflowPhase.SUCCEEDING, 3))
    assert shown(await span_of(client, 5)) == ("e1", 0, 3, ("WORKFLOW_SETUP", 0, 3))


async def test_task_nodes_are_broken_down_into_attempts(connect: Connect) -> None:
    client = await told(connect, node("n0", "t"), node("n1", "t", after=["n0"]))
    await tell(client, "n0", 2, 3)
    await tell_attempt(client, "n0", 0, 4, 5, 7)
    await tell_attempt(client, "n0", 1, 8, 9, 11)
    await send(client, node_event("n0", NodePhase.SUCCEEDED, 12))
    await tell(client, "n1", 13)
    await end(client, 20)
    n0 = (
        *("n0", 2, 12),
        ("NODE_TRANSITION", 1, 2),
        ("NODE_SETUP", 2, 4),
        ("n0/0", 4, 7, ("TASK_SETUP", 4, 5), ("TASK_RUNTIME", 5, 7), ("TASK_TEARDOWN", 7, 7)),
        ("NODE_RESET", 7, 8),
        ("n0/1", 8, 11, ("TASK_SETUP", 8, 9), ("TASK_RUNTIME", 9, 11), ("TASK_TEARDOWN", 11, 11)),
        ("NODE_TEARDOWN", 11, 12),
    )
    n1 = ("n1", 13, 13, ("NODE_TRANSITION", 12, 13), ("NODE_SETUP", 13, 13))
    span = await span_of(client, 3)
    assert shown(span) == ("e1", 0, 20, ("WORKFLOW_SETUP", 0, 1), n0, n1, ("WORKFLOW_TEARDOWN", 13, 20))
    assert span.spans[1].node_id == node_id("n0")
    assert span.spans[1].spans[2].task_id == attempt_id("n0", 0)
    # One level less shows no attempts, and two less nothing of nodes but when they could begin.
    shallow = shown(await span_of(client, 2))
    assert shallow[4] == (*n0[:5], ("NODE_RESET", 7, 8), ("NODE_TEARDOWN", 11, 12))
    assert shown(await span_of(client, 1))[4] == n0[:4]


async def test_an_attempt_that_runs_or_waits_has_no_end(connect: Connect) -> None:
    client = await told(connect, node("n0", "t"))
    await tell(client, "n0", 2, 3)
    await tell_attempt(client, "n0", 0, 4)
    spans = (await span_of(client, 3)).spans[1].spans
    assert shown(spans[2]) == ("n0/0", 4, 4, ("TASK_SETUP", 4, 4))
    await tell_attempt(client, "n0", 1, 5, 6)
    spans = (await span_of(client, 3)).spans[1].spans
    assert shown(spans[4]) == ("n0/1", 5, 6, ("TASK_SETUP", 5, 6), ("TASK_RUNTIME", 6, 6))
    # The node was last heard of before its attempts: nothing is torn down.
    assert len(spans) == 5


async def test_a_dynamic_node_has_the_nodes_that_it_generated(connect: Connect) -> None:
    client = await told(connect, node("n0", "t"))
    await tell(client, "n0", 2, 3)
    await tell_attempt(client, "n0", 0, 4, 5, 7)
    await send(client, node_event("n0", NodePhase.DYNAMIC_RUNNING, 8, is_parent=True))
    spans = [shown(span) for span in (await span_of(client, 2)).spans[1].spans]
    assert spans[-1] == ("NODE_RESET", 7, 8)
    generated = core.CompiledWorkflow(
        template=core.WorkflowTemplate(nodes=[node("d0", "t")]),
        connections=core.ConnectionSet(
            upstream={
                "d0": core.ConnectionSetIdList(ids=["start-node"]),
                "end-node": core.ConnectionSetIdList(ids=["d0"]),
            }
        ),
    )
    dynamic = event.DynamicWorkflowNodeMetadata(compiled_workflow=core.CompiledWorkflowClosure(primary=generated))
    metadata = event.TaskNodeMetadata(dynamic_workflow=dynamic)
    started = node_event("n0-0-start-node", NodePhase.SUCCEEDED, 9, spec_node_id="start-node", **inside("n0"))
    await send(client, started)
    await tell(client, "d0", 10, 11, 13, **inside("n0"))
    await send(client, node_event("n0", NodePhase.SUCCEEDED, 15, task_node_metadata=metadata))
    spans = [shown(span) for span in (await span_of(client, 3)).spans[1].spans]
    assert spans[-3:] == [
        ("NODE_RESET", 7, 9),
        ("d0", 10, 13, ("NODE_TRANSITION", 9, 10), ("NODE_SETUP", 10, 13)),
        ("NODE_TEARDOWN", 13, 15),
    ]


async def test_a_sub_workflow_has_its_own_nodes(connect: Connect) -> None:
    reference = core.WorkflowNode(sub_workflow_ref=SUB)
    client = await told(connect, core.Node(id="n0", metadata=core.NodeMetadata(), workflow_node=reference))
    await tell(client, "n0", 2, 3)
    spans = [shown(span) for span in (await span_of(client, 2)).spans[1].spans]
    assert spans[-1] == ("NODE_SETUP", 2, 3)
    await send(client, node_event("s", NodePhase.SUCCEEDED, 4, spec_node_id="start-node", **inside("n0")))
    await tell(client, "s0", 5, 6, 7, **inside("n0"))
    await send(client, node_event("n0", NodePhase.SUCCEEDED, 9))
    spans = [shown(span) for span in (await span_of(client, 3)).spans[1].spans]
    assert spans[1:] == [
        ("NODE_SETUP", 2, 4),
        ("s0", 5, 7, ("NODE_TRANSITION", 4, 5), ("NODE_SETUP", 5, 7)),
        ("NODE_TEARDOWN", 7, 9),
    ]


async def test_a_launch_plan_node_has_the_execution_that_it_launched(connect: Connect) -> None:
    reference = core.WorkflowNode(launchplan_ref=identifier("sub", core.ResourceType.LAUNCH_PLAN))
    client = await told(connect, core.Node(id="n0", metadata=core.NodeMetadata(), workflow_node=reference))
    await tell(client, "n0", 2)
    spans = [shown(span) for span in (await span_of(client, 2)).spans[1].spans]
    assert spans[-1] == ("NODE_SETUP", 2, 2)
    child = await client.launch(identifier("sub", core.ResourceType.LAUNCH_PLAN), "e2")
    store = client.server.store  # type: ignore[union-attr]
    store.executions.get((child.project, child.domain, "e2")).closure.created_at = at(4)
    await client.node(child, "s0", NodePhase.RUNNING)
    await send(client, workflow_event(WorkflowPhase.SUCCEEDED, 6, execution_id=child))
    launched = event.WorkflowNodeMetadata(execution_id=child)
    await send(client, node_event("n0", NodePhase.SUCCEEDED, 8, workflow_node_metadata=launched))
    spans = [shown(span) for span in (await span_of(client, 2)).spans[1].spans]
    assert spans[1:] == [("NODE_SETUP", 2, 4), ("e2", 4, 6), ("NODE_TEARDOWN", 6, 8)]


async def test_a_gate_is_idle_while_it_waits(connect: Connect) -> None:
    gate = core.GateNode(approve=core.ApproveCondition(signal_id="ok"))
    client = await told(connect, core.Node(id="n0", metadata=core.NodeMetadata(), gate_node=gate))
    expected = [
        (3, [("NODE_SETUP", 2, 2)]),
        (4, [("NODE_SETUP", 2, 3), ("NODE_IDLE", 3, 3)]),
        (9, [("NODE_SETUP", 2, 3), ("NODE_IDLE", 3, 8), ("NODE_TEARDOWN", 8, 8)]),
    ]
    for (phase, second), (_, wanted) in zip(
        [(NodePhase.QUEUED, 2), (NodePhase.RUNNING, 3), (NodePhase.SUCCEEDED, 8)], expected, strict=True
    ):
        await send(client, node_event("n0", phase, second, spec_node_id="n0"))
        assert [shown(span) for span in (await span_of(client, 2)).spans[1].spans][1:] == wanted


async def test_a_branch_has_the_arm_that_was_taken(connect: Connect) -> None:
    no = core.Operand(primitive=core.Primitive(boolean=False))
    condition = core.BooleanExpression(comparison=core.ComparisonExpression(left_value=no, right_value=no))
    block = core.IfElseBlock(case=core.IfBlock(condition=condition, then_node=node("a", "t")), else_node=node("b", "t"))
    branch = core.Node(id="n0", metadata=core.NodeMetadata(), branch_node=core.BranchNode(if_else=block))
    client = await told(connect, branch)
    await tell(client, "n0", 2, 3)
    assert [shown(span) for span in (await span_of(client, 2)).spans[1].spans][1:] == [("NODE_SETUP", 2, 3)]
    await tell(client, "n0-b", 4, 5, 6, **inside("n0"))
    await send(client, node_event("n0", NodePhase.SUCCEEDED, 7))
    assert [shown(span) for span in (await span_of(client, 3)).spans[1].spans][1:] == [
        ("NODE_SETUP", 2, 4),
        ("n0-b", 4, 6, ("NODE_SETUP", 4, 6)),
        ("NODE_TEARDOWN", 6, 7),
    ]
    await tell(client, "n0-a", 5, **inside("n0"))
    request = admin.WorkflowExecutionGetMetricsRequest(id=E1, depth=2)
    failure = await client.fails(methods.GET_EXECUTION_METRICS, request)
    assert failure.status == Status.INTERNAL
    assert failure.text == "invalid branch node execution: expected 1 but found 2 node execution(s)"


async def test_metrics_that_are_refused(connect: Connect) -> None:
    client = await told(connect)
    await tell(client, "stranger", 2)
    for request, status, text in [
        (admin.WorkflowExecutionGetMetricsRequest(), Status.INVALID_ARGUMENT, "missing id"),
        (
            admin.WorkflowExecutionGetMetricsRequest(id=execution_id("nope")),
            Status.NOT_FOUND,
            'missing entity of type execution with identifier project:"flytesnacks" domain:"development" name:"nope"',
        ),
        (
            admin.WorkflowExecutionGetMetricsRequest(id=E1, depth=1),
            Status.INTERNAL,
            "failed to discover workflow node 'stranger' in workflow 'resource_type:WORKFLOW project:\"flytesnacks\" "
            'domain:"development" name:"wf" version:"v1"\'',
        ),
    ]:
        failure = await client.fails(methods.GET_EXECUTION_METRICS, request)
        assert (failure.status, failure.text) == (status, text)
