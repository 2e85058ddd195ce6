"""Reading, listing, archiving and ending executions."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from typing import Any

import pytest

from flyteasync.errors import Status
from flyteasync.idl import admin, core, methods
from tests.server.build import (
    DOMAIN,
    PROJECT,
    execution_id,
    identifier,
    node,
    promise,
    task,
    values,
    workflow,
)
from tests.server.client import Client
from tests.server.conftest import Connect
from tests.support.loop import clock

Phase = core.WorkflowExecutionPhase
PLAN = identifier("wf", core.ResourceType.LAUNCH_PLAN)
SCOPE = admin.NamedEntityIdentifier(project=PROJECT, domain=DOMAIN)
ASCENDING = admin.SortDirection.ASCENDING


class Boom(Exception):
    pass


async def with_executions(connect: Connect, *names: str, **settings: Any) -> Client:
    """A server whose workflow `wf` succeeds, fails with a long text or hangs, as its input says."""

    async def work(do: str) -> str:
        if do == "hang":
            await asyncio.get_running_loop().create_future()
        if do == "fail":
            raise Boom("€" * 60)
        return do.upper()

    client: Client = await connect({"t": work}, **settings)
    template = workflow("wf", [node("n0", "t", {"do": promise("do")})], {"do": str}, {"o0": (str, promise("n0.o0"))})
    await client.register(template, [task("t", {"do": str}, {"o0": str})])
    for name in names:
        await client.launch(PLAN, name, {"do": name.partition("-")[0]})
    for name in names:
        if not name.startswith("hang"):
            await client.finish(execution_id(name))
        else:
            await client.node(execution_id(name), "n0")
    return client


async def listed(client: Client, filters: str = "", **fields: Any) -> list[str]:
    request = admin.ResourceListRequest(**{"id": SCOPE, "limit": 100, "filters": filters, **fields})
    reply = await client.call(methods.LIST_EXECUTIONS, request)
    return [item.id.name for item in reply.executions]


async def terminate(client: Client, name: str, cause: str = "") -> None:
    await client.call(methods.TERMINATE_EXECUTION, admin.ExecutionTerminateRequest(id=execution_id(name), cause=cause))


async def archive(client: Client, name: str, state: int = 1) -> None:
    request = admin.ExecutionUpdateRequest(id=execution_id(name), state=admin.ExecutionState(state))
    await client.call(methods.UPDATE_EXECUTION, request)


BY_ID = [
    (methods.GET_EXECUTION, admin.WorkflowExecutionGetRequest),
    (methods.GET_EXECUTION_DATA, admin.WorkflowExecutionGetDataRequest),
    (methods.UPDATE_EXECUTION, admin.ExecutionUpdateRequest),
    (methods.TERMINATE_EXECUTION, admin.ExecutionTerminateRequest),
]


@pytest.mark.parametrize(("method", "request_"), BY_ID)
async def test_an_incomplete_id_is_rejected_and_an_unknown_one_not_found(
    connect: Connect, method: methods.Method[Any, Any], request_: Any
) -> None:
    client = await connect()
    whole = execution_id("nope")
    for bad, text in [
        (None, "missing id"),
        (dataclasses.replace(whole, project=""), "missing project"),
        (dataclasses.replace(whole, domain=""), "missing domain"),
        (dataclasses.replace(whole, name=""), "missing name"),
    ]:
        failure = await client.fails(method, request_(id=bad))
        assert (failure.status, failure.text) == (Status.INVALID_ARGUMENT, text)
    failure = await client.fails(method, request_(id=whole))
    assert (failure.status, failure.text, failure.details) == (
        Status.NOT_FOUND,
        'missing entity of type execution with identifier project:"flytesnacks" domain:"development" name:"nope"',
        [],
    )


async def test_a_finished_execution_has_times_and_the_address_of_its_outputs(connect: Connect) -> None:
    client = await with_executions(connect, "good")
    closure = (await client.get(execution_id("good"))).closure
    assert closure.phase == Phase.SUCCEEDED
    assert closure.created_at <= closure.started_at <= closure.updated_at
    assert closure.duration == closure.updated_at - closure.started_at
    assert closure.outputs.uri.endswith("flytesnacks-development-good/end-node/data/0/outputs.pb")
    assert closure.error is None


async def test_data_has_inputs_from_the_start_and_outputs_at_the_end(connect: Connect) -> None:
    client = await with_executions(connect, "good", "fail", "hang")
    for name, outputs in [("good", {"o0": "GOOD"}), ("fail", {}), ("hang", {})]:
        request = admin.WorkflowExecutionGetDataRequest(id=execution_id(name))
        reply = await client.call(methods.GET_EXECUTION_DATA, request)
        assert values(reply.full_inputs) == {"do": name}
        assert values(reply.full_outputs) == outputs
        assert (reply.full_inputs is not None, reply.full_outputs is not None) == (True, True)
        assert (reply.inputs, reply.outputs) == (admin.UrlBlob(), admin.UrlBlob())


async def test_lists_cut_error_messages_at_a_whole_character(connect: Connect) -> None:
    client = await with_executions(connect, "fail")
    request = admin.ResourceListRequest(id=SCOPE, limit=1)
    [item] = (await client.call(methods.LIST_EXECUTIONS, request)).executions
    whole = await client.get(execution_id("fail"))
    assert len(whole.closure.error.message.encode()) > 150
    cut = item.closure.error.message
    assert 97 <= len(cut.encode()) <= 100
    assert whole.closure.error.message.startswith(cut)
    assert item.closure.error.code == whole.closure.error.code
    assert item.spec == whole.spec


async def test_names_that_do_not_exist_are_left_out(connect: Connect) -> None:
    client = await with_executions(connect, "a", "b", "c")
    assert await listed(client, "value_in(execution_name,c;nope;a)") == ["a", "c"]
    assert await listed(client, "eq(execution_name,b)") == ["b"]
    assert await listed(client, "eq(execution_name,b)+value_in(execution_name,a;c)") == []
    assert await listed(client, "value_not_in(execution_name,a;b)") == ["c"]
    assert await listed(client, "contains(execution_name,b)") == ["b"]
    assert await listed(client, id=dataclasses.replace(SCOPE, name="b")) == ["b"]
    assert await listed(client, id=dataclasses.replace(SCOPE, domain="staging")) == []
    assert await listed(client, id=dataclasses.replace(SCOPE, project="nope")) == []


async def test_phases_are_filtered_by_name(connect: Connect) -> None:
    client = await with_executions(connect, "good", "fail", "hang")
    assert await listed(client, "eq(phase,RUNNING)") == ["hang"]
    assert await listed(client, "value_in(phase,SUCCEEDED;FAILED;ABORTED;TIMED_OUT)") == ["good", "fail"]
    assert await listed(client, "value_not_in(phase,UNDEFINED;QUEUED;RUNNING)") == ["good", "fail"]
    assert await listed(client, "value_in(execution_name,good;hang)+eq(phase,SUCCEEDED)") == ["good"]
    assert await listed(client, "eq(error_kind,USER)+contains(error_code,Boom)") == ["fail"]
    assert await listed(client, "ne(error_kind,USER)") == []
    assert await listed(client, "gte(duration,0)") == ["good", "fail"]
    assert await listed(client, "gt(duration,1h)") == []
    assert await listed(client, "gt(started_at,2000-01-01T00:00:00Z)") == ["good", "fail", "hang"]
    assert await listed(client, "lt(updated_at,2000-01-01T00:00:00Z)") == []


async def test_executions_are_filtered_by_what_they_run(connect: Connect) -> None:
    client = await with_executions(connect, "a")
    await client.launch(PLAN, "tagged", {"do": "x"}, tags=["nightly"], labels=admin.Labels(values={"team": "blue"}))
    assert await listed(client, "eq(launch_plan.name,wf)") == ["a", "tagged"]
    assert await listed(client, "eq(workflow.name,wf)+eq(workflow.version,v2)") == []
    assert await listed(client, "eq(task.name,t)") == []
    assert await listed(client, "eq(admin_tag.name,nightly)") == ["tagged"]
    assert await listed(client, "eq(execution_tag.key,team)+eq(execution_tag.value,blue)") == ["tagged"]
    assert await listed(client, "eq(execution_tag.key,team)+eq(execution_tag.value,red)") == []
    # Every tag that matches yields the row once more, as the real join does.
    assert await listed(client, "value_in(execution_tag.key,team;nightly)") == ["tagged", "tagged"]
    assert await listed(client, "eq(launch_entity,launch_plan)+eq(mode,0)") == ["a", "tagged"]


async def test_archived_executions_are_hidden_unless_a_state_is_asked_for(connect: Connect) -> None:
    client = await with_executions(connect, "a", "b")
    await archive(client, "b")
    stored = await client.get(execution_id("b"))
    assert stored.closure.state_change_details.state == admin.ExecutionState.EXECUTION_ARCHIVED
    assert stored.closure.state_change_details.occurred_at > stored.closure.updated_at
    assert await listed(client) == ["a"]
    assert await listed(client, "value_in(execution_name,a;b)") == ["a"]
    assert await listed(client, "value_in(execution_name,a;b)+value_in(state,0;1)") == ["a", "b"]
    assert await listed(client, "gte(state,0)") == ["a", "b"]
    assert await listed(client, "eq(state,1)") == ["b"]
    # A filter on anybody's field of that name shows them, too.
    assert await listed(client, "eq(launch_plan.state,0)") == ["a", "b"]
    await archive(client, "b", 0)
    assert await listed(client) == ["a", "b"]


async def test_pages_follow_each_other_in_the_order_asked_for(connect: Connect) -> None:
    client = await with_executions(connect, "a", "b", "c", "d", "e")
    newest = admin.Sort(key="created_at")
    seen: list[str] = []
    token = ""
    while True:
        request = admin.ResourceListRequest(id=SCOPE, limit=2, token=token, sort_by=newest)
        reply = await client.call(methods.LIST_EXECUTIONS, request)
        seen += [item.id.name for item in reply.executions]
        token = reply.token
        if not token:
            break
    assert seen == ["e", "d", "c", "b", "a"]
    assert await listed(client, sort_by=admin.Sort(key="execution_name", direction=ASCENDING)) == list("abcde")
    assert await listed(client, sort_by=admin.Sort(key="execution_name")) == list("edcba")
    assert await listed(client, token="4") == ["e"]
    assert await listed(client, token="40") == []


async def test_nulls_sort_last_when_ascending_and_first_when_descending(connect: Connect) -> None:
    client = await with_executions(connect, "good", "hang")
    assert await listed(client, sort_by=admin.Sort(key="duration", direction=ASCENDING)) == ["good", "hang"]
    assert await listed(client, sort_by=admin.Sort(key="duration")) == ["hang", "good"]


@pytest.mark.parametrize(
    ("fields", "status", "text"),
    [
        ({"id": None}, Status.INVALID_ARGUMENT, "missing id"),
        ({"limit": 0}, Status.INVALID_ARGUMENT, "invalid value for limit"),
        ({"filters": "eq(name,x)"}, Status.INVALID_ARGUMENT, "'e.name' is invalid filter"),
        (
            {"filters": "eq(node_execution.phase,x)"},
            Status.INVALID_ARGUMENT,
            "'ne' entity is not allowed in filters",
        ),
        ({"sort_by": admin.Sort(key="name")}, Status.INVALID_ARGUMENT, "invalid sort key 'name'"),
        ({"token": "-1"}, Status.INVALID_ARGUMENT, "invalid pagination token -1 for ListExecutions"),
        (
            {"filters": "eq(mode,x)"},
            Status.UNKNOWN,
            'failed database operation with invalid input syntax for type bigint: "x"',
        ),
    ],
)
async def test_a_bad_list_request_is_rejected(
    connect: Connect, fields: dict[str, Any], status: Status, text: str
) -> None:
    client = await connect()
    request = admin.ResourceListRequest(**{"id": SCOPE, "limit": 1, **fields})
    failure = await client.fails(methods.LIST_EXECUTIONS, request)
    assert (failure.status, failure.text) == (status, text)


async def test_a_running_execution_is_aborted_and_keeps_the_cause(connect: Connect) -> None:
    client = await with_executions(connect, "hang", abort_delay=3600)
    before = await client.get(execution_id("hang"))
    await terminate(client, "hang", "enough")
    aborting = await client.get(execution_id("hang"))
    assert aborting.closure.phase == Phase.ABORTING
    assert aborting.closure.abort_metadata == admin.AbortMetadata(cause="enough")
    assert aborting.closure.updated_at == before.closure.updated_at
    await clock().advance(3600)
    ended = (await client.finish(execution_id("hang"))).closure
    assert ended.phase == Phase.ABORTED
    assert ended.abort_metadata == admin.AbortMetadata(cause="enough")
    assert ended.duration == ended.updated_at - ended.started_at
    assert ended.outputs is None
    assert ended.error is None
    assert await listed(client, "eq(abort_cause,enough)") == ["hang"]


async def test_an_aborting_execution_may_be_terminated_again_with_another_cause(connect: Connect) -> None:
    client = await with_executions(connect, "hang", abort_delay=3600)
    await terminate(client, "hang", "first")
    await terminate(client, "hang", "second")
    stuck = await client.get(execution_id("hang"))
    assert stuck.closure.phase == Phase.ABORTING
    assert stuck.closure.abort_metadata.cause == "second"


@pytest.mark.parametrize(("name", "phase"), [("good", "SUCCEEDED"), ("fail", "FAILED"), ("hang", "ABORTED")])
async def test_a_finished_execution_cannot_be_terminated(connect: Connect, name: str, phase: str) -> None:
    client = await with_executions(connect, name)
    if name == "hang":
        await terminate(client, name, "kept")
        await client.finish(execution_id(name))
    failure = await client.fails(
        methods.TERMINATE_EXECUTION, admin.ExecutionTerminateRequest(id=execution_id(name), cause="late")
    )
    assert (failure.status, failure.text) == (
        Status.FAILED_PRECONDITION,
        "Cannot abort an already terminated workflow execution",
    )
    assert failure.details == [
        admin.EventFailureReason(already_in_terminal_state=admin.EventErrorAlreadyInTerminalState(current_phase=phase))
    ]
    found = await client.get(execution_id(name))
    assert found.closure.phase.name == phase
    if name == "hang":
        assert found.closure.abort_metadata.cause == "kept"


async def test_ten_thousand_executions_do_not_slow_a_list_by_names_down(connect: Connect) -> None:
    client = await with_executions(connect, "a", "b")
    assert client.server is not None
    store = client.server.store
    row = store.executions.get((PROJECT, DOMAIN, "a"))
    assert row is not None
    for index in range(10_000):
        store.executions.insert(dataclasses.replace(row, execution_name=f"x{index}"))
    names = ";".join(f"x{index}" for index in range(0, 10_000, 50))
    began = time.process_time()
    assert await listed(client, "eq(phase,FAILED)", limit=201) == []
    everything = time.process_time() - began
    began = time.process_time()
    assert await listed(client, f"value_in(execution_name,{names})+eq(phase,FAILED)", limit=201) == []
    assert await listed(client, limit=2, sort_by=admin.Sort(key="created_at")) == ["x9999", "x9998"]
    assert (await client.get(execution_id("b"))).closure.phase == Phase.SUCCEEDED
    taken = time.process_time() - began
    assert taken < everything / 2, "as if every row had been looked at"
