"""What drives `execute_many`: one task takes inputs and launches, the watcher waits, the caller takes outcomes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import anyio

from ..deadline import NEVER, Deadline
from ..entities import FlyteLaunchPlan, FlyteTask, FlyteWorkflow
from ..errors import FlyteError, FlyteInvalidInputException, FlyteNotLaunched, FlyteUsageError
from ..executions import FlyteWorkflowExecution
from ..executions.concurrent import first_of
from .completions import Completions, Outcome

if TYPE_CHECKING:
    from .launch import Launching

logger = logging.getLogger(__name__)

LAUNCHES_PER_SECOND = 80.0
"""Launches a second unless told otherwise; flyteadmin hands at most 100 a second to Kubernetes, and queues the rest."""

TERMINATING = 32
"""Executions that are terminated at the same time when a block is left."""

LAUNCH_LIMIT = 5.0
"""Seconds that leaving a block waits for launches under way, if they have to be terminated."""

EXIT_LIMIT = 30.0
"""Seconds that leaving a block spends on terminating executions."""

Inputs = Iterable[Mapping[str, Any]] | AsyncIterable[Mapping[str, Any]]


@dataclass(frozen=True)
class RunSettings:
    """The settings of `execute_many`, checked; see there."""

    max_running: int | None
    max_launching: int
    max_launch_rate: float | None
    outputs: bool
    stop_on_failure: bool
    terminate_on_exit: bool
    timeout: float | None
    ceiling: float | None


class Pace:
    """Spaces launches evenly; a burst after a pause is no faster than the rest."""

    def __init__(self, per_second: float | None) -> None:
        self._step = 0.0 if per_second is None else 1.0 / per_second
        self._next = 0.0

    async def wait(self) -> None:
        """Return when the next launch may begin."""
        now = asyncio.get_running_loop().time()
        begin = max(now, self._next)
        self._next = begin + self._step
        if begin > now:
            await asyncio.sleep(begin - now)


class Runs:
    """The executions of `execute_many`: an async context manager, and inside of it an async iterator of outcomes."""

    def __init__(
        self,
        remote: Launching,
        entity: FlyteLaunchPlan | FlyteWorkflow | FlyteTask,
        inputs: Inputs,
        names: list[str] | None,
        settings: RunSettings,
    ) -> None:
        self._remote = remote
        self._entity = entity
        self._inputs = inputs
        self._names = names
        self._settings = settings
        self._pace = Pace(settings.max_launch_rate)
        self._launching = asyncio.Semaphore(settings.max_launching)
        self._room = None if settings.max_running is None else asyncio.Semaphore(settings.max_running)
        self._queue: Completions | None = None
        self._driver: asyncio.Task[None] | None = None
        self._stopped = False
        self._deadline = NEVER

    def stop(self) -> None:
        """Launch nothing more; what runs goes on, and what was not launched has FlyteNotLaunched as its outcome.

        Inputs that are a sequence are all accounted for; of others, only those that were taken.
        """
        self._stopped = True

    async def __aenter__(self) -> Self:
        if self._driver is not None:
            raise FlyteUsageError("the block of one execute_many is entered once")
        settings = self._settings
        self._deadline = Deadline.after(settings.timeout)
        self._queue = Completions(self._remote.watcher, ceiling=settings.ceiling, values=settings.outputs)
        self._driver = asyncio.get_running_loop().create_task(self._drive(self._queue), name="flyteasync execute_many")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        queue, driver = self._entered()
        self.stop()
        if self._settings.terminate_on_exit:
            await self._launches_ended()
        driver.cancel()
        left = queue.unfinished
        with anyio.CancelScope(shield=True):
            await asyncio.wait([driver])
            await queue.aclose()
        if not driver.cancelled():
            driver.exception()  # seen; whoever iterated to the end was told
        if self._settings.terminate_on_exit and left:
            with anyio.move_on_after(EXIT_LIMIT, shield=True):
                await self._terminate(left)

    def __aiter__(self) -> AsyncIterator[Outcome]:
        return self

    async def __anext__(self) -> Outcome:
        queue, driver = self._entered()
        outcome = None
        with anyio.move_on_after(self._deadline.remaining()) as scope:
            outcome = await queue.take()
        if scope.cancelled_caught:
            self.stop()
            queue.expire(f"{self._settings.timeout:g} s")
            self._deadline = NEVER
            outcome = await queue.take()
        if outcome is None:
            await driver  # raises what the inputs raised
            raise StopAsyncIteration
        if self._room is not None:
            self._room.release()
        if self._settings.stop_on_failure and not outcome.is_successful:
            self.stop()
        return outcome

    def _entered(self) -> tuple[Completions, asyncio.Task[None]]:
        if self._queue is None or self._driver is None:
            raise FlyteUsageError("execute_many is used as `async with remote.execute_many(...) as runs:`")
        return self._queue, self._driver

    async def _drive(self, queue: Completions) -> None:
        """Take inputs as there is room for them, and launch."""
        count, failure = 0, None
        try:
            async with anyio.create_task_group() as group:
                try:
                    async for inputs in _each(self._inputs):
                        name = self._name(count)
                        launch = await self._may_launch()
                        if launch:
                            group.start_soon(self._launch, queue, count, name, inputs)
                        else:
                            queue.put(_not_launched(count, name))
                        count += 1
                        if not launch and not isinstance(self._inputs, Sequence):
                            break  # a sequence is accounted for to its end; what else there is, nobody knows
                except Exception as error:  # noqa: BLE001 - the inputs' own; what was launched is awaited first
                    failure = error
        except ExceptionGroup as failures:
            failure = first_of(failures)
        finally:
            queue.end(count)
        if failure is not None:
            raise failure

    async def _may_launch(self) -> bool:
        """Wait for room, a place and the pace; False if launching was stopped meanwhile."""
        if self._stopped:
            return False
        if self._room is not None:
            await self._room.acquire()
        await self._launching.acquire()
        await self._pace.wait()
        if not self._stopped:
            return True
        self._launching.release()
        return False

    async def _launch(self, queue: Completions, index: int, name: str | None, inputs: Mapping[str, Any]) -> None:
        try:
            execution = await self._remote.execute(self._entity, inputs, execution_name=name)
            queue.add(index, execution)
        except FlyteError as error:
            queue.put(Outcome(index, name or "", error=error))
        finally:
            self._launching.release()

    def _name(self, index: int) -> str | None:
        if self._names is None:
            return None
        if index >= len(self._names):
            raise FlyteInvalidInputException(f"there are {len(self._names)} names, and more inputs")
        return self._names[index]

    async def _launches_ended(self) -> None:
        """Let launches under way end, so that it is known what there is to terminate."""
        with anyio.move_on_after(LAUNCH_LIMIT, shield=True):
            for _ in range(self._settings.max_launching):
                await self._launching.acquire()

    async def _terminate(self, executions: list[FlyteWorkflowExecution]) -> None:
        places = anyio.Semaphore(TERMINATING)

        async def one(execution: FlyteWorkflowExecution) -> None:
            async with places:
                try:
                    await execution.terminate("left by execute_many")
                except FlyteError as error:
                    logger.warning("execution %s could not be terminated: %s", execution.id.name, error)

        async with anyio.create_task_group() as group:
            for execution in executions:
                group.start_soon(one, execution)


async def _each(inputs: Inputs) -> AsyncIterator[Mapping[str, Any]]:
    if isinstance(inputs, AsyncIterable):
        async for item in inputs:
            yield item
        return
    for item in inputs:
        yield item


def _not_launched(index: int, name: str | None) -> Outcome:
    error = FlyteNotLaunched(f"input {index} was not launched: launching was stopped", identifier=name)
    return Outcome(index, name or "", error=error)
