"""The state of an execution, as properties without I/O: what the async and the blocking class share."""

from __future__ import annotations

import weakref
from abc import abstractmethod
from collections.abc import Mapping

from typing_extensions import override

from ..idl import admin, core
from ..watcher import Name
from ..watcher.plan import Phase
from .base import ABORTED_CODE, TIMED_OUT_CODE, Data, RemoteExecutionBase
from .node import FlyteNodeExecution
from .snapshot import Snapshot


class WorkflowExecutionState(RemoteExecutionBase):
    """Properties over the last snapshot; executions are equal, and hash alike, if their identifiers are equal."""

    facade: weakref.ref[object] | None = None
    """The blocking object that shows this execution; kept here so that there is one, made by `flyteasync.sync`."""

    @property
    @abstractmethod
    def snapshot(self) -> Snapshot:
        """All that the properties show, at one moment."""

    @property
    def id(self) -> core.WorkflowExecutionIdentifier:
        """Project, domain and name."""
        return self.snapshot.execution.id or core.WorkflowExecutionIdentifier()

    @property
    def spec(self) -> admin.ExecutionSpec:
        """What was launched, and how."""
        spec = self.snapshot.execution.spec
        return spec if spec is not None else admin.ExecutionSpec()

    @property
    def closure(self) -> admin.ExecutionClosure:
        """How far it is; with phase UNDEFINED before the first sync of a launched execution, never None."""
        return self.snapshot.closure

    @property
    def node_executions(self) -> Mapping[str, FlyteNodeExecution]:
        """The top level of the node tree by node id; empty until `sync(sync_nodes=True)`."""
        return self.snapshot.nodes

    @property
    @override
    def is_done(self) -> bool:
        """Whether the execution is in a terminal phase, as of the last sync."""
        return self.snapshot.done

    @property
    def is_successful(self) -> bool:
        """Whether the execution is known to have succeeded."""
        return self.snapshot.phase is Phase.SUCCEEDED

    @property
    @override
    def error(self) -> core.ExecutionError | None:
        """Why the execution failed, was aborted or timed out; None if it succeeded.

        Raises:
            FlyteAssertion: the execution is in progress.
        """
        self._require_done()
        snapshot = self.snapshot
        if snapshot.phase is Phase.SUCCEEDED:
            return None
        if snapshot.closure.error is not None:
            return snapshot.closure.error
        if snapshot.phase is Phase.ABORTED:
            abort = snapshot.closure.abort_metadata
            cause = abort.cause if abort is not None else ""
            return core.ExecutionError(code=ABORTED_CODE, message=cause or "the execution was aborted")
        code = TIMED_OUT_CODE if snapshot.phase is Phase.TIMED_OUT else "Unknown"
        return core.ExecutionError(code=code, message=f"the execution ended as {snapshot.phase.name}")

    @property
    @override
    def _data(self) -> Data:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.snapshot.data

    def to_flyte_idl(self) -> admin.Execution:
        """The last message."""
        return self.snapshot.execution

    @override
    def short_string(self) -> str:
        """Name and phase."""
        return f"{Name.of(self.id)} ({self.snapshot.phase.name})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WorkflowExecutionState) and Name.of(other.id) == Name.of(self.id)

    def __hash__(self) -> int:
        return hash(Name.of(self.id))
