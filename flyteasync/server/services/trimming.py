"""How closures are shown: lists shorten error messages, and aborted executions always say why."""

from __future__ import annotations

import dataclasses
from typing import TypeVar

from ...idl import admin, core
from ..rows import ExecutionRow

MAX_LISTED_MESSAGE_BYTES = 100

C = TypeVar("C", admin.ExecutionClosure, admin.NodeExecutionClosure)


def trimmed(closure: C) -> C:
    """The closure with an error message of at most 100 bytes; the same object if it is short enough."""
    if closure.error is None:
        return closure
    data = closure.error.message.encode()
    if len(data) <= MAX_LISTED_MESSAGE_BYTES:
        return closure
    message = data[:MAX_LISTED_MESSAGE_BYTES].decode(errors="ignore")
    return dataclasses.replace(closure, error=dataclasses.replace(closure.error, message=message))


def shown(row: ExecutionRow) -> admin.ExecutionClosure:
    """An execution's closure as it is shown: one that was aborted says why, whatever its events carried."""
    closure = row.closure
    if closure.phase != core.WorkflowExecutionPhase.ABORTED or closure.abort_metadata is not None:
        return closure
    metadata = admin.AbortMetadata(cause=row.abort_cause)
    return dataclasses.replace(closure, outputs=None, error=None, abort_metadata=metadata)
