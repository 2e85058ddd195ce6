"""Many executions and settings of launches through the blocking facade."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from flyteasync import Options, execution_name
from flyteasync.errors import (
    FlyteEntityNotExistException,
    FlyteInvalidInputException,
    FlyteNotLaunched,
    FlyteTimeout,
    FlyteTypeException,
)
from flyteasync.idl import admin
from flyteasync.server.host import Host
from flyteasync.sync import FlyteRemote, FlyteWorkflowExecution, Outcome
from tests.sync.conftest import Misbehave, calls, ctrl_c_when, wait_until

SETTINGS: dict[str, Any] = {"max_launch_rate": None, "poll_interval": 0}


def test_settings_arrive_as_from_the_async_remote(remote: FlyteRemote) -> None:
    plan = remote.fetch_launch_plan(name="nothing")
    execution = remote.execute(
        plan,
        options=Options(labels={"team": "ml"}, max_parallelism=3),
        tags=["nightly"],
        cluster_pool="gpu",
        execution_cluster_label="eu",
        interruptible=True,
        overwrite_cache=True,
    )
    spec = execution.aio.spec
    assert spec is not None
    assert (spec.labels, spec.max_parallelism) == (admin.Labels(values={"team": "ml"}), 3)
    assert (spec.tags, spec.interruptible, spec.overwrite_cache) == (["nightly"], True, True)
    assert spec.cluster_assignment == admin.ClusterAssignment(cluster_pool_name="gpu")
    assert spec.execution_cluster_label == admin.ExecutionClusterLabel(value="eu")


def test_a_bad_setting_is_refused(remote: FlyteRemote) -> None:
    plan = remote.fetch_launch_plan(name="nothing")
    with pytest.raises(FlyteTypeException, match="labels"):
        remote.execute(plan, options=Options(labels="a=b"))  # type: ignore[arg-type]
    with pytest.raises(FlyteInvalidInputException, match="max_running"):
        remote.execute_many(plan, [{}], max_running=0)


def test_many_are_launched_and_yield_outcomes(remote: FlyteRemote) -> None:
    plan = remote.fetch_launch_plan(name="demo.report")
    inputs = ({"n": n, "name": f"run {n}"} for n in range(20))
    with remote.execute_many(plan, inputs, max_running=5, **SETTINGS) as runs:
        outcomes = list(runs)
    assert sorted(run.index for run in outcomes) == list(range(20))
    for run in outcomes:
        assert isinstance(run, Outcome)
        assert isinstance(run.execution, FlyteWorkflowExecution)
        assert run.is_successful
        assert run.execution.outputs["text"] == f"hello run {run.index}: {run.index} squares"


def test_names_resume(remote: FlyteRemote, host: Host, misbehave: Misbehave) -> None:
    plan = remote.fetch_launch_plan(name="nothing")
    names = [execution_name("facade", "resumed", number) for number in range(20)]
    misbehave()
    for count in (8, 20):
        with remote.execute_many(plan, [{}] * count, names=names[:count], **SETTINGS) as runs:
            assert all(run.is_successful for run in runs)
    assert calls(host)["CreateExecution"] == 20
    assert remote.metrics()["adopted"] == 8


def test_another_thread_halts_a_run(remote: FlyteRemote) -> None:
    plan = remote.fetch_launch_plan(name="hold")
    left: list[FlyteWorkflowExecution] = []
    with remote.execute_many(plan, [{"name": "x"}] * 10, max_running=2, **SETTINGS) as runs:
        halting = threading.Timer(0.3, lambda: left.extend(runs.halt()))
        halting.start()
        outcomes = list(runs)
        halting.join()
    assert len(left) + len(outcomes) == 10
    assert all(isinstance(run.error, FlyteNotLaunched) for run in outcomes)
    for execution in left:
        execution.terminate("the test is over")


def test_stopping_launches_nothing_more(remote: FlyteRemote) -> None:
    plan = remote.fetch_launch_plan(name="nothing")
    with remote.execute_many(plan, [{}] * 10, max_running=1, **SETTINGS) as runs:
        first = next(runs)
        runs.stop()
        rest = list(runs)
    assert first.is_successful
    assert len(rest) == 9
    kinds = [type(run.error) for run in rest]
    assert kinds.count(FlyteNotLaunched) >= 8  # one may have been under way


def test_wait_all_returns_the_same_objects_finished(remote: FlyteRemote) -> None:
    plan = remote.fetch_launch_plan(name="nothing")
    executions = [remote.execute(plan) for _ in range(5)]
    finished = remote.wait_all(iter(executions), poll_interval=0)
    assert all(one is other for one, other in zip(finished, executions, strict=True))
    assert all(execution.is_successful for execution in finished)
    with pytest.raises(FlyteTypeException, match=r"FlyteWorkflowExecution is needed; got .*FlyteLaunchPlan"):
        remote.wait_all([plan])  # type: ignore[list-item]


def test_executions_are_had_in_the_order_in_which_they_finish(remote: FlyteRemote) -> None:
    running = remote.execute(remote.fetch_launch_plan(name="hold"), {"name": "x"})
    executions = [running, remote.execution("failed"), remote.execution("nowhere")]
    with remote.as_completed(iter(executions), poll_interval=0) as outcomes:
        first = {outcome.name: outcome for outcome in (next(outcomes), next(outcomes))}
        assert all(isinstance(outcome, Outcome) for outcome in first.values())
        assert first["failed"].execution is executions[1]
        assert executions[1].is_done
        assert isinstance(first["nowhere"].error, FlyteEntityNotExistException)
        running.terminate("enough")
        assert [(outcome.index, outcome.execution) for outcome in outcomes] == [(0, running)]
        assert list(outcomes) == []


@pytest.mark.parametrize("leave", ["block", "drop", "break", "timeout"])
def test_who_waits_for_no_more_executions_stops_the_poller(remote: FlyteRemote, leave: str) -> None:
    executions = [remote.execution("finished"), remote.execution("running")]
    outcomes = remote.as_completed(executions, timeout=0.1 if leave == "timeout" else None)
    if leave == "block":
        with outcomes:
            next(outcomes)
    elif leave == "timeout":
        with pytest.raises(FlyteTimeout, match="1 of 2 executions"):
            list(outcomes)
    else:
        for _ in outcomes:
            break
    del outcomes
    wait_until(lambda: remote.metrics()["waiting"] == 0)
    assert remote.ping().version


def test_ctrl_c_ends_the_wait_for_the_next_execution(remote: FlyteRemote) -> None:
    outcomes = remote.as_completed([remote.execution("running")])
    with ctrl_c_when(lambda: remote.metrics()["waiting"]), pytest.raises(KeyboardInterrupt):
        next(outcomes)
    assert remote.metrics()["waiting"] == 0
    assert list(outcomes) == []
