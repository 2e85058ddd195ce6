"""Executions for programs without an event loop."""

from __future__ import annotations

import copy
import logging
import weakref
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from typing_extensions import override

from ..deadline import Duration
from ..entities import FlyteWorkflow
from ..errors import FlyteSystemException, FlyteTypeException
from ..executions import FlyteNodeExecution as AioNode
from ..executions import FlyteWorkflowExecution as AioExecution
from ..executions.base import Data
from ..executions.snapshot import Snapshot
from ..executions.state import WorkflowExecutionState
from ..interop import MessageLike, pb2_of
from ..remote.checks import kind_of
from ..watcher import Event, Name
from .nodes import FlyteNodeExecution, node_facade_of
from .portal import portal
from .watch import Watch

if TYPE_CHECKING:
    from ..literals import LiteralsResolver

logger = logging.getLogger("flyteasync.sync")

EXECUTION = "flyteasync.sync.FlyteWorkflowExecution"
"""What callers call the class."""

LOADING = "`execution.sync()`"
"""What loads values, for those who ask for them before."""


class Twin(Protocol):
    """A facade object, which holds the async object that does the work."""

    @property
    def aio(self) -> Any:
        """The async object."""
        ...


def facade_of(execution: AioExecution) -> FlyteWorkflowExecution:
    """The blocking object that shows an async execution, always the same one while it is referred to."""
    shown = execution.facade() if execution.facade is not None else None
    if not isinstance(shown, FlyteWorkflowExecution):
        shown = object.__new__(FlyteWorkflowExecution)
        shown.show(execution)
    return shown


async def looked_at(execution: AioExecution) -> AioExecution:
    """An execution as flytekit returns it from a launch: how far it is, and the nodes of one that was awaited."""
    try:
        return await execution.sync(sync_nodes=execution.is_done and execution.snapshot.loaded)
    except FlyteSystemException as error:
        # It was launched: an error would make its caller launch it again.
        extra = Name.of(execution.id).extra()
        logger.warning("launched %s, but could not look at it: %s", execution.short_string(), error, extra=extra)
        return execution


def _aio_of(remote: Twin | None) -> Any:
    if remote is not None and not hasattr(remote, "aio"):
        raise FlyteTypeException(f"a flyteasync.sync.FlyteRemote is needed; got {kind_of(remote)}")
    return None if remote is None else remote.aio


class FlyteWorkflowExecution(WorkflowExecutionState):
    """An execution of a workflow, a launch plan or a single task, whose verbs block.

    The properties are those of `flyteasync.FlyteWorkflowExecution`: they show the last snapshot and never do I/O.
    """

    _loading: ClassVar[str] = LOADING

    def __init__(
        self,
        type_hints: dict[str, type] | None = None,
        remote: Twin | None = None,
        *,
        id: MessageLike,
        spec: MessageLike | None = None,
        closure: MessageLike | None = None,
    ) -> None:
        """Describe an execution; costs no RPC. Arguments are those of `flyteasync.FlyteWorkflowExecution`."""
        self.show(AioExecution(type_hints, _aio_of(remote), id=id, spec=spec, closure=closure))

    @classmethod
    def promote_from_model(
        cls,
        base_model: MessageLike,
        remote: Twin | None = None,
        type_hints: dict[str, type] | None = None,
    ) -> Self:
        """The execution that a message describes; see `flyteasync.FlyteWorkflowExecution.promote_from_model`."""
        shown = object.__new__(cls)
        shown.show(AioExecution.promote_from_model(base_model, _aio_of(remote), type_hints))
        return shown

    @classmethod
    def from_flyte_idl(cls, pb: MessageLike) -> Self:
        """The execution that a message describes, without a remote."""
        return cls.promote_from_model(pb)

    def sync(self, sync_nodes: bool = False) -> Self:
        """Renew the snapshot.

        Costs one GetExecution, one GetExecutionData when inputs or outputs can be loaded for the first time, and with
        `sync_nodes` the RPCs of the node tree: one GetWorkflow if the connection does not remember the workflow, one
        list a level, for each node one for its data, for tasks one for their attempts, and for attempts whose values
        are not stored where the node's are one for these. What had ended when it was read is not asked about again.

        Values that the server cannot read, or that are too large for it, are no failure: reading them tells why. If
        the sync is cut short by an outage or Ctrl-C after the server told the phase, the phase is shown.

        Args:
            sync_nodes: renew the tree of node executions, too.

        Raises:
            FlyteEntityNotExistException: the server has no such execution.
            FlyteError: whatever else the RPCs meet.
        """
        portal().run(self._aio.sync(sync_nodes))
        return self

    def wait(
        self, timeout: Duration | None = None, poll_interval: Duration | None = None, sync_nodes: bool = True
    ) -> Self:
        """Wait until the execution is in a terminal phase, and load its inputs, its outputs and its nodes.

        A failed execution does not raise: look at `is_successful` and `error`. Ctrl-C and the timeout leave the
        execution alone. An outage of the server does not end the wait.

        Costs nothing per wait while it lasts (one poller asks for all executions of the connection), and at the end one
        GetExecutionData, plus one GetExecution for the whole error of a failed execution, and the RPCs of the node
        tree, see `sync`.

        Args:
            timeout: seconds or a timedelta to wait at the most; zero looks once; None is no limit.
            poll_interval: seconds or a timedelta between two looks at the most; zero means the floor of 0.1 s; None
                adapts to how long the wait lasts, up to 30 s.
            sync_nodes: load the tree of node executions at the end, too, as flytekit does.

        Raises:
            FlyteTimeout: the execution did not finish in time.
            FlyteEntityNotExistException: the server has no such execution.
            FlyteInvalidInputException: a negative or not-a-number duration.
            FlyteRemoteClosed: the remote was closed meanwhile.
        """
        portal().run(self._aio.wait(timeout, poll_interval, sync_nodes))
        return self

    def result(self, timeout: Duration | None = None, poll_interval: Duration | None = None) -> LiteralsResolver:
        """Wait until the execution is finished, and return its outputs; costs what `wait` costs without the nodes.

        Args:
            timeout: as in `wait`.
            poll_interval: as in `wait`.

        Raises:
            FlyteExecutionFailed: it failed, was aborted or timed out; carries the remote error.
            FlyteAssertion: it succeeded, and its outputs could not be read; tells which URI.
            FlyteTimeout: the execution did not finish in time; and what else `wait` raises.
        """
        return portal().run(self._aio.result(timeout, poll_interval))

    def terminate(self, cause: str) -> None:
        """Ask the server to abort the execution; it is ABORTED some time later, which `wait` waits for.

        Costs one TerminateExecution. An execution that has finished already is left as it is.

        Args:
            cause: shown as the reason.

        Raises:
            FlyteEntityNotExistException: the server has no such execution.
        """
        portal().run(self._aio.terminate(cause))

    def relaunch(self, execution_name: str | None = None, *, overwrite_cache: bool = False) -> FlyteWorkflowExecution:
        """Run the same once more, with the same inputs, exactly once, also if replies get lost.

        Costs one RelaunchExecution, one GetExecution before it if the new execution is given a name, and after it what
        a `sync` of the new one costs. What is relaunched may be in any phase, and goes on.

        Args:
            execution_name: a name that is unique in project and domain; generated if not given. If the relaunch of
                this execution has it already, that one is returned.
            overwrite_cache: run cached tasks anyway, and replace what is cached.

        Returns:
            The new execution as the server shows it. If it could not be looked at, that is logged, and shows when it is
            next synced.

        Raises:
            FlyteEntityNotExistException: the server has no such execution.
            FlyteEntityAlreadyExistsException: another execution has the name.
            FlyteInvalidInputException: a bad name; or the server's refusal of the inputs.
            FlyteConcurrencyLimitReached: the launch plan allows no further execution now.
        """
        launched = portal().run(self._aio.relaunch(execution_name, overwrite_cache=overwrite_cache))
        return facade_of(portal().run(looked_at(launched)))

    def recover(self, execution_name: str | None = None) -> FlyteWorkflowExecution:
        """Run the same once more, without the nodes that have succeeded, exactly once, also if replies get lost.

        Costs one RecoverExecution instead; all else is as in `relaunch`.
        """
        return facade_of(portal().run(looked_at(portal().run(self._aio.recover(execution_name)))))

    def fetch_workflow(self) -> FlyteWorkflow:
        """The workflow that runs, as it is registered; `flyte_workflow` shows it from then on.

        Costs one GetWorkflow unless the remote remembers the workflow, and one GetExecution before it if the server
        has not told yet which it is.

        Raises:
            FlyteEntityNotExistException: the server has no such execution.
            FlyteError: whatever else the RPCs meet.
        """
        return portal().run(self._aio.fetch_workflow())

    def fetch_node(self, *path: str) -> FlyteNodeExecution:
        """Read one node with its values, its attempts and all below it, without the rest of the tree.

            execution.fetch_node("n1")
            execution.fetch_node("n2", "n0")  # the node n0 of the sub-workflow that n2 runs

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
        return node_facade_of(portal().run(self._aio.fetch_node(*path)))

    def show(self, execution: AioExecution) -> None:
        """Be the blocking object that shows an async execution; for `facade_of` and constructors."""
        self._aio = execution
        self._shown: tuple[Mapping[str, AioNode], Mapping[str, FlyteNodeExecution]] = ({}, {})
        execution.facade = weakref.ref(self)  # a cycle would keep the remote's connection open until it is collected

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_shown"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.show(self._aio)

    def __copy__(self) -> Self:
        copied = object.__new__(type(self))
        copied.__setstate__({**self.__getstate__(), "_aio": copy.copy(self._aio)})
        return copied

    def watch(
        self, nodes: bool = False, since: Event | str | datetime | None = None, poll_interval: Duration | None = None
    ) -> Watch:
        """The changes of the execution's phase as they are seen, up to the terminal one.

            for event in execution.watch():
                print(event.phase.name, event.occurred_at)

        The first event tells the phase that the execution is in; one that has ended has that event only. A phase that
        lasts for less than the time between two looks may have no event, other than RUNNING. Each event renews the
        snapshot, without inputs and outputs: `wait` loads them. An outage of the server does not end the iteration.

        Costs what waiting costs while it lasts, the whole error of a failed execution one GetExecution, and `nodes` at
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
        return Watch(self._aio.watch(nodes, since, poll_interval))

    @property
    def aio(self) -> AioExecution:
        """The async execution that this one shows; it belongs to the facade's own event loop."""
        return self._aio

    @property
    @override
    def execution_url(self) -> str | None:
        """Where Flyte's console shows this execution; None if it was made without a remote."""
        return self._aio.execution_url

    @property
    @override
    def node_executions(self) -> Mapping[str, FlyteNodeExecution]:
        """The top level of the node tree by node id; empty until the nodes were synced."""
        nodes = self.snapshot.nodes
        if self._shown[0] is not nodes:
            self._shown = nodes, {name: node_facade_of(node) for name, node in nodes.items()}
        return self._shown[1]

    @property
    @override
    def snapshot(self) -> Snapshot:
        """All that the properties show, at one moment."""
        return self._aio.snapshot

    @override
    def to_flyte_idl(self) -> Any:
        """The last message, of flyteidl's own class.

        Raises:
            FlyteUsageError: flyteidl is not installed.
        """
        return pb2_of(self.snapshot.execution)

    @property
    @override
    def _data(self) -> Data:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._aio.snapshot.data
