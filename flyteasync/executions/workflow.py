"""The execution of a workflow, launch plan or single task."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from typing_extensions import override

from ..deadline import Deadline, Duration, seconds
from ..entities import TypedInterface
from ..errors import FlytePreconditionFailed, FlyteTimeout, FlyteUsageError
from ..idl import admin, core
from ..watcher import TERMINAL_PHASES, Name
from ..watcher.plan import Phase
from .base import ABORTED_CODE, TIMED_OUT_CODE, Data, RemoteExecutionBase, read_data
from .context import Context
from .node import FlyteNodeExecution
from .tree import read_nodes

CUT_SHORT_BYTES = 97
"""Lists cut an error's text to 100 bytes, or up to three fewer where a character would be torn."""


@dataclass(frozen=True)
class Snapshot:
    """All that an execution object shows, replaced in one assignment.

    Attributes:
        execution: the last message; its closure is there, if only with phase UNDEFINED.
        data: the values, as far as loaded.
        nodes: the node tree, by node id; empty until nodes were synced.
        ordinal: tells which sync this came from; later-started syncs have higher ones.
        existing: whether the server is known to have the execution.
    """

    execution: admin.Execution
    data: Data = Data()
    nodes: Mapping[str, FlyteNodeExecution] = field(default_factory=dict[str, FlyteNodeExecution])
    ordinal: int = 0
    existing: bool = False

    @property
    def closure(self) -> admin.ExecutionClosure:
        """The closure, never None."""
        closure = self.execution.closure
        return closure if closure is not None else admin.ExecutionClosure()

    @property
    def phase(self) -> Phase:
        """The phase."""
        return Phase(self.closure.phase)

    @property
    def done(self) -> bool:
        """Whether the phase is terminal."""
        return self.phase in TERMINAL_PHASES


def merge(current: Snapshot, new: Snapshot) -> Snapshot:
    """What to show after a reply: never older than what is shown, and never back from a terminal phase.

    Two concurrent calls may lose one another's writes in flyteadmin, so that an execution that was finished seems to
    run again; the first terminal phase that was seen is the truth.
    """
    older, newer = (current, new) if new.ordinal >= current.ordinal else (new, current)
    execution = current.execution if current.done and (not new.done or new.phase != current.phase) else newer.execution
    data = Data(
        newer.data.inputs if newer.data.inputs is not None else older.data.inputs,
        newer.data.outputs if newer.data.outputs is not None else older.data.outputs,
        newer.data.unreadable or older.data.unreadable,
    )
    return Snapshot(execution, data, newer.nodes or older.nodes, newer.ordinal, existing=True)


def cut_short(execution: admin.Execution) -> bool:
    """Whether the error's text may be the beginning only, as in lists."""
    error = execution.closure.error if execution.closure is not None else None
    return error is not None and len(error.message.encode()) >= CUT_SHORT_BYTES


class FlyteWorkflowExecution(RemoteExecutionBase):
    """An execution of a workflow, a launch plan or a single task.

    Properties show the last snapshot and never do I/O; `sync` and `wait` renew it and return the same object.
    Executions are equal, and hash alike, if their identifiers are equal.
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
        self._snapshot = Snapshot(
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

    # What the last snapshot shows ...

    @property
    def id(self) -> core.WorkflowExecutionIdentifier:
        """Project, domain and name."""
        return self._snapshot.execution.id or core.WorkflowExecutionIdentifier()

    @property
    def spec(self) -> admin.ExecutionSpec:
        """What was launched, and how."""
        spec = self._snapshot.execution.spec
        return spec if spec is not None else admin.ExecutionSpec()

    @property
    def closure(self) -> admin.ExecutionClosure:
        """How far it is; with phase UNDEFINED before the first sync of a launched execution, never None."""
        return self._snapshot.closure

    @property
    def node_executions(self) -> Mapping[str, FlyteNodeExecution]:
        """The top level of the node tree by node id; empty until `sync(sync_nodes=True)`."""
        return self._snapshot.nodes

    @property
    @override
    def is_done(self) -> bool:
        """Whether the execution is in a terminal phase, as of the last sync."""
        return self._snapshot.done

    @property
    def is_successful(self) -> bool:
        """Whether the execution is known to have succeeded."""
        return self._snapshot.phase is Phase.SUCCEEDED

    @property
    @override
    def error(self) -> core.ExecutionError | None:
        """Why the execution failed, was aborted or timed out; None if it succeeded.

        Raises:
            FlyteAssertion: the execution is in progress.
        """
        self._require_done()
        snapshot = self._snapshot
        if snapshot.phase is Phase.SUCCEEDED:
            return None
        if snapshot.closure.error is not None:
            return snapshot.closure.error
        if snapshot.phase is Phase.ABORTED:
            abort = snapshot.closure.abort_metadata
            cause = abort.cause if abort is not None else ""
            return core.ExecutionError(code=ABORTED_CODE, message=cause or "the execution was aborted")
        code = TIMED_OUT_CODE if snapshot.phase is Phase.TIMED_OUT else "Unknown"
        return core.ExecutionError(code=code, message=f"the execution ended as {snapshot.phase.name}")

    @property
    @override
    def _data(self) -> Data:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._snapshot.data

    @property
    def execution_url(self) -> str:
        """Where Flyte's console shows this execution."""
        return self._context.console_url(self._name)

    def to_flyte_idl(self) -> admin.Execution:
        """The last message."""
        return self._snapshot.execution

    @override
    def short_string(self) -> str:
        """Name and phase."""
        return f"{self._name} ({self._snapshot.phase.name})"

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
        if not self._snapshot.done:
            ordinal = next(self._ordinals)
            execution = await (self._look_once() if limit == 0 else self._finished(limit, ceiling))
        elif self._snapshot.data.inputs is not None and not sync_nodes:
            return self
        else:
            ordinal, execution = next(self._ordinals), self._snapshot.execution
        await self._absorb(execution, ordinal, nodes=sync_nodes)
        return self

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

    async def _finished(self, limit: float | None, ceiling: float | None) -> admin.Execution:
        execution = await self._context.watcher.wait(
            self._name, deadline=Deadline.after(limit), ceiling=ceiling, known=self._snapshot.existing
        )
        return await self._get() if cut_short(execution) else execution

    async def _absorb(self, execution: admin.Execution, ordinal: int, *, nodes: bool) -> None:
        """Load what an execution's message refers to, and show all of it at once."""
        new = Snapshot(execution, self._snapshot.data, ordinal=ordinal)
        if new.data.inputs is None or (new.phase is Phase.SUCCEEDED and new.data.outputs is None):
            new = replace(new, data=await self._load(new))
        if nodes:
            new = replace(new, nodes=await read_nodes(self._context, self._name, self._snapshot.nodes))
        self._snapshot = merge(self._snapshot, new)

    async def _load(self, snapshot: Snapshot) -> Data:
        answer = await self._context.admin.get_execution_data(
            admin.WorkflowExecutionGetDataRequest(id=self._name.identifier())
        )
        outputs = snapshot.closure.outputs
        interface = self._interface
        return read_data(
            answer.full_inputs,
            answer.full_outputs,
            succeeded=snapshot.phase is Phase.SUCCEEDED,
            outputs_uri=(outputs.uri or "") if outputs is not None else "",
            variables=(None, None) if interface is None else (interface.inputs, interface.outputs),
            hints=self._type_hints,
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FlyteWorkflowExecution) and other._name == self._name

    def __hash__(self) -> int:
        return hash(self._name)
