"""An embedded flyteadmin: the same gRPC API, an engine that calls Python functions, and faults on command.

Client code never imports this package; the two meet on the wire.
"""

from .app import Server
from .config import ServerConfig
from .engine import DynamicWorkflow, Handler, TaskFailed
from .faults import Fault
from .relay import Outage, RelayConfig

__all__ = [
    "DynamicWorkflow",
    "Fault",
    "Handler",
    "Outage",
    "RelayConfig",
    "Server",
    "ServerConfig",
    "TaskFailed",
]
