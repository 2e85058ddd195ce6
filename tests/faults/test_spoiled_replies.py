"""What the client makes of replies that are not what they should be, over both transports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import get_args

import pytest

from flyteasync import FlyteRemote, FlyteWorkflowExecution
from flyteasync.errors import (
    FlyteDecodeError,
    FlytePreconditionFailed,
    FlyteResourceExhausted,
    FlyteSystemUnavailableException,
    Status,
)
from flyteasync.idl import admin
from flyteasync.server import Fault
from flyteasync.server.faults import FaultKind
from flyteasync.server.mangling import UNKNOWN_MEMBER
from flyteasync.transport import TransportName
from tests.support.backend import Backend, remote_of
from tests.support.loop import clock, eventually, settle

MALFORMED = pytest.mark.parametrize("kind", ["truncated", "garbage", "garbage_inside"])


@pytest.fixture(params=get_args(TransportName))
async def remote(request: pytest.FixtureRequest, backend: Backend) -> AsyncGenerator[FlyteRemote]:
    async with remote_of(backend.server.endpoint, transport=request.param) as remote:
        yield remote


async def finished(remote: FlyteRemote) -> FlyteWorkflowExecution:
    plan = await remote.fetch_launch_plan(name="demo.report")
    return await remote.execute(plan, {"n": 3, "name": "x"}, wait=True)


@MALFORMED
async def test_a_reply_that_is_no_message_is_an_error_that_names_it_and_is_not_asked_for_again(
    backend: Backend, remote: FlyteRemote, kind: FaultKind
) -> None:
    execution = await finished(remote)
    asked = backend.calls("GetExecution")
    backend.misbehave(Fault(method="GetExecution", kind=kind, times=1))
    with pytest.raises(FlyteDecodeError) as caught:
        await execution.sync()
    assert "Execution" in str(caught.value)
    assert not caught.value.retryable
    assert backend.calls("GetExecution") == asked + 1
    assert (await execution.sync()).is_successful


@pytest.mark.parametrize("kind", ["truncated", "garbage"])
async def test_a_launch_whose_reply_cannot_be_read_is_looked_for_and_not_repeated(
    backend: Backend, remote: FlyteRemote, kind: FaultKind
) -> None:
    plan = await remote.fetch_launch_plan(name="nothing")
    backend.misbehave(Fault(method="CreateExecution", kind=kind))
    execution = await remote.execute(plan)
    assert (backend.calls("CreateExecution"), backend.calls("GetExecution")) == (1, 1)
    assert (await execution.wait(10)).is_successful
    assert len(await backend.executions()) == 1


@MALFORMED
async def test_a_wait_ends_with_an_error_if_the_answers_to_it_are_no_messages(
    backend: Backend, remote: FlyteRemote, kind: FaultKind
) -> None:
    plan = await remote.fetch_launch_plan(name="hold")
    executions = [await remote.execute(plan, {"name": "x"}) for _ in range(6)]
    backend.misbehave(Fault(method="*", kind=kind))
    backend.gate.set()
    async with asyncio.timeout(10):
        results = await asyncio.gather(*(execution.wait(60) for execution in executions), return_exceptions=True)
    assert [type(result) for result in results] == [FlyteDecodeError] * 6
    backend.misbehave()
    assert (await executions[0].wait(10)).is_successful


async def test_a_phase_that_nobody_knows_is_shown_and_is_no_end(backend: Backend, remote: FlyteRemote) -> None:
    execution = await finished(remote)
    seen = remote.execution(execution.id.name)
    backend.misbehave(Fault(method="*", kind="unknown_enum"))
    await seen.sync()
    assert seen.closure.phase == UNKNOWN_MEMBER
    assert not seen.is_done
    asked = backend.calls("GetExecution")
    waiting = asyncio.create_task(seen.wait(60))
    await eventually(lambda: backend.calls("GetExecution") > asked)
    await settle()
    assert not waiting.done()
    backend.misbehave()
    while not waiting.done():
        await clock().advance(1.0)
        await asyncio.sleep(0.001)
    assert (await waiting).is_successful


async def test_fields_that_nobody_knows_change_nothing(backend: Backend, remote: FlyteRemote) -> None:
    backend.misbehave(Fault(method="*", kind="unknown_field"))
    execution = await finished(remote)
    await execution.sync(sync_nodes=True)
    assert dict(execution.outputs) == {"roots": [0, 1, 4], "text": "hello x: 3 squares", "total": 5}
    assert "n0" in execution.node_executions
    assert backend.server.stats.hits["CreateExecution"] == 1


async def test_a_reply_that_is_too_large_is_an_error_and_not_asked_for_again(
    backend: Backend, remote: FlyteRemote
) -> None:
    backend.misbehave(Fault(method="GetVersion", kind="oversize", times=1))
    with pytest.raises(FlyteResourceExhausted) as caught:
        await remote.admin.get_version(admin.GetVersionRequest())
    assert not caught.value.retryable
    assert backend.calls("GetVersion") == 1
    assert (await remote.ping()).version


async def test_what_travels_with_a_status_is_read(backend: Backend, remote: FlyteRemote) -> None:
    reason = admin.EventFailureReason(
        already_in_terminal_state=admin.EventErrorAlreadyInTerminalState(current_phase="SUCCEEDED")
    )
    backend.misbehave(Fault(method="GetVersion", status=Status.FAILED_PRECONDITION, messages=(reason,)))
    with pytest.raises(FlytePreconditionFailed) as caught:
        await remote.ping()
    assert caught.value.details == (reason,)


async def test_reads_outlast_errors_and_slow_answers(backend: Backend, remote: FlyteRemote) -> None:
    execution = await finished(remote)
    backend.misbehave(
        Fault(method="GetExecution", times=3), Fault(method="GetExecution", kind="delay", delay=0.01, jitter=0.02)
    )
    assert (await execution.sync()).is_successful
    assert backend.server.stats.hits["GetExecution"] == 4


async def test_a_slow_server_is_slow_for_every_call(remote: FlyteRemote) -> None:
    async with Backend(registered=False, latency=3600.0) as slow, remote_of(slow.server.endpoint) as other:
        asking = asyncio.create_task(other.with_options(timeout=7200, attempt_timeout=7200).ping())
        await eventually(lambda: slow.server.stats.in_flight)
        await clock().advance(3500)
        assert not asking.done()
        await clock().advance(101)
        assert (await asking).version


async def test_a_server_that_refuses_for_good_is_said_to_be_unavailable(backend: Backend, remote: FlyteRemote) -> None:
    backend.misbehave(Fault(method="GetVersion", details="closed for stocktaking"))
    with pytest.raises(FlyteSystemUnavailableException, match="closed for stocktaking"):
        await remote.ping()
