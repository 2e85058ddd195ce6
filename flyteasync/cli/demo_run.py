"""The work of `flyteasync demo`: launch, await and check, and measure that."""

from __future__ import annotations

import asyncio
import statistics
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import anyio
from rich.progress import Progress, TaskID
from rich.text import Text

from ..entities import FlyteLaunchPlan
from ..errors import FlyteError
from ..executions import FlyteWorkflowExecution
from ..remote import FlyteRemote
from ..testing import Environment
from .demo_workflow import NAME, expected_outputs, inputs_of, register

PROJECT, DOMAIN = "flytesnacks", "development"

LAUNCHING_AT_ONCE = 32
"""Launches under way at the same time."""

PATIENCE = 300.0
"""Seconds after which an execution that has not finished counts as failed."""


@dataclass
class Report:
    """What the demo measured.

    Attributes:
        executions: launched.
        succeeded: of them.
        failed: launched without success, or not launched for an error.
        mismatches: succeeded with another output than expected.
        wall_s: seconds from the first launch to the last output.
        launches_per_s: launches a second, from the first to the last.
        detect_p50_s: median of the seconds between an execution's end and its outputs being here.
        detect_p95_s: 95th percentile of the same.
        rpcs: RPCs sent, by method, from the first launch on.
    """

    executions: int
    succeeded: int = 0
    failed: int = 0
    mismatches: int = 0
    wall_s: float = 0.0
    launches_per_s: float = 0.0
    detect_p50_s: float = 0.0
    detect_p95_s: float = 0.0
    rpcs: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def right(self) -> bool:
        """Whether every execution yielded what it should."""
        return self.succeeded == self.executions and self.mismatches == 0


async def run(executions: int, progress: Progress) -> Report:
    """The demo on a server of its own."""
    async with await Environment.start("flyteasync.cli.demo_workflow:HANDLERS") as environment:
        return await measure(environment, executions, progress)


async def measure(environment: Environment, executions: int, progress: Progress) -> Report:
    """The demo on a server that runs already."""
    async with environment.remote(default_project=PROJECT, default_domain=DOMAIN) as remote:
        await register(remote.admin, PROJECT, DOMAIN)
        plan = await remote.fetch_launch_plan(name=NAME)
        return await _Demo(remote, plan, executions, progress).run()


class _Demo:
    """Launches everything, waits for everything, and keeps the score."""

    def __init__(self, remote: FlyteRemote, plan: FlyteLaunchPlan, executions: int, progress: Progress) -> None:
        self._remote = remote
        self._plan = plan
        self._report = Report(executions)
        self._launching = anyio.Semaphore(LAUNCHING_AT_ONCE)
        self._launched_at: list[float] = []
        self._delays: list[float] = []
        self._progress = progress
        self._launches: TaskID = progress.add_task("launched", total=executions)
        self._ends: TaskID = progress.add_task("finished", total=executions)

    async def run(self) -> Report:
        report, clock = self._report, asyncio.get_running_loop().time
        before = self._remote.stats.attempts.copy()
        began = clock()
        async with anyio.create_task_group() as group:
            for index in range(report.executions):
                group.start_soon(self._one, inputs_of(index))
        report.wall_s = round(clock() - began, 3)
        if self._launched_at:
            report.launches_per_s = round(len(self._launched_at) / (self._launched_at[-1] - began), 1)
        if self._delays:
            report.detect_p50_s = round(statistics.median(self._delays), 3)
            report.detect_p95_s = round(sorted(self._delays)[int(0.95 * (len(self._delays) - 1))], 3)
        report.rpcs = dict(sorted((self._remote.stats.attempts - before).items()))
        return report

    async def _one(self, inputs: dict[str, Any]) -> None:
        try:
            async with self._launching:
                execution = await self._remote.execute(self._plan, inputs)
                self._launched_at.append(asyncio.get_running_loop().time())
            self._progress.advance(self._launches)
            await execution.wait(PATIENCE, poll_interval=1)
        except FlyteError as error:
            self._fail(f"{type(error).__name__}: {error}")
        else:
            self._score(execution, inputs)
        self._progress.advance(self._ends)

    def _score(self, execution: FlyteWorkflowExecution, inputs: dict[str, Any]) -> None:
        """Check one finished execution."""
        if execution.error is not None:
            self._fail(f"{execution.short_string()}: {execution.error.message}")
            return
        self._report.succeeded += 1
        if execution.closure.updated_at is not None:
            self._delays.append(max(0.0, (datetime.now(UTC) - execution.closure.updated_at).total_seconds()))
        outputs, expected = dict(execution.outputs), expected_outputs(inputs)
        if outputs != expected:
            self._report.mismatches += 1
            self._say(f"{execution.short_string()}: expected {expected}, got {outputs}")

    def _fail(self, reason: str) -> None:
        self._report.failed += 1
        self._say(reason)

    def _say(self, trouble: str) -> None:
        self._progress.console.print(Text(trouble, style="red"), soft_wrap=True)
