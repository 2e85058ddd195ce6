"""A thousand syncs of node trees at once in one loop."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc

import pytest

from flyteasync import FlyteNodeExecution, FlyteRemote, FlyteWorkflowExecution
from flyteasync.literals import LiteralsResolver
from tests.support.backend import Backend
from tests.support.loop import settle

pytestmark = pytest.mark.long

SYNCS, LAUNCHED = 1000, 10


async def launched(backend: Backend) -> list[str]:
    plan = await backend.remote.fetch_launch_plan(name="flaky")
    executions = [await backend.remote.execute(plan, {"key": f"k{index}", "failures": 0}) for index in range(LAUNCHED)]
    await asyncio.gather(*(execution.wait() for execution in executions))
    return [execution.id.name for execution in executions]


async def sync(remote: FlyteRemote, name: str, index: int) -> None:
    execution = await remote.execution(name).sync(sync_nodes=True)
    expected, node = f"k{index % LAUNCHED}", execution.node_executions["n0"]
    assert execution.inputs["key"] == node.inputs["key"] == expected
    assert execution.outputs == node.outputs == node.task_executions[0].outputs == {"o0": expected}


async def sync_all(remote: FlyteRemote, names: list[str]) -> None:
    await asyncio.gather(*(sync(remote, names[index % LAUNCHED], index) for index in range(SYNCS)))


async def alive() -> int:
    """Objects that syncs make, and that nobody has let go of."""
    await settle()
    gc.collect()
    kinds = (FlyteWorkflowExecution, FlyteNodeExecution, LiteralsResolver, asyncio.Task)
    return sum(isinstance(one, kinds) for one in gc.get_objects())


async def test_a_thousand_syncs_at_once_mix_up_nothing_and_leave_nothing(backend: Backend) -> None:
    names = await launched(backend)
    await sync(backend.remote, names[0], 0)
    before = await alive()
    await sync_all(backend.remote, names)
    assert await alive() == before
    assert backend.calls("GetWorkflow") == 1


async def test_memory_returns_to_where_it_was_after_a_thousand_syncs(backend: Backend) -> None:
    names = await launched(backend)
    tracemalloc.start()
    try:
        await sync_all(backend.remote, names)
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        await sync_all(backend.remote, names)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 256 * 1024
