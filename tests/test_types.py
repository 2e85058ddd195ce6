"""What type checkers see of the public API: the types of results, and that wrong arguments are errors."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent

PROGRAM = """\
from typing import assert_type
from flyteasync import Config, FlyteRemote as AioRemote
from flyteasync.errors import FlyteExecutionFailed
from flyteasync.idl import core
from flyteasync.sync import FlyteLaunchPlan, FlyteNodeExecution, FlyteRemote, FlyteWorkflowExecution, Outcome
from flyteasync.testing import Environment


def right(remote: FlyteRemote, execution: FlyteWorkflowExecution, plan: FlyteLaunchPlan, env: Environment) -> None:
    assert_type(remote.fetch_launch_plan(name="x"), FlyteLaunchPlan)
    assert_type(remote.execute(plan, {"n": 1}, wait=True), FlyteWorkflowExecution)
    assert_type(remote.wait(execution), FlyteWorkflowExecution)
    assert_type(execution.wait(), FlyteWorkflowExecution)
    assert_type(execution.fetch_node("n0"), FlyteNodeExecution)
    assert_type(execution.result().get("loss", float), float)
    assert_type(next(remote.as_completed([execution])), Outcome)
    with remote.execute_many(plan, ({"n": n} for n in range(3))) as runs:
        for run in runs:
            assert_type(run.execution, FlyteWorkflowExecution | None)
    assert_type(env.sync_remote(transport="grpclib"), FlyteRemote)
    assert_type(remote.with_options(timeout=3), FlyteRemote)
    assert_type(FlyteExecutionFailed().error, core.ExecutionError | None)


def wrong(remote: FlyteRemote, execution: FlyteWorkflowExecution, plan: FlyteLaunchPlan, env: Environment) -> None:
    remote.with_options(timout=3)  # wrong
    FlyteRemote(Config.auto(), transport="grpclub")  # wrong
    FlyteRemote(Config.auto(), transprt="grpclib")  # wrong
    env.remote(nonsense=1)  # wrong
    env.sync_remote(transport=1)  # wrong
    remote.execute(plan, inputs={"n": 1}, version="v1")  # wrong
    remote.execute(1)  # wrong
    execution.wait(time_out=1)  # wrong
    FlyteWorkflowExecution.wait("nonsense")  # wrong
    FlyteRemote.ping(3)  # wrong
    remote.wait("x")  # wrong
    AioRemote(Config.auto()).execution("x").wait(sync_node=True)  # wrong
    remote.wait(AioRemote(Config.auto()).execution("x"))  # wrong
"""


def test_a_type_checker_knows_results_and_refuses_wrong_arguments(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    settings = {"extraPaths": [str(ROOT)], "pythonVersion": "3.11", "typeCheckingMode": "strict"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    checked = subprocess.run(
        [
            sys.executable,
            "-m",
            "basedpyright",
            "--outputjson",
            "--project",
            str(tmp_path),
            "--pythonpath",
            sys.executable,
        ],
        capture_output=True,
        text=True,
    )
    found = {
        problem["range"]["start"]["line"] + 1: problem for problem in json.loads(checked.stdout)["generalDiagnostics"]
    }
    expected = {number for number, line in enumerate(PROGRAM.splitlines(), start=1) if line.endswith("# wrong")}
    assert found.keys() == expected, [problem for line, problem in found.items() if line not in expected]
