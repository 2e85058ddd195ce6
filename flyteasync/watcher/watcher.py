"""The poller: asks what the planner says, and wakes those who wait."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import logging
import math
import random
from collections import deque
from collections.abc import Set
from dataclasses import dataclass, field
from typing import TypeVar

import anyio
from typing_extensions import override

from ..deadline import NEVER, Deadline
from ..errors import (
    FlyteDecodeError,
    FlyteError,
    FlyteRemoteClosed,
    FlyteSystemException,
    FlyteTimeout,
)
from ..idl import admin
from ..idl.services import AdminService
from ..rpc import CallOptions, RetryPolicy, RpcCaller
from .deadlines import Deadlines
from .line import Poll
from .patience import Outage, Patience, Trouble, says_too_large, with_trouble
from .plan import ABORTING_LIMIT, FLOOR, LATEST, POLL_PACE, TERMINAL_PHASES, Name, Phase, Row, Target
from .planner import Planner

logger = logging.getLogger("flyteasync.watcher")

PHASES_KEPT = 16
"""Changes of phase that are kept for somebody who does not take them; then the oldest is forgotten."""


@dataclass(slots=True, eq=False)
class Wait(Row):
    """Somebody who waits for the end.

    Attributes:
        future: has the execution as soon as it has ended, or why it cannot be waited for.
        watcher: the poller that it is registered with.
    """

    future: asyncio.Future[admin.Execution] = field(kw_only=True)
    watcher: Watcher = field(kw_only=True)

    def see(self, execution: admin.Execution, phase: Phase) -> None:
        """The execution was looked at; whoever waits for the end only does not care."""


@dataclass(slots=True, eq=False)
class Observation(Wait):
    """Somebody who wants to see every change of phase.

    Attributes:
        seen: the execution as it was after each change that was not taken yet, oldest first; the last of
            `PHASES_KEPT` if there were more.
        changed: set when there is something to see, or the wait has ended.
        last: the phase that was seen last.
    """

    seen: deque[admin.Execution] = field(default_factory=lambda: deque[admin.Execution](maxlen=PHASES_KEPT))
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    last: Phase | None = None

    def __post_init__(self) -> None:
        self.future.add_done_callback(self._ended)

    @override
    def see(self, execution: admin.Execution, phase: Phase) -> None:
        """The execution was looked at."""
        if phase != self.last:
            self.last = phase
            self.seen.append(execution)
            self.changed.set()

    def _ended(self, future: asyncio.Future[admin.Execution]) -> None:
        if not future.cancelled():
            future.exception()  # read when what was seen before has been taken; or never, if nobody takes it
        self.changed.set()


W = TypeVar("W", bound=Wait)


class Watcher:
    """Polls for all waits of one connection, in one task that lives while somebody waits.

    Attributes:
        polls: questions that were asked.
        done: executions that were seen to end.
        outage: is told of what is answered about executions, and what is not.
    """

    def __init__(self, caller: RpcCaller) -> None:
        # A failed poll is not repeated by the call path: the schedule asks again anyway.
        once = CallOptions(timeout=10.0, attempt_timeout=10.0, retry=RetryPolicy(max_attempts=1))
        self._admin = AdminService(caller.view(once, urgent=True))
        self._lists = AdminService(caller.view(once))
        self._next_list = 0.0
        self._planner = Planner()
        self._deadlines = Deadlines()
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False
        self._instrumentation = caller.instrumentation
        self._late_since = math.inf
        self._patience = Patience()
        self.outage = Outage()
        self.polls = 0
        self.done = 0

    async def wait(
        self, name: Name, *, deadline: Deadline, ceiling: float | None = None, known: bool = False
    ) -> admin.Execution:
        """Wait until an execution is in a terminal phase.

        An outage of the server does not end the wait; it goes on until its deadline. So does a failure that may pass,
        until it has been met several times in a row.

        Args:
            name: which execution.
            deadline: when to give up.
            ceiling: seconds between two looks at the most; None adapts to the age of the wait, up to 30.
            known: the execution is known to exist; otherwise this is found out first.

        Returns:
            The execution as ListExecutions or GetExecution shows it: of a failed one, the error may be cut short.

        Raises:
            FlyteTimeout: the deadline came first; if the server does not answer, that is the cause.
            FlyteEntityNotExistException: there is no such execution.
            FlyteRemoteClosed: the connection was closed.
            FlyteError: the server refuses to answer, for example because of missing rights.
        """
        wait = self.register(name, ceiling=ceiling, known=known, deadline=deadline)
        try:
            self._deadlines.add(wait)
            self._set_timer()
            if self._instrumentation is None:
                return await wait.future
            with self._instrumentation.wait(str(name)):
                return await wait.future
        finally:
            self.forget(wait)
            self._deadlines.left(wait)

    def register(
        self, name: Name, *, ceiling: float | None = None, known: bool = False, deadline: Deadline = NEVER
    ) -> Wait:
        """Begin to wait without a task: the row's future ends as `wait` does, except that no deadline ends it.

        Whoever registers has to `forget`. Arguments are those of `wait`; the deadline has the last look come in time
        for it. Raises FlyteRemoteClosed if the connection is closed.
        """
        target, now = self._target(name, known=known)
        wait = Wait(target, now, _allowed(ceiling), deadline.at, future=_future(), watcher=self)
        return self._joined(wait)

    def observe(self, name: Name, *, ceiling: float | None = None, known: bool = False) -> Observation:
        """Begin to look at every phase of an execution; otherwise as `register`."""
        target, now = self._target(name, known=known)
        row = Observation(target, now, _allowed(ceiling), whole=True, future=_future(), watcher=self)
        return self._joined(row)

    def forget(self, wait: Wait) -> None:
        """Stop waiting, also for what was registered with another poller."""
        if wait.watcher is not self:
            wait.watcher.forget(wait)
            return
        wait.future.cancel()
        self._planner.schedule.leave(wait)
        if not wait.target.rows:
            self._patience.forget((wait.target.name,))
        if not self._planner.schedule.targets:
            self._stop()

    async def list_nodes(self, request: admin.NodeExecutionListRequest) -> admin.NodeExecutionList:
        """A page of nodes for a watch; sent once, and at most 50 a second for all watches together."""
        now = asyncio.get_running_loop().time()
        begin = max(now, self._next_list)
        self._next_list = begin + POLL_PACE
        if begin > now:
            await asyncio.sleep(begin - now)
        return await self._lists.list_node_executions(request)

    async def aclose(self) -> None:
        """Fail all waits with FlyteRemoteClosed and stop polling."""
        self._closed = True
        for target in list(self._planner.schedule.targets.values()):
            self._settle(target, FlyteRemoteClosed(f"the remote was closed while waiting for {target.name}"))
        self._stop()
        if self._ending:
            await asyncio.wait(self._ending)

    def trouble(self, name: Name) -> Trouble | None:
        """What is met instead of answers about an execution that is waited for; None if there is an answer."""
        return self._patience.trouble(name)

    @property
    def waiting(self) -> int:
        """How many executions are waited for."""
        return len(self._planner.schedule.targets)

    @property
    def lag(self) -> float:
        """Seconds for which a question that is due was not asked; may be read from any thread."""
        late = min(self._late_since, self._planner.schedule.peek())
        return 0.0 if late == math.inf or self._loop is None else max(0.0, self._loop.time() - late)

    # Those who wait ...

    def _target(self, name: Name, *, known: bool) -> tuple[Target, float]:
        if self._closed:
            raise FlyteRemoteClosed(f"the remote is closed; nobody waits for {name} any more")
        now = asyncio.get_running_loop().time()
        return self._planner.schedule.target(name, now, known=known), now

    def _joined(self, wait: W) -> W:
        self._planner.schedule.join(wait)
        self._start()
        return wait

    def _set_timer(self) -> None:
        """Have one timer for the first deadline."""
        at = self._deadlines.next()
        if self._timer is not None:
            if self._timer.when() <= at != math.inf:
                return  # it comes early, finds nobody, and is set again
            self._timer.cancel()
        self._timer = None if at == math.inf else asyncio.get_running_loop().call_at(at, self._give_up)

    def _give_up(self) -> None:
        """End the waits whose deadlines have come."""
        self._timer = None
        for row in self._deadlines.take(asyncio.get_running_loop().time()):
            if isinstance(row, Wait) and not row.future.done():
                row.future.set_exception(_too_late(row, self._patience.trouble(row.target.name)))
        self._set_timer()

    def _settle(self, target: Target, outcome: admin.Execution | FlyteError) -> None:
        """Wake everybody who waits for a target, which nobody asks for again."""
        rows = self._planner.schedule.remove(target)
        self.done += bool(rows) and not isinstance(outcome, FlyteError)
        self._patience.forget((target.name,))
        for row in rows:
            if not isinstance(row, Wait) or row.future.done():
                continue
            if isinstance(outcome, FlyteError):
                row.future.set_exception(copy.copy(outcome))  # a raised exception collects the traceback of its raiser
            else:
                row.future.set_result(outcome)

    # The poller ...

    def _start(self) -> None:
        self._wake.set()
        if self._task is None or self._task.done():
            self._loop = asyncio.get_running_loop()
            # It serves everybody who waits: what belongs to the one who came first, such as a trace, is not its own.
            self._task = self._loop.create_task(
                self._run(self._planner), name="flyteasync watcher", context=contextvars.Context()
            )

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._task is not None:
            self._task.cancel()
            self._ending.add(self._task)
            self._task.add_done_callback(self._ending.discard)
            self._task = None
            self._planner = self._planner.renewed()
            self._late_since = math.inf
            self.outage = Outage()

    async def _run(self, planner: Planner) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with anyio.create_task_group() as group:
                while True:
                    step = planner.step(now := loop.time())
                    self._late_since = min(self._late_since, now) if planner.line else math.inf
                    if isinstance(step, Poll):
                        group.start_soon(self._ask, planner, step)
                    else:
                        await self._woken_or(step)
        except Exception as error:
            # A defect of ours: nobody may wait forever for a poller that is gone.
            logger.exception("the watcher failed")
            for target in list(planner.schedule.targets.values()):
                text = f"the watcher failed while waiting for {target.name}: {error!r}"
                self._settle(target, FlyteSystemException(text))
            self._planner = planner.renewed()

    async def _woken_or(self, at: float) -> None:
        """Return at a point in time, or when something has changed."""
        self._wake.clear()
        try:
            async with asyncio.timeout_at(None if at == math.inf else at):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _ask(self, planner: Planner, poll: Poll) -> None:
        """Ask one question; what becomes of those who go on waiting, the planner decides."""
        self.polls += 1
        jitter = random.uniform(0.9, 1.1)  # noqa: S311 - jitter is no secret
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            seen = await (self._ask_singly(poll) if poll.singly else self._ask_chunk(poll))
        except FlyteError as error:
            if not poll.singly and (says_too_large(error) or isinstance(error, FlyteDecodeError)):
                logger.debug("an answer about %d executions was too large, or spoiled", len(poll.targets))
                planner.too_large(poll, loop.time())
            else:
                self._failed(poll, error, began)
                planner.failed(poll, loop.time(), jitter)
        else:
            self.outage.answered(loop.time())
            self._patience.forget(target.name for target in poll.targets)
            planner.answered(poll, seen, loop.time(), jitter)
        self._wake.set()

    def _failed(self, poll: Poll, error: FlyteError, began: float) -> None:
        """An outage is waited out; an answer that will not change ends the waits."""
        logger.debug("a poll of %d executions failed: %s", len(poll.targets), error)
        now = asyncio.get_running_loop().time()
        for target in poll.targets:
            if target.rows and self._patience.failed(target.name, error, now):
                self._settle(target, error)
        if self.waiting:
            self.outage.failed(error, began, now)

    async def _ask_chunk(self, poll: Poll) -> Set[Name]:
        """ListExecutions."""
        answer = await self._admin.list_executions(poll.request())
        seen = {Name.of(execution.id): execution for execution in answer.executions}
        targets = self._planner.schedule.targets
        for name, execution in seen.items():
            if (target := targets.get(name)) is not None:
                self._look(target, execution)
        return seen.keys()

    async def _ask_singly(self, poll: Poll) -> Set[Name]:
        """GetExecution."""
        (target,) = poll.targets
        request = admin.WorkflowExecutionGetRequest(id=target.name.identifier())
        self._look(target, await self._admin.get_execution(request))
        return {target.name}

    def _look(self, target: Target, execution: admin.Execution) -> None:
        phase = phase_of(execution)
        if target.saw(phase, asyncio.get_running_loop().time()):
            logger.warning(
                "execution %s has been ABORTING for more than %g s: it may never end, if its cluster is gone",
                target.name,
                ABORTING_LIMIT,
                extra=target.name.extra(),
            )
        for row in target.rows:
            if isinstance(row, Wait):
                row.see(execution, phase)
        if phase in TERMINAL_PHASES:
            self._settle(target, execution)


def phase_of(execution: admin.Execution) -> Phase:
    """The phase that a message shows."""
    return Phase(execution.closure.phase) if execution.closure is not None else Phase.UNDEFINED


def _future() -> asyncio.Future[admin.Execution]:
    return asyncio.get_running_loop().create_future()


def _allowed(ceiling: float | None) -> float:
    return LATEST if ceiling is None else max(FLOOR, ceiling)


def _too_late(wait: Wait, trouble: Trouble | None) -> FlyteTimeout:
    name, phase = wait.target.name, wait.target.phase
    seen = f"its phase was {phase.name} when last seen" if phase is not None else "it was not seen to be finished"
    allowed = round(wait.deadline - wait.since, 2)
    text = f"execution {name} did not finish within {allowed:g} s: {seen}"
    return with_trouble(FlyteTimeout(text, identifier=str(name)), trouble)
