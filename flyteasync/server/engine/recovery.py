"""What an execution takes over from the one that it recovers."""

from __future__ import annotations

from ...idl import admin
from ..rows import ExecutionKey, ExecutionRow, NodeExecutionRow
from ..store import Store
from .records import NodePhase

_DONE = frozenset({NodePhase.SUCCEEDED, NodePhase.RECOVERED})


class Recovery:
    """The nodes of another execution that need not run again.

    Args:
        store: where they are.
        source: the other execution; None if there is none.
    """

    def __init__(self, store: Store, source: ExecutionKey | None) -> None:
        self._store = store
        self._source = source

    @classmethod
    def of(cls, store: Store, row: ExecutionRow) -> Recovery:
        """That of an execution: its metadata say whether it recovers another one, and which."""
        metadata = row.spec.metadata
        reference = None if metadata is None else metadata.reference_execution
        if metadata is None or reference is None or metadata.mode != admin.ExecutionMetadataExecutionMode.RECOVERED:
            return cls(store, None)
        return cls(store, (reference.project, reference.domain, reference.name))

    def find(self, node_id: str) -> NodeExecutionRow | None:
        """The node of that unique id, if it has succeeded there."""
        row = self._row(node_id)
        return row if row is not None and row.closure.phase in _DONE else None

    def find_dynamic(self, node_id: str) -> NodeExecutionRow | None:
        """The node of that unique id, if it has generated a workflow there which did not succeed."""
        row = self._row(node_id)
        return row if row is not None and row.dynamic_workflow is not None else None

    def _row(self, node_id: str) -> NodeExecutionRow | None:
        return None if self._source is None else self._store.node_executions.get((*self._source, node_id))
