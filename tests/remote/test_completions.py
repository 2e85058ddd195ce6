"""Executions awaited together: whose remote is asked, and what is told of a server that does not answer."""

from __future__ import annotations

import asyncio

import pytest

from flyteasync import FlyteWorkflowExecution
from flyteasync.errors import FlyteRemoteClosed, FlyteSystemUnavailableException, FlyteTimeout, Status
from flyteasync.server import Fault
from tests.support.backend import Backend, remote_of
from tests.support.loop import clock, eventually, settle


async def hold(backend: Backend, count: int) -> list[FlyteWorkflowExecution]:
    plan = await backend.remote.fetch_launch_plan(name="hold")
    return [await backend.remote.execute(plan, {"name": str(index)}) for index in range(count)]


async def test_executions_of_several_remotes_are_asked_for_at_their_own(backend: Backend) -> None:
    async with Backend() as other:
        executions = [*await hold(backend, 2), *await hold(other, 2)]
        waiting = asyncio.ensure_future(backend.remote.wait_all(executions))
        await eventually(lambda: backend.remote.metrics()["polls"] and other.remote.metrics()["polls"])
        assert (backend.remote.metrics()["waiting"], other.remote.metrics()["waiting"]) == (2, 2)
        backend.gate.set()
        other.gate.set()
        assert await waiting == executions
        assert all(execution.is_successful for execution in executions)
        assert (backend.remote.metrics()["waiting"], other.remote.metrics()["waiting"]) == (0, 0)


async def test_leaving_executions_of_another_remote_leaves_no_wait_behind(backend: Backend) -> None:
    async with Backend() as other:
        executions = await hold(other, 2)
        with pytest.raises(FlyteTimeout):
            await backend.remote.wait_all(executions, timeout=0.05)
        assert other.remote.metrics()["waiting"] == 0


async def test_an_execution_of_a_remote_that_was_closed_cannot_be_awaited_with_others(backend: Backend) -> None:
    executions = await hold(backend, 2)
    async with remote_of(backend.server.endpoint) as other:
        foreign = other.execution(executions[0].id.name)
    with pytest.raises(FlyteRemoteClosed):
        await backend.remote.wait_all([*executions, foreign])
    assert backend.remote.metrics()["waiting"] == 0


async def test_a_timeout_of_many_tells_that_the_server_did_not_answer(backend: Backend) -> None:
    executions = await hold(backend, 6)
    waiting = asyncio.ensure_future(backend.remote.wait_all(executions, timeout=20))
    await eventually(lambda: backend.remote.metrics()["polls"])
    backend.misbehave(Fault(method="ListExecutions", status=Status.UNAVAILABLE, details="down"))
    for _ in range(11):
        await clock().advance(2)
        await settle()
        await backend.remote.ping()
    with pytest.raises(FlyteTimeout, match=r"6 of 6 executions did not finish.* did not answer.*down") as caught:
        await waiting
    assert isinstance(caught.value.__cause__, FlyteSystemUnavailableException)


async def test_a_timeout_of_many_tells_why_values_did_not_come(backend: Backend) -> None:
    executions = await hold(backend, 3)
    backend.gate.set()
    backend.misbehave(Fault(method="GetExecutionData", status=Status.UNAVAILABLE, details="down"))
    with pytest.raises(FlyteTimeout, match=r"3 of 3 executions did not finish.* did not answer.*down"):
        await backend.remote.wait_all(executions, timeout=0.5)


async def test_runs_that_are_late_tell_that_the_server_did_not_answer(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="hold")
    async with backend.remote.execute_many(plan, [{"name": str(index)} for index in range(6)], timeout=30) as runs:
        first = asyncio.ensure_future(anext(runs))
        await eventually(lambda: backend.held == 6 and backend.remote.metrics()["waiting"] == 6)
        backend.misbehave(Fault(method="ListExecutions", status=Status.UNAVAILABLE, details="down"))
        for _ in range(16):
            await clock().advance(2)
            await settle()
            await backend.remote.ping()
        outcomes = [await first, *[run async for run in runs]]
    for run in outcomes:
        with pytest.raises(FlyteTimeout, match=r"did not finish within 30 s.* did not answer.*down"):
            raise run.error or AssertionError
