"""The RPCs: one module a noun, all of them plain functions from a request to a reply."""

from __future__ import annotations

from .attributes import AttributesService
from .context import Context, Route
from .data_proxy import DataProxyService
from .descriptions import DescriptionService
from .engine_calls import EngineCalls
from .executions import ExecutionService
from .launch_plans import LaunchPlanService
from .launching import LaunchService
from .metrics import MetricsService
from .named_entities import NamedEntityService
from .node_events import NodeEventService
from .node_executions import NodeExecutionService
from .projects import ProjectService
from .relaunching import RelaunchService
from .signals import SignalService
from .single_task import Skeletons
from .task_events import TaskEventService
from .task_executions import TaskExecutionService
from .tasks import TaskService
from .workflow_events import WorkflowEventService
from .workflows import WorkflowService

__all__ = ["Context", "Route", "build_routes"]


def build_routes(context: Context) -> dict[str, Route]:
    """Everything that the server answers, by path."""
    workflows, launch_plans = WorkflowService(context), LaunchPlanService(context)
    launching = LaunchService(context, Skeletons(context.store, workflows, launch_plans))
    context.engine.connect(EngineCalls(context, launching, workflows))
    nodes, tasks = NodeExecutionService(context), TaskExecutionService(context)
    return {
        **ProjectService(context).routes(),
        **TaskService(context).routes(),
        **workflows.routes(),
        **launch_plans.routes(),
        **launching.routes(),
        **RelaunchService(context, launching).routes(),
        **ExecutionService(context).routes(),
        **nodes.routes(),
        **tasks.routes(),
        **DataProxyService(context, nodes, tasks).routes(),
        **WorkflowEventService(context).routes(),
        **NodeEventService(context).routes(),
        **TaskEventService(context).routes(),
        **SignalService(context).routes(),
        **NamedEntityService(context).routes(),
        **DescriptionService(context).routes(),
        **AttributesService(context).routes(),
        **MetricsService(context).routes(),
    }
