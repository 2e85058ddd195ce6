"""Executions as objects: a snapshot of what the server said, and the verbs that renew it."""

from .base import RemoteExecutionBase
from .context import Context
from .node import FlyteNodeExecution
from .task import FlyteTaskExecution
from .workflow import FlyteWorkflowExecution
from .workflows import WorkflowCache

__all__ = [
    "Context",
    "FlyteNodeExecution",
    "FlyteTaskExecution",
    "FlyteWorkflowExecution",
    "RemoteExecutionBase",
    "WorkflowCache",
]
