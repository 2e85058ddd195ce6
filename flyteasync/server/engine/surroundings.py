"""What all executions of an engine share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from ...idl import admin, core
from ..clock import Clock
from ..rows import ExecutionKey, ExecutionRow
from ..store import Store
from .activity import Activity, Wait, sleep_until
from .cache import Cache
from .handlers import MAX_COROUTINES, MAX_THREADS, Handlers
from .signals import Signals
from .turns import Turns

Unregistered = Literal["fail", "hang", "echo", "external"]
"""What becomes of a task without a handler:

* `fail`: its node fails at once;
* `hang`: the attempt runs until it is aborted or times out;
* `echo`: it succeeds; an output is the input of the same name, else the first input whose type fits, else the zero
  value of its type;
* `external`: executions of workflows that have such a task are not run at all. Somebody else drives them with events,
  as the propeller does.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """How executions run; the defaults are the propeller's where it has them.

    Attributes:
        unregistered: what becomes of a task without a handler.
        phase_delay: seconds of simulated work before a handler is called.
        abort_delay: seconds that an execution stays in ABORTING.
        retry_backoff: seconds before the second attempt of a task, doubled before every later one, at most 10 minutes.
        max_system_retries: how often an attempt that failed by the system's fault is repeated.
        node_execution_deadline: seconds that an attempt may take where its node does not say; 0 is no limit.
        node_active_deadline: seconds that a node may take with all its attempts where it does not say; 0 is no limit.
        max_threads: how many plain handlers run at a time, each in a thread.
        max_coroutines: how many async handlers run at a time.
    """

    unregistered: Unregistered = "fail"
    phase_delay: float = 0.0
    abort_delay: float = 0.0
    retry_backoff: float = 0.0
    max_system_retries: int = 3
    node_execution_deadline: float = 0.0
    node_active_deadline: float = 0.0
    max_threads: int = MAX_THREADS
    max_coroutines: int = MAX_COROUTINES


class Launcher(Protocol):
    """Creates and ends executions, as the RPCs of those names do."""

    def create(self, request: admin.ExecutionCreateRequest) -> admin.ExecutionCreateResponse:
        """Create an execution."""
        ...

    def terminate(self, row: ExecutionRow, cause: str) -> None:
        """End an execution soon; nothing happens if it has ended."""
        ...

    def compile_dynamic(
        self,
        template: core.WorkflowTemplate,
        sub_workflows: list[core.WorkflowTemplate],
        tasks: list[core.TaskTemplate],
    ) -> core.CompiledWorkflowClosure:
        """Compile the workflow of a dynamic node."""
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every execution, and every node of it, needs of the engine."""

    store: Store
    clock: Clock
    activity: Activity
    handlers: Handlers
    cache: Cache
    signals: Signals
    settings: EngineSettings
    turns: Turns
    launcher: Callable[[], Launcher]
    spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
    """Starts a task that counts as the engine's activity and ends with it."""
    wait_for_end: Callable[[ExecutionKey], Wait[None]]
    """A wait for an execution's end, which is settled already if it has ended."""

    async def sleep(self, seconds: float) -> None:
        """Let that much time of the engine pass."""
        if seconds > 0:
            await self.sleep_until(self.clock.time() + seconds)

    async def sleep_until(self, when: float) -> None:
        """Wait for a time of the engine's clock."""
        await sleep_until(self.clock, self.activity, when)

    def wait(self) -> Wait[None]:
        """Something to wait for."""
        return Wait(self.activity)
