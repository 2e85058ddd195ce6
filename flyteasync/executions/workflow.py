"""The execution of a workflow, launch plan or single task."""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Self

import anyio
from typing_extensions import override

from ..deadline import Deadline, Duration, seconds
from ..entities import TypedInterface
from ..errors import FlyteError, FlytePreconditionFailed, FlyteTimeout, FlyteUsageError
from ..idl import admin, core
from ..watcher import Event, Name, Position, Watch, Watched
from ..watcher.plan import Phase
from .base import Data, cut_short
from .context import Context
from .data import DataLoader, Expected
from .snapshot import Snapshot, merge
from .state import WorkflowExecutionState
from .tree import read_nodes

logger = logging.getLogger(__name__)

TERMINATE_LIMIT = 5.0
"""Seconds that a cancelled task spends on having its execution aborted."""


class FlyteWorkflowExecution(WorkflowExecutionState):
    """An execution of a workflow, a launch plan or a single task.

    Properties show the last snapshot and never do I/O; `sync` and `wait` renew it and return the same object.
    """

    def __init__(
        self,
        type_hints: dict[str, type] | None = None,
        remote: Context | None = None,
        *,
        id: core.WorkflowExecutionIdentifier,
        spec: admin.ExecutionSpec | None = None,
        closure: admin.ExecutionClosure | None = None,
        interface: TypedInterface | None = None,
        existing: bool = False,
    ) -> None:
        """Describe an execution; costs no RPC.

        Args:
            type_hints: the Python types of inputs and outputs, by name, where they cannot be told from the values.
            remote: what `sync`, `wait` and `terminate` talk through.
            id: project, domain and name.
            spec: what was launched; None if it is not known yet.
            closure: how far it is; None if it is not known yet.
            interface: the types of inputs and outputs, if known.
            existing: the server is known to have the execution.
        """
        self._remote = remote
        self._type_hints = dict(type_hints or {})
        self._interface = interface
        self._name = Name.of(id)
        self._ordinals = itertools.count(1)
        self._state = Snapshot(
            admin.Execution(id=id, spec=spec, closure=closure if closure is not None else admin.ExecutionClosure()),
            existing=existing,
        )

    @classmethod
    def promote_from_model(
        cls,
        base_model: admin.Execution,
        remote: Context | None = None,
        type_hints: dict[str, type] | None = None,
    ) -> Self:
        """The execution that a message describes."""
        return cls(
            type_hints,
            remote,
            id=base_model.id or core.WorkflowExecutionIdentifier(),
            spec=base_model.spec,
            closure=base_model.closure,
            existing=True,
        )

    @property
    @override
    def snapshot(self) -> Snapshot:
        """All that the properties show, at one moment."""
        return self._state

    @property
    def execution_url(self) -> str:
        """Where Flyte's console shows this execution."""
        return self._context.console_url(self._name)

    # What asks the server ...

    def attach(self, remote: Context) -> Self:
        """Have an execution that was made without a remote use this one; one that has a remote keeps it."""
        if self._remote is None:
            self._remote = remote
        return self

    async def sync(self, sync_nodes: bool = False) -> Self:
        """Renew the snapshot.

        Costs one GetExecution, one GetExecutionData when inputs or outputs can be loaded for the first time, and with
        `sync_nodes` the RPCs of the node tree: one list a level, and for each node one for its data and one for its
        tasks.

        Args:
            sync_nodes: renew the tree of node executions, too.

        Raises:
            FlyteEntityNotExistException: the server has no such execution.
            FlyteError: whatever else the RPCs meet.
        """
        ordinal = next(self._ordinals)
        await self._absorb(await self._get(), ordinal, nodes=sync_nodes)
        return self

    async def wait(
        self, timeout: Duration | None = None, poll_interval: Duration | None = None, sync_nodes: bool = False
    ) -> Self:
        """Wait until the execution is in a terminal phase, and load its inputs and outputs.

        A failed execution does not raise: look at `is_successful` and `error`. Cancelling the wait leaves the
        execution alone, and so does the timeout. An outage of the server does not end the wait.

        Costs nothing per wait while it lasts (one poller asks for all executions of the connection), and at the end one
        GetExecutionData, plus one GetExecution for the whole error of a failed execution.

        Args:
            timeout: seconds or a timedelta to wait at the most; zero looks once; None is no limit.
            poll_interval: seconds or a timedelta between two looks at the most; zero means the floor of 0.1 s; None
                adapts to how long the wait lasts, up to 30 s.
            sync_nodes: load the tree of node executions at the end, too.

        Raises:
            FlyteTimeout: the execution did not finish in time.
            FlyteEntityNotExistException: the server has no such execution.
            FlyteInvalidInputException: a negative or not-a-number duration.
            FlyteRemoteClosed: the remote was closed meanwhile.
        """
        ceiling = None if poll_interval is None else seconds(poll_interval, "poll_interval")
        limit = None if timeout is None else seconds(timeout)
        if self.snapshot.done and self.snapshot.data.inputs is not None and not sync_nodes:
            return self
        deadline, ordinal = Deadline.after(limit or None), next(self._ordinals)
        if self.snapshot.done:
            execution = self.snapshot.execution
        else:
            execution = await (self._look_once() if limit == 0 else self._finished(deadline, ceiling))
        await self._load_in_time(execution, ordinal, deadline, limit, nodes=sync_nodes)
        return self

    def watch(
        self, nodes: bool = False, since: Event | str | datetime | None = None, poll_interval: Duration | None = None
    ) -> Watch:
        """The changes of the execution's phase as they are seen, up to the terminal one.

            async for event in execution.watch():
                print(event.phase.name, event.occurred_at)

        The first event tells the phase that the execution is in; one that has ended has that event only. A phase that
        lasts for less than the time between two looks may have no event, other than RUNNING. Each event renews the
        snapshot, without inputs and outputs: `wait` loads them. An outage of the server does not end the iteration.

        Costs what `wait` costs while it lasts, the whole error of a failed execution one GetExecution, and `nodes` at
        each look one ListNodeExecutions for each level of nodes under way, of what changed lately, and one for each
        level at the end.

        Args:
            nodes: also tell the changes of its nodes, as `NodeEvent`; each node's first event tells its phase.
            since: go on after this event, without repeating it or any before it: an event, the `id` of one, or the time
                of one. Of nodes, a change that the server was told of late, with a time before it, is not told.
            poll_interval: as in `wait`.

        Raises:
            FlyteInvalidInputException: a `since` that is no place in the events, or a negative `poll_interval`.
            FlyteUsageError: the execution was made without a remote.
        """
        context, snapshot = self._context, self.snapshot
        watched = Watched(
            self._name,
            lambda: context.watcher,
            self._show,
            known=snapshot.existing,
            ended=snapshot.execution if snapshot.done else None,
        )
        ceiling = None if poll_interval is None else seconds(poll_interval, "poll_interval")
        return Watch(watched, Position.of(since), nodes=nodes, poll_interval=ceiling)

    async def finish(self, execution: admin.Execution, *, values: bool = True) -> Self:
        """Show an execution that the watcher saw finished, and load its values; what `wait` does at its end.

        Args:
            execution: the message that the watcher gave.
            values: load inputs and outputs.
        """
        await self._finish(execution, next(self._ordinals), values=values)
        return self

    @asynccontextmanager
    async def terminate_on_cancel(self, cause: str = "the caller was cancelled") -> AsyncGenerator[Self]:
        """Abort the execution if the block is cancelled; nothing else in this package ever does.

            async with execution.terminate_on_cancel():
                await execution.wait()

        The cancelled task asks for the abort, waits for the server's answer for 5 seconds at most, and goes on being
        cancelled. Costs one TerminateExecution, if it comes to it.
        """
        try:
            yield self
        except asyncio.CancelledError:
            with anyio.move_on_after(TERMINATE_LIMIT, shield=True):
                try:
                    await self.terminate(cause)
                except FlyteError:
                    logger.warning("execution %s could not be aborted on cancellation", self._name, exc_info=True)
            raise

    async def terminate(self, cause: str) -> None:
        """Ask the server to abort the execution; it is ABORTED some time later, which `wait` waits for.

        Costs one TerminateExecution. An execution that has finished already is left as it is.

        Args:
            cause: shown as the reason.

        Raises:
            FlyteEntityNotExistException: the server has no such execution.
        """
        request = admin.ExecutionTerminateRequest(id=self._name.identifier(), cause=cause)
        try:
            await self._context.admin.terminate_execution(request)
        except FlytePreconditionFailed:
            return  # the only state that does not allow it is a terminal one

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
        """Absorb a finished execution before the deadline; its end is shown even if the rest comes too late."""
        scope = asyncio.timeout_at(None if deadline.at == math.inf else deadline.at)
        try:
            async with scope:
                await self._finish(execution, ordinal, nodes=nodes)
        except TimeoutError:
            if not scope.expired():
                raise
            self._state = merge(self.snapshot, Snapshot(execution, ordinal=ordinal))
            raise FlyteTimeout(
                f"execution {self._name} has finished, but what it left was not loaded within {limit:g} s",
                identifier=str(self._name),
            ) from None

    async def _show(self, execution: admin.Execution) -> admin.Execution:
        """Show a state that the watcher saw, with the whole error if that can be had."""
        try:
            await self.finish(execution, values=False)
        except FlyteError as error:
            if not error.retryable:
                raise
            logger.info("the whole error of execution %s could not be loaded: %s", self._name, error)
            self._state = merge(self.snapshot, Snapshot(execution, self.snapshot.data, ordinal=next(self._ordinals)))
        return self.snapshot.execution

    async def _finish(
        self, execution: admin.Execution, ordinal: int, *, values: bool = True, nodes: bool = False
    ) -> None:
        if cut_short(execution.closure.error if execution.closure is not None else None):
            whole = await self._get()
            execution = whole if Snapshot(whole).done else execution
        if values:
            await self._absorb(execution, ordinal, nodes=nodes)
        else:
            self._state = merge(self.snapshot, Snapshot(execution, self.snapshot.data, ordinal=ordinal))

    async def _absorb(self, execution: admin.Execution, ordinal: int, *, nodes: bool) -> None:
        """Load what an execution's message refers to, and show all of it at once."""
        new = Snapshot(execution, self.snapshot.data, ordinal=ordinal)
        if new.data.inputs is None or (new.phase is Phase.SUCCEEDED and new.data.outputs is None):
            new = replace(new, data=await self._load(new))
        if nodes:
            tree = await read_nodes(self._context, self._name, self.snapshot.nodes)
            new = replace(new, nodes=tree, nodes_ordinal=ordinal)
        self._state = merge(self.snapshot, new)

    async def _load(self, snapshot: Snapshot) -> Data:
        answer = await self._context.admin.get_execution_data(
            admin.WorkflowExecutionGetDataRequest(id=self._name.identifier())
        )
        outputs = snapshot.closure.outputs
        interface = self._interface
        expected = Expected(
            succeeded=snapshot.phase is Phase.SUCCEEDED,
            outputs_uri=(outputs.uri or "") if outputs is not None else "",
            inputs=None if interface is None else interface.inputs,
            outputs=None if interface is None else interface.outputs,
            hints=self._type_hints,
        )
        return await DataLoader(self._context.access).load(answer, expected)
