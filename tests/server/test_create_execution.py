"""CreateExecution: its checks in their order, its inputs, and what it leaves behind."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from flyteasync.errors import Status
from flyteasync.idl import admin, core, methods
from flyteasync.literals import literal_type
from flyteasync.server.engine.names import hashed
from tests.server.build import (
    DOMAIN,
    PROJECT,
    execution,
    execution_id,
    identifier,
    literal,
    node,
    promise,
    task,
    values,
    variables,
    workflow,
)
from tests.server.client import Client, RpcFailed
from tests.server.conftest import Connect

Kind = core.ResourceType
Phase = core.WorkflowExecutionPhase
PLAN = identifier("wf", Kind.LAUNCH_PLAN)
TASK = identifier("t", Kind.TASK)


async def with_plan(
    connect: Connect, inputs: dict[str, Any] | None = None, plan: admin.LaunchPlanSpec | None = None, **settings: Any
) -> Client:
    """A client of a server that knows the launch plan `wf` of one task, whose executions hang."""
    client: Client = await connect(unregistered="hang", **settings)
    inputs = inputs or {}
    template = workflow("wf", [node("n0", "t", {name: promise(name) for name in inputs})], inputs)
    await client.register(template, [task("t", inputs)], plan)
    return client


def changed(**fields: Any) -> admin.ExecutionCreateRequest:
    request = execution(PLAN, "e1")
    for name, value in fields.items():
        setattr(request, name, value)
    return request


def with_spec(**fields: Any) -> admin.ExecutionCreateRequest:
    return execution(PLAN, "e1", **fields)


async def data_of(client: Client, name: str) -> admin.WorkflowExecutionGetDataResponse:
    request = admin.WorkflowExecutionGetDataRequest(id=execution_id(name))
    return await client.call(methods.GET_EXECUTION_DATA, request)


async def test_a_new_execution_is_undefined_and_complete(connect: Connect) -> None:
    client = await with_plan(connect)
    before = datetime.now(UTC)
    assert await client.launch(PLAN, "e1") == execution_id("e1")
    # It starts as soon as the reply is on its way; what it was created as stays.
    made = await client.get(execution_id("e1"))
    assert made.id == execution_id("e1")
    closure = made.closure
    assert closure.workflow_id == identifier("wf", Kind.WORKFLOW)
    assert before <= closure.created_at <= datetime.now(UTC)
    assert closure.state_change_details == admin.ExecutionStateChangeDetails(occurred_at=closure.created_at)
    assert made.spec.launch_plan == PLAN
    assert made.spec.max_parallelism == 25
    assert made.spec.metadata.system_metadata.namespace == "flytesnacks-development"
    assert made.spec.security_context.run_as is not None


async def test_a_name_is_made_up_if_none_is_given(connect: Connect) -> None:
    client = await with_plan(connect)
    names = {(await client.launch(PLAN)).name for _ in range(3)}
    assert len(names) == 3
    for name in names:
        assert name[0] == "a"
        assert len(name) == 20
        assert set(name[1:]) <= set("bcdfghjklmnpqrstvwxz2456789")


@pytest.mark.parametrize(
    ("request_", "status", "text"),
    [
        (changed(project=""), Status.INVALID_ARGUMENT, "missing project"),
        (changed(domain=""), Status.INVALID_ARGUMENT, "missing domain"),
        (changed(name="9x", project="nope"), Status.INVALID_ARGUMENT, "invalid name format: 9x"),
        (changed(name="a_b"), Status.INVALID_ARGUMENT, "invalid name format: a_b"),
        (changed(name="a" * 64), Status.INVALID_ARGUMENT, f"size of name exceeded length 63 : {'a' * 64}"),
        (
            changed(project="nope", spec=None),
            Status.INVALID_ARGUMENT,
            "failed to validate that project [nope] and domain [development] are registered, "
            "err: [project [nope] not found]",
        ),
        (changed(domain="nope"), Status.INVALID_ARGUMENT, "domain [nope] is unrecognized by system"),
        (changed(spec=None), Status.INVALID_ARGUMENT, "missing spec"),
        (changed(spec=admin.ExecutionSpec()), Status.INVALID_ARGUMENT, "missing id"),
        (
            changed(spec=admin.ExecutionSpec(launch_plan=core.Identifier(project="p", domain="d", name="n"))),
            Status.INVALID_ARGUMENT,
            "missing version",
        ),
        (
            changed(spec=admin.ExecutionSpec(launch_plan=identifier("wf", Kind.WORKFLOW))),
            Status.INVALID_ARGUMENT,
            "Invalid reference entity resource type [WORKFLOW], only [map[LAUNCH_PLAN:<nil> TASK:<nil>]] allowed",
        ),
        (
            changed(inputs=core.LiteralMap(literals={"": literal(1)})),
            Status.INVALID_ARGUMENT,
            "missing key in inputs",
        ),
        (
            changed(inputs=core.LiteralMap(literals={"x": core.Literal()})),
            Status.INVALID_ARGUMENT,
            "missing valid literal in inputs x",
        ),
        (
            with_spec(notifications=admin.NotificationList(notifications=[admin.Notification()])),
            Status.INVALID_ARGUMENT,
            "invalid value for notification type",
        ),
        (
            with_spec(labels=admin.Labels(values={f"k{i}": "" for i in range(17)})),
            Status.INVALID_ARGUMENT,
            "labels map cannot exceed 16 entries",
        ),
        (
            changed(spec=admin.ExecutionSpec(launch_plan=identifier("nope", Kind.LAUNCH_PLAN))),
            Status.NOT_FOUND,
            'missing entity of type LAUNCH_PLAN with identifier project:"flytesnacks" domain:"development" '
            'name:"nope" version:"v1"',
        ),
        (
            changed(spec=admin.ExecutionSpec(launch_plan=identifier("nope", Kind.TASK))),
            Status.NOT_FOUND,
            'missing entity of type TASK with identifier project:"flytesnacks" domain:"development" '
            'name:"nope" version:"v1"',
        ),
        (
            changed(inputs=core.LiteralMap(literals={"x": literal(1)})),
            Status.INVALID_ARGUMENT,
            "invalid input x",
        ),
        (
            with_spec(
                metadata=admin.ExecutionMetadata(
                    parent_node_execution=core.NodeExecutionIdentifier(node_id="n0", execution_id=execution_id("e0"))
                )
            ),
            Status.NOT_FOUND,
            'missing entity of type node execution with identifier node_id:"n0" execution_id:{project:"flytesnacks" '
            'domain:"development" name:"e0"}',
        ),
    ],
)
async def test_a_bad_request_is_rejected(
    connect: Connect, request_: admin.ExecutionCreateRequest, status: Status, text: str
) -> None:
    client = await with_plan(connect)
    failure = await client.fails(methods.CREATE_EXECUTION, request_)
    assert (failure.status, failure.text) == (status, text)
    assert failure.details == []
    assert (await client.control("GetStats"))["executions"] == 0


def parameter(kind: Any, default: Any = None) -> core.Parameter:
    var = variables({"x": kind}).variables["x"]
    return core.Parameter(var=var, required=True) if default is None else core.Parameter(var=var, default=default)


async def test_defaults_and_fixed_inputs_are_filled_in(connect: Connect) -> None:
    plan = admin.LaunchPlanSpec(
        default_inputs=core.ParameterMap(parameters={"b": parameter(int, literal(2))}),
        fixed_inputs=core.LiteralMap(literals={"c": literal(3)}),
    )
    client = await with_plan(connect, {"a": int, "b": int, "c": int}, plan)
    await client.launch(PLAN, "e1", {"a": 1})
    await client.launch(PLAN, "e2", {"a": 1, "b": 20})
    assert values((await data_of(client, "e1")).full_inputs) == {"a": 1, "b": 2, "c": 3}
    assert values((await data_of(client, "e2")).full_inputs) == {"a": 1, "b": 20, "c": 3}


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        ({"a": 1, "z": 1}, "invalid input z"),
        ({"a": 1, "c": 1}, "invalid input c"),
        ({}, "expected_inputs a missing"),
        ({"a": "text"}, "invalid a input wrong type. Expected simple:INTEGER, but got simple:STRING"),
        ({"a": 1.0}, "invalid a input wrong type. Expected simple:INTEGER, but got simple:FLOAT"),
    ],
)
async def test_inputs_that_do_not_fit_are_rejected(connect: Connect, inputs: dict[str, Any], text: str) -> None:
    plan = admin.LaunchPlanSpec(fixed_inputs=core.LiteralMap(literals={"c": literal(3)}))
    client = await with_plan(connect, {"a": int, "c": int}, plan)
    failure = await client.fails(methods.CREATE_EXECUTION, execution(PLAN, "e1", inputs))
    assert (failure.status, failure.text) == (Status.INVALID_ARGUMENT, text)


async def test_a_literal_of_no_known_type_is_rejected(connect: Connect) -> None:
    client = await with_plan(connect, {"a": int})
    blob = core.Literal(scalar=core.Scalar(blob=core.Blob(uri="s3://x")))
    failure = await client.fails(methods.CREATE_EXECUTION, execution(PLAN, "e1", {"a": blob}))
    assert failure.status == Status.INVALID_ARGUMENT
    assert failure.text.startswith("Failed to validate literal type for [a] with err: Code: IDLTypeNotFound")


async def test_an_offloaded_literal_is_a_value(connect: Connect) -> None:
    client = await with_plan(connect, {"a": int})
    offloaded = core.LiteralOffloadedMetadata(uri="s3://x", inferred_type=literal_type(int))
    await client.launch(PLAN, "e1", {"a": core.Literal(offloaded_metadata=offloaded)})


async def test_the_older_field_for_inputs_is_used_if_the_newer_one_is_empty(connect: Connect) -> None:
    client = await with_plan(connect, {"a": int})
    request = execution(PLAN, "e1")
    assert request.spec is not None
    request.spec.inputs = core.LiteralMap(literals={"a": literal(5)})
    await client.call(methods.CREATE_EXECUTION, request)
    assert values((await data_of(client, "e1")).full_inputs) == {"a": 5}
    assert (await client.get(execution_id("e1"))).spec.inputs is None


async def test_a_name_is_taken_once(connect: Connect) -> None:
    client = await with_plan(connect)
    await client.launch(PLAN, "e1")
    failure = await client.fails(methods.CREATE_EXECUTION, execution(PLAN, "e1"))
    assert (failure.status, failure.text) == (
        Status.ALREADY_EXISTS,
        "value with matching executions_pkey already exists (duplicate key value violates unique constraint "
        '"executions_pkey")',
    )
    assert failure.details == []
    other = execution(PLAN, "e1")
    other.domain = "staging"
    await client.call(methods.CREATE_EXECUTION, other)


async def test_a_repeated_create_overwrites_the_stored_inputs_before_it_fails(connect: Connect) -> None:
    client = await with_plan(connect, {"a": int})
    await client.launch(PLAN, "e1", {"a": 1})
    failure = await client.fails(methods.CREATE_EXECUTION, execution(PLAN, "e1", {"a": 2}))
    assert failure.status == Status.ALREADY_EXISTS
    assert values((await data_of(client, "e1")).full_inputs) == {"a": 2}


async def test_of_many_creates_with_one_name_one_succeeds(connect: Connect) -> None:
    client = await with_plan(connect)

    async def create() -> str:
        try:
            return (await client.launch(PLAN, "e1")).name
        except RpcFailed as error:
            return error.status.name

    results = await asyncio.gather(*(create() for _ in range(20)))
    assert sorted(results) == ["ALREADY_EXISTS"] * 19 + ["e1"]
    stats = await client.control("GetStats")
    assert (stats["executions"], stats["duplicates"]) == (1, 19)


@pytest.mark.parametrize("name", ["Upper", "ends-"])
async def test_a_name_that_kubernetes_rejects_makes_a_failed_execution(connect: Connect, name: str) -> None:
    client = await with_plan(connect)
    await client.launch(PLAN, name)
    made = await client.get(execution_id(name))
    assert made.closure.phase == Phase.FAILED
    assert (made.closure.error.code, made.closure.error.kind) == ("Internal", core.ExecutionErrorErrorKind.SYSTEM)
    assert made.closure.error.message.startswith("failed to create workflow in propeller ")
    assert made.closure.started_at is None
    assert made.closure.duration is None
    failure = await client.fails(methods.CREATE_EXECUTION, execution(TASK, name))
    assert failure.status == Status.INTERNAL
    assert failure.text.startswith("failed to create workflow in propeller ")


async def test_the_executions_own_settings_go_before_those_of_its_launch_plan(connect: Connect) -> None:
    security = core.SecurityContext(run_as=core.Identity(k8s_service_account="plan"))
    plan = admin.LaunchPlanSpec(max_parallelism=7, security_context=security)
    client = await with_plan(connect, {}, plan)
    own = core.SecurityContext(run_as=core.Identity(k8s_service_account="own"))
    await client.launch(PLAN, "e1")
    await client.launch(PLAN, "e2", max_parallelism=3, security_context=own)
    first, second = [await client.get(execution_id(name)) for name in ("e1", "e2")]
    assert (first.spec.max_parallelism, first.spec.security_context) == (7, security)
    assert (second.spec.max_parallelism, second.spec.security_context) == (3, own)


async def test_the_servers_metadata_replaces_what_the_client_sent(connect: Connect) -> None:
    client = await with_plan(connect)
    metadata = admin.ExecutionMetadata(
        mode=admin.ExecutionMetadataExecutionMode.SCHEDULED,
        principal="somebody",
        system_metadata=admin.SystemMetadata(execution_cluster="mine"),
    )
    await client.launch(PLAN, "e1", metadata=metadata)
    stored = (await client.get(execution_id("e1"))).spec.metadata
    assert stored.mode == admin.ExecutionMetadataExecutionMode.SCHEDULED
    assert stored.principal == ""
    assert stored.system_metadata.execution_cluster == ""


async def test_a_child_of_a_node_is_nested_one_deeper(connect: Connect) -> None:
    client = await with_plan(connect)
    await client.launch(PLAN, "e1")
    await client.node(execution_id("e1"), "n0")
    parent = core.NodeExecutionIdentifier(node_id="n0", execution_id=execution_id("e1"))
    await client.launch(PLAN, "e2", metadata=admin.ExecutionMetadata(parent_node_execution=parent))
    assert (await client.get(execution_id("e2"))).spec.metadata.nesting == 1


async def test_notifications_are_the_executions_or_the_launch_plans_or_none(connect: Connect) -> None:
    def to(address: str) -> admin.Notification:
        return admin.Notification(email=admin.EmailNotification(recipients_email=[address]), phases=[Phase.FAILED])

    plan = admin.LaunchPlanSpec(entity_metadata=admin.LaunchPlanMetadata(notifications=[to("plan@x")]))
    client = await with_plan(connect, {}, plan)
    await client.launch(PLAN, "e1")
    await client.launch(PLAN, "e2", notifications=admin.NotificationList(notifications=[to("own@x")]))
    await client.launch(PLAN, "e3", disable_all=True)
    found = [(await client.get(execution_id(name))).closure.notifications for name in ("e1", "e2", "e3")]
    assert found == [[to("plan@x")], [to("own@x")], []]


async def test_labels_of_the_project_join_those_of_the_execution_if_it_has_any(connect: Connect) -> None:
    client = await with_plan(connect)
    project = admin.Project(id=PROJECT, labels=admin.Labels(values={"team": "a", "cost": "b"}))
    await client.call(methods.UPDATE_PROJECT, project)
    await client.launch(PLAN, "e1", labels=admin.Labels(values={"team": "mine"}))
    await client.launch(PLAN, "e2")
    assert (await client.get(execution_id("e1"))).spec.labels.values == {"team": "mine", "cost": "b"}
    assert (await client.get(execution_id("e2"))).spec.labels is None


async def test_a_repeated_tag_exists_already(connect: Connect) -> None:
    client = await with_plan(connect)
    failure = await client.fails(methods.CREATE_EXECUTION, execution(PLAN, "e1", tags=["a", "a"]))
    assert failure.status == Status.ALREADY_EXISTS
    assert "execution_tags_pkey" in failure.text
    # The first tag's row stays behind, so the same name and tag can never be used again.
    failure = await client.fails(methods.CREATE_EXECUTION, execution(PLAN, "e1", tags=["a"]))
    assert failure.status == Status.ALREADY_EXISTS
    assert (await client.control("GetStats"))["executions"] == 0


async def test_a_launch_plan_limits_how_many_of_its_executions_run(connect: Connect) -> None:
    plan = admin.LaunchPlanSpec(concurrency_policy=admin.ConcurrencyPolicy(max=2))
    client = await with_plan(connect, {}, plan)
    await client.launch(PLAN, "e1")
    await client.launch(PLAN, "e2")
    failure = await client.fails(methods.CREATE_EXECUTION, execution(PLAN, "e3"))
    assert failure.status == Status.ALREADY_EXISTS
    assert failure.text.startswith("concurrency limit (2) reached")
    request = admin.ExecutionTerminateRequest(id=execution_id("e1"))
    await client.call(methods.TERMINATE_EXECUTION, request)
    await client.finish(execution_id("e1"))
    await client.launch(PLAN, "e3")


# Single tasks...


async def test_a_task_is_launched_inside_of_a_generated_workflow_and_launch_plan(connect: Connect) -> None:
    client = await connect({"my.pkg.double": lambda x: x * 2})
    template = task("my.pkg.double", {"x": int}, {"o0": int})
    request = admin.TaskCreateRequest(id=template.id, spec=admin.TaskSpec(template=template))
    await client.call(methods.CREATE_TASK, request)
    target = identifier("my.pkg.double", Kind.TASK)
    first, second = await client.launch(target, "e1", {"x": 4}), await client.launch(target, "e2", {"x": 5})
    assert (await client.finish(first)).closure.phase == Phase.SUCCEEDED
    assert await client.outputs(first) == {"o0": 8}
    await client.finish(second)
    assert await client.outputs(second) == {"o0": 10}
    made = await client.get(first)
    skeleton = identifier(".flytegen.my.pkg.double", Kind.WORKFLOW)
    assert made.closure.workflow_id == skeleton
    assert made.spec.launch_plan == target
    assert "mypkgdouble" in await client.nodes(first)
    found = await client.call(methods.GET_WORKFLOW, admin.ObjectGetRequest(id=skeleton))
    [inner] = [item for item in found.closure.compiled_workflow.primary.template.nodes if item.task_node is not None]
    assert (inner.metadata.name, inner.metadata.retries.retries) == ("mypkgdouble", 0)
    plan_id = identifier(".flytegen.my.pkg.double", Kind.LAUNCH_PLAN)
    plan = await client.call(methods.GET_LAUNCH_PLAN, admin.ObjectGetRequest(id=plan_id))
    assert plan.closure.state == admin.LaunchPlanState.INACTIVE


async def test_a_task_without_retries_of_its_own_gets_three(connect: Connect) -> None:
    client = await connect(unregistered="hang")
    template = task("t")
    template.metadata = core.TaskMetadata()
    request = admin.TaskCreateRequest(id=template.id, spec=admin.TaskSpec(template=template))
    await client.call(methods.CREATE_TASK, request)
    await client.launch(TASK, "e1")
    skeleton = identifier(".flytegen.t", Kind.WORKFLOW)
    found = await client.call(methods.GET_WORKFLOW, admin.ObjectGetRequest(id=skeleton))
    [inner] = [item for item in found.closure.compiled_workflow.primary.template.nodes if item.task_node is not None]
    assert inner.metadata.retries.retries == 3


async def test_the_node_of_a_launched_task_has_the_last_letters_of_its_name(connect: Connect) -> None:
    client = await connect(unregistered="hang")
    template = task("x" * 70 + "-end_of.name")
    request = admin.TaskCreateRequest(id=template.id, spec=admin.TaskSpec(template=template))
    await client.call(methods.CREATE_TASK, request)
    await client.launch(template.id, "e1")
    spec_id = "x" * (63 - len("-endofname")) + "-endofname"
    assert (await client.node(execution_id("e1"), spec_id)).id.node_id == hashed(spec_id)


async def test_inputs_of_a_launched_task_are_checked(connect: Connect) -> None:
    client = await connect()
    template = task("t", {"x": int})
    request = admin.TaskCreateRequest(id=template.id, spec=admin.TaskSpec(template=template))
    await client.call(methods.CREATE_TASK, request)
    failure = await client.fails(methods.CREATE_EXECUTION, execution(TASK, "e1"))
    assert (failure.status, failure.text) == (Status.INVALID_ARGUMENT, "expected_inputs x missing")


async def test_labels_and_tags_of_a_launched_task_are_stored_but_cannot_be_searched(connect: Connect) -> None:
    client = await with_plan(connect)
    await client.launch(TASK, "e1", tags=["a"], labels=admin.Labels(values={"k": "v"}))
    await client.launch(PLAN, "e2", tags=["a"])
    made = await client.get(execution_id("e1"))
    assert (made.spec.tags, made.spec.labels.values) == (["a"], {"k": "v"})
    scope = admin.NamedEntityIdentifier(project=PROJECT, domain=DOMAIN)
    request = admin.ResourceListRequest(id=scope, limit=5, filters="eq(execution_tag.key,a)")
    reply = await client.call(methods.LIST_EXECUTIONS, request)
    assert [item.id.name for item in reply.executions] == ["e2"]
    request.filters = "eq(launch_plan.name,.flytegen.t)"
    assert (await client.call(methods.LIST_EXECUTIONS, request)).executions == []
    request.filters = "eq(task.name,t)+eq(launch_entity,task)"
    reply = await client.call(methods.LIST_EXECUTIONS, request)
    assert [item.id.name for item in reply.executions] == ["e1"]
