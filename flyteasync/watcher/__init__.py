"""One poller per connection that serves every wait."""

from .events import Event, ExecutionEvent, NodeEvent, Position
from .plan import TERMINAL_PHASES, Name
from .watch import Watch, Watched
from .watcher import Wait, Watcher

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
