"""All executions that are under way."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from ...idl import core
from ..clock import Clock
from ..rows import ExecutionKey, ExecutionRow
from ..store import Store
from .handlers import Handlers
from .run import Run, Surroundings, Unregistered


class Engine:
    """Runs executions in tasks of its own, all of which end with it."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        handlers: Handlers,
        *,
        unregistered: Unregistered = "fail",
        phase_delay: float = 0.0,
        abort_delay: float = 0.0,
    ) -> None:
        self._surroundings = Surroundings(store, clock, handlers, unregistered, phase_delay, abort_delay, self._spawn)
        self._runs: dict[ExecutionKey, Run] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def running(self) -> int:
        """How many executions are under way."""
        return len(self._runs)

    def launch(self, row: ExecutionRow, compiled: core.CompiledWorkflowClosure, inputs: core.LiteralMap) -> None:
        """Start an execution that was just stored; it is still UNDEFINED when this returns."""
        run = self._runs[row.key] = Run(self._surroundings, row, compiled, inputs)
        self._spawn(self._drive(row.key, run))

    def abort(self, row: ExecutionRow, cause: str) -> None:
        """End an execution soon; nothing happens if it is not under way."""
        run = self._runs.get(row.key)
        if run is not None:
            run.abort(cause)

    async def aclose(self) -> None:
        """End all tasks; executions stay in the phase that they are in."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            # A handler may refuse to end; the server does not wait for it longer than this.
            await asyncio.wait(self._tasks, timeout=1.0)

    async def _drive(self, key: ExecutionKey, run: Run) -> None:
        try:
            await run.run()
        finally:
            del self._runs[key]

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            # Its run looks at the result, or is over; either way the error was dealt with.
            task.exception()
