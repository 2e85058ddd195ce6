"""Executions and nodes while their tree is read, and how they become what users see; no I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..entities import FlyteNode, FlyteWorkflow, TypedInterface
from ..idl import admin
from ..watcher import Name
from .base import Data
from .node import Below, FlyteNodeExecution
from .scope import Scope, unique_id
from .snapshot import Snapshot
from .task import FlyteTaskExecution

if TYPE_CHECKING:
    from .workflow import FlyteWorkflowExecution

Make = Callable[[Snapshot], "FlyteWorkflowExecution"]
"""Makes an execution object that shows a snapshot."""


@dataclass
class ExecutionDraft:
    """An execution whose tree is being read.

    Attributes:
        snapshot: its message.
        known: what was known of it before.
        depth: how many levels of nodes and executions are above it.
        data: its values, as far as they are known.
        workflow: what it runs, if that is known.
        nodes: the top level of its tree.
    """

    snapshot: Snapshot
    known: Snapshot
    depth: int
    data: Data
    workflow: FlyteWorkflow | None = None
    nodes: dict[str, NodeDraft | FlyteNodeExecution] = field(
        default_factory=dict[str, "NodeDraft | FlyteNodeExecution"]
    )

    @property
    def name(self) -> Name:
        """Project, domain and name."""
        return Name.of(self.snapshot.execution.id)

    @property
    def level(self) -> Level:
        """Its top level."""
        return Level(self.name, "", Scope(self.workflow), self.depth + 1, self.known.nodes, self.nodes)

    def finish(self, make: Make) -> Snapshot:
        """What was read."""
        nodes = finish_all(self.nodes, make)
        final = (
            self.snapshot.done
            and self.workflow is not None
            and all(node.is_loaded and node.is_done for node in nodes.values())
        )
        return replace(self.snapshot, data=self.data, nodes=nodes, nodes_final=final, workflow=self.workflow)


@dataclass
class Level:
    """The nodes of an execution that have the same parent.

    Attributes:
        execution: the execution.
        parent: the unique id of the parent; empty at the top.
        scope: what the workflow tells of the nodes.
        depth: how many levels there are, with this one.
        known: the nodes as an earlier sync found them.
        nodes: those that were found so far.
    """

    execution: Name
    parent: str
    scope: Scope
    depth: int
    known: Mapping[str, FlyteNodeExecution]
    nodes: dict[str, NodeDraft | FlyteNodeExecution]


@dataclass
class NodeDraft:
    """A node that is being read.

    Attributes:
        model: its message.
        level: where it is.
        known: what an earlier sync found of it.
        definition: the node in its workflow, if that is known.
        interface: the types of its values, if they are known.
        data: its values, as far as they are known.
        workflow: what it generated, if it is dynamic.
        tasks: the attempts of its task.
        nodes: what is below it.
        launched: the execution that it launched.
        failures: why something is missing.
    """

    model: admin.NodeExecution
    level: Level
    known: FlyteNodeExecution | None = None
    definition: FlyteNode | None = None
    interface: TypedInterface | None = None
    data: Data = Data()
    workflow: FlyteWorkflow | None = None
    tasks: list[FlyteTaskExecution] = field(default_factory=list[FlyteTaskExecution])
    nodes: dict[str, NodeDraft | FlyteNodeExecution] = field(
        default_factory=dict[str, "NodeDraft | FlyteNodeExecution"]
    )
    launched: ExecutionDraft | None = None
    failures: list[str] = field(default_factory=list[str])

    @property
    def below(self) -> Level:
        """The level below it."""
        known = dict[str, FlyteNodeExecution]() if self.known is None else self.known.subworkflow_node_executions
        scope = self.level.scope.below(self.definition, self.workflow)
        return Level(self.level.execution, unique_id(self.model), scope, self.level.depth + 1, known, self.nodes)

    def finish(self, make: Make) -> FlyteNodeExecution:
        """What was read."""
        below = Below(
            tasks=tuple(sorted(self.tasks, key=lambda task: task.id.retry_attempt)),
            nodes=finish_all(self.nodes, make),
            executions=() if self.launched is None else (make(self.launched.finish(make)),),
            definition=self.definition,
            interface=self.interface,
            workflow=self.workflow,
            unread="; ".join(self.failures) or None,
        )
        return FlyteNodeExecution(self.model, self.data, below)


def finish_all(nodes: Mapping[str, NodeDraft | FlyteNodeExecution], make: Make) -> dict[str, FlyteNodeExecution]:
    """What was read of a level; what was known before is there as it was."""
    return {name: node if isinstance(node, FlyteNodeExecution) else node.finish(make) for name, node in nodes.items()}
