"""Launching an execution exactly once.

flyteadmin recognises a repeated CreateExecution by its name only, and overwrites the inputs of the execution that it
finds before it says so. So every execution is named by the client, and after a failure that leaves open whether the
execution was created, GetExecution is asked before CreateExecution is sent again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, cast

from ..deadline import Deadline
from ..entities import Entity, FlyteLaunchPlan, FlyteTask, FlyteWorkflow, LazyEntity, TypedInterface
from ..errors import (
    FlyteConcurrencyLimitReached,
    FlyteEntityAlreadyExistsException,
    FlyteEntityNotExistException,
    FlyteError,
    FlyteInvalidInputException,
)
from ..executions import FlyteWorkflowExecution
from ..executions.again import repeats
from ..executions.context import AgainRequest
from ..idl import admin, core
from ..rpc.retry import AMBIGUOUS, Again, Kind, may_repeat, repeat
from ..watcher import Name
from .fetch import Fetching
from .launch_request import (
    OnConflict,
    Target,
    check_arguments,
    check_entity,
    check_given,
    check_options,
    differences,
    entity_of,
    environment,
    target_of,
)
from .names import check_name, generate_name

logger = logging.getLogger(__name__)

CREATION_RACES = 3
"""So often, a first launch of a task may lose against another one's creation of what both need."""

CreationRequest = admin.ExecutionCreateRequest | AgainRequest
"""What makes an execution; flyteadmin treats them alike once it has their inputs."""

_LIMIT_REACHED = "concurrency limit"


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
            FlyteValueException: an unknown input, or one that the launch plan fixes.
            FlyteTypeException: an input or option of the wrong type, or an entity that cannot be launched.
            FlyteInvalidInputException: a missing input, a bad name, both name and prefix; or the server's refusal.
            FlyteEntityAlreadyExistsException: the name is taken, by something else or with on_conflict="raise".
            FlyteConcurrencyLimitReached: the launch plan allows no further execution now.
        """
        check_arguments(inputs, on_conflict)
        check_options(envs, tags, cluster_pool)
        launched = check_entity(await cast("LazyEntity[Any]", entity) if isinstance(entity, LazyEntity) else entity)
        name = self._name_of(launched.id, project, domain, execution_name, execution_name_prefix)
        from ..literals import convert  # a program that launches nothing does not pay for it

        literals = convert(inputs or {}, launched.interface.inputs, type_hints=type_hints).complete()
        target = await self._target(launched)
        check_given(target, literals)
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
                envs=environment(envs),
                tags=list(tags or ()),
                cluster_assignment=admin.ClusterAssignment(cluster_pool_name=cluster_pool) if cluster_pool else None,
            ),
        )
        found = await self._launch(request, name, on_conflict if execution_name is not None else None)
        same = found is None or entity_of(found) == target.id
        execution = FlyteWorkflowExecution(
            type_hints,
            self,
            id=name.identifier(),
            spec=request.spec if found is None else found.spec,
            interface=target.interface if same else None,
            existing=True,
        )
        return await execution.wait() if wait else execution

    async def _target(self, entity: FlyteLaunchPlan | FlyteWorkflow | FlyteTask) -> Target:
        if not isinstance(entity, FlyteWorkflow):
            return target_of(entity)
        identifier = core.Identifier(
            resource_type=core.ResourceType.LAUNCH_PLAN,
            project=entity.id.project,
            domain=entity.id.domain,
            name=entity.id.name,
            version=entity.id.version,
        )
        plan = target_of(await self._launch_plan(identifier))
        return Target(plan.id, TypedInterface(plan.interface.inputs, entity.interface.outputs), plan.required)

    def _name_of(
        self, entity: core.Identifier, project: str | None, domain: str | None, name: str | None, prefix: str | None
    ) -> Name:
        if name is not None and prefix is not None:
            raise FlyteInvalidInputException("give either execution_name or execution_name_prefix, not both")
        return Name(
            project or self._default_project or entity.project,
            domain or self._default_domain or entity.domain,
            generate_name(prefix) if name is None else check_name(name),
        )

    async def _launch(
        self, request: admin.ExecutionCreateRequest, name: Name, on_conflict: OnConflict | None
    ) -> admin.Execution | None:
        """Have the execution exist; returns it if it had to be looked for.

        on_conflict is None for a generated name, which nobody else can have taken.
        """
        until = Deadline.after(self._options.timeout)
        if on_conflict is not None:
            taken = await self._find(name, until)
            if taken is not None:
                await self._accept(request, name, taken, on_conflict, until)
                return taken
        met = await self._create(request, name, until)
        if met is not None and on_conflict is not None:
            # It was not there a moment ago: ours, unless another process launched the same name at the same time.
            await self._accept(request, name, met, "same" if on_conflict == "raise" else on_conflict, until)
        return met

    async def launch_again(self, request: AgainRequest, execution_name: str | None = None) -> Name:
        """Have an execution run once more, exactly once; see `FlyteWorkflowExecution.relaunch` and `recover`.

        Args:
            request: which one, and how; its name is filled in.
            execution_name: the name of the new one; generated if not given.
        """
        source = Name.of(request.id)
        name = source._replace(name=generate_name() if execution_name is None else check_name(execution_name))
        request.name = name.name
        until = Deadline.after(self._options.timeout)
        found = await self._find(name, until) if execution_name is not None else None
        if found is None:
            found = await self._create(request, name, until)
        if found is not None and execution_name is not None and not repeats(found, request):
            raise FlyteEntityAlreadyExistsException(
                f"execution {name} exists already, and not as a repetition of {source.name}", identifier=str(name)
            )
        return name

    async def _create(self, request: CreationRequest, name: Name, until: Deadline) -> admin.Execution | None:
        """Send CreateExecution until it is known that the execution exists; returns it if it had to be looked for."""

        async def attempt(number: int) -> admin.Execution | None:
            return await self._create_once(request, name, until, number)

        try:
            return await attempt(1)
        except Again as failed:
            budget = self._caller.budget
            what, policy = f"launch of {name}", self._options.retry
            return await repeat(attempt, failed, what=what, until=until, policy=policy, budget=budget)

    async def _create_once(
        self, request: CreationRequest, name: Name, until: Deadline, number: int
    ) -> admin.Execution | None:
        """Send CreateExecution and find out what became of it; raises Again if it may be sent once more."""
        most = self._options.retry.max_attempts
        try:
            await self._send(request, until)
            return None
        except FlyteEntityAlreadyExistsException as error:
            found = await self._find(name, until)
            if found is not None:
                return found
            if _LIMIT_REACHED in str(error):
                raise FlyteConcurrencyLimitReached(
                    str(error), method=error.method, status=error.status, identifier=str(name)
                ) from None
            if number > CREATION_RACES or number == most:
                raise
            raise Again(error) from None
        except FlyteError as error:
            if error.status is None or error.status not in AMBIGUOUS:
                raise
            found = await self._verify(name, until, error)
            if found is not None:
                return found
            # That it does not exist is known now, and repeating it as good as beginning.
            if not may_repeat(Kind.REPEATABLE, error.status, number, most):
                raise
            raise Again(error) from None

    async def _send(self, request: CreationRequest, until: Deadline) -> None:
        match request:
            case admin.ExecutionCreateRequest():
                await self.admin.create_execution(request, deadline=until)
            case admin.ExecutionRelaunchRequest():
                await self.admin.relaunch_execution(request, deadline=until)
            case admin.ExecutionRecoverRequest():
                await self.admin.recover_execution(request, deadline=until)

    async def _verify(self, name: Name, until: Deadline, failure: FlyteError) -> admin.Execution | None:
        """Look for an execution whose creation may have succeeded in spite of the failure."""
        try:
            found = await self._find(name, until)
        except FlyteError as unanswered:
            if unanswered.status not in AMBIGUOUS:
                raise
            failure.add_note(f"whether execution {name} was created is not known: {unanswered}")
            raise failure from None
        if found is not None:
            logger.info("execution %s was created, though its reply was lost", name)
        return found

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
