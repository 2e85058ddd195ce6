"""Launching one execution; `creation` holds how it is made exactly once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import FlyteEntityAlreadyExistsException
from .checks import check_inputs, check_names, check_on_conflict, check_type_hints, check_wait
from .fetch import Fetching
from .names import check_name, generate_name

if TYPE_CHECKING:
    from ..entities import Entity
    from ..executions import FlyteWorkflowExecution
    from ..executions.context import AgainRequest
    from ..watcher import Name
    from .checks import OnConflict
    from .creation import Creation, Launched
    from .options import OptionsLike


class Launching(Fetching):
    """The part of FlyteRemote that launches."""

    _creation: Creation | None = None

    async def execute(
        self,
        entity: Entity,
        inputs: Mapping[str, Any] | None = None,
        project: str | None = None,
        domain: str | None = None,
        *,
        execution_name: str | None = None,
        execution_name_prefix: str | None = None,
        options: OptionsLike | None = None,
        wait: bool = False,
        type_hints: dict[str, type] | None = None,
        overwrite_cache: bool | None = None,
        interruptible: bool | None = None,
        envs: Mapping[str, str] | None = None,
        tags: Sequence[str] | None = None,
        cluster_pool: str | None = None,
        execution_cluster_label: str | None = None,
        on_conflict: OnConflict = "same",
    ) -> FlyteWorkflowExecution:
        """Launch an execution, exactly once, also if replies get lost.

        Costs one CreateExecution, and one GetExecution before it if the caller names the execution, and a
        GetExecutionData if the name is taken. A workflow is
        launched through the launch plan of its own name and version, which costs one GetLaunchPlan the first time.
        After a failure that leaves open whether the execution was created, GetExecution is asked before
        CreateExecution is sent again. Cancelling the call never terminates what it may have launched.

        If it stays unknown whether the execution was created, the error says so in a note, has `retryable` False, and
        the name as the last part of its `identifier`: under this name, and no other, the launch may be tried again.

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
            tags: to find the execution by; each once.
            cluster_pool: the pool of clusters to run on.
            execution_cluster_label: the label of the clusters to run on.
            options: labels, annotations, notifications and more: `flyteasync.Options`, or flytekit's.
            on_conflict: what to do if the execution_name is taken. "same": return that execution if its entity and the
                given inputs are the same, else raise. "adopt": return it, with a warning in the log if it differs.
                "raise": raise. Inputs that the server does not show are not compared.

        Returns:
            The execution, with its id and spec; how far it is comes with the first `sync` or `wait`. One that was there
            already shows how far it was when it was found.

        Raises:
            FlyteValueException: an unknown input, or one that the launch plan fixes.
            FlyteTypeException: an input or option of the wrong type, type_hints that are no mapping, or an entity that
                cannot be launched.
            FlyteInvalidInputException: a missing input, a bad name or option, both name and prefix; or the server's
                refusal.
            FlyteEntityAlreadyExistsException: the name is taken, by something else or with on_conflict="raise".
            FlyteConcurrencyLimitReached: the launch plan allows no further execution now.
        """
        # A program that launches nothing does not pay for what launching needs.
        from .launcher import Launcher, fetched, settings_of

        check_inputs(inputs)
        check_type_hints(type_hints)
        check_wait(wait)
        check_on_conflict(on_conflict)
        check_names(execution_name, execution_name_prefix)
        name = generate_name(execution_name_prefix) if execution_name is None else check_name(execution_name)
        settings = settings_of(
            options,
            overwrite_cache=overwrite_cache,
            interruptible=interruptible,
            envs=envs,
            tags=tags,
            cluster_pool=cluster_pool,
            execution_cluster_label=execution_cluster_label,
        )
        launcher = Launcher(
            self, await fetched(entity), settings, project=project, domain=domain, type_hints=type_hints
        )
        if execution_name is None:
            execution = await launcher.launch(inputs, name)
        else:
            execution = await launcher.launch_named(inputs, name, on_conflict)
        return await execution.wait() if wait else execution

    async def launch_again(self, request: AgainRequest, execution_name: str | None = None) -> Name:
        """Have an execution run once more, exactly once; see `FlyteWorkflowExecution.relaunch` and `recover`.

        Args:
            request: which one, and how.
            execution_name: the name of the new one; generated if not given.
        """
        from ..executions.again import named, repeats
        from ..watcher import Name
        from .creation import Launched, Origin

        source, creation = Name.of(request.id), self.creation
        name = source._replace(name=generate_name() if execution_name is None else check_name(execution_name))
        request, until = named(request, name.name), creation.deadline()
        if execution_name is None:
            launched = await creation.create(request, name)
        elif (taken := await creation.find(name, until)) is not None:
            launched = Launched(Origin.THERE, taken)
        else:
            launched = await creation.create_once(request, name, until)
        found = launched.execution
        if execution_name is not None and found is not None and not repeats(found, request):
            raise FlyteEntityAlreadyExistsException(
                f"execution {name} exists already, and not as a repetition of {source.name}", identifier=str(name)
            )
        self.count_launch(launched)
        return name

    @property
    def creation(self) -> Creation:
        """What creates executions, with this remote's options."""
        caller = self._caller
        if self._creation is None or self._creation.caller is not caller:
            from .creation import Creation

            self._creation = Creation(caller, self._values)
        return self._creation

    def count_launch(self, launched: Launched) -> None:
        """Count an execution that was launched, or was there already."""
        self._connector.launches["adopted" if launched.adopted else "launched"] += 1
