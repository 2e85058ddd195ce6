"""Launching one input for `execute_many`, as often as it takes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import anyio

from ..errors import FlyteEntityAlreadyExistsException, FlyteError, FlyteRemoteClosed
from ..executions import FlyteWorkflowExecution
from ..idl import admin
from ..rpc.retry import AMBIGUOUS
from ..watcher import Name
from .creation import Origin
from .holds import LIMIT_PAUSE, Hold, Outage, is_limit, is_outage
from .items import Item
from .launcher import Launcher
from .lookup import FRESH, Lookup

_COMPARING = "AdminService/GetExecutionData"

TRIES = 5
"""So often, the launch of an input may fail while others succeed, until that is its outcome."""


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


class GivenUp(Exception):
    """A launch is tried no more; carries its last failure, if there was one."""

    def __init__(self, failed: FlyteError | None = None) -> None:
        super().__init__(str(failed or ""))
        self.failed = failed


class Holds:
    """What holds launches back, and when they are given up.

    Attributes:
        pace: how many a second there may be.
        outage: held since the server does not answer.
        limit: held since the launch plan allows no more.
        stopped: set when nothing more is to be launched.
        letting_go: nothing more is to be found out, either.
    """

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self.outage, self.limit = Outage(), Hold(LIMIT_PAUSE)
        self.stopped = asyncio.Event()
        self.letting_go = False

    async def over(self) -> None:
        """Wait until something more may begin, or launching was stopped."""
        await self.outage.over(self.stopped.is_set)
        await self.limit.over(self.stopped.is_set)
        await self.pace.wait(self.stopped)

    def wake(self) -> None:
        """Have all that are held look whether they still are."""
        self.outage.wake()
        self.limit.wake()

    def give_up(self, launch: Launch) -> bool:
        """Whether to try no more: of what may have been launched, a stop is no reason not to find out."""
        return self.letting_go or (self.stopped.is_set() and not launch.in_doubt)

    def of(self, error: FlyteError) -> Hold | None:
        """What holds back after a failure; None if it will not pass."""
        if is_limit(error):
            return self.limit
        return self.outage if is_outage(error) else None


class Attempts:
    """Looks for names and launches, again and again if it has to be."""

    def __init__(self, launcher: Launcher, lookup: Lookup, holds: Holds) -> None:
        self._launcher = launcher
        self._lookup = lookup
        self._holds = holds

    def launch_of(self, item: Item, name: str, found: admin.Execution | None = None) -> Launch:
        """What becomes of an item under a name that was looked up just now, or generated."""
        full = Name(self._launcher.project, self._launcher.domain, name)
        return Launch(item, full, found, adopted=found is not None, until=self._lookup.fresh_until)

    async def find(self, name: str) -> admin.Execution | None:
        """The execution that has a name already; asks until the server answers, or launching was stopped."""
        outage = self._holds.outage
        try:
            return await self._lookup.find(name)
        except FlyteError as error:
            failed = error
        with outage.held():
            while is_outage(failed):
                if not await outage.turn(failed, self._holds.stopped.is_set):
                    return None
                try:
                    found = await self._lookup.find(name)
                except FlyteError as error:
                    failed = error
                else:
                    outage.succeeded()
                    return found
        raise failed

    async def launch(self, launch: Launch) -> FlyteWorkflowExecution:
        """Launch; what fails only for now is held, and tried again."""
        try:
            return await self._attempt(launch)
        except FlyteError as error:
            failed = error
        while (hold := self._holds.of(failed)) is not None and launch.failures < TRIES:
            with hold.held():
                while self._holds.of(failed) is hold and launch.failures < TRIES:
                    if not await hold.turn(failed, lambda: self._holds.give_up(launch), launch.failures):
                        raise GivenUp(failed)
                    successes = hold.successes
                    try:
                        return await self._attempt(launch)
                    except FlyteError as error:
                        failed = error
                        launch.failures += hold is self._holds.outage and hold.successes > successes
        raise failed

    async def _attempt(self, launch: Launch) -> FlyteWorkflowExecution:
        launch.tries += 1
        launch.creating = launch.found is None
        try:
            execution = await (self._first(launch) if launch.tries == 1 else self._again(launch))
        except FlyteError as error:
            launch.in_doubt |= launch.creating and _may_have_created(error)
            launch.creating = False
            if isinstance(error, FlyteEntityAlreadyExistsException):
                launch.in_doubt = False  # that one is another
            raise
        self._holds.outage.succeeded()
        self._holds.limit.succeeded()
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
        if self._holds.stopped.is_set():
            raise GivenUp
        launch.creating = True
        return await self._create(launch)

    async def _create(self, launch: Launch) -> FlyteWorkflowExecution:
        inputs, name = launch.item.inputs, launch.name.name
        execution, origin = await self._launcher.launch_absent(inputs, name, launch.until)
        launch.adopted = origin is Origin.THERE and not launch.in_doubt
        return execution

    async def _look(self, launch: Launch) -> None:
        """Find out whether there is an execution of the name now."""
        await self._holds.pace.wait(self._holds.stopped)
        if self._holds.stopped.is_set() and not launch.in_doubt:
            return
        launch.until = asyncio.get_running_loop().time() + FRESH
        launch.found = await self._lookup.look(launch.name.name)
        launch.adopted = launch.found is not None and not launch.in_doubt
        launch.in_doubt &= launch.found is not None


def _may_have_created(error: FlyteError) -> bool:
    """Whether there may be an execution in spite of the error: nobody could look, or look at it closely."""
    if isinstance(error, FlyteRemoteClosed):
        return error.identifier is not None
    return error.status in AMBIGUOUS and (not error.retryable or error.method == _COMPARING)
