"""Random sequences of events against the server, and against a small model of what flyteadmin makes of them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from flyteasync.errors import Status
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

WORKFLOW_ENDS = {"SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT"}
NODE_ENDS = {"SUCCEEDED", "FAILED", "ABORTED", "SKIPPED", "TIMED_OUT", "RECOVERED"}
TASK_ENDS = {"SUCCEEDED", "FAILED", "ABORTED"}

Answer = tuple[Status, str | None]
"""A status, and the phase or cluster that the detail names."""

OK: Answer = (Status.OK, None)


@dataclass
class Record:
    """What is kept of an execution, a node or an attempt."""

    phase: str
    version: int = 0
    started: datetime | None = None
    updated: datetime | None = None
    ended: datetime | None = None

    def come_into(self, phase: str, when: datetime, ends: set[str], *, restart: bool) -> None:
        self.phase, self.updated = phase, when
        if phase == "RUNNING" and (restart or self.started is None):
            self.started = when
        if phase in ends:
            self.ended = when

    @property
    def times(self) -> tuple[Any, ...]:
        duration = None if self.ended is None or self.started is None else self.ended - self.started
        return self.phase, self.started, self.updated, duration


@dataclass
class Model:
    """One execution that is RUNNING."""

    execution: Record = field(default_factory=lambda: Record("RUNNING"))
    cluster: str = ""
    nodes: dict[str, Record] = field(default_factory=dict[str, Record])
    attempts: dict[tuple[str, int], Record] = field(default_factory=dict[tuple[str, int], Record])

    def terminate(self) -> Answer:
        if self.execution.phase in WORKFLOW_ENDS:
            return Status.FAILED_PRECONDITION, self.execution.phase
        self.execution.phase = "ABORTING"
        return OK

    def on_workflow(self, phase: str, when: datetime, producer: str) -> Answer:
        now = self.execution
        if phase != "QUEUED":
            if phase == now.phase:
                return Status.ALREADY_EXISTS, None
            if producer not in ("", "propeller", self.cluster):
                return Status.FAILED_PRECONDITION, producer
        if now.phase in WORKFLOW_ENDS:
            return Status.FAILED_PRECONDITION, now.phase
        if (now.phase, phase) == ("RUNNING", "QUEUED") or (now.phase == "ABORTING" and phase not in WORKFLOW_ENDS):
            return Status.FAILED_PRECONDITION, None
        if phase == "QUEUED" and producer not in ("", "propeller"):
            self.cluster = producer
        now.come_into(phase, when, WORKFLOW_ENDS, restart=True)
        return OK

    def on_node(self, name: str, phase: str, when: datetime, producer: str) -> Answer:
        if producer not in ("", "propeller", self.cluster):
            return Status.FAILED_PRECONDITION, producer
        now = self.nodes.get(name)
        if now is None:
            now = self.nodes[name] = Record(phase)
        elif now.phase == phase:
            return Status.ALREADY_EXISTS, None
        elif now.phase in NODE_ENDS:
            return Status.FAILED_PRECONDITION, phase
        now.come_into(phase, when, NODE_ENDS, restart=True)
        return OK

    def on_task(self, key: tuple[str, int], phase: str, version: int, when: datetime, producer: str) -> Answer:
        if producer not in ("", "propeller", self.cluster):
            return Status.FAILED_PRECONDITION, producer
        now = self.attempts.get(key)
        if now is None:
            if key[0] not in self.nodes:
                return Status.NOT_FOUND, None
            now = self.attempts[key] = Record(phase)
        elif now.phase == phase and now.version >= version:
            return Status.ALREADY_EXISTS, None
        elif now.phase in TASK_ENDS:
            return Status.FAILED_PRECONDITION, phase
        now.version = version
        now.come_into(phase, when, TASK_ENDS, restart=False)
        return OK


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
            closure = (await client.get(E1)).closure
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
    asyncio.run(agree(sequence))


def test_the_model_knows_all_phases() -> None:
    for phases, ends in [(WorkflowPhase, WORKFLOW_ENDS), (NodePhase, NODE_ENDS), (TaskPhase, TASK_ENDS)]:
        assert ends < {phase.name for phase in phases}
    assert {phase.name for phase in core.WorkflowExecutionPhase} - WORKFLOW_ENDS == {
        "UNDEFINED", "QUEUED", "RUNNING", "SUCCEEDING", "FAILING", "ABORTING",
    }  # fmt: skip
