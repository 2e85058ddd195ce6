"""Dynamic nodes: a task generates a workflow, which then runs under the task's node."""

from __future__ import annotations

import random

from ...errors import FlyteEntityNotExistException, FlyteError
from ...idl import core
from ..compiler import CompileError
from . import failures
from .books import NodeBook
from .definitions import Definitions
from .failures import AttemptFailed, NodeFailed, NodeTimedOut
from .names import futures_uri
from .node import Attempt, Literals, NodeRun
from .outcomes import DynamicWorkflow
from .scope import Scope

_VERSION_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_VERSION_LENGTH = 10


def find_recovered(node: NodeRun) -> core.CompiledWorkflowClosure | None:
    """The workflow that this node generated in the execution that is recovered: it is run again as it was."""
    row = node.scope.run.recovery.find_dynamic(node.unique_id)
    return None if row is None else row.dynamic_workflow


async def run_dynamic(
    node: NodeRun, attempt: Attempt, generated: DynamicWorkflow | core.CompiledWorkflowClosure
) -> Literals:
    """Run a generated workflow, and return its outputs.

    Raises:
        NodeFailed: it is not one that can run, or it failed.
        AttemptFailed: one of its nodes timed out.
    """
    book = node.book
    if not isinstance(book, NodeBook):
        raise NodeFailed(failures.dynamic_build_failed("an element of an array node cannot be dynamic"))
    compiled = _compile(node, generated) if isinstance(generated, DynamicWorkflow) else generated
    book.dynamic_running(compiled, futures_uri(attempt.directory))
    definitions = Definitions.of(compiled)
    scope = Scope(node.scope.run, definitions, definitions.primary, node.below(attempt), {})
    attempt.on_abort(scope.abort)
    wait = node.shared.wait()
    scope.start("", lambda: wait.settle(None))
    await wait
    if isinstance(scope.failure, NodeTimedOut):
        raise AttemptFailed(failures.dynamic_timed_out())
    if scope.failure is not None:
        scope.abort(failures.DYNAMIC_WORKFLOW_FAILED)
        raise scope.failure
    return scope.result


def _compile(node: NodeRun, generated: DynamicWorkflow) -> core.CompiledWorkflowClosure:
    task = node.kind.template
    interface = None if task is None else task.interface
    execution = node.scope.run.identifier
    version = "".join(random.choices(_VERSION_ALPHABET, k=_VERSION_LENGTH))  # a name, no secret  # noqa: S311
    template = core.WorkflowTemplate(
        id=core.Identifier(
            resource_type=core.ResourceType.WORKFLOW,
            project=execution.project,
            domain=execution.domain,
            name=f"dynamic_{node.node.id}",
            version=version,
        ),
        interface=core.TypedInterface(outputs=None if interface is None else interface.outputs),
        nodes=list(generated.nodes),
        outputs=list(generated.outputs),
    )
    try:
        return node.shared.launcher().compile_dynamic(template, list(generated.sub_workflows), list(generated.tasks))
    except (CompileError, FlyteEntityNotExistException) as error:
        raise NodeFailed(failures.dynamic_build_failed(f"malformed dynamic workflow, caused by: {error}")) from error
    except FlyteError as error:
        raise NodeFailed(failures.dynamic_build_failed(str(error))) from error
