"""Nodes of executions, and attempts of their tasks, for programs without an event loop."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from ..executions import FlyteNodeExecution as AioNode
from ..executions import FlyteTaskExecution as AioTask
from ..executions import RemoteExecutionBase
from ..interop import pb2_of

if TYPE_CHECKING:
    from .executions import FlyteWorkflowExecution

LOADING_NODES = "`execution.sync(sync_nodes=True)` of the whole execution"
"""What loads values, for those who ask for them before."""


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

    _loading: ClassVar[str] = LOADING_NODES

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

    _loading: ClassVar[str] = LOADING_NODES

    @property
    @override
    def task_executions(self) -> list[FlyteTaskExecution]:  # pyright: ignore[reportIncompatibleMethodOverride] # to read
        """The attempts of the node's task, first to last."""
        return list(self._tasks)

    @property
    @override
    def workflow_executions(self) -> list[FlyteWorkflowExecution]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The executions that the node's launch plan launched."""
        from .executions import facade_of  # which shows nodes, as these show executions

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
