"""The nodes of a watched execution: what to list, and what has changed. No I/O.

There is no list of all nodes: each level has one of its own. What keeps looking at them cheap: a level is listed from
where it changed last, and one whose parent has ended is listed once more and never again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from ..errors import FlyteDecodeError
from ..idl import admin, core
from .events import TERMINAL_NODE_PHASES, NodeEvent, NodePhase, PhaseLog, Position
from .plan import Name

PAGE = 200
"""Nodes in one list to begin with."""

OVERLAP = timedelta(seconds=60)
"""How far lists go back behind the last change: the clocks of those who write times differ, and so may the order."""

# Not by the time of the last change: the place of a node must not change while pages are read.
_OLDEST_FIRST = admin.Sort(key="created_at", direction=admin.SortDirection.ASCENDING)


@dataclass
class _Level:
    """The nodes below a parent.

    Attributes:
        newest: when one of them changed last; None before the first list.
        closing: the parent has ended, so that the next list is the last one.
    """

    newest: datetime | None = None
    closing: bool = False


class NodeLog:
    """Makes events of lists of nodes, one for each change.

    Attributes:
        page: nodes in one list.
        pending: events that were not taken yet, one for each node that changed.
    """

    def __init__(self, name: Name, since: Position) -> None:
        self.page = PAGE
        self.pending: list[NodeEvent] = []
        self._name = name
        self._since = since
        self._phases: dict[str, NodePhase] = {}
        self._levels: dict[str, _Level] = {"": _Level()}
        self._closed: set[str] = set()

    def levels(self) -> list[str]:
        """The parents whose nodes are to be listed; the top is the empty one, and comes first."""
        return list(self._levels)

    def request(self, parent: str, token: str = "", *, whole: bool = False) -> admin.NodeExecutionListRequest:
        """The list of a level: what has changed lately, or the whole of it."""
        level = self._levels[parent]
        changed = "" if whole or level.closing or level.newest is None else _since(level.newest - OVERLAP)
        return admin.NodeExecutionListRequest(
            workflow_execution_id=self._name.identifier(),
            limit=self.page,
            token=token,
            filters=changed,
            unique_parent_id=parent,
            sort_by=_OLDEST_FIRST,
        )

    def absorb(self, parent: str, nodes: Iterable[admin.NodeExecution]) -> list[str]:
        """Note what a page shows; returns the parents that were not known before."""
        level, opened = self._levels[parent], list[str]()
        for node in nodes:
            closure = node.closure if node.closure is not None else admin.NodeExecutionClosure()
            at = closure.updated_at
            if at is not None:
                level.newest = at if level.newest is None else max(level.newest, at)
            if self._is_open(node, closure):
                opened.append(_id(node))
            self._change(parent, node, closure)
        return opened

    def listed(self, parent: str) -> None:
        """All pages of a level were read."""
        if self._levels[parent].closing:
            self.drop(parent)

    def drop(self, parent: str) -> None:
        """List the nodes of a parent no more."""
        del self._levels[parent]
        self._closed.add(parent)

    def take(self, log: PhaseLog) -> list[NodeEvent]:
        """Take the events, in the order of their times; the log's position goes on with each."""
        taken: list[NodeEvent] = []
        for event in sorted(self.pending, key=_moment):
            log.position = log.position.after(event.occurred_at, event.node_id)
            taken.append(replace(event, position=log.position))
        self.pending = []
        return taken

    def _is_open(self, node: admin.NodeExecution, closure: admin.NodeExecutionClosure) -> bool:
        """Whether the node has nodes below it that were not known to be there."""
        name = _id(node)
        if node.metadata is None or not node.metadata.is_parent_node or name in self._closed:
            return False
        known = name in self._levels
        ended = closure.phase in TERMINAL_NODE_PHASES
        if not known and ended and closure.updated_at is not None and closure.updated_at + OVERLAP < self._since.at:
            self._closed.add(name)  # it was all over before
            return False
        self._levels.setdefault(name, _Level()).closing |= ended
        return not known

    def _change(self, parent: str, node: admin.NodeExecution, closure: admin.NodeExecutionClosure) -> None:
        name, phase, at = _id(node), NodePhase(closure.phase), closure.updated_at
        previous = self._phases.get(name)
        if phase == previous or previous in TERMINAL_NODE_PHASES:
            return
        self._phases[name] = phase
        if previous is None and at is not None and Position(at, name) <= self._since:
            return
        spec = node.metadata.spec_node_id if node.metadata is not None else ""
        self.pending.append(NodeEvent(self._name, name, spec or name, parent, phase, previous, at, closure.error))


def next_token(token: str, seen: set[str]) -> str:
    """The token of the next page, noted as seen; empty after the last page.

    Raises:
        FlyteDecodeError: it was seen before, and the pages would never end.
    """
    if token and token in seen:
        raise FlyteDecodeError(f"the server gave the page token {token!r} twice")
    seen.add(token)
    return token


def _moment(event: NodeEvent) -> Position:
    return Position().after(event.occurred_at, event.node_id)


def _id(node: admin.NodeExecution) -> str:
    return (node.id or core.NodeExecutionIdentifier()).node_id


def _since(at: datetime) -> str:
    return f"gte(updated_at,{at.astimezone(UTC).strftime('%Y-%m-%dT%H:%M:%S.%fZ')})"
