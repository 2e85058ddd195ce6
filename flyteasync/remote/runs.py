"""What drives `execute_many`: one task takes inputs and launches, the watcher waits, the caller takes outcomes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

import anyio
from anyio.abc import TaskGroup

from ..deadline import NEVER, Deadline
from ..errors import FlyteDeadlineExceeded, FlyteError, FlyteNotLaunched, FlyteSystemException, FlyteUsageError
from ..executions import FlyteWorkflowExecution
from ..idl import admin
from ..watcher import Name
from .completions import Completions, Outcome
from .items import Inputs, Item, Names, items_of
from .launcher import Launcher
from .lookup import Lookup
from .names import generate_name

if TYPE_CHECKING:
    from .launch import Launching

logger = logging.getLogger("flyteasync.launch")

TERMINATING = 32
"""Executions that are terminated at the same time when a block is left."""

LAUNCH_LIMIT = 5.0
"""Seconds that halting, and terminating what runs, waits for launches under way."""

EXIT_LIMIT = 30.0
"""Seconds that leaving a block spends on terminating executions."""


@dataclass(frozen=True)
class RunSettings:
    """The settings of `execute_many`, checked; see there."""

    prefix: str | None
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

    async def wait(self, stopped: asyncio.Event) -> None:
        """Return when the next launch may begin, or launching was stopped."""
        now = asyncio.get_running_loop().time()
        begin = max(now, self._next)
        self._next = begin + self._step
        if begin > now:
            with anyio.move_on_after(begin - now):
                await stopped.wait()


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
        self._pace = Pace(settings.max_launch_rate)
        self._launching = asyncio.Semaphore(settings.max_launching)
        self._room = None if settings.max_running is None else asyncio.Semaphore(settings.max_running)
        self._queue: Completions | None = None
        self._driver: asyncio.Task[None] | None = None
        self._reading: anyio.CancelScope | None = None
        self._stopped = asyncio.Event()
        self._accounting = False
        self._deadline = NEVER

    def stop(self) -> None:
        """Launch nothing more; what runs goes on, and what was not launched has FlyteNotLaunched as its outcome.

        Inputs that are a sequence are all accounted for; of others, only those that were taken.
        """
        if self._stopped.is_set():
            return
        self._stopped.set()
        if self._reading is not None:
            self._reading.cancel()  # inputs may be long in coming
        for held in (self._room, self._launching):
            if held is not None:
                held.release()  # the driver may wait for it; nobody else takes one any more

    async def halt(self) -> list[FlyteWorkflowExecution]:
        """Stop launching and leave what runs alone: the iteration ends with the outcomes that there are.

        Launches under way are brought to their end, for 5 seconds at the most. To be called while another task
        iterates, or before going on to iterate: every input that was taken, and is not among what is returned, has an
        outcome then.

        Returns:
            The executions that run on, for which nobody waits any more.
        """
        queue, driver = self._entered()
        self.stop()
        await self._land(driver)
        return queue.leave()

    async def _land(self, driver: asyncio.Task[None]) -> None:
        """Have the driver end soon after a stop, with an outcome for all that it has not launched."""
        await asyncio.wait([driver], timeout=LAUNCH_LIMIT)
        if not driver.done():
            self._accounting = True
            driver.cancel()
            await asyncio.wait([driver])

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
            with anyio.CancelScope(shield=True):
                await asyncio.wait([driver], timeout=LAUNCH_LIMIT)  # so that it is known what there is to terminate
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
            await self._land(driver)
            outcome = await queue.take()
        if outcome is None:
            if not driver.cancelled():
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
        driver, failure = None, None
        try:
            driver = _Driver(self._remote, await self._make_launcher(), self._settings.prefix, queue)
            async with anyio.create_task_group() as group:
                try:
                    await self._take(driver, group)
                except Exception as error:  # noqa: BLE001 - the inputs' own; what was launched is awaited first
                    failure = error
        finally:
            queue.end(0 if driver is None else driver.taken)
        if failure is not None:
            raise failure

    async def _take(self, driver: _Driver, group: TaskGroup) -> None:
        async with aclosing(items_of(self._inputs, self._names)) as batches:
            while batch := await self._read(batches):
                driver.expect(batch)
                try:
                    for item in batch:
                        await self._begin(item, driver, group)
                        driver.taken += 1
                except asyncio.CancelledError:
                    if self._accounting:
                        self._account_for_rest(batch, driver)
                    raise

    def _account_for_rest(self, batch: list[Item], driver: _Driver) -> None:
        """Tell that nothing was launched of a batch whose launching was cut off, and of the sequence that it is of."""
        end = len(self._inputs) if isinstance(self._inputs, Sequence) else batch[-1].index + 1
        for index in range(driver.taken, end):
            name = None if self._names is None or callable(self._names) else self._names[index]
            known = batch[index - batch[0].index] if index <= batch[-1].index else Item(index, {}, name)
            driver.queue.put(_not_launched(known))
        driver.taken = end

    async def _read(self, batches: AsyncIterator[list[Item]]) -> list[Item]:
        """The next items; none after the last, and none of inputs that are not a sequence after a stop.

        A sequence is accounted for to its end; what else there is, nobody knows.
        """
        if isinstance(self._inputs, Sequence):
            return await anext(batches, list[Item]())
        if self._stopped.is_set():
            return []
        with anyio.CancelScope() as self._reading:
            return await anext(batches, list[Item]())
        return []

    async def _begin(self, item: Item, driver: _Driver, group: TaskGroup) -> None:
        """Begin to launch an item as soon as there is room, a place and time for it; not after a stop."""
        if not self._stopped.is_set() and self._room is not None:
            await self._room.acquire()
        if self._stopped.is_set():
            driver.queue.put(_not_launched(item))
            return
        try:
            taken = await driver.find(item)
        except FlyteError as error:
            driver.queue.put(Outcome(item.index, item.name or "", error=error))
            return
        await self._launching.acquire()
        if taken is None:
            await self._pace.wait(self._stopped)
        if self._stopped.is_set():
            self._launching.release()
            driver.queue.put(_not_launched(item))
            return
        group.start_soon(self._launch, item, taken, driver)

    async def _launch(self, item: Item, taken: admin.Execution | None, driver: _Driver) -> None:
        name = driver.name(item)
        try:
            await driver.launch(item, name, taken)
        except asyncio.CancelledError:
            driver.queue.put(Outcome(item.index, name.name, error=_in_doubt(item, name)))
            raise
        except Exception as error:  # noqa: BLE001 # values of callers run code of callers; the others go on
            driver.queue.put(Outcome(item.index, item.name or "", error=_ours(error, item, name)))
        finally:
            self._launching.release()

    async def _terminate(self, executions: list[FlyteWorkflowExecution]) -> None:
        places = anyio.Semaphore(TERMINATING)

        async def one(execution: FlyteWorkflowExecution) -> None:
            async with places:
                try:
                    await execution.terminate("left by execute_many")
                except FlyteError as error:
                    logger.warning(
                        "execution %s could not be terminated: %s",
                        execution.id.name,
                        error,
                        extra=Name.of(execution.id).extra(),
                    )

        async with anyio.create_task_group() as group:
            for execution in executions:
                group.start_soon(one, execution)


class _Driver:
    """Launches or adopts items; what it needs is there only once the block is entered."""

    def __init__(self, remote: Launching, launcher: Launcher, prefix: str | None, queue: Completions) -> None:
        self.queue = queue
        self.taken = 0
        self._launcher = launcher
        self._prefix = prefix
        self._lookup = Lookup(remote.admin, launcher.project, launcher.domain)

    def expect(self, batch: Sequence[Item]) -> None:
        """Tell which items come next."""
        self._lookup.expect(item.name for item in batch if item.name is not None and item.error is None)

    async def find(self, item: Item) -> admin.Execution | None:
        """The execution that has the item's name already.

        Raises:
            FlyteError: the server could not be asked, or the name is not one.
        """
        if item.error is not None:
            raise item.error
        return None if item.name is None else await self._lookup.find(item.name)

    def name(self, item: Item) -> Name:
        """What the execution of an item is called, or will be."""
        name = generate_name(self._prefix) if item.name is None else item.name
        return Name(self._launcher.project, self._launcher.domain, name)

    async def launch(self, item: Item, name: Name, taken: admin.Execution | None) -> None:
        """Launch an item, or take the execution that there is, and wait for it."""
        if item.name is None:
            execution = await self._launcher.launch(item.inputs, name.name)
        elif taken is not None:
            execution = await self._launcher.adopt(item.inputs, item.name, taken)
        else:
            execution = await self._launcher.launch_absent(item.inputs, item.name)
        self.queue.add(item.index, execution)


def _not_launched(item: Item) -> Outcome:
    error = FlyteNotLaunched(f"input {item.index} was not launched: launching was stopped", identifier=item.name)
    return Outcome(item.index, item.name or "", error=error)


def _in_doubt(item: Item, name: Name) -> FlyteDeadlineExceeded:
    return FlyteDeadlineExceeded(
        f"whether input {item.index} was launched, as {name}, is not known: it took too long after launching was "
        "stopped",
        identifier=str(name),
        retryable=False,
    )


def _ours(error: Exception, item: Item, name: Name) -> FlyteError:
    """The error as one of the package's."""
    if isinstance(error, FlyteError):
        return error
    logger.error("input %d could not be launched", item.index, exc_info=error, extra=name.extra())
    ours = FlyteSystemException(f"input {item.index} could not be launched: {error!r}", identifier=str(name))
    ours.__cause__ = error
    return ours
