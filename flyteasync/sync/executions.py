"""Executions for programs without an event loop."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import Any, Self

from typing_extensions import override

from ..deadline import Duration
from ..errors import FlyteSystemException
from ..executions import FlyteNodeExecution as AioNode
from ..executions import FlyteTaskExecution as AioTask
from ..executions import FlyteWorkflowExecution as AioExecution
from ..executions import RemoteExecutionBase
from ..executions.base import Data
from ..executions.snapshot import Snapshot
from ..executions.state import WorkflowExecutionState
from ..interop import MessageLike, pb2_of
from ..watcher import Event, Name
from .blocking import Twin, blocking
from .watch import Watch

logger = logging.getLogger("flyteasync.sync")


def facade_of(execution: AioExecution) -> FlyteWorkflowExecution:
    """The blocking object that shows an async execution, always the same one while it is referred to."""
    shown = execution.facade() if execution.facade is not None else None
    if not isinstance(shown, FlyteWorkflowExecution):
        shown = object.__new__(FlyteWorkflowExecution)
        shown.show(execution)
    return shown


async def looked_at(execution: AioExecution) -> AioExecution:
    """An execution as flytekit returns it from a launch: how far it is, and the nodes of one that was awaited."""
    try:
        return await execution.sync(sync_nodes=execution.is_done and execution.snapshot.loaded)
    except FlyteSystemException as error:
        # It was launched: an error would make its caller launch it again.
        extra = Name.of(execution.id).extra()
        logger.warning("launched %s, but could not look at it: %s", execution.short_string(), error, extra=extra)
        return execution


def node_facade_of(node: AioNode) -> FlyteNodeExecution:
    """A node as the facade shows it: the same state under the facade's class."""
    shown = object.__new__(FlyteNodeExecution)
    vars(shown).update(vars(node))
    return shown


def task_facade_of(task: AioTask) -> FlyteTaskExecution:
    """An attempt as the facade shows it: the same state under the facade's class."""
    shown = object.__new__(FlyteTaskExecution)
    vars(shown).update(vars(task))
    return shown


class FlyteTaskExecution(AioTask):
    """One attempt of a task, as it was when its execution's nodes were synced."""

    @override
    def to_flyte_idl(self) -> Any:
        """The message, of flyteidl's own class.

        Raises:
            FlyteUsageError: flyteidl is not installed.
        """
        return pb2_of(self._model)

    @override
    def _generated(self) -> Any:
        return self._model


class FlyteNodeExecution(AioNode):
    """A node of an execution, as it was when the execution's nodes were synced."""

    @property
    @override
    def task_executions(self) -> list[FlyteTaskExecution]:  # pyright: ignore[reportIncompatibleMethodOverride] # to read
        """The attempts of the node's task, first to last."""
        return list(self._tasks)

    @property
    @override
    def workflow_executions(self) -> list[FlyteWorkflowExecution]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The executions that the node's launch plan launched."""
        return [facade_of(launched) for launched in self._below.executions]

    @property
    @override
    def subworkflow_node_executions(self) -> Mapping[str, FlyteNodeExecution]:
        """The nodes below this one, by node id."""
        return self._nodes

    @property
    @override
    def executions(self) -> list[RemoteExecutionBase]:
        """What the node consists of: its task's attempts, else the nodes below it, else the executions it launched."""
        return [*(self.task_executions or list(self._nodes.values()) or self.workflow_executions)]

    @override
    def to_flyte_idl(self) -> Any:
        """The message, of flyteidl's own class.

        Raises:
            FlyteUsageError: flyteidl is not installed.
        """
        return pb2_of(self._model)

    @override
    def _generated(self) -> Any:
        return self._model

    @cached_property
    def _tasks(self) -> list[FlyteTaskExecution]:
        return [task_facade_of(task) for task in self._below.tasks]

    @cached_property
    def _nodes(self) -> Mapping[str, FlyteNodeExecution]:
        return {name: node_facade_of(node) for name, node in self._below.nodes.items()}


class FlyteWorkflowExecution(WorkflowExecutionState):
    """An execution of a workflow, a launch plan or a single task, whose verbs block.

    The properties are those of `flyteasync.FlyteWorkflowExecution`.
    """

    def __init__(
        self,
        type_hints: dict[str, type] | None = None,
        remote: Twin | None = None,
        *,
        id: MessageLike,
        spec: MessageLike | None = None,
        closure: MessageLike | None = None,
    ) -> None:
        """Describe an execution; costs no RPC. Arguments are those of `flyteasync.FlyteWorkflowExecution`."""
        self.show(AioExecution(type_hints, None if remote is None else remote.aio, id=id, spec=spec, closure=closure))

    @classmethod
    def promote_from_model(
        cls,
        base_model: MessageLike,
        remote: Twin | None = None,
        type_hints: dict[str, type] | None = None,
    ) -> Self:
        """The execution that a message describes; see `flyteasync.FlyteWorkflowExecution.promote_from_model`."""
        shown = object.__new__(cls)
        shown.show(AioExecution.promote_from_model(base_model, None if remote is None else remote.aio, type_hints))
        return shown

    @classmethod
    def from_flyte_idl(cls, pb: MessageLike) -> Self:
        """The execution that a message describes, without a remote."""
        return cls.promote_from_model(pb)

    sync = blocking(AioExecution.sync, facade_of)
    # As in flytekit, a wait here ends with a sync of the nodes.
    wait = blocking(AioExecution.wait, facade_of, defaults={"sync_nodes": True})
    result = blocking(AioExecution.result)
    terminate = blocking(AioExecution.terminate)
    relaunch = blocking(AioExecution.relaunch, facade_of, then=looked_at)
    recover = blocking(AioExecution.recover, facade_of, then=looked_at)
    fetch_workflow = blocking(AioExecution.fetch_workflow)
    fetch_node = blocking(AioExecution.fetch_node, node_facade_of)

    def show(self, execution: AioExecution) -> None:
        """Be the blocking object that shows an async execution; for `facade_of` and constructors."""
        self._aio = execution
        self._shown: tuple[Mapping[str, AioNode], Mapping[str, FlyteNodeExecution]] = ({}, {})
        execution.facade = weakref.ref(self)  # a cycle would keep the remote's connection open until it is collected

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
    @override
    def execution_url(self) -> str | None:
        """Where Flyte's console shows this execution; None if it was made without a remote."""
        return self._aio.execution_url

    @property
    @override
    def node_executions(self) -> Mapping[str, FlyteNodeExecution]:
        """The top level of the node tree by node id; empty until the nodes were synced."""
        nodes = self.snapshot.nodes
        if self._shown[0] is not nodes:
            self._shown = nodes, {name: node_facade_of(node) for name, node in nodes.items()}
        return self._shown[1]

    @property
    @override
    def snapshot(self) -> Snapshot:
        """All that the properties show, at one moment."""
        return self._aio.snapshot

    @override
    def to_flyte_idl(self) -> Any:
        """The last message, of flyteidl's own class.

        Raises:
            FlyteUsageError: flyteidl is not installed.
        """
        return pb2_of(self.snapshot.execution)

    @property
    @override
    def _data(self) -> Data:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._aio.snapshot.data
