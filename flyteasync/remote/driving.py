"""What launches for `execute_many`: one task takes inputs as there is room for them, and each launch is one more."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
from anyio.abc import TaskGroup

from ..cleanup import to_the_end
from ..errors import (
    FlyteDeadlineExceeded,
    FlyteError,
    FlyteNotLaunched,
    FlyteRemoteClosed,
    FlyteSystemException,
    FlyteTimeout,
)
from ..executions import FlyteWorkflowExecution
from ..idl import admin
from ..rpc.retry import AMBIGUOUS
from ..watcher import Name
from .completions import Completions, Outcome
from .creation import Origin
from .holds import LIMIT_PAUSE, Hold, Outage, is_limit, is_outage
from .items import Inputs, Item, Names, Source
from .launcher import Launcher
from .lookup import FRESH, Lookup
from .names import generate_name

if TYPE_CHECKING:
    from .launch import Launching

logger = logging.getLogger("flyteasync.launch")

_COMPARING = "AdminService/GetExecutionData"

TRIES = 5
"""So often, the launch of an input may fail while others succeed, until that is its outcome."""


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

    def give_back(self) -> None:
        """What was waited for is no launch: the next one may begin instead of it."""
        self._next -= self._step


@dataclass(eq=False)
class Launch:
    """An input on its way to an execution.

    Attributes:
        item: the input.
        name: of the execution.
        found: the execution that has the name already.
        adopted: that one was not created by this launch.
        until: when it has to be looked for again before it is created, on the loop's clock.
        tries: how often it was tried.
        failures: how often it failed while others were launched.
        creating: an attempt is under way that may create it.
        in_doubt: an attempt may have created it.
    """

    item: Item
    name: Name
    found: admin.Execution | None = None
    adopted: bool = False
    until: float = 0.0
    tries: int = 0
    failures: int = 0
    creating: bool = False
    in_doubt: bool = False


class _GivenUp(Exception):
    """A launch is tried no more; carries its outcome's error."""

    def __init__(self, error: FlyteError) -> None:
        super().__init__(str(error))
        self.error = error


class Driver:
    """Takes inputs as there is room for them, and launches.

    Attributes:
        launched: the executions that were created, until `taken` tells that they have finished, by their inputs.
        in_doubt: the names of executions that may have been created, by their inputs.
    """

    def __init__(
        self, remote: Launching, queue: Completions, inputs: Inputs, names: Names | None, settings: RunSettings
    ) -> None:
        self.launched: dict[int, FlyteWorkflowExecution] = {}
        self.in_doubt: dict[int, Name] = {}
        self._remote = remote
        self._queue = queue
        self._source = Source(inputs, names)
        self._is_sequence = isinstance(inputs, Sequence)
        self._settings = settings
        self._pace = Pace(settings.max_launch_rate)
        self._places = asyncio.Semaphore(settings.max_launching)
        self._room = None if settings.max_running is None else asyncio.Semaphore(settings.max_running)
        self._outage, self._limit = Outage(), Hold(LIMIT_PAUSE)
        self._waiting: deque[Item] = deque()
        self._total = 0
        self._stopped = asyncio.Event()
        self._letting_go = False
        self._late: str | None = None
        self._reading: anyio.CancelScope | None = None
        self._launcher: Launcher
        self._lookup: Lookup

    # What others tell it ...

    @property
    def is_stopped(self) -> bool:
        """Whether nothing more is launched."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """Launch nothing more; what was not launched has that as its outcome."""
        if self._stopped.is_set():
            return
        self._stopped.set()
        if self._reading is not None:
            self._reading.cancel()  # inputs may be long in coming
        for held in (self._room, self._places):
            if held is not None:
                held.release()  # `run` may wait for it; nobody else takes one any more
        self._wake()

    def let_go(self, late: str | None = None) -> None:
        """Stop, and do not even try to find out what became of launches in doubt.

        Args:
            late: the time that is over, as the texts of errors tell it; None if that is not why.
        """
        self._letting_go, self._late = True, self._late or late
        self.stop()
        self._wake()

    def taken(self, outcome: Outcome) -> None:
        """An outcome was taken: there is room for one more."""
        if self._room is not None:
            self._room.release()
        if outcome.execution is not None:
            self.launched.pop(outcome.index, None)

    def one_ended(self) -> None:
        """An execution ended, so that a launch plan may allow one more."""
        self._limit.let_one()

    def _wake(self) -> None:
        for hold in (self._outage, self._limit):
            hold.wake()

    # Taking inputs ...

    async def run(self, fetch: Callable[[], Awaitable[Launcher]]) -> None:
        """Launch everything; ends when all launches have ended.

        Raises what the inputs raise, or fetching what is to be launched.
        """
        failure: Exception | None = None
        try:
            if await self._fetched(fetch):
                async with anyio.create_task_group() as group:
                    try:
                        await self._take(group)
                    except Exception as error:  # noqa: BLE001 - the inputs' own; what was launched is awaited first
                        failure = error
                    self._account()  # launches under way may take their time
            elif self._late is not None and not self._is_sequence:
                failure = FlyteTimeout(f"what is to be launched could not be fetched within {self._late}")
        finally:
            await to_the_end(self._source.aclose())
            self._outage.close()
            try:
                self._account()
            finally:
                self._queue.end(self._total)
        if failure is not None:
            raise failure

    async def _fetched(self, fetch: Callable[[], Awaitable[Launcher]]) -> bool:
        """Have what is to be launched; False if launching was stopped before."""
        if self._stopped.is_set():
            return False
        with anyio.CancelScope() as self._reading:
            self._launcher = launcher = await fetch()
            self._lookup = Lookup(self._remote.admin, launcher.project, launcher.domain)
            return True
        return False

    async def _take(self, group: TaskGroup) -> None:
        waiting = self._waiting
        while batch := await self._read():
            waiting.extend(batch)
            self._lookup.expect(item.name for item in batch if item.name is not None and item.error is None)
            while waiting:
                await self._begin(waiting[0], group)
                waiting.popleft()
                self._total += 1
                if not self._stopped.is_set():
                    self._source.begun()

    async def _read(self) -> list[Item]:
        """The next items; none after the last one, or a stop."""
        if self._stopped.is_set():
            return []
        with anyio.CancelScope() as self._reading:
            return await self._source.next()
        return []

    def _account(self) -> None:
        """Tell that nothing was launched of what was taken and not begun; after a stop, of a whole sequence."""
        while self._waiting:
            self._refuse(self._waiting.popleft())
            self._total += 1
        if self._stopped.is_set():
            for item in self._source.rest():
                self._refuse(item)
                self._total += 1

    async def _begin(self, item: Item, group: TaskGroup) -> None:
        """Begin to launch an item as soon as there is room, a place and time for it; or tell why not.

        Nothing is awaited after the one or the other, so that no item is ever counted twice or not at all.
        """
        if self._room is not None and not self._stopped.is_set():
            await self._room.acquire()
        if not self._stopped.is_set():
            await self._places.acquire()
        launch = None
        try:
            launch = await self._ready(item)
        finally:
            if launch is None:
                self._places.release()
        if launch is not None:
            group.start_soon(self._launch, launch)

    async def _ready(self, item: Item) -> Launch | None:
        """Wait for an item's turn; None if there will be no launch, and it has its outcome.

        The name is looked up last of all: creating an execution that another process has created meanwhile would
        overwrite its inputs.
        """
        if item.error is None:
            await self._outage.over(self._stopped.is_set)
            await self._limit.over(self._stopped.is_set)
            await self._pace.wait(self._stopped)
        if self._stopped.is_set():
            self._refuse(item)
            return None
        try:
            return await self._looked_up(item)
        except FlyteError as error:
            self._queue.put(Outcome(item.index, item.name or "", error=error))
            return None

    async def _looked_up(self, item: Item) -> Launch | None:
        if item.error is not None:
            raise item.error
        if item.name is None:
            return Launch(item, self._named(generate_name(self._settings.prefix)))
        found = await self._find(item.name)
        if self._stopped.is_set():
            self._refuse(item)
            return None
        if found is not None:
            self._pace.give_back()
        return Launch(item, self._named(item.name), found, found is not None, self._lookup.fresh_until)

    async def _find(self, name: str) -> admin.Execution | None:
        """The execution that has a name already; asks until the server answers, or launching was stopped."""
        try:
            return await self._lookup.find(name)
        except FlyteError as error:
            failed = error
        with self._outage.held():
            while is_outage(failed):
                if not await self._outage.turn(failed, self._stopped.is_set):
                    return None
                try:
                    found = await self._lookup.find(name)
                except FlyteError as error:
                    failed = error
                else:
                    self._outage.succeeded()
                    return found
        raise failed

    # Launching one ...

    async def _launch(self, launch: Launch) -> None:
        item = launch.item
        try:
            execution = await self._tried(launch)
            if not launch.adopted and self._settings.terminate_on_exit:
                self.launched[item.index] = execution
            self._queue.add(item.index, execution)
        except asyncio.CancelledError:
            launch.in_doubt |= launch.creating
            self._fail(launch, self._given_up(launch, None))
            raise
        except _GivenUp as given_up:
            self._fail(launch, given_up.error)
        except Exception as error:  # noqa: BLE001 # values of callers run code of callers; the others go on
            self._fail(launch, _ours(error, launch))
        finally:
            self._places.release()

    async def _tried(self, launch: Launch) -> FlyteWorkflowExecution:
        """Launch; what fails only for now is held, and tried again."""
        try:
            return await self._attempt(launch)
        except FlyteError as error:
            failed = error
        while (hold := self._hold_for(failed)) is not None and launch.failures < TRIES:
            with hold.held():
                while self._hold_for(failed) is hold and launch.failures < TRIES:
                    if not await hold.turn(failed, lambda: self._gives_up(launch), launch.failures):
                        raise _GivenUp(self._given_up(launch, failed))
                    successes = hold.successes
                    try:
                        return await self._attempt(launch)
                    except FlyteError as error:
                        failed = error
                        launch.failures += hold is self._outage and hold.successes > successes
        raise failed

    async def _attempt(self, launch: Launch) -> FlyteWorkflowExecution:
        launch.tries += 1
        launch.creating = launch.found is None
        try:
            execution = await (self._first(launch) if launch.tries == 1 else self._again(launch))
        except FlyteError as error:
            launch.in_doubt |= launch.creating and _may_have_created(error)
            launch.creating = False
            raise
        self._outage.succeeded()
        self._limit.succeeded()
        return execution

    async def _first(self, launch: Launch) -> FlyteWorkflowExecution:
        inputs, name = launch.item.inputs, launch.name.name
        if launch.item.name is None:
            return await self._launcher.launch(inputs, name)
        if launch.found is not None:
            return await self._launcher.adopt(inputs, name, launch.found)
        return await self._create(launch)

    async def _again(self, launch: Launch) -> FlyteWorkflowExecution:
        """Once more, under the same name, which is safe: it is looked for first."""
        if launch.found is None:
            launch.creating = False
            await self._look(launch)
        if launch.found is not None:
            return await self._launcher.adopt(launch.item.inputs, launch.name.name, launch.found)
        if self._stopped.is_set():
            raise _GivenUp(self._given_up(launch, None))
        launch.creating = True
        return await self._create(launch)

    async def _create(self, launch: Launch) -> FlyteWorkflowExecution:
        inputs, name = launch.item.inputs, launch.name.name
        execution, origin = await self._launcher.launch_absent(inputs, name, launch.until)
        launch.adopted = origin is Origin.THERE and not launch.in_doubt
        return execution

    async def _look(self, launch: Launch) -> None:
        """Find out whether there is an execution of the name now."""
        await self._pace.wait(self._stopped)
        if self._stopped.is_set() and not launch.in_doubt:
            return
        launch.until = asyncio.get_running_loop().time() + FRESH
        launch.found = await self._lookup.look(launch.name.name)
        launch.adopted = launch.found is not None and not launch.in_doubt
        launch.in_doubt &= launch.found is not None

    def _hold_for(self, error: FlyteError) -> Hold | None:
        if is_limit(error):
            return self._limit
        return self._outage if is_outage(error) else None

    def _gives_up(self, launch: Launch) -> bool:
        """Whether to try no more: of what may have been launched, a stop is no reason not to find out."""
        return self._letting_go or (self._stopped.is_set() and not launch.in_doubt)

    # Outcomes without an execution ...

    def _named(self, name: str) -> Name:
        return Name(self._launcher.project, self._launcher.domain, name)

    def _fail(self, launch: Launch, error: FlyteError) -> None:
        """Give an input its outcome, with the name of what may exist."""
        name = launch.item.name or (launch.name.name if launch.in_doubt else "")
        if launch.in_doubt:
            self.in_doubt[launch.item.index] = launch.name
        if name and error.identifier is None:
            error.identifier = str(launch.name)
        self._queue.put(Outcome(launch.item.index, name, error=error))

    def _refuse(self, item: Item) -> None:
        self._queue.put(Outcome(item.index, item.name or "", error=self._not_launched(item, None)))

    def _given_up(self, launch: Launch, failed: FlyteError | None) -> FlyteError:
        """Why an input is tried no more, of which something may have been launched or not."""
        item, error = launch.item, failed
        if launch.found is not None:
            text = f"whether execution {launch.name} is what input {item.index} would launch is not known"
            error = FlyteDeadlineExceeded(f"{text}: {self._why}", identifier=str(launch.name))
        elif launch.in_doubt:
            error = FlyteDeadlineExceeded(
                f"whether input {item.index} was launched, as {launch.name}, is not known: {self._why}",
                identifier=str(launch.name),
                retryable=item.name is not None,
            )
        else:
            error = self._not_launched(item, failed)
        error.__cause__ = failed
        return error

    def _not_launched(self, item: Item, failed: FlyteError | None) -> FlyteNotLaunched:
        text = f"input {item.index} was not launched: {self._why}"
        identifier = None
        if item.name is not None and hasattr(self, "_launcher"):
            identifier = str(self._named(item.name))
        return FlyteNotLaunched(text if failed is None else f"{text}; before, {failed}", identifier=identifier)

    @property
    def _why(self) -> str:
        return "launching was stopped" if self._late is None else f"the {self._late} for everything were over"


def _may_have_created(error: FlyteError) -> bool:
    """Whether there may be an execution in spite of the error: nobody could look, or look at it closely."""
    if isinstance(error, FlyteRemoteClosed):
        return error.identifier is not None
    return error.status in AMBIGUOUS and (not error.retryable or error.method == _COMPARING)


def _ours(error: Exception, launch: Launch) -> FlyteError:
    """The error as one of the package's."""
    if isinstance(error, FlyteError):
        return error
    index, name = launch.item.index, launch.name
    logger.error("input %d could not be launched", index, exc_info=error, extra=name.extra())
    ours = FlyteSystemException(f"input {index} could not be launched: {error!r}", identifier=str(name))
    ours.__cause__ = error
    return ours
