"""One attempt of a task."""

from __future__ import annotations

from typing import Self

from typing_extensions import override

from ..entities import FlyteTask
from ..idl import admin, core
from .base import ABORTED_CODE, Data, RemoteExecutionBase

TaskPhase = core.TaskExecutionPhase

TERMINAL_TASK_PHASES = frozenset({TaskPhase.SUCCEEDED, TaskPhase.FAILED, TaskPhase.ABORTED})
"""The phases that a task execution never leaves; RETRYABLE_FAILED is none of them."""


class FlyteTaskExecution(RemoteExecutionBase):
    """One attempt of a task, as it was when its execution's nodes were synced."""

    def __init__(self, model: admin.TaskExecution, data: Data | None = None, task: FlyteTask | None = None) -> None:
        self._model = model
        self._data = data or Data()
        self._task = task

    @classmethod
    def promote_from_model(cls, base_model: admin.TaskExecution) -> Self:
        """The task execution that a message describes."""
        return cls(base_model)

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

    def to_flyte_idl(self) -> admin.TaskExecution:
        """The message."""
        return self._model

    @override
    def short_string(self) -> str:
        """Task, attempt and phase."""
        task = self.id.task_id.name if self.id.task_id is not None else ""
        return f"{task} attempt {self.id.retry_attempt} ({TaskPhase(self.closure.phase).name})"
