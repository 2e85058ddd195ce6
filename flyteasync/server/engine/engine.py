"""All executions that are under way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from typing import Any

from ...errors import FlyteUsageError
from ...idl import core
from ..clock import Clock
from ..rows import ExecutionKey, ExecutionRow, SignalRow
from ..store import Store
from ..validation import TERMINAL
from .activity import Activity, Wait
from .cache import Cache
from .definitions import Definitions
from .handlers import Handler, Handlers
from .kinds import kind_of
from .run import Run
from .signals import Signals
from .skipping import PATIENCE, Skipper
from .surroundings import EngineSettings, Launcher, Surroundings
from .turns import Turns

logger = logging.getLogger("flyteasync.server")

CLOSING_LIMIT = 1.0
"""Seconds that handlers are given to end when the engine is closed."""


class Engine:
    """Runs executions in tasks of its own, all of which end with it.

    `connect` has to be called before the first execution that starts others.
    """

    def __init__(
        self, store: Store, clock: Clock, handlers: Mapping[str, Handler], settings: EngineSettings | None = None
    ) -> None:
        self._settings = settings or EngineSettings()
        self._activity = Activity()
        self._clock = clock
        self._store = store
        self._skipper = Skipper(clock, self._activity)
        self._launcher: Launcher | None = None
        self._handlers = Handlers(
            handlers,
            self._activity,
            max_threads=self._settings.max_threads,
            max_coroutines=self._settings.max_coroutines,
        )
        self._signals = Signals(store, self._activity)
        self._shared = Surroundings(
            store=store,
            clock=clock,
            activity=self._activity,
            handlers=self._handlers,
            cache=Cache(store, self._activity),
            signals=self._signals,
            settings=self._settings,
            turns=Turns(),
            launcher=self._connected,
            spawn=self._spawn,
            wait_for_end=self._wait_for_end,
        )
        self._definitions: dict[int, Definitions] = {}
        self._runs: dict[ExecutionKey, Run] = {}
        self._ends: dict[ExecutionKey, list[Wait[None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def connect(self, launcher: Launcher) -> None:
        """Say what creates the executions of launch plan nodes."""
        self._launcher = launcher

    def _connected(self) -> Launcher:
        if self._launcher is None:
            raise FlyteUsageError("the engine was not told what creates executions: call connect() first")
        return self._launcher

    @property
    def running(self) -> int:
        """How many executions are under way."""
        return len(self._runs)

    # Executions...

    def launch(self, row: ExecutionRow, compiled: core.CompiledWorkflowClosure, inputs: core.LiteralMap) -> None:
        """Start an execution that was just stored; it is still UNDEFINED when this returns.

        One whose metadata say that it recovers another execution takes over what has succeeded there. With the setting
        `external` nothing happens if its workflow has a task without a handler.
        """
        definitions = self._definitions.get(row.workflow_id)
        if definitions is None:
            definitions = self._definitions[row.workflow_id] = Definitions.of(compiled)
        if self._settings.unregistered == "external" and not self._implements(definitions):
            return
        run = self._runs[row.key] = Run(self._shared, row, definitions, inputs, kind_of)
        self._spawn(self._drive(row, run))

    def _implements(self, definitions: Definitions) -> bool:
        return all(self._handlers.get(name) is not None for _, _, name, _ in definitions.tasks)

    def abort(self, row: ExecutionRow, cause: str) -> None:
        """End an execution soon; nothing happens if it is not under way."""
        run = self._runs.get(row.key)
        if run is not None:
            run.abort(cause)

    def execution_changed(self, row: ExecutionRow) -> None:
        """Somebody else recorded a phase of an execution: if it has ended, so does its run, without another word."""
        if row.closure.phase in TERMINAL:
            self.abort(row, "")
            self._tell_end(row.key)

    def set_signal(self, row: SignalRow, value: core.Literal) -> None:
        """Give a signal its value, and let the gates go on that wait for it."""
        self._signals.set(row, value)

    # Time...

    @property
    def skipping(self) -> bool:
        """Whether time is skipped when nothing else can happen."""
        return self._skipper.skipping

    def set_skipping(self, enabled: bool) -> None:
        """Turn skipping on or off; see `Skipper`."""
        self._skipper.set_skipping(enabled)

    async def advance(self, seconds: float, patience: float = PATIENCE) -> None:
        """Move time on; see `Skipper.advance`."""
        await self._skipper.advance(seconds, patience)

    # Tasks...

    async def aclose(self) -> None:
        """End all tasks; executions stay in the phase that they are in."""
        self._skipper.stop()
        self._clock.stop()
        tasks = [*self._tasks, *self._handlers.tasks]
        for task in tasks:
            task.cancel()
        self._handlers.close()
        if tasks:
            # A handler may refuse to end; the server does not wait for it longer than this.
            await asyncio.wait(tasks, timeout=CLOSING_LIMIT)

    async def _drive(self, row: ExecutionRow, run: Run) -> None:
        try:
            await self._shared.turns.take()
            await run.run()
        finally:
            del self._runs[row.key]
        self._tell_end(row.key)

    def _wait_for_end(self, key: ExecutionKey) -> Wait[None]:
        # One that is not run here is somebody else's, who ends it when they like.
        wait = Wait[None](self._activity, outside=key not in self._runs)
        row = self._store.executions.get(key)
        if row is not None and row.closure.phase in TERMINAL:
            wait.settle(None)
        else:
            self._ends.setdefault(key, []).append(wait)
        return wait

    def _tell_end(self, key: ExecutionKey) -> None:
        for wait in self._ends.pop(key, ()):
            wait.settle(None)

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        self._activity.begin()
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._activity.end()
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            logger.error("a task of the engine failed", exc_info=error)
