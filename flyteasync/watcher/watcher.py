"""The poller: asks what `plan` says, and wakes those who wait."""

from __future__ import annotations

import asyncio
import copy
import logging
import math
import random
from collections import defaultdict
from collections.abc import Sequence

import anyio

from ..deadline import Deadline
from ..errors import (
    FlyteDecodeError,
    FlyteError,
    FlyteRemoteClosed,
    FlyteResourceExhausted,
    FlyteSystemException,
    FlyteTimeout,
)
from ..idl import admin
from ..idl.services import AdminService
from ..rpc import CallOptions, RetryPolicy, RpcCaller
from .plan import CHUNK, FLOOR, LATEST, TERMINAL_PHASES, Name, Phase, Poll, Schedule, Target, polls

logger = logging.getLogger(__name__)

POLL_PACE = 0.02
"""Seconds between the starts of two polls: at most 50 a second."""

POLLS_IN_FLIGHT = 8
"""No poll is sent while so many are unanswered."""

OUTAGE_STRETCH = 2.0
"""How much longer a target's interval is after a poll that failed."""

_TOO_LARGE = (FlyteResourceExhausted, FlyteDecodeError)
"""What half of the chunk may not meet."""


class Watcher:
    """Polls for all waits of one connection, in one task that lives while somebody waits."""

    def __init__(self, caller: RpcCaller) -> None:
        # A failed poll is not repeated by the call path: the schedule asks again anyway.
        self._admin = AdminService(
            caller.view(CallOptions(timeout=10.0, attempt_timeout=10.0, retry=RetryPolicy(max_attempts=1)), urgent=True)
        )
        self._schedule = Schedule()
        self._waiters: defaultdict[Name, dict[asyncio.Future[admin.Execution], float]] = defaultdict(dict)
        self._phases: dict[Name, Phase] = {}
        self._chunk = CHUNK
        self._places = asyncio.Semaphore(POLLS_IN_FLIGHT)
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False

    async def wait(
        self, name: Name, *, deadline: Deadline, ceiling: float | None = None, known: bool = False
    ) -> admin.Execution:
        """Wait until an execution is in a terminal phase.

        An outage of the server does not end the wait; it goes on until its deadline.

        Args:
            name: which execution.
            deadline: when to give up.
            ceiling: seconds between two looks at the most; None adapts to the age of the wait, up to 30.
            known: the execution is known to exist; otherwise this is found out first.

        Returns:
            The execution as ListExecutions or GetExecution shows it: of a failed one, the error may be cut short.

        Raises:
            FlyteTimeout: the deadline came first.
            FlyteEntityNotExistException: there is no such execution.
            FlyteRemoteClosed: the connection was closed.
            FlyteError: the server refuses to answer, for example because of missing rights.
        """
        future = self.register(name, ceiling=ceiling, known=known)
        timer = None
        if deadline.at != math.inf:
            loop = asyncio.get_running_loop()
            timer = loop.call_at(deadline.at, self._expire, future, name, deadline.at - loop.time())
        try:
            return await future
        finally:
            if timer is not None:
                timer.cancel()
            self.forget(name, future)

    def register(
        self, name: Name, *, ceiling: float | None = None, known: bool = False
    ) -> asyncio.Future[admin.Execution]:
        """Begin to wait without a task: the future ends as `wait` does, except that it has no deadline.

        Whoever registers a future has to `forget` it. Raises FlyteRemoteClosed if the connection is closed.
        """
        if self._closed:
            raise FlyteRemoteClosed(f"the remote is closed; nobody waits for {name} any more")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[admin.Execution] = loop.create_future()
        allowed = LATEST if ceiling is None else max(FLOOR, ceiling)
        self._waiters[name][future] = allowed
        self._schedule.add(name, loop.time(), allowed, known=known)
        self._start()
        return future

    async def aclose(self) -> None:
        """Fail all waits with FlyteRemoteClosed and stop polling."""
        self._closed = True
        for name in list(self._waiters):
            self._settle(name, FlyteRemoteClosed(f"the remote was closed while waiting for {name}"))
        self._stop()
        if self._ending:
            await asyncio.wait(self._ending)

    # Those who wait ...

    @property
    def waiting(self) -> int:
        """How many executions are waited for."""
        return len(self._waiters)

    def forget(self, name: Name, future: asyncio.Future[admin.Execution]) -> None:
        """Stop waiting with a registered future."""
        future.cancel()
        waiters = self._waiters.get(name)
        if waiters is None:
            return
        waiters.pop(future, None)
        if waiters:
            self._schedule.relax(name, min(waiters.values()))
            return
        del self._waiters[name]
        self._phases.pop(name, None)
        self._schedule.remove(name)
        if not self._waiters:
            self._stop()

    def _expire(self, future: asyncio.Future[admin.Execution], name: Name, allowed: float) -> None:
        if future.done():
            return
        phase = self._phases.get(name)
        seen = f"its phase was {phase.name} when last seen" if phase is not None else "it was not seen to be finished"
        future.set_exception(
            FlyteTimeout(
                f"execution {name} did not finish within {round(allowed, 2):g} s: {seen}", identifier=str(name)
            )
        )

    def _settle(self, name: Name, outcome: admin.Execution | FlyteError) -> None:
        """Wake everybody who waits for a name."""
        for future in self._waiters.get(name, ()):
            if future.done():
                continue
            if isinstance(outcome, FlyteError):
                future.set_exception(copy.copy(outcome))  # a raised exception collects the traceback of its raiser
            else:
                future.set_result(outcome)
        self._schedule.remove(name)

    # The poller ...

    def _start(self) -> None:
        self._wake.set()
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run(), name="flyteasync watcher")

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._ending.add(self._task)
            self._task.add_done_callback(self._ending.discard)
            self._task = None

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with anyio.create_task_group() as group:
                while True:
                    await self._until_due()
                    for poll in polls(self._schedule.take_due(loop.time()), self._chunk):
                        await self._places.acquire()
                        group.start_soon(self._ask, poll)
                        await anyio.sleep(POLL_PACE)
        except Exception as error:
            # A defect of ours: nobody may wait forever for a poller that is gone.
            logger.exception("the watcher failed")
            for name in list(self._waiters):
                self._settle(name, FlyteSystemException(f"the watcher failed while waiting for {name}: {error!r}"))

    async def _until_due(self) -> None:
        """Return when a target is due."""
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            due = self._schedule.next_due()
            if due <= loop.time():
                return
            try:
                async with asyncio.timeout_at(None if due == math.inf else due):
                    await self._wake.wait()
            except TimeoutError:
                return

    async def _ask(self, poll: Poll) -> None:
        """Ask one question and put those who go on waiting back into the schedule."""
        stretch = random.uniform(0.9, 1.1)  # noqa: S311 - jitter is no secret
        try:
            if not await self._answered(poll):
                stretch *= OUTAGE_STRETCH
        finally:
            self._places.release()
            now = asyncio.get_running_loop().time()
            for target in poll.targets:
                self._schedule.again(target, now, stretch)
            self._wake.set()

    async def _answered(self, poll: Poll) -> bool:
        """Ask, and tell whether the server answered."""
        return await (self._ask_singly(poll.targets[0]) if poll.singly else self._ask_chunk(poll))

    async def _ask_chunk(self, poll: Poll) -> bool:
        """ListExecutions; too large an answer halves the chunk, for this question and those to come."""
        size = len(poll.targets)
        try:
            answer = await self._admin.list_executions(poll.request())
            seen = {Name.of(execution.id): execution for execution in answer.executions}
            for target in poll.targets:
                if target.name in seen:
                    self._look(target, seen[target.name])
        except _TOO_LARGE:
            self._chunk = max(1, min(self._chunk, size // 2))
            logger.info("asking for %d executions at a time", self._chunk)
            return all([await self._answered(half) for half in poll.halves()])
        except FlyteError as error:
            return self._failed(poll.targets, error)
        if size >= self._chunk:
            self._chunk = min(CHUNK, self._chunk + 1)
        absent = [target for target in poll.targets if not target.known and target.name not in seen]
        return all([await self._ask_singly(target) for target in absent])

    async def _ask_singly(self, target: Target) -> bool:
        """GetExecution: the only question to which NOT_FOUND is an answer."""
        if target.name not in self._waiters:
            return True
        try:
            self._look(target, await self._admin.get_execution(_get(target.name)))
        except FlyteError as error:
            return self._failed((target,), error)
        return True

    def _look(self, target: Target, execution: admin.Execution) -> None:
        target.known = True
        phase = execution.closure.phase if execution.closure is not None else Phase.UNDEFINED
        if phase in TERMINAL_PHASES:
            self._settle(target.name, execution)
        elif target.name in self._waiters:
            self._phases[target.name] = phase

    def _failed(self, targets: Sequence[Target], error: FlyteError) -> bool:
        """An outage is waited out; an answer that will not change ends the waits."""
        if error.retryable:
            logger.debug("a poll of %d executions failed: %s", len(targets), error)
            return False
        for target in targets:
            self._settle(target.name, error)
        return True


def _get(name: Name) -> admin.WorkflowExecutionGetRequest:
    return admin.WorkflowExecutionGetRequest(id=name.identifier())
