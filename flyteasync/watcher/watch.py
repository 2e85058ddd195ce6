"""The events of one execution, for whoever iterates over them; there is no task, and a queue of bounded length."""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from ..errors import FlyteDecodeError, FlyteEntityNotExistException, FlyteError, FlyteSystemException, FlyteUsageError
from ..idl import admin
from .events import Event, PhaseLog, Position
from .nodes import NodeLog, next_token
from .patience import Patience, says_too_large
from .plan import LATEST, TERMINAL_PHASES, Name, interval
from .watcher import Observation, Watcher, phase_of

logger = logging.getLogger("flyteasync.watcher")


@dataclass(frozen=True)
class Watched:
    """What a watch looks at.

    Attributes:
        name: the execution.
        watcher: the poller; called when there is something to ask.
        show: told each state of the execution; returns it with the whole error, if it has ended.
        known: the execution is known to exist.
        ended: its last state, if it has ended already.
    """

    name: Name
    watcher: Callable[[], Watcher]
    show: Callable[[admin.Execution], Awaitable[admin.Execution]]
    known: bool = False
    ended: admin.Execution | None = None


class Watch:
    """An async iterator, and async context manager, of the events of an execution; ends after the terminal phase.

        async with execution.watch() as events:
            async for event in events:
                print(event.phase.name, event.occurred_at)

    It is registered with the connection's poller while somebody iterates, and no longer: leaving the block, `aclose`,
    an error, the last event, and being collected as garbage all end that; and a cancellation, unless it is caught
    inside of the block. After a cancelled `anext(events)`, such as one with a time limit, the next one goes on where it
    was; inside of the block, what was asked meanwhile goes on, too, so that a short time limit costs nothing.

    Who iterates slowly misses nothing that matters: the last 16 phases wait for him, and nodes are listed only when all
    events were taken, so that a node that changed twice meanwhile has one event.
    """

    def __init__(
        self, watched: Watched, since: Position, *, nodes: bool = False, poll_interval: float | None = None
    ) -> None:
        """Watch an execution; `FlyteWorkflowExecution.watch` makes these."""
        self._observation: Observation | None = None
        self._watcher: Watcher | None = None
        self._watched = watched
        self._ceiling = poll_interval
        self._log = PhaseLog(watched.name, since)
        self._nodes = NodeLog(watched.name, since) if nodes else None
        self._events: deque[Event] = deque()
        self._over = self._log.ended
        self._closed = False
        self._entered = False
        self._iterating = False
        self._job: asyncio.Task[None] | None = None
        self._patience = Patience()
        self._began: float | None = None
        self._look_at = -math.inf

    def __aiter__(self) -> Self:
        return self

    async def __aenter__(self) -> Self:
        self._entered = True
        if not self._over and self._watched.ended is None:
            self._registered()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the iteration, also one that waits for an event in another task."""
        self._closed = True
        job = self._job
        self._leave()
        if job is not None:
            await asyncio.wait([job])

    async def __anext__(self) -> Event:
        """The next event.

        Raises:
            StopAsyncIteration: after the terminal phase, or `aclose`.
            FlyteEntityNotExistException: there is no such execution.
            FlyteRemoteClosed: the remote was closed.
            FlyteUsageError: somebody else waits for the next event.
            FlyteError: the server refuses to answer, for example because of missing rights.
        """
        if self._iterating:
            raise FlyteUsageError(f"two tasks wait for the next event of one watch of {self._watched.name}: make two")
        self._iterating = True
        try:
            while True:
                if self._closed or (self._over and not self._events):
                    raise StopAsyncIteration
                if self._events:
                    return self._events.popleft()
                await self._advance()
        except BaseException as error:
            if not (self._entered and isinstance(error, asyncio.CancelledError)):
                self._leave()
            raise
        finally:
            self._iterating = False

    def __del__(self) -> None:
        observation, watcher = self._observation, self._watcher
        if observation is not None and watcher is not None:
            loop = observation.future.get_loop()
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(watcher.forget, observation)  # garbage is collected in whatever thread

    def _registered(self) -> Observation:
        if self._observation is None:
            watched = self._watched
            self._watcher = watched.watcher()
            self._observation = self._watcher.observe(watched.name, ceiling=self._ceiling, known=watched.known)
        return self._observation

    def _unregister(self) -> None:
        observation, self._observation = self._observation, None
        if observation is not None and self._watcher is not None:
            self._watcher.forget(observation)

    def _leave(self) -> None:
        self._unregister()
        job, self._job = self._job, None
        if job is not None:
            job.cancel()

    async def _advance(self) -> None:
        """Wait for something to happen, and make events of it, if any."""
        job = self._job
        if job is None:
            work = self._work()
            if work is None:
                await self._changed()
                return
            # Not in the task of whoever iterates: what is asked shall neither end with his time limit nor outlast
            # `aclose`, which he may call in another task.
            job = self._job = asyncio.get_running_loop().create_task(work)
            job.add_done_callback(_seen)
        await asyncio.wait([job])
        if self._job is job:
            self._job = None
            if not job.cancelled():
                job.result()

    def _work(self) -> Coroutine[Any, Any, None] | None:
        """What there is to do now, if anything."""
        if self._watched.ended is not None:
            return self._end(self._watched.ended)
        observation = self._registered()
        if observation.seen:
            return self._show(observation.seen.popleft())
        if observation.future.done() and not observation.future.cancelled():
            observation.future.result()  # raises why there is nothing more to see
            self._over = True
            return None
        nodes = self._nodes if self._log.started else None
        if nodes is not None and asyncio.get_running_loop().time() >= self._look_at:
            return self._look(nodes)
        return None

    async def _changed(self) -> None:
        """Until there is something new of the execution, or the nodes are to be looked at."""
        observation = self._observation
        if self._over or observation is None:
            return
        observation.changed.clear()
        try:
            async with asyncio.timeout_at(self._look_at if self._nodes is not None and self._log.started else None):
                await observation.changed.wait()
        except TimeoutError:
            return

    async def _show(self, execution: admin.Execution) -> None:
        if phase_of(execution) in TERMINAL_PHASES:
            await self._end(execution)
        else:
            await self._watched.show(execution)
            self._events += self._log.events(execution)

    async def _end(self, execution: admin.Execution) -> None:
        """The execution has ended: what its nodes have come to precedes the last event."""
        if self._nodes is not None:
            while True:
                if await self._listed(self._nodes, whole=True):
                    break
                await asyncio.sleep(self._pause())
        execution = await self._watched.show(execution)
        self._events += self._log.missed(execution)
        if self._nodes is not None:
            self._events += self._nodes.take(self._log)
        self._events += self._log.events(execution)
        self._over = True
        self._unregister()

    async def _look(self, nodes: NodeLog) -> None:
        await self._listed(nodes, whole=False)
        self._events += nodes.take(self._log)
        self._look_at = asyncio.get_running_loop().time() + self._pause()

    def _pause(self) -> float:
        """Seconds until the nodes are to be looked at again; they are looked at as often as the execution."""
        now = asyncio.get_running_loop().time()
        if self._began is None:
            self._began = now
        jitter = random.uniform(0.9, 1.1)  # noqa: S311 - jitter is no secret
        return jitter * interval(now - self._began, LATEST if self._ceiling is None else self._ceiling)

    async def _listed(self, nodes: NodeLog, *, whole: bool) -> bool:
        """List all levels; False if the server does not answer now."""
        name, levels = self._watched.name, deque(nodes.levels())
        loop, outage = asyncio.get_running_loop(), self._watched.watcher().outage
        began = loop.time()
        try:
            while levels:
                levels += await self._list(nodes, levels.popleft(), whole=whole)
        except FlyteError as error:
            now = loop.time()
            if self._patience.failed(name, error, now):
                raise
            outage.failed(error, began, now)
            logger.debug("the nodes of %s could not be listed: %s", name, error, extra=name.extra())
            return False
        self._patience.forget((name,))
        outage.answered(loop.time())
        return True

    async def _list(self, nodes: NodeLog, parent: str, *, whole: bool) -> list[str]:
        """List a level, page by page; returns the levels below it that were not known."""
        watcher, opened, token, tokens = self._watched.watcher(), list[str](), "", {""}
        while True:
            try:
                answer = await watcher.list_nodes(nodes.request(parent, token, whole=whole))
                opened += nodes.absorb(parent, answer.node_executions)
            except FlyteSystemException as error:
                if nodes.page == 1 or not (isinstance(error, FlyteDecodeError) or says_too_large(error)):
                    raise
                nodes.page //= 2  # a token is the number of nodes before the page
                continue
            except FlyteEntityNotExistException:
                if not parent:
                    raise
                nodes.drop(parent)
                return opened
            token = next_token(answer.token, tokens)
            if not token:
                nodes.listed(parent)
                return opened


def _seen(job: asyncio.Task[None]) -> None:
    """Nobody may be left to be told how it ended."""
    if not job.cancelled():
        job.exception()
