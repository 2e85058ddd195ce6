"""CreateExecution, in flyteadmin's order: a step that fails leaves behind what the steps before it did."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...errors import FlyteError
from ...idl import admin, core, methods
from .. import validation
from ..columns import Entity
from ..engine import records
from ..failures import already_exists, internal, missing_entity
from ..inputs import literals_of, parameters_of, resolve_inputs
from ..rows import ExecutionKey, ExecutionRow, LaunchPlanRow, TagRow, TaskRow, WorkflowRow
from . import entities
from .context import Context, Route
from .single_task import Skeletons

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


@dataclass(frozen=True, slots=True)
class _Target:
    """What is launched."""

    launch_plan: LaunchPlanRow
    workflow: WorkflowRow
    task: TaskRow | None


class LaunchService:
    """CreateExecution."""

    def __init__(self, context: Context, skeletons: Skeletons) -> None:
        self._context = context
        self._store = context.store
        self._skeletons = skeletons

    def routes(self) -> dict[str, Route]:
        """What answers which path."""
        return {methods.CREATE_EXECUTION.path: self.create}

    def create(self, request: admin.ExecutionCreateRequest) -> admin.ExecutionCreateResponse:
        """Store an execution and start it."""
        return self.launch(request)

    def launch(
        self, request: admin.ExecutionCreateRequest, source_id: int | None = None
    ) -> admin.ExecutionCreateResponse:
        """Store an execution and start it; `source_id` is the row of the one that it repeats or recovers."""
        if request.inputs is None or not request.inputs.literals:
            request.inputs = None if request.spec is None else request.spec.inputs
        spec, reference = validation.check_execution_request(request, self._store, self._context.config.domains)
        target = self._target(reference)
        given = literals_of(request.inputs)
        fixed = literals_of(target.launch_plan.spec.fixed_inputs)
        inputs = resolve_inputs(given, fixed, parameters_of(target.launch_plan.closure.expected_inputs))
        key = (request.project, request.domain, request.name or self._context.execution_name())
        inputs_uri, user_inputs_uri = (f"{_base(key)}/{name}" for name in ("inputs", "user_inputs"))
        # A repeated create overwrites the first one's inputs before it is found out.
        self._store.data[inputs_uri] = inputs
        self._store.data[user_inputs_uri] = core.LiteralMap(literals=given)
        parent_id = self._prepare(spec, key, target.launch_plan)
        if target.task is None:
            self._check_concurrency(target.launch_plan)
        row = self._row(key, spec, target)
        row.inputs_uri, row.user_inputs_uri, row.parent_node_execution_id = inputs_uri, user_inputs_uri, parent_id
        row.source_execution_id = source_id
        self._insert(row, target, inputs)
        return admin.ExecutionCreateResponse(id=records.execution_id(row))

    def _target(self, reference: core.Identifier) -> _Target:
        if reference.resource_type == core.ResourceType.TASK:
            task = entities.find(self._store.tasks, reference, Entity.TASK)
            workflow, launch_plan = self._skeletons.of(task)
            return _Target(launch_plan, workflow, task)
        launch_plan = entities.find(self._store.launch_plans, reference, Entity.LAUNCH_PLAN)
        workflow = self._store.workflows.by_id(launch_plan.workflow_id)
        assert workflow is not None, "a launch plan is stored with the id of its workflow, and workflows stay"
        return _Target(launch_plan, workflow, None)

    def _prepare(self, spec: admin.ExecutionSpec, key: ExecutionKey, plan: LaunchPlanRow) -> int | None:
        """Fill in what the server decides, and return the id of the parent node execution."""
        metadata = spec.metadata = spec.metadata or admin.ExecutionMetadata()
        metadata.principal = ""
        metadata.artifact_ids = []
        metadata.system_metadata = admin.SystemMetadata(namespace=f"{key[0]}-{key[1]}")
        parent_id = self._adopt(metadata)
        spec.inputs = None
        spec.max_parallelism = spec.max_parallelism or plan.spec.max_parallelism or self._context.config.max_parallelism
        spec.security_context = _security_context(spec, plan.spec)
        project = self._store.projects.get(key[0])
        if spec.labels is not None and spec.labels.values and project is not None and project.labels is not None:
            spec.labels.values = project.labels.values | spec.labels.values
        return parent_id

    def _adopt(self, metadata: admin.ExecutionMetadata) -> int | None:
        parent = metadata.parent_node_execution
        if parent is None:
            return None
        execution = parent.execution_id or core.WorkflowExecutionIdentifier()
        key = (execution.project, execution.domain, execution.name)
        row, launcher = self._store.node_executions.get((*key, parent.node_id)), self._store.executions.get(key)
        if row is None or launcher is None:
            raise missing_entity("node execution", parent)
        origin = launcher.spec.metadata or admin.ExecutionMetadata()
        metadata.nesting = origin.nesting + 1
        metadata.principal = origin.principal
        return row.id

    def _check_concurrency(self, plan: LaunchPlanRow) -> None:
        policy = plan.spec.concurrency_policy
        if policy is None or policy.max <= 0:
            return
        running = sum(
            row.closure.phase not in validation.TERMINAL and self._is_of(row, plan)
            for row in self._store.executions.group((plan.project, plan.domain))
        )
        if running >= policy.max:
            raise already_exists(
                f"concurrency limit ({policy.max}) reached for launch plan {plan.name}, skipping execution"
            )

    def _is_of(self, row: ExecutionRow, plan: LaunchPlanRow) -> bool:
        """Whether an execution is one of a launch plan, of whatever version."""
        own = self._store.launch_plans.by_id(row.launch_plan_id)
        return own is not None and own.key[:3] == plan.key[:3]

    def _row(self, key: ExecutionKey, spec: admin.ExecutionSpec, target: _Target) -> ExecutionRow:
        now = self._context.clock.now()
        metadata = spec.metadata or admin.ExecutionMetadata()
        closure = admin.ExecutionClosure(
            created_at=now,
            updated_at=now,
            notifications=_notifications(spec, target.launch_plan.spec),
            workflow_id=target.workflow.message.id,
            state_change_details=admin.ExecutionStateChangeDetails(
                state=admin.ExecutionState.EXECUTION_ACTIVE, principal=metadata.principal, occurred_at=now
            ),
        )
        plan, task = target.launch_plan, target.task
        return ExecutionRow(
            execution_project=key[0],
            execution_domain=key[1],
            execution_name=key[2],
            spec=spec,
            closure=closure,
            launch_plan_id=plan.id if task is None else None,
            workflow_id=target.workflow.id,
            task_id=None if task is None else task.id,
            inputs_uri="",
            user_inputs_uri="",
            user=metadata.principal,
            launch_entity="launch_plan" if task is None else "task",
            mode=int(metadata.mode),
        )

    def _insert(self, row: ExecutionRow, target: _Target, inputs: core.LiteralMap) -> None:
        rejection = _kubernetes_rejection(row.execution_name)
        if rejection is not None and target.task is not None:
            raise rejection
        if rejection is not None:
            # A workflow that the cluster does not take is stored as failed, and the call succeeds.
            error = core.ExecutionError(
                code="Internal", message=str(rejection), kind=core.ExecutionErrorErrorKind.SYSTEM
            )
            row.closure.phase, row.closure.error = core.WorkflowExecutionPhase.FAILED, error
            row.error_kind, row.error_code = error.kind.name, error.code
        if target.task is None:
            self._insert_tags(row)
        self._store.executions.insert(row)
        if rejection is None:
            self._context.engine.launch(row, target.workflow.compiled, inputs)

    def _insert_tags(self, row: ExecutionRow) -> None:
        labels = {} if row.spec.labels is None else row.spec.labels.values
        for key, value in [*((tag, "") for tag in row.spec.tags), *labels.items()]:
            self._store.execution_tags.insert(
                TagRow(
                    execution_project=row.execution_project,
                    execution_domain=row.execution_domain,
                    execution_name=row.execution_name,
                    key=key,
                    value=value,
                )
            )


def _base(key: ExecutionKey) -> str:
    return f"mem://flyte/metadata/{'/'.join(key)}"


def _notifications(spec: admin.ExecutionSpec, plan: admin.LaunchPlanSpec) -> list[admin.Notification]:
    if spec.notifications is not None and spec.notifications.notifications:
        return spec.notifications.notifications
    if spec.disable_all or plan.entity_metadata is None:
        return []
    return plan.entity_metadata.notifications


def _security_context(spec: admin.ExecutionSpec, plan: admin.LaunchPlanSpec) -> core.SecurityContext:
    """Whom the execution runs as: its own word, then its launch plan's, then the older roles."""
    for context in (spec.security_context, plan.security_context):
        if context is not None and context.run_as:
            return context
    role = spec.auth_role or plan.auth_role or admin.AuthRole()
    return core.SecurityContext(
        run_as=core.Identity(iam_role=role.assumable_iam_role, k8s_service_account=role.kubernetes_service_account)
    )


def _kubernetes_rejection(name: str) -> FlyteError | None:
    """Why Kubernetes would not take the name of a workflow's resource; flyteadmin's own check allows more."""
    if _SUBDOMAIN.fullmatch(name):
        return None
    return internal(
        f'failed to create workflow in propeller FlyteWorkflow.flyte.lyft.com "{name}" is invalid: metadata.name: '
        f'Invalid value: "{name}": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '
        "'-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for "
        f"validation is '{_SUBDOMAIN.pattern}')"
    )
