"""Executions and nodes while their tree is read, and how they become what users see; no I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

from ..entities import FlyteNode, FlyteWorkflow, TypedInterface
from ..idl import admin, core
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


Nodes = dict[str, "NodeDraft | FlyteNodeExecution"]
"""The nodes of a level by unique id: those that are being read, and those of which an earlier sync found all."""


@dataclass
class ExecutionDraft:
    """An execution whose tree is being read; what an earlier sync found stays where nothing else is read.

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
    workflow: FlyteWorkflow | None
    nodes: Nodes

    @classmethod
    def of(cls, snapshot: Snapshot, known: Snapshot, depth: int) -> Self:
        """An execution of which nothing was read yet but its message."""
        return cls(snapshot, known, depth, snapshot.data, known.workflow, dict(known.nodes))

    @property
    def name(self) -> Name:
        """Project, domain and name."""
        return Name.of(self.snapshot.execution.id)

    @property
    def level(self) -> Level:
        """Its top level."""
        return Level(self.name, "", Scope(self.workflow), self.depth + 1, self.nodes)

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
        nodes: the nodes.
        met: the ids of those that were listed.
    """

    execution: Name
    parent: str
    scope: Scope
    depth: int
    nodes: Nodes
    met: set[str] = field(default_factory=set[str])

    def admit(self, model: admin.NodeExecution) -> NodeDraft | None:
        """Put a node in; None if it was put in before, for pages may overlap.

        Raises:
            FlyteDecodeError: its id cannot be read.
        """
        name = unique_id(model)
        if name in self.met:
            return None
        self.met.add(name)
        known = self.nodes.get(name)
        draft = self.nodes[name] = NodeDraft(model, self, known if isinstance(known, FlyteNodeExecution) else None)
        return draft


@dataclass
class NodeDraft:
    """A node that is being read; what an earlier sync found stays where nothing else is read.

    Attributes:
        model: its message.
        level: where it is.
        known: what an earlier sync found of it.
        definition: the node in its workflow, if that is known.
        interface: the types of its values, if they are known.
        data: its values, as far as they are known.
        workflow: what it generated, if it is dynamic.
        tasks: the attempts of its task, by number.
        nodes: what is below it.
        launched: the execution that it launched.
        failures: why something is missing.
    """

    model: admin.NodeExecution
    level: Level
    known: FlyteNodeExecution | None
    definition: FlyteNode | None = None
    interface: TypedInterface | None = None
    data: Data = Data()
    workflow: FlyteWorkflow | None = None
    tasks: dict[int, FlyteTaskExecution] = field(default_factory=dict[int, FlyteTaskExecution])
    nodes: Nodes = field(default_factory=dict[str, "NodeDraft | FlyteNodeExecution"])
    launched: ExecutionDraft | None = None
    failures: list[str] = field(default_factory=list[str])

    @property
    def below(self) -> Level:
        """The level below it."""
        scope = self.level.scope.below(self.definition, self.workflow)
        return Level(self.level.execution, unique_id(self.model), scope, self.level.depth + 1, self.nodes)

    def take_over(self) -> None:
        """Begin with what an earlier sync found."""
        if self.known is not None:
            self.data = replace(self.known.data, unreadable=None, unreadable_inputs=None)
            self.workflow = self.known.below.workflow
            self.tasks = {task.id.retry_attempt: task for task in self.known.below.tasks}
            self.nodes.update(self.known.below.nodes)

    def launch(self, identifier: core.WorkflowExecutionIdentifier) -> ExecutionDraft:
        """Put in the execution that it launched, as far as it is known."""
        known = Snapshot(admin.Execution(id=identifier))
        if self.known is not None and self.known.below.executions:
            known = self.known.below.executions[0].snapshot
        self.launched = ExecutionDraft.of(known, known, self.level.depth)
        return self.launched

    def finish(self, make: Make) -> FlyteNodeExecution:
        """What was read."""
        below = Below(
            tasks=tuple(task for _, task in sorted(self.tasks.items())),
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
