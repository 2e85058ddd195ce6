"""Reading, archiving and ending executions; `launching.py` creates them."""

from __future__ import annotations

from collections.abc import Sequence

from ...idl import admin, core, methods
from .. import validation
from ..columns import Entity
from ..engine import records
from ..failures import failed_precondition, missing_entity
from ..filters import Filter, equals, parse_filters
from ..listing import Page, named, parse_order, parse_token, select
from ..rows import ExecutionRow, Row
from ..store import Group
from . import entities
from .context import Context, Route
from .trimming import shown, trimmed


class ExecutionService:
    """RPCs about executions that exist."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store

    def routes(self) -> dict[str, Route]:
        """What answers which path."""
        return {
            methods.GET_EXECUTION.path: self.get,
            methods.LIST_EXECUTIONS.path: self.list,
            methods.GET_EXECUTION_DATA.path: self.data,
            methods.UPDATE_EXECUTION.path: self.update,
            methods.TERMINATE_EXECUTION.path: self.terminate,
        }

    def _find(self, identifier: core.WorkflowExecutionIdentifier | None) -> ExecutionRow:
        return find_execution(self._context, validation.check_execution_id(identifier))

    def get(self, request: admin.WorkflowExecutionGetRequest) -> admin.Execution:
        """One execution with everything that is known."""
        row = self._find(request.id)
        return admin.Execution(id=records.execution_id(row), spec=row.spec, closure=shown(row))

    def data(self, request: admin.WorkflowExecutionGetDataRequest) -> admin.WorkflowExecutionGetDataResponse:
        """Inputs and outputs; empty while there are none."""
        row = self._find(request.id)
        uri = "" if row.closure.outputs is None else row.closure.outputs.uri or ""
        return admin.WorkflowExecutionGetDataResponse(
            inputs=admin.UrlBlob(),
            outputs=admin.UrlBlob(),
            full_inputs=self._store.data.get(row.inputs_uri) or core.LiteralMap(),
            full_outputs=self._store.data.get(uri) or core.LiteralMap(),
        )

    def update(self, request: admin.ExecutionUpdateRequest) -> admin.ExecutionUpdateResponse:
        """Archive an execution, or bring it back."""
        row = self._find(request.id)
        row.state = int(request.state)
        row.closure.state_change_details = admin.ExecutionStateChangeDetails(
            state=request.state, occurred_at=self._context.clock.now()
        )
        self._store.executions.touch(row)
        return admin.ExecutionUpdateResponse()

    def terminate(self, request: admin.ExecutionTerminateRequest) -> admin.ExecutionTerminateResponse:
        """Begin to abort an execution; its last event comes later."""
        row = self._find(request.id)
        if row.closure.phase in validation.TERMINAL:
            state = admin.EventErrorAlreadyInTerminalState(current_phase=row.phase)
            raise failed_precondition(
                "Cannot abort an already terminated workflow execution",
                admin.EventFailureReason(already_in_terminal_state=state),
            )
        records.set_aborting(self._store, row, request.cause, principal="")
        self._context.engine.abort(row, request.cause)
        return admin.ExecutionTerminateResponse()

    def list(self, request: admin.ResourceListRequest) -> admin.ExecutionList:
        """One page of executions, without inputs and with short error messages."""
        page = self._select(request)
        return admin.ExecutionList(executions=[_listed(row) for row in page.rows], token=page.token)

    def _select(self, request: admin.ResourceListRequest) -> Page[ExecutionRow]:
        scope = entities.check_scope(request)
        filters = [equals(Entity.EXECUTION, "execution_name", scope.name)] if scope.name else []
        filters += parse_filters(request.filters, Entity.EXECUTION)
        order = parse_order(request.sort_by, Entity.EXECUTION)
        offset = parse_token(request.token, "ListExecutions")
        # Archived executions are hidden unless somebody filters on a `state`, of whatever table.
        if not any(item.field == "state" for item in filters):
            filters.append(equals(Entity.EXECUTION, "state", 0))
        return select(
            self._candidates(scope.project, scope.domain, filters),
            entity=Entity.EXECUTION,
            filters=filters,
            order=order,
            offset=offset,
            limit=request.limit,
            related=self._related,
        )

    def _candidates(self, project: str, domain: str, filters: Sequence[Filter]) -> Group[ExecutionRow]:
        """Only the named executions if names are given: nobody may pay for the others."""
        own = [item for item in filters if item.entity is Entity.EXECUTION]
        names = named(own, "execution_name")
        if names is None:
            return self._store.executions.group((project, domain))
        found = (self._store.executions.get((project, domain, str(name))) for name in names)
        return sorted((row for row in found if row is not None), key=lambda row: row.id)

    def _related(self, row: ExecutionRow, entity: Entity) -> Sequence[Row]:
        match entity:
            case Entity.LAUNCH_PLAN:
                related: Row | None = self._store.launch_plans.by_id(row.launch_plan_id)
            case Entity.WORKFLOW:
                related = self._store.workflows.by_id(row.workflow_id)
            case Entity.TASK:
                related = self._store.tasks.by_id(row.task_id)
            case _:
                # The join of tags is by the execution's name alone, across projects and domains.
                return list(self._store.execution_tags.group((row.execution_name,)))
        return () if related is None else (related,)


def find_execution(context: Context, identifier: core.WorkflowExecutionIdentifier) -> ExecutionRow:
    """The row of an execution.

    Raises:
        FlyteEntityNotExistException: there is none.
    """
    row = context.store.executions.get((identifier.project, identifier.domain, identifier.name))
    if row is None:
        wanted = core.Identifier(project=identifier.project, domain=identifier.domain, name=identifier.name)
        raise missing_entity("execution", wanted)
    return row


def _listed(row: ExecutionRow) -> admin.Execution:
    return admin.Execution(id=records.execution_id(row), spec=row.spec, closure=trimmed(shown(row)))
