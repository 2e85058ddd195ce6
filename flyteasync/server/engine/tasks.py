"""Task nodes: an attempt is a call of a handler, or what stands for one."""

from __future__ import annotations

from collections.abc import Mapping

from ...idl import core
from . import failures
from .dynamic import find_recovered, run_dynamic
from .echo import echo
from .failures import AttemptFailed, NodeFailed
from .handlers import Result
from .names import outputs_uri
from .node import Attempt, Literals, NodeRun
from .outcomes import DynamicWorkflow, TaskFailed
from .records import TaskPhase


async def run_task(node: NodeRun, attempt: Attempt) -> Literals:
    """Run the attempt of a task; if it generates a workflow, run that, too.

    Raises:
        AttemptFailed: it failed, and may be repeated.
        NodeFailed: it failed for good.
    """
    template = node.kind.template
    assert template is not None, "a task node has a task"
    recovered = find_recovered(node)
    if recovered is not None:
        node.book.running(attempt.began)
        return await run_dynamic(node, attempt, recovered)
    node.book.begin_task(template, attempt.number, interruptible=node.interruptible)
    node.book.running(attempt.began)
    attempt.on_abort(node.book.task_aborted)
    node.book.task_running()
    result = await _call(node, template, attempt.inputs)
    if isinstance(result, DynamicWorkflow):
        node.book.task_ended(TaskPhase.SUCCEEDED)
        node.leave_slot()
        return await run_dynamic(node, attempt, result)
    node.book.task_ended(TaskPhase.SUCCEEDED, output_uri=outputs_uri(attempt.directory) if result else None)
    return result


async def _call(node: NodeRun, template: core.TaskTemplate, inputs: Literals) -> Result:
    """Call the handler; what it raises is recorded as the attempt's error, and raised as the engine knows it."""
    await node.shared.sleep(node.shared.settings.phase_delay)
    try:
        return await _result(node, template, inputs)
    except NodeFailed as failed:
        node.book.task_ended(TaskPhase.FAILED, error=failed.error)
        raise
    except Exception as raised:  # whatever a handler raises is the error of its attempt
        error = failures.handler_error(raised)
        node.book.task_ended(TaskPhase.FAILED, error=error)
        if isinstance(raised, TaskFailed) and not raised.recoverable:
            raise NodeFailed(error) from raised
        raise AttemptFailed(error) from raised


async def _result(node: NodeRun, template: core.TaskTemplate, inputs: Mapping[str, core.Literal]) -> Result:
    shared, task_id = node.shared, template.id or core.Identifier()
    handler = shared.handlers.get(task_id.name)
    if handler is not None:
        return await shared.handlers.call(handler, template, inputs)
    match shared.settings.unregistered:
        case "echo":
            return echo(template.interface, inputs)
        case "hang":
            await shared.wait()
            raise AssertionError("nobody settles this wait")
        case "fail" | "external":
            raise NodeFailed(failures.unregistered_task(task_id, shared.handlers.names))
