"""The execution of one node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from typing_extensions import override

from ..errors import FlyteAssertion
from ..idl import admin, core
from .base import ABORTED_CODE, TIMED_OUT_CODE, Data, RemoteExecutionBase
from .task import FlyteTaskExecution

if TYPE_CHECKING:
    from ..literals import LiteralsResolver

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
    """What a node execution consists of.

    Attributes:
        tasks: the attempts of its task.
        nodes: the nodes of its sub-workflow, branch or dynamic workflow, by node id.
    """

    tasks: tuple[FlyteTaskExecution, ...] = ()
    nodes: Mapping[str, FlyteNodeExecution] = field(default_factory=dict[str, "FlyteNodeExecution"])


class FlyteNodeExecution(RemoteExecutionBase):
    """A node of an execution, as it was when the execution's nodes were synced."""

    def __init__(self, model: admin.NodeExecution, data: Data | None = None, below: Below | None = None) -> None:
        self._model = model
        self._data = data or Data()
        self._below = below or Below()

    @classmethod
    def promote_from_model(cls, base_model: admin.NodeExecution) -> Self:
        """The node execution that a message describes."""
        return cls(base_model)

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
        """Whether this node and all below it were read with their values."""
        return self._data.inputs is not None and all(node.is_loaded for node in self._below.nodes.values())

    @property
    @override
    def error(self) -> core.ExecutionError | None:
        """Why the node failed, was aborted or timed out; None if it did not. Raises FlyteAssertion while it runs."""
        self._require_done()
        if self.closure.error is not None:
            return self.closure.error
        return _ENDS_WITHOUT_ERROR.get(NodePhase(self.closure.phase))

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

    def to_flyte_idl(self) -> admin.NodeExecution:
        """The message."""
        return self._model

    @override
    def short_string(self) -> str:
        """Node id and phase."""
        return f"node {self.id.node_id} ({NodePhase(self.closure.phase).name})"
