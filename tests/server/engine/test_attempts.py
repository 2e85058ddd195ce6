"""Attempts: what is repeated, and how long things may take."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyteasync.errors import FlyteSystemUnavailableException
from flyteasync.idl import core
from flyteasync.server import TaskFailed
from flyteasync.server.engine.retries import RetryPolicy, backoff, judge
from tests.server.build import node, task, workflow
from tests.server.client import Client
from tests.server.conftest import Connect
from tests.server.engine.nodes import E1, Called, ErrorKind, NodePhase, Phase, TaskPhase, phases, run, signal_gate


async def with_task(
    connect: Connect, handler: Any, *, retries: int = 0, timeout: float | None = None, **settings: Any
) -> tuple[Client, core.Identifier]:
    client: Client = await connect({"t": handler}, **settings)
    call = node("n0", "t")
    assert call.metadata is not None
    call.metadata.timeout = None if timeout is None else timedelta(seconds=timeout)
    return client, await client.register(workflow("wf", [call]), [task("t", retries=retries)])


async def task_phases(client: Client) -> list[str]:
    return [str(attempt.closure.phase.name) for attempt in await client.attempts(E1, "n0")]


# Retries...


async def test_a_node_stays_running_through_its_attempts_and_each_is_a_task_execution(connect: Connect) -> None:
    calls: list[int] = []

    def third_time() -> None:
        calls.append(1)
        if len(calls) < 3:
            raise ValueError("not yet")

    client, plan = await with_task(connect, third_time, retries=2)
    assert (await run(client, plan)).closure.phase == Phase.SUCCEEDED
    attempts = await client.attempts(E1, "n0")
    assert [attempt.id.retry_attempt for attempt in attempts] == [0, 1, 2]
    assert await task_phases(client) == ["FAILED", "FAILED", "SUCCEEDED"]
    closure = (await client.nodes(E1))["n0"].closure
    assert closure.started_at <= attempts[0].closure.started_at
    assert closure.error is None


async def test_a_failure_that_cannot_be_mended_is_not_repeated_and_keeps_its_error(connect: Connect) -> None:
    def fail() -> None:
        raise TaskFailed("no such thing", code="USER:NotThere", recoverable=False)

    client, plan = await with_task(connect, fail, retries=3)
    execution = await run(client, plan)
    assert execution.closure.error == core.ExecutionError(
        code="USER:NotThere", message="no such thing", kind=ErrorKind.USER
    )
    assert await task_phases(client) == ["FAILED"]


async def test_a_handler_may_choose_the_error_of_an_attempt(connect: Connect) -> None:
    def fail() -> None:
        raise TaskFailed("disk full", code="OOM", kind="system")

    client, plan = await with_task(connect, fail, max_system_retries=1)
    execution = await run(client, plan)
    error = execution.closure.error
    assert (error.code, error.kind) == ("RetriesExhausted|OOM", ErrorKind.USER)
    assert error.message == "[1/1] currentAttempt done. Last Error: SYSTEM::disk full"
    assert await task_phases(client) == ["FAILED", "FAILED"]


async def test_the_systems_failures_do_not_count_as_the_users(connect: Connect) -> None:
    errors = iter([FlyteSystemUnavailableException("a"), ValueError("b"), FlyteSystemUnavailableException("c")])

    def fail() -> None:
        raise next(errors, ValueError("d"))

    client, plan = await with_task(connect, fail, retries=1)
    execution = await run(client, plan)
    assert execution.closure.error.message == "[2/2] currentAttempt done. Last Error: USER::ValueError: d"
    assert await task_phases(client) == ["FAILED"] * 4


async def test_the_wait_before_an_attempt_doubles_on_the_engines_clock(connect: Connect) -> None:
    def fail() -> None:
        raise ValueError("boom")

    client, plan = await with_task(connect, fail, retries=3, retry_backoff=60.0, skipping=True)
    await run(client, plan)
    began = [attempt.closure.created_at for attempt in await client.attempts(E1, "n0")]
    waits = [round((after - before).total_seconds()) for before, after in pairwise(began)]
    assert waits == [60, 120, 240]


@given(
    st.integers(1, 5),
    st.integers(0, 4),
    st.lists(st.sampled_from([ErrorKind.USER, ErrorKind.SYSTEM, ErrorKind.UNKNOWN]), min_size=12, max_size=12),
)
def test_neither_side_gets_more_attempts_than_it_may(
    attempts: int, system_retries: int, kinds: list[core.ExecutionErrorErrorKind]
) -> None:
    policy = RetryPolicy(attempts, system_retries)
    failures = {ErrorKind.USER: 0, ErrorKind.SYSTEM: 0}
    for number, kind in enumerate(kinds):
        side = ErrorKind.SYSTEM if kind == ErrorKind.SYSTEM else ErrorKind.USER
        verdict = judge(policy, kind, number, failures[ErrorKind.SYSTEM])
        failures[side] += 1
        if not verdict.again:
            limit = system_retries + 1 if side == ErrorKind.SYSTEM else attempts
            assert failures[side] == limit
            return
    assert failures[ErrorKind.USER] < attempts
    assert failures[ErrorKind.SYSTEM] <= system_retries


@given(st.floats(0, 1e6), st.integers(0, 10_000))
def test_a_back_off_never_shrinks_and_has_a_limit(first: float, attempt: int) -> None:
    policy = RetryPolicy(1, 0, first)
    assert 0 <= backoff(policy, attempt) <= backoff(policy, attempt + 1) <= 600
    assert backoff(policy, 0) == 0


# Time limits...


async def test_an_attempt_that_takes_too_long_is_aborted_and_exhausts_the_retries(connect: Connect) -> None:
    called = Called()
    client, plan = await with_task(connect, called.hang(), timeout=90)
    assert client.server is not None
    await client.launch(plan, "e1")
    await called.wait()
    await client.server.advance(90)
    execution = await client.finish(E1)
    assert execution.closure.error == core.ExecutionError(
        code="RetriesExhausted|TimeoutExpired",
        message="[1/1] currentAttempt done. Last Error: USER::task execution timeout [1m30s] expired",
        kind=ErrorKind.USER,
    )
    closure = (await client.nodes(E1))["n0"].closure
    assert closure.phase == NodePhase.FAILED
    assert closure.duration.total_seconds() == pytest.approx(90, abs=1)
    [attempt] = await client.attempts(E1, "n0")
    assert attempt.closure.phase == TaskPhase.ABORTED
    assert attempt.closure.error.code == "Task Aborted"


async def test_all_attempts_together_have_twice_the_time_of_one(connect: Connect) -> None:
    client, plan = await with_task(connect, Called().hang(), timeout=60, retries=5, unregistered="hang")
    assert client.server is not None
    await client.launch(plan, "e1")
    await client.node(E1, "n0", NodePhase.RUNNING)
    await client.server.advance(60)
    assert await task_phases(client) == ["ABORTED", "RUNNING"]
    await client.server.advance(60)
    execution = await client.finish(E1)
    closure = (await client.nodes(E1))["n0"].closure
    assert (closure.phase, closure.error) == (NodePhase.TIMED_OUT, None)
    assert await task_phases(client) == ["ABORTED", "ABORTED"]
    assert (execution.closure.error.code, execution.closure.error.message) == ("Timeout", "Timeout in node")


async def test_an_attempt_that_is_in_time_has_no_effect_on_the_next(connect: Connect) -> None:
    calls: list[int] = []

    def second_time() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("not yet")

    client, plan = await with_task(connect, second_time, retries=1, timeout=3600, retry_backoff=600.0, skipping=True)
    assert (await run(client, plan)).closure.phase == Phase.SUCCEEDED


async def test_limits_of_the_server_hold_where_nodes_have_none(connect: Connect) -> None:
    settings = {"unregistered": "hang", "skipping": True}
    client, plan = await with_task(connect, lambda: None, node_execution_deadline=30.0, **settings)
    assert (await run(client, plan)).closure.phase == Phase.SUCCEEDED
    client = await connect(node_execution_deadline=30.0, **settings)
    plan = await client.register(workflow("wf", [node("n0", "t")]), [task("t")])
    assert "TimeoutExpired" in (await run(client, plan)).closure.error.code
    client = await connect(node_active_deadline=30.0, **settings)
    plan = await client.register(workflow("wf", [node("n0", "t")]), [task("t", retries=9)])
    await run(client, plan)
    assert phases(await client.nodes(E1))["n0"] == "TIMED_OUT"


async def test_a_gate_times_out_like_any_node(connect: Connect) -> None:
    client: Client = await connect()
    assert client.server is not None
    plan = await client.register(workflow("wf", [signal_gate("n0", "go", int, timeout=3600)]), [])
    await client.launch(plan, "e1")
    await client.node(E1, "n0", NodePhase.RUNNING)
    await client.server.advance(3599)
    assert phases(await client.nodes(E1))["n0"] == "RUNNING"
    await client.server.advance(1)
    assert (await client.finish(E1)).closure.error.code == "RetriesExhausted|TimeoutExpired"


async def test_a_handler_that_ignores_the_end_of_its_time_changes_nothing_afterwards(connect: Connect) -> None:
    go, returned = asyncio.Event(), asyncio.Event()
    called = Called()

    async def stubborn() -> None:
        called.note()
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            await go.wait()
        returned.set()

    client, plan = await with_task(connect, stubborn, timeout=10)
    assert client.server is not None
    await client.launch(plan, "e1")
    await called.wait()
    await client.server.advance(10)
    before = await client.finish(E1)
    go.set()
    await returned.wait()
    assert await client.get(E1) == before
    assert await task_phases(client) == ["ABORTED"]


# Interruptible...


@pytest.mark.parametrize(
    ("spec", "of_node", "expected"),
    [({}, None, 0), ({"interruptible": True}, None, 1), ({"interruptible": True}, False, 0), ({}, True, 1)],
)
async def test_attempts_tell_whether_they_may_be_interrupted(
    connect: Connect, spec: dict[str, Any], of_node: bool | None, expected: int
) -> None:
    client: Client = await connect({"t": lambda: None})
    call = node("n0", "t")
    assert call.metadata is not None
    call.metadata.interruptible = of_node
    plan = await client.register(workflow("wf", [call]), [task("t")])
    await client.finish(await client.launch(plan, "e1", **spec))
    [attempt] = await client.attempts(E1, "n0")
    assert attempt.closure.metadata.instance_class == expected


async def test_the_last_attempt_that_the_systems_failures_leave_is_not_interrupted(connect: Connect) -> None:
    def fail() -> None:
        raise FlyteSystemUnavailableException("gone")

    client: Client = await connect({"t": fail}, max_system_retries=2)
    plan = await client.register(workflow("wf", [node("n0", "t")]), [task("t")])
    await client.finish(await client.launch(plan, "e1", interruptible=True))
    attempts = await client.attempts(E1, "n0")
    assert [attempt.closure.metadata.instance_class for attempt in attempts] == [1, 1, 0]
