"""The node tree: what it shows, what it costs, and what one bad node does to it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from flyteasync import FlyteNodeExecution, FlyteRemote, FlyteWorkflowExecution, codec
from flyteasync.errors import FlyteAssertion, FlyteSystemUnavailableException, Status
from flyteasync.executions.sync import CONCURRENCY
from flyteasync.idl import admin, core
from flyteasync.server import Fault
from tests.server import build
from tests.support.backend import LONG_TEXT, Backend, register, remote_of
from tests.support.loop import eventually
from tests.support.wire import Call, Refusal, Relay, Wire

NodePhase = core.NodeExecutionPhase
TaskPhase = core.TaskExecutionPhase

TREE_RPCS = ("ListNodeExecutions", "GetNodeExecutionData", "ListTaskExecutions", "GetTaskExecutionData")


async def finish(backend: Backend, workflow: str, **inputs: Any) -> FlyteWorkflowExecution:
    plan = await backend.remote.fetch_launch_plan(name=workflow)
    return await backend.remote.execute(plan, inputs, wait=True)


def counts(backend: Backend) -> list[int]:
    return [backend.calls(method) for method in TREE_RPCS]


async def test_nodes_have_their_inputs_outputs_and_task_executions(backend: Backend) -> None:
    execution = await finish(backend, "demo.report", n=3, name="x")
    await execution.sync(sync_nodes=True)
    nodes = execution.node_executions
    assert set(nodes) == {"start-node", "n0", "n1", "n2", "end-node"}
    assert all(isinstance(node, FlyteNodeExecution) and node.is_done for node in nodes.values())
    report = nodes["n2"]
    assert report.id.node_id == report.metadata.spec_node_id == "n2"
    assert dict(report.inputs) == {"squares": [0, 1, 4], "greeting": "hello x"}
    assert dict(report.outputs) == {"o0": "hello x: 3 squares", "o1": 5}
    assert report.error is None
    assert dict(report.subworkflow_node_executions) == {}
    (task,) = report.task_executions
    assert task.is_done
    assert task.error is None
    assert task.id.task_id is not None
    assert task.id.task_id.name == "demo.report_lines"
    assert dict(task.inputs) == dict(report.inputs)
    assert dict(task.outputs) == dict(report.outputs)
    assert nodes["start-node"].task_executions == []


async def test_a_tree_costs_one_list_a_level_and_two_questions_a_node(backend: Backend) -> None:
    execution = await finish(backend, "demo.report", n=3, name="x")
    backend.server.stats.reset()
    await execution.sync(sync_nodes=True)
    assert counts(backend) == [1, 4, 3, 0], "the end node's values are the execution's, an attempt's are its node's"
    assert backend.calls("GetExecution") == backend.calls("GetWorkflow") == 1
    assert backend.calls() == 2 + 1 + 4 + 3


async def test_the_workflow_is_read_once_a_connection(backend: Backend) -> None:
    for _ in range(3):
        await (await finish(backend, "demo.report", n=3, name="x")).sync(sync_nodes=True)
    assert backend.calls("GetWorkflow") == 1


async def test_a_second_sync_of_a_finished_tree_asks_for_the_execution_only(backend: Backend) -> None:
    execution = await finish(backend, "demo.report", n=3, name="x")
    await execution.sync(sync_nodes=True)
    nodes = dict(execution.node_executions)
    backend.server.stats.reset()
    await execution.sync(sync_nodes=True)
    assert backend.calls() == backend.calls("GetExecution") == 1
    assert all(execution.node_executions[name] is node for name, node in nodes.items())


async def test_what_was_running_is_read_again_when_it_has_finished(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="hold")
    execution = await backend.remote.execute(plan, {"name": "x"})
    await eventually(lambda: backend.held)
    await execution.sync(sync_nodes=True)
    running = execution.node_executions["n0"]
    assert running.closure.phase == NodePhase.RUNNING
    assert not running.is_done
    assert dict(running.inputs) == {"name": "x"}
    assert running.task_executions[0].closure.phase == TaskPhase.RUNNING
    for read in ("outputs", "error"):
        with pytest.raises(FlyteAssertion, match="Please wait until"):
            getattr(running, read)
    start = execution.node_executions["start-node"]
    backend.gate.set()
    await execution.wait(sync_nodes=True)
    assert execution.node_executions["n0"].outputs["o0"] == "x"
    assert execution.node_executions["start-node"] is start


async def test_a_failed_node_tells_why_in_full(backend: Backend) -> None:
    execution = await finish(backend, "fail", text=LONG_TEXT)
    await execution.sync(sync_nodes=True)
    node = execution.node_executions["n0"]
    assert node.closure.phase == NodePhase.FAILED
    assert node.error is not None
    assert node.error.message.endswith(LONG_TEXT)
    assert dict(node.inputs) == {"text": LONG_TEXT}
    with pytest.raises(FlyteAssertion, match="ended in failure"):
        _ = node.outputs
    (task,) = node.task_executions
    assert task.error is not None
    assert task.error.message.endswith(LONG_TEXT)
    assert "end-node" not in execution.node_executions


async def test_every_attempt_of_a_task_is_there_in_order(backend: Backend) -> None:
    execution = await finish(backend, "flaky", key="k", failures=2)
    assert execution.is_successful
    await execution.sync(sync_nodes=True)
    node = execution.node_executions["n0"]
    attempts = node.task_executions
    assert [attempt.id.retry_attempt for attempt in attempts] == [0, 1, 2]
    assert [attempt.closure.phase for attempt in attempts] == [TaskPhase.FAILED, TaskPhase.FAILED, TaskPhase.SUCCEEDED]
    assert attempts[0].error is not None
    assert "failure 1 of k" in attempts[0].error.message
    with pytest.raises(FlyteAssertion, match="failure 2 of k"):
        _ = attempts[1].outputs
    assert dict(attempts[2].outputs) == dict(node.outputs) == {"o0": "k"}


async def test_nodes_of_an_aborted_execution_tell_that_they_were(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="hold")
    execution = await backend.remote.execute(plan, {"name": "x"})
    await eventually(lambda: backend.held)
    await execution.terminate("enough")
    await execution.wait(sync_nodes=True)
    node = execution.node_executions["n0"]
    assert node.closure.phase == NodePhase.ABORTED
    assert node.error is not None
    assert node.error.message
    assert node.task_executions[0].error is not None


@pytest.mark.parametrize("phase", list(NodePhase), ids=lambda phase: phase.name)
def test_a_node_is_done_in_terminal_phases_only(phase: core.NodeExecutionPhase) -> None:
    node = FlyteNodeExecution(admin.NodeExecution(closure=admin.NodeExecutionClosure(phase=phase)))
    terminal = {"SUCCEEDED", "FAILED", "ABORTED", "SKIPPED", "TIMED_OUT", "RECOVERED"}
    assert node.is_done is (phase.name in terminal)


@pytest.mark.parametrize("phase", ["FAILED", "TIMED_OUT", "ABORTED"])
def test_a_node_that_ended_badly_has_an_error_even_if_its_closure_has_none(phase: str) -> None:
    closure = admin.NodeExecutionClosure(phase=NodePhase[phase])
    assert FlyteNodeExecution(admin.NodeExecution(closure=closure)).error is not None


def test_a_node_that_was_skipped_has_neither_error_nor_outputs() -> None:
    node = FlyteNodeExecution(admin.NodeExecution(closure=admin.NodeExecutionClosure(phase=NodePhase.SKIPPED)))
    assert node.error is None
    with pytest.raises(FlyteAssertion, match="SKIPPED"):
        _ = node.outputs


# What goes wrong ...


@pytest.mark.parametrize("method", ["GetNodeExecutionData", "ListTaskExecutions"])
@pytest.mark.parametrize("status", [Status.NOT_FOUND, Status.INTERNAL], ids=lambda status: status.name)
async def test_one_bad_node_never_loses_the_rest(
    backend: Backend, caplog: pytest.LogCaptureFixture, method: str, status: Status
) -> None:
    launched = await finish(backend, "demo.report", n=3, name="x")
    relay = Relay(backend.server.endpoint)

    async def answer(call: Call) -> bytes:
        if call.method == method and b"n1" in call.payload:
            raise Refusal(status, "bad node")
        return await relay(call)

    async with Wire(answer) as wire, remote_of(wire.endpoint) as remote:
        execution = remote.execution(launched.id.name)
        with caplog.at_level(logging.WARNING, "flyteasync"):
            await execution.sync(sync_nodes=True)
        nodes = execution.node_executions
        assert [name for name, node in nodes.items() if not node.is_loaded] == ["n1"]
        assert {name for name, node in nodes.items() if node.is_loaded} == {"start-node", "n0", "n2", "end-node"}
        assert "bad node" in caplog.text
        if method == "GetNodeExecutionData":
            for read in ("inputs", "outputs"):
                with pytest.raises(FlyteAssertion, match=r"could not be read: .*bad node"):
                    getattr(nodes["n1"], read)
            assert len(nodes["n1"].task_executions) == 1
        else:
            assert nodes["n1"].outputs["o0"] == "hello x"
            assert nodes["n1"].task_executions == []
        wire.answer = relay
        await execution.sync(sync_nodes=True)
        assert execution.node_executions["n1"].outputs["o0"] == "hello x", "it is read again"
        assert len(execution.node_executions["n1"].task_executions) == 1
        assert execution.node_executions["n0"] is nodes["n0"]
    await relay.aclose()


async def test_an_outage_is_no_bad_node(backend: Backend) -> None:
    execution = await finish(backend, "demo.report", n=3, name="x")
    backend.misbehave(Fault(method="GetNodeExecutionData", status=Status.UNAVAILABLE))
    view = backend.remote.with_options(timeout=0.2)
    other = view.execution(execution.id.name)
    with pytest.raises(FlyteSystemUnavailableException, match="GetNodeExecutionData"):
        await other.sync(sync_nodes=True)
    assert not other.node_executions


# Large trees ...

NODES = 230


@pytest.fixture
async def wide() -> AsyncGenerator[tuple[Backend, FlyteRemote, FlyteWorkflowExecution]]:
    """A finished execution with more nodes than a page has."""
    async with Backend(max_workflow_nodes=0, max_parallelism=NODES) as backend:
        template = build.workflow("wide", [build.node(f"n{index}", "nothing") for index in range(NODES)])
        await register(backend.remote, template, [])
        execution = await finish(backend, "wide")
        async with remote_of(backend.server.endpoint) as remote:
            backend.server.stats.reset()
            yield backend, remote, remote.execution(execution.id.name)


async def test_a_level_of_several_pages_is_read_whole(
    wide: tuple[Backend, FlyteRemote, FlyteWorkflowExecution],
) -> None:
    backend, _, execution = wide
    await execution.sync(sync_nodes=True)
    assert set(execution.node_executions) == {"start-node", "end-node", *(f"n{index}" for index in range(NODES))}
    assert all(len(execution.node_executions[f"n{index}"].task_executions) == 1 for index in range(NODES))
    assert backend.calls("ListNodeExecutions") == 2
    assert backend.calls("ListTaskExecutions") == NODES
    assert backend.calls() <= NODES + 6, "the interfaces tell that there are no values"


async def test_so_many_nodes_are_read_at_a_time_and_no_more(
    wide: tuple[Backend, FlyteRemote, FlyteWorkflowExecution],
) -> None:
    backend, remote, execution = wide
    backend.misbehave(Fault(method="ListTaskExecutions", kind="hang"))
    task = asyncio.ensure_future(execution.sync(sync_nodes=True))
    await eventually(lambda: backend.server.stats.in_flight == CONCURRENCY)
    await remote.ping()  # overtakes nothing that was sent before it
    assert backend.server.stats.in_flight == CONCURRENCY
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await eventually(lambda: not backend.server.stats.in_flight)


# Nested nodes ...


def nested(name: str, *, parent: bool = False) -> admin.NodeExecution:
    return admin.NodeExecution(
        id=core.NodeExecutionIdentifier(node_id=name, execution_id=build.execution_id("run")),
        closure=admin.NodeExecutionClosure(phase=NodePhase.SUCCEEDED),
        metadata=admin.NodeExecutionMetaData(spec_node_id=name, is_parent_node=parent),
    )


LEVELS = {
    "": [nested("n0", parent=True), nested("n1")],
    "n0": [nested("n0-0-inner", parent=True)],
    "n0-0-inner": [nested("n0-0-inner-0-leaf")],
}


async def answer_nested(call: Call) -> bytes:
    match call.request:
        case admin.NodeExecutionListRequest(unique_parent_id=parent):
            return codec.encode(admin.NodeExecutionList(node_executions=LEVELS[parent]))
        case admin.WorkflowExecutionGetRequest(id=identifier):
            return codec.encode(admin.Execution(id=identifier, closure=admin.ExecutionClosure()))
        case _:
            return b""


async def test_what_is_below_a_node_is_read_level_by_level() -> None:
    async with Wire(answer_nested) as wire, remote_of(wire.endpoint) as remote:
        execution = await remote.execution("run").sync(sync_nodes=True)
        parent = execution.node_executions["n0"]
        inner = parent.subworkflow_node_executions["n0-0-inner"]
        assert set(inner.subworkflow_node_executions) == {"n0-0-inner-0-leaf"}
        assert execution.node_executions["n1"].subworkflow_node_executions == {}
        assert wire.methods.count("ListNodeExecutions") == 3
        tasks_asked = {c.request.node_execution_id.node_id for c in wire.calls if c.method == "ListTaskExecutions"}
        assert tasks_asked == {"n0-0-inner-0-leaf", "n1"}, "parents have no tasks"
        wire.calls.clear()
        await execution.sync(sync_nodes=True)
        assert wire.methods == ["GetExecution", "ListNodeExecutions"]
        assert execution.node_executions["n0"] is parent
