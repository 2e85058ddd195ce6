"""CreateTaskEvent: what happened to an attempt of a task."""

from __future__ import annotations

from datetime import datetime

from ...idl import admin, core, event, methods
from .. import taskmerge, validation
from ..engine.records import TERMINAL_TASK
from ..failures import missing
from ..offload import check_output_size, offload, reported
from ..phases import check_producer, check_task_event
from ..rows import TaskExecutionRow, TaskKey
from ..store import Store
from .context import Context, Route
from .executions import find_execution
from .node_executions import find_node_execution
from .task_executions import check_task_execution_id

_Phase = core.TaskExecutionPhase


class TaskEventService:
    """Takes the events of attempts."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store

    def routes(self) -> dict[str, Route]:
        """What answers which path."""
        return {methods.CREATE_TASK_EVENT.path: self.create}

    def create(self, request: admin.TaskExecutionEventRequest) -> admin.TaskExecutionEventResponse:
        """Record that an attempt came into a phase; the first event creates its row. The task may be unknown."""
        seen = request.event
        if seen is None:
            raise missing("event")
        if seen.occurred_at is None:
            raise missing("occurred_at")
        identifier, key = _check_id(seen)
        check_output_size(seen.output_data)
        node_id = identifier.node_execution_id
        assert node_id is not None
        execution = find_execution(self._context, validation.check_execution_id(node_id.execution_id))
        check_producer(execution.cluster, seen.producer_id)
        row = self._store.task_executions.get(key)
        if row is None:
            find_node_execution(self._store, node_id)
            row = _new_row(key, identifier, seen)
            _record(self._store, row, seen, seen.occurred_at)
            self._store.task_executions.insert(row)
        else:
            check_task_event(row.closure.phase, row.phase_version, identifier, seen)
            _merge(row, seen)
            _record(self._store, row, seen, seen.occurred_at)
            self._store.task_executions.touch(row)
        return admin.TaskExecutionEventResponse()


def _check_id(seen: event.TaskExecutionEvent) -> tuple[core.TaskExecutionIdentifier, TaskKey]:
    task = seen.task_id
    # The type of an event's task may not be left out.
    if task is not None and task.resource_type == core.ResourceType.UNSPECIFIED:
        validation.check_node_id(seen.parent_node_execution_id)
        validation.check_identifier(task, core.ResourceType.TASK)
    return check_task_execution_id(
        core.TaskExecutionIdentifier(
            task_id=task, node_execution_id=seen.parent_node_execution_id, retry_attempt=seen.retry_attempt
        )
    )


def _new_row(
    key: TaskKey, identifier: core.TaskExecutionIdentifier, seen: event.TaskExecutionEvent
) -> TaskExecutionRow:
    """A row with what only first events say, or say differently: their logs are kept whatever the phase."""
    (execution_project, execution_domain, execution_name, node_id), (project, domain, name, version), attempt = key
    metadata = seen.metadata
    if metadata is not None:
        metadata.external_resources.sort(key=lambda item: (item.index, item.retry_attempt))
    closure = admin.TaskExecutionClosure(
        created_at=seen.occurred_at,
        logs=seen.logs,
        custom_info=seen.custom_info,
        task_type=seen.task_type,
        metadata=metadata,
    )
    return TaskExecutionRow(
        execution_project=execution_project,
        execution_domain=execution_domain,
        execution_name=execution_name,
        node_id=node_id,
        project=project,
        domain=domain,
        name=name,
        version=version,
        retry_attempt=attempt,
        message=admin.TaskExecution(id=identifier, closure=closure),
    )


def _merge(row: TaskExecutionRow, seen: event.TaskExecutionEvent) -> None:
    closure = row.closure
    closure.logs = taskmerge.visible_logs(taskmerge.merge_logs(closure.logs, seen.logs), seen.phase)
    closure.custom_info = taskmerge.merge_custom(closure.custom_info, seen.custom_info)
    closure.metadata = taskmerge.merge_metadata(closure.metadata, seen.metadata)
    if closure.phase != seen.phase:
        closure.metadata = taskmerge.with_visible_logs(closure.metadata, seen.phase)


def _record(store: Store, row: TaskExecutionRow, seen: event.TaskExecutionEvent, at: datetime) -> None:
    closure = row.closure
    if not row.message.input_uri:
        row.message.input_uri = _input_uri(store, row, seen)
    closure.phase = seen.phase
    row.phase_version = seen.phase_version
    closure.updated_at = reported(seen.reported_at, at)
    reasons = taskmerge.new_reasons(seen, closure.reason)
    if reasons:
        closure.reasons.extend(reasons)
        closure.reason = reasons[-1].message
    closure.event_version = max(closure.event_version, seen.event_version)
    if seen.log_context is not None:
        closure.log_context = seen.log_context
    if seen.phase == _Phase.RUNNING and closure.started_at is None:
        closure.started_at = at
    if seen.phase in TERMINAL_TASK:
        _end(store, row, seen, at)


def _end(store: Store, row: TaskExecutionRow, seen: event.TaskExecutionEvent, at: datetime) -> None:
    closure = row.closure
    if closure.started_at is not None:
        closure.duration = at - closure.started_at
    if seen.output_uri:
        closure.output_uri = seen.output_uri
    elif seen.output_data is not None:
        closure.output_uri = offload(store, seen.output_data, *_parts(row), "offloaded_outputs")
    elif seen.error is not None:
        closure.error = seen.error


def _input_uri(store: Store, row: TaskExecutionRow, seen: event.TaskExecutionEvent) -> str:
    if seen.input_data is not None:
        return offload(store, seen.input_data, *_parts(row), "offloaded_inputs")
    return seen.input_uri or ""


def _parts(row: TaskExecutionRow) -> tuple[str, ...]:
    node, task, attempt = row.key
    return (*node, *task, str(attempt))
