"""A thousand syncs in one loop: nothing is mixed up, and nothing stays behind."""

from __future__ import annotations

import asyncio
import gc
import random
import weakref
from collections import Counter
from collections.abc import AsyncGenerator

import pytest

from flyteasync import CallOptions, FlyteRemote, FlyteWorkflowExecution, LiteralsResolver, codec
from flyteasync.codec import Message
from flyteasync.executions import FlyteNodeExecution, FlyteTaskExecution
from flyteasync.idl import admin, core
from tests.server.build import execution_id, identifier, literal
from tests.support.backend import remote_of
from tests.support.loop import settle
from tests.support.wire import Call, Wire

SYNCS = 1000
TREES = 100
NODES = ("n0", "n1", "n2")
KINDS: tuple[type, ...] = (
    FlyteWorkflowExecution,
    FlyteNodeExecution,
    FlyteTaskExecution,
    LiteralsResolver,
    Message,
    asyncio.Task,
)


def named(**values: str) -> core.LiteralMap:
    return core.LiteralMap(literals={name: literal(value) for name, value in values.items()})


def node(execution: core.WorkflowExecutionIdentifier, name: str) -> admin.NodeExecution:
    return admin.NodeExecution(
        id=core.NodeExecutionIdentifier(node_id=name, execution_id=execution),
        closure=admin.NodeExecutionClosure(phase=core.NodeExecutionPhase.SUCCEEDED),
        metadata=admin.NodeExecutionMetaData(spec_node_id=name),
    )


def attempt(node_id: core.NodeExecutionIdentifier) -> admin.TaskExecution:
    task = identifier("t", core.ResourceType.TASK)
    return admin.TaskExecution(
        id=core.TaskExecutionIdentifier(task_id=task, node_execution_id=node_id),
        closure=admin.TaskExecutionClosure(phase=core.TaskExecutionPhase.SUCCEEDED),
    )


def reply(call: Call) -> Message:
    """What a server answers on which every execution, node and attempt has outputs with its own name."""
    match call.request:
        case admin.WorkflowExecutionGetRequest(id=execution):
            closure = admin.ExecutionClosure(phase=core.WorkflowExecutionPhase.SUCCEEDED)
            return admin.Execution(id=execution, closure=closure)
        case admin.WorkflowExecutionGetDataRequest(id=execution) if execution is not None:
            values = named(name=execution.name)
            return admin.WorkflowExecutionGetDataResponse(full_inputs=values, full_outputs=values)
        case admin.NodeExecutionListRequest(workflow_execution_id=execution) if execution is not None:
            return admin.NodeExecutionList(node_executions=[node(execution, name) for name in NODES])
        case admin.NodeExecutionGetDataRequest(id=node_id) if node_id is not None and node_id.execution_id is not None:
            values = named(name=node_id.execution_id.name, node=node_id.node_id)
            return admin.NodeExecutionGetDataResponse(full_inputs=values, full_outputs=values)
        case admin.TaskExecutionListRequest(node_execution_id=node_id) if node_id is not None:
            return admin.TaskExecutionList(task_executions=[attempt(node_id)])
        case admin.TaskExecutionGetDataRequest(id=task_id) if task_id is not None:
            node_id = task_id.node_execution_id
            assert node_id is not None
            assert node_id.execution_id is not None
            values = named(name=node_id.execution_id.name, task=node_id.node_id)
            return admin.TaskExecutionGetDataResponse(full_inputs=values, full_outputs=values)
        case request:
            raise AssertionError(f"nobody should ask {request}")


async def answer(call: Call) -> bytes:
    """Answer out of turn."""
    payload = codec.encode(reply(call))
    for _ in range(random.randrange(4)):
        await asyncio.sleep(0)
    return payload


@pytest.fixture
async def remote() -> AsyncGenerator[FlyteRemote]:
    # A thousand at once take longer than one call else may, where other programs run, too.
    async with Wire(answer) as wire, remote_of(wire.endpoint, options=CallOptions(timeout=50.0)) as made:
        yield made


def alive() -> Counter[str]:
    """How many objects there are of each kind that a sync makes, by class."""
    gc.collect()
    return Counter(type(one).__name__ for one in gc.get_objects() if isinstance(one, KINDS))


def check(execution: FlyteWorkflowExecution, name: str, *, nodes: bool) -> None:
    assert execution.id == execution_id(name)
    assert execution.is_successful
    assert execution.inputs == execution.outputs == {"name": name}
    assert set(execution.node_executions) == (set(NODES) if nodes else set())
    for node_id, found in execution.node_executions.items():
        assert found.id == core.NodeExecutionIdentifier(node_id=node_id, execution_id=execution.id)
        assert found.inputs == found.outputs == {"name": name, "node": node_id}
        (task,) = found.task_executions
        assert task.id.node_execution_id == found.id
        assert task.inputs == task.outputs == {"name": name, "task": node_id}


@pytest.mark.parametrize(("count", "nodes"), [(SYNCS, False), (TREES, True)], ids=["executions", "trees"])
async def test_concurrent_syncs_mix_up_nothing_and_leave_nothing(remote: FlyteRemote, count: int, nodes: bool) -> None:
    async def sync(name: str) -> FlyteWorkflowExecution:
        return await remote.execution(name).sync(sync_nodes=nodes)

    names = [f"e{index}" for index in range(count)]
    check(await sync("first"), "first", nodes=nodes)
    await settle()
    before = alive()
    executions = await asyncio.gather(*map(sync, names))
    for index, name in enumerate(names):
        check(executions[index], name, nodes=nodes)
    assert (alive() - before)["FlyteWorkflowExecution"] == count
    gone = [weakref.ref(execution) for execution in executions]
    del executions
    await settle()
    assert not any(reference() for reference in gone)
    assert alive() - before == Counter(), "what stays behind, by class"


async def test_concurrent_syncs_of_one_execution_leave_one_snapshot(remote: FlyteRemote) -> None:
    execution = remote.execution("e")
    await execution.sync(sync_nodes=True)
    check(await execution.sync(), "e", nodes=True)
    await settle()
    before = alive()
    await asyncio.gather(*(execution.sync() for _ in range(SYNCS)))
    check(execution, "e", nodes=True)
    await settle()
    assert alive() - before == Counter(), "what stays behind, by class"
