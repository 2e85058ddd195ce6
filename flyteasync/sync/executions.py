"""Executions for programs without an event loop."""

from __future__ import annotations

import weakref
from datetime import datetime

from typing_extensions import override

from ..deadline import Duration
from ..executions import FlyteWorkflowExecution as AioExecution
from ..executions.base import Data
from ..executions.snapshot import Snapshot
from ..executions.state import WorkflowExecutionState
from ..watcher import Event
from .blocking import blocking
from .watch import Watch


def facade_of(execution: AioExecution) -> FlyteWorkflowExecution:
    """The blocking object that shows an async execution, always the same one while it is referred to."""
    shown = execution.facade() if execution.facade is not None else None
    if not isinstance(shown, FlyteWorkflowExecution):
        shown = FlyteWorkflowExecution(execution)
        execution.facade = weakref.ref(shown)  # a cycle would keep the remote's connection open until it is collected
    return shown


class FlyteWorkflowExecution(WorkflowExecutionState):
    """An execution of a workflow, a launch plan or a single task, whose verbs block.

    The properties are those of `flyteasync.FlyteWorkflowExecution`.
    """

    def __init__(self, execution: AioExecution) -> None:
        """Show an async execution; remotes make these with `facade_of`."""
        self._aio = execution

    sync = blocking(AioExecution.sync, facade_of)
    # As in flytekit, a wait here ends with a sync of the nodes.
    wait = blocking(AioExecution.wait, facade_of, defaults={"sync_nodes": True})
    terminate = blocking(AioExecution.terminate)

    def watch(
        self, nodes: bool = False, since: Event | str | datetime | None = None, poll_interval: Duration | None = None
    ) -> Watch:
        """The changes of the execution's phase as they are seen; see `flyteasync.FlyteWorkflowExecution.watch`."""
        return Watch(self._aio.watch(nodes, since, poll_interval))

    @property
    def aio(self) -> AioExecution:
        """The async execution that this one shows; it belongs to the facade's own event loop."""
        return self._aio

    @property
    def execution_url(self) -> str:
        """Where Flyte's console shows this execution."""
        return self._aio.execution_url

    @property
    @override
    def snapshot(self) -> Snapshot:
        """All that the properties show, at one moment."""
        return self._aio.snapshot

    @property
    @override
    def _data(self) -> Data:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._aio.snapshot.data
