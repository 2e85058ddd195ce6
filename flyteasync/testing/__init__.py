"""A Flyte backend for tests: see docs/testing.md.

Names are imported when they are first asked for: pytest imports this package for its plug-in, in every run.
"""

from typing import TYPE_CHECKING

from ..on_demand import on_demand

if TYPE_CHECKING:
    from ..server import Fault as Fault
    from ..server import Outage as Outage
    from ..server import RelayConfig as RelayConfig
    from ..server import ServerConfig as ServerConfig
    from ..server import TaskFailed as TaskFailed
    from .environment import Environment as Environment

_HOMES = {
    "Environment": "environment",
    "Fault": ".server",
    "Outage": ".server",
    "RelayConfig": ".server",
    "ServerConfig": ".server",
    "TaskFailed": ".server",
}

__all__ = ["Environment", "Fault", "Outage", "RelayConfig", "ServerConfig", "TaskFailed"]

__getattr__, __dir__ = on_demand(__name__, _HOMES)
