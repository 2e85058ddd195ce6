"""Short ways to make nodes of every kind, and to look at what became of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from flyteasync.idl import admin, core, methods
from tests.server.build import as_type, bindings, execution_id, identifier, literal, values
from tests.server.client import Client

Phase = core.WorkflowExecutionPhase
NodePhase = core.NodeExecutionPhase
TaskPhase = core.TaskExecutionPhase
ErrorKind = core.ExecutionErrorErrorKind

E1 = execution_id("e1")

Bound = Mapping[str, core.BindingData]


def sub_workflow_node(node_id: str, name: str, bound: Bound | None = None, **fields: Any) -> core.Node:
    reference = identifier(name, core.ResourceType.WORKFLOW)
    return _node(node_id, bound, fields, workflow_node=core.WorkflowNode(sub_workflow_ref=reference))


def launch_plan_node(node_id: str, name: str, bound: Bound | None = None, **fields: Any) -> core.Node:
    reference = identifier(name, core.ResourceType.LAUNCH_PLAN)
    return _node(node_id, bound, fields, workflow_node=core.WorkflowNode(launchplan_ref=reference))


def branch_node(
    node_id: str,
    arms: list[tuple[core.BooleanExpression, core.Node]],
    default: core.Node | str | None,
    bound: Bound | None = None,
    **fields: Any,
) -> core.Node:
    """The default is a node, or the text of an error."""
    case, *other = [core.IfBlock(condition=condition, then_node=then) for condition, then in arms]
    block = core.IfElseBlock(case=case, other=other)
    if isinstance(default, str):
        block.error = core.Error(failed_node_id=node_id, message=default)
    else:
        block.else_node = default
    return _node(node_id, bound, fields, branch_node=core.BranchNode(if_else=block))


def signal_gate(node_id: str, signal_id: str, kind: Any, **fields: Any) -> core.Node:
    condition = core.SignalCondition(signal_id=signal_id, type=as_type(kind), output_variable_name="o0")
    return _node(node_id, None, fields, gate_node=core.GateNode(signal=condition))


def approval_gate(node_id: str, signal_id: str, bound: Bound, **fields: Any) -> core.Node:
    return _node(node_id, bound, fields, gate_node=core.GateNode(approve=core.ApproveCondition(signal_id=signal_id)))


def sleep_gate(node_id: str, seconds: float, **fields: Any) -> core.Node:
    condition = core.SleepCondition(duration=timedelta(seconds=seconds))
    return _node(node_id, None, fields, gate_node=core.GateNode(sleep=condition))


def array_node(node_id: str, inner: core.Node, bound: Bound, **array: Any) -> core.Node:
    return _node(node_id, bound, {}, array_node=core.ArrayNode(node=inner, **array))


def _node(node_id: str, bound: Bound | None, fields: dict[str, Any], **target: Any) -> core.Node:
    timeout, after = fields.pop("timeout", None), fields.pop("after", [])
    metadata = core.NodeMetadata(name=node_id, timeout=None if timeout is None else timedelta(seconds=timeout))
    if "retries" in fields:
        metadata.retries = core.RetryStrategy(retries=fields.pop("retries"))
    assert not fields, fields
    return core.Node(id=node_id, metadata=metadata, inputs=bindings(bound or {}), upstream_node_ids=after, **target)


# Conditions...


def operand(value: Any) -> core.Operand:
    """A text that starts with a `$` is the name of an input."""
    if isinstance(value, str) and value.startswith("$"):
        return core.Operand(var=value[1:])
    scalar = literal(value).scalar
    assert scalar is not None
    return core.Operand(primitive=scalar.primitive)


def comparison(left: Any, operator: str, right: Any) -> core.BooleanExpression:
    return core.BooleanExpression(
        comparison=core.ComparisonExpression(
            operator=core.ComparisonExpressionOperator[operator], left_value=operand(left), right_value=operand(right)
        )
    )


def conjunction(left: core.BooleanExpression, operator: str, right: core.BooleanExpression) -> core.BooleanExpression:
    return core.BooleanExpression(
        conjunction=core.ConjunctionExpression(
            operator=core.ConjunctionExpressionLogicalOperator[operator],
            left_expression=left,
            right_expression=right,
        )
    )


# What became of nodes...


async def below(
    client: Client, parent: str, execution: core.WorkflowExecutionIdentifier = E1
) -> dict[str, admin.NodeExecution]:
    """The nodes under a node, by their id in the workflow, the newest of each."""
    request = admin.NodeExecutionListRequest(workflow_execution_id=execution, limit=100, unique_parent_id=parent)
    reply = await client.call(methods.LIST_NODE_EXECUTIONS, request)
    return {node.metadata.spec_node_id: node for node in reply.node_executions}


def phases(nodes: Mapping[str, admin.NodeExecution]) -> dict[str, str]:
    return {name: str(node.closure.phase.name) for name, node in nodes.items()}


async def data(client: Client, node_id: str) -> admin.NodeExecutionGetDataResponse:
    identifier_ = core.NodeExecutionIdentifier(node_id=node_id, execution_id=E1)
    return await client.call(methods.GET_NODE_EXECUTION_DATA, admin.NodeExecutionGetDataRequest(id=identifier_))


async def inputs_and_outputs(client: Client, node_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
    reply = await data(client, node_id)
    return values(reply.full_inputs), values(reply.full_outputs)


async def register_workflow(
    client: Client,
    template: core.WorkflowTemplate,
    tasks: list[core.TaskTemplate],
    *,
    parts: list[core.WorkflowTemplate] | None = None,
    plan: admin.LaunchPlanSpec | None = None,
) -> core.Identifier:
    """Register tasks, a workflow with its sub-workflows, and its launch plan of the same name."""
    for task in tasks:
        assert task.id is not None
        request = admin.TaskCreateRequest(id=task.id, spec=admin.TaskSpec(template=task))
        await client.call(methods.CREATE_TASK, request)
    spec = admin.WorkflowSpec(template=template, sub_workflows=parts or [])
    await client.call(methods.CREATE_WORKFLOW, admin.WorkflowCreateRequest(id=template.id, spec=spec))
    assert template.id is not None
    plan_id = identifier(template.id.name, core.ResourceType.LAUNCH_PLAN, template.id.version)
    plan = plan or admin.LaunchPlanSpec()
    plan.workflow_id = template.id
    await client.call(methods.CREATE_LAUNCH_PLAN, admin.LaunchPlanCreateRequest(id=plan_id, spec=plan))
    return plan_id


async def run(client: Client, plan: core.Identifier, inputs: dict[str, Any] | None = None) -> admin.Execution:
    """Launch as `e1` and wait for the end."""
    return await client.finish(await client.launch(plan, "e1", inputs))


class Called:
    """Tells when handlers have been called."""

    def __init__(self) -> None:
        self._calls: dict[str, int] = {}
        self._event = asyncio.Event()

    def note(self, name: str = "") -> None:
        """To be called in the server's loop."""
        self._calls[name] = self._calls.get(name, 0) + 1
        self._event.set()

    async def wait(self, name: str = "", times: int = 1) -> None:
        async with asyncio.timeout(10):
            while self._calls.get(name, 0) < times:
                self._event.clear()
                await self._event.wait()

    def hang(self, name: str = "") -> Callable[..., Any]:
        """A handler that tells that it was called, and then does nothing more."""

        async def handler(**_: Any) -> Any:
            self.note(name)
            return await asyncio.get_running_loop().create_future()

        return handler


def all_nodes(client: Client, execution: str = "e1") -> dict[str, admin.NodeExecution]:
    """All nodes of an execution, by their unique id."""
    assert client.server is not None
    table, key = client.server.store.node_executions, ("flytesnacks", "development", execution)
    rows = list(table.group((key, None)))
    for row in rows:
        # The list grows while it is gone through.
        rows.extend(table.group((key, row.id)))
    return {row.node_id: row.message for row in rows}


# Signals...


async def signals(client: Client) -> dict[str, admin.Signal]:
    request = admin.SignalListRequest(workflow_execution_id=E1, limit=100)
    reply = await client.call(methods.LIST_SIGNALS, request)
    return {signal.id.signal_id: signal for signal in reply.signals}


def set_request(signal_id: str, value: Any) -> admin.SignalSetRequest:
    return admin.SignalSetRequest(id=core.SignalIdentifier(signal_id=signal_id, execution_id=E1), value=literal(value))


async def set_signal(client: Client, signal_id: str, value: Any) -> None:
    await client.call(methods.SET_SIGNAL, set_request(signal_id, value))


async def terminate(client: Client, cause: str = "") -> None:
    await client.call(methods.TERMINATE_EXECUTION, admin.ExecutionTerminateRequest(id=E1, cause=cause))
