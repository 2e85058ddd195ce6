"""The engine: runs compiled workflows and records what the propeller would report."""

from .engine import Engine
from .handlers import Handler, Handlers
from .run import Unregistered

__all__ = ["Engine", "Handler", "Handlers", "Unregistered"]
