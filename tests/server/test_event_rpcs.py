"""CreateWorkflowEvent, CreateNodeEvent and CreateTaskEvent: what they refuse and what they record."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flyteasync.errors import Status
from flyteasync.idl import admin, core, event, methods
from flyteasync.idl.google.protobuf import NullValue, Struct, Value
from tests.server.build import PROJECT, execution_id, identifier, literal, task, values, workflow
from tests.server.conftest import Connect
from tests.server.events import (
    E1,
    NodePhase,
    T,
    TaskPhase,
    WorkflowPhase,
    at,
    attempt_id,
    get_attempt,
    get_node,
    node_event,
    node_id,
    refused,
    send,
    task_event,
    undriven,
    workflow_event,
)

EXECUTION = 'project:"flytesnacks" domain:"development" name:"e1"'
NODE = f'node_id:"x" execution_id:{{{EXECUTION}}}'
ERROR = core.ExecutionError(code="Oops", message="it broke", kind=core.ExecutionErrorErrorKind.USER)
OUTPUTS = core.LiteralMap(literals={"o0": literal(5)})


def ended(phase: str) -> list[Any]:
    state = admin.EventErrorAlreadyInTerminalState(current_phase=phase)
    return [admin.EventFailureReason(already_in_terminal_state=state)]


def foreign(cluster: str) -> list[Any]:
    return [admin.EventFailureReason(incompatible_cluster=admin.EventErrorIncompatibleCluster(cluster=cluster))]


def facts(failure: Any) -> tuple[Status, str, list[Any]]:
    return failure.status, failure.text, failure.details


# Executions...


async def test_events_take_an_execution_to_its_end(connect: Connect) -> None:
    client = await undriven(connect)
    await send(client, workflow_event(WorkflowPhase.SUCCEEDING, 1))
    await send(client, workflow_event(WorkflowPhase.RUNNING, 2))  # nothing but the end is final
    await send(client, workflow_event(WorkflowPhase.SUCCEEDED, 12, output_data=OUTPUTS))
    closure = (await client.get(E1)).closure
    assert (closure.phase, closure.started_at, closure.updated_at) == (WorkflowPhase.SUCCEEDED, at(2), at(12))
    assert closure.duration == timedelta(seconds=10)
    assert closure.outputs.uri.endswith("/e1/offloaded_outputs")
    assert await client.outputs(E1) == {"o0": 5}


async def test_an_error_is_kept_by_events_without_a_result(connect: Connect) -> None:
    client = await undriven(connect)
    await send(client, workflow_event(WorkflowPhase.FAILING, 1, error=ERROR))
    await send(client, workflow_event(WorkflowPhase.FAILED, 2))
    closure = (await client.get(E1)).closure
    assert (closure.phase, closure.error) == (WorkflowPhase.FAILED, ERROR)
    scope = admin.NamedEntityIdentifier(project=PROJECT, domain="development")
    request = admin.ResourceListRequest(id=scope, limit=5, filters="eq(error_code,Oops)+eq(error_kind,USER)")
    assert len((await client.call(methods.LIST_EXECUTIONS, request)).executions) == 1


async def test_an_output_uri_is_stored_as_it_is(connect: Connect) -> None:
    client = await undriven(connect)
    await send(client, workflow_event(WorkflowPhase.SUCCEEDED, 1, output_uri="s3://b/k"))
    assert (await client.get(E1)).closure.outputs.uri == "s3://b/k"
    assert await client.outputs(E1) == {}


async def test_an_aborting_execution_only_ends(connect: Connect) -> None:
    client = await undriven(connect)
    await client.call(methods.TERMINATE_EXECUTION, admin.ExecutionTerminateRequest(id=E1, cause="enough"))
    failure = await refused(client, workflow_event(WorkflowPhase.RUNNING))
    text = f"Invalid phase change from aborting to RUNNING for workflow execution {EXECUTION}"
    assert facts(failure) == (Status.FAILED_PRECONDITION, text, [])
    await send(client, workflow_event(WorkflowPhase.ABORTED, 1))
    closure = (await client.get(E1)).closure
    assert (closure.phase, closure.abort_metadata.cause) == (WorkflowPhase.ABORTED, "enough")


async def test_an_execution_may_succeed_although_it_was_aborted(connect: Connect) -> None:
    client = await undriven(connect)
    await client.call(methods.TERMINATE_EXECUTION, admin.ExecutionTerminateRequest(id=E1, cause="enough"))
    await send(client, workflow_event(WorkflowPhase.SUCCEEDED, 1))
    closure = (await client.get(E1)).closure
    assert (closure.phase, closure.abort_metadata.cause) == (WorkflowPhase.SUCCEEDED, "enough")


async def test_an_abort_without_terminate_has_an_empty_cause_even_with_an_error(connect: Connect) -> None:
    client = await undriven(connect)
    await send(client, workflow_event(WorkflowPhase.ABORTED, 1, error=ERROR))
    for execution in [await client.get(E1), *(await _executions(client))]:
        assert execution.closure.abort_metadata == admin.AbortMetadata(cause="")
        assert execution.closure.error is None


async def _executions(client: Any) -> list[admin.Execution]:
    scope = admin.NamedEntityIdentifier(project=PROJECT, domain="development")
    return (await client.call(methods.LIST_EXECUTIONS, admin.ResourceListRequest(id=scope, limit=5))).executions


async def test_events_of_executions_that_are_refused(connect: Connect) -> None:
    client = await undriven(connect)
    for request, status, text, details in [
        (
            admin.WorkflowExecutionEventRequest(),
            Status.INVALID_ARGUMENT,
            "Workflow event handler was called without event",
            [],
        ),
        (
            workflow_event(WorkflowPhase.RUNNING, None, execution_id=None),
            Status.INVALID_ARGUMENT,
            "Workflow event handler request event doesn't have an execution id - phase:RUNNING",
            [],
        ),
        (
            workflow_event(WorkflowPhase.RUNNING, execution_id=execution_id("nope")),
            Status.NOT_FOUND,
            'missing entity of type execution with identifier project:"flytesnacks" domain:"development" name:"nope"',
            [],
        ),
        (
            # Being recorded already goes before being another cluster's.
            workflow_event(WorkflowPhase.RUNNING, producer_id="far"),
            Status.ALREADY_EXISTS,
            f"This phase RUNNING was already recorded for workflow execution {EXECUTION}",
            [],
        ),
        (
            workflow_event(WorkflowPhase.SUCCEEDED, producer_id="far"),
            Status.FAILED_PRECONDITION,
            "Cluster/producer from event [far] does not match existing workflow execution clusterInDB: []",
            foreign("far"),
        ),
        (
            workflow_event(WorkflowPhase.QUEUED),
            Status.FAILED_PRECONDITION,
            f"Cannot go from RUNNING to QUEUED for workflow execution {EXECUTION}",
            [],
        ),
        (
            workflow_event(WorkflowPhase.SUCCEEDED, None),
            Status.INTERNAL,
            "Failed to parse OccurredAt: timestamp: nil Timestamp",
            [],
        ),
    ]:
        assert facts(await refused(client, request)) == (status, text, details)
    assert (await client.get(E1)).closure.phase == WorkflowPhase.RUNNING


@pytest.mark.parametrize("phase", ["SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT"])
async def test_an_ended_execution_changes_no_more_and_the_detail_names_its_phase(connect: Connect, phase: str) -> None:
    client = await undriven(connect)
    await send(client, workflow_event(WorkflowPhase[phase], 1))
    failure = await refused(client, workflow_event(WorkflowPhase.QUEUED))
    text = f"Invalid phase change from {phase} to QUEUED for workflow execution {EXECUTION}"
    assert facts(failure) == (Status.FAILED_PRECONDITION, text, ended(phase))
    assert (await refused(client, workflow_event(WorkflowPhase[phase]))).status == Status.ALREADY_EXISTS


async def test_outputs_in_an_event_are_limited(connect: Connect) -> None:
    client = await undriven(connect)
    large = core.LiteralMap(literals={"o0": literal("x" * (2 * 1024 * 1024))})
    for request in [
        workflow_event(WorkflowPhase.SUCCEEDED, 1, output_data=large),
        task_event("n0", TaskPhase.SUCCEEDED, 1, output_data=large),
    ]:
        failure = await refused(client, request)
        assert failure.status == Status.RESOURCE_EXHAUSTED
        assert failure.text == "Output data size exceeds platform configured threshold (2097181 > 2097152)"
    # The real server only logs it for nodes.
    await send(client, node_event("x", NodePhase.SUCCEEDED, 1, output_data=large))


async def test_a_queued_execution_is_handed_over_to_the_cluster_that_says_so(connect: Connect) -> None:
    client = await undriven(connect)
    await send(client, workflow_event(WorkflowPhase.SUCCEEDING))  # no phase but RUNNING refuses QUEUED
    await send(client, workflow_event(WorkflowPhase.QUEUED, 1, producer_id="far"))
    await send(client, workflow_event(WorkflowPhase.QUEUED, 2, producer_id="farther"))
    assert (await client.get(E1)).spec.metadata.system_metadata.execution_cluster == "farther"
    failure = await refused(client, node_event("x", NodePhase.QUEUED, producer_id="far"))
    assert failure.details == foreign("far")
    for producer in ("", "propeller", "farther"):
        await send(client, node_event(f"x{producer}", NodePhase.QUEUED, producer_id=producer))


# Nodes...


async def test_events_take_a_node_to_its_end(connect: Connect) -> None:
    client = await undriven(connect)
    inputs = core.LiteralMap(literals={"x": literal(3)})
    await send(client, node_event("x", NodePhase.QUEUED, 1, input_data=inputs, spec_node_id="sx", retry_group="2"))
    await send(client, node_event("x", NodePhase.RUNNING, 2, input_uri="s3://other", deck_uri="s3://deck"))
    assert (await get_node(client, "x")).closure.deck_uri == "s3://deck"
    await send(client, node_event("x", NodePhase.SUCCEEDED, 5, output_data=OUTPUTS, reported_at=at(6)))
    found = await get_node(client, "x")
    closure = found.closure
    assert (closure.created_at, closure.started_at, closure.updated_at) == (at(1), at(2), at(6))
    assert (closure.duration, closure.deck_uri) == (timedelta(seconds=3), "")
    assert (found.metadata.spec_node_id, found.metadata.retry_group) == ("sx", "2")
    data = await client.call(methods.GET_NODE_EXECUTION_DATA, admin.NodeExecutionGetDataRequest(id=node_id("x")))
    assert (values(data.full_inputs), values(data.full_outputs)) == ({"x": 3}, {"o0": 5})


async def test_a_first_event_may_be_the_last_and_has_no_duration(connect: Connect) -> None:
    client = await undriven(connect)
    epoch = datetime.fromtimestamp(0, UTC)
    await send(client, node_event("x", NodePhase.FAILED, 1, error=ERROR, reported_at=epoch))
    closure = (await get_node(client, "x")).closure
    assert (closure.error, closure.duration, closure.started_at, closure.updated_at) == (ERROR, None, None, at(1))


async def test_flags_of_a_node_are_only_ever_turned_on(connect: Connect) -> None:
    client = await undriven(connect)
    await send(client, node_event("x", NodePhase.QUEUED, is_parent=True))
    await send(client, node_event("x", NodePhase.RUNNING, 1, is_dynamic=True))
    await send(client, node_event("x", NodePhase.DYNAMIC_RUNNING, 2, is_array=True))
    await send(client, node_event("x", NodePhase.SUCCEEDED, 3))
    metadata = (await get_node(client, "x")).metadata
    assert (metadata.is_parent_node, metadata.is_dynamic, metadata.is_array) == (True, True, True)


async def test_the_execution_of_a_launch_plan_node_is_stored_by_updates_and_never_replaced(connect: Connect) -> None:
    client = await undriven(connect)
    child = event.WorkflowNodeMetadata(execution_id=E1)
    await send(client, node_event("x", NodePhase.QUEUED, workflow_node_metadata=child))
    assert (await get_node(client, "x")).closure.workflow_node_metadata is None
    missing = event.WorkflowNodeMetadata(execution_id=execution_id("nope"))
    failure = await refused(client, node_event("x", NodePhase.RUNNING, workflow_node_metadata=missing))
    assert (failure.status, failure.text.startswith("missing entity of type execution")) == (Status.NOT_FOUND, True)
    await send(client, node_event("x", NodePhase.RUNNING, 1, workflow_node_metadata=child))
    await client.call(methods.RELAUNCH_EXECUTION, admin.ExecutionRelaunchRequest(id=E1, name="e2"))
    other = event.WorkflowNodeMetadata(execution_id=execution_id("e2"))
    await send(client, node_event("x", NodePhase.SUCCEEDED, 2, workflow_node_metadata=other))
    assert (await get_node(client, "x")).closure.workflow_node_metadata.execution_id == E1


async def test_a_cache_status_is_stored_with_its_key_only(connect: Connect) -> None:
    client = await undriven(connect)
    hit = core.CatalogCacheStatus.CACHE_HIT
    await send(
        client,
        node_event(
            "x", NodePhase.QUEUED, task_node_metadata=event.TaskNodeMetadata(cache_status=hit, checkpoint_uri="c")
        ),
    )
    first = (await get_node(client, "x")).closure.task_node_metadata
    assert (first.cache_status, first.catalog_key, first.checkpoint_uri) == (0, None, "c")
    key = core.CatalogMetadata(dataset_id=T)
    metadata = event.TaskNodeMetadata(cache_status=hit, catalog_key=key)
    await send(client, node_event("x", NodePhase.SUCCEEDED, task_node_metadata=metadata))
    last = (await get_node(client, "x")).closure.task_node_metadata
    assert (last.cache_status, last.catalog_key, last.checkpoint_uri) == (hit, key, "")
    request = admin.NodeExecutionListRequest(workflow_execution_id=E1, limit=9, filters="eq(cache_status,CACHE_HIT)")
    assert len((await client.call(methods.LIST_NODE_EXECUTIONS, request)).node_executions) == 1


async def test_a_dynamic_node_has_the_workflow_that_it_generated(connect: Connect) -> None:
    client = await undriven(connect)
    request = admin.GetDynamicNodeWorkflowRequest(id=node_id("x"))
    assert (await client.fails(methods.GET_DYNAMIC_NODE_WORKFLOW, request)).text == (
        f"missing entity of type node execution with identifier {NODE}"
    )
    await send(client, node_event("x", NodePhase.RUNNING))
    failure = await client.fails(methods.GET_DYNAMIC_NODE_WORKFLOW, request)
    assert facts(failure) == (Status.NOT_FOUND, "node does not contain dynamic workflow", [])
    compiled = core.CompiledWorkflowClosure(primary=core.CompiledWorkflow(template=workflow("generated", [])))
    dynamic = event.DynamicWorkflowNodeMetadata(
        id=identifier("generated", core.ResourceType.WORKFLOW),
        compiled_workflow=compiled,
        dynamic_job_spec_uri="s3://j",
    )
    metadata = event.TaskNodeMetadata(dynamic_workflow=dynamic)
    await send(client, node_event("x", NodePhase.DYNAMIC_RUNNING, 1, task_node_metadata=metadata))
    await send(client, node_event("y", NodePhase.QUEUED, 2, parent_node_metadata=_parent("x")))
    await send(client, node_event("x", NodePhase.SUCCEEDED, 3))
    assert (await client.call(methods.GET_DYNAMIC_NODE_WORKFLOW, request)).compiled_workflow == compiled
    data = await client.call(methods.GET_NODE_EXECUTION_DATA, admin.NodeExecutionGetDataRequest(id=node_id("x")))
    assert (data.dynamic_workflow.id.name, data.dynamic_workflow.dynamic_job_spec_uri) == ("generated", "s3://j")
    assert data.dynamic_workflow.compiled_workflow == compiled
    assert not (await get_node(client, "x")).metadata.is_dynamic
    [listed] = [item for item in (await client.nodes(E1)).values() if item.id.node_id == "x"]
    assert (listed.metadata.is_parent_node, listed.metadata.is_dynamic) == (True, True)


def _parent(name: str) -> event.ParentNodeExecutionMetadata:
    return event.ParentNodeExecutionMetadata(node_id=name)


async def test_a_node_may_have_a_task_execution_for_a_parent(connect: Connect) -> None:
    client = await undriven(connect)
    request = admin.NodeExecutionForTaskListRequest(task_execution_id=attempt_id("n0"), limit=10)
    assert (await client.call(methods.LIST_NODE_EXECUTIONS_FOR_TASK, request)).node_executions == []
    assert not (await get_attempt(client, "n0")).is_parent
    for name in ("x", "y"):
        parent = event.ParentTaskExecutionMetadata(id=attempt_id("n0"))
        await send(client, node_event(name, NodePhase.QUEUED, parent_task_metadata=parent, spec_node_id=name))
    reply = await client.call(methods.LIST_NODE_EXECUTIONS_FOR_TASK, request)
    assert [item.id.node_id for item in reply.node_executions] == ["x", "y"]
    assert (await get_attempt(client, "n0")).is_parent
    assert [item.is_parent for item in await client.attempts(E1, "n0")] == [True]
    # They are on no level of the execution itself.
    assert set(await client.nodes(E1)) == {"start-node", "n0"}
    request.filters, request.limit = "eq(node_id,y)", 1
    reply = await client.call(methods.LIST_NODE_EXECUTIONS_FOR_TASK, request)
    assert ([item.id.node_id for item in reply.node_executions], reply.token) == (["y"], "1")


async def test_lists_of_a_task_executions_nodes_that_are_refused(connect: Connect) -> None:
    client = await undriven(connect)
    for request, status, text in [
        (admin.NodeExecutionForTaskListRequest(limit=1), Status.INVALID_ARGUMENT, "missing id"),
        (
            admin.NodeExecutionForTaskListRequest(task_execution_id=attempt_id("n0", 7)),
            Status.INVALID_ARGUMENT,
            "invalid value for limit",
        ),
        (
            admin.NodeExecutionForTaskListRequest(task_execution_id=attempt_id("n0"), limit=1, token="x"),
            Status.INVALID_ARGUMENT,
            "invalid pagination token x for ListNodeExecutions",
        ),
    ]:
        failure = await client.fails(methods.LIST_NODE_EXECUTIONS_FOR_TASK, request)
        assert facts(failure) == (status, text, [])
    request = admin.NodeExecutionForTaskListRequest(task_execution_id=attempt_id("n0", 7), limit=1)
    failure = await client.fails(methods.LIST_NODE_EXECUTIONS_FOR_TASK, request)
    assert (failure.status, failure.text.startswith("missing entity of type task execution")) == (
        Status.NOT_FOUND,
        True,
    )


async def test_events_of_nodes_that_are_refused(connect: Connect) -> None:
    client = await undriven(connect)
    row_id = client.server.store.node_executions.get((*_key(), "n0")).id  # type: ignore[union-attr]
    lost = event.ParentTaskExecutionMetadata(id=attempt_id("n0", 7))
    nowhere = 'project:"flytesnacks" domain:"development" name:"nope"'
    for request, status, text, details in [
        (admin.NodeExecutionEventRequest(), Status.INVALID_ARGUMENT, "missing event", []),
        (node_event("x", NodePhase.QUEUED, id=None), Status.INVALID_ARGUMENT, "missing id", []),
        (node_event("", NodePhase.QUEUED), Status.INVALID_ARGUMENT, "missing node_id", []),
        (
            node_event("x", NodePhase.QUEUED, id=node_id("x", execution_id("nope"))),
            Status.NOT_FOUND,
            f"Failed to get existing execution id: [{nowhere}] with err: "
            f"missing entity of type execution with identifier {nowhere}",
            [],
        ),
        (
            node_event("n0", NodePhase.RUNNING, producer_id="far"),
            Status.FAILED_PRECONDITION,
            "Cluster/producer from event [far] does not match existing workflow execution clusterInDB: []",
            foreign("far"),
        ),
        (
            node_event("n0", NodePhase.RUNNING),
            Status.ALREADY_EXISTS,
            f'This phase was already recorded RUNNING for node_id:"n0" execution_id:{{{EXECUTION}}}',
            [],
        ),
        (
            node_event("x", NodePhase.QUEUED, parent_node_metadata=_parent("nope")),
            Status.NOT_FOUND,
            f'missing entity of type node execution with identifier node_id:"nope" execution_id:{{{EXECUTION}}}',
            [],
        ),
        (node_event("x", NodePhase.QUEUED, None), Status.INTERNAL, "failed to read event timestamp", []),
        (
            node_event("x", NodePhase.RUNNING, None),
            Status.INTERNAL,
            "failed to unmarshal occurredAt with error: timestamp: nil Timestamp",
            [],
        ),
        (
            node_event("n0", NodePhase.FAILED, None),
            Status.INTERNAL,
            "Failed to parse node execution occurred at timestamp: timestamp: nil Timestamp",
            [],
        ),
        (node_event("n0", NodePhase.QUEUED, None), Status.INTERNAL, "failed to parse updated at timestamp", []),
    ]:
        assert facts(await refused(client, request)) == (status, text, details)
    failure = await refused(client, node_event("x", NodePhase.QUEUED, parent_task_metadata=lost))
    assert (failure.status, failure.text.startswith("missing entity of type task execution")) == (
        Status.NOT_FOUND,
        True,
    )
    await send(client, node_event("n0", NodePhase.SUCCEEDED, 9))
    failure = await refused(client, node_event("n0", NodePhase.FAILED, 10))
    text = f"Invalid phase change from SUCCEEDED to FAILED for node execution {row_id}"
    # The detail names the event's phase, as the real server's does.
    assert facts(failure) == (Status.FAILED_PRECONDITION, text, ended("FAILED"))


def _key() -> tuple[str, str, str]:
    return (E1.project, E1.domain, E1.name)


# Attempts...


async def test_events_take_an_attempt_to_its_end(connect: Connect) -> None:
    client = await undriven(connect)
    inputs = core.LiteralMap(literals={"x": literal(3)})
    first = task_event("n0", TaskPhase.QUEUED, 1, retry_attempt=1, input_data=inputs, task_type="spark", reason="a")
    await send(client, first)
    await send(client, task_event("n0", TaskPhase.RUNNING, 2, retry_attempt=1, reason="b", event_version=2))
    again = task_event("n0", TaskPhase.RUNNING, 3, retry_attempt=1, phase_version=1, reason="b", event_version=1)
    await send(client, again)
    last = task_event("n0", TaskPhase.SUCCEEDED, 7, retry_attempt=1, output_data=OUTPUTS, reported_at=at(8))
    await send(client, last)
    found = await get_attempt(client, "n0", 1)
    closure = found.closure
    assert (closure.created_at, closure.started_at, closure.updated_at) == (at(1), at(2), at(8))
    assert (closure.duration, closure.task_type, closure.event_version) == (timedelta(seconds=5), "spark", 2)
    assert (closure.reason, [(item.message, item.occurred_at) for item in closure.reasons]) == (
        "b",
        [("a", at(1)), ("b", at(2))],
    )
    request = admin.TaskExecutionGetDataRequest(id=attempt_id("n0", 1))
    data = await client.call(methods.GET_TASK_EXECUTION_DATA, request)
    assert (values(data.full_inputs), values(data.full_outputs)) == ({"x": 3}, {"o0": 5})


async def test_an_attempt_may_carry_an_error_several_reasons_and_uris(connect: Connect) -> None:
    client = await undriven(connect)
    reasons = [event.EventReason(reason=text, occurred_at=at(index)) for index, text in enumerate("ab")]
    await send(client, task_event("n0", TaskPhase.RUNNING, retry_attempt=1, reasons=reasons, input_uri="s3://i"))
    await send(client, task_event("n0", TaskPhase.FAILED, 1, retry_attempt=1, error=ERROR))
    failed = await get_attempt(client, "n0", 1)
    assert (failed.input_uri, failed.closure.error) == ("s3://i", ERROR)
    assert [item.message for item in failed.closure.reasons] == ["a", "b"]
    await send(client, task_event("n0", TaskPhase.SUCCEEDED, 1, retry_attempt=2, output_uri="s3://o"))
    assert (await get_attempt(client, "n0", 2)).closure.output_uri == "s3://o"


async def test_logs_are_merged_and_shown_by_phase(connect: Connect) -> None:
    client = await undriven(connect)
    pending = core.TaskLog(uri="u1", name="pending", show_while_pending=True, hide_once_finished=True)
    main = core.TaskLog(uri="u2", name="main")
    await send(client, task_event("n0", TaskPhase.QUEUED, retry_attempt=1, logs=[main]))
    assert (await get_attempt(client, "n0", 1)).closure.logs == [main]  # first events are not filtered
    await send(client, task_event("n0", TaskPhase.INITIALIZING, retry_attempt=1, logs=[pending]))
    assert (await get_attempt(client, "n0", 1)).closure.logs == [pending]
    renamed = core.TaskLog(uri="u3", name="pending", hide_once_finished=True)
    await send(client, task_event("n0", TaskPhase.RUNNING, retry_attempt=1, logs=[main, renamed]))
    assert (await get_attempt(client, "n0", 1)).closure.logs == [main, renamed]
    await send(client, task_event("n0", TaskPhase.SUCCEEDED, retry_attempt=1))
    assert (await get_attempt(client, "n0", 1)).closure.logs == [main]


async def test_custom_info_is_merged_as_json(connect: Connect) -> None:
    client = await undriven(connect)

    def text(value: str) -> Value:
        return Value(string_value=value)

    def nested(**fields: Value) -> Value:
        return Value(struct_value=Struct(fields=fields))

    first = Struct(fields={"a": text("1"), "b": text("2"), "c": nested(x=text("3"), y=text("4"))})
    second = Struct(fields={"a": text("5"), "b": Value(null_value=NullValue.NULL_VALUE), "c": nested(y=text("6"))})
    await send(client, task_event("n0", TaskPhase.QUEUED, retry_attempt=1, custom_info=first))
    await send(client, task_event("n0", TaskPhase.RUNNING, retry_attempt=1, custom_info=second))
    await send(client, task_event("n0", TaskPhase.SUCCEEDED, retry_attempt=1))
    wanted = Struct(fields={"a": text("5"), "c": nested(x=text("3"), y=text("6"))})
    assert (await get_attempt(client, "n0", 1)).closure.custom_info == wanted


async def test_external_resources_are_merged_by_index_and_retry(connect: Connect) -> None:
    client = await undriven(connect)
    info = event.ExternalResourceInfo

    def metadata(*resources: event.ExternalResourceInfo, **fields: Any) -> event.TaskExecutionMetadata:
        return event.TaskExecutionMetadata(external_resources=list(resources), **fields)

    main = core.TaskLog(uri="u", name="main", hide_once_finished=True)
    first = metadata(
        info(index=1), info(index=0, external_id="a", logs=[main]), generated_name="g", plugin_identifier="p"
    )
    await send(client, task_event("n0", TaskPhase.QUEUED, retry_attempt=1, metadata=first))
    second = metadata(
        info(index=0, phase=TaskPhase.FAILED),
        info(index=0, retry_attempt=1, phase=TaskPhase.RUNNING),
        plugin_identifier="q",
    )
    await send(client, task_event("n0", TaskPhase.RUNNING, retry_attempt=1, metadata=second))
    await send(client, task_event("n0", TaskPhase.SUCCEEDED, retry_attempt=1))
    found = (await get_attempt(client, "n0", 1)).closure.metadata
    assert found == metadata(
        info(index=0, external_id="a", phase=TaskPhase.FAILED),
        info(index=0, retry_attempt=1, phase=TaskPhase.RUNNING),
        info(index=1),
        generated_name="g",
        plugin_identifier="q",
    )


async def test_events_of_attempts_that_are_refused(connect: Connect) -> None:
    client = await undriven(connect)
    attempt = (
        'task_id:{resource_type:TASK project:"flytesnacks" domain:"development" name:"t" version:"v1"} '
        f'node_execution_id:{{node_id:"n0" execution_id:{{{EXECUTION}}}}}'
    )
    untyped = core.Identifier(project="p", domain="d", name="n", version="v")
    await send(client, task_event("n0", TaskPhase.RUNNING, phase_version=3))
    for request, status, text, details in [
        (admin.TaskExecutionEventRequest(), Status.INVALID_ARGUMENT, "missing event", []),
        (task_event("n0", TaskPhase.RUNNING, None, task_id=None), Status.INVALID_ARGUMENT, "missing occurred_at", []),
        (task_event("n0", TaskPhase.RUNNING, task_id=None), Status.INVALID_ARGUMENT, "missing task_id", []),
        (
            task_event("n0", TaskPhase.RUNNING, task_id=untyped),
            Status.INVALID_ARGUMENT,
            'unexpected resource type unspecified for identifier [project:"p" domain:"d" name:"n" version:"v"], '
            "expected task instead",
            [],
        ),
        (
            task_event("n0", TaskPhase.RUNNING, parent_node_execution_id=None),
            Status.INVALID_ARGUMENT,
            "missing node_execution_id",
            [],
        ),
        (
            task_event("n0", TaskPhase.RUNNING, parent_node_execution_id=node_id("n0", execution_id("nope"))),
            Status.NOT_FOUND,
            'missing entity of type execution with identifier project:"flytesnacks" domain:"development" name:"nope"',
            [],
        ),
        (
            task_event("n0", TaskPhase.RUNNING, producer_id="far"),
            Status.FAILED_PRECONDITION,
            "Cluster/producer from event [far] does not match existing workflow execution clusterInDB: []",
            foreign("far"),
        ),
        (
            task_event("x", TaskPhase.RUNNING),
            Status.NOT_FOUND,
            f"missing entity of type node execution with identifier {NODE}",
            [],
        ),
        (
            task_event("n0", TaskPhase.RUNNING, phase_version=3),
            Status.ALREADY_EXISTS,
            f"have already recorded task execution phase RUNNING (version: 3) for {attempt}",
            [],
        ),
    ]:
        assert facts(await refused(client, request)) == (status, text, details)
    await send(client, task_event("n0", TaskPhase.FAILED, 9))
    # A later version of a last phase is not recorded yet, but comes too late.
    for phase, version in [(TaskPhase.FAILED, 1), (TaskPhase.SUCCEEDED, 0)]:
        failure = await refused(client, task_event("n0", phase, 10, phase_version=version))
        text = f"invalid phase change from FAILED to {phase.name} for task execution {attempt}"
        assert facts(failure) == (Status.FAILED_PRECONDITION, text, ended(phase.name or ""))


async def test_the_task_of_an_attempt_need_not_be_registered(connect: Connect) -> None:
    client = await undriven(connect)
    unknown = task("unknown").id
    await send(client, task_event("n0", TaskPhase.RETRYABLE_FAILED, task_id=unknown))
    await send(client, task_event("n0", TaskPhase.RUNNING, task_id=unknown))  # not an end
    found = {item.id.task_id.name: item.closure.phase for item in await client.attempts(E1, "n0")}
    assert found == {"t": TaskPhase.RUNNING, "unknown": TaskPhase.RUNNING}
