"""One attempt of a task."""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar, Self

from typing_extensions import override

from ..entities import EntityKey, FlyteTask
from ..idl import admin, core
from ..interop import MessageLike, message_of
from ..watcher import Name
from .base import ABORTED_CODE, Data, RemoteExecutionBase, phase_name

TaskPhase = core.TaskExecutionPhase

TERMINAL_TASK_PHASES = frozenset({TaskPhase.SUCCEEDED, TaskPhase.FAILED, TaskPhase.ABORTED})
"""The phases that a task execution never leaves; RETRYABLE_FAILED is none of them."""


class FlyteTaskExecution(RemoteExecutionBase):
    """One attempt of a task, as it was when its execution's nodes were synced."""

    _loading: ClassVar[str] = "`await execution.sync(sync_nodes=True)` of the whole execution"

    def __init__(self, model: MessageLike, data: Data | None = None, task: FlyteTask | None = None) -> None:
        """Describe an attempt.

        Args:
            model: a `flyteidl.admin.TaskExecution`: generated, of flyteidl or flytekit, or bytes.
            data: its inputs and outputs, if they were loaded.
            task: the task, as its workflow was compiled with it.

        Raises:
            FlyteTypeException: it is no such message.
        """
        self._model = message_of(admin.TaskExecution, model)
        self._data = data or Data()
        self._task = task

    @classmethod
    def promote_from_model(cls, base_model: MessageLike) -> Self:
        """The task execution that a message describes; without values, and without its task.

        Raises:
            FlyteTypeException: it is no `flyteidl.admin.TaskExecution`.
        """
        return cls(base_model)

    @classmethod
    def from_flyte_idl(cls, proto: MessageLike) -> Self:
        """The same as `promote_from_model`."""
        return cls(proto)

    @property
    def id(self) -> core.TaskExecutionIdentifier:
        """The task, the node execution and the number of the attempt."""
        return self._model.id or core.TaskExecutionIdentifier()

    @property
    def closure(self) -> admin.TaskExecutionClosure:
        """Phase, times, logs and metadata."""
        closure = self._model.closure
        return closure if closure is not None else admin.TaskExecutionClosure()

    @property
    def task(self) -> FlyteTask | None:
        """The task as its workflow was compiled with it; None if the workflow does not tell."""
        return self._task

    @property
    def data(self) -> Data:
        """The values, as far as they were loaded."""
        return self._data

    @property
    def input_uri(self) -> str:
        """Where the inputs are stored."""
        return self._model.input_uri

    @property
    def is_parent(self) -> bool:
        """Whether nodes were made by this task (dynamic tasks of old)."""
        return self._model.is_parent

    @property
    @override
    def is_done(self) -> bool:
        """Whether the attempt is over."""
        return self.closure.phase in TERMINAL_TASK_PHASES

    @property
    @override
    def error(self) -> core.ExecutionError | None:
        """Why the attempt failed or was aborted; None if it succeeded. Raises FlyteAssertion while it runs."""
        self._require_done()
        if self.closure.error is not None:
            return self.closure.error
        if self.closure.phase == TaskPhase.ABORTED:
            return core.ExecutionError(code=ABORTED_CODE, message=self.closure.reason or "the task was aborted")
        if self.closure.phase == TaskPhase.FAILED:
            return core.ExecutionError(code="Unknown", message=self.closure.reason or "the task failed")
        return None

    @override
    def to_flyte_idl(self) -> admin.TaskExecution:
        """The message."""
        return self._model

    @override
    def short_string(self) -> str:
        """Task, attempt and phase."""
        task = self.id.task_id.name if self.id.task_id is not None else ""
        return f"task {task} attempt {self.id.retry_attempt} ({phase_name(TaskPhase(self.closure.phase))})"

    @override
    def _key(self) -> Hashable:
        node = self.id.node_execution_id or core.NodeExecutionIdentifier()
        task = EntityKey.of(self.id.task_id or core.Identifier())
        return Name.of(node.execution_id), node.node_id, task, self.id.retry_attempt
