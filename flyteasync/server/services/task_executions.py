"""Task executions."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from ...idl import admin, core, methods
from .. import validation
from ..columns import Entity
from ..failures import missing, missing_entity
from ..filters import parse_filters
from ..listing import parse_order, parse_token, select
from ..rows import Row, TaskExecutionRow, TaskKey
from ..store import Store
from . import entities
from .context import Context, Route


class TaskExecutionService:
    """RPCs about the attempts of tasks."""

    def __init__(self, context: Context) -> None:
        self._store = context.store

    def routes(self) -> dict[str, Route]:
        """What answers which path."""
        return {
            methods.GET_TASK_EXECUTION.path: self.get,
            methods.LIST_TASK_EXECUTIONS.path: self.list,
            methods.GET_TASK_EXECUTION_DATA.path: self.data,
        }

    def get(self, request: admin.TaskExecutionGetRequest) -> admin.TaskExecution:
        """One attempt."""
        return self._message(find_task_execution(self._store, request.id))

    def data(self, request: admin.TaskExecutionGetDataRequest) -> admin.TaskExecutionGetDataResponse:
        """Inputs and outputs; empty while there are none."""
        row = find_task_execution(self._store, request.id)
        base = f"{'/'.join(row.node_key)}/{row.retry_attempt}"
        return admin.TaskExecutionGetDataResponse(
            inputs=admin.UrlBlob(),
            outputs=admin.UrlBlob(),
            full_inputs=self._store.data.get(row.input_uri) or core.LiteralMap(),
            full_outputs=self._store.data.get(row.closure.output_uri or "") or core.LiteralMap(),
            flyte_urls=admin.FlyteUrLs(inputs=f"flyte://v1/{base}/i", outputs=f"flyte://v1/{base}/o"),
        )

    def list(self, request: admin.TaskExecutionListRequest) -> admin.TaskExecutionList:
        """One page of the attempts of a node; errors are whole here."""
        node, execution = validation.check_node_id(request.node_execution_id)
        validation.check_limit(request.limit)
        page = select(
            self._store.task_executions.group((execution.project, execution.domain, execution.name, node.node_id)),
            entity=Entity.TASK_EXECUTION,
            filters=parse_filters(request.filters, Entity.TASK_EXECUTION),
            order=parse_order(request.sort_by, Entity.TASK_EXECUTION),
            offset=parse_token(request.token, "ListTaskExecutions"),
            limit=request.limit,
            related=self._related,
        )
        return admin.TaskExecutionList(task_executions=[self._message(row) for row in page.rows], token=page.token)

    def _message(self, row: TaskExecutionRow) -> admin.TaskExecution:
        if not len(self._store.node_executions.group((row.id,))):
            return row.message
        return dataclasses.replace(row.message, is_parent=True)

    def _related(self, row: TaskExecutionRow, entity: Entity) -> Sequence[Row]:
        match entity:
            case Entity.TASK:
                related: Row | None = self._store.tasks.get((row.project, row.domain, row.name, row.version))
            case Entity.EXECUTION:
                related = self._store.executions.get(row.node_key[:3])
            case _:
                related = self._store.node_executions.get(row.node_key)
        return () if related is None else (related,)


def find_task_execution(store: Store, identifier: core.TaskExecutionIdentifier | None) -> TaskExecutionRow:
    """The row of a task execution, whose id must be complete.

    Raises:
        FlyteInvalidInputException: a part of the id is missing.
        FlyteEntityNotExistException: there is none.
    """
    identifier, key = check_task_execution_id(identifier)
    row = store.task_executions.get(key)
    if row is None:
        raise missing_entity("task execution", identifier)
    return row


def check_task_execution_id(
    identifier: core.TaskExecutionIdentifier | None,
) -> tuple[core.TaskExecutionIdentifier, TaskKey]:
    """A task execution's id must be complete; its task's type may be left out."""
    if identifier is None:
        raise missing("id")
    if identifier.node_execution_id is None:
        raise missing("node_execution_id")
    node, execution = validation.check_node_id(identifier.node_execution_id)
    if identifier.task_id is None:
        raise missing("task_id")
    task = validation.check_identifier(entities.with_kind(identifier.task_id, Entity.TASK), core.ResourceType.TASK)
    node_key = (execution.project, execution.domain, execution.name, node.node_id)
    return identifier, (node_key, (task.project, task.domain, task.name, task.version), identifier.retry_attempt)
