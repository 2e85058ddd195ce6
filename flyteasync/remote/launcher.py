"""Launches one entity with one set of settings, any number of times."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from ..entities import Entity, FlyteLaunchPlan, FlyteTask, FlyteWorkflow, LazyEntity, TypedInterface
from ..executions import FlyteWorkflowExecution
from ..idl import admin, core
from ..literals import convert
from ..watcher import Name
from .checks import OnConflict, check_inputs
from .creation import Launched, Origin
from .launch_request import Target, check_entity, check_given, entity_of, target_of
from .names import generate_name
from .options import LaunchSettings, settings_of

if TYPE_CHECKING:
    from .launch import Launching

__all__ = ["Launcher", "fetched", "settings_of"]


class Launcher:
    """What `execute` does once and `execute_many` often."""

    def __init__(
        self,
        remote: Launching,
        entity: FlyteLaunchPlan | FlyteWorkflow | FlyteTask,
        settings: LaunchSettings,
        *,
        project: str | None = None,
        domain: str | None = None,
        type_hints: Mapping[str, type] | None = None,
    ) -> None:
        self._remote = remote
        self._entity = entity
        self._settings = settings
        self._type_hints = None if type_hints is None else dict(type_hints)
        self.project = project or remote.default_project or entity.id.project
        self.domain = domain or remote.default_domain or entity.id.domain
        self._target: Target | None = None

    async def launch(self, inputs: Mapping[str, Any] | None, name: str | None = None) -> FlyteWorkflowExecution:
        """Launch under a generated name; one is generated now if it was not before."""
        full = self._name(name or generate_name())
        target, request = await self._request(inputs, full)
        return self._execution(target, request, full, await self._remote.creation.create(request, full))

    async def launch_named(
        self, inputs: Mapping[str, Any] | None, name: str, on_conflict: OnConflict
    ) -> FlyteWorkflowExecution:
        """Launch under a name that may be taken."""
        full = self._name(name)
        target, request = await self._request(inputs, full)
        launched = await self._remote.creation.create_named(request, full, on_conflict)
        return self._execution(target, request, full, launched)

    async def launch_absent(
        self, inputs: Mapping[str, Any], name: str, until: float
    ) -> tuple[FlyteWorkflowExecution, Origin]:
        """Launch under a name that was not taken a moment ago; tells how the execution came about.

        Args:
            inputs: values by name.
            name: the name.
            until: when, on the loop's clock, what is known of the name has grown old, so that it is looked for again.
        """
        full = self._name(name)
        target, request = await self._request(inputs, full)  # may have to ask for the launch plan
        if asyncio.get_running_loop().time() > until:
            launched = await self._remote.creation.create_named(request, full, "same")
        else:
            launched = await self._remote.creation.create_absent(request, full, "same")
        return self._execution(target, request, full, launched), launched.origin

    async def adopt(self, inputs: Mapping[str, Any], name: str, found: admin.Execution) -> FlyteWorkflowExecution:
        """Take an execution that has the name already, if it is what would be launched."""
        full = self._name(name)
        target, request = await self._request(inputs, full)
        creation = self._remote.creation
        await creation.accept(request, full, found, "same", creation.deadline())
        return self._execution(target, request, full, Launched(Origin.THERE, found))

    def _name(self, name: str) -> Name:
        return Name(self.project, self.domain, name)

    async def _request(
        self, inputs: Mapping[str, Any] | None, name: Name
    ) -> tuple[Target, admin.ExecutionCreateRequest]:
        """What to send; everything that can be wrong with it is found out before."""
        check_inputs(inputs)
        literals = convert(inputs or {}, self._entity.interface.inputs, type_hints=self._type_hints).complete()
        target = self._target
        if target is None:
            target = self._target = await self._find_target()
        check_given(target, literals)
        spec = self._settings.spec(target.id)
        return target, admin.ExecutionCreateRequest(
            project=name.project, domain=name.domain, name=name.name, inputs=literals, spec=spec
        )

    async def _find_target(self) -> Target:
        """What is sent to be launched: of a workflow, the launch plan of its own name and version."""
        entity = self._entity
        if not isinstance(entity, FlyteWorkflow):
            return target_of(entity)
        identifier = core.Identifier(
            resource_type=core.ResourceType.LAUNCH_PLAN,
            project=entity.id.project,
            domain=entity.id.domain,
            name=entity.id.name,
            version=entity.id.version,
        )
        plan = target_of(await self._remote.launch_plan_of(identifier))
        return Target(plan.id, TypedInterface(plan.interface.inputs, entity.interface.outputs), plan.required)

    def _execution(
        self, target: Target, request: admin.ExecutionCreateRequest, name: Name, launched: Launched
    ) -> FlyteWorkflowExecution:
        """What the caller gets; nothing in here may fail, for the execution exists."""
        self._remote.count_launch(launched)
        found = launched.execution
        same = found is None or entity_of(found) == target.id
        return FlyteWorkflowExecution(
            self._type_hints,
            self._remote,
            id=name.identifier(),
            spec=request.spec if found is None else found.spec,
            closure=None if found is None else found.closure,
            interface=target.interface if same else None,
            existing=True,
        )


async def fetched(entity: Entity) -> FlyteLaunchPlan | FlyteWorkflow | FlyteTask:
    """The entity to launch, fetched if it is a lazy one.

    Raises:
        FlyteTypeException: it cannot be launched.
    """
    return check_entity(await cast("LazyEntity[Any]", entity) if isinstance(entity, LazyEntity) else entity)
