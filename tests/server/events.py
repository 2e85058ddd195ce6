"""An execution that nobody drives, and short ways to say what happens to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from flyteasync.idl import admin, core, event, methods
from tests.server.build import execution_id, identifier, node, task, workflow
from tests.server.client import Client
from tests.server.conftest import Connect

WorkflowPhase = core.WorkflowExecutionPhase
NodePhase = core.NodeExecutionPhase
TaskPhase = core.TaskExecutionPhase

E1 = execution_id("e1")
T = identifier("t", core.ResourceType.TASK)
T0 = datetime(2024, 5, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def node_id(name: str, execution: core.WorkflowExecutionIdentifier | None = E1) -> core.NodeExecutionIdentifier:
    return core.NodeExecutionIdentifier(node_id=name, execution_id=execution)


def attempt_id(name: str, attempt: int = 0) -> core.TaskExecutionIdentifier:
    return core.TaskExecutionIdentifier(task_id=T, node_execution_id=node_id(name), retry_attempt=attempt)


async def undriven(connect: Connect) -> Client:
    """A server with the execution `e1`, which is RUNNING and stays so: its only task hangs."""
    client: Client = await connect(unregistered="hang", abort_delay=1000)
    await client.launch(await client.register(workflow("wf", [node("n0", "t")]), [task("t")]), "e1")
    await client.node(E1, "n0", NodePhase.RUNNING)
    return client


def workflow_event(
    phase: WorkflowPhase, seconds: float | None = 0, **fields: Any
) -> admin.WorkflowExecutionEventRequest:
    occurred_at = None if seconds is None else at(seconds)
    fields = {"execution_id": E1, "occurred_at": occurred_at} | fields
    return admin.WorkflowExecutionEventRequest(event=event.WorkflowExecutionEvent(phase=phase, **fields))


def node_event(
    name: str, phase: NodePhase, seconds: float | None = 0, **fields: Any
) -> admin.NodeExecutionEventRequest:
    occurred_at = None if seconds is None else at(seconds)
    fields = {"id": node_id(name), "occurred_at": occurred_at} | fields
    return admin.NodeExecutionEventRequest(event=event.NodeExecutionEvent(phase=phase, **fields))


def task_event(
    name: str, phase: TaskPhase, seconds: float | None = 0, **fields: Any
) -> admin.TaskExecutionEventRequest:
    occurred_at = None if seconds is None else at(seconds)
    fields = {"task_id": T, "parent_node_execution_id": node_id(name), "occurred_at": occurred_at} | fields
    return admin.TaskExecutionEventRequest(event=event.TaskExecutionEvent(phase=phase, **fields))


async def send(client: Client, request: Any) -> None:
    """Send an event of whatever kind, which must be taken."""
    await client.call(_METHODS[type(request)], request)


async def refused(client: Client, request: Any) -> Any:
    """Send an event of whatever kind, which must be refused."""
    return await client.fails(_METHODS[type(request)], request)


async def get_node(client: Client, name: str) -> admin.NodeExecution:
    return await client.call(methods.GET_NODE_EXECUTION, admin.NodeExecutionGetRequest(id=node_id(name)))


async def get_attempt(client: Client, name: str, attempt: int = 0) -> admin.TaskExecution:
    request = admin.TaskExecutionGetRequest(id=attempt_id(name, attempt))
    return await client.call(methods.GET_TASK_EXECUTION, request)


_METHODS: dict[type, Any] = {
    admin.WorkflowExecutionEventRequest: methods.CREATE_WORKFLOW_EVENT,
    admin.NodeExecutionEventRequest: methods.CREATE_NODE_EVENT,
    admin.TaskExecutionEventRequest: methods.CREATE_TASK_EVENT,
}
