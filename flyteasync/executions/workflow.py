"""The execution of a workflow, launch plan or single task."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Self

import anyio
from typing_extensions import override

from ..cleanup import to_the_end
from ..deadline import Deadline, Duration, seconds
from ..entities import FlyteWorkflow, TypedInterface
from ..errors import (
    FlyteError,
    FlyteExecutionFailed,
    FlyteInvalidInputException,
    FlytePreconditionFailed,
)
from ..idl import admin, core
from ..interop import MessageLike, message_of, optional_message_of
from ..watcher import Event, Name, Position, Watch, Watched
from .again import recover_request, relaunch_request, spec_of_repetition
from .base import phase_name
from .context import AgainRequest, Context
from .node import FlyteNodeExecution
from .renewal import Renewed
from .snapshot import Snapshot

if TYPE_CHECKING:
    from ..literals import LiteralsResolver

logger = logging.getLogger("flyteasync.executions")

TERMINATE_LIMIT = 5.0
"""Seconds that a cancelled task spends on having its execution aborted."""


class FlyteWorkflowExecution(Renewed):
    """An execution of a workflow, a launch plan or a single task.

    Properties show the last snapshot and never do I/O; `sync` and `wait` renew it and return the same object.
    """

    def __init__(
        self,
        type_hints: dict[str, type] | None = None,
        remote: Context | None = None,
        *,
        id: MessageLike,
        spec: MessageLike | None = None,
        closure: MessageLike | None = None,
        interface: TypedInterface | None = None,
        existing: bool = False,
    ) -> None:
        """Describe an execution; costs no RPC. Messages may be generated ones, flyteidl's, flytekit's models, or bytes.

        Args:
            type_hints: the Python types of inputs and outputs, by name, where they cannot be told from the values.
            remote: what `sync`, `wait` and `terminate` talk through.
            id: project, domain and name.
            spec: what was launched; None if it is not known yet.
            closure: how far it is; None if it is not known yet.
            interface: the types of inputs and outputs, if known.
            existing: the server is known to have the execution.

        Raises:
            FlyteTypeException: something that is not the message it should be.
        """
        self._remote = remote
        self._type_hints = dict(type_hints or {})
        self._interface = interface
        self._ordinals = itertools.count(1)
        self._state = Snapshot(
            admin.Execution(
                id=message_of(core.WorkflowExecutionIdentifier, id),
                spec=optional_message_of(admin.ExecutionSpec, spec),
                closure=optional_message_of(admin.ExecutionClosure, closure),
            ),
            existing=existing,
        )
        self._name = Name.of(self._state.execution.id)

    @classmethod
    def promote_from_model(
        cls,
        base_model: MessageLike,
        remote: Context | None = None,
        type_hints: dict[str, type] | None = None,
    ) -> Self:
        """The execution that a message describes.

        Args:
            base_model: a `flyteidl.admin.Execution`: generated, of flyteidl or flytekit, or bytes.
            remote: as in the constructor.
            type_hints: as in the constructor.

        Raises:
            FlyteTypeException: it is no such message.
        """
        model = message_of(admin.Execution, base_model)
        identifier = model.id if model.id is not None else core.WorkflowExecutionIdentifier()
        execution = cls(type_hints, remote, id=identifier)
        execution._state = Snapshot(model, existing=True)
        return execution

    @classmethod
    def from_flyte_idl(cls, pb: MessageLike) -> Self:
        """The execution that a message describes, without a remote."""
        return cls.promote_from_model(pb)

    @override
    def to_flyte_idl(self) -> admin.Execution:
        """The last message."""
        return self.snapshot.execution

    @property
    @override
    def execution_url(self) -> str | None:
        """Where Flyte's console shows this execution; None if it was made without a remote."""
        return None if self._remote is None else self._remote.console_url(self._name)

    # What asks the server ...

    def attach(self, remote: Context) -> Self:
        """Have an execution that was made without a remote use this one; one that has a remote keeps it."""
        if self._remote is None:
            self._remote = remote
        return self

    async def sync(self, sync_nodes: bool = False) -> Self:
        """Renew the snapshot.

        Costs one GetExecution, one GetExecutionData when inputs or outputs can be loaded for the first time, and with
        `sync_nodes` the RPCs of the node tree: one GetWorkflow if the connection does not remember the workflow, one
        list a level, for each node one for its data, for tasks one for their attempts, and for attempts whose values
        are not stored where the node's are one for these. What had ended when it was read is not asked about again.

        Values that the server cannot read, or that are too large for it, are no failure: reading them tells why. If
        the sync is cut short by an outage or cancelled after the server told the phase, the phase is shown.

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
        execution alone, and so does the timeout. An outage of the server does not end the wait, nor the loading.

        Costs nothing per wait while it lasts (one poller asks for all executions of the connection), and at the end one
        GetExecutionData, plus one GetExecution for the whole error of a failed execution.

        Args:
            timeout: seconds or a timedelta to wait at the most, loading included; zero looks once, with one attempt,
                and loads for 10 s at the most what has finished; None is no limit.
            poll_interval: seconds or a timedelta between two looks at the most; zero means the floor of 0.1 s; None
                adapts to how long the wait lasts, up to 30 s.
            sync_nodes: load the tree of node executions at the end, too.

        Raises:
            FlyteTimeout: the execution did not finish in time; if the server does not answer, that is its cause.
            FlyteEntityNotExistException: the server has no such execution.
            FlyteInvalidInputException: a negative or not-a-number duration.
            FlyteRemoteClosed: the remote was closed meanwhile.
        """
        ceiling = None if poll_interval is None else seconds(poll_interval, "poll_interval")
        limit = None if timeout is None else seconds(timeout)
        if self.snapshot.done and self.snapshot.loaded and not sync_nodes:
            return self
        deadline, ordinal = Deadline.after(limit or None), next(self._ordinals)
        if self.snapshot.done:
            execution = self.snapshot.execution
        else:
            execution = await (self._look_once() if limit == 0 else self._finished(deadline, ceiling))
        await self._load_in_time(execution, ordinal, deadline, limit, nodes=sync_nodes)
        return self

    async def result(self, timeout: Duration | None = None, poll_interval: Duration | None = None) -> LiteralsResolver:
        """Wait until the execution is finished, and return its outputs; costs what `wait` costs.

        Args:
            timeout: as in `wait`.
            poll_interval: as in `wait`.

        Raises:
            FlyteExecutionFailed: it failed, was aborted or timed out; carries the remote error.
            FlyteAssertion: it succeeded, and its outputs could not be read; tells which URI.
            FlyteTimeout: the execution did not finish in time; and what else `wait` raises.
        """
        await self.wait(timeout, poll_interval)
        if (error := self.error) is not None:
            phase = phase_name(self.snapshot.phase)
            raise FlyteExecutionFailed(
                f"execution {self._name} ended as {phase}: {error.message}",
                phase=phase,
                error=error,
                identifier=str(self._name),
            )
        return self.outputs

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
        return Watch(watched, Position.of(since, self._name), nodes=nodes, poll_interval=ceiling)

    @asynccontextmanager
    async def terminate_on_cancel(self, cause: str = "the caller was cancelled") -> AsyncGenerator[Self]:
        """Abort the execution if the block is cancelled; nothing else in this package ever does.

            async with execution.terminate_on_cancel():
                await execution.wait()

        The cancelled task asks for the abort, waits for the server's answer for 5 seconds at most, also if it is
        cancelled again, and goes on being cancelled. Costs one TerminateExecution, if it comes to it.
        """
        try:
            yield self
        except asyncio.CancelledError:
            await to_the_end(self._abort(cause))
            raise

    async def _abort(self, cause: str) -> None:
        with anyio.move_on_after(TERMINATE_LIMIT):
            try:
                await self.terminate(cause)
            except FlyteError as error:
                # Without its causes: they may be those of a source of tokens, and hold its words.
                text, extra = "execution %s could not be aborted on cancellation: %s", self._name.extra()
                logger.warning(text, self._name, error, extra=extra)

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

    async def relaunch(self, execution_name: str | None = None, *, overwrite_cache: bool = False) -> Self:
        """Run the same once more, with the same inputs, exactly once, also if replies get lost.

        Costs one RelaunchExecution, and one GetExecution before it if the new execution is given a name. What is
        relaunched may be in any phase, and goes on.

        Args:
            execution_name: a name that is unique in project and domain; generated if not given. If the relaunch of
                this execution has it already, that one is returned.
            overwrite_cache: run cached tasks anyway, and replace what is cached.

        Returns:
            The new execution; how far it is comes with its first `sync` or `wait`.

        Raises:
            FlyteEntityNotExistException: the server has no such execution.
            FlyteEntityAlreadyExistsException: another execution has the name.
            FlyteInvalidInputException: a bad name; or the server's refusal of the inputs.
            FlyteConcurrencyLimitReached: the launch plan allows no further execution now.
        """
        return await self._again(relaunch_request(self.id, overwrite_cache=overwrite_cache), execution_name)

    async def recover(self, execution_name: str | None = None) -> Self:
        """Run the same once more, without the nodes that have succeeded, exactly once, also if replies get lost.

        Costs one RecoverExecution; arguments, result and errors are those of `relaunch`.
        """
        return await self._again(recover_request(self.id), execution_name)

    async def fetch_workflow(self) -> FlyteWorkflow:
        """The workflow that runs, as it is registered; `flyte_workflow` shows it from then on.

        Costs one GetWorkflow unless the remote remembers the workflow, and one GetExecution before it if the server
        has not told yet which it is.

        Raises:
            FlyteEntityNotExistException: the server has no such execution.
            FlyteError: whatever else the RPCs meet.
        """
        if self.snapshot.workflow is None:
            await self._seen_once()
            workflow = await self._context.workflows.get(
                self._context.admin, self.closure.workflow_id or core.Identifier()
            )
            self._state = replace(self.snapshot, workflow=workflow)
            return workflow
        return self.snapshot.workflow

    async def fetch_node(self, *path: str) -> FlyteNodeExecution:
        """Read one node with its values, its attempts and all below it, without the rest of the tree.

            await execution.fetch_node("n1")
            await execution.fetch_node("n2", "n0")  # the node n0 of the sub-workflow that n2 runs

        Costs one list for each id, and what `sync` costs for this node and those below it; one GetExecution and one
        GetWorkflow before, if they were not asked yet. `node_executions` is left as it is.

        Args:
            path: the ids of the nodes in their workflows, from the top down; through sub-workflows, branches, dynamic
                nodes and launched executions. An id may also be the unique one, `n2-0-n0`. Of a node that was run again
                by another attempt of its parent, the last one is read.

        Raises:
            FlyteEntityNotExistException: there is no such node, or it has not begun; or no such execution.
            FlyteInvalidInputException: no id.
            FlyteError: whatever else the RPCs meet.
        """
        from .lookup import NodeFinder  # a program that only launches does not pay for it

        if not path or not all(path):
            raise FlyteInvalidInputException("the id of a node is needed")
        await self._seen_once()
        return await NodeFinder(self._context, self._launched).find(self.snapshot, path)

    @override
    def _launched(self, snapshot: Snapshot) -> FlyteWorkflowExecution:
        """An execution that a node of this one launched."""
        model = snapshot.execution
        execution = FlyteWorkflowExecution(
            remote=self._remote, id=model.id or core.WorkflowExecutionIdentifier(), existing=snapshot.existing
        )
        execution._state = snapshot
        return execution

    async def _again(self, request: AgainRequest, execution_name: str | None) -> Self:
        name = await self._context.launch_again(request, execution_name)
        return type(self)(
            self._type_hints,
            self._context,
            id=name.identifier(),
            spec=spec_of_repetition(self.snapshot.execution.spec, request),
            interface=self._interface,
            existing=True,
        )
