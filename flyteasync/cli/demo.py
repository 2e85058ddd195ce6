"""`flyteasync demo`: the main job, end to end, on an embedded server."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import anyio
import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from ..entities import FlyteLaunchPlan
from ..errors import FlyteError
from ..executions import FlyteWorkflowExecution
from ..remote import FlyteRemote
from ..testing import Environment
from .demo_workflow import NAME, expected_outputs, inputs_of, registration

PROJECT, DOMAIN = "flytesnacks", "development"

LAUNCHING_AT_ONCE = 32
"""Launches under way at the same time."""


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


@click.command()
@click.option("--executions", default=200, show_default=True, type=click.IntRange(1), help="How many to launch.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def demo(executions: int, as_json: bool) -> None:
    """Launch, await and check many executions on an embedded server.

    Exits with status 0 only if every output was right.
    """
    # Progress is for people: on standard error, and only if that is a terminal.
    progress = Progress(
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    )
    try:
        with progress:
            report = asyncio.run(_run(executions, progress))
    except FlyteError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        raise click.exceptions.Exit(130) from None
    if as_json:
        click.echo(json.dumps(asdict(report)))
    else:
        Console().print(_table(report))
    if not report.right:
        raise click.exceptions.Exit(1)


async def _run(executions: int, progress: Progress) -> Report:
    handlers = "flyteasync.cli.demo_workflow:HANDLERS"
    async with (
        await Environment.start(handlers) as environment,
        environment.remote(default_project=PROJECT, default_domain=DOMAIN) as remote,
    ):
        await _register(remote)
        plan = await remote.fetch_launch_plan(name=NAME)
        return await _Demo(remote, plan, executions, progress).run()


async def _register(remote: FlyteRemote) -> None:
    requests = registration(PROJECT, DOMAIN)
    for task in requests.tasks:
        await remote.admin.create_task(task)
    await remote.admin.create_workflow(requests.workflow)
    await remote.admin.create_launch_plan(requests.launch_plan)


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
            await execution.wait(poll_interval=1)
        except FlyteError as error:
            self._report.failed += 1
            self._progress.console.print(f"[red]{type(error).__name__}[/red]: {error}")
        else:
            self._score(execution, inputs)
        self._progress.advance(self._ends)

    def _score(self, execution: FlyteWorkflowExecution, inputs: dict[str, Any]) -> None:
        """Check one finished execution."""
        if not execution.is_successful:
            self._report.failed += 1
            return
        self._report.succeeded += 1
        if execution.closure.updated_at is not None:
            self._delays.append(max(0.0, (datetime.now(UTC) - execution.closure.updated_at).total_seconds()))
        if dict(execution.outputs) != expected_outputs(inputs):
            self._report.mismatches += 1


def _table(report: Report) -> Table:
    table = Table(title=f"{report.executions} executions, {'all right' if report.right else 'NOT all right'}")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name, value in (
        ("succeeded", report.succeeded),
        ("failed", report.failed),
        ("wrong outputs", report.mismatches),
        ("launches per second", report.launches_per_s),
        ("seconds in all", report.wall_s),
        ("end to outputs, p50 (s)", report.detect_p50_s),
        ("end to outputs, p95 (s)", report.detect_p95_s),
        *((f"RPCs: {method}", count) for method, count in report.rpcs.items()),
    ):
        table.add_row(name, str(value))
    return table
