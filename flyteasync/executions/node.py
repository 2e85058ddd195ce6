"""The execution of one node."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Self

from typing_extensions import override

from ..entities import FlyteNode, FlyteWorkflow, TypedInterface
from ..errors import FlyteAssertion
from ..idl import admin, core
from ..interop import MessageLike, message_of
from ..watcher import Name
from .base import ABORTED_CODE, TIMED_OUT_CODE, Data, RemoteExecutionBase, phase_name
from .task import FlyteTaskExecution

if TYPE_CHECKING:
    from ..literals import LiteralsResolver
    from .workflow import FlyteWorkflowExecution

NodePhase = core.NodeExecutionPhase

TERMINAL_NODE_PHASES = frozenset(
    {
        NodePhase.SUCCEEDED,
        NodePhase.FAILED,
        NodePhase.ABORTED,
        NodePhase.SKIPPED,
        NodePhase.TIMED_OUT,
        NodePhase.RECOVERED,
    }
)
"""The phases that a node execution never leaves."""

SUCCESSFUL_NODE_PHASES = frozenset({NodePhase.SUCCEEDED, NodePhase.RECOVERED})
"""The phases of a node that has outputs."""

_ENDS_WITHOUT_ERROR = {
    NodePhase.FAILED: core.ExecutionError(code="Unknown", message="the node failed"),
    NodePhase.ABORTED: core.ExecutionError(code=ABORTED_CODE, message="the node was aborted"),
    NodePhase.TIMED_OUT: core.ExecutionError(code=TIMED_OUT_CODE, message="the node timed out"),
}


@dataclass(frozen=True)
class Below:
    """What a node execution consists of, and what is known of it from its workflow.

    Attributes:
        tasks: the attempts of its task.
        nodes: the nodes of its sub-workflow, branch, dynamic workflow or array, by node id.
        executions: what it launched.
        definition: the node in the workflow; None if that could not be told.
        interface: the types of its inputs and outputs; None if they are not known.
        workflow: what a dynamic node generated.
        unread: why something of the node is missing; None if it was read whole.
    """

    tasks: tuple[FlyteTaskExecution, ...] = ()
    nodes: Mapping[str, FlyteNodeExecution] = field(default_factory=dict[str, "FlyteNodeExecution"])
    executions: tuple[FlyteWorkflowExecution, ...] = ()
    definition: FlyteNode | None = None
    interface: TypedInterface | None = None
    workflow: FlyteWorkflow | None = None
    unread: str | None = None


class FlyteNodeExecution(RemoteExecutionBase):
    """A node of an execution, as it was when the execution's nodes were synced."""

    _loading: ClassVar[str] = "`await execution.sync(sync_nodes=True)` of the whole execution"

    def __init__(self, model: MessageLike, data: Data | None = None, below: Below | None = None) -> None:
        """Describe a node.

        Args:
            model: a `flyteidl.admin.NodeExecution`: generated, of flyteidl or flytekit, or bytes.
            data: its inputs and outputs, if they were loaded.
            below: what it consists of, if that was read.

        Raises:
            FlyteTypeException: it is no such message.
        """
        self._model = message_of(admin.NodeExecution, model)
        self._data = data or Data()
        self._below = below or Below()

    @classmethod
    def promote_from_model(cls, base_model: MessageLike) -> Self:
        """The node execution that a message describes; without values, and with nothing below it.

        Raises:
            FlyteTypeException: it is no `flyteidl.admin.NodeExecution`.
        """
        return cls(base_model)

    @classmethod
    def from_flyte_idl(cls, p: MessageLike) -> Self:
        """The same as `promote_from_model`."""
        return cls(p)

    @property
    def id(self) -> core.NodeExecutionIdentifier:
        """The execution and the unique id of the node in it."""
        return self._model.id or core.NodeExecutionIdentifier()

    @property
    def closure(self) -> admin.NodeExecutionClosure:
        """Phase, times and what the node runs."""
        closure = self._model.closure
        return closure if closure is not None else admin.NodeExecutionClosure()

    @property
    def metadata(self) -> admin.NodeExecutionMetaData:
        """The node's id in the compiled workflow, and what kind of node it is."""
        metadata = self._model.metadata
        return metadata if metadata is not None else admin.NodeExecutionMetaData()

    @property
    def input_uri(self) -> str:
        """Where the inputs are stored."""
        return self._model.input_uri

    @property
    def task_executions(self) -> list[FlyteTaskExecution]:
        """The attempts of the node's task, first to last."""
        return list(self._below.tasks)

    @property
    def below(self) -> Below:
        """Its attempts, nodes and executions, and what the workflow tells of it."""
        return self._below

    @property
    def workflow_executions(self) -> list[FlyteWorkflowExecution]:
        """The execution that the node launched, if it did."""
        return list(self._below.executions)

    @property
    def executions(self) -> list[RemoteExecutionBase]:
        """What the node consists of: its task's attempts, else the nodes below it, else the execution it launched."""
        below = self._below
        return [*(below.tasks or tuple(below.nodes.values()) or below.executions)]

    @property
    def dynamic_workflow(self) -> FlyteWorkflow | None:
        """The workflow that a dynamic node has made, of which `subworkflow_node_executions` are the nodes."""
        return self._below.workflow

    @property
    def interface(self) -> TypedInterface | None:
        """The types of inputs and outputs; None if they are not known, as those of gates and branches."""
        return self._below.interface

    @property
    def subworkflow_node_executions(self) -> Mapping[str, FlyteNodeExecution]:
        """The nodes below this one, by node id."""
        return self._below.nodes

    @property
    @override
    def is_done(self) -> bool:
        """Whether the node is in a terminal phase."""
        return self.closure.phase in TERMINAL_NODE_PHASES

    @property
    def is_loaded(self) -> bool:
        """Whether this node and all below it were read, with their values."""
        below = self._below
        return (
            below.unread is None
            and self._data.is_whole(succeeded=self.closure.phase in SUCCESSFUL_NODE_PHASES)
            and all(node.is_loaded for node in below.nodes.values())
            and all(execution.snapshot.nodes_final for execution in below.executions)
        )

    @property
    def data(self) -> Data:
        """The values, as far as they were loaded."""
        return self._data

    @property
    @override
    def error(self) -> core.ExecutionError | None:
        """Why the node failed, was aborted or timed out; None if it did not. Raises FlyteAssertion while it runs."""
        self._require_done()
        if self.closure.error is not None:
            return self.closure.error
        return _ENDS_WITHOUT_ERROR.get(self.closure.phase)

    @property
    @override
    def outputs(self) -> LiteralsResolver:
        """The outputs.

        Raises:
            FlyteAssertion: the node is in progress, did not succeed, was skipped, or was not loaded.
        """
        if self.closure.phase == NodePhase.SKIPPED:
            raise FlyteAssertion(f"{self.short_string()} has no outputs: it was not run")
        return super().outputs

    @override
    def to_flyte_idl(self) -> admin.NodeExecution:
        """The message."""
        return self._model

    @override
    def short_string(self) -> str:
        """Node id and phase."""
        return f"node {self.id.node_id} ({phase_name(NodePhase(self.closure.phase))})"

    @override
    def _key(self) -> Hashable:
        return Name.of(self.id.execution_id), self.id.node_id
