"""How a phase change is written into the store: rows, closures and times, as flyteadmin keeps events."""

from __future__ import annotations

from datetime import datetime

from ...idl import admin, core, event
from ..rows import ExecutionRow, NodeExecutionRow, TaskExecutionRow
from ..store import Store
from ..validation import TERMINAL

WorkflowPhase = core.WorkflowExecutionPhase
NodePhase = core.NodeExecutionPhase
TaskPhase = core.TaskExecutionPhase

TERMINAL_NODE = frozenset(
    {
        NodePhase.SUCCEEDED,
        NodePhase.FAILED,
        NodePhase.ABORTED,
        NodePhase.SKIPPED,
        NodePhase.TIMED_OUT,
        NodePhase.RECOVERED,
    }
)
TERMINAL_TASK = frozenset({TaskPhase.SUCCEEDED, TaskPhase.FAILED, TaskPhase.ABORTED})


def execution_id(row: ExecutionRow) -> core.WorkflowExecutionIdentifier:
    """The id of an execution."""
    return core.WorkflowExecutionIdentifier(
        project=row.execution_project, domain=row.execution_domain, name=row.execution_name
    )


def set_execution_phase(
    store: Store,
    row: ExecutionRow,
    phase: WorkflowPhase,
    at: datetime,
    *,
    output_uri: str = "",
    error: core.ExecutionError | None = None,
) -> None:
    """Record that an execution came into a phase.

    A result replaces what was there; without one the earlier result stays, as an abort's metadata does.
    """
    closure = row.closure
    closure.phase = phase
    closure.updated_at = at
    if phase == WorkflowPhase.RUNNING:
        closure.started_at = at
    elif phase in TERMINAL and closure.started_at is not None:
        closure.duration = at - closure.started_at
    if output_uri or error is not None:
        closure.outputs = admin.LiteralMapBlob(uri=output_uri) if output_uri else None
        closure.error = error
        closure.abort_metadata = None
    if error is not None:
        row.error_kind = error.kind.name
        row.error_code = error.code
    store.executions.touch(row)


def set_aborting(store: Store, row: ExecutionRow, cause: str, principal: str) -> None:
    """Record that somebody asked for an execution's end; the times of its events stay."""
    closure = row.closure
    closure.phase = WorkflowPhase.ABORTING
    closure.outputs = closure.error = None
    closure.abort_metadata = admin.AbortMetadata(cause=cause, principal=principal)
    row.abort_cause = cause
    store.executions.touch(row)


def add_node(
    store: Store,
    execution: ExecutionRow,
    *,
    node_id: str,
    metadata: admin.NodeExecutionMetaData,
    phase: NodePhase,
    at: datetime,
    parent_id: int | None = None,
    input_uri: str = "",
    output_uri: str | None = None,
    error: core.ExecutionError | None = None,
) -> NodeExecutionRow:
    """Record the first event of a node."""
    closure = admin.NodeExecutionClosure(phase=phase, created_at=at, updated_at=at, output_uri=output_uri, error=error)
    message = admin.NodeExecution(
        id=core.NodeExecutionIdentifier(node_id=node_id, execution_id=execution_id(execution)),
        input_uri=input_uri,
        closure=closure,
        metadata=metadata,
    )
    row = NodeExecutionRow(
        execution_project=execution.execution_project,
        execution_domain=execution.execution_domain,
        execution_name=execution.execution_name,
        node_id=node_id,
        message=message,
        parent_id=parent_id,
        error_kind=None if error is None else error.kind.name,
        error_code=None if error is None else error.code,
    )
    store.node_executions.insert(row)
    return row


def set_node_phase(
    store: Store,
    row: NodeExecutionRow,
    phase: NodePhase,
    at: datetime,
    *,
    output_uri: str | None = None,
    error: core.ExecutionError | None = None,
) -> None:
    """Record that a node came into a phase."""
    closure = row.closure
    closure.phase = phase
    closure.updated_at = at
    if phase == NodePhase.RUNNING and closure.started_at is None:
        closure.started_at = at
    if phase in TERMINAL_NODE:
        if closure.started_at is not None:
            closure.duration = at - closure.started_at
        closure.output_uri = output_uri
        closure.error = error
    if error is not None:
        row.error_kind = error.kind.name
        row.error_code = error.code
    store.node_executions.touch(row)


def add_task(
    store: Store,
    node: NodeExecutionRow,
    task_id: core.Identifier,
    attempt: int,
    at: datetime,
    *,
    task_type: str,
    metadata: event.TaskExecutionMetadata,
) -> TaskExecutionRow:
    """Record the first event of an attempt: queued."""
    message = admin.TaskExecution(
        id=core.TaskExecutionIdentifier(task_id=task_id, node_execution_id=node.message.id, retry_attempt=attempt),
        input_uri=node.input_uri,
        closure=admin.TaskExecutionClosure(
            phase=TaskPhase.QUEUED,
            created_at=at,
            updated_at=at,
            task_type=task_type,
            event_version=1,
            metadata=metadata,
        ),
    )
    row = TaskExecutionRow(
        execution_project=node.execution_project,
        execution_domain=node.execution_domain,
        execution_name=node.execution_name,
        node_id=node.node_id,
        project=task_id.project,
        domain=task_id.domain,
        name=task_id.name,
        version=task_id.version,
        retry_attempt=attempt,
        message=message,
    )
    store.task_executions.insert(row)
    return row


def set_task_phase(
    store: Store,
    row: TaskExecutionRow,
    phase: TaskPhase,
    at: datetime,
    *,
    output_uri: str | None = None,
    error: core.ExecutionError | None = None,
    reason: str = "",
) -> None:
    """Record that an attempt came into a phase."""
    closure = row.closure
    closure.phase = phase
    closure.updated_at = at
    if phase == TaskPhase.RUNNING and closure.started_at is None:
        closure.started_at = at
    if phase in TERMINAL_TASK:
        if closure.started_at is not None:
            closure.duration = at - closure.started_at
        closure.output_uri = output_uri
        closure.error = error
    if reason:
        closure.reason = reason
        closure.reasons.append(admin.Reason(occurred_at=at, message=reason))
    store.task_executions.touch(row)
