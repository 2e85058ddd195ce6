"""What an execution object shows, and how replies change it: values and pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..entities import FlyteWorkflow
from ..idl import admin
from ..watcher import TERMINAL_PHASES
from ..watcher.plan import Phase
from .base import Data
from .node import FlyteNodeExecution


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that an execution object shows, replaced in one assignment.

    Attributes:
        execution: the last message.
        data: the values, as far as loaded.
        nodes: the node tree, by node id; empty until nodes were synced.
        nodes_ordinal: tells which sync the node tree came from.
        nodes_final: whether the node tree is whole and will never change, for the execution had ended when it was read.
        workflow: what runs, with its nodes; None until nodes were synced.
        ordinal: tells which sync the message came from; later-started syncs have higher ones.
        existing: whether the server is known to have the execution.
    """

    execution: admin.Execution
    data: Data = Data()
    nodes: Mapping[str, FlyteNodeExecution] = field(default_factory=dict[str, FlyteNodeExecution])
    nodes_ordinal: int = 0
    nodes_final: bool = False
    workflow: FlyteWorkflow | None = None
    ordinal: int = 0
    existing: bool = False
    _phase: Phase | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def closure(self) -> admin.ExecutionClosure:
        """The closure, never None."""
        closure = self.execution.closure
        return closure if closure is not None else admin.ExecutionClosure()

    @property
    def phase(self) -> Phase:
        """The phase."""
        phase = self._phase
        if phase is None:  # it is asked for often, and a snapshot never changes
            phase = Phase(self.closure.phase)
            object.__setattr__(self, "_phase", phase)
        return phase

    @property
    def done(self) -> bool:
        """Whether the phase is terminal."""
        return self.phase in TERMINAL_PHASES

    @property
    def loaded(self) -> bool:
        """Whether all values that there are were read."""
        return self.data.is_whole(succeeded=self.phase is Phase.SUCCEEDED)


def merge(current: Snapshot, new: Snapshot) -> Snapshot:
    """What to show after a reply: never older than what is shown, and never back from a terminal phase.

    Two concurrent calls may lose one another's writes in flyteadmin, so that an execution that was finished seems to
    run again; the first terminal phase that was seen is the truth. It counts whenever its reply was asked for: a wait
    starts before the syncs that happen while it lasts.
    """
    older, newer = (current, new) if new.ordinal >= current.ordinal else (new, current)
    ended = current if current.done else new
    execution = ended.execution if ended.done and ended.phase != newer.phase else newer.execution
    data = newer.data
    if older.data is not data:
        data = Data(
            newer.data.inputs if newer.data.inputs is not None else older.data.inputs,
            newer.data.outputs if newer.data.outputs is not None else older.data.outputs,
            newer.data.unreadable or older.data.unreadable,
            newer.data.unreadable_inputs or older.data.unreadable_inputs,
        )
    tree = new if new.nodes_ordinal > current.nodes_ordinal else current
    return Snapshot(
        execution,
        data,
        tree.nodes,
        tree.nodes_ordinal,
        tree.nodes_final,
        tree.workflow or current.workflow or new.workflow,
        newer.ordinal,
        existing=True,
    )
