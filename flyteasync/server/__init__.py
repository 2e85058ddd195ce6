"""An embedded flyteadmin: the same gRPC API, an engine that calls Python functions, and faults on command.

Client code never imports this package; the two meet on the wire.
"""

from .app import Server
from .config import ServerConfig
from .engine import Handler
from .faults import Fault

__all__ = ["Fault", "Handler", "Server", "ServerConfig"]
