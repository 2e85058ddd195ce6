"""How the snapshot of an execution is renewed: what is asked, and what is shown of the answers."""

from __future__ import annotations

import asyncio
import copy
import itertools
import logging
import math
from abc import abstractmethod
from collections.abc import Awaitable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from typing_extensions import override

from ..deadline import Deadline
from ..entities import TypedInterface
from ..errors import FlyteError, FlyteTimeout, FlyteUsageError
from ..idl import admin
from ..watcher import Name
from .base import cut_short
from .context import Context
from .snapshot import Snapshot, merge
from .state import WorkflowExecutionState

if TYPE_CHECKING:
    from .workflow import FlyteWorkflowExecution

logger = logging.getLogger("flyteasync.executions")


class Renewed(WorkflowExecutionState):
    """An execution whose state is replaced as a whole by what the server answers."""

    _remote: Context | None
    _type_hints: dict[str, type]
    _interface: TypedInterface | None
    _name: Name
    _state: Snapshot
    _ordinals: Iterator[int]
    """Tells syncs apart: those that were started later have higher ones."""

    @property
    @override
    def snapshot(self) -> Snapshot:
        """All that the properties show, at one moment."""
        return self._state

    def __getstate__(self) -> dict[str, Any]:
        # Connections do not travel; whoever unpickles it has a remote of his own.
        return {name: value for name, value in vars(self).items() if name not in ("_remote", "_ordinals", "facade")}

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

    async def _get(self) -> admin.Execution:
        return await self._context.admin.get_execution(admin.WorkflowExecutionGetRequest(id=self._name.identifier()))

    async def _look_once(self) -> admin.Execution:
        snapshot = Snapshot(await self._get())
        if not snapshot.done:
            raise FlyteTimeout(
                f"execution {self._name} is not finished: its phase is {snapshot.phase.name}",
                identifier=str(self._name),
            )
        return snapshot.execution

    def _finished(self, deadline: Deadline, ceiling: float | None) -> Awaitable[admin.Execution]:
        # No coroutine of its own: of those that wait, there may be many.
        return self._context.watcher.wait(self._name, deadline=deadline, ceiling=ceiling, known=self.snapshot.existing)

    async def _load_in_time(
        self, execution: admin.Execution, ordinal: int, deadline: Deadline, limit: float | None, *, nodes: bool
    ) -> None:
        """Absorb a finished execution before the deadline."""
        scope = asyncio.timeout_at(None if deadline.at == math.inf else deadline.at)
        try:
            async with scope:
                await self._finish(execution, ordinal, nodes=nodes)
        except TimeoutError:
            if not scope.expired():
                raise
            raise FlyteTimeout(
                f"execution {self._name} has finished, but what it left was not loaded within {limit:g} s",
                identifier=str(self._name),
            ) from None

    async def _show(self, execution: admin.Execution) -> admin.Execution:
        """Show a state that the watcher saw, with the whole error if that can be had."""
        try:
            await self._finish(execution, next(self._ordinals), values=False)
        except FlyteError as error:
            if not error.retryable:
                raise
            text, extra = "the whole error of execution %s could not be loaded: %s", self._name.extra()
            logger.info(text, self._name, error, extra=extra)
        return self.snapshot.execution

    async def _finish(
        self, execution: admin.Execution, ordinal: int, *, values: bool = True, nodes: bool = False
    ) -> None:
        """Absorb a finished execution, with the whole text of its error; its end is shown even if that fails."""
        new = Snapshot(execution, self.snapshot.data, ordinal=ordinal)
        try:
            if cut_short(new.closure.error):
                whole = await self._get()
                new = replace(new, execution=whole) if Snapshot(whole).done else new
            if values:
                await self._absorb(new.execution, ordinal, nodes=nodes)
        finally:
            self._state = merge(self.snapshot, new)

    async def _absorb(self, execution: admin.Execution, ordinal: int, *, nodes: bool) -> None:
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
                new = replace(new, data=await load_values(self._context, new, self._interface, self._type_hints))
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
