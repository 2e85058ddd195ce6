"""CreateNodeEvent: what happened to a node."""

from __future__ import annotations

from datetime import datetime

from ...idl import admin, core, event, methods
from .. import validation
from ..engine.records import TERMINAL_NODE
from ..failures import missing
from ..offload import needed, offload, reported
from ..phases import check_node_event, check_producer
from ..rows import NodeExecutionRow, NodeKey
from ..store import Store
from .context import Context, Route
from .executions import find_execution
from .node_executions import find_node_execution
from .task_executions import find_task_execution
from .workflow_events import find_parent_execution

_Phase = core.NodeExecutionPhase


class NodeEventService:
    """Takes the events of nodes."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store

    def routes(self) -> dict[str, Route]:
        """What answers which path."""
        return {methods.CREATE_NODE_EVENT.path: self.create}

    def create(self, request: admin.NodeExecutionEventRequest) -> admin.NodeExecutionEventResponse:
        """Record that a node came into a phase; the first event creates its row."""
        seen = request.event
        if seen is None:
            raise missing("event")
        node, execution = validation.check_node_id(seen.id)
        parent = find_parent_execution(self._context, execution)
        check_producer(parent.cluster, seen.producer_id)
        row = self._store.node_executions.get((*parent.key, node.node_id))
        if row is None:
            self._create((*parent.key, node.node_id), node, seen)
        else:
            self._update(row, seen)
        return admin.NodeExecutionEventResponse()

    def _create(self, key: NodeKey, node: core.NodeExecutionIdentifier, seen: event.NodeExecutionEvent) -> None:
        parent_task = seen.parent_task_metadata
        parent_task_id = None if parent_task is None else find_task_execution(self._store, parent_task.id).id
        parent_id = None
        if seen.parent_node_metadata is not None:
            above = core.NodeExecutionIdentifier(
                node_id=seen.parent_node_metadata.node_id, execution_id=node.execution_id
            )
            parent_id = find_node_execution(self._store, above).id
        _check_times(seen, started=False)
        at = needed(seen.occurred_at, "failed to read event timestamp")
        project, domain, name, node_id = key
        row = NodeExecutionRow(
            execution_project=project,
            execution_domain=domain,
            execution_name=name,
            node_id=node_id,
            message=admin.NodeExecution(
                id=core.NodeExecutionIdentifier(node_id=node_id, execution_id=node.execution_id),
                closure=admin.NodeExecutionClosure(created_at=at),
                metadata=admin.NodeExecutionMetaData(retry_group=seen.retry_group, spec_node_id=seen.spec_node_id),
            ),
            parent_id=parent_id,
            parent_task_execution_id=parent_task_id,
        )
        self._record(row, seen, reported(seen.reported_at, at) or at)
        self._store.node_executions.insert(row)

    def _update(self, row: NodeExecutionRow, seen: event.NodeExecutionEvent) -> None:
        check_node_event(row.closure.phase, row.id, seen)
        launched = None
        if seen.workflow_node_metadata is not None:
            child = validation.check_execution_id(seen.workflow_node_metadata.execution_id)
            find_execution(self._context, child)
            launched = admin.WorkflowNodeMetadata(execution_id=child)
        _check_times(seen, started=row.closure.started_at is not None)
        updated_at = needed(reported(seen.reported_at, seen.occurred_at), "failed to parse updated at timestamp")
        # Only updates know the child, and none replaces it.
        if launched is not None and row.closure.workflow_node_metadata is None:
            row.closure.workflow_node_metadata = launched
            row.closure.task_node_metadata = None
        self._record(row, seen, updated_at)
        dynamic = None if seen.task_node_metadata is None else seen.task_node_metadata.dynamic_workflow
        if dynamic is not None and dynamic.dynamic_job_spec_uri:
            row.closure.dynamic_job_spec_uri = dynamic.dynamic_job_spec_uri
        self._store.node_executions.touch(row)

    def _record(self, row: NodeExecutionRow, seen: event.NodeExecutionEvent, updated_at: datetime) -> None:
        closure, metadata = row.closure, row.metadata
        if not row.message.input_uri:
            row.message.input_uri = _input_uri(self._store, row, seen)
        closure.phase = seen.phase
        closure.updated_at = updated_at
        if seen.phase == _Phase.RUNNING:
            closure.started_at = seen.occurred_at
            closure.deck_uri = seen.deck_uri
        if seen.phase in TERMINAL_NODE:
            _end(self._store, row, seen)
        _record_task_metadata(row, seen.task_node_metadata)
        metadata.is_parent_node |= seen.is_parent
        metadata.is_dynamic |= seen.is_dynamic
        metadata.is_array |= seen.is_array


def _check_times(seen: event.NodeExecutionEvent, *, started: bool) -> None:
    if seen.phase == _Phase.RUNNING:
        needed(seen.occurred_at, "failed to unmarshal occurredAt with error: timestamp: nil Timestamp")
    if started and seen.phase in TERMINAL_NODE:
        needed(seen.occurred_at, "Failed to parse node execution occurred at timestamp: timestamp: nil Timestamp")


def _input_uri(store: Store, row: NodeExecutionRow, seen: event.NodeExecutionEvent) -> str:
    if seen.input_data is not None:
        return offload(store, seen.input_data, *row.key, "offloaded_inputs")
    return seen.input_uri or ""


def _end(store: Store, row: NodeExecutionRow, seen: event.NodeExecutionEvent) -> None:
    closure = row.closure
    if closure.started_at is not None and seen.occurred_at is not None:
        closure.duration = seen.occurred_at - closure.started_at
    closure.deck_uri = seen.deck_uri
    if seen.output_uri:
        closure.output_uri = seen.output_uri
    elif seen.output_data is not None:
        closure.output_uri = offload(store, seen.output_data, *row.key, "offloaded_outputs")
    elif seen.error is not None:
        closure.error = seen.error
        row.error_kind, row.error_code = seen.error.kind.name, seen.error.code


def _record_task_metadata(row: NodeExecutionRow, seen: event.TaskNodeMetadata | None) -> None:
    if seen is None:
        return
    metadata = admin.TaskNodeMetadata(checkpoint_uri=seen.checkpoint_uri)
    if seen.catalog_key is not None:
        metadata.cache_status, metadata.catalog_key = seen.cache_status, seen.catalog_key
    row.closure.task_node_metadata = metadata
    row.closure.workflow_node_metadata = None
    if seen.dynamic_workflow is not None:
        row.dynamic_workflow = seen.dynamic_workflow.compiled_workflow or core.CompiledWorkflowClosure()
