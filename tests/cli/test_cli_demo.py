"""`flyteasync demo`, as a user runs it."""

import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.progress import Progress

from flyteasync.cli.demo_run import measure
from flyteasync.cli.demo_workflow import HANDLERS, squares
from flyteasync.errors import Status
from flyteasync.testing import Environment, Fault
from tests.support.command import Terminal, run

FIGURES = {
    "executions",
    "succeeded",
    "failed",
    "mismatches",
    "wall_s",
    "launches_per_s",
    "detect_p50_s",
    "detect_p95_s",
    "rpcs",
}


def test_json_has_all_figures_and_nothing_else_is_printed() -> None:
    done = run("demo", "--executions", "20", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    figures = json.loads(done.stdout)
    assert figures.keys() == FIGURES
    assert (figures["executions"], figures["succeeded"], figures["failed"], figures["mismatches"]) == (20, 20, 0, 0)
    assert figures["rpcs"]["CreateExecution"] == 20
    assert figures["wall_s"] > 0
    assert figures["launches_per_s"] > 0
    assert 0 < figures["detect_p50_s"] <= figures["detect_p95_s"]


def test_the_table_shows_the_figures() -> None:
    done = run("demo", "--executions", "5")
    assert (done.returncode, done.stderr) == (0, "")
    assert "5 executions, all right" in done.stdout
    rows = {
        cells[1].strip(): cells[2].strip() for line in done.stdout.splitlines() if len(cells := line.split("│")) > 3
    }
    assert rows["succeeded"] == "5"
    assert rows["wrong outputs"] == "0"
    assert rows["RPCs: CreateExecution"] == "5"
    assert float(rows["launches per second"]) > 0


LIAR = """
import sys

if "--child" in sys.orig_argv:
    from flyteasync.cli import demo_workflow

    demo_workflow.HANDLERS["demo.greet"] = lambda name: "a lie"
"""


def test_the_exit_status_is_1_if_an_output_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(LIAR)
    done = run("demo", "--executions", "3", "--json", env={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 1
    figures = json.loads(done.stdout)
    assert (figures["succeeded"], figures["failed"], figures["mismatches"]) == (3, 0, 3)
    assert done.stderr.count("expected {'text': 'hello run") == 3


def failing(n: int) -> list[int]:
    if n == 1:
        raise ValueError("[/no] squares today")
    return squares(n)


def lying(name: str) -> str:
    return "hello" if name == "run 2" else f"hello {name}"


@pytest.fixture
def quiet() -> Progress:
    return Progress(disable=True, console=Console(quiet=True))


async def test_failed_and_wrong_executions_are_told_apart(quiet: Progress) -> None:
    handlers: dict[str, Callable[..., Any]] = {
        "demo.squares": failing,
        "demo.greet": lying,
        "demo.report_lines": HANDLERS["demo.report_lines"],
    }
    async with await Environment.start(handlers, where="thread") as environment:
        report = await measure(environment, 5, quiet)
    assert (report.succeeded, report.failed, report.mismatches) == (4, 1, 1)
    assert not report.right


async def test_what_cannot_be_launched_counts_as_failed(quiet: Progress) -> None:
    async with await Environment.start(HANDLERS, where="thread") as environment:
        refused = Fault(method="CreateExecution", status=Status.PERMISSION_DENIED, calls=frozenset({2}))
        await environment.set_faults([refused])
        report = await measure(environment, 3, quiet)
    assert (report.succeeded, report.failed, report.mismatches) == (2, 1, 0)
    assert not report.right


def test_progress_is_shown_in_a_terminal_and_gone_at_the_end() -> None:
    with Terminal("demo", "--executions", "100") as terminal:
        assert terminal.finish() == 0
    live, _, rest = terminal.seen.rpartition("finished")
    assert "launched" in live
    assert "/100" in live
    assert rest.count("\x1b[2K") >= 2  # lines of progress
    assert rest.rindex("\x1b[2K") < rest.index("100 executions, all right")
    assert terminal.seen.rindex("\x1b[?25h") > terminal.seen.rindex("\x1b[?25l")


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_ctrl_c_ends_the_demo_at_once_and_cleans_the_terminal() -> None:
    with Terminal("demo", "--executions", "5000") as terminal:
        terminal.read_until(r"launched.* [1-9]\d*/5000")
        terminal.press_ctrl_c()
        assert terminal.finish() == 130
        terminal.wait_for(lambda processes: not processes)
    assert "Traceback" not in terminal.seen
    assert "executions, " not in terminal.seen
    assert terminal.seen.rindex("\x1b[?25h") > terminal.seen.rindex("\x1b[?25l")


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("ignoring", [False, True], ids=["", "where Ctrl-C is ignored"])
def test_sigterm_ends_the_demo_at_once_and_cleans_the_terminal(ignoring: bool) -> None:
    with Terminal("demo", "--executions", "5000", ignoring_ctrl_c=ignoring) as terminal:
        terminal.read_until(r"launched.* [1-9]\d*/5000")
        terminal.send(signal.SIGTERM)
        assert terminal.finish() == 128 + signal.SIGTERM
        terminal.wait_for(lambda processes: not processes)
    assert "Traceback" not in terminal.seen
    assert "executions, " not in terminal.seen
    assert terminal.seen.rindex("\x1b[?25h") > terminal.seen.rindex("\x1b[?25l")


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_ctrl_c_while_the_server_starts_says_nothing_either() -> None:
    with Terminal("demo", "--executions", "5000") as terminal:
        terminal.wait_for(lambda processes: any("--child" in line for line in processes))
        terminal.press_ctrl_c()
        assert terminal.finish() == 130
        terminal.wait_for(lambda processes: not processes)
    assert "Traceback" not in terminal.seen
