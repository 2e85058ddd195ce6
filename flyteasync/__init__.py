"""An async-first Python SDK for driving Flyte 1.x executions.

What may import what, top to bottom (a test holds it): errors, deadline | codec, config | idl | transport, literals,
storage, interop | rpc, server | auth | entities | watcher | executions | remote | sync | testing | cli. Names are
imported when they are first asked for, so that `import flyteasync` costs next to nothing.
"""

import importlib
from typing import TYPE_CHECKING

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
    from .literals import FlyteDirectory as FlyteDirectory
    from .literals import FlyteFile as FlyteFile
    from .literals import FlytePickle as FlytePickle
    from .literals import LiteralsResolver as LiteralsResolver
    from .literals import StructuredDataset as StructuredDataset
    from .remote import FlyteRemote as FlyteRemote
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
    "PlatformConfig": "config",
    "RemoteExecutionBase": "executions",
    "RetryPolicy": "rpc",
    "StructuredDataset": "literals",
    "TypedInterface": "entities",
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
    "PlatformConfig",
    "RemoteExecutionBase",
    "RetryPolicy",
    "StructuredDataset",
    "TypedInterface",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f".{home}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
