"""Launching one execution or many, and waiting for many, for programs without an event loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from ..deadline import Duration
from ..remote.checks import OnConflict, executions_of
from ..remote.many import LAUNCHES_PER_SECOND
from .executions import EXECUTION, FlyteWorkflowExecution, facade_of, looked_at
from .fetch import Fetching
from .inputs import callers_own
from .many import Completed, Runs
from .portal import portal

if TYPE_CHECKING:
    from ..entities import Entity
    from ..remote.items import Inputs
    from ..remote.options import OptionsLike


class Launching(Fetching):
    """The part of the blocking FlyteRemote that launches, and deals with many executions at once."""

    def execute(
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
        on_conflict: OnConflict = "adopt",
    ) -> FlyteWorkflowExecution:
        """Launch an execution, exactly once, also if replies get lost.

        Costs one CreateExecution, and one GetExecution before it if the caller names the execution. A workflow is
        launched through the launch plan of its own name and version, which costs one GetLaunchPlan the first time.
        After a failure that leaves open whether the execution was created, GetExecution is asked before
        CreateExecution is sent again. Then how far the execution is costs what its `sync` costs. Ctrl-C never
        terminates what the call may have launched.

        If it stays unknown whether the execution was created, the error says so in a note, has `retryable` False, and
        the name as the last part of its `identifier`: under this name, and no other, the launch may be tried again.

        Args:
            entity: a fetched launch plan, workflow or task.
            inputs: values by name; may lack those that have defaults. Never changed.
            project: where to run; the remote's default, else the entity's own if not given.
            domain: where to run; the remote's default, else the entity's own if not given.
            execution_name: a name that is unique in project and domain; generated if not given.
            execution_name_prefix: put before a generated name, with a hyphen between.
            options: labels, annotations, notifications and more: `flyteasync.Options`, or flytekit's.
            wait: return when the execution is finished, with its outputs and its nodes.
            type_hints: the Python types of the inputs, where the declared types leave a choice.
            overwrite_cache: run cached tasks anyway, and replace what is cached.
            interruptible: run on interruptible nodes or not, whatever the tasks say.
            envs: environment variables of the tasks.
            tags: to find the execution by; each once.
            cluster_pool: the pool of clusters to run on.
            execution_cluster_label: the label of the clusters to run on.
            on_conflict: what to do if the execution_name is taken. "adopt", as flytekit does: return that execution,
                with a warning in the log if it differs. "same": return it if its entity and the given inputs are the
                same, else raise. "raise": raise.

        Returns:
            The execution as the server shows it after the launch. If it could not be looked at, that is logged, and
            shows when it is next synced.

        Raises:
            FlyteValueException: an unknown input, or one that the launch plan fixes.
            FlyteTypeException: an input or option of the wrong type, or an entity that cannot be launched.
            FlyteInvalidInputException: a missing input, a bad name or option, both name and prefix; or the server's
                refusal.
            FlyteEntityAlreadyExistsException: the name is taken, by something else with on_conflict="same", or by
                anything with "raise".
            FlyteConcurrencyLimitReached: the launch plan allows no further execution now.
        """
        launched = self._aio.execute(
            entity,
            inputs,
            project,
            domain,
            execution_name=execution_name,
            execution_name_prefix=execution_name_prefix,
            options=options,
            wait=wait,
            type_hints=type_hints,
            overwrite_cache=overwrite_cache,
            interruptible=interruptible,
            envs=envs,
            tags=tags,
            cluster_pool=cluster_pool,
            execution_cluster_label=execution_cluster_label,
            on_conflict=on_conflict,
        )
        return facade_of(portal().run(looked_at(portal().run(launched))))

    def execute_many(
        self,
        entity: Entity,
        inputs: Inputs,
        project: str | None = None,
        domain: str | None = None,
        *,
        names: Sequence[str] | Callable[[Mapping[str, Any]], str] | None = None,
        execution_name_prefix: str | None = None,
        options: OptionsLike | None = None,
        type_hints: dict[str, type] | None = None,
        overwrite_cache: bool | None = None,
        interruptible: bool | None = None,
        envs: Mapping[str, str] | None = None,
        tags: Sequence[str] | None = None,
        cluster_pool: str | None = None,
        execution_cluster_label: str | None = None,
        max_running: int | None = None,
        max_launching: int = 32,
        max_launch_rate: float | None = LAUNCHES_PER_SECOND,
        outputs: bool = True,
        on_failure: Literal["continue", "stop"] = "continue",
        on_exit: Literal["leave", "terminate"] = "leave",
        timeout: Duration | None = None,
        poll_interval: Duration | None = None,
    ) -> Runs:
        """Launch an execution for each of many inputs, exactly once each, and yield what becomes of them.

            with remote.execute_many(plan, ({"n": n} for n in range(1000)), max_running=100) as runs:
                for run in runs:
                    print(run.index, run.execution.outputs if run.execution else run.error)

        Inputs are taken as there is room for them, so there may be more than fit into memory; with names, up to 200 are
        read ahead. Every input that was taken has an outcome: its execution, or why there is none. Leaving the block
        stops launching.

        While the server does not answer, or the launch plan allows no more executions, launching is held and tried
        again, until the timeout; without one, for as long as that lasts, with a warning in the log after 30 s of an
        outage. An input that fails so while others are launched has that as its outcome after five times.

        An iterable is read, and a function of names called, in the thread that iterates over the outcomes, whenever it
        asks for the next one: so cursors of databases, blocking calls and Ctrl-C work as they do in any `for` loop. An
        input that takes long to come therefore holds up the outcomes, and an iterable that waits for something of the
        same loop waits for ever. A sequence
        is read, and all of its inputs are named, at once, by the thread that calls this; an async iterable is read in
        the facade's own event loop, where nothing may block.

        Costs what `execute` and waiting for each costs, without the look at each that `execute` has. Names cost one
        ListExecutions for 200 of them, once more every 10 s while they are waiting for room, and one GetExecutionData
        for each execution that exists.

        Args:
            entity: what to launch.
            inputs: the inputs of each execution: a mapping each, of an iterable or async iterable.
            project: where to run; the remote's default, else the entity's own if not given.
            domain: where to run; the remote's default, else the entity's own if not given.
            names: a sequence with a name for each execution, or a function that makes it of the inputs (see
                `execution_name`). Names make a repeated call go on where the last one ended: an execution that exists,
                in whatever phase, is not launched again, and must have the same entity and inputs. The names themselves
                are kept in memory.
            execution_name_prefix: put before generated names, with a hyphen between.
            options: as in `execute`, like the next ones.
            type_hints: the Python types of the inputs, where the declared types leave a choice.
            overwrite_cache: run cached tasks anyway, and replace what is cached.
            interruptible: run on interruptible nodes or not, whatever the tasks say.
            envs: environment variables of the tasks.
            tags: to find the executions by; each once.
            cluster_pool: the pool of clusters to run on.
            execution_cluster_label: the label of the clusters to run on.
            max_running: launched executions whose outcome was not taken, at the most; None is no limit.
            max_launching: launches under way at the same time.
            max_launch_rate: launches a second; flyteadmin itself creates at most 100 a second. None is no limit.
            outputs: load the values of finished executions.
            on_failure: "stop" launches nothing more after the first outcome without success.
            on_exit: what becomes of executions when the block is left: "terminate" aborts those that this block
                launched, or may have launched, and that are not known to have finished, for 30 s at the most.
            timeout: seconds or a timedelta for everything; what is not finished then has a FlyteTimeout as its outcome,
                and what was not launched a FlyteNotLaunched.
            poll_interval: as in `FlyteWorkflowExecution.wait`.

        Raises:
            FlyteInvalidInputException: a number that is not positive, a name that is not valid or there twice.
            FlyteTypeException: inputs that cannot be iterated over, an entity that cannot be launched, or type_hints
                that are no mapping.
        """
        given, named, read = callers_own(inputs, names)
        runs = self._aio.execute_many(
            entity,
            given,
            project,
            domain,
            names=named,
            execution_name_prefix=execution_name_prefix,
            options=options,
            type_hints=type_hints,
            overwrite_cache=overwrite_cache,
            interruptible=interruptible,
            envs=envs,
            tags=tags,
            cluster_pool=cluster_pool,
            execution_cluster_label=execution_cluster_label,
            max_running=max_running,
            max_launching=max_launching,
            max_launch_rate=max_launch_rate,
            outputs=outputs,
            on_failure=on_failure,
            on_exit=on_exit,
            timeout=timeout,
            poll_interval=poll_interval,
        )
        return Runs(runs, read)

    def as_completed(
        self,
        executions: Iterable[FlyteWorkflowExecution],
        timeout: Duration | None = None,
        poll_interval: Duration | None = None,
    ) -> Completed:
        """Executions in the order in which they finish, each with its values loaded.

            for run in remote.as_completed(executions, timeout=3600):
                print(run.name, run.execution.is_successful if run.execution else run.error)

        Costs what waiting for each costs (see `FlyteWorkflowExecution.wait`), without the nodes. What fails to be
        awaited is an outcome with an error, and does not end the others. Waiting begins with the first `next`.

        Args:
            executions: what to wait for; those that were made without a remote get this one.
            timeout: seconds or a timedelta for all together, loading included; None is no limit. Zero leaves no time to
                look.
            poll_interval: as in `FlyteWorkflowExecution.wait`.

        Raises:
            FlyteTimeout: not all finished in time; names how many, and the first of them.
            FlyteInvalidInputException: a negative or not-a-number duration.
            FlyteTypeException: something that is no execution of `flyteasync.sync`.
        """
        everything = executions_of(executions, FlyteWorkflowExecution, EXECUTION)
        outcomes = self._aio.as_completed([each.aio for each in everything], timeout, poll_interval)
        return Completed(outcomes, everything)

    def wait_all(
        self,
        executions: Iterable[FlyteWorkflowExecution],
        timeout: Duration | None = None,
        poll_interval: Duration | None = None,
    ) -> list[FlyteWorkflowExecution]:
        """Wait until all executions are finished and their values loaded; returns them in the given order.

        A failed execution does not raise. Costs, arguments and errors are those of `as_completed`.

        Raises:
            FlyteTimeout: not all finished in time; those that did are up to date.
            FlyteError: one could not be awaited, for example since it does not exist; all others are finished then.
        """
        everything = executions_of(executions, FlyteWorkflowExecution, EXECUTION)
        portal().run(self._aio.wait_all([each.aio for each in everything], timeout, poll_interval))
        return everything
