"""A registered workflow."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Self

from typing_extensions import override

from ..codec import encode
from ..errors import FlyteAssertion
from ..idl import admin, core
from ..interop import MessageLike, flytekit, message_of, optional_message_of
from .base import Entity
from .catalog import Catalog
from .identifier import EntityKey, text_of
from .interface import TypedInterface
from .launch_plan import FlyteLaunchPlan
from .node import FlyteNode, all_within, arms_within
from .normal import SYSTEM_NODES, uncompiled_template
from .task import FlyteTask

logger = logging.getLogger("flyteasync.entities")


@dataclass(frozen=True)
class _Graph:
    """The nodes of a workflow.

    Attributes:
        nodes: those of the workflow itself, in its order.
        failure: the one that runs when the workflow fails.
        by_id: these with all that branches choose from.
    """

    nodes: Sequence[FlyteNode]
    failure: FlyteNode | None
    by_id: dict[str, FlyteNode] = field(default_factory=dict[str, FlyteNode])

    @property
    def all(self) -> list[FlyteNode]:
        """The nodes of the workflow, its failure node last."""
        return [*self.nodes, *([self.failure] if self.failure is not None else [])]


class FlyteWorkflow(Entity):
    """A workflow as it is registered, read only.

    Its nodes are made when they are first asked for: a workflow that is only launched costs no more than its interface.
    """

    entity_type_text: ClassVar[str] = "Workflow"
    resource_type: ClassVar[core.ResourceType] = core.ResourceType.WORKFLOW

    def __init__(
        self,
        id: MessageLike,
        nodes: Sequence[FlyteNode],
        interface: MessageLike | None,
        output_bindings: Sequence[MessageLike],
        metadata: MessageLike | None,
        metadata_defaults: MessageLike | None,
        subworkflows: Sequence[FlyteWorkflow] | None = None,
        tasks: Sequence[FlyteTask] | None = None,
        launch_plans: Mapping[Any, MessageLike] | None = None,
        compiled_closure: core.CompiledWorkflowClosure | None = None,
        should_register: bool = False,
        *,
        failure_node: FlyteNode | None = None,
    ) -> None:
        """Describe a workflow; messages may be generated ones, flyteidl's, flytekit's models, or bytes.

        Args:
            id: project, domain, name and version.
            nodes: the nodes, without those that a compiler adds.
            interface: the typed inputs and outputs.
            output_bindings: where each output comes from.
            metadata: how it runs, and what becomes of it when a node fails.
            metadata_defaults: what its nodes inherit.
            subworkflows: the workflows that nodes run.
            tasks: the tasks that nodes run.
            launch_plans: the specs of the launch plans that nodes launch, by identifier.
            compiled_closure: the compiled workflow, if there is one.
            should_register: whether the workflow has yet to be registered before it is launched.
            failure_node: the node that runs when the workflow fails.

        Raises:
            FlyteAssertion: a node without an id.
            FlyteTypeException: something that is not the message it should be.
        """
        graph = _graph_of(nodes, failure_node)
        if any(not node.id for node in graph.all):
            raise FlyteAssertion("every node of a workflow needs an id")
        template = core.WorkflowTemplate(
            id=message_of(core.Identifier, id),
            metadata=optional_message_of(core.WorkflowMetadata, metadata),
            interface=optional_message_of(core.TypedInterface, interface),
            nodes=[node.to_flyte_idl() for node in graph.nodes],
            outputs=[message_of(core.Binding, binding) for binding in output_bindings],
            failure_node=failure_node.to_flyte_idl() if failure_node is not None else None,
            metadata_defaults=optional_message_of(core.WorkflowMetadataDefaults, metadata_defaults),
        )
        catalog = Catalog.of(tasks={EntityKey.of(task.id): task for task in tasks or ()}, launch_plans=launch_plans)
        self._hold(template, catalog, compiled_closure, should_register=should_register)
        self._graph = graph
        if subworkflows is not None:
            self._sub_workflows = list(subworkflows)

    @classmethod
    def promote_from_model(
        cls,
        base_model: MessageLike,
        sub_workflows: Mapping[Any, MessageLike] | None = None,
        tasks: Mapping[Any, FlyteTask] | None = None,
        node_launch_plans: Mapping[Any, MessageLike] | None = None,
    ) -> Self:
        """The workflow that a template describes.

        What its nodes refer to and nobody gives is logged and None in them. Keys are `EntityKey`s, flytekit's
        identifiers, or anything else that is or makes an identifier and has a hash.

        Args:
            base_model: the template, compiled or not.
            sub_workflows: the templates that nodes may refer to, by identifier.
            tasks: the tasks that nodes may refer to, by identifier.
            node_launch_plans: the specs of launch plans that nodes may refer to, by identifier.

        Raises:
            FlyteTypeException: something that is not the message it should be.
        """
        template = message_of(core.WorkflowTemplate, base_model)
        return cls.promote_in_catalog(template, Catalog.of(sub_workflows, tasks, node_launch_plans))

    @classmethod
    def promote_from_closure(
        cls, closure: MessageLike, node_launch_plans: Mapping[Any, MessageLike] | None = None
    ) -> Self:
        """The workflow that a compiled closure holds, with all that it brings along.

        Args:
            closure: what the server compiled.
            node_launch_plans: the specs of launch plans that nodes launch, by identifier. Of those that are not given,
                the closure tells the identifier, and newer servers' closures the interface.

        Raises:
            FlyteTypeException: something that is not the message it should be.
        """
        message = message_of(core.CompiledWorkflowClosure, closure)
        primary = message.primary.template if message.primary is not None else None
        workflow = cls.__new__(cls)
        workflow._hold(primary or core.WorkflowTemplate(), Catalog.of_closure(message, node_launch_plans), message)
        return workflow

    @classmethod
    def promote_in_catalog(cls, template: core.WorkflowTemplate, catalog: Catalog) -> Self:
        """The workflow that a template describes, with what the catalog has for its nodes."""
        workflow = cls.__new__(cls)
        workflow._hold(template, catalog)
        return workflow

    @classmethod
    def from_flyte_idl(cls, pb2_object: MessageLike) -> Self:
        """The workflow that a spec describes; the tasks that it uses are not known by it.

        Raises:
            FlyteTypeException: it is no `flyteidl.admin.WorkflowSpec`.
        """
        spec = message_of(admin.WorkflowSpec, pb2_object)
        templates = {EntityKey.of(part.id): part for part in spec.sub_workflows if part.id is not None}
        workflow = cls.__new__(cls)
        catalog = Catalog(templates, complete=False)
        workflow._hold(spec.template or core.WorkflowTemplate(), catalog, docs=spec.description)
        return workflow

    @classmethod
    def get_non_system_nodes(cls, nodes: Sequence[core.Node]) -> list[core.Node]:
        """The nodes without the start and the end node that the compiler adds."""
        return [node for node in nodes if node.id not in SYSTEM_NODES]

    def _hold(
        self,
        given: core.WorkflowTemplate,
        catalog: Catalog,
        closure: core.CompiledWorkflowClosure | None = None,
        docs: admin.DescriptionEntity | None = None,
        *,
        should_register: bool = False,
    ) -> None:
        self._given = given
        self._catalog = catalog
        self._closure = closure
        self._docs = docs
        self._should_register = should_register

    @override
    def to_flyte_idl(self) -> admin.WorkflowSpec:
        """The workflow as it would be registered, with all sub-workflows."""
        return admin.WorkflowSpec(template=self.template, sub_workflows=self.sub_workflows, description=self._docs)

    @property
    @override
    def is_empty(self) -> bool:
        """Whether nothing in the template is set, and there is no description."""
        return self._docs is None and not encode(self._given)

    @override
    def _make_twin(self) -> Any:
        nodes = [node for part in (self, *self._all_sub_workflows()) for node in all_within(part.flyte_nodes)]
        plans = [node.flyte_entity for node in nodes if isinstance(node.flyte_entity, FlyteLaunchPlan)]
        closure = self._closure or core.CompiledWorkflowClosure(
            primary=core.CompiledWorkflow(template=self.template),
            sub_workflows=[core.CompiledWorkflow(template=template) for template in self.sub_workflows],
            tasks=[core.CompiledTask(template=task.template) for task in self.flyte_tasks],
        )
        return flytekit.remote_workflow(closure, {text_of(plan.id): (plan.id, plan.spec) for plan in plans})

    @property
    def template(self) -> core.WorkflowTemplate:
        """The template without what the compiler added, as it could be registered again. Not to be changed.

        What branches choose from keeps the ids that the compiler gave it: `n3-n0` for `n0` in the branch `n3`.
        """
        return self._template

    @property
    def compiled_closure(self) -> core.CompiledWorkflowClosure | None:
        """What the server compiled, with the connections between nodes; None if the workflow was not fetched."""
        return self._closure

    @property
    @override
    def id(self) -> core.Identifier:
        """Project, domain, name and version."""
        return self._given.id or core.Identifier(resource_type=self.resource_type)

    @property
    @override
    def interface(self) -> TypedInterface:
        """The typed inputs and outputs."""
        return self._interface

    @property
    def flyte_nodes(self) -> list[FlyteNode]:
        """The nodes, in the order of the template, without start and end; a failure node is the last one."""
        return list(self._graph.all)

    @property
    def nodes(self) -> list[FlyteNode]:
        """The same as `flyte_nodes`."""
        return self.flyte_nodes

    @property
    def node_map(self) -> Mapping[str, FlyteNode]:
        """All nodes by id, also those that branches choose from, not those inside of arrays and sub-workflows."""
        return self._graph.by_id

    @property
    def failure_node(self) -> FlyteNode | None:
        """The node that runs when the workflow fails; None if there is none."""
        return self._graph.failure

    @property
    def flyte_sub_workflows(self) -> list[FlyteWorkflow]:
        """The workflows that nodes of this one run; these have their own."""
        return self._sub_workflows

    @property
    def sub_workflows(self) -> list[core.WorkflowTemplate]:
        """The templates of all workflows that run inside of this one, at any depth, as a registration lists them."""
        return [workflow.template for workflow in self._all_sub_workflows()]

    @property
    def flyte_tasks(self) -> list[FlyteTask]:
        """The tasks that the workflow and its sub-workflows use."""
        return list(self._catalog.tasks.values())

    @property
    def outputs(self) -> list[core.Binding]:
        """Where each output comes from."""
        return self.template.outputs

    @property
    def metadata(self) -> core.WorkflowMetadata:
        """How the workflow runs, and what becomes of it when a node fails."""
        return self._given.metadata or core.WorkflowMetadata()

    @property
    def metadata_defaults(self) -> core.WorkflowMetadataDefaults:
        """What the nodes inherit."""
        return self._given.metadata_defaults or core.WorkflowMetadataDefaults()

    @property
    def docs(self) -> admin.DescriptionEntity | None:
        """The description that was registered with the workflow; known only if it was made of a whole spec."""
        return self._docs

    @property
    def should_register(self) -> bool:
        """Whether the workflow has yet to be registered before it is launched."""
        return self._should_register

    @cached_property
    def _interface(self) -> TypedInterface:
        return TypedInterface.from_flyte_idl(self._given.interface or core.TypedInterface())

    @cached_property
    def _template(self) -> core.WorkflowTemplate:
        return uncompiled_template(self._given)

    @cached_property
    def _graph(self) -> _Graph:
        siblings: dict[str, FlyteNode] = {}

        def promote(model: core.Node) -> FlyteNode:
            return FlyteNode.promote_in_catalog(model, self._catalog, siblings)

        nodes, failure = self.template.nodes, self.template.failure_node
        graph = _graph_of([promote(node) for node in nodes], None if failure is None else promote(failure))
        siblings.update(graph.by_id)
        for node in all_within(graph.all):
            if node.flyte_entity is None and self._catalog.complete:
                logger.warning(
                    "workflow %s: nothing is known of what this node runs: %s", text_of(self.id), node.short_string()
                )
        return graph

    @cached_property
    def _sub_workflows(self) -> list[FlyteWorkflow]:
        entities = (node.flyte_entity for node in all_within(self.flyte_nodes))
        return list({EntityKey.of(part.id): part for part in entities if isinstance(part, FlyteWorkflow)}.values())

    def _all_sub_workflows(self) -> Iterator[FlyteWorkflow]:
        seen = {EntityKey.of(self.id)}
        stack = self.flyte_sub_workflows[::-1]
        while stack:
            workflow = stack.pop()
            if (key := EntityKey.of(workflow.id)) not in seen:
                seen.add(key)
                yield workflow
                stack += workflow.flyte_sub_workflows[::-1]


def _graph_of(nodes: Sequence[FlyteNode], failure: FlyteNode | None) -> _Graph:
    graph = _Graph(nodes, failure)
    for node in [*graph.all, *arms_within(graph.all)]:
        graph.by_id.setdefault(node.id, node)
    return graph
