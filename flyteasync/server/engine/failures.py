"""Errors of executions, nodes and attempts, in the propeller's words; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from itertools import pairwise

from ...errors import FlyteError, FlyteSystemException
from ...idl import core
from ..text import go_duration
from .outcomes import TaskFailed

Kind = core.ExecutionErrorErrorKind

MAX_MESSAGE = 100 * 1024
"""The propeller cuts longer messages."""

AUTO_ABORT = "Some node execution failed, auto-abort."
WORKFLOW_ABORTED = "Workflow aborted."
SUB_WORKFLOW_FAILED = "subworkflow failed"
DYNAMIC_WORKFLOW_FAILED = "Dynamic workflow failed"
ARRAY_FAILING = "ArrayNodeFailing"
NODE_TIMED_OUT = "node timed out"
NODE_FAILING = "node failing"


class AttemptFailed(Exception):
    """An attempt ended with an error after which there may be another attempt."""

    def __init__(self, error: core.ExecutionError) -> None:
        super().__init__(error.message)
        self.error = error


class NodeFailed(Exception):
    """A node ended with an error that no attempt is left for."""

    def __init__(self, error: core.ExecutionError) -> None:
        super().__init__(error.message)
        self.error = error


class NodeTimedOut(NodeFailed):
    """A node did not end within its active deadline."""

    def __init__(self) -> None:
        super().__init__(_error("Timeout", "Timeout in node", Kind.USER))


def handler_error(error: Exception) -> core.ExecutionError:
    """What a handler raised, as the error of an attempt."""
    if isinstance(error, TaskFailed):
        return _error(error.code, error.message, Kind.SYSTEM if error.kind == "system" else Kind.USER)
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


def execution_timeout(seconds: float) -> core.ExecutionError:
    """An attempt did not end within the execution deadline."""
    return _error(
        "TimeoutExpired", f"task execution timeout [{go_duration(timedelta(seconds=seconds))}] expired", Kind.USER
    )


def unregistered_task(task: core.Identifier, registered: Sequence[str]) -> core.ExecutionError:
    """There is no handler for a task."""
    known = ", ".join(registered) or "none"
    text = (
        f"no handler is registered for task {task.name!r} (version {task.version!r} in {task.project}/{task.domain}): "
        f"give the server handlers={{{task.name!r}: function}}. Tasks with a handler: {known}"
    )
    return _error("UnregisteredTask", text, Kind.USER)


def bad_specification(node_id: str, text: str) -> core.ExecutionError:
    """A node that cannot run whatever its inputs are."""
    return _error("BadSpecificationError", f"node {node_id!r} {text}", Kind.SYSTEM)


def binding_error(node_id: str, reason: str) -> core.ExecutionError:
    """A node's inputs cannot be resolved."""
    return _error("BindingResolutionFailure", f"node {node_id!r}: {reason}", Kind.SYSTEM)


def engine_error(error: Exception) -> core.ExecutionError:
    """The engine itself failed."""
    return _error("EngineError", f"the embedded server failed: {type(error).__name__}: {error}", Kind.SYSTEM)


def node_aborted(reason: str) -> core.ExecutionError:
    """A node was ended from outside; flyteadmin stores such errors without a kind."""
    return _error("NodeAborted", reason, Kind.UNKNOWN)


def task_aborted(reason: str) -> core.ExecutionError:
    """An attempt was ended from outside."""
    return _error("Task Aborted", reason, Kind.UNKNOWN)


def branch_failed(code: str, text: str) -> core.ExecutionError:
    """No arm of a branch can be taken."""
    return _error(code, text, Kind.USER)


def launch_failed(text: str, *, by_user: bool) -> core.ExecutionError:
    """The execution of a launch plan node was not created."""
    return _error("RuntimeExecutionError", text, Kind.USER if by_user else Kind.SYSTEM)


def child_not_found(node_id: str, name: str) -> core.ExecutionError:
    """The execution of a launch plan node is not there, though flyteadmin said that it existed."""
    text = f"failed at Node[{node_id}]. NotFound: launch-plan not found, caused by: execID [{name}] not found on remote"
    return _error("NotFound", text, Kind.SYSTEM)


def child_ended(node_id: str, name: str, how: str) -> core.ExecutionError:
    """The execution of a launch plan node did not end by itself."""
    code = "RemoteChildWorkflowExecutionFailed"
    text = f"failed at Node[{node_id}]. {code}: launchplan [{name}] {how}, caused by: launchplan execution {how}"
    return _error(code, text, Kind.USER)


def child_failed_without_error() -> core.ExecutionError:
    """The execution of a launch plan node failed and says no more."""
    return _error("LaunchPlanExecutionFailed", "Unknown Error", Kind.UNKNOWN)


def dynamic_build_failed(text: str) -> core.ExecutionError:
    """What a dynamic node's handler returned is not a workflow that can run."""
    return _error("DynamicWorkflowBuildFailed", text, Kind.USER)


def dynamic_timed_out() -> core.ExecutionError:
    """A node of a dynamic workflow timed out."""
    return _error("DynamicNodeFailing", DYNAMIC_WORKFLOW_FAILED, Kind.UNKNOWN)


def rejected() -> core.ExecutionError:
    """Somebody disapproved."""
    return _error("ReceivedRejectSignal", "received a reject signal to disapprove the node input values", Kind.USER)


def not_a_boolean(value: core.Literal) -> core.ExecutionError:
    """Somebody answered a question for approval with something else."""
    return _error(
        "RuntimeExecutionError", f"received a non-boolean approve signal value [{value.to_dict()}]", Kind.UNKNOWN
    )


def signal_error(error: Exception) -> core.ExecutionError:
    """A gate cannot have its signal."""
    return _error("RuntimeExecutionError", str(error), Kind.SYSTEM)


def invalid_array(text: str) -> core.ExecutionError:
    """The inputs of an array node do not fit each other."""
    return _error("InvalidArrayLength", text, Kind.USER)


def array_failed(messages: Mapping[int, str]) -> core.ExecutionError:
    """Too many elements of an array node failed; the propeller gives that neither a code nor a kind."""
    by_text: dict[str, list[int]] = {}
    for index, message in sorted(messages.items()):
        by_text.setdefault(message, []).append(index)
    lines = (f"{_ranges(by_text[text])}: {text}\n" for text in sorted(by_text))
    return _error("", "".join(lines), Kind.UNKNOWN)


def _ranges(indices: list[int]) -> str:
    """Numbers in their order as `[0][2-4]`."""
    breaks = [0, *(at + 1 for at, (a, b) in enumerate(pairwise(indices)) if b != a + 1), len(indices)]
    runs: Iterable[list[int]] = (indices[start:end] for start, end in pairwise(breaks))
    return "".join(f"[{run[0]}]" if len(run) == 1 else f"[{run[0]}-{run[-1]}]" for run in runs)


def _error(code: str, message: str, kind: Kind) -> core.ExecutionError:
    return core.ExecutionError(code=code, message=message[:MAX_MESSAGE], kind=kind)
