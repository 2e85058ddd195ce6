"""Node and task executions: reading and listing them."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest

from flyteasync.errors import Status
from flyteasync.idl import admin, core, methods
from tests.server.build import execution_id, identifier, node, promise, task, values, workflow
from tests.server.client import Client
from tests.server.conftest import Connect

NodePhase = core.NodeExecutionPhase
TaskPhase = core.TaskExecutionPhase
E1 = execution_id("e1")
T = identifier("t", core.ResourceType.TASK)


def node_id(name: str = "n0", execution: core.WorkflowExecutionIdentifier | None = E1) -> core.NodeExecutionIdentifier:
    return core.NodeExecutionIdentifier(node_id=name, execution_id=execution)


def attempt_id(number: int = 0, name: str = "n0", task_id: core.Identifier | None = T) -> core.TaskExecutionIdentifier:
    return core.TaskExecutionIdentifier(task_id=task_id, node_execution_id=node_id(name), retry_attempt=number)


async def with_execution(connect: Connect, handler: Any, *, retries: int = 0, wait: bool = True) -> Client:
    """A server with the execution `e1` of two nodes that double their input with this handler."""
    client: Client = await connect({"t": handler})
    plan = await client.register(
        workflow(
            "wf",
            [node("n0", "t", {"x": promise("x")}), node("n1", "t", {"x": promise("n0.o0")})],
            {"x": int},
            {"o0": (int, promise("n1.o0"))},
        ),
        [task("t", {"x": int}, {"o0": int}, retries=retries)],
    )
    await client.launch(plan, "e1", {"x": 3})
    if wait:
        await client.finish(E1)
    return client


def double(x: int) -> int:
    return 2 * x


async def test_every_node_has_an_execution_with_its_id_in_the_workflow(connect: Connect) -> None:
    client = await with_execution(connect, double)
    nodes = await client.nodes(E1)
    assert list(nodes) == ["start-node", "n0", "n1", "end-node"]
    assert {name: item.id.node_id for name, item in nodes.items()} == {name: name for name in nodes}
    assert all(item.closure.phase == NodePhase.SUCCEEDED for item in nodes.values())
    assert not any(item.metadata.is_parent_node for item in nodes.values())


async def test_start_and_end_node_carry_the_workflows_inputs_and_outputs(connect: Connect) -> None:
    client = await with_execution(connect, double)
    nodes = await client.nodes(E1)
    start, end = nodes["start-node"], nodes["end-node"]
    assert start.input_uri == ""
    assert start.closure.output_uri
    assert (start.closure.started_at, start.closure.duration) == (None, None)
    assert end.input_uri
    assert end.closure.output_uri
    for name, expected in [("start-node", {"x": 3}), ("end-node", {"o0": 12})]:
        reply = await client.call(methods.GET_NODE_EXECUTION_DATA, admin.NodeExecutionGetDataRequest(id=node_id(name)))
        assert values(reply.full_outputs) == expected


async def test_a_node_has_times_inputs_and_outputs(connect: Connect) -> None:
    client = await with_execution(connect, double)
    found = await client.call(methods.GET_NODE_EXECUTION, admin.NodeExecutionGetRequest(id=node_id("n1")))
    closure = found.closure
    assert closure.created_at <= closure.started_at <= closure.updated_at
    assert closure.duration == closure.updated_at - closure.started_at
    assert found.input_uri.endswith("/n1/data/inputs.pb")
    assert closure.output_uri.endswith("/n1/data/0/outputs.pb")
    reply = await client.call(methods.GET_NODE_EXECUTION_DATA, admin.NodeExecutionGetDataRequest(id=node_id("n1")))
    assert (values(reply.full_inputs), values(reply.full_outputs)) == ({"x": 6}, {"o0": 12})
    base = "flyte://v1/flytesnacks/development/e1/n1"
    assert reply.flyte_urls == admin.FlyteUrLs(inputs=f"{base}/i", outputs=f"{base}/o")


async def test_a_task_execution_has_times_inputs_and_outputs(connect: Connect) -> None:
    client = await with_execution(connect, double)
    [attempt] = await client.attempts(E1, "n1")
    assert attempt.id == attempt_id(name="n1")
    closure = attempt.closure
    assert (closure.phase, closure.task_type) == (TaskPhase.SUCCEEDED, "python-task")
    assert closure.created_at <= closure.started_at <= closure.updated_at
    assert closure.duration == closure.updated_at - closure.started_at
    found = await client.call(methods.GET_TASK_EXECUTION, admin.TaskExecutionGetRequest(id=attempt.id))
    assert found == attempt
    reply = await client.call(methods.GET_TASK_EXECUTION_DATA, admin.TaskExecutionGetDataRequest(id=attempt.id))
    assert (values(reply.full_inputs), values(reply.full_outputs)) == ({"x": 6}, {"o0": 12})
    base = "flyte://v1/flytesnacks/development/e1/n1/0"
    assert reply.flyte_urls == admin.FlyteUrLs(inputs=f"{base}/i", outputs=f"{base}/o")


async def test_the_type_of_a_task_executions_task_may_be_left_out(connect: Connect) -> None:
    client = await with_execution(connect, double)
    untyped = dataclasses.replace(T, resource_type=core.ResourceType.UNSPECIFIED)
    request = admin.TaskExecutionGetRequest(id=attempt_id(task_id=untyped))
    assert (await client.call(methods.GET_TASK_EXECUTION, request)).id == attempt_id()


async def test_a_running_node_has_inputs_and_a_running_attempt(connect: Connect) -> None:
    async def hang(x: int) -> int:
        return await asyncio.get_running_loop().create_future()

    client = await with_execution(connect, hang, wait=False)
    running = await client.node(E1, "n0")
    assert (running.closure.phase, running.closure.duration) == (NodePhase.RUNNING, None)
    [attempt] = await client.attempts(E1, "n0")
    assert attempt.closure.phase == TaskPhase.RUNNING
    reply = await client.call(methods.GET_NODE_EXECUTION_DATA, admin.NodeExecutionGetDataRequest(id=node_id()))
    assert (values(reply.full_inputs), values(reply.full_outputs)) == ({"x": 3}, {})
    assert reply.full_outputs is not None
    # What has not been reached has no execution.
    assert list(await client.nodes(E1)) == ["start-node", "n0"]


async def test_lists_of_nodes_cut_error_messages_and_lists_of_attempts_do_not(connect: Connect) -> None:
    def fail(x: int) -> int:
        raise ValueError("y" * 300)

    client = await with_execution(connect, fail)
    [listed] = [item for name, item in (await client.nodes(E1)).items() if name == "n0"]
    assert len(listed.closure.error.message) == 100
    whole = await client.call(methods.GET_NODE_EXECUTION, admin.NodeExecutionGetRequest(id=node_id()))
    assert len(whole.closure.error.message) > 300
    [attempt] = await client.attempts(E1, "n0")
    assert len(attempt.closure.error.message) > 300


async def test_node_executions_are_filtered_sorted_and_paged(connect: Connect) -> None:
    client = await with_execution(connect, double)

    async def listed(**fields: Any) -> tuple[list[str], str]:
        request = admin.NodeExecutionListRequest(**{"workflow_execution_id": E1, "limit": 10, **fields})
        reply = await client.call(methods.LIST_NODE_EXECUTIONS, request)
        return [item.id.node_id for item in reply.node_executions], reply.token

    newest = admin.Sort(key="created_at")
    assert await listed(filters="eq(node_id,n1)") == (["n1"], "")
    assert await listed(filters="eq(phase,SUCCEEDED)+contains(node_id,n_)", sort_by=newest) == (
        ["end-node", "n1", "n0", "start-node"],
        "",
    )
    assert await listed(filters="eq(execution.phase,SUCCEEDED)", limit=2) == (["start-node", "n0"], "2")
    assert await listed(filters="eq(execution.phase,FAILED)") == ([], "")
    assert await listed(limit=3, token="2") == (["n1", "end-node"], "")
    assert await listed(workflow_execution_id=execution_id("nope")) == ([], "")


@pytest.mark.parametrize(
    ("fields", "status", "text"),
    [
        ({"workflow_execution_id": None}, Status.INVALID_ARGUMENT, "missing execution_id"),
        (
            {"workflow_execution_id": core.WorkflowExecutionIdentifier(project="p")},
            Status.INVALID_ARGUMENT,
            "missing execution_id",
        ),
        ({"limit": 0}, Status.INVALID_ARGUMENT, "invalid value for limit"),
        ({"filters": "eq(name,x)"}, Status.INVALID_ARGUMENT, "'ne.name' is invalid filter"),
        (
            {"filters": "eq(execution.project,x)"},
            Status.INVALID_ARGUMENT,
            "'e.project' is invalid filter",
        ),
        ({"sort_by": admin.Sort(key="name")}, Status.INVALID_ARGUMENT, "invalid sort key 'name'"),
        ({"token": "x"}, Status.INVALID_ARGUMENT, "invalid pagination token x for ListNodeExecutions"),
        (
            {"unique_parent_id": "n9"},
            Status.NOT_FOUND,
            'missing entity of type node execution with identifier node_id:"n9" execution_id:{project:"flytesnacks" '
            'domain:"development" name:"e1"}',
        ),
    ],
)
async def test_a_bad_list_of_nodes_is_rejected(
    connect: Connect, fields: dict[str, Any], status: Status, text: str
) -> None:
    client = await with_execution(connect, double)
    request = admin.NodeExecutionListRequest(**{"workflow_execution_id": E1, "limit": 1, **fields})
    failure = await client.fails(methods.LIST_NODE_EXECUTIONS, request)
    assert (failure.status, failure.text) == (status, text)


async def test_a_node_without_children_has_an_empty_level_below_it(connect: Connect) -> None:
    client = await with_execution(connect, double)
    request = admin.NodeExecutionListRequest(workflow_execution_id=E1, limit=1, unique_parent_id="n0")
    assert (await client.call(methods.LIST_NODE_EXECUTIONS, request)).node_executions == []


async def test_attempts_are_filtered_and_sorted(connect: Connect) -> None:
    def fail(x: int) -> int:
        raise ValueError

    client = await with_execution(connect, fail, retries=2)

    async def listed(filters: str = "", **fields: Any) -> list[int]:
        request = admin.TaskExecutionListRequest(node_execution_id=node_id(), limit=10, filters=filters, **fields)
        reply = await client.call(methods.LIST_TASK_EXECUTIONS, request)
        return [item.id.retry_attempt for item in reply.task_executions]

    assert await listed() == [0, 1, 2]
    assert await listed("gt(retry_attempt,0)", sort_by=admin.Sort(key="retry_attempt")) == [2, 1]
    # The three short names mean the execution, the task has to be named.
    assert await listed("eq(name,e1)+eq(project,flytesnacks)") == [0, 1, 2]
    assert await listed("eq(name,t)") == []
    assert await listed("eq(task.name,t)") == [0, 1, 2]
    assert await listed("eq(execution.phase,FAILED)+eq(node_execution.phase,FAILED)") == [0, 1, 2]
    assert await listed("eq(execution.phase,RUNNING)") == []


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"node_execution_id": None}, "missing id"),
        ({"node_execution_id": node_id(execution=None)}, "missing execution_id"),
        ({"node_execution_id": node_id("")}, "missing node_id"),
        ({"limit": 0}, "invalid value for limit"),
        ({"filters": "x"}, "invalid value for filters"),
        ({"token": "x"}, "invalid pagination token x for ListTaskExecutions"),
    ],
)
async def test_a_bad_list_of_attempts_is_rejected(connect: Connect, fields: dict[str, Any], text: str) -> None:
    client = await connect()
    request = admin.TaskExecutionListRequest(**{"node_execution_id": node_id(), "limit": 1, **fields})
    failure = await client.fails(methods.LIST_TASK_EXECUTIONS, request)
    assert (failure.status, failure.text) == (Status.INVALID_ARGUMENT, text)


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        (methods.GET_NODE_EXECUTION, admin.NodeExecutionGetRequest),
        (methods.GET_NODE_EXECUTION_DATA, admin.NodeExecutionGetDataRequest),
    ],
)
async def test_a_bad_or_unknown_id_of_a_node_is_rejected(
    connect: Connect, method: methods.Method[Any, Any], request_: Any
) -> None:
    client = await connect()
    for bad, text in [
        (None, "missing id"),
        (node_id(execution=None), "missing execution_id"),
        (node_id(""), "missing node_id"),
        (node_id(execution=dataclasses.replace(E1, name="")), "missing name"),
    ]:
        failure = await client.fails(method, request_(id=bad))
        assert (failure.status, failure.text) == (Status.INVALID_ARGUMENT, text)
    failure = await client.fails(method, request_(id=node_id("n9")))
    assert (failure.status, failure.text) == (
        Status.NOT_FOUND,
        'missing entity of type node execution with identifier node_id:"n9" execution_id:{project:"flytesnacks" '
        'domain:"development" name:"e1"}',
    )


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        (methods.GET_TASK_EXECUTION, admin.TaskExecutionGetRequest),
        (methods.GET_TASK_EXECUTION_DATA, admin.TaskExecutionGetDataRequest),
    ],
)
async def test_a_bad_or_unknown_id_of_an_attempt_is_rejected(
    connect: Connect, method: methods.Method[Any, Any], request_: Any
) -> None:
    client = await connect()
    wrong = identifier("t", core.ResourceType.WORKFLOW)
    for bad, text in [
        (None, "missing id"),
        (core.TaskExecutionIdentifier(task_id=T), "missing node_execution_id"),
        (attempt_id(name=""), "missing node_id"),
        (attempt_id(task_id=None), "missing task_id"),
        (attempt_id(task_id=dataclasses.replace(T, version="")), "missing version"),
        (attempt_id(task_id=wrong), "unexpected resource type workflow for identifier ["),
    ]:
        failure = await client.fails(method, request_(id=bad))
        assert failure.status == Status.INVALID_ARGUMENT
        assert failure.text.startswith(text)
    failure = await client.fails(method, request_(id=attempt_id(3)))
    assert failure.status == Status.NOT_FOUND
    assert failure.text.startswith("missing entity of type task execution with identifier task_id:{")
