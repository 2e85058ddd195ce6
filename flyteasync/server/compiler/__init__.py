"""From a workflow template to what the engine runs: start and end node, connections, and everything checked."""

from .references import LaunchPlanInterface, entity_key
from .report import CompileError
from .words import END, START
from .workflow import compile_workflow

__all__ = ["END", "START", "CompileError", "LaunchPlanInterface", "compile_workflow", "entity_key"]
