"""What a workflow tells of the nodes that run on one level of its tree; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from ..entities import (
    EntityKey,
    FlyteArrayNode,
    FlyteBranchNode,
    FlyteLaunchPlan,
    FlyteNode,
    FlyteTask,
    FlyteWorkflow,
    TypedInterface,
)
from ..errors import FlyteError
from ..idl import admin, core

START_NODE = "start-node"
END_NODE = "end-node"


@dataclass(frozen=True)
class Scope:
    """Tells what node executions of one level are in the workflow that they belong to.

    Attributes:
        workflow: the workflow whose nodes run; None if it is not known.
        each: what all nodes of the level run, if they are the elements of an array.
    """

    workflow: FlyteWorkflow | None = None
    each: FlyteNode | None = None

    @property
    def is_known(self) -> bool:
        """Whether a node that is not found here is one to wonder about."""
        return self.workflow is not None or self.each is not None

    def definition(self, model: admin.NodeExecution) -> FlyteNode | None:
        """The node in the workflow; None for start and end nodes, and for what the workflow does not have.

        Older servers do not tell the id in the workflow of the one node that a single task runs as.
        """
        if self.each is not None or self.workflow is None:
            return self.each
        nodes = self.workflow.node_map
        return nodes.get(spec_id(model)) or nodes.get(unique_id(model))

    def interface(self, model: admin.NodeExecution) -> TypedInterface | None:
        """The types of the inputs and outputs of a node; None if they are not known."""
        if self.workflow is not None and self.each is None:
            ends = self.workflow.interface
            if spec_id(model) == START_NODE:
                return TypedInterface({}, ends.inputs)
            if spec_id(model) == END_NODE:
                return TypedInterface(ends.outputs, ends.outputs)
        definition = self.definition(model)
        return None if definition is None else interface_of(definition)

    def task(self, identifier: core.Identifier | None) -> FlyteTask | None:
        """The task of that identifier, as the workflow was compiled with it; None if it does not have it."""
        return None if identifier is None else self._tasks.get(EntityKey.of(identifier))

    def below(self, definition: FlyteNode | None, generated: FlyteWorkflow | None) -> Scope:
        """What is known of the nodes below a node.

        Args:
            definition: the node.
            generated: the workflow that it made, if it is a dynamic one.
        """
        if generated is not None:
            return Scope(generated)
        match None if definition is None else definition.flyte_entity:
            case FlyteWorkflow() as workflow:
                return Scope(workflow)
            case FlyteArrayNode() as array:
                return Scope(self.workflow, array.flyte_node)
            case FlyteBranchNode():
                return Scope(self.workflow)  # which has the nodes of branches, too
            case _:
                return Scope()

    @cached_property
    def _tasks(self) -> Mapping[EntityKey, FlyteTask]:
        return {} if self.workflow is None else {EntityKey.of(task.id): task for task in self.workflow.flyte_tasks}


def spec_id(model: admin.NodeExecution) -> str:
    """The id of a node in its workflow; the unique one from servers that do not tell it."""
    return (model.metadata.spec_node_id if model.metadata is not None else "") or unique_id(model)


def unique_id(model: admin.NodeExecution) -> str:
    """The id of a node in its execution."""
    return (model.id or core.NodeExecutionIdentifier()).node_id


def interface_of(definition: FlyteNode) -> TypedInterface | None:
    """The types of what a node takes and gives; None for branches, gates, and what the workflow does not tell."""
    match definition.flyte_entity:
        case FlyteTask() | FlyteWorkflow() as entity:
            return entity.interface
        case FlyteLaunchPlan() as plan:
            try:
                return plan.interface
            except FlyteError:
                return None  # older servers tell the launch plan's name only
        case FlyteArrayNode(flyte_node=inner) as array if inner is not None:
            return _interface_of_array(array.to_flyte_idl(), interface_of(inner))
        case _:
            return None


def _interface_of_array(array: core.ArrayNode, inner: TypedInterface | None) -> TypedInterface | None:
    """flytekit registers the tasks of arrays with the types of the whole; launch plans have those of an element."""
    if inner is None or not array.is_original_sub_node_interface:
        return inner
    if array.min_successes is not None or array.min_success_ratio is not None:
        outputs = {name: _or_none(variable) for name, variable in inner.outputs.items()}
        inner = TypedInterface(inner.inputs, outputs)
    return inner.transform_interface_to_list(array.bound_inputs, ())


def _or_none(variable: core.Variable) -> core.Variable:
    """What an element gives that may fail: lists have none in place of what is missing."""
    nothing = core.LiteralType(simple=core.SimpleType.NONE)
    variants = [kind for kind in (variable.type, nothing) if kind is not None]
    return replace(variable, type=core.LiteralType(union_type=core.UnionType(variants=variants)))
