"""Waiting for and launching many executions."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping
from contextlib import aclosing
from typing import Any, Literal

import anyio

from ..deadline import Deadline, Duration, seconds, within
from ..entities import FlyteLaunchPlan, FlyteTask, FlyteWorkflow
from ..errors import FlyteInvalidInputException, FlyteTimeout, FlyteTypeException
from ..executions import FlyteWorkflowExecution
from .completions import Completions, Outcome
from .launch import Launching
from .names import check_name
from .runs import LAUNCHES_PER_SECOND, Runs, RunSettings


class Many(Launching):
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
        deadline = Deadline.after(limit)
        queue = Completions(self.watcher, ceiling=ceiling, deadline=deadline)
        try:
            for index, execution in enumerate(everything):
                queue.add(index, execution.attach(self))
            queue.end(len(everything))
            while (outcome := await within(deadline, queue.take())) is not None:
                yield outcome
        except TimeoutError:
            raise _too_late(queue.unfinished, len(everything), limit or 0.0) from None
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
        entity: FlyteLaunchPlan | FlyteWorkflow | FlyteTask,
        inputs: Iterable[Mapping[str, Any]] | AsyncIterable[Mapping[str, Any]],
        *,
        max_running: int | None = None,
        max_launching: int = 32,
        max_launch_rate: float | None = LAUNCHES_PER_SECOND,
        names: Iterable[str] | None = None,
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

        Inputs are taken as there is room for them, so there may be more than fit into memory. Every input has an
        outcome: its execution, or why there is none. Leaving the block stops launching.

        Args:
            entity: what to launch.
            inputs: the inputs of each execution.
            max_running: launched executions whose outcome was not taken, at the most; None is no limit.
            max_launching: launches under way at the same time.
            max_launch_rate: launches a second; flyteadmin itself creates at most 100 a second. None is no limit.
            names: a name for each execution, which makes a repeated call go on where the last one ended: an execution
                that exists is not launched again, and must have the same entity and inputs.
            outputs: load the values of finished executions.
            on_failure: "stop" launches nothing more after the first outcome without success.
            on_exit: what becomes of executions without an outcome when the block is left: "terminate" aborts them.
            timeout: seconds or a timedelta for everything; what is not finished then has a FlyteTimeout as its outcome.
            poll_interval: as in `FlyteWorkflowExecution.wait`.

        Raises:
            FlyteInvalidInputException: a number that is not positive, a name that is not valid or there twice.
            FlyteTypeException: inputs that cannot be iterated over, or an entity that cannot be launched.
        """
        _check_inputs(entity, inputs)
        for what, value in (("max_running", max_running), ("max_launching", max_launching)):
            if value is not None and value < 1:
                raise FlyteInvalidInputException(f"{what} must be 1 or more, got {value}")
        if max_launch_rate is not None and not max_launch_rate > 0:
            raise FlyteInvalidInputException(f"max_launch_rate must be positive, got {max_launch_rate}")
        if on_failure not in ("continue", "stop") or on_exit not in ("leave", "terminate"):
            raise FlyteInvalidInputException("on_failure is 'continue' or 'stop', and on_exit 'leave' or 'terminate'")
        settings = RunSettings(
            max_running=max_running,
            max_launching=max_launching,
            max_launch_rate=max_launch_rate,
            outputs=outputs,
            stop_on_failure=on_failure == "stop",
            terminate_on_exit=on_exit == "terminate",
            timeout=None if timeout is None else seconds(timeout),
            ceiling=None if poll_interval is None else seconds(poll_interval, "poll_interval"),
        )
        return Runs(self, entity, inputs, None if names is None else _names(names), settings)


def _executions(executions: Iterable[FlyteWorkflowExecution]) -> list[FlyteWorkflowExecution]:
    if not isinstance(executions, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise FlyteTypeException(f"executions must be an iterable of executions, got {type(executions).__name__}")
    everything = list(executions)
    for execution in everything:
        if not isinstance(execution, FlyteWorkflowExecution):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise FlyteTypeException(f"executions are needed, got {type(execution).__name__}")
    return everything


def _check_inputs(entity: Any, inputs: Any) -> None:
    if not isinstance(entity, (FlyteLaunchPlan, FlyteWorkflow, FlyteTask)):
        raise FlyteTypeException(
            f"only a fetched launch plan, workflow or task can be launched, not {type(entity).__name__}"
        )
    # A mapping or a text can be iterated over, too, and was meant to be one input.
    if hasattr(inputs, "keys") or isinstance(inputs, str) or not isinstance(inputs, (Iterable, AsyncIterable)):
        raise FlyteTypeException(
            f"inputs must be an iterable of mappings, one for each execution, got {type(inputs).__name__}"
        )


def _names(names: Iterable[str]) -> list[str]:
    checked = [check_name(name, "a name") for name in names]
    if len(set(checked)) < len(checked):
        twice = next(name for name in checked if checked.count(name) > 1)
        raise FlyteInvalidInputException(f"the name {twice!r} is there twice")
    return checked


def _too_late(unfinished: list[FlyteWorkflowExecution], total: int, limit: float) -> FlyteTimeout:
    some = ", ".join(execution.short_string() for execution in unfinished[:3])
    more = ", ..." if len(unfinished) > 3 else ""
    return FlyteTimeout(f"{len(unfinished)} of {total} executions did not finish within {limit:g} s: {some}{more}")
