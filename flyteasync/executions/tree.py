"""What to ask about each node of a tree: decisions, without I/O.

`sync.py` acts on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from ..entities import (
    FlyteArrayNode,
    FlyteBranchNode,
    FlyteGateNode,
    FlyteLaunchPlan,
    FlyteNode,
    FlyteTask,
    FlyteWorkflow,
    TypedInterface,
)
from ..errors import FlyteDecodeError, FlyteError, Status
from ..idl import admin, core
from .base import cut_short
from .data import Expected
from .node import SUCCESSFUL_NODE_PHASES, FlyteNodeExecution, NodePhase
from .scope import END_NODE, START_NODE, spec_id
from .task import FlyteTaskExecution, TaskPhase

MAX_DEPTH = 100
"""Levels of nodes below nodes, and of executions below executions, that are followed."""


class Kind(Enum):
    """What a node execution is, which decides what there is to ask about it."""

    START = auto()
    END = auto()
    SKIPPED = auto()
    TASK = auto()
    WORKFLOW = auto()
    LAUNCH_PLAN = auto()
    BRANCH = auto()
    ARRAY = auto()
    GATE = auto()
    UNKNOWN = auto()


@dataclass(frozen=True)
class NodePlan:
    """What to ask about a node.

    Attributes:
        kind: what the node is.
        error: the whole text of its error, which lists cut.
        values: its inputs and outputs.
        generated: the workflow that it generated, which comes with the values.
        tasks: the attempts of its task.
        nodes: the nodes below it.
        launched: the execution that it launched; None if there is none.
    """

    kind: Kind
    error: bool = False
    values: bool = False
    generated: bool = False
    tasks: bool = False
    nodes: bool = False
    launched: core.WorkflowExecutionIdentifier | None = None


def carried(known: FlyteNodeExecution | None, definition: FlyteNode | None) -> FlyteNodeExecution | None:
    """What an earlier sync found, if it is of use: not if it knew less of the workflow."""
    if known is None or (definition is not None and known.below.definition is None):
        return None
    return known


def is_settled(model: admin.NodeExecution, known: FlyteNodeExecution | None) -> bool:
    """Whether a node is known with all below it, as it will ever be.

    Args:
        model: the node as a list shows it.
        known: what an earlier sync found, if it is of use.
    """
    if known is None or not known.is_loaded or not known.is_done:
        return False
    return known.closure.phase == _closure(model).phase


def plan_node(
    model: admin.NodeExecution, definition: FlyteNode | None, known: FlyteNodeExecution | None = None
) -> NodePlan:
    """What to ask about a node that is not settled.

    Args:
        model: the node as a list shows it.
        definition: the node in its workflow, if that is known.
        known: what an earlier sync found, if it is of use.
    """
    kind, metadata, closure = kind_of(model, definition), _metadata(model), _closure(model)
    generates = metadata.is_dynamic and metadata.is_parent_node
    values_are_known = known is not None and known.data.is_whole(succeeded=_has_succeeded(model))
    return NodePlan(
        kind,
        error=cut_short(closure.error),
        values=not values_are_known,
        generated=generates and (known is None or known.below.workflow is None),
        tasks=_may_have_tasks(kind, model, definition),
        nodes=metadata.is_parent_node,
        launched=_launched(closure),
    )


def expected_of_node(model: admin.NodeExecution, kind: Kind, interface: TypedInterface | None) -> Expected:
    """What is known of the values of a node before they are read."""
    if kind is Kind.SKIPPED:
        return Expected(succeeded=False, inputs={})
    inputs_uri, outputs_uri = model.input_uri, _closure(model).output_uri or ""
    if kind is Kind.START and interface is None:
        outputs_uri = ""  # what it puts out are the inputs of the workflow, of which there may be none
    elif kind is Kind.END:
        inputs_uri = outputs_uri or inputs_uri  # it puts out what it is given
    return Expected(
        succeeded=_has_succeeded(model),
        inputs_uri=inputs_uri,
        outputs_uri=outputs_uri,
        inputs=None if interface is None else interface.inputs,
        outputs=None if interface is None else interface.outputs,
    )


def expected_of_task(model: admin.TaskExecution, interface: TypedInterface | None) -> Expected:
    """What is known of the values of an attempt before they are read."""
    closure = model.closure if model.closure is not None else admin.TaskExecutionClosure()
    return Expected(
        succeeded=closure.phase == TaskPhase.SUCCEEDED,
        inputs_uri=model.input_uri,
        outputs_uri=closure.output_uri or "",
        inputs=None if interface is None else interface.inputs,
        outputs=None if interface is None else interface.outputs,
    )


def is_task_settled(model: admin.TaskExecution, known: FlyteTaskExecution | None) -> bool:
    """Whether an attempt is known as it will ever be; the arguments are those of `is_settled`."""
    if known is None or not known.is_done or model.closure is None or known.closure.phase != model.closure.phase:
        return False
    return known.data.is_whole(succeeded=known.closure.phase == TaskPhase.SUCCEEDED)


def kind_of(model: admin.NodeExecution, definition: FlyteNode | None) -> Kind:
    """What a node is: told by its id, phase and metadata, and by its definition."""
    ends = {START_NODE: Kind.START, END_NODE: Kind.END}
    if (end := ends.get(spec_id(model))) is not None:
        return end
    if _closure(model).phase == NodePhase.SKIPPED:
        return Kind.SKIPPED
    if _launched(_closure(model)) is not None:
        return Kind.LAUNCH_PLAN
    if definition is not None and (kind := _KINDS.get(type(definition.flyte_entity))) is not None:
        return kind
    if definition is not None and definition.task_node is not None:
        return Kind.TASK
    metadata = _metadata(model)
    if metadata.is_array:
        return Kind.ARRAY
    if metadata.is_dynamic:
        return Kind.TASK
    return Kind.UNKNOWN


_KINDS: Mapping[type, Kind] = {
    FlyteTask: Kind.TASK,
    FlyteWorkflow: Kind.WORKFLOW,
    FlyteLaunchPlan: Kind.LAUNCH_PLAN,
    FlyteBranchNode: Kind.BRANCH,
    FlyteArrayNode: Kind.ARRAY,
    FlyteGateNode: Kind.GATE,
}


def _may_have_tasks(kind: Kind, model: admin.NodeExecution, definition: FlyteNode | None) -> bool:
    """Whether there may be task executions: not where values were reused, and never for some kinds."""
    closure = _closure(model)
    reused = closure.task_node_metadata
    if closure.phase == NodePhase.RECOVERED:
        return False
    if reused is not None and reused.cache_status == core.CatalogCacheStatus.CACHE_HIT:
        return False
    if kind is Kind.ARRAY and definition is not None and definition.array_node is not None:
        inner = definition.array_node.flyte_node
        return inner is None or inner.target is None or inner.task_node is not None
    if kind is Kind.UNKNOWN:
        return not _metadata(model).is_parent_node
    return kind in (Kind.TASK, Kind.ARRAY)


def concerns_one_node(error: FlyteError) -> bool:
    """Whether a failure says nothing about the other nodes, as an outage or a closed remote does."""
    return isinstance(error, FlyteDecodeError) or error.status in _OF_ONE_NODE


_OF_ONE_NODE = {
    Status.NOT_FOUND,
    Status.INVALID_ARGUMENT,
    Status.PERMISSION_DENIED,
    Status.FAILED_PRECONDITION,
    Status.RESOURCE_EXHAUSTED,
    Status.UNKNOWN,
    Status.INTERNAL,
    Status.DATA_LOSS,
}


def _has_succeeded(model: admin.NodeExecution) -> bool:
    return _closure(model).phase in SUCCESSFUL_NODE_PHASES


def _launched(closure: admin.NodeExecutionClosure) -> core.WorkflowExecutionIdentifier | None:
    metadata = closure.workflow_node_metadata
    return None if metadata is None else metadata.execution_id


def _closure(model: admin.NodeExecution) -> admin.NodeExecutionClosure:
    return model.closure if model.closure is not None else admin.NodeExecutionClosure()


def _metadata(model: admin.NodeExecution) -> admin.NodeExecutionMetaData:
    return model.metadata if model.metadata is not None else admin.NodeExecutionMetaData()
