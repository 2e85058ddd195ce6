"""Time limits and `terminate_on_cancel`: which of them abort the execution."""

from __future__ import annotations

import asyncio

import pytest

from flyteasync import FlyteWorkflowExecution
from flyteasync.idl import core
from tests.support.backend import Backend
from tests.support.loop import eventually

Phase = core.WorkflowExecutionPhase


async def _around(execution: FlyteWorkflowExecution) -> None:
    async with asyncio.timeout(0.2), execution.terminate_on_cancel():
        await execution.wait()


async def _inside(execution: FlyteWorkflowExecution) -> None:
    async with execution.terminate_on_cancel(), asyncio.timeout(0.2):
        await execution.wait()


async def _own(execution: FlyteWorkflowExecution) -> None:
    async with execution.terminate_on_cancel():
        await execution.wait(timeout=0.2)


@pytest.mark.parametrize(
    ("wait", "aborts"), [(_around, True), (_inside, False), (_own, False)], ids=["around", "inside", "own"]
)
async def test_a_time_limit_aborts_only_if_it_is_around_the_block(backend: Backend, wait: object, aborts: bool) -> None:
    assert callable(wait)
    execution = await backend.remote.execute(await backend.remote.fetch_launch_plan(name="hold"), {"name": "x"})
    await eventually(lambda: backend.held)
    with pytest.raises(TimeoutError):
        await wait(execution)
    assert backend.calls("TerminateExecution") == aborts
    phase = (await execution.sync()).closure.phase
    assert (phase in (Phase.ABORTING, Phase.ABORTED)) is aborts
