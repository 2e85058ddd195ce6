"""What the engine asks of the services, as the propeller asks flyteadmin."""

from __future__ import annotations

from ...idl import admin, core
from ..engine import records
from ..rows import ExecutionRow
from ..validation import TERMINAL
from .context import Context
from .launching import LaunchService
from .workflows import WorkflowService


class EngineCalls:
    """Creates and ends executions for launch plan nodes, and compiles the workflows of dynamic ones."""

    def __init__(self, context: Context, launching: LaunchService, workflows: WorkflowService) -> None:
        self._context = context
        self._launching = launching
        self._workflows = workflows

    def create(self, request: admin.ExecutionCreateRequest) -> admin.ExecutionCreateResponse:
        """Create an execution, as the RPC does."""
        return self._launching.create(request)

    def terminate(self, row: ExecutionRow, cause: str) -> None:
        """End an execution soon; nothing happens if it has ended."""
        if row.closure.phase not in TERMINAL:
            records.set_aborting(self._context.store, row, cause, principal="")
            self._context.engine.abort(row, cause)

    def compile_dynamic(
        self,
        template: core.WorkflowTemplate,
        sub_workflows: list[core.WorkflowTemplate],
        tasks: list[core.TaskTemplate],
    ) -> core.CompiledWorkflowClosure:
        """Compile the workflow of a dynamic node."""
        return self._workflows.compile_dynamic(template, sub_workflows, tasks)
