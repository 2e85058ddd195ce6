"""What can be fetched and launched: tasks, workflows and launch plans with all their parts, as values without I/O."""

from typing import TYPE_CHECKING

from ..on_demand import on_demand

if TYPE_CHECKING:
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

_HOMES = {
    "Entity": "base",
    "EntityKey": "identifier",
    "FlyteArrayNode": "node",
    "FlyteBranchNode": "node",
    "FlyteGateNode": "node_kinds",
    "FlyteLaunchPlan": "launch_plan",
    "FlyteNode": "node",
    "FlyteTask": "task",
    "FlyteTaskNode": "node_kinds",
    "FlyteWorkflow": "workflow",
    "FlyteWorkflowNode": "node_kinds",
    "IdlEntity": "idl_entity",
    "IfBlock": "branch",
    "IfElseBlock": "branch",
    "LazyEntity": "lazy",
    "PythonInterface": "interface",
    "TypedInterface": "interface",
}

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

__getattr__, __dir__ = on_demand(__name__, _HOMES)
