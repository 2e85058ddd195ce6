"""Random sequences of events against the server, and against a small model of what flyteadmin makes of them."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from flyteasync.idl import admin, core, methods
from flyteasync.server import Server, ServerConfig
from tests.server.build import node, task, workflow
from tests.server.client import Client, RpcFailed
from tests.server.events import (
    E1,
    NodePhase,
    TaskPhase,
    WorkflowPhase,
    at,
    attempt_id,
    get_node,
    node_event,
    send,
    task_event,
    workflow_event,
)
from tests.server.model import NODE_ENDS, OK, TASK_ENDS, WORKFLOW_ENDS, Answer, Model
from tests.support.loop import WarpLoop

names = st.sampled_from(["x", "y"])
producers = st.sampled_from(["", "", "", "propeller", "far"])
workflow_phases = st.sampled_from([phase.name for phase in WorkflowPhase if phase.name != "ABORTING"])
steps = st.one_of(
    st.tuples(st.just("terminate")),
    st.tuples(st.just("workflow"), workflow_phases, producers),
    st.tuples(st.just("node"), names, st.sampled_from([phase.name for phase in NodePhase]), producers),
    st.tuples(
        st.just("task"),
        names,
        st.integers(0, 1),
        st.sampled_from([phase.name for phase in TaskPhase]),
        st.integers(0, 1),
        producers,
    ),
)


def expect(model: Model, step: tuple[Any, ...], when: datetime) -> Answer:
    match step:
        case ("workflow", phase, producer):
            return model.on_workflow(phase, when, producer)
        case ("node", name, phase, producer):
            return model.on_node(name, phase, when, producer)
        case ("task", name, attempt, phase, version, producer):
            return model.on_task((name, attempt), phase, version, when, producer)
        case _:
            return model.terminate()


async def perform(client: Client, step: tuple[Any, ...], seconds: int) -> Answer:
    try:
        match step:
            case ("workflow", phase, producer):
                await send(client, workflow_event(WorkflowPhase[phase], seconds, producer_id=producer))
            case ("node", name, phase, producer):
                await send(client, node_event(name, NodePhase[phase], seconds, producer_id=producer))
            case ("task", name, attempt, phase, version, producer):
                fields = {"retry_attempt": attempt, "phase_version": version, "producer_id": producer}
                await send(client, task_event(name, TaskPhase[phase], seconds, **fields))
            case _:
                await client.call(methods.TERMINATE_EXECUTION, admin.ExecutionTerminateRequest(id=E1))
    except RpcFailed as failure:
        return failure.status, _named(failure.details)
    return OK


def _named(details: list[Any]) -> str | None:
    if not details:
        return None
    [reason] = details
    if reason.incompatible_cluster is not None:
        return reason.incompatible_cluster.cluster
    return reason.already_in_terminal_state.current_phase


def _times(closure: Any) -> tuple[Any, ...]:
    return closure.phase.name, closure.started_at, closure.updated_at, closure.duration


async def agree(sequence: list[tuple[Any, ...]]) -> None:
    async with Server(ServerConfig(unregistered="hang", abort_delay=1000)) as server:
        client = Client(server.endpoint, server)
        try:
            await client.launch(await client.register(workflow("wf", [node("n0", "t")]), [task("t")]), "e1")
            await client.node(E1, "n0", NodePhase.RUNNING)
            model = Model()
            closure: Any = (await client.get(E1)).closure
            model.execution.started, model.execution.updated = closure.started_at, closure.updated_at
            for seconds, step in enumerate(sequence):
                assert await perform(client, step, seconds) == expect(model, step, at(seconds)), step
                await compare(client, model)
        finally:
            await client.aclose()


async def compare(client: Client, model: Model) -> None:
    assert _times((await client.get(E1)).closure) == model.execution.times
    for name, record in model.nodes.items():
        assert _times((await get_node(client, name)).closure) == record.times
    for (name, attempt), record in model.attempts.items():
        request = admin.TaskExecutionGetRequest(id=attempt_id(name, attempt))
        found = await client.call(methods.GET_TASK_EXECUTION, request)
        assert _times(found.closure) == record.times
    request = admin.NodeExecutionListRequest(workflow_execution_id=E1, limit=50, filters="value_in(node_id,x;y)")
    listed = (await client.call(methods.LIST_NODE_EXECUTIONS, request)).node_executions
    assert {item.id.node_id for item in listed} == set(model.nodes)


@settings(max_examples=60, deadline=None)
@given(st.lists(steps, max_size=30))
def test_the_server_and_the_model_agree_on_any_sequence_of_events(sequence: list[tuple[Any, ...]]) -> None:
    with asyncio.Runner(loop_factory=WarpLoop) as runner:
        runner.run(agree(sequence))


def test_the_model_knows_all_phases() -> None:
    for phases, ends in [(WorkflowPhase, WORKFLOW_ENDS), (NodePhase, NODE_ENDS), (TaskPhase, TASK_ENDS)]:
        assert ends < {phase.name for phase in phases}
    assert {phase.name for phase in core.WorkflowExecutionPhase} - WORKFLOW_ENDS == {
        "UNDEFINED", "QUEUED", "RUNNING", "SUCCEEDING", "FAILING", "ABORTING",
    }  # fmt: skip
