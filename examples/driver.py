"""A driver of many executions which may be killed at any moment, and goes on where it was when it is started again.

    flyteasync serve --handlers flyteasync.cli.demo_workflow:HANDLERS --port 30080 &
    export FLYTE_PLATFORM_URL=localhost:30080 FLYTE_PLATFORM_INSECURE=true
    python examples/fastapi_service/register.py
    python examples/driver.py --runs 10000 --ledger runs.jsonl

Every result is a line of the ledger. The names of the executions follow from the campaign and the number of the run, so
a second start finds what the first one launched: results in the ledger cost nothing, executions that exist are awaited,
and only the rest is launched. An execution that failed is a result, too; give another campaign to run all of them anew.
While the server is away, nothing is lost, and launching goes on when it is back. SIGTERM and Ctrl-C stop launching,
leave alone what runs, and end with a report of both; the exit status is 75 then, and also if some runs have no result,
and 0 if the ledger is complete.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from flyteasync import Config, FlyteRemote, FlyteWorkflowExecution, Outcome, execution_name
from flyteasync.errors import FlyteError, FlyteNotLaunched


def inputs_of(number: int) -> dict[str, Any]:
    """The inputs of a run."""
    return {"n": number % 17, "name": f"run {number}"}


class Ledger:
    """The results of runs, in a file of one JSON object a line."""

    def __init__(self, path: Path) -> None:
        self.results: dict[int, dict[str, Any]] = {}
        text = path.read_text() if path.exists() else ""
        for line in text.splitlines(keepends=True):
            if line.endswith("\n"):  # else whoever wrote it was killed while doing so
                result = json.loads(line)
                self.results[result["run"]] = result
        self._file = path.open("a")
        if text and not text.endswith("\n"):
            self._file.truncate(text.rfind("\n") + 1)

    def add(self, number: int, execution: FlyteWorkflowExecution) -> None:
        """Write down what became of a run; values that cannot be read are no reason to lose the rest."""
        phase = execution.closure.phase.name
        result: dict[str, Any] = {"run": number, "execution": execution.id.name, "phase": phase}
        try:
            if execution.is_successful:
                result["total"] = execution.outputs.get("total", int)
            elif execution.error is not None:
                result["error"] = execution.error.message
        except FlyteError as error:
            result["unreadable"] = str(error)
        self.results[number] = result
        self._file.write(json.dumps(result) + "\n")
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()


class Driver:
    """Drives the runs that have no result yet, and tells what is missing in the end."""

    def __init__(self, remote: FlyteRemote, ledger: Ledger, options: argparse.Namespace) -> None:
        self._remote = remote
        self._ledger = ledger
        self._options = options
        self._halting: asyncio.Task[list[FlyteWorkflowExecution]] | None = None

    async def drive(self) -> dict[str, Any]:
        """Launch and await; returns the report."""
        options, ledger = self._options, self._ledger
        plan = await self._remote.fetch_launch_plan(name=options.launch_plan)
        todo = [number for number in range(options.runs) if number not in ledger.results]
        many = self._remote.execute_many(
            plan,
            [inputs_of(number) for number in todo],
            names=[execution_name(options.campaign, number) for number in todo],
            max_running=options.max_running,
            max_launch_rate=options.max_launch_rate,
            poll_interval=1,
        )
        failures: list[Outcome] = []
        async with many as runs:
            self._halt_on_signals(runs.halt)
            async for run in runs:
                if run.execution is not None:
                    ledger.add(todo[run.index], run.execution)
                else:
                    failures.append(run)
            running = await self._halting if self._halting is not None else []
        return self._report(failures, running)

    def _halt_on_signals(self, halt: Any) -> None:
        loop = asyncio.get_running_loop()

        def begin() -> None:
            if self._halting is None:
                self._halting = loop.create_task(halt())

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, begin)

    def _report(self, failures: list[Outcome], running: list[FlyteWorkflowExecution]) -> dict[str, Any]:
        stopped = [run.name for run in failures if isinstance(run.error, FlyteNotLaunched)]
        others = {run.name: str(run.error) for run in failures if not isinstance(run.error, FlyteNotLaunched)}
        return {
            "recorded": len(self._ledger.results),
            "phases": Counter(result["phase"] for result in self._ledger.results.values()),
            "left_running": sorted(execution.id.name for execution in running),
            "not_launched": sorted(stopped),
            "without_result": others,
            "metrics": self._remote.metrics(),
        }


async def main(options: argparse.Namespace) -> int:
    """Drive the runs and print the report as JSON; returns the exit status."""
    async with FlyteRemote(Config.auto(), options.project, options.domain) as remote:
        with Ledger(options.ledger) as ledger:
            report = await Driver(remote, ledger, options).drive()
    json.dump(report, sys.stdout, indent=2)
    print()
    return 0 if report["recorded"] == options.runs else os.EX_TEMPFAIL


def arguments() -> argparse.Namespace:
    """What to drive, of the command line."""
    parser = argparse.ArgumentParser(description="Drive many executions; may be killed and started again.")
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--ledger", type=Path, required=True, help="the file of results, made if it is not there")
    parser.add_argument("--campaign", default="driver", help="what the names of the executions begin with")
    parser.add_argument("--launch-plan", default="demo.report")
    parser.add_argument("--project", default="flytesnacks")
    parser.add_argument("--domain", default="development")
    parser.add_argument("--max-running", type=int, default=500)
    parser.add_argument("--max-launch-rate", type=float, default=80.0, help="launches a second")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(arguments())))
