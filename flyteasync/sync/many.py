"""Many executions at once, for programs without an event loop."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator
from types import TracebackType
from typing import Self

from ..errors import FlyteUsageError
from ..remote.completions import Outcome as AioOutcome
from ..remote.completions import OutcomeOf
from ..remote.runs import Runs as AioRuns
from .executions import FlyteWorkflowExecution, facade_of
from .inputs import CallersInputs
from .portal import portal


class Outcome(OutcomeOf[FlyteWorkflowExecution]):
    """What became of one of many executions, as the facade shows it."""


def outcome_of(outcome: AioOutcome) -> Outcome:
    """The blocking facade's form of an outcome."""
    execution = None if outcome.execution is None else facade_of(outcome.execution)
    return Outcome(outcome.index, outcome.name, execution, outcome.error)


class Runs:
    """The executions of `execute_many`: a context manager, and inside of it an iterator of outcomes.

    The thread that iterates reads the inputs, see `FlyteRemote.execute_many`.
    """

    def __init__(self, runs: AioRuns, inputs: CallersInputs | None = None) -> None:
        """Show async runs; `FlyteRemote.execute_many` makes these.

        Args:
            runs: what to show.
            inputs: what the thread that iterates is to read meanwhile; None if there is nothing to read.
        """
        self._aio = runs
        self._inputs = inputs
        self._entered = False

    def stop(self) -> None:
        """Launch nothing more; what runs goes on, and what was not launched has FlyteNotLaunched as its outcome.

        Inputs that are a sequence are all accounted for; of others, only those that were taken. May be called in any
        thread.
        """
        portal().run(self._stop())

    def halt(self) -> list[FlyteWorkflowExecution]:
        """Stop launching and leave what runs alone: the iteration ends with the outcomes that there are.

        Launches under way are brought to their end, and values loaded, for 5 seconds at the most. To be called in
        another thread than the one that iterates, or before going on to iterate: every input that was taken, and is not
        among what is returned, has an outcome then.

        Returns:
            The executions that have no outcome, for which nobody waits any more: they run on, or what they left could
            not be loaded in time.
        """
        self._require_entered()
        return [facade_of(execution) for execution in portal().run(self._aio.halt())]

    def __enter__(self) -> Self:
        portal().run(self._aio.__aenter__())
        self._entered = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        portal().run(self._aio.__aexit__(kind, error, traceback))

    def __iter__(self) -> Iterator[Outcome]:
        return self

    def __next__(self) -> Outcome:
        self._require_entered()
        outcome = portal().run(self._next(), None if self._inputs is None else self._inputs.serve)
        if outcome is None:
            raise StopIteration
        return outcome_of(outcome)

    async def _next(self) -> AioOutcome | None:
        return await anext(self._aio, None)

    async def _stop(self) -> None:
        self._aio.stop()

    def _require_entered(self) -> None:
        if not self._entered:
            raise FlyteUsageError("execute_many is used as `with remote.execute_many(...) as runs:`")


class Completed(Iterator[Outcome]):
    """An iterator, and context manager, of executions as they finish; `next` blocks until there is one.

    Leaving the block, `close`, an error, Ctrl-C, the last outcome, and being collected as garbage all end it.
    """

    def __init__(self, outcomes: AsyncGenerator[AioOutcome], executions: Iterable[FlyteWorkflowExecution]) -> None:
        """Show async outcomes; `FlyteRemote.as_completed` makes these.

        Args:
            outcomes: what to show.
            executions: kept for as long as their outcomes may come, so that these have the same objects.
        """
        self._aio = outcomes
        self._executions = list(executions)

    def __next__(self) -> Outcome:
        outcome = portal().run(self._next())
        if outcome is None:
            raise StopIteration
        return outcome_of(outcome)

    def close(self) -> None:
        """Wait for no more of them."""
        portal().run(self._aio.aclose())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def _next(self) -> AioOutcome | None:
        return await anext(self._aio, None)
