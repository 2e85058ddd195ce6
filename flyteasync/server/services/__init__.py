"""The RPCs: one module a noun, all of them plain functions from a request to a reply."""

from __future__ import annotations

from .context import Context, Route
from .engine_calls import EngineCalls
from .executions import ExecutionService
from .launch_plans import LaunchPlanService
from .launching import LaunchService
from .node_executions import NodeExecutionService
from .projects import ProjectService
from .signals import SignalService
from .single_task import Skeletons
from .task_executions import TaskExecutionService
from .tasks import TaskService
from .workflows import WorkflowService

__all__ = ["Context", "Route", "build_routes"]


def build_routes(context: Context) -> dict[str, Route]:
    """Everything that the server answers, by path."""
    workflows, launch_plans = WorkflowService(context), LaunchPlanService(context)
    launching = LaunchService(context, Skeletons(context.store, workflows, launch_plans))
    context.engine.connect(EngineCalls(context, launching, workflows))
    return {
        **ProjectService(context).routes(),
        **TaskService(context).routes(),
        **workflows.routes(),
        **launch_plans.routes(),
        **launching.routes(),
        **ExecutionService(context).routes(),
        **NodeExecutionService(context).routes(),
        **TaskExecutionService(context).routes(),
        **SignalService(context).routes(),
    }
