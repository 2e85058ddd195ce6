"""Many executions at once, for programs without an event loop."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Self

from ..remote.completions import Outcome as AioOutcome
from ..remote.completions import OutcomeOf
from ..remote.runs import Runs as AioRuns
from .executions import FlyteWorkflowExecution, facade_of
from .portal import portal


class Outcome(OutcomeOf[FlyteWorkflowExecution]):
    """What became of one of many executions, as the facade shows it."""


def outcome_of(outcome: AioOutcome) -> Outcome:
    """The blocking facade's form of an outcome."""
    execution = None if outcome.execution is None else facade_of(outcome.execution)
    return Outcome(outcome.index, outcome.name, execution, outcome.error)


class Runs:
    """The executions of `execute_many`: a context manager, and inside of it an iterator of outcomes.

    Inputs that are lazy are read in the facade's own event loop thread.
    """

    def __init__(self, runs: AioRuns) -> None:
        self._aio = runs

    def stop(self) -> None:
        """Launch nothing more; see `flyteasync`'s `Runs.stop`. May be called in any thread."""
        portal().run(self._stop())

    def halt(self) -> list[FlyteWorkflowExecution]:
        """Stop launching and leave what runs alone; see `flyteasync`'s `Runs.halt`. May be called in any thread."""
        return [facade_of(execution) for execution in portal().run(self._aio.halt())]

    def __enter__(self) -> Self:
        portal().run(self._aio.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        portal().run(self._aio.__aexit__(kind, error, traceback))

    def __iter__(self) -> Iterator[Outcome]:
        return self

    def __next__(self) -> Outcome:
        outcome = portal().run(self._next())
        if outcome is None:
            raise StopIteration
        return outcome_of(outcome)

    async def _next(self) -> AioOutcome | None:
        return await anext(self._aio, None)

    async def _stop(self) -> None:
        self._aio.stop()
