"""The resumable driver of the examples, in processes of its own that are killed."""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from flyteasync import execution_name
from flyteasync.cli import demo_workflow
from flyteasync.errors import Status
from flyteasync.server import Fault, Server
from tests.support.backend import registered_store
from tests.support.command import LIMIT, environment
from tests.support.loop import eventually

DRIVER = Path(__file__).parents[2] / "examples" / "driver.py"
RUNS = 60
TEMPFAIL = 75


@dataclass
class Flyte:
    """A server whose tasks wait at a gate."""

    server: Server
    folder: Path
    gate: asyncio.Event
    processes: list[asyncio.subprocess.Process] = field(default_factory=list[asyncio.subprocess.Process])

    @property
    def ledger(self) -> Path:
        return self.folder / "runs.jsonl"

    @property
    def created(self) -> int:
        return sum(self.server.stats.calls.get("CreateExecution", {}).values())

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        env = {"FLYTE_PLATFORM_URL": self.server.endpoint, "FLYTE_PLATFORM_INSECURE": "true"}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "error", str(DRIVER), "--runs", str(RUNS), "--ledger", str(self.ledger)),
            *("--max-launch-rate", "1000", *arguments),
            stdout=subprocess.PIPE,
            env=environment(env),
        )
        self.processes.append(process)
        return process

    async def ended(self, process: asyncio.subprocess.Process) -> dict[str, Any]:
        """What a driver reports at its end."""
        out, _ = await asyncio.wait_for(process.communicate(), LIMIT)
        return json.loads(out)

    def results(self) -> dict[int, dict[str, Any]]:
        """The ledger, whose every line is a run of its own."""
        lines = [json.loads(line) for line in self.ledger.read_text().splitlines()]
        results = {line["run"]: line for line in lines}
        assert len(results) == len(lines)
        return results

    def check_complete(self) -> None:
        results = self.results()
        assert sorted(results) == list(range(RUNS))
        for number, result in results.items():
            expected = demo_workflow.expected_outputs(demo_workflow.inputs_of(number))
            assert (result["phase"], result["total"]) == ("SUCCEEDED", expected["total"])
            assert result["execution"] == execution_name("driver", number)
        assert self.server.stats.duplicates == 0
        assert self.created == RUNS


def gated(gate: asyncio.Event, handler: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(handler)
    async def run(*args: Any, **kwargs: Any) -> Any:
        await gate.wait()
        value = handler(*args, **kwargs)
        return await value if inspect.isawaitable(value) else value

    return run


@pytest.fixture
async def flyte(tmp_path: Path) -> AsyncGenerator[Flyte]:
    gate = asyncio.Event()
    handlers = {name: gated(gate, handler) for name, handler in demo_workflow.HANDLERS.items()}
    async with Server(handlers=handlers, store=await registered_store()) as server:
        flyte = Flyte(server, tmp_path, gate)
        yield flyte
        for process in flyte.processes:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def test_a_driver_that_is_killed_again_and_again_completes_its_ledger_and_repeats_nothing(flyte: Flyte) -> None:
    flyte.gate.set()
    flyte.server.faults.replace([Fault(method="CreateExecution", kind="delay", delay=0.01)])
    for least in (10, 30):
        process = await flyte.start("--max-running", "3")
        await eventually(lambda many=least: flyte.created >= many, LIMIT)
        process.kill()
        await process.wait()
    assert 30 <= flyte.created < RUNS
    process = await flyte.start()
    report = await flyte.ended(process)
    assert process.returncode == 0
    assert (report["recorded"], report["phases"]) == (RUNS, {"SUCCEEDED": RUNS})
    flyte.check_complete()


async def test_sigterm_stops_launching_and_reports_what_runs_and_what_was_not_launched(flyte: Flyte) -> None:
    process = await flyte.start("--max-running", "20")
    await eventually(lambda: flyte.created == 20, LIMIT)
    process.send_signal(signal.SIGTERM)
    report = await flyte.ended(process)
    assert process.returncode == TEMPFAIL
    names = sorted(execution_name("driver", number) for number in range(RUNS))
    assert len(report["left_running"]) == flyte.created == 20
    assert sorted([*report["left_running"], *report["not_launched"]]) == names
    assert (report["recorded"], report["without_result"]) == (0, {})
    assert "TerminateExecution" not in flyte.server.stats.calls
    flyte.gate.set()
    process = await flyte.start()
    report = await flyte.ended(process)
    assert process.returncode == 0
    assert report["metrics"]["adopted"] == 20
    flyte.check_complete()


async def test_a_complete_ledger_costs_one_look_at_the_launch_plan_and_a_torn_line_is_mended(
    flyte: Flyte,
) -> None:
    flyte.gate.set()
    process = await flyte.start()
    await flyte.ended(process)
    text = flyte.ledger.read_text()
    flyte.ledger.write_text(text[:-10])
    assert (await flyte.ended(await flyte.start()))["recorded"] == RUNS
    flyte.check_complete()
    before = sum(sum(by_status.values()) for by_status in flyte.server.stats.calls.values())
    report = await flyte.ended(await flyte.start())
    assert report["recorded"] == RUNS
    assert sum(sum(by_status.values()) for by_status in flyte.server.stats.calls.values()) == before + 2


async def test_what_cannot_be_launched_is_reported_with_its_reason(flyte: Flyte) -> None:
    flyte.gate.set()
    fault = Fault(method="CreateExecution", status=Status.PERMISSION_DENIED, details="not yours", times=1)
    flyte.server.faults.replace([fault])
    process = await flyte.start()
    report = await flyte.ended(process)
    assert process.returncode == TEMPFAIL
    (reason,) = report["without_result"].values()
    assert "not yours" in reason
    assert report["recorded"] == RUNS - 1
    assert (await flyte.ended(await flyte.start()))["recorded"] == RUNS


async def test_outputs_that_cannot_be_read_are_recorded_as_that(flyte: Flyte) -> None:
    flyte.gate.set()
    details = "trying to send message larger than max"
    fault = Fault(method="GetExecutionData", status=Status.RESOURCE_EXHAUSTED, details=details, calls=(3,))
    flyte.server.faults.replace([fault])
    process = await flyte.start()
    report = await flyte.ended(process)
    assert process.returncode == 0
    assert (report["recorded"], report["without_result"]) == (RUNS, {})
    (unreadable,) = [result for result in flyte.results().values() if "unreadable" in result]
    assert details in unreadable["unreadable"]
    assert unreadable["phase"] == "SUCCEEDED"


async def test_an_outage_costs_time_and_no_runs(flyte: Flyte) -> None:
    flyte.gate.set()
    process = await flyte.start("--max-running", "5")
    await eventually(lambda: flyte.created >= 10, LIMIT)
    flyte.server.faults.replace([Fault(method="*")])
    await eventually(lambda: sum(flyte.server.stats.hits.values()) > 5, LIMIT)
    flyte.server.faults.replace([])
    report = await flyte.ended(process)
    assert process.returncode == 0
    assert report["recorded"] == RUNS
    assert flyte.server.stats.duplicates == 0
