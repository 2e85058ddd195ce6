"""One poller per connection that serves every wait."""

from typing import TYPE_CHECKING

from ..on_demand import on_demand
from .plan import TERMINAL_PHASES, Name
from .watcher import Wait, Watcher

if TYPE_CHECKING:
    from .events import Event, ExecutionEvent, NodeEvent, Position
    from .watch import Watch, Watched

_HOMES = {
    "Event": "events",
    "ExecutionEvent": "events",
    "NodeEvent": "events",
    "Position": "events",
    "Watch": "watch",
    "Watched": "watch",
}

__all__ = [
    "TERMINAL_PHASES",
    "Event",
    "ExecutionEvent",
    "Name",
    "NodeEvent",
    "Position",
    "Wait",
    "Watch",
    "Watched",
    "Watcher",
]

__getattr__, __dir__ = on_demand(__name__, _HOMES)
