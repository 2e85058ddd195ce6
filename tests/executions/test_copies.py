"""Executions that are pickled or copied: they travel with all that they show, and without their remote."""

from __future__ import annotations

import asyncio
import copy
import gc
import multiprocessing
import pickle
from typing import Any

import pytest

from flyteasync import FlyteRemote, FlyteWorkflowExecution
from flyteasync.errors import FlyteUsageError
from flyteasync.server import Fault
from tests.support.backend import Backend, remote_of
from tests.support.loop import eventually

INPUTS = {"n": 3, "name": "x"}


async def finished(remote: FlyteRemote) -> FlyteWorkflowExecution:
    execution = await remote.execute(await remote.fetch_launch_plan(name="demo.report"), INPUTS, type_hints={"n": int})
    return await execution.wait(sync_nodes=True, poll_interval=0)


async def test_an_execution_travels_with_all_that_it_shows(backend: Backend) -> None:
    execution = await finished(backend.remote)
    travelled: FlyteWorkflowExecution = pickle.loads(pickle.dumps(execution))
    assert travelled == execution
    assert travelled.to_flyte_idl() == execution.to_flyte_idl()
    assert dict(travelled.outputs) == dict(execution.outputs)
    assert dict(travelled.inputs) == INPUTS
    assert travelled.flyte_workflow is not None
    node = travelled.node_executions["n1"]
    assert dict(node.outputs) == {"o0": "hello x"}
    assert node.task_executions[0].task is not None


async def test_an_execution_can_travel_while_its_values_are_loaded(backend: Backend) -> None:
    execution = await backend.remote.execute(await backend.remote.fetch_launch_plan(name="nothing"))
    backend.misbehave(Fault(method="GetExecutionData", kind="hang"))
    waiting = asyncio.ensure_future(execution.wait(poll_interval=0))
    await eventually(lambda: backend.server.stats.hits["GetExecutionData"])
    copied, travelled = copy.copy(execution), pickle.loads(pickle.dumps(execution)).attach(backend.remote)
    waiting.cancel()
    await asyncio.wait([waiting])
    backend.misbehave()
    for other in (copied, travelled):
        waiting = asyncio.ensure_future(other.wait(poll_interval=0))
        await eventually(waiting.done)
        assert (await waiting).is_successful


async def test_it_is_attached_where_it_arrives(backend: Backend) -> None:
    execution = await backend.remote.execute(await backend.remote.fetch_launch_plan(name="hold"), {"name": "x"})
    travelled: FlyteWorkflowExecution = pickle.loads(pickle.dumps(execution))
    assert travelled.execution_url is None
    with pytest.raises(FlyteUsageError, match=r"was made without a remote: give it one, or use `remote\.sync"):
        await travelled.sync()
    assert await backend.remote.sync(travelled) is travelled
    backend.gate.set()
    assert (await travelled.wait(poll_interval=0)).is_successful
    assert not execution.is_done, "each is renewed on its own"


async def test_a_sync_of_what_arrived_replaces_what_it_showed(backend: Backend) -> None:
    """Which of two replies is the later one is told by numbers that every object counts for itself."""
    execution = await backend.remote.execute(await backend.remote.fetch_launch_plan(name="hold"), {"name": "x"})
    for _ in range(3):
        await execution.sync(sync_nodes=True)
    travelled: FlyteWorkflowExecution = pickle.loads(pickle.dumps(execution))
    backend.gate.set()
    await execution.wait(poll_interval=0)
    assert (await backend.remote.sync(travelled, sync_nodes=True)).is_successful
    assert travelled.node_executions["n0"].is_done


def _loaded(data: bytes) -> tuple[str, dict[str, Any]]:
    execution = pickle.loads(data)
    return execution.id.name, dict(execution.outputs)


async def test_another_process_reads_it(backend: Backend) -> None:
    execution = await finished(backend.remote)
    data = pickle.dumps(execution)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        name, outputs = await asyncio.to_thread(pool.apply, _loaded, (data,))
        pool.close()
        await asyncio.to_thread(pool.join)
    gc.collect()
    assert (name, outputs) == (execution.id.name, dict(execution.outputs))


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy])
async def test_a_copy_in_the_same_process_keeps_the_remote(backend: Backend, how: Any) -> None:
    execution = await finished(backend.remote)
    copied: FlyteWorkflowExecution = how({"run": execution} if how is copy.deepcopy else execution)
    copied = copied["run"] if isinstance(copied, dict) else copied
    assert copied is not execution
    assert copied == execution
    assert copied.execution_url == execution.execution_url
    assert (await copied.sync(sync_nodes=True)).is_successful
    if how is copy.deepcopy:
        copied.outputs["total"] = 7
        assert execution.outputs["total"] == 5


async def test_a_remote_is_not_copied(backend: Backend) -> None:
    remote = remote_of("localhost:1")
    for call in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(FlyteUsageError, match="make another one with its `config`"):
            call(remote)
        with pytest.raises(FlyteUsageError, match="make another one"):
            call(backend.remote)
