"""Executions as objects: a snapshot of what the server said, and the verbs that renew it."""

from typing import TYPE_CHECKING

from ..on_demand import on_demand

if TYPE_CHECKING:
    from .base import RemoteExecutionBase
    from .context import Context
    from .node import FlyteNodeExecution
    from .task import FlyteTaskExecution
    from .workflow import FlyteWorkflowExecution
    from .workflows import WorkflowCache

_HOMES = {
    "Context": "context",
    "FlyteNodeExecution": "node",
    "FlyteTaskExecution": "task",
    "FlyteWorkflowExecution": "workflow",
    "RemoteExecutionBase": "base",
    "WorkflowCache": "workflows",
}

__all__ = [
    "Context",
    "FlyteNodeExecution",
    "FlyteTaskExecution",
    "FlyteWorkflowExecution",
    "RemoteExecutionBase",
    "WorkflowCache",
]

__getattr__, __dir__ = on_demand(__name__, _HOMES)
