"""Launch plan nodes: each starts an execution of its own and ends with it."""

from __future__ import annotations

from collections.abc import Mapping

from ...errors import FlyteError, Status
from ...idl import admin, core
from ..inputs import literals_of
from ..rows import ExecutionKey, ExecutionRow, LaunchPlanRow, ProjectRow
from . import failures
from .books import NodeBook
from .failures import NodeFailed
from .names import child_execution_name, execution_id, label_value
from .node import Attempt, Literals, NodeRun

Phase = core.WorkflowExecutionPhase

_SYSTEM = frozenset({Status.DATA_LOSS, Status.DEADLINE_EXCEEDED, Status.INTERNAL, Status.UNKNOWN, Status.CANCELLED})


async def run_launch_plan(plan: core.Identifier, node: NodeRun, attempt: Attempt) -> Literals:
    """Start an execution, wait for its end, and return its outputs.

    Raises:
        NodeFailed: it cannot be started, or it did not succeed.
    """
    run, book = node.scope.run, node.book
    assert isinstance(book, NodeBook), "only tasks are recorded as elements of an array node"
    name = child_execution_name(run.row.execution_name, node.unique_id, attempt.number)
    key: ExecutionKey = (run.key[0], run.key[1], name)
    _launch(node, attempt, plan, name)
    row = node.shared.store.executions.get(key)
    if row is None:
        raise NodeFailed(failures.child_not_found(node.node.id, name))
    attempt.on_abort(lambda reason: _kill(node, row, reason))
    book.launched(execution_id(key), attempt.began)
    await node.shared.wait_for_end(key)
    return _outputs(node, row)


def _launch(node: NodeRun, attempt: Attempt, plan: core.Identifier, name: str) -> None:
    run, store = node.scope.run, node.shared.store
    parent = core.NodeExecutionIdentifier(node_id=node.unique_id, execution_id=run.identifier)
    workflow = store.workflows.by_id(run.row.workflow_id)
    request = child_request(
        run.row,
        "" if workflow is None else workflow.name,
        store.launch_plans.by_id(run.row.launch_plan_id),
        store.projects.get(run.key[0]),
        plan=plan,
        name=name,
        parent=parent,
        inputs=attempt.inputs,
    )
    try:
        node.shared.launcher().create(request)
    except FlyteError as error:
        # An execution that exists is the one that was to be started, as far as the propeller is concerned.
        if error.status != Status.ALREADY_EXISTS:
            by_user = error.status not in _SYSTEM
            text = f"failed to launch workflow, caused by: {error}"
            raise NodeFailed(failures.launch_failed(text, by_user=by_user)) from error


def child_request(
    row: ExecutionRow,
    workflow: str,
    plan_row: LaunchPlanRow | None,
    project: ProjectRow | None,
    *,
    plan: core.Identifier,
    name: str,
    parent: core.NodeExecutionIdentifier,
    inputs: Literals,
) -> admin.ExecutionCreateRequest:
    """What creates the execution of a launch plan node; pure.

    Args:
        row: the execution that the node belongs to.
        workflow: the name of its workflow.
        plan_row: the launch plan of that execution, if it has one.
        project: its project.
        plan: the launch plan that is started.
        name: the name of the new execution.
        parent: the node.
        inputs: its inputs.
    """
    spec, plan_spec = row.spec, None if plan_row is None else plan_row.spec
    origin = spec.metadata or admin.ExecutionMetadata()
    annotations = _given(spec.annotations) or _given(None if plan_spec is None else plan_spec.annotations)
    labels = _given(spec.labels) or _given(None if plan_spec is None else plan_spec.labels)
    of_project = {} if project is None or project.labels is None else project.labels.values
    return admin.ExecutionCreateRequest(
        project=row.execution_project,
        domain=row.execution_domain,
        name=name,
        inputs=core.LiteralMap(literals=dict(inputs)),
        spec=admin.ExecutionSpec(
            launch_plan=plan,
            metadata=admin.ExecutionMetadata(
                mode=admin.ExecutionMetadataExecutionMode.CHILD_WORKFLOW,
                nesting=origin.nesting + 1,
                principal=origin.principal,
                parent_node_execution=parent,
            ),
            labels=admin.Labels(values={**of_project, **labels, **_own_labels(row, workflow)}),
            annotations=admin.Annotations(values=dict(annotations)),
            max_parallelism=spec.max_parallelism,
            security_context=spec.security_context,
            raw_output_data_config=spec.raw_output_data_config,
            interruptible=spec.interruptible,
            overwrite_cache=spec.overwrite_cache,
            envs=spec.envs,
        ),
    )


def _given(values: admin.Labels | admin.Annotations | None) -> Mapping[str, str]:
    return {} if values is None else values.values


def _own_labels(row: ExecutionRow, workflow: str) -> dict[str, str]:
    """The labels that flyteadmin puts on the Kubernetes resource of an execution."""
    return {
        "execution-id": row.execution_name,
        "project": row.execution_project,
        "domain": row.execution_domain,
        "workflow-name": label_value(workflow),
    }


def _kill(node: NodeRun, row: ExecutionRow, reason: str) -> None:
    cause = f"cascading abort as parent execution id [{node.scope.run.key[2]}] aborted, reason [{reason}]"
    node.shared.launcher().terminate(row, cause)


def _outputs(node: NodeRun, row: ExecutionRow) -> Literals:
    """The outputs of an execution that has ended."""
    closure = row.closure
    if closure.phase == Phase.SUCCEEDED:
        uri = "" if closure.outputs is None else closure.outputs.uri or ""
        return literals_of(node.shared.store.data.get(uri))
    if closure.phase == Phase.FAILED:
        raise NodeFailed(closure.error or failures.child_failed_without_error())
    how = "timed out" if closure.phase == Phase.TIMED_OUT else "aborted"
    raise NodeFailed(failures.child_ended(node.node.id, row.execution_name, how))
