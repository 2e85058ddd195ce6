"""Launching an execution exactly once.

flyteadmin recognises a repeated CreateExecution by its name only, and overwrites the inputs of the execution that it
finds before it says so. So every execution is named by the client, and after a failure that leaves open whether the
execution was created, GetExecution is asked before CreateExecution is sent again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .. import codec
from ..deadline import Deadline
from ..entities import Entity, FlyteLaunchPlan, FlyteTask, FlyteWorkflow, LazyEntity, TypedInterface
from ..errors import (
    FlyteConcurrencyLimitReached,
    FlyteEntityAlreadyExistsException,
    FlyteEntityNotExistException,
    FlyteError,
    FlyteInvalidInputException,
    FlyteTypeException,
)
from ..executions import FlyteWorkflowExecution
from ..idl import admin, core
from ..literals import convert
from ..rpc.retry import AMBIGUOUS, Again, repeat
from ..watcher import Name
from .fetch import Fetching
from .names import check_name, generate_name

logger = logging.getLogger(__name__)

OnConflict = Literal["same", "adopt", "raise"]
"""What becomes of an execution that has the caller's name already: see `FlyteRemote.execute`."""

CREATION_RACES = 3
"""So often, a first launch of a task may lose against another one's creation of what both need."""

_LIMIT_REACHED = "concurrency limit"


@dataclass(frozen=True)
class Target:
    """What is launched.

    Attributes:
        id: the launch plan or task.
        interface: the types of inputs and outputs.
        required: the inputs that have no default.
    """

    id: core.Identifier
    interface: TypedInterface
    required: frozenset[str]


def target_of(entity: FlyteLaunchPlan | FlyteTask) -> Target:
    """How to launch an entity."""
    if isinstance(entity, FlyteTask):
        return Target(entity.id, entity.interface, frozenset(entity.interface.inputs))
    required = (name for name, parameter in entity.parameters.items() if parameter.required)
    return Target(entity.id, entity.interface, frozenset(required))


def convert_inputs(target: Target, inputs: Mapping[str, Any], type_hints: Mapping[str, type] | None) -> core.LiteralMap:
    """The inputs as literals.

    Raises:
        FlyteValueException: an input that the entity does not have.
        FlyteTypeException: a value of another type than declared.
        FlyteInvalidInputException: a required input is missing.
    """
    literals = convert(inputs, target.interface.inputs, type_hints=type_hints).complete()
    missing = sorted(target.required - literals.literals.keys())
    if missing:
        raise FlyteInvalidInputException(
            f"{target.id.name} needs the input{'s' if len(missing) > 1 else ''} {', '.join(missing)}"
        )
    return literals


def differences(wanted: admin.ExecutionCreateRequest, found: admin.Execution, inputs: core.LiteralMap) -> list[str]:
    """In what an execution differs from the one that was to be launched; empty if it is the same."""
    launched = found.spec.launch_plan if found.spec is not None else None
    asked = wanted.spec.launch_plan if wanted.spec is not None else None
    result = [] if launched == asked else ["the entity"]
    given = wanted.inputs.literals if wanted.inputs is not None else {}
    for name, literal in given.items():
        other = inputs.literals.get(name)
        # NaN is not equal to itself, but its bytes are.
        if other is None or (other != literal and codec.encode(other) != codec.encode(literal)):
            result.append(f"the input {name}")
    return result


class Launching(Fetching):
    """The part of FlyteRemote that launches."""

    async def execute(
        self,
        entity: Entity,
        inputs: Mapping[str, Any] | None = None,
        project: str | None = None,
        domain: str | None = None,
        *,
        execution_name: str | None = None,
        execution_name_prefix: str | None = None,
        wait: bool = False,
        type_hints: dict[str, type] | None = None,
        overwrite_cache: bool | None = None,
        interruptible: bool | None = None,
        envs: Mapping[str, str] | None = None,
        tags: Sequence[str] | None = None,
        cluster_pool: str | None = None,
        on_conflict: OnConflict = "same",
    ) -> FlyteWorkflowExecution:
        """Launch an execution, exactly once, also if replies get lost.

        Costs one CreateExecution, and one GetExecution before it if the caller names the execution. A workflow is
        launched through the launch plan of its own name and version, which costs one GetLaunchPlan the first time.
        After a failure that leaves open whether the execution was created, GetExecution is asked before
        CreateExecution is sent again. Cancelling the call never terminates what it may have launched.

        Args:
            entity: a fetched launch plan, workflow or task.
            inputs: values by name; may lack those that have defaults. Never changed.
            project: where to run; the remote's default, else the entity's own if not given.
            domain: where to run; the remote's default, else the entity's own if not given.
            execution_name: a name that is unique in project and domain; generated if not given.
            execution_name_prefix: put before a generated name, with a hyphen between.
            wait: return when the execution is finished, with its outputs.
            type_hints: the Python types of the inputs, where the declared types leave a choice.
            overwrite_cache: run cached tasks anyway, and replace what is cached.
            interruptible: run on interruptible nodes or not, whatever the tasks say.
            envs: environment variables of the tasks.
            tags: to find the execution by.
            cluster_pool: where to run.
            on_conflict: what to do if the execution_name is taken. "same": return that execution if its entity and the
                given inputs are the same, else raise. "adopt": return it, with a warning in the log if it differs.
                "raise": raise.

        Returns:
            The execution, with its id and spec; how far it is comes with the first `sync` or `wait`.

        Raises:
            FlyteValueException: an unknown input.
            FlyteTypeException: an input of the wrong type, or an entity that cannot be launched.
            FlyteInvalidInputException: a missing input, a bad name, both name and prefix; or the server's refusal.
            FlyteEntityAlreadyExistsException: the name is taken, by something else or with on_conflict="raise".
            FlyteConcurrencyLimitReached: the launch plan allows no further execution now.
        """
        target = await self._target(entity)
        literals = convert_inputs(target, inputs or {}, type_hints)
        name = self._name_of(target, project, domain, execution_name, execution_name_prefix)
        request = admin.ExecutionCreateRequest(
            project=name.project,
            domain=name.domain,
            name=name.name,
            inputs=literals,
            spec=admin.ExecutionSpec(
                launch_plan=target.id,
                metadata=admin.ExecutionMetadata(mode=admin.ExecutionMetadataExecutionMode.MANUAL),
                overwrite_cache=bool(overwrite_cache),
                interruptible=interruptible,
                envs=_envs(envs),
                tags=list(tags or ()),
                cluster_assignment=admin.ClusterAssignment(cluster_pool_name=cluster_pool) if cluster_pool else None,
            ),
        )
        await self._launch(request, name, on_conflict if execution_name is not None else None)
        execution = FlyteWorkflowExecution(
            type_hints, self, id=name.identifier(), spec=request.spec, interface=target.interface, existing=True
        )
        return await execution.wait() if wait else execution

    async def _target(self, entity: Entity) -> Target:
        match entity:
            case LazyEntity():
                return await self._target(await entity.entity())
            case FlyteLaunchPlan() | FlyteTask():
                return target_of(entity)
            case FlyteWorkflow():
                identifier = core.Identifier(
                    resource_type=core.ResourceType.LAUNCH_PLAN,
                    project=entity.id.project,
                    domain=entity.id.domain,
                    name=entity.id.name,
                    version=entity.id.version,
                )
                plan = target_of(await self._launch_plan(identifier))
                return Target(plan.id, TypedInterface(plan.interface.inputs, entity.interface.outputs), plan.required)
            case _:
                raise FlyteTypeException(
                    f"only a fetched launch plan, workflow or task can be launched, not {type(entity).__name__}"
                )

    def _name_of(
        self, target: Target, project: str | None, domain: str | None, name: str | None, prefix: str | None
    ) -> Name:
        if name is not None and prefix is not None:
            raise FlyteInvalidInputException("give either execution_name or execution_name_prefix, not both")
        return Name(
            project or self._default_project or target.id.project,
            domain or self._default_domain or target.id.domain,
            generate_name(prefix) if name is None else check_name(name),
        )

    async def _launch(self, request: admin.ExecutionCreateRequest, name: Name, on_conflict: OnConflict | None) -> None:
        """Have the execution exist; on_conflict is None for a generated name, which nobody else can have taken."""
        until = Deadline.after(self._options.timeout)
        if on_conflict is not None:
            taken = await self._find(name, until)
            if taken is not None:
                await self._accept(request, name, taken, on_conflict, until)
                return
        met = await self._create(request, name, until)
        if met is not None and on_conflict is not None:
            # It was not there a moment ago: ours, unless another process launched the same name at the same time.
            await self._accept(request, name, met, "same" if on_conflict == "raise" else on_conflict, until)

    async def _create(
        self, request: admin.ExecutionCreateRequest, name: Name, until: Deadline
    ) -> admin.Execution | None:
        """Send CreateExecution until it is known that the execution exists; returns it if it had to be looked for."""
        races = 0

        async def attempt(_: int) -> admin.Execution | None:
            nonlocal races
            try:
                await self.admin.create_execution(request, deadline=until)
                return None
            except FlyteEntityAlreadyExistsException as error:
                found = await self._find(name, until)
                if found is not None:
                    return found
                if _LIMIT_REACHED in str(error):
                    raise FlyteConcurrencyLimitReached(
                        str(error), method=error.method, status=error.status, identifier=str(name)
                    ) from None
                races += 1
                if races > CREATION_RACES:
                    raise
                raise Again(error) from None
            except FlyteError as error:
                if error.status not in AMBIGUOUS:
                    raise
                found = await self._find(name, until)
                if found is not None:
                    logger.info("execution %s was created, though its reply was lost", name)
                    return found
                raise Again(error) from None

        try:
            return await attempt(1)
        except Again as failed:
            caller = self._caller
            return await repeat(
                attempt,
                failed,
                what=f"launch of {name}",
                until=until,
                policy=caller.options.retry,
                budget=caller.budget,
            )

    async def _find(self, name: Name, until: Deadline) -> admin.Execution | None:
        try:
            return await self.admin.get_execution(
                admin.WorkflowExecutionGetRequest(id=name.identifier()), deadline=until
            )
        except FlyteEntityNotExistException:
            return None

    async def _accept(
        self,
        request: admin.ExecutionCreateRequest,
        name: Name,
        found: admin.Execution,
        on_conflict: OnConflict,
        until: Deadline,
    ) -> None:
        """Decide whether an execution that has the name already may stand for the one that was to be launched."""
        if on_conflict == "raise":
            raise FlyteEntityAlreadyExistsException(f"execution {name} exists already", identifier=str(name))
        data = await self.admin.get_execution_data(
            admin.WorkflowExecutionGetDataRequest(id=name.identifier()), deadline=until
        )
        differs = differences(request, found, data.full_inputs or core.LiteralMap())
        if differs and on_conflict == "same":
            raise FlyteEntityAlreadyExistsException(
                f"execution {name} exists already and differs in {', '.join(differs)}", identifier=str(name)
            )
        if differs:
            logger.warning("adopted execution %s, which differs in %s", name, ", ".join(differs))


def _envs(envs: Mapping[str, str] | None) -> admin.Envs | None:
    if not envs:
        return None
    return admin.Envs(values=[core.KeyValuePair(key=key, value=value) for key, value in envs.items()])
