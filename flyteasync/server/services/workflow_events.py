"""CreateWorkflowEvent: what happened to an execution."""

from __future__ import annotations

from datetime import datetime

from ...errors import FlyteError
from ...idl import admin, core, event, methods
from .. import validation
from ..failures import invalid
from ..offload import check_output_size, needed, offload
from ..phases import PROPELLER, check_workflow_event
from ..rows import ExecutionRow
from ..store import Store
from ..text import proto_text
from .context import Context, Route
from .executions import find_execution

_Phase = core.WorkflowExecutionPhase


class WorkflowEventService:
    """Takes the events of executions."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store

    def routes(self) -> dict[str, Route]:
        """What answers which path."""
        return {methods.CREATE_WORKFLOW_EVENT.path: self.create}

    def create(self, request: admin.WorkflowExecutionEventRequest) -> admin.WorkflowExecutionEventResponse:
        """Record that an execution came into a phase."""
        seen = request.event
        if seen is None:
            raise invalid("Workflow event handler was called without event")
        if seen.execution_id is None:
            raise invalid(
                f"Workflow event handler request event doesn't have an execution id - {proto_text(seen)}".rstrip()
            )
        check_output_size(seen.output_data)
        row = find_execution(self._context, validation.check_execution_id(seen.execution_id))
        check_workflow_event(row.closure.phase, row.cluster, seen)
        at = needed(seen.occurred_at, "Failed to parse OccurredAt: timestamp: nil Timestamp")
        record(self._store, row, seen, at)
        self._context.engine.execution_changed(row)
        return admin.WorkflowExecutionEventResponse()


def record(store: Store, row: ExecutionRow, seen: event.WorkflowExecutionEvent, at: datetime) -> None:
    """Write an accepted event into the execution's row."""
    closure = row.closure
    closure.phase = seen.phase
    closure.updated_at = at
    if seen.phase == _Phase.RUNNING:
        closure.started_at = at
    elif seen.phase in validation.TERMINAL and closure.started_at is not None:
        closure.duration = at - closure.started_at
    if seen.phase == _Phase.QUEUED and seen.producer_id not in ("", PROPELLER):
        _reassign(row, seen.producer_id)
    _record_result(store, row, seen)
    store.executions.touch(row)


def _reassign(row: ExecutionRow, cluster: str) -> None:
    row.cluster = cluster
    metadata = row.spec.metadata = row.spec.metadata or admin.ExecutionMetadata()
    system = metadata.system_metadata = metadata.system_metadata or admin.SystemMetadata()
    system.execution_cluster = cluster


def _record_result(store: Store, row: ExecutionRow, seen: event.WorkflowExecutionEvent) -> None:
    """A result takes the place of the one before; an event without one leaves that alone."""
    uri = seen.output_uri
    if not uri and seen.output_data is not None:
        uri = offload(store, seen.output_data, *row.key, "offloaded_outputs")
    if not uri and seen.error is None:
        return
    closure = row.closure
    closure.abort_metadata = None
    closure.outputs = admin.LiteralMapBlob(uri=uri) if uri else None
    closure.error = None if uri else seen.error
    if closure.error is not None:
        row.error_kind, row.error_code = closure.error.kind.name, closure.error.code


def find_parent_execution(context: Context, identifier: core.WorkflowExecutionIdentifier) -> ExecutionRow:
    """The execution that a node event belongs to.

    Raises:
        FlyteEntityNotExistException: there is none.
    """
    try:
        return find_execution(context, identifier)
    except FlyteError as error:
        text = f"Failed to get existing execution id: [{proto_text(identifier)}] with err: {error}"
        raise type(error)(text, status=error.status) from error
