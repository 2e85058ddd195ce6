"""The nodes of a workflow, and the two kinds that have nodes inside: branches and arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from typing_extensions import override

from ..errors import FlyteAssertion
from ..idl import core
from ..interop import MessageLike, message_of, optional_message_of
from .branch import IfBlock, IfElseBlock, message_of_node
from .catalog import Catalog
from .identifier import EntityKey
from .idl_entity import IdlEntity
from .launch_plan import FlyteLaunchPlan
from .node_kinds import FlyteGateNode, FlyteTaskNode, FlyteWorkflowNode
from .normal import SYSTEM_NODES, uncompiled_node
from .task import FlyteTask

if TYPE_CHECKING:
    from .workflow import FlyteWorkflow


class FlyteNode(IdlEntity):
    """A step of a workflow: what it runs, what it is given, and what it waits for."""

    def __init__(
        self,
        id: str,
        upstream_nodes: Sequence[FlyteNode],
        bindings: Sequence[MessageLike],
        metadata: MessageLike | None,
        task_node: FlyteTaskNode | None = None,
        workflow_node: FlyteWorkflowNode | None = None,
        branch_node: FlyteBranchNode | None = None,
        gate_node: FlyteGateNode | None = None,
        array_node: FlyteArrayNode | None = None,
    ) -> None:
        """Describe a node; messages may be generated ones, flyteidl's, flytekit's models, or bytes.

        Args:
            id: what other nodes of the workflow call it.
            upstream_nodes: the nodes that must have finished before.
            bindings: where each input comes from.
            metadata: name, timeout, retries, caching.
            task_node: what it runs is a task.
            workflow_node: what it runs is a workflow or a launch plan.
            branch_node: it chooses a node.
            gate_node: it waits.
            array_node: it runs a node for each item of lists.

        Raises:
            FlyteAssertion: not exactly one kind.
            FlyteTypeException: something that is not the message it should be.
        """
        kinds = (task_node, workflow_node, branch_node, gate_node, array_node)
        target = next((kind for kind in kinds if kind is not None), None)
        if target is None or sum(kind is not None for kind in kinds) > 1:
            raise FlyteAssertion(f"node {id} needs exactly one of a task, workflow, branch, gate and array node")
        model = core.Node(
            id=id,
            metadata=optional_message_of(core.NodeMetadata, metadata),
            inputs=[message_of(core.Binding, binding) for binding in bindings],
            upstream_node_ids=[node.id for node in upstream_nodes],
            task_node=task_node.to_flyte_idl() if task_node is not None else None,
            workflow_node=workflow_node.to_flyte_idl() if workflow_node is not None else None,
            branch_node=branch_node.to_flyte_idl() if branch_node is not None else None,
            gate_node=gate_node.to_flyte_idl() if gate_node is not None else None,
            array_node=array_node.to_flyte_idl() if array_node is not None else None,
        )
        self._hold(model, target, {node.id: node for node in upstream_nodes})

    @classmethod
    def promote_from_model(
        cls,
        model: MessageLike,
        sub_workflows: Mapping[Any, MessageLike] | None,
        node_launch_plans: Mapping[Any, MessageLike] | None,
        tasks: Mapping[Any, FlyteTask] | None,
        converted_sub_workflows: Mapping[Any, FlyteWorkflow] | None,
    ) -> tuple[Self | None, dict[EntityKey, FlyteWorkflow]]:
        """The node that a message describes.

        What the node refers to and nobody gives is None in it; nothing is raised for that.

        Args:
            model: the message.
            sub_workflows: the templates that it may refer to, by identifier.
            node_launch_plans: the specs that it may refer to, by identifier.
            tasks: the tasks that it may refer to, by identifier.
            converted_sub_workflows: the workflows that were made before.

        Returns:
            The node, None for a start or end node; and the workflows that were made so far.

        Raises:
            FlyteTypeException: something that is not the message it should be.
        """
        catalog = Catalog.of(sub_workflows, tasks, node_launch_plans, converted_sub_workflows)
        message = message_of(core.Node, model)
        if message.id in SYSTEM_NODES:
            return None, catalog.workflows
        return cls.promote_in_catalog(uncompiled_node(message), catalog, {}), catalog.workflows

    @classmethod
    def promote_in_catalog(cls, model: core.Node, catalog: Catalog, siblings: Mapping[str, FlyteNode]) -> Self:
        """The node that an uncompiled message describes.

        Args:
            model: the message.
            catalog: what it may refer to.
            siblings: the nodes that it may wait for, by id; may be filled afterwards.
        """
        node = cls.__new__(cls)
        node._hold(model, _target(model, catalog, siblings), siblings)
        return node

    @classmethod
    def from_flyte_idl(cls, pb2_object: MessageLike) -> Self:
        """The node that a message describes, as it is; what it refers to is not known by it.

        Raises:
            FlyteTypeException: it is no `flyteidl.core.Node`.
        """
        return cls.promote_in_catalog(message_of(core.Node, pb2_object), Catalog(), {})

    def _hold(self, model: core.Node, target: Target | None, siblings: Mapping[str, FlyteNode]) -> None:
        self._model = model
        self._target = target
        self._siblings = siblings

    @override
    def to_flyte_idl(self) -> core.Node:
        """The message."""
        return self._model

    @property
    def id(self) -> str:
        """What other nodes of the workflow call it."""
        return self._model.id

    @property
    def metadata(self) -> core.NodeMetadata:
        """Name, timeout, retries, caching."""
        return self._model.metadata or core.NodeMetadata()

    @property
    def inputs(self) -> list[core.Binding]:
        """Where each input comes from; inputs of the workflow are promises of a node without an id."""
        return self._model.inputs

    @property
    def output_aliases(self) -> list[core.Alias]:
        """Other names of outputs."""
        return self._model.output_aliases

    @property
    def upstream_nodes(self) -> list[FlyteNode]:
        """The nodes that must have finished before."""
        return [self._siblings[name] for name in self._model.upstream_node_ids if name in self._siblings]

    @property
    def upstream_node_ids(self) -> list[str]:
        """The ids of the nodes that must have finished before, in order."""
        return sorted(self._model.upstream_node_ids)

    @property
    def target(self) -> Target | None:
        """What the node does, whichever kind it is; None for a kind that is not known."""
        return self._target

    @property
    def task_node(self) -> FlyteTaskNode | None:
        """What it does, if it runs a task."""
        return self._target if isinstance(self._target, FlyteTaskNode) else None

    @property
    def workflow_node(self) -> FlyteWorkflowNode | None:
        """What it does, if it runs a sub-workflow or launches a launch plan."""
        return self._target if isinstance(self._target, FlyteWorkflowNode) else None

    @property
    def branch_node(self) -> FlyteBranchNode | None:
        """What it does, if it chooses a node."""
        return self._target if isinstance(self._target, FlyteBranchNode) else None

    @property
    def gate_node(self) -> FlyteGateNode | None:
        """What it does, if it waits."""
        return self._target if isinstance(self._target, FlyteGateNode) else None

    @property
    def array_node(self) -> FlyteArrayNode | None:
        """What it does, if it runs a node for each item of lists."""
        return self._target if isinstance(self._target, FlyteArrayNode) else None

    @property
    def flyte_entity(
        self,
    ) -> FlyteTask | FlyteWorkflow | FlyteLaunchPlan | FlyteBranchNode | FlyteGateNode | FlyteArrayNode | None:
        """What runs: the entity where there is one, else what the node does; None if it is not known."""
        match self._target:
            case FlyteTaskNode(flyte_task=task):
                return task
            case FlyteWorkflowNode(flyte_workflow=workflow, flyte_launch_plan=plan):
                return plan if workflow is None else workflow
            case target:
                return target

    @override
    def short_string(self) -> str:
        """Id, and what it does."""
        return f"{self.id}: {'of an unknown kind' if self._target is None else self._target.short_string()}"


class FlyteBranchNode(IdlEntity):
    """What a node chooses from."""

    def __init__(self, if_else: IfElseBlock, *, model: core.BranchNode | None = None) -> None:
        """Describe a branch.

        Args:
            if_else: the conditions and nodes.
            model: the message that it is promoted from; made from the block if not given.
        """
        self._if_else = if_else
        self._model = core.BranchNode(if_else=if_else.to_flyte_idl()) if model is None else model

    @classmethod
    def promote_from_model(
        cls,
        base_model: MessageLike,
        sub_workflows: Mapping[Any, MessageLike] | None,
        node_launch_plans: Mapping[Any, MessageLike] | None,
        tasks: Mapping[Any, FlyteTask] | None,
        converted_sub_workflows: Mapping[Any, FlyteWorkflow] | None,
    ) -> tuple[Self, dict[EntityKey, FlyteWorkflow]]:
        """The branch that a message describes; arguments, result and errors as `FlyteNode.promote_from_model`."""
        catalog = Catalog.of(sub_workflows, tasks, node_launch_plans, converted_sub_workflows)
        message = message_of(core.BranchNode, base_model)
        # A node around it, so that its arms are treated as those of any other node.
        whole = uncompiled_node(core.Node(branch_node=message)).branch_node or message
        return cls.promote_in_catalog(whole, catalog, {}), catalog.workflows

    @classmethod
    def promote_in_catalog(cls, model: core.BranchNode, catalog: Catalog, siblings: Mapping[str, FlyteNode]) -> Self:
        """The branch that an uncompiled message describes; arguments as `FlyteNode.promote_in_catalog`."""
        block = model.if_else or core.IfElseBlock()

        def node(message: core.Node | None) -> FlyteNode | None:
            return None if message is None else FlyteNode.promote_in_catalog(message, catalog, siblings)

        def arm(message: core.IfBlock) -> IfBlock:
            return IfBlock(message.condition, node(message.then_node))

        if_else = IfElseBlock(
            arm(block.case or core.IfBlock()), [arm(other) for other in block.other], node(block.else_node), block.error
        )
        return cls(if_else, model=model)

    @classmethod
    def from_flyte_idl(cls, pb2_object: MessageLike) -> Self:
        """The branch that a message describes, as it is; what its nodes refer to is not known by it.

        Raises:
            FlyteTypeException: it is no `flyteidl.core.BranchNode`.
        """
        return cls.promote_in_catalog(message_of(core.BranchNode, pb2_object), Catalog(), {})

    @override
    def to_flyte_idl(self) -> core.BranchNode:
        """The message."""
        return self._model

    @property
    def if_else(self) -> IfElseBlock:
        """The conditions and nodes."""
        return self._if_else

    @override
    def short_string(self) -> str:
        """Kind, and the ids of the nodes."""
        return f"branch to {', '.join(node.id for node in self._if_else.nodes) or 'nothing'}"


class FlyteArrayNode(IdlEntity):
    """The node that an array node runs for each item of lists."""

    def __init__(
        self,
        flyte_node: FlyteNode | None,
        parallelism: int | None,
        min_successes: int | None,
        min_success_ratio: float | None,
        *,
        model: core.ArrayNode | None = None,
    ) -> None:
        """Describe an array node.

        Args:
            flyte_node: what is run for each item; None if the message has none.
            parallelism: how many run at a time; 0 is no limit, None the workflow's.
            min_successes: how many must succeed.
            min_success_ratio: which share must succeed, in place of `min_successes`.
            model: the message that it is promoted from; made from the others if not given.
        """
        self._flyte_node = flyte_node
        if model is None:
            model = core.ArrayNode(
                node=message_of_node(flyte_node),
                parallelism=parallelism,
                min_successes=min_successes,
                min_success_ratio=min_success_ratio,
            )
        self._model = model

    @classmethod
    def promote_from_model(cls, model: MessageLike, flyte_node: FlyteNode | None) -> Self:
        """The array node that a message describes.

        Args:
            model: the message.
            flyte_node: the node inside of it.

        Raises:
            FlyteTypeException: it is no `flyteidl.core.ArrayNode`.
        """
        message = message_of(core.ArrayNode, model)
        return cls(flyte_node, message.parallelism, message.min_successes, message.min_success_ratio, model=message)

    @classmethod
    def from_flyte_idl(cls, pb2_object: MessageLike) -> Self:
        """The array node that a message describes, as it is; what its node refers to is not known by it.

        Raises:
            FlyteTypeException: it is no `flyteidl.core.ArrayNode`.
        """
        message = message_of(core.ArrayNode, pb2_object)
        return cls.promote_from_model(message, None if message.node is None else FlyteNode.from_flyte_idl(message.node))

    @override
    def to_flyte_idl(self) -> core.ArrayNode:
        """The message."""
        return self._model

    @property
    def node(self) -> FlyteNode | None:
        """What is run for each item."""
        return self._flyte_node

    @property
    def flyte_node(self) -> FlyteNode | None:
        """The same as `node`."""
        return self._flyte_node

    @property
    def parallelism(self) -> int | None:
        """How many run at a time; 0 is no limit, None the workflow's."""
        return self._model.parallelism

    @property
    def min_successes(self) -> int | None:
        """How many must succeed; None if the node does not say."""
        return self._model.min_successes

    @property
    def min_success_ratio(self) -> float | None:
        """Which share must succeed; None if the node does not say."""
        return self._model.min_success_ratio

    @override
    def short_string(self) -> str:
        """Kind, and what is run."""
        return f"array of {'nothing' if self._flyte_node is None else self._flyte_node.short_string()}"


Target = FlyteTaskNode | FlyteWorkflowNode | FlyteBranchNode | FlyteGateNode | FlyteArrayNode
"""What a node does."""


def arms_within(nodes: Iterable[FlyteNode]) -> Iterator[FlyteNode]:
    """The nodes with those that their branches choose from, at any depth: all that share one workflow's names."""
    for node in nodes:
        yield node
        if node.branch_node is not None:
            yield from arms_within(node.branch_node.if_else.nodes)


def all_within(nodes: Iterable[FlyteNode]) -> Iterator[FlyteNode]:
    """The nodes with all inside of them, those of arrays too, but without sub-workflows' nodes."""
    for node in arms_within(nodes):
        yield node
        if node.array_node is not None and node.array_node.node is not None:
            yield from all_within([node.array_node.node])


def _target(model: core.Node, catalog: Catalog, siblings: Mapping[str, FlyteNode]) -> Target | None:
    if model.task_node is not None:
        return FlyteTaskNode.promote_in_catalog(model.task_node, catalog)
    if model.workflow_node is not None:
        return FlyteWorkflowNode.promote_in_catalog(model.workflow_node, catalog)
    if model.branch_node is not None:
        return FlyteBranchNode.promote_in_catalog(model.branch_node, catalog, siblings)
    if model.gate_node is not None:
        return FlyteGateNode.promote_from_model(model.gate_node)
    if (array := model.array_node) is not None:
        inner = None if array.node is None else FlyteNode.promote_in_catalog(array.node, catalog, {})
        return FlyteArrayNode.promote_from_model(array, inner)
    return None
