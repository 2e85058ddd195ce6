"""A compiled workflow in the form that the engine walks: prepared once, shared by all executions of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...idl import core
from ..compiler import END, entity_key
from ..inputs import variables_of
from ..rows import EntityKey


@dataclass(frozen=True, slots=True)
class Graph:
    """The nodes of one workflow and the edges between them.

    Attributes:
        template: the workflow.
        nodes: its nodes by id, without those inside of branches.
        downstream: who waits for a node, by its id; the nodes inside of branches may be waited for, too.
        upstream: for how many nodes a node waits, by its id.
        outputs: the workflow's outputs.
    """

    template: core.WorkflowTemplate
    nodes: Mapping[str, core.Node]
    downstream: Mapping[str, Sequence[str]]
    upstream: Mapping[str, int]
    outputs: Mapping[str, core.Variable]

    @classmethod
    def of(cls, compiled: core.CompiledWorkflow) -> Graph:
        """The form of one workflow."""
        template, edges = compiled.template, compiled.connections or core.ConnectionSet()
        assert template is not None, "the compiler leaves no workflow without a template"
        nodes = {node.id: node for node in template.nodes}
        interface = template.interface or core.TypedInterface()
        return cls(
            template=template,
            nodes=nodes,
            downstream={node_id: targets.ids for node_id, targets in edges.downstream.items()},
            upstream={
                node_id: len(set(sources.ids)) for node_id, sources in edges.upstream.items() if node_id in nodes
            },
            outputs=variables_of(interface.outputs),
        )

    @property
    def has_end(self) -> bool:
        """Whether anything leads to the end node."""
        return END in self.upstream


@dataclass(frozen=True, slots=True)
class Definitions:
    """A workflow with everything that its nodes refer to.

    Attributes:
        primary: the workflow.
        tasks: templates by id.
        sub_workflows: workflows that run under a node, by id.
    """

    primary: Graph
    tasks: Mapping[EntityKey, core.TaskTemplate]
    sub_workflows: Mapping[EntityKey, Graph]

    @classmethod
    def of(cls, compiled: core.CompiledWorkflowClosure) -> Definitions:
        """The form of what the compiler returns."""
        assert compiled.primary is not None, "the compiler leaves no closure without a primary workflow"
        graphs = {
            entity_key(part.template.id): Graph.of(part)
            for part in compiled.sub_workflows
            if part.template is not None and part.template.id is not None
        }
        templates = [task.template for task in compiled.tasks]
        tasks = {entity_key(task.id): task for task in templates if task is not None and task.id is not None}
        return cls(Graph.of(compiled.primary), tasks, graphs)
