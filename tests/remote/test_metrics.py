"""What a remote tells of itself: numbers by stable names, and log records that can be filtered."""

from __future__ import annotations

import asyncio
import logging
import re
from pathlib import Path

import pytest

import flyteasync
from flyteasync import CallOptions, Config, FlyteRemote, RetryPolicy
from flyteasync.errors import FlyteEntityNotExistException, FlyteSystemUnavailableException, Status
from flyteasync.idl import admin
from flyteasync.server import Fault
from tests.support.backend import Backend, remote_of
from tests.support.loop import clock, eventually, settle

VERSION = admin.GetVersionRequest()
GAUGES = ["waiting", "lag", "rpcs.in_flight"]
COUNTERS = ["launched", "adopted", "done", "polls", "retries"]


def test_a_remote_that_did_nothing_has_all_numbers_without_a_loop() -> None:
    remote = FlyteRemote(Config.for_endpoint("localhost:1", insecure=True))
    assert remote.metrics() == dict.fromkeys([*GAUGES, *COUNTERS], 0)


async def test_launches_waits_and_ends_are_counted(backend: Backend) -> None:
    remote = backend.remote
    plan = await remote.fetch_launch_plan(name="hold")
    executions = [await remote.execute(plan, {"name": str(index)}) for index in range(3)]
    await remote.execute(plan, {"name": "0"}, execution_name="mine")
    await remote.execute(plan, {"name": "0"}, execution_name="mine")
    waiting = asyncio.ensure_future(remote.wait_all(executions, poll_interval=0))
    await eventually(lambda: remote.metrics()["polls"])
    now = remote.metrics()
    assert (now["launched"], now["adopted"], now["waiting"], now["done"]) == (4, 1, 3, 0)
    backend.gate.set()
    await waiting
    now = remote.metrics()
    assert (now["waiting"], now["done"]) == (0, 3)
    assert now["rpcs.CreateExecution.OK"] == 4
    assert now["polls"] >= 1


@pytest.mark.parametrize("named", [{}, {"execution_name": "mine"}], ids=["generated", "named"])
async def test_a_launch_whose_reply_was_lost_counts_as_launched(backend: Backend, named: dict[str, str]) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    backend.misbehave(Fault(method="CreateExecution", kind="lost_reply", times=1))
    await backend.remote.execute(plan, None, **named)  # pyright: ignore[reportArgumentType]
    metrics = backend.remote.metrics()
    assert (metrics["launched"], metrics["adopted"]) == (1, 0)


async def test_rpcs_are_counted_by_method_and_status(bare: Backend) -> None:
    bare.misbehave(Fault(method="GetVersion", times=2))
    await bare.remote.with_options(timeout=5).admin.get_version(VERSION)
    with pytest.raises(FlyteEntityNotExistException):
        await bare.remote.fetch_execution(name="nowhere")
    now = bare.remote.metrics()
    assert now["rpcs.GetVersion.UNAVAILABLE"] == now["retries.GetVersion"] == now["retries"] == 2
    assert now["rpcs.GetVersion.OK"] == now["rpcs.GetExecution.NOT_FOUND"] == 1
    assert now["rpcs.in_flight"] == 0


async def test_calls_under_way_are_counted_whatever_becomes_of_them(bare: Backend) -> None:
    bare.misbehave(Fault(method="GetVersion", kind="hang"))
    tasks = [asyncio.ensure_future(bare.remote.ping()) for _ in range(3)]
    await eventually(lambda: bare.server.stats.in_flight == 3)
    assert bare.remote.metrics()["rpcs.in_flight"] == 3
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert bare.remote.metrics()["rpcs.in_flight"] == 0


async def test_creations_that_are_repeated_count_as_retries(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    backend.misbehave(Fault(method="CreateExecution", times=3))
    await backend.remote.execute(plan)
    assert backend.remote.metrics()["retries.CreateExecution"] == 3


async def test_the_poller_lags_while_its_questions_cannot_be_asked(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="hold")
    execution = await backend.remote.execute(plan, {"name": "x"})
    waiting = asyncio.ensure_future(execution.wait())
    await eventually(lambda: backend.remote.stats.successes["GetExecution"])
    await settle()
    assert backend.remote.metrics()["lag"] < 0.1
    loop = clock()
    loop._ahead += 60  # a loop that was held up: nothing has run yet
    assert backend.remote.metrics()["lag"] == pytest.approx(60, abs=1)
    waiting.cancel()
    await asyncio.wait([waiting])


async def test_an_empty_budget_of_retries_fails_fast_and_tells_when_to_try_again(bare: Backend) -> None:
    options = CallOptions(timeout=600, retry=RetryPolicy(initial_backoff=0.0001, max_backoff=0.0001))
    bare.misbehave(Fault(method="GetVersion"))
    async with remote_of(bare.server.endpoint, options=options) as remote:
        budget = remote._caller.budget
        while budget.take(clock().time()):
            pass
        began = clock().time()
        with pytest.raises(FlyteSystemUnavailableException) as caught:
            await remote.admin.get_version(VERSION)
        assert clock().time() - began < 1
        assert caught.value.retry_after is not None
        assert 1 <= caught.value.retry_after < 10
        assert any("budget of retries is empty" in note for note in caught.value.__notes__)
        assert bare.calls("GetVersion") == 1
        await clock().advance(caught.value.retry_after)
        bare.misbehave(Fault(method="GetVersion", times=1))
        await remote.admin.get_version(VERSION)


async def test_a_failure_at_the_deadline_tells_nothing_of_trying_again(bare: Backend) -> None:
    bare.misbehave(Fault(method="GetVersion"))
    with pytest.raises(FlyteSystemUnavailableException) as caught:
        await bare.remote.with_options(timeout=0.05).admin.get_version(VERSION)
    assert caught.value.retry_after is None


async def test_records_about_an_execution_carry_its_name_and_loggers_have_fixed_names(
    backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "flyteasync")
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    backend.misbehave(Fault(method="CreateExecution", times=1))
    execution = await backend.remote.execute(plan)
    (record,) = (record for record in caplog.records if record.name == "flyteasync.rpc")
    assert record.getMessage().startswith(f"launch of flytesnacks/development/{execution.id.name}: attempt 1 failed")
    assert record.__dict__["execution"] == f"flytesnacks/development/{execution.id.name}"
    backend.misbehave(Fault(method="CreateExecution", kind="lost_reply", times=1))
    execution = await backend.remote.execute(plan)
    (record,) = (record for record in caplog.records if record.name == "flyteasync.launch")
    assert "reply was lost" in record.getMessage()
    assert record.__dict__["execution"] == f"flytesnacks/development/{execution.id.name}"
    await backend.remote.execute(plan, execution_name="mine")
    other = await backend.remote.fetch_launch_plan(name="hold")
    await backend.remote.execute(other, {"name": "x"}, execution_name="mine", on_conflict="adopt")
    (warning,) = (record for record in caplog.records if record.levelno == logging.WARNING)
    assert (warning.name, warning.__dict__["execution"]) == ("flyteasync.launch", "flytesnacks/development/mine")


def test_the_loggers_are_those_that_the_documentation_names() -> None:
    root = Path(flyteasync.__file__).parent
    used = {
        name
        for file in root.rglob("*.py")
        for name in re.findall(r"getLogger\((.*?)\)", file.read_text())
        if name != '"hpack"'
    }
    page = (root.parent / "docs" / "launching.md").read_text()
    paragraph = page[page.index("Loggers have fixed names") :].partition("\n\n")[0]
    assert used == {f'"{name}"' for name in re.findall(r"`(flyteasync\.\w+)`", paragraph)}


async def test_polls_leave_no_record_above_debug(backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "flyteasync")
    plan = await backend.remote.fetch_launch_plan(name="hold")
    executions = [await backend.remote.execute(plan, {"name": str(index)}) for index in range(10)]
    faults = (Fault(method="ListExecutions", status=status, times=1) for status in (Status.UNAVAILABLE, Status.UNKNOWN))
    backend.misbehave(*faults)
    waiting = asyncio.ensure_future(backend.remote.wait_all(executions, poll_interval=0))
    for _ in range(20):
        await clock().advance(1)
        await settle()
    backend.gate.set()
    await waiting
    assert backend.remote.metrics()["polls"] >= 3
    ours = [record for record in caplog.records if record.name.startswith("flyteasync")]
    assert [record for record in ours if not record.name.startswith("flyteasync.server")] == []
