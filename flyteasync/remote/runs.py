"""The executions of `execute_many`, as the caller sees them: one task launches, the watcher waits, the caller takes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self

import anyio

from ..cleanup import to_the_end
from ..deadline import Deadline
from ..errors import FlyteEntityNotExistException, FlyteError, FlyteUsageError
from ..executions import FlyteWorkflowExecution
from ..watcher import Name
from .completions import Completions, Outcome
from .driving import Driver, RunSettings
from .items import Inputs, Names
from .launcher import Launcher

if TYPE_CHECKING:
    from .launch import Launching

logger = logging.getLogger("flyteasync.launch")

TERMINATING = 32
"""Executions that are terminated at the same time when a block is left."""

LAUNCH_LIMIT = 5.0
"""Seconds that halting, and terminating what runs, waits for launches under way and for values that are loaded."""

EXIT_LIMIT = 30.0
"""Seconds that leaving a block spends on terminating executions."""


class Runs:
    """The executions of `execute_many`: an async context manager, and inside of it an async iterator of outcomes."""

    def __init__(
        self,
        remote: Launching,
        launcher: Callable[[], Awaitable[Launcher]],
        inputs: Inputs,
        names: Names | None,
        settings: RunSettings,
    ) -> None:
        self._remote = remote
        self._make_launcher = launcher
        self._inputs = inputs
        self._names = names
        self._settings = settings
        self._queue: Completions | None = None
        self._driver: Driver | None = None
        self._driving: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._expiring: asyncio.Task[None] | None = None

    def stop(self) -> None:
        """Launch nothing more; what runs goes on, and what was not launched has FlyteNotLaunched as its outcome.

        Inputs that are a sequence are all accounted for; of others, only those that were taken. To be called inside
        of the block.
        """
        self._entered()[1].stop()

    async def halt(self) -> list[FlyteWorkflowExecution]:
        """Stop launching and leave what runs alone: the iteration ends with the outcomes that there are.

        Launches under way are brought to their end, and values loaded, for 5 seconds at the most. To be called while
        another task iterates, or before going on to iterate: every input that was taken, and is not among what is
        returned, has an outcome then.

        Returns:
            The executions that have no outcome, for which nobody waits any more: they run on, or what they left could
            not be loaded in time.
        """
        queue, driver, _ = self._entered()
        driver.let_go()
        deadline = Deadline.after(LAUNCH_LIMIT)
        await self._land(deadline)
        await queue.loaded(deadline)
        left = queue.leave()
        for index, _ in left:
            driver.launched.pop(index, None)
        return [execution for _, execution in left]

    async def __aenter__(self) -> Self:
        if self._driving is not None:
            raise FlyteUsageError("the block of one execute_many is entered once")
        settings, loop = self._settings, asyncio.get_running_loop()
        deadline = Deadline.after(settings.timeout)
        queue = self._queue = Completions(
            self._remote.watcher,
            ceiling=settings.ceiling,
            values=settings.outputs,
            deadline=deadline,
            on_end=lambda: driver.one_ended(),
        )
        driver = self._driver = Driver(self._remote, queue, self._inputs, self._names, settings)
        self._driving = loop.create_task(driver.run(self._make_launcher), name="flyteasync execute_many")
        if settings.timeout is not None:
            self._timer = loop.call_at(deadline.at, self._expire)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        queue, driver, driving = self._entered()
        # All that needs no waiting comes first: whoever is cancelled twice has it done, too.
        if self._timer is not None:
            self._timer.cancel()
        driver.let_go()
        queue.close()
        if not self._settings.terminate_on_exit:
            driving.cancel()
        await to_the_end(self._leave(queue, driver, driving))

    def __aiter__(self) -> AsyncIterator[Outcome]:
        return self

    async def __anext__(self) -> Outcome:
        queue, driver, driving = self._entered()
        outcome = await queue.take()
        if outcome is None:
            if not driving.cancelled():
                await driving  # raises what the inputs raised
            raise StopAsyncIteration
        driver.taken(outcome)
        if self._settings.stop_on_failure and not outcome.is_successful:
            driver.stop()
        return outcome

    def _entered(self) -> tuple[Completions, Driver, asyncio.Task[None]]:
        if self._queue is None or self._driver is None or self._driving is None:
            raise FlyteUsageError("execute_many is used as `async with remote.execute_many(...) as runs:`")
        return self._queue, self._driver, self._driving

    def _expire(self) -> None:
        """The time is over, whether anybody takes outcomes or not."""
        queue, driver, _ = self._entered()
        late = f"{self._settings.timeout:g} s"
        queue.expire(late)
        driver.let_go(late)
        loop = asyncio.get_running_loop()
        self._expiring = loop.create_task(self._land(Deadline.after(LAUNCH_LIMIT)), name="flyteasync execute_many ends")

    async def _land(self, deadline: Deadline) -> None:
        """Have the driver end soon after it was told to let go, with an outcome for all that it has not launched."""
        _, _, driving = self._entered()
        await asyncio.wait([driving], timeout=deadline.remaining())
        driving.cancel()
        await asyncio.wait([driving])

    async def _leave(self, queue: Completions, driver: Driver, driving: asyncio.Task[None]) -> None:
        if self._settings.terminate_on_exit:
            await self._land(Deadline.after(LAUNCH_LIMIT))  # so that it is known what there is to terminate
        await asyncio.wait([driving] if self._expiring is None else [driving, self._expiring])
        await queue.aclose()
        if not driving.cancelled():
            driving.exception()  # seen; whoever iterated to the end was told
        if self._settings.terminate_on_exit:
            with anyio.move_on_after(EXIT_LIMIT):
                await self._terminate(driver)

    async def _terminate(self, driver: Driver) -> None:
        """Terminate what was launched and may still run, and what may have been launched."""
        places = anyio.Semaphore(TERMINATING)

        async def one(execution: FlyteWorkflowExecution, *, in_doubt: bool) -> None:
            async with places:
                try:
                    await execution.terminate("left by execute_many")
                except FlyteError as error:
                    if in_doubt and isinstance(error, FlyteEntityNotExistException):
                        return
                    name = Name.of(execution.id)
                    logger.warning("execution %s could not be terminated: %s", name, error, extra=name.extra())

        async with anyio.create_task_group() as group:
            for execution in driver.launched.values():
                if not execution.is_done:
                    group.start_soon(partial(one, execution, in_doubt=False))
            for name in driver.in_doubt.values():
                execution = FlyteWorkflowExecution(remote=self._remote, id=name.identifier())
                group.start_soon(partial(one, execution, in_doubt=True))
