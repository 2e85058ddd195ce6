"""One poller per connection that serves every wait."""

from .plan import TERMINAL_PHASES, Name
from .watcher import Wait, Watcher

__all__ = ["TERMINAL_PHASES", "Name", "Wait", "Watcher"]
