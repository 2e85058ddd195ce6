"""Errors of executions, nodes and attempts, in the propeller's words; pure."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import FlyteError, FlyteSystemException
from ...idl import core

Kind = core.ExecutionErrorErrorKind

MAX_MESSAGE = 100 * 1024
"""The propeller cuts longer messages."""


class NodeFailed(Exception):
    """A node ended with an error that no attempt is left for."""

    def __init__(self, error: core.ExecutionError) -> None:
        super().__init__(error.message)
        self.error = error


def handler_error(error: Exception) -> core.ExecutionError:
    """What a handler raised, as the error of an attempt."""
    name = type(error).__name__
    text = f"{name}: {error}" if str(error) else name
    if isinstance(error, FlyteSystemException):
        return _error(f"SYSTEM:{name}", text, Kind.SYSTEM)
    code = error.error_code if isinstance(error, FlyteError) else f"USER:{name}"
    return _error(code, text, Kind.USER)


def retries_exhausted(last: core.ExecutionError, attempt: int, attempts: int) -> core.ExecutionError:
    """The error of a node whose last attempt failed."""
    text = f"[{attempt}/{attempts}] currentAttempt done. Last Error: {last.kind.name}::{last.message}"
    return _error(f"RetriesExhausted|{last.code}", text, Kind.USER)


def unregistered_task(task: core.Identifier, registered: Sequence[str]) -> core.ExecutionError:
    """There is no handler for a task."""
    known = ", ".join(registered) or "none"
    text = (
        f"no handler is registered for task {task.name!r} (version {task.version!r} in {task.project}/{task.domain}): "
        f"give the server handlers={{{task.name!r}: function}}. Tasks with a handler: {known}"
    )
    return _error("UnregisteredTask", text, Kind.USER)


def unsupported_node(node_id: str, kind: str) -> core.ExecutionError:
    """The engine cannot run this kind of node."""
    text = f"node {node_id!r} is a {kind}, which the embedded server cannot run yet; it runs task nodes"
    return _error("UnsupportedNode", text, Kind.SYSTEM)


def binding_error(node_id: str, reason: str) -> core.ExecutionError:
    """A node's inputs cannot be resolved."""
    return _error("BindingResolutionError", f"node {node_id!r}: {reason}", Kind.SYSTEM)


def engine_error(error: Exception) -> core.ExecutionError:
    """The engine itself failed."""
    return _error("EngineError", f"the embedded server failed: {type(error).__name__}: {error}", Kind.SYSTEM)


def aborted(reason: str) -> core.ExecutionError:
    """A node was ended from outside; flyteadmin stores such errors without a kind."""
    return _error("NodeAborted", reason, Kind.UNKNOWN)


def _error(code: str, message: str, kind: Kind) -> core.ExecutionError:
    return core.ExecutionError(code=code, message=message[:MAX_MESSAGE], kind=kind)
