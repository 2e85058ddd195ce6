"""The engine: runs compiled workflows and records what the propeller would report."""

from .engine import Engine
from .handlers import Handler
from .outcomes import DynamicWorkflow, TaskFailed
from .surroundings import EngineSettings, Launcher, Unregistered

__all__ = ["DynamicWorkflow", "Engine", "EngineSettings", "Handler", "Launcher", "TaskFailed", "Unregistered"]
