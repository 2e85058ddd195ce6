"""The events of one execution, for whoever iterates over them; there is no task, and a queue of bounded length."""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from ..errors import FlyteDecodeError, FlyteEntityNotExistException, FlyteError, FlyteResourceExhausted, FlyteUsageError
from ..idl import admin
from .events import Event, PhaseLog, Position
from .nodes import NodeLog
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
    an error, a cancellation, the last event, and being collected as garbage all end that. After a cancelled
    `anext(events)`, such as one with a time limit, the next one goes on where it was.

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
        self._iterating = False
        self._began: float | None = None
        self._look_at = -math.inf

    def __aiter__(self) -> Self:
        return self

    async def __aenter__(self) -> Self:
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
        self._unregister()

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
        except BaseException:
            self._unregister()
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

    async def _advance(self) -> None:
        """Wait for something to happen, and make events of it, if any."""
        if self._watched.ended is not None:
            await self._end(self._watched.ended)
            return
        observation = self._registered()
        if observation.seen:
            await self._show(observation.seen[0])
            if observation.seen:
                observation.seen.popleft()
        elif observation.future.done() and not observation.future.cancelled():
            observation.future.result()  # raises why there is nothing more to see
            self._over = True
        else:
            await self._wait(observation)

    async def _wait(self, observation: Observation) -> None:
        """Until there is something new of the execution, or the nodes are to be looked at."""
        loop = asyncio.get_running_loop()
        nodes = self._nodes if self._log.started else None
        if nodes is not None and loop.time() >= self._look_at:
            await self._look(nodes)
            return
        observation.changed.clear()
        try:
            async with asyncio.timeout_at(None if nodes is None else self._look_at):
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
        levels = deque(nodes.levels())
        try:
            while levels:
                levels += await self._list(nodes, levels.popleft(), whole=whole)
        except FlyteError as error:
            if not error.retryable:
                raise
            name = self._watched.name
            logger.debug("the nodes of %s could not be listed: %s", name, error, extra=name.extra())
            return False
        return True

    async def _list(self, nodes: NodeLog, parent: str, *, whole: bool) -> list[str]:
        """List a level, page by page; returns the levels below it that were not known."""
        watcher, opened, token = self._watched.watcher(), list[str](), ""
        while True:
            try:
                answer = await watcher.list_nodes(nodes.request(parent, token, whole=whole))
                opened += nodes.absorb(parent, answer.node_executions)
            except (FlyteResourceExhausted, FlyteDecodeError):
                if nodes.page == 1:
                    raise
                nodes.page //= 2  # a token is the number of nodes before the page
                continue
            except FlyteEntityNotExistException:
                if not parent:
                    raise
                nodes.drop(parent)
                return opened
            token = answer.token
            if not token:
                nodes.listed(parent)
                return opened
