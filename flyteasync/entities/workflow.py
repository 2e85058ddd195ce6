"""A registered workflow."""

from __future__ import annotations

from typing_extensions import override

from ..idl import core
from .base import Entity
from .interface import TypedInterface
from .task import FlyteTask


class FlyteWorkflow(Entity):
    """A workflow as it is registered and compiled, read only."""

    def __init__(
        self,
        template: core.WorkflowTemplate,
        *,
        tasks: list[FlyteTask] | None = None,
        compiled_closure: core.CompiledWorkflowClosure | None = None,
    ) -> None:
        super().__init__(template.id or core.Identifier(resource_type=core.ResourceType.WORKFLOW))
        self._template = template
        self._interface = TypedInterface.from_flyte_idl(template.interface)
        self._tasks = tasks or []
        self._compiled_closure = compiled_closure

    @classmethod
    def promote_from_closure(cls, closure: core.CompiledWorkflowClosure) -> FlyteWorkflow:
        """The workflow that a compiled closure holds, with the tasks that it uses."""
        primary = closure.primary.template if closure.primary is not None else None
        tasks = [FlyteTask(task.template) for task in closure.tasks if task.template is not None]
        return cls(primary or core.WorkflowTemplate(), tasks=tasks, compiled_closure=closure)

    @property
    def template(self) -> core.WorkflowTemplate:
        """The compiled template."""
        return self._template

    @property
    @override
    def interface(self) -> TypedInterface:
        """The typed inputs and outputs."""
        return self._interface

    @property
    @override
    def entity_type_text(self) -> str:
        """`Workflow`."""
        return "Workflow"

    @property
    def flyte_tasks(self) -> list[FlyteTask]:
        """The tasks that the workflow's nodes use."""
        return self._tasks

    @property
    def nodes(self) -> list[core.Node]:
        """The nodes without the start and end nodes that the compiler adds."""
        return [node for node in self._template.nodes if node.id not in SYSTEM_NODES]

    def to_flyte_idl(self) -> core.WorkflowTemplate:
        """The template as a message."""
        return self._template


SYSTEM_NODES = frozenset({"start-node", "end-node"})
"""The ids of the nodes that every compiled workflow has."""
