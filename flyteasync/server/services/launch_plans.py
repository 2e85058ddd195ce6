"""Launch plans."""

from __future__ import annotations

from ...errors import FlyteError
from ...idl import admin, core, methods
from .. import validation
from ..columns import Entity
from ..failures import already_exists, internal, invalid, missing, not_found
from ..filters import equals, parse_filters
from ..inputs import check_schedule, expected_inputs, literals_of, parameters_of, variables_of
from ..listing import Page, parse_order, parse_token, select
from ..rows import LaunchPlanRow, Row, WorkflowRow
from ..text import proto_text
from . import entities
from .context import Context, Route

_ACTIVE = admin.LaunchPlanState.ACTIVE
_INACTIVE = admin.LaunchPlanState.INACTIVE


class LaunchPlanService:
    """RPCs about launch plans."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store

    def routes(self) -> dict[str, Route]:
        """What answers which path."""
        return {
            methods.CREATE_LAUNCH_PLAN.path: self.create,
            methods.GET_LAUNCH_PLAN.path: self.get,
            methods.LIST_LAUNCH_PLANS.path: self.list,
            methods.LIST_LAUNCH_PLAN_IDS.path: self.list_ids,
            methods.GET_ACTIVE_LAUNCH_PLAN.path: self.get_active,
            methods.LIST_ACTIVE_LAUNCH_PLANS.path: self.list_active,
            methods.UPDATE_LAUNCH_PLAN.path: self.update,
        }

    def create(self, request: admin.LaunchPlanCreateRequest) -> admin.LaunchPlanCreateResponse:
        """Register an inactive version of a launch plan."""
        spec = request.spec
        workflow_id = validation.check_identifier(
            None if spec is None else spec.workflow_id, core.ResourceType.WORKFLOW
        )
        workflow = entities.find(self._store.workflows, workflow_id, Entity.WORKFLOW)
        identifier = validation.check_identifier(request.id, core.ResourceType.LAUNCH_PLAN)
        config = self._context.config
        validation.check_project_and_domain(self._store, config.domains, identifier.project, identifier.domain)
        assert spec is not None
        complete(spec, workflow)
        existing = self._store.launch_plans.get(
            (identifier.project, identifier.domain, identifier.name, identifier.version)
        )
        if existing is not None:
            raise _exists(identifier, existing, spec)
        self.insert(identifier, spec, workflow)
        return admin.LaunchPlanCreateResponse()

    def insert(self, identifier: core.Identifier, spec: admin.LaunchPlanSpec, workflow: WorkflowRow) -> LaunchPlanRow:
        """Store a launch plan whose spec is complete."""
        now = self._context.clock.now()
        interface = workflow.template.interface or core.TypedInterface()
        closure = admin.LaunchPlanClosure(
            state=_INACTIVE,
            expected_inputs=spec.default_inputs,
            expected_outputs=interface.outputs,
            created_at=now,
            updated_at=now,
        )
        row = LaunchPlanRow(
            project=identifier.project,
            domain=identifier.domain,
            name=identifier.name,
            version=identifier.version,
            message=admin.LaunchPlan(id=identifier, spec=spec, closure=closure),
            workflow_id=workflow.id,
            schedule_type=_schedule_type(spec),
        )
        self._store.launch_plans.insert(row)
        return row

    def update(self, request: admin.LaunchPlanUpdateRequest) -> admin.LaunchPlanUpdateResponse:
        """Make a version the active one of its name, or inactive."""
        identifier = validation.check_identifier(
            entities.with_kind(request.id, Entity.LAUNCH_PLAN), core.ResourceType.LAUNCH_PLAN
        )
        if request.state not in (_ACTIVE, _INACTIVE):
            raise invalid(
                f"Unrecognized launch plan state {int(request.state)} for update for launch plan "
                f"[{proto_text(identifier)}]"
            )
        row = entities.find(self._store.launch_plans, identifier, Entity.LAUNCH_PLAN)
        if request.state == _ACTIVE:
            _check_activatable(row)
            former = self._active(row.project, row.domain, row.name)
            if former is not None and former is not row:
                self._set_state(former, _INACTIVE)
        self._set_state(row, request.state)
        return admin.LaunchPlanUpdateResponse()

    def _set_state(self, row: LaunchPlanRow, state: admin.LaunchPlanState) -> None:
        row.closure.state = state
        self._store.launch_plans.touch(row)
        row.closure.updated_at = row.updated_at

    def _active(self, project: str, domain: str, name: str) -> LaunchPlanRow | None:
        rows = self._store.launch_plans.group((project, domain, name))
        return next((row for row in rows if row.closure.state == _ACTIVE), None)

    def get(self, request: admin.ObjectGetRequest) -> admin.LaunchPlan:
        """One version."""
        return entities.requested(self._store.launch_plans, request, Entity.LAUNCH_PLAN).message

    def get_active(self, request: admin.ActiveLaunchPlanRequest) -> admin.LaunchPlan:
        """The active version of a name."""
        identifier = request.id
        if identifier is None:
            raise missing("id")
        validation.require(identifier.project, "project")
        validation.require(identifier.domain, "domain")
        validation.require(identifier.name, "name")
        row = self._active(identifier.project, identifier.domain, identifier.name)
        if row is None:
            raise not_found(
                f"No active launch plan could be found: {identifier.project}:{identifier.domain}:{identifier.name}"
            )
        return row.message

    def list(self, request: admin.ResourceListRequest) -> admin.LaunchPlanList:
        """Versions with specs and closures."""
        scope = entities.check_scope(request)
        filters = parse_filters(request.filters, Entity.LAUNCH_PLAN)
        order = parse_order(request.sort_by, Entity.LAUNCH_PLAN)
        offset = parse_token(request.token, "ListLaunchPlans")
        group = (scope.project, scope.domain, scope.name) if scope.name else (scope.project, scope.domain)
        page = select(
            self._store.launch_plans.group(group),
            entity=Entity.LAUNCH_PLAN,
            filters=filters,
            order=order,
            offset=offset,
            limit=request.limit,
            related=self._related,
            always_join=(Entity.WORKFLOW,),
        )
        return _launch_plan_list(page)

    def list_active(self, request: admin.ActiveLaunchPlanListRequest) -> admin.LaunchPlanList:
        """All active launch plans of a project and domain."""
        validation.require(request.project, "project")
        validation.require(request.domain, "domain")
        validation.check_limit(request.limit)
        page = select(
            self._store.launch_plans.group((request.project, request.domain)),
            entity=Entity.LAUNCH_PLAN,
            filters=[equals(Entity.LAUNCH_PLAN, "state", int(_ACTIVE))],
            order=parse_order(request.sort_by, Entity.LAUNCH_PLAN),
            offset=parse_token(request.token, "ListActiveLaunchPlans"),
            limit=request.limit,
        )
        return _launch_plan_list(page)

    def list_ids(self, request: admin.NamedEntityIdentifierListRequest) -> admin.NamedEntityIdentifierList:
        """Names; the repository is what asks for a limit and for a project or domain here."""
        parse_order(request.sort_by, Entity.LAUNCH_PLAN)
        parse_token(request.token, "")
        if request.limit == 0:
            raise invalid("missing and/or invalid parameters: limit")
        if not request.project and not request.domain:
            raise invalid("missing and/or invalid parameters: filters")
        return entities.list_names(self._store.launch_plans, request, Entity.LAUNCH_PLAN, "")

    def _related(self, row: LaunchPlanRow, entity: Entity) -> tuple[Row, ...]:
        workflow = self._store.workflows.by_id(row.workflow_id)
        return () if workflow is None else (workflow,)


def complete(spec: admin.LaunchPlanSpec, workflow: WorkflowRow) -> None:
    """Check a spec, and replace its default inputs by all inputs that are free.

    Raises:
        FlyteInvalidInputException: it does not fit the workflow.
    """
    validation.check_labels({} if spec.labels is None else spec.labels.values)
    fixed, defaults = literals_of(spec.fixed_inputs), parameters_of(spec.default_inputs)
    validation.check_literals(fixed, "fixed_inputs")
    validation.check_parameters(defaults, "default_inputs")
    interface = workflow.template.interface or core.TypedInterface()
    expected = expected_inputs(variables_of(interface.inputs), fixed, defaults)
    metadata = spec.entity_metadata or admin.LaunchPlanMetadata()
    check_schedule(metadata.schedule, expected.parameters)
    spec.default_inputs = expected
    validation.check_notifications(metadata.notifications)
    if metadata.launch_conditions is not None:
        raise invalid("Launch condition must be empty, found " + metadata.launch_conditions.type_url)


def _schedule_type(spec: admin.LaunchPlanSpec) -> str:
    schedule = None if spec.entity_metadata is None else spec.entity_metadata.schedule
    if schedule is None:
        return "NONE"
    if schedule.rate is not None:
        return "RATE"
    return "CRON" if schedule.cron_expression or schedule.cron_schedule is not None else "NONE"


def _check_activatable(row: LaunchPlanRow) -> None:
    """The native scheduler does not know the older form of cron expressions."""
    schedule = None if row.spec.entity_metadata is None else row.spec.entity_metadata.schedule
    if schedule is not None and schedule.cron_expression:
        raise internal("cron expression is not supported by the native scheduler, use cron_schedule instead")


def _launch_plan_list(page: Page[LaunchPlanRow]) -> admin.LaunchPlanList:
    return admin.LaunchPlanList(launch_plans=[row.message for row in page.rows], token=page.token)


def _exists(identifier: core.Identifier, existing: LaunchPlanRow, spec: admin.LaunchPlanSpec) -> FlyteError:
    if existing.spec == spec:
        return already_exists("launch plan with identical structure already exists")
    return invalid(
        f"{identifier.name} launch plan with different structure already exists. "
        "(Please register a new version of the launch plan):\n" + entities.difference(existing.spec, spec)
    )
