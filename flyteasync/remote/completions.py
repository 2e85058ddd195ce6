"""Many executions as they finish: no task waits for any of them, and few are loaded at a time."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from ..deadline import NEVER, Deadline
from ..errors import FlyteError, FlyteSystemException, FlyteTimeout
from ..executions import FlyteWorkflowExecution
from ..executions.base import phase_name
from ..executions.state import WorkflowExecutionState
from ..idl import admin, core
from ..watcher import Name, Wait, Watcher
from ..watcher.patience import Patience, Trouble, with_trouble

Phase = core.WorkflowExecutionPhase

logger = logging.getLogger("flyteasync.launch")

LOADING = 32
"""Executions whose values are loaded at the same time."""


E = TypeVar("E", bound=WorkflowExecutionState)


@dataclass(frozen=True)
class OutcomeOf(Generic[E]):
    """What became of one of many executions.

    Attributes:
        index: the place among the inputs or executions that were given; the first is 0.
        name: of the execution that there is, or may be; empty if none was launched, and no name was given.
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
        self,
        watcher: Watcher,
        *,
        ceiling: float | None,
        values: bool = True,
        deadline: Deadline = NEVER,
        on_end: Callable[[], None] | None = None,
    ) -> None:
        self._watcher = watcher
        self._ceiling = ceiling
        self._deadline = deadline
        self._values = values
        self._on_end = on_end
        self._patience = Patience()
        self._open: dict[int, tuple[FlyteWorkflowExecution, Wait | None]] = {}
        self._seen: deque[tuple[int, FlyteWorkflowExecution, admin.Execution]] = deque()
        self._loading: set[asyncio.Task[None]] = set()
        self._ready: deque[Outcome] = deque()
        self._wake = asyncio.Event()
        self._taken = 0
        self._total: int | None = None
        self._late: str | None = None
        self._closed = False

    @property
    def unfinished(self) -> list[str]:
        """The names of the executions that were added and have no outcome yet, with what was seen of them."""
        return [_seen(execution, wait) for execution, wait in self._open.values()]

    @property
    def trouble(self) -> Trouble | None:
        """What is met instead of answers about an execution without an outcome; None if there are answers."""
        met = (self._trouble_of(execution, wait) for execution, wait in self._open.values())
        return next((trouble for trouble in met if trouble is not None), None)

    def add(self, index: int, execution: FlyteWorkflowExecution) -> None:
        """Wait for one more execution; not any more if the queue was closed."""
        if self._closed:
            return
        if self._late is not None:
            self._give_up(index, execution, None)
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
            self._give_up(index, execution, wait)
            if wait is not None:
                self._watcher.forget(wait)
        self._drop()

    async def loaded(self, deadline: Deadline) -> None:
        """Return when everything that was seen to end has its outcome, or at the deadline."""
        while self._loading and deadline.remaining():
            await asyncio.wait(self._loading, timeout=deadline.remaining(), return_when=asyncio.FIRST_COMPLETED)

    def leave(self) -> list[tuple[int, FlyteWorkflowExecution]]:
        """Wait no more for what has no outcome yet: it will have none, and counts no more. Returns it, by its index."""
        left = [(index, execution) for index, (execution, _) in self._open.items()]
        self._drop()
        if self._total is not None:
            self._total -= len(left)
        self._wake.set()
        return left

    async def take(self) -> Outcome | None:
        """The next outcome, as soon as there is one; None after the last one."""
        while not self._ready:
            if self._taken == self._total or self._closed:
                return None
            self._wake.clear()
            await self._wake.wait()
        self._taken += 1
        return self._ready.popleft()

    def close(self) -> None:
        """Wait for nothing more, and load nothing more; what is there already may still be taken."""
        self._closed = True
        self._drop()
        self._wake.set()

    async def aclose(self) -> None:
        """As `close`; returns when all tasks have ended."""
        self.close()
        if self._loading:
            await asyncio.wait(self._loading)

    def _drop(self) -> None:
        for _, wait in self._open.values():
            if wait is not None:
                self._watcher.forget(wait)
        self._open.clear()
        self._seen.clear()
        for task in self._loading:
            task.cancel()

    def _give_up(self, index: int, execution: FlyteWorkflowExecution, wait: Wait | None) -> None:
        if execution.is_done or (wait is None and index in self._open):
            text = (
                f"execution {Name.of(execution.id)} has finished, but what it left was not loaded within {self._late}"
            )
        else:
            text = f"execution {_seen(execution, wait)} did not finish within {self._late}"
        late = FlyteTimeout(text, identifier=str(Name.of(execution.id)))
        self.put(Outcome(index, execution.id.name, error=with_trouble(late, self._trouble_of(execution, wait))))

    def _trouble_of(self, execution: FlyteWorkflowExecution, wait: Wait | None) -> Trouble | None:
        name = Name.of(execution.id)
        return self._patience.trouble(name) if wait is None else wait.watcher.trouble(name)

    def _ended(self, index: int, future: asyncio.Future[admin.Execution]) -> None:
        """The watcher's answer is here."""
        if future.cancelled() or index not in self._open:
            return
        if self._on_end is not None:
            self._on_end()
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
            await execution.finish(message, values=self._values, patience=self._patience, deadline=self._deadline)
        except Exception as error:  # noqa: BLE001 - whatever it is, whoever takes outcomes waits for this one
            outcome = Outcome(index, execution.id.name, error=_ours(error))
        else:
            outcome = Outcome(index, execution.id.name, execution)
        if index in self._open:  # else it was given up meanwhile
            self.put(outcome)


def _seen(execution: FlyteWorkflowExecution, wait: Wait | None) -> str:
    """An execution's name, with its phase if anybody saw one."""
    phase = execution.snapshot.phase if wait is None or wait.target.phase is None else wait.target.phase
    name = str(Name.of(execution.id))
    return name if phase == Phase.UNDEFINED else f"{name} ({phase_name(phase)})"


def _ours(error: BaseException) -> FlyteError:
    """The error as one of the package's; another one is a defect of ours, which must not stop the others."""
    if isinstance(error, FlyteError):
        return error
    logger.error("an execution could not be shown", exc_info=error)
    return FlyteSystemException(f"the execution could not be shown: {error!r}")
