"""An async-first Python SDK for driving Flyte 1.x executions.

What may import what, top to bottom (a test holds it): errors, deadline | codec, config | idl | transport, literals,
storage, interop | rpc, server | auth | entities | watcher | executions | remote | sync | testing | cli. Names are
imported when they are first asked for, so that `import flyteasync` costs next to nothing.
"""

from typing import TYPE_CHECKING

from .on_demand import on_demand

if TYPE_CHECKING:
    from .config import Config as Config
    from .config import PlatformConfig as PlatformConfig
    from .entities import FlyteLaunchPlan as FlyteLaunchPlan
    from .entities import FlyteTask as FlyteTask
    from .entities import FlyteWorkflow as FlyteWorkflow
    from .entities import TypedInterface as TypedInterface
    from .errors import FlyteError as FlyteError
    from .executions import FlyteNodeExecution as FlyteNodeExecution
    from .executions import FlyteTaskExecution as FlyteTaskExecution
    from .executions import FlyteWorkflowExecution as FlyteWorkflowExecution
    from .executions import RemoteExecutionBase as RemoteExecutionBase
    from .idl.core import NodeExecutionPhase as NodeExecutionPhase
    from .idl.core import TaskExecutionPhase as TaskExecutionPhase
    from .idl.core import WorkflowExecutionPhase as WorkflowExecutionPhase
    from .literals import FlyteDirectory as FlyteDirectory
    from .literals import FlyteFile as FlyteFile
    from .literals import FlytePickle as FlytePickle
    from .literals import LiteralsResolver as LiteralsResolver
    from .literals import StructuredDataset as StructuredDataset
    from .remote import FlyteRemote as FlyteRemote
    from .remote import Options as Options
    from .remote import Outcome as Outcome
    from .remote import execution_name as execution_name
    from .rpc import CallOptions as CallOptions
    from .rpc import RetryPolicy as RetryPolicy
    from .watcher import ExecutionEvent as ExecutionEvent
    from .watcher import NodeEvent as NodeEvent

_HOMES = {
    "CallOptions": "rpc",
    "Config": "config",
    "ExecutionEvent": "watcher",
    "FlyteDirectory": "literals",
    "FlyteError": "errors",
    "FlyteFile": "literals",
    "FlyteLaunchPlan": "entities",
    "FlyteNodeExecution": "executions",
    "FlytePickle": "literals",
    "FlyteRemote": "remote",
    "FlyteTask": "entities",
    "FlyteTaskExecution": "executions",
    "FlyteWorkflow": "entities",
    "FlyteWorkflowExecution": "executions",
    "LiteralsResolver": "literals",
    "NodeEvent": "watcher",
    "NodeExecutionPhase": "idl.core",
    "Options": "remote",
    "Outcome": "remote",
    "PlatformConfig": "config",
    "RemoteExecutionBase": "executions",
    "RetryPolicy": "rpc",
    "StructuredDataset": "literals",
    "TaskExecutionPhase": "idl.core",
    "TypedInterface": "entities",
    "WorkflowExecutionPhase": "idl.core",
    "execution_name": "remote",
}

__all__ = [
    "CallOptions",
    "Config",
    "ExecutionEvent",
    "FlyteDirectory",
    "FlyteError",
    "FlyteFile",
    "FlyteLaunchPlan",
    "FlyteNodeExecution",
    "FlytePickle",
    "FlyteRemote",
    "FlyteTask",
    "FlyteTaskExecution",
    "FlyteWorkflow",
    "FlyteWorkflowExecution",
    "LiteralsResolver",
    "NodeEvent",
    "NodeExecutionPhase",
    "Options",
    "Outcome",
    "PlatformConfig",
    "RemoteExecutionBase",
    "RetryPolicy",
    "StructuredDataset",
    "TaskExecutionPhase",
    "TypedInterface",
    "WorkflowExecutionPhase",
    "execution_name",
]

__getattr__, __dir__ = on_demand(__name__, _HOMES)
