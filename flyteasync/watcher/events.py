"""What is seen of an execution, as events: which changes there were, and where to go on after one of them. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from ..errors import FlyteInvalidInputException
from ..idl import admin, core
from .plan import TERMINAL_PHASES, Name, Phase

NodePhase = core.NodeExecutionPhase

TERMINAL_NODE_PHASES = frozenset(
    {
        NodePhase.SUCCEEDED,
        NodePhase.FAILED,
        NodePhase.ABORTED,
        NodePhase.SKIPPED,
        NodePhase.TIMED_OUT,
        NodePhase.RECOVERED,
    }
)
"""The phases that a node execution never leaves."""

_NOT_STARTED = frozenset({Phase.UNDEFINED, Phase.QUEUED})
_LAST_NODE = "\U0010ffff"
_BEGINNING = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, order=True)
class Position:
    """How much of an execution's history somebody has seen.

    Attributes:
        at: changes until then; of nodes that changed at that very time, those up to `node`.
        node: see there.
        phase: the phase of the execution; None if it is not known.
    """

    at: datetime = _BEGINNING
    node: str = ""
    phase: Phase | None = field(default=None, compare=False)

    def __str__(self) -> str:
        at = "" if self.at == _BEGINNING else _text_of(self.at)
        return f"{at}/{'' if self.phase is None else int(self.phase)}/{self.node}"

    @classmethod
    def of(cls, since: Event | str | datetime | None, execution: Name | None = None) -> Position:
        """What a caller gives as `since`: an event, the id of one, or a point in time.

        Raises:
            FlyteInvalidInputException: an event of another execution than that given, a text that is no event's id, a
                time without a time zone, or something else.
        """
        if since is None:
            return cls()
        if isinstance(since, (ExecutionEvent, NodeEvent)):
            if execution is not None and since.execution != execution:
                raise FlyteInvalidInputException(f"since is an event of {since.execution}, not of {execution}")
            return since.position
        if isinstance(since, datetime):
            if since.tzinfo is None:
                raise FlyteInvalidInputException(f"since must have a time zone, got {since.isoformat()}")
            return cls(since, _LAST_NODE)
        if not isinstance(since, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise FlyteInvalidInputException(
                f"since must be an event, its id, or a datetime, got {since!r} ({type(since).__name__})"
            )
        try:
            at, phase, node = since.split("/")
            when = datetime.fromisoformat(at) if at else _BEGINNING
            position = cls(when, node, Phase(int(phase)) if phase else None)
        except ValueError:
            raise FlyteInvalidInputException(f"since must be the id of an event, got {since!r}") from None
        if when.tzinfo is None:
            raise FlyteInvalidInputException(f"since must be the id of an event, got {since!r}")
        return position

    def after(self, at: datetime | None, node: str = "") -> Position:
        """The position when a change has been seen, too; never an earlier one."""
        return self if at is None else replace(max(self, Position(at, node)), phase=self.phase)


@dataclass(frozen=True)
class ExecutionEvent:
    """An execution has got into another phase.

    Attributes:
        execution: which one.
        phase: the phase that it is in.
        previous: the phase of the event before; None for the first one.
        occurred_at: when, by the server's clock; None if the server does not say, as for ABORTING.
        error: why it fails, has failed or was aborted; None otherwise.
        position: where to go on after this event.
    """

    execution: Name
    phase: Phase
    previous: Phase | None
    occurred_at: datetime | None
    error: core.ExecutionError | None = None
    position: Position = field(default=Position(), repr=False, compare=False)

    @property
    def id(self) -> str:
        """What `since` takes to go on after this event, as text."""
        return str(self.position)

    @property
    def is_terminal(self) -> bool:
        """Whether it is the last event."""
        return self.phase in TERMINAL_PHASES

    def to_dict(self) -> dict[str, Any]:
        """The event as values that JSON knows."""
        return {"id": self.id, "kind": "execution", "execution": str(self.execution), **_change(self)}


@dataclass(frozen=True)
class NodeEvent:
    """A node of an execution has got into another phase.

    Attributes:
        execution: the execution.
        node_id: the unique id of the node in the execution.
        spec_node_id: its id in the workflow.
        parent: the unique id of the node that it is part of; empty at the top.
        phase: the phase that the node is in.
        previous: the phase of the node's event before; None for its first one.
        occurred_at: when, by the server's clock.
        error: why the node failed, was aborted or timed out, of which lists give the first 100 bytes; None otherwise.
        position: where to go on after this event.
    """

    execution: Name
    node_id: str
    spec_node_id: str
    parent: str
    phase: NodePhase
    previous: NodePhase | None
    occurred_at: datetime | None
    error: core.ExecutionError | None = None
    position: Position = field(default=Position(), repr=False, compare=False)

    @property
    def id(self) -> str:
        """What `since` takes to go on after this event, as text."""
        return str(self.position)

    @property
    def is_terminal(self) -> bool:
        """Whether it is the node's last event."""
        return self.phase in TERMINAL_NODE_PHASES

    def to_dict(self) -> dict[str, Any]:
        """The event as values that JSON knows."""
        node = {"node_id": self.node_id, "spec_node_id": self.spec_node_id, "parent": self.parent}
        return {"id": self.id, "kind": "node", "execution": str(self.execution), **node, **_change(self)}


Event = ExecutionEvent | NodeEvent


class PhaseLog:
    """Makes events of an execution's states, one for each change."""

    def __init__(self, name: Name, since: Position) -> None:
        self.position = since
        self._name = name
        self._since = since
        self._phase = since.phase

    @property
    def ended(self) -> bool:
        """Whether the terminal phase was seen."""
        return self._phase in TERMINAL_PHASES

    @property
    def started(self) -> bool:
        """Whether there may be nodes."""
        return self._phase is not None and self._phase not in _NOT_STARTED

    def missed(self, execution: admin.Execution) -> list[ExecutionEvent]:
        """That it has run, if nobody looked while it did."""
        closure = execution.closure
        if closure is None or closure.started_at is None or self._phase not in _NOT_STARTED:
            return []
        if closure.phase in _NOT_STARTED | {Phase.RUNNING}:
            return []
        return self._event(Phase.RUNNING, closure.started_at, closure)

    def events(self, execution: admin.Execution) -> list[ExecutionEvent]:
        """The changes since the state before; none if there was none, or the execution had ended."""
        closure = execution.closure if execution.closure is not None else admin.ExecutionClosure()
        phase = Phase(closure.phase)
        if phase == self._phase or self.ended:
            return []
        return [*self.missed(execution), *self._event(phase, _when(phase, closure), closure)]

    def _event(self, phase: Phase, at: datetime | None, closure: admin.ExecutionClosure) -> list[ExecutionEvent]:
        previous, self._phase = self._phase, phase
        self.position = replace(self.position.after(at), phase=phase)
        if previous is None and at is not None and at <= self._since.at:
            return []
        error = None if phase is Phase.RUNNING else _error_of(closure)
        return [ExecutionEvent(self._name, phase, previous, at, error, self.position)]


def _when(phase: Phase, closure: admin.ExecutionClosure) -> datetime | None:
    if phase is Phase.ABORTING:
        return None  # asking for an abort leaves all times of the execution as they were
    if phase is Phase.RUNNING and closure.started_at is not None:
        return closure.started_at
    return closure.created_at if phase is Phase.UNDEFINED else closure.updated_at


def _error_of(closure: admin.ExecutionClosure) -> core.ExecutionError | None:
    if closure.error is not None:
        return closure.error
    if closure.abort_metadata is None or closure.phase not in (Phase.ABORTING, Phase.ABORTED):
        return None
    return core.ExecutionError(code="Aborted", message=closure.abort_metadata.cause or "the execution was aborted")


def _change(event: Event) -> dict[str, Any]:
    previous, error = event.previous, event.error
    return {
        "phase": _name_of(event.phase),
        "previous": None if previous is None else _name_of(previous),
        "occurred_at": None if event.occurred_at is None else _text_of(event.occurred_at),
        "error": None if error is None else {"code": error.code, "message": error.message},
    }


def _name_of(phase: Phase | NodePhase) -> str:
    return phase.name or str(int(phase))  # a later server may know phases that have no name here


def _text_of(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
