"""Node executions."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence

from ...idl import admin, core, methods
from .. import validation
from ..columns import Entity
from ..failures import missing, missing_entity, not_found
from ..filters import parse_filters
from ..listing import parse_order, parse_token, select
from ..rows import NodeExecutionRow, Row
from ..store import Store
from .context import Context, Route
from .task_executions import check_task_execution_id, find_task_execution
from .trimming import trimmed


class NodeExecutionService:
    """RPCs about node executions."""

    def __init__(self, context: Context) -> None:
        self._store = context.store

    def routes(self) -> dict[str, Route]:
        """What answers which path."""
        return {
            methods.GET_NODE_EXECUTION.path: self.get,
            methods.LIST_NODE_EXECUTIONS.path: self.list,
            methods.GET_NODE_EXECUTION_DATA.path: self.data,
            methods.GET_DYNAMIC_NODE_WORKFLOW.path: self.dynamic_workflow,
            methods.LIST_NODE_EXECUTIONS_FOR_TASK.path: self.list_for_task,
        }

    def _find(self, identifier: core.NodeExecutionIdentifier | None) -> NodeExecutionRow:
        return find_node_execution(self._store, identifier)

    def get(self, request: admin.NodeExecutionGetRequest) -> admin.NodeExecution:
        """One node execution."""
        return self._find(request.id).message

    def data(self, request: admin.NodeExecutionGetDataRequest) -> admin.NodeExecutionGetDataResponse:
        """Inputs and outputs; empty while there are none."""
        row = self._find(request.id)
        base = "/".join(row.key)
        return admin.NodeExecutionGetDataResponse(
            inputs=admin.UrlBlob(),
            outputs=admin.UrlBlob(),
            full_inputs=self._store.data.get(row.input_uri) or core.LiteralMap(),
            full_outputs=self._store.data.get(row.closure.output_uri or "") or core.LiteralMap(),
            flyte_urls=admin.FlyteUrLs(
                inputs=f"flyte://v1/{base}/i",
                outputs=f"flyte://v1/{base}/o",
                deck=f"flyte://v1/{base}/d" if row.closure.deck_uri else "",
            ),
            dynamic_workflow=_dynamic_metadata(row),
        )

    def dynamic_workflow(self, request: admin.GetDynamicNodeWorkflowRequest) -> admin.DynamicNodeWorkflowResponse:
        """The workflow that a dynamic node generated."""
        row = self._find(request.id)
        if row.dynamic_workflow is None:
            raise not_found("node does not contain dynamic workflow")
        return admin.DynamicNodeWorkflowResponse(compiled_workflow=row.dynamic_workflow)

    def list(self, request: admin.NodeExecutionListRequest) -> admin.NodeExecutionList:
        """One page of one level of an execution's nodes."""
        execution = request.workflow_execution_id
        if execution is None or not (execution.project and execution.domain and execution.name):
            raise missing("execution_id")
        validation.check_limit(request.limit)
        parent = None
        if request.unique_parent_id:
            node = core.NodeExecutionIdentifier(node_id=request.unique_parent_id, execution_id=execution)
            parent = self._find(node).id
        group = ((execution.project, execution.domain, execution.name), parent)
        return self._page(group, request)

    def list_for_task(self, request: admin.NodeExecutionForTaskListRequest) -> admin.NodeExecutionList:
        """One page of the nodes that a task execution brought forth; only old events name such a parent."""
        check_task_execution_id(request.task_execution_id)
        validation.check_limit(request.limit)
        parent = find_task_execution(self._store, request.task_execution_id)
        return self._page((parent.id,), request)

    def _page(
        self, group: Hashable, request: admin.NodeExecutionListRequest | admin.NodeExecutionForTaskListRequest
    ) -> admin.NodeExecutionList:
        page = select(
            self._store.node_executions.group(group),
            entity=Entity.NODE_EXECUTION,
            filters=parse_filters(request.filters, Entity.NODE_EXECUTION),
            order=parse_order(request.sort_by, Entity.NODE_EXECUTION),
            offset=parse_token(request.token, "ListNodeExecutions"),
            limit=request.limit,
            related=self._related,
        )
        return admin.NodeExecutionList(node_executions=[self._listed(row) for row in page.rows], token=page.token)

    def _related(self, row: NodeExecutionRow, entity: Entity) -> Sequence[Row]:
        execution = self._store.executions.get(row.key[:3])
        return () if execution is None else (execution,)

    def _listed(self, row: NodeExecutionRow) -> admin.NodeExecution:
        metadata = row.metadata
        children = self._store.node_executions.group((row.key[:3], row.id))
        if not (metadata.is_parent_node or metadata.is_dynamic) and len(children):
            # Only lists look for children; Get shows what the events said.
            dynamic = row.dynamic_workflow is not None
            metadata = dataclasses.replace(metadata, is_parent_node=True, is_dynamic=dynamic)
        return admin.NodeExecution(
            id=row.message.id, input_uri=row.input_uri, closure=trimmed(row.closure), metadata=metadata
        )


def find_node_execution(store: Store, identifier: core.NodeExecutionIdentifier | None) -> NodeExecutionRow:
    """The row of a node execution, whose id must be complete.

    Raises:
        FlyteInvalidInputException: a part of the id is missing.
        FlyteEntityNotExistException: there is none.
    """
    node, execution = validation.check_node_id(identifier)
    row = store.node_executions.get((execution.project, execution.domain, execution.name, node.node_id))
    if row is None:
        wanted = core.NodeExecutionIdentifier(node_id=node.node_id, execution_id=execution)
        raise missing_entity("node execution", wanted)
    return row


def _dynamic_metadata(row: NodeExecutionRow) -> admin.DynamicWorkflowNodeMetadata | None:
    compiled = row.dynamic_workflow
    if compiled is None:
        return None
    template = None if compiled.primary is None else compiled.primary.template
    return admin.DynamicWorkflowNodeMetadata(
        id=None if template is None else template.id,
        compiled_workflow=compiled,
        dynamic_job_spec_uri=row.closure.dynamic_job_spec_uri,
    )
