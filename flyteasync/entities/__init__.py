"""What can be fetched and launched: tasks, workflows and launch plans, as values without I/O."""

from .base import Entity
from .interface import TypedInterface
from .launch_plan import FlyteLaunchPlan
from .task import FlyteTask
from .workflow import FlyteWorkflow

__all__ = ["Entity", "FlyteLaunchPlan", "FlyteTask", "FlyteWorkflow", "TypedInterface"]
