"""Many executions as they finish: no task waits for any of them, and few are loaded at a time."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from ..deadline import NEVER, Deadline
from ..errors import FlyteError, FlyteSystemException, FlyteTimeout
from ..executions import FlyteWorkflowExecution
from ..executions.state import WorkflowExecutionState
from ..idl import admin
from ..watcher import Name, Wait, Watcher
from ..watcher.patience import Trouble

logger = logging.getLogger("flyteasync.launch")

LOADING = 32
"""Executions whose values are loaded at the same time."""


E = TypeVar("E", bound=WorkflowExecutionState)


@dataclass(frozen=True)
class OutcomeOf(Generic[E]):
    """What became of one of many executions.

    Attributes:
        index: the place among the inputs or executions that were given; the first is 0.
        name: of the execution; empty if it was not launched.
        execution: finished, with its values loaded; None if it was not launched, or could not be awaited.
        error: why there is no execution; None if there is one, also if that failed.
    """

    index: int
    name: str
    execution: E | None = None
    error: FlyteError | None = None

    @property
    def is_successful(self) -> bool:
        """Whether there is an execution, and it succeeded."""
        return self.execution is not None and self.execution.is_successful


class Outcome(OutcomeOf[FlyteWorkflowExecution]):
    """What became of one of many executions, as the async package shows it."""


class Completions:
    """A queue of outcomes, fed by the watcher; holds at most what was added and not taken.

    It ends when it was told how many outcomes there are in all, and all of them were taken.
    """

    def __init__(
        self, watcher: Watcher, *, ceiling: float | None, values: bool = True, deadline: Deadline = NEVER
    ) -> None:
        self._watcher = watcher
        self._ceiling = ceiling
        self._deadline = deadline
        self._values = values
        self._open: dict[int, tuple[FlyteWorkflowExecution, Wait | None]] = {}
        self._seen: deque[tuple[int, FlyteWorkflowExecution, admin.Execution]] = deque()
        self._loading: set[asyncio.Task[None]] = set()
        self._ready: deque[Outcome] = deque()
        self._wake = asyncio.Event()
        self._taken = 0
        self._total: int | None = None
        self._late: str | None = None

    @property
    def unfinished(self) -> list[FlyteWorkflowExecution]:
        """The executions that were added and have no outcome yet."""
        return [execution for execution, _ in self._open.values()]

    @property
    def trouble(self) -> Trouble | None:
        """What is met instead of answers about an execution without an outcome; None if there are answers."""
        met = (wait.watcher.trouble(wait.target.name) for _, wait in self._open.values() if wait is not None)
        return next((trouble for trouble in met if trouble is not None), None)

    def add(self, index: int, execution: FlyteWorkflowExecution) -> None:
        """Wait for one more execution."""
        if self._late is not None:
            self._give_up(index, execution)
            return
        if execution.is_done:
            self._open[index] = execution, None
            self._see(index, execution, execution.to_flyte_idl())
            return
        name = Name.of(execution.id)
        # The poller of its own remote: executions of several remotes may be awaited together.
        wait = execution.watcher.register(
            name, ceiling=self._ceiling, known=execution.snapshot.existing, deadline=self._deadline
        )
        self._open[index] = execution, wait
        wait.future.add_done_callback(partial(self._ended, index))

    def put(self, outcome: Outcome) -> None:
        """Add an outcome that needs no waiting."""
        self._open.pop(outcome.index, None)
        self._ready.append(outcome)
        self._wake.set()

    def end(self, total: int) -> None:
        """Tell how many outcomes there are in all."""
        self._total = total
        self._wake.set()

    def expire(self, within: str) -> None:
        """Wait for nothing more: what has no outcome yet, or is added from now on, has a FlyteTimeout."""
        self._late = within
        for index, (execution, wait) in list(self._open.items()):
            if wait is not None:
                self._watcher.forget(wait)
            self._give_up(index, execution)

    def leave(self) -> list[FlyteWorkflowExecution]:
        """Wait no more for what runs: it will have no outcome, and counts no more. Returns it."""
        left: list[FlyteWorkflowExecution] = []
        for index, (execution, wait) in list(self._open.items()):
            if wait is None or wait.future.done():
                continue  # it has ended, and its outcome is on its way
            self._watcher.forget(wait)
            del self._open[index]
            left.append(execution)
        if self._total is not None:
            self._total -= len(left)
        self._wake.set()
        return left

    async def take(self) -> Outcome | None:
        """The next outcome, as soon as there is one; None after the last one."""
        while not self._ready:
            if self._taken == self._total:
                return None
            self._wake.clear()
            await self._wake.wait()
        self._taken += 1
        return self._ready.popleft()

    async def aclose(self) -> None:
        """Stop waiting and loading."""
        for _, wait in self._open.values():
            if wait is not None:
                self._watcher.forget(wait)
        self._open.clear()
        self._seen.clear()
        for task in self._loading:
            task.cancel()
        if self._loading:
            await asyncio.wait(self._loading)

    def _give_up(self, index: int, execution: FlyteWorkflowExecution) -> None:
        text = f"execution {execution.short_string()} did not finish within {self._late}"
        self.put(Outcome(index, execution.id.name, error=FlyteTimeout(text, identifier=str(Name.of(execution.id)))))

    def _ended(self, index: int, future: asyncio.Future[admin.Execution]) -> None:
        """The watcher's answer is here."""
        if future.cancelled() or index not in self._open:
            return
        execution, wait = self._open[index]
        if wait is not None:
            self._watcher.forget(wait)
            self._open[index] = execution, None
        error = future.exception()
        if error is None:
            self._see(index, execution, future.result())
        else:
            self.put(Outcome(index, execution.id.name, error=_ours(error)))

    def _see(self, index: int, execution: FlyteWorkflowExecution, message: admin.Execution) -> None:
        self._seen.append((index, execution, message))
        self._load_next()

    def _load_next(self) -> None:
        while self._seen and len(self._loading) < LOADING:
            self._spawn(self._load(*self._seen.popleft()))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._loading.add(task)
        task.add_done_callback(self._loaded)

    def _loaded(self, task: asyncio.Task[None]) -> None:
        self._loading.discard(task)
        if not task.cancelled():
            self._load_next()

    async def _load(self, index: int, execution: FlyteWorkflowExecution, message: admin.Execution) -> None:
        try:
            await execution.finish(message, values=self._values)
        except Exception as error:  # noqa: BLE001 - whatever it is, whoever takes outcomes waits for this one
            outcome = Outcome(index, execution.id.name, error=_ours(error))
        else:
            outcome = Outcome(index, execution.id.name, execution)
        if index in self._open:  # else it was given up meanwhile
            self.put(outcome)


def _ours(error: BaseException) -> FlyteError:
    """The error as one of the package's; another one is a defect of ours, which must not stop the others."""
    if isinstance(error, FlyteError):
        return error
    logger.error("an execution could not be shown", exc_info=error)
    return FlyteSystemException(f"the execution could not be shown: {error!r}")
