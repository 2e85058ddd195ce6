"""How the snapshot of an execution is renewed: what is asked, and what is shown of the answers."""

from __future__ import annotations

import asyncio
import copy
import itertools
import logging
import math
import random
from abc import abstractmethod
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from typing_extensions import override

from ..deadline import NEVER, Deadline
from ..entities import TypedInterface
from ..errors import FlyteError, FlyteTimeout, FlyteUsageError
from ..idl import admin
from ..watcher import Name, Watcher
from ..watcher.patience import Patience, with_trouble
from ..watcher.plan import LATEST, interval
from .base import cut_short
from .context import Context
from .snapshot import Snapshot, merge
from .state import WorkflowExecutionState

if TYPE_CHECKING:
    from .workflow import FlyteWorkflowExecution

logger = logging.getLogger("flyteasync.executions")

_OWN = frozenset({"_remote", "_ordinals", "_loader", "facade"})
"""Attributes of one object in one event loop, which no copy has."""

LOOK_LIMIT = 10.0
"""Seconds for which `wait(timeout=0)` loads the values of an execution that has finished."""

TOLD_WITHIN = 0.05
"""Seconds of a wait's time that are left when its last call ends."""


@dataclass(eq=False)
class _Loading:
    """Somebody loads what an execution has left; `level` tells how much of it."""

    level: int
    over: asyncio.Event = field(default_factory=asyncio.Event)
    succeeded: bool = False


class Renewed(WorkflowExecutionState):
    """An execution whose state is replaced as a whole by what the server answers."""

    _remote: Context | None
    _type_hints: dict[str, type]
    _interface: TypedInterface | None
    _name: Name
    _state: Snapshot
    _ordinals: Iterator[int]
    """Tells syncs apart: those that were started later have higher ones."""
    _loader: _Loading | None = None

    @property
    @override
    def snapshot(self) -> Snapshot:
        """All that the properties show, at one moment."""
        return self._state

    def __getstate__(self) -> dict[str, Any]:
        # Connections do not travel; whoever unpickles it has a remote of his own.
        return {name: value for name, value in vars(self).items() if name not in _OWN}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._remote = None
        self._ordinals = itertools.count(max(self._state.ordinal, self._state.nodes_ordinal) + 1)

    def __copy__(self) -> Self:
        return self._copied(self.__getstate__())

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self._copied(copy.deepcopy(self.__getstate__(), memo))

    def _copied(self, state: dict[str, Any]) -> Self:
        copied = object.__new__(type(self))
        copied.__setstate__(state)
        copied._remote = self._remote
        return copied

    @property
    def _context(self) -> Context:
        if self._remote is None:
            raise FlyteUsageError(
                f"execution {self._name} was made without a remote: give it one, or use `remote.sync(execution)`"
            )
        return self._remote

    @property
    def watcher(self) -> Watcher:
        """The poller that sees the end of the execution: that of its remote.

        Raises:
            FlyteUsageError: the execution was made without a remote, or its remote is closed or in use elsewhere.
        """
        return self._context.watcher

    async def _get(self, deadline: Deadline = NEVER) -> admin.Execution:
        request = admin.WorkflowExecutionGetRequest(id=self._name.identifier())
        return await self._context.admin.get_execution(request, deadline=deadline)

    async def _look_once(self) -> admin.Execution:
        request = admin.WorkflowExecutionGetRequest(id=self._name.identifier())
        try:
            snapshot = Snapshot(await self._context.admin_once.get_execution(request))
        except FlyteError as error:
            if not error.retryable:
                raise
            text = f"whether execution {self._name} is finished is not known: {error}"
            raise FlyteTimeout(text, identifier=str(self._name)) from error
        if not snapshot.done:
            raise FlyteTimeout(
                f"execution {self._name} is not finished: its phase is {snapshot.phase.name}",
                identifier=str(self._name),
            )
        return snapshot.execution

    def _finished(self, deadline: Deadline, ceiling: float | None) -> Awaitable[admin.Execution]:
        # No coroutine of its own: of those that wait, there may be many.
        return self.watcher.wait(self._name, deadline=deadline, ceiling=ceiling, known=self.snapshot.existing)

    async def _load_in_time(
        self, execution: admin.Execution, ordinal: int, deadline: Deadline, limit: float | None, *, nodes: bool
    ) -> None:
        """Absorb a finished execution before the deadline."""
        patience = Patience()
        if limit == 0:
            deadline, limit = Deadline.after(LOOK_LIMIT), LOOK_LIMIT
        scope = asyncio.timeout_at(None if deadline.at == math.inf else deadline.at)
        try:
            async with scope:
                await self._load(execution, ordinal, patience, deadline, nodes=nodes)
        except TimeoutError:
            if not scope.expired():
                raise
            text = f"execution {self._name} has finished, but what it left was not loaded within {limit:g} s"
            late = with_trouble(FlyteTimeout(text, identifier=str(self._name)), patience.trouble(self._name))
            raise late from late.__cause__

    async def finish(
        self,
        execution: admin.Execution,
        *,
        values: bool = True,
        patience: Patience | None = None,
        deadline: Deadline = NEVER,
    ) -> Self:
        """Show an execution that the watcher saw finished, and load its values; what `wait` does at its end.

        Args:
            execution: the message that the watcher gave.
            values: load inputs and outputs.
            patience: notes failures that may pass, which do not end the loading.
            deadline: when whoever waits gives up; the last call ends a moment before, so that it can be told of.
        """
        patience = Patience() if patience is None else patience
        await self._load(execution, next(self._ordinals), patience, deadline, values=values)
        return self

    async def _load(
        self,
        execution: admin.Execution,
        ordinal: int,
        patience: Patience,
        deadline: Deadline = NEVER,
        *,
        values: bool = True,
        nodes: bool = False,
    ) -> None:
        """Absorb a finished execution, through outages; of those who want it at the same time, one does."""
        level = values + nodes
        while (other := self._loader) is not None and other.level >= level:
            await other.over.wait()
            if other.succeeded:
                return
        mine = self._loader = _Loading(level)
        # Calls end a moment before, so that they can tell what went wrong.
        calls = deadline if deadline is NEVER else Deadline(deadline.at - min(TOLD_WITHIN, deadline.remaining() / 10))
        try:
            await self._finish_patiently(execution, ordinal, patience, calls, values=values, nodes=nodes)
            mine.succeeded = True
        finally:
            mine.over.set()
            if self._loader is mine:
                self._loader = None

    async def _finish_patiently(
        self,
        execution: admin.Execution,
        ordinal: int,
        patience: Patience,
        deadline: Deadline,
        *,
        values: bool,
        nodes: bool,
    ) -> None:
        loop, outage = asyncio.get_running_loop(), self.watcher.outage
        began = asked = loop.time()
        while True:
            try:
                await self._finish(execution, ordinal, deadline, values=values, nodes=nodes)
            except FlyteError as error:
                now = loop.time()
                if patience.failed(self._name, error, now):
                    raise
                outage.failed(error, asked, now)
                text, extra = "what execution %s left could not be loaded: %s", self._name.extra()
                logger.debug(text, self._name, error, extra=extra)
            else:
                patience.forget((self._name,))
                outage.answered(loop.time())
                return
            jitter = random.uniform(0.9, 1.1)  # noqa: S311 - jitter is no secret
            await asyncio.sleep(jitter * interval(loop.time() - began, LATEST))
            asked = loop.time()

    async def _show(self, execution: admin.Execution) -> admin.Execution:
        """Show a state that the watcher saw, with the whole error if that can be had."""
        try:
            await self._finish(execution, next(self._ordinals), values=False)
        except FlyteUsageError:
            raise  # the remote was closed
        except FlyteError as error:
            text, extra = "the whole error of execution %s could not be loaded: %s", self._name.extra()
            logger.info(text, self._name, error, extra=extra)
        return self.snapshot.execution

    async def _finish(
        self,
        execution: admin.Execution,
        ordinal: int,
        deadline: Deadline = NEVER,
        *,
        values: bool = True,
        nodes: bool = False,
    ) -> None:
        """Absorb a finished execution, with the whole text of its error; its end is shown even if that fails."""
        new = Snapshot(execution, self.snapshot.data, ordinal=ordinal)
        try:
            if cut_short(new.closure.error):
                whole = await self._get(deadline)
                new = replace(new, execution=whole) if Snapshot(whole).done else new
            if values:
                await self._absorb(new.execution, ordinal, deadline, nodes=nodes)
        finally:
            self._state = merge(self.snapshot, new)

    async def _absorb(
        self, execution: admin.Execution, ordinal: int, deadline: Deadline = NEVER, *, nodes: bool
    ) -> None:
        """Load what an execution's message refers to, and show all of it at once; if that fails, the message."""
        from .sync import TreeReader, load_values  # a program that only launches does not pay for it

        known = self.snapshot
        new = Snapshot(execution, known.data, ordinal=ordinal)
        try:
            if nodes:
                reader = TreeReader(self._context, self._launched)
                new = await reader.read(new, known, self._interface, self._type_hints)
                new = replace(new, nodes_ordinal=ordinal)
            elif not new.loaded:
                data = await load_values(self._context, new, self._interface, self._type_hints, deadline=deadline)
                new = replace(new, data=data)
        finally:
            self._state = merge(self.snapshot, new)

    @abstractmethod
    def _launched(self, snapshot: Snapshot) -> FlyteWorkflowExecution:
        """An execution that a node of this one launched."""

    async def _seen_once(self) -> None:
        """Ask which workflow runs, if the server has not told yet."""
        if self.closure.workflow_id is None:
            new = Snapshot(await self._get(), self.snapshot.data, ordinal=next(self._ordinals))
            self._state = merge(self.snapshot, new)
