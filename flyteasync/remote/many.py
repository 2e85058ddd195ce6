"""Waiting for and launching many executions."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Literal

import anyio

from ..deadline import Deadline, Duration, as_float, seconds, within
from ..errors import FlyteInvalidInputException, FlyteTimeout, FlyteTypeException
from .checks import check_names, check_type_hints, executions_of, kind_of
from .names import generate_name
from .running import EXECUTION, Running

if TYPE_CHECKING:
    from ..entities import Entity
    from ..executions import FlyteWorkflowExecution
    from .completions import Outcome
    from .items import Inputs
    from .launcher import Launcher
    from .options import OptionsLike
    from .runs import Runs

LAUNCHES_PER_SECOND = 80.0
"""Launches a second unless told otherwise; flyteadmin hands at most 100 a second to Kubernetes, and queues the rest."""


class Many(Running):
    """The part of FlyteRemote that deals with many executions at once."""

    def as_completed(
        self,
        executions: Iterable[FlyteWorkflowExecution],
        timeout: Duration | None = None,
        poll_interval: Duration | None = None,
    ) -> AsyncGenerator[Outcome]:
        """Executions in the order in which they finish, each with its values loaded.

        Costs what waiting for each costs (see `FlyteWorkflowExecution.wait`), without a task for each. What fails to be
        awaited is an outcome with an error, and does not end the others.

        Args:
            executions: what to wait for.
            timeout: seconds or a timedelta for all together, loading included; None is no limit. Zero leaves no time to
                look.
            poll_interval: as in `FlyteWorkflowExecution.wait`.

        Raises:
            FlyteTimeout: not all finished in time; names how many, and the first of them.
            FlyteInvalidInputException: a negative or not-a-number duration.
            FlyteTypeException: something that is no execution.
        """
        everything = _executions(executions)
        limit = None if timeout is None else seconds(timeout)
        ceiling = None if poll_interval is None else seconds(poll_interval, "poll_interval")
        return self._completed(everything, limit, ceiling)

    async def _completed(
        self, everything: list[FlyteWorkflowExecution], limit: float | None, ceiling: float | None
    ) -> AsyncGenerator[Outcome]:
        from ..watcher.patience import with_trouble
        from .completions import Completions  # a program that waits for none does not pay for it

        deadline = Deadline.after(limit)
        queue = Completions(self.watcher, ceiling=ceiling, deadline=deadline)
        try:
            for index, execution in enumerate(everything):
                queue.add(index, execution.attach(self))
            queue.end(len(everything))
            while (outcome := await within(deadline, queue.take())) is not None:
                yield outcome
        except TimeoutError:
            late = with_trouble(_too_late(queue.unfinished, len(everything), limit or 0.0), queue.trouble)
            raise late from late.__cause__
        finally:
            with anyio.CancelScope(shield=True):
                await queue.aclose()

    async def wait_all(
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
        everything = _executions(executions)
        errors: list[Outcome] = []
        async with aclosing(self.as_completed(everything, timeout, poll_interval)) as outcomes:
            errors = [outcome async for outcome in outcomes if outcome.error is not None]
        if errors and errors[0].error is not None:
            if len(errors) > 1:
                errors[0].error.add_note(f"{len(errors) - 1} more executions could not be awaited")
            raise errors[0].error
        return everything

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

            async with remote.execute_many(plan, ({"n": n} for n in range(1000)), max_running=100) as runs:
                async for run in runs:
                    print(run.index, run.execution.outputs if run.execution else run.error)

        Inputs are taken as there is room for them, so there may be more than fit into memory; with names, up to 200 are
        read ahead. Every input that was taken has an outcome: its execution, or why there is none. Leaving the block
        stops launching.

        While the server does not answer, or the launch plan allows no more executions, launching is held and tried
        again, until the timeout; without one, for as long as that lasts, with a warning in the log after 30 s of an
        outage. An input that fails so while others are launched has that as its outcome after five times.

        Costs what `execute` and waiting for each costs (see `as_completed`). Names cost one ListExecutions for 200 of
        them, once more every 10 s while they are waiting for room, and one GetExecutionData for each execution that
        exists.

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
            FlyteInvalidInputException: a number that is not positive, a name that is not valid or there twice, names
                that are neither a sequence nor a function.
            FlyteTypeException: inputs that cannot be iterated over, an entity that cannot be launched, or type_hints
                that are no mapping.
        """
        # A program that launches one does not pay for what launching many needs.
        from .driving import RunSettings
        from .items import check_names_given
        from .launcher import Launcher, fetched, settings_of
        from .runs import Runs

        _check_inputs(entity, inputs)
        check_type_hints(type_hints)
        check_names(names, execution_name_prefix)
        if execution_name_prefix is not None:
            generate_name(execution_name_prefix)  # refuses now what would fail for every input
        settings = RunSettings(
            prefix=execution_name_prefix,
            max_running=None if max_running is None else _count("max_running", max_running),
            max_launching=_count("max_launching", max_launching),
            max_launch_rate=None if max_launch_rate is None else _rate(max_launch_rate),
            outputs=outputs,
            stop_on_failure=_choice("on_failure", on_failure, "continue", "stop") == "stop",
            terminate_on_exit=_choice("on_exit", on_exit, "leave", "terminate") == "terminate",
            timeout=None if timeout is None else _positive("timeout", seconds(timeout)),
            ceiling=None if poll_interval is None else seconds(poll_interval, "poll_interval"),
        )
        launch = settings_of(
            options,
            overwrite_cache=overwrite_cache,
            interruptible=interruptible,
            envs=envs,
            tags=tags,
            cluster_pool=cluster_pool,
            execution_cluster_label=execution_cluster_label,
        )
        named = None if names is None else check_names_given(names, inputs)

        async def launcher() -> Launcher:
            entity_to_launch = await fetched(entity)
            return Launcher(self, entity_to_launch, launch, project=project, domain=domain, type_hints=type_hints)

        return Runs(self, launcher, inputs, named, settings)


def _count(what: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise FlyteInvalidInputException(f"{what} must be a whole number, 1 or more, got {value!r}")
    return value


def _rate(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise FlyteInvalidInputException(f"max_launch_rate must be a number, got {value!r}")
    return _positive("max_launch_rate", as_float(value, "max_launch_rate"))


def _positive(what: str, value: float) -> float:
    if not value > 0:  # NaN is not, either
        raise FlyteInvalidInputException(f"{what} must be more than zero, got {value!r}")
    return value


def _choice(what: str, value: str, *known: str) -> str:
    if value not in known:
        raise FlyteInvalidInputException(f"{what} must be {' or '.join(known)}, got {value!r}")
    return value


def _executions(executions: Iterable[FlyteWorkflowExecution]) -> list[FlyteWorkflowExecution]:
    from ..executions import FlyteWorkflowExecution

    return executions_of(executions, FlyteWorkflowExecution, EXECUTION)


def _check_inputs(entity: Any, inputs: object) -> None:
    from ..entities import LazyEntity
    from .launch_request import check_entity

    if not isinstance(entity, LazyEntity):
        check_entity(entity)
    # A mapping or a text can be iterated over, too, and was meant to be one input.
    single = hasattr(inputs, "keys") or isinstance(inputs, (str, bytes, bytearray))
    if single or not isinstance(inputs, (Iterable, AsyncIterable)):
        raise FlyteTypeException(
            f"inputs must be an iterable of mappings, one for each execution, got {kind_of(inputs)}"
        )


def _too_late(unfinished: list[str], total: int, limit: float) -> FlyteTimeout:
    some = ", ".join(unfinished[:3])
    more = ", ..." if len(unfinished) > 3 else ""
    return FlyteTimeout(f"{len(unfinished)} of {total} executions did not finish within {limit:g} s: {some}{more}")
