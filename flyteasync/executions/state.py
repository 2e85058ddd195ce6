"""The state of an execution, as properties without I/O: what the async and the blocking class share."""

from __future__ import annotations

import weakref
from abc import abstractmethod
from collections.abc import Hashable, Mapping

from typing_extensions import override

from ..codec import Message
from ..entities import FlyteWorkflow
from ..entities.rendering import link_html
from ..idl import admin, core
from ..watcher import Name
from ..watcher.plan import Phase
from .base import ABORTED_CODE, TIMED_OUT_CODE, Data, RemoteExecutionBase, phase_name
from .node import FlyteNodeExecution
from .snapshot import Snapshot


class WorkflowExecutionState(RemoteExecutionBase):
    """Properties over the last snapshot."""

    facade: weakref.ref[object] | None = None
    """The blocking object that shows this execution; kept here so that there is one, made by `flyteasync.sync`."""

    @property
    @abstractmethod
    def snapshot(self) -> Snapshot:
        """All that the properties show, at one moment."""

    @property
    @abstractmethod
    def execution_url(self) -> str | None:
        """Where Flyte's console shows this execution; None if it was made without a remote."""

    @property
    def id(self) -> core.WorkflowExecutionIdentifier:
        """Project, domain and name."""
        identifier = self.snapshot.execution.id
        return identifier if identifier is not None else core.WorkflowExecutionIdentifier()

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
    def flyte_workflow(self) -> FlyteWorkflow | None:
        """The workflow that runs, as it is registered; None until it was fetched, or the nodes were synced."""
        return self.snapshot.workflow

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
        return core.ExecutionError(code=code, message=f"the execution ended as {phase_name(snapshot.phase)}")

    @property
    @override
    def _data(self) -> Data:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.snapshot.data

    @override
    def short_string(self) -> str:
        """Name and phase."""
        return f"{Name.of(self.id)} ({phase_name(self.snapshot.phase)})"

    @override
    def _generated(self) -> Message:
        return self.snapshot.execution

    @override
    def _key(self) -> Hashable:
        return Name.of(self.id)

    @override
    def _repr_html_(self) -> str:
        return link_html(self.execution_url) + super()._repr_html_()
