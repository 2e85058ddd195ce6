"""Reading what is registered and what runs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ..entities.identifier import EntityKey
from ..errors import FlyteEntityNotExistException, FlyteSystemException
from ..idl import admin, core
from .base import RemoteBase
from .checks import check_name_given

if TYPE_CHECKING:
    from ..entities import FlyteLaunchPlan, FlyteTask, FlyteWorkflow

_NEWEST_FIRST = admin.Sort(key="created_at", direction=admin.SortDirection.DESCENDING)


class Fetching(RemoteBase):
    """The part of FlyteRemote that reads."""

    async def fetch_task(
        self,
        project: str | None = None,
        domain: str | None = None,
        name: str | None = None,
        version: str | None = None,
    ) -> FlyteTask:
        """Read a task.

        Costs one GetTask, after one ListTasks if no version is given.

        Args:
            project: the remote's default if not given.
            domain: the remote's default if not given.
            name: of the task.
            version: the newest if not given.

        Raises:
            FlyteEntityNotExistException: there is no such task.
            FlyteInvalidInputException: no name, project or domain.
        """
        wanted = await self._identify(core.ResourceType.TASK, project, domain, name, version)
        task = await self.admin.get_task(admin.ObjectGetRequest(id=wanted))
        compiled = task.closure.compiled_task if task.closure is not None else None
        if compiled is None or compiled.template is None:
            raise FlyteSystemException(f"the server shows task {wanted.name} without its template")
        from ..entities import FlyteTask

        return FlyteTask.promote_from_model(compiled.template)

    async def fetch_workflow(
        self,
        project: str | None = None,
        domain: str | None = None,
        name: str | None = None,
        version: str | None = None,
    ) -> FlyteWorkflow:
        """Read a workflow with the tasks that it uses.

        Costs one GetWorkflow, after one ListWorkflows if no version is given. Arguments and errors as `fetch_task`.
        """
        wanted = await self._identify(core.ResourceType.WORKFLOW, project, domain, name, version)
        workflow = await self.admin.get_workflow(admin.ObjectGetRequest(id=wanted))
        compiled = workflow.closure.compiled_workflow if workflow.closure is not None else None
        if compiled is None or compiled.primary is None:
            raise FlyteSystemException(f"the server shows workflow {wanted.name} without its compiled form")
        from ..entities import FlyteWorkflow

        return FlyteWorkflow.promote_from_closure(compiled)

    async def fetch_launch_plan(
        self,
        project: str | None = None,
        domain: str | None = None,
        name: str | None = None,
        version: str | None = None,
    ) -> FlyteLaunchPlan:
        """Read a launch plan with its interface.

        Costs one GetLaunchPlan, after one ListLaunchPlans if no version is given. Arguments and errors as `fetch_task`.
        """
        wanted = await self._identify(core.ResourceType.LAUNCH_PLAN, project, domain, name, version)
        return await self.launch_plan_of(wanted)

    async def launch_plan_of(self, wanted: core.Identifier) -> FlyteLaunchPlan:
        """The launch plan of a full identifier; costs one GetLaunchPlan the first time, however many ask at once."""
        plans = self._connection.plans
        plan = plans.get(wanted)
        if plan is not None:
            return plan
        # Who may see a plan depends on the token, and how long to wait for it on the time limits.
        return await plans.flights.do((EntityKey.of(wanted), self._options), partial(self._ask_launch_plan, wanted))

    async def _ask_launch_plan(self, wanted: core.Identifier) -> FlyteLaunchPlan:
        model = await self.admin.get_launch_plan(admin.ObjectGetRequest(id=wanted))
        if model.spec is None:
            raise FlyteSystemException(f"the server shows launch plan {wanted.name} without its spec")
        from ..entities import FlyteLaunchPlan

        plan = FlyteLaunchPlan.promote_from_model(model.id or wanted, model.spec, closure=model.closure)
        self._connection.plans.put(plan)
        return plan

    async def _identify(
        self,
        kind: core.ResourceType,
        project: str | None,
        domain: str | None,
        name: str | None,
        version: str | None,
    ) -> core.Identifier:
        """The full identifier of what a caller names, with the newest version if none is given."""
        check_name_given(name, "entity", project)
        project, domain = self._scope(project, domain)
        wanted = core.Identifier(
            resource_type=kind, project=project, domain=domain, name=name or "", version=version or ""
        )
        return wanted if version else await self._newest(wanted)

    async def _newest(self, wanted: core.Identifier) -> core.Identifier:
        request = admin.ResourceListRequest(
            id=admin.NamedEntityIdentifier(project=wanted.project, domain=wanted.domain, name=wanted.name),
            limit=1,
            sort_by=_NEWEST_FIRST,
        )
        match wanted.resource_type:
            case core.ResourceType.TASK:
                found = [task.id for task in (await self.admin.list_tasks(request)).tasks]
            case core.ResourceType.WORKFLOW:
                found = [workflow.id for workflow in (await self.admin.list_workflows(request)).workflows]
            case _:
                found = [plan.id for plan in (await self.admin.list_launch_plans(request)).launch_plans]
        if not found or found[0] is None:
            name = f"{wanted.project}/{wanted.domain}/{wanted.name}"
            kind = wanted.resource_type.name or "entity"
            raise FlyteEntityNotExistException(
                f"there is no {kind.lower().replace('_', ' ')} {name} in any version", identifier=name
            )
        return found[0]
