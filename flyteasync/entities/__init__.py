"""What can be fetched and launched: tasks, workflows and launch plans with all their parts, as values without I/O."""

from .base import Entity
from .branch import IfBlock, IfElseBlock
from .identifier import EntityKey
from .idl_entity import IdlEntity
from .interface import PythonInterface, TypedInterface
from .launch_plan import FlyteLaunchPlan
from .lazy import LazyEntity
from .node import FlyteArrayNode, FlyteBranchNode, FlyteNode
from .node_kinds import FlyteGateNode, FlyteTaskNode, FlyteWorkflowNode
from .task import FlyteTask
from .workflow import FlyteWorkflow

__all__ = [
    "Entity",
    "EntityKey",
    "FlyteArrayNode",
    "FlyteBranchNode",
    "FlyteGateNode",
    "FlyteLaunchPlan",
    "FlyteNode",
    "FlyteTask",
    "FlyteTaskNode",
    "FlyteWorkflow",
    "FlyteWorkflowNode",
    "IdlEntity",
    "IfBlock",
    "IfElseBlock",
    "LazyEntity",
    "PythonInterface",
    "TypedInterface",
]
