"""The tables of what flyteadmin answers, row by row, where no other test goes through them."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest

from flyteasync.errors import Status
from flyteasync.idl import admin, core, event, methods
from flyteasync.server.columns import COLUMNS, Entity
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
    variables,
    workflow,
)
from tests.server.client import Client
from tests.server.conftest import Connect
from tests.server.events import (
    E1,
    NodePhase,
    TaskPhase,
    at,
    attempt_id,
    get_attempt,
    get_node,
    node_event,
    node_id,
    send,
    task_event,
    undriven,
)

Kind = core.ResourceType
INVALID = Status.INVALID_ARGUMENT
SCOPE = admin.NamedEntityIdentifier(project=PROJECT, domain=DOMAIN)
PLAN, TASK, WORKFLOW = (identifier("wf", Kind.LAUNCH_PLAN), identifier("t", Kind.TASK), identifier("wf", Kind.WORKFLOW))

Method = methods.Method[Any, Any]


async def with_plan(connect: Connect, inputs: dict[str, Any] | None = None, **settings: Any) -> Client:
    """A server with the task `t` and the workflow and launch plan `wf`; what is launched hangs."""
    client: Client = await connect(**({"unregistered": "hang"} | settings))
    inputs = inputs or {}
    template = workflow("wf", [node("n0", "t", {name: promise(name) for name in inputs})], inputs)
    await client.register(template, [task("t", inputs)])
    return client


async def answers(client: Client, method: Method, request: Any) -> tuple[Status, str]:
    failure = await client.fails(method, request)
    return failure.status, failure.text


# Projects and domains, of whatever is created...


def creations(project: str, domain: str) -> list[tuple[Method, Any]]:
    """Requests that create something there."""

    def moved(named: core.Identifier) -> core.Identifier:
        return dataclasses.replace(named, project=project, domain=domain)

    launched = execution(PLAN, "e9")
    launched.project, launched.domain = project, domain
    plan = admin.LaunchPlanSpec(workflow_id=WORKFLOW)
    return [
        (methods.CREATE_TASK, admin.TaskCreateRequest(id=moved(TASK), spec=admin.TaskSpec(template=task("t")))),
        (
            methods.CREATE_WORKFLOW,
            admin.WorkflowCreateRequest(id=moved(WORKFLOW), spec=admin.WorkflowSpec(template=workflow("wf", []))),
        ),
        (methods.CREATE_LAUNCH_PLAN, admin.LaunchPlanCreateRequest(id=moved(PLAN), spec=plan)),
        (methods.CREATE_EXECUTION, launched),
    ]


@pytest.mark.parametrize(
    ("project", "domain", "text"),
    [
        (
            "nope",
            DOMAIN,
            f"failed to validate that project [nope] and domain [{DOMAIN}] are registered, "
            "err: [project [nope] not found]",
        ),
        (PROJECT, "nope", "domain [nope] is unrecognized by system"),
        ("archived", DOMAIN, "project [archived] is not active"),
    ],
)
async def test_nothing_is_created_where_the_project_or_domain_is_not_there(
    connect: Connect, project: str, domain: str, text: str
) -> None:
    client = await with_plan(connect, projects=(PROJECT, "archived"))
    archived = admin.Project(id="archived", state=admin.ProjectProjectState.ARCHIVED)
    await client.call(methods.UPDATE_PROJECT, archived)
    for method, request in creations(project, domain):
        failure = await client.fails(method, request)
        assert (failure.status, failure.text) == (INVALID, text), method.name
        assert failure.details == ([admin.InactiveProject(id=project)] if project == "archived" else [])


@pytest.mark.parametrize("again", [methods.RELAUNCH_EXECUTION, methods.RECOVER_EXECUTION])
async def test_nothing_is_launched_again_in_an_archived_project(connect: Connect, again: Method) -> None:
    client = await with_plan(connect)
    await client.launch(PLAN, "e1")
    project = admin.Project(id=PROJECT, state=admin.ProjectProjectState.ARCHIVED)
    await client.call(methods.UPDATE_PROJECT, project)
    failure = await client.fails(again, again.request(id=E1, name="e2"))
    assert (failure.status, failure.text) == (INVALID, f"project [{PROJECT}] is not active")
    assert failure.details == [admin.InactiveProject(id=PROJECT)]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"name": "n" * 65}, "project_name cannot exceed 64 characters"),
        ({"description": "d" * 301}, "project_description cannot exceed 300 characters"),
        ({"labels": admin.Labels(values={"bad key": "v"})}, "invalid label key [bad key]: "),
        ({"labels": admin.Labels(values={"key": "bad value"})}, "invalid label value [bad value]: "),
        ({"labels": admin.Labels(values={f"k{i}": "v" for i in range(17)})}, "labels map cannot exceed 16 entries"),
        ({"domains": [admin.Domain(id="d")]}, "Domains are currently only set system wide. "),
    ],
)
async def test_a_bad_update_of_a_project_is_rejected(connect: Connect, changes: dict[str, Any], text: str) -> None:
    client = await connect()
    failure = await client.fails(methods.UPDATE_PROJECT, admin.Project(id=PROJECT, **changes))
    assert failure.status == INVALID
    assert failure.text.startswith(text)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"filters": "x"}, "invalid value for filters"),
        ({"filters": "eq(id_,x)"}, "'p.id_' is invalid filter"),
        ({"filters": "eq(task.name,x)"}, "'t' entity is not allowed in filters"),
        ({"sort_by": admin.Sort(key="nope")}, "invalid sort key 'nope'"),
        ({"token": "x"}, "invalid pagination token x for ListProjects"),
        ({"token": "-1"}, "invalid pagination token -1 for ListProjects"),
    ],
)
async def test_a_bad_list_of_projects_is_rejected(connect: Connect, fields: dict[str, Any], text: str) -> None:
    client = await connect()
    assert await answers(client, methods.LIST_PROJECTS, admin.ProjectListRequest(**fields)) == (INVALID, text)


# Ids...


async def test_the_type_of_an_id_is_filled_in_where_the_method_says_it(connect: Connect) -> None:
    client = await with_plan(connect)
    await client.launch(PLAN, "e1")
    await client.node(E1, "n0", NodePhase.RUNNING)

    def untyped(named: core.Identifier) -> core.Identifier:
        return dataclasses.replace(named, resource_type=Kind.UNSPECIFIED)

    attempt = dataclasses.replace(attempt_id("n0"), task_id=untyped(TASK))
    for method, request in [
        (methods.GET_TASK, admin.ObjectGetRequest(id=untyped(TASK))),
        (methods.GET_WORKFLOW, admin.ObjectGetRequest(id=untyped(WORKFLOW))),
        (methods.GET_LAUNCH_PLAN, admin.ObjectGetRequest(id=untyped(PLAN))),
        (methods.UPDATE_LAUNCH_PLAN, admin.LaunchPlanUpdateRequest(id=untyped(PLAN))),
        (methods.GET_TASK_EXECUTION, admin.TaskExecutionGetRequest(id=attempt)),
        (methods.GET_TASK_EXECUTION_DATA, admin.TaskExecutionGetDataRequest(id=attempt)),
        (
            methods.LIST_NODE_EXECUTIONS_FOR_TASK,
            admin.NodeExecutionForTaskListRequest(task_execution_id=attempt, limit=1),
        ),
    ]:
        await client.call(method, request)


async def test_an_organisation_is_no_part_of_any_key(connect: Connect) -> None:
    client = await with_plan(connect)
    await client.launch(PLAN, "e1")
    named = dataclasses.replace(TASK, org="mine")
    assert (await client.call(methods.GET_TASK, admin.ObjectGetRequest(id=named))).id.name == "t"
    assert (await client.get(dataclasses.replace(E1, org="mine"))).id == E1
    request = admin.TaskCreateRequest(id=named, spec=admin.TaskSpec(template=task("t")))
    assert "already exists" in (await client.fails(methods.CREATE_TASK, request)).text


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ({"": "v"}, "invalid label key []: [name part must be non-empty"),
        ({"a/b/c": "v"}, "invalid label key [a/b/c]: [a qualified name must consist of"),
        ({"k": "v" * 64}, f"invalid label value [{'v' * 64}]: [must be no more than 63 characters]"),
        ({f"k{i}": "" for i in range(17)}, "labels map cannot exceed 16 entries"),
    ],
)
async def test_labels_of_executions_and_launch_plans_are_checked(
    connect: Connect, labels: dict[str, str], text: str
) -> None:
    client = await with_plan(connect)
    given = admin.Labels(values=labels)
    plan = admin.LaunchPlanSpec(workflow_id=WORKFLOW, labels=given)
    for method, request in [
        (methods.CREATE_EXECUTION, execution(PLAN, "e1", labels=given)),
        (methods.CREATE_LAUNCH_PLAN, admin.LaunchPlanCreateRequest(id=identifier("lp", Kind.LAUNCH_PLAN), spec=plan)),
    ]:
        failure = await client.fails(method, request)
        assert failure.status == INVALID
        assert failure.text.startswith(text)


async def test_neither_annotations_nor_tags_are_checked(connect: Connect) -> None:
    client = await with_plan(connect)
    annotations = admin.Annotations(values={f"bad key {i}": "bad value" for i in range(30)})
    await client.launch(PLAN, "e1", annotations=annotations, tags=["any text", "!"])
    spec = (await client.get(E1)).spec
    assert spec is not None
    assert (spec.annotations, spec.tags) == (annotations, ["any text", "!"])


# Workflows and launch plans...


async def test_the_requests_id_overwrites_that_of_the_workflow(connect: Connect) -> None:
    client = await with_plan(connect)
    template = workflow("other", [node("n0", "t")])
    wanted = identifier("wf2", Kind.WORKFLOW)
    request = admin.WorkflowCreateRequest(id=wanted, spec=admin.WorkflowSpec(template=template))
    await client.call(methods.CREATE_WORKFLOW, request)
    found = await client.call(methods.GET_WORKFLOW, admin.ObjectGetRequest(id=wanted))
    assert found.closure.compiled_workflow.primary.template.id == wanted


def scheduled(name: str, **fields: Any) -> admin.LaunchPlanCreateRequest:
    metadata = admin.LaunchPlanMetadata(schedule=admin.Schedule(**fields))
    spec = admin.LaunchPlanSpec(workflow_id=WORKFLOW, entity_metadata=metadata)
    return admin.LaunchPlanCreateRequest(id=identifier(name, Kind.LAUNCH_PLAN), spec=spec)


@pytest.mark.parametrize(
    "fields",
    [
        {"rate": admin.FixedRate(value=5, unit=admin.FixedRateUnit.HOUR)},
        *(
            {"cron_schedule": admin.CronSchedule(schedule=text)}
            for text in (
                "0 0 * * *",
                "*/5 1-3,7 1 jan-MAR mon,5",
                "? 0 1 1 ?",
                "@daily",
                "@every 1h30m",
                "TZ=UTC 0 0 * * *",
            )
        ),
    ],
)
async def test_a_launch_plan_with_a_schedule_can_be_activated(connect: Connect, fields: dict[str, Any]) -> None:
    client = await with_plan(connect)
    request = scheduled("lp", **fields)
    await client.call(methods.CREATE_LAUNCH_PLAN, request)
    for state in (admin.LaunchPlanState.ACTIVE, admin.LaunchPlanState.INACTIVE, admin.LaunchPlanState.INACTIVE):
        update = admin.LaunchPlanUpdateRequest(id=request.id, state=state)
        await client.call(methods.UPDATE_LAUNCH_PLAN, update)
    listed = admin.ResourceListRequest(id=SCOPE, limit=5, filters="ne(schedule_type,NONE)")
    assert len((await client.call(methods.LIST_LAUNCH_PLANS, listed)).launch_plans) == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "expected exactly 5 fields, found 0"),
        ("* * * *", "expected exactly 5 fields, found 4"),
        ("* * * * * *", "expected exactly 5 fields, found 6"),
        ("60 * * * *", "60 is not from 0 to 59: 60"),
        ("* * 0 * *", "0 is not from 1 to 31: 0"),
        ("* * * * 7", "7 is not from 0 to 6: 7"),
        ("* * * foo *", "not a number: 'foo'"),
        ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("1-2-3 * * * *", "not a range: '1-2-3'"),
        ("@reboot", "unrecognized descriptor: @reboot"),
    ],
)
async def test_a_cron_schedule_must_be_readable(connect: Connect, text: str, reason: str) -> None:
    client = await with_plan(connect)
    request = scheduled("lp", cron_schedule=admin.CronSchedule(schedule=text))
    expected = (INVALID, f"invalid cron schedule [{text}]: {reason}")
    assert await answers(client, methods.CREATE_LAUNCH_PLAN, request) == expected


async def test_a_launch_plan_shows_the_outputs_of_its_workflow(connect: Connect) -> None:
    client: Client = await connect()
    outputs = {"o0": (int, promise("n0.o0"))}
    plan = await client.register(workflow("wf", [node("n0", "t")], {}, outputs), [task("t", {}, {"o0": int})])
    found = await client.call(methods.GET_LAUNCH_PLAN, admin.ObjectGetRequest(id=plan))
    assert found.closure.expected_outputs == variables({"o0": int})


async def test_lists_that_ignore_filters(connect: Connect) -> None:
    client = await with_plan(connect)
    update = admin.LaunchPlanUpdateRequest(id=PLAN, state=admin.LaunchPlanState.ACTIVE)
    await client.call(methods.UPDATE_LAUNCH_PLAN, update)
    fields: dict[str, Any] = {"project": PROJECT, "domain": DOMAIN, "limit": 5}
    reply = await client.call(methods.LIST_ACTIVE_LAUNCH_PLANS, admin.ActiveLaunchPlanListRequest(**fields))
    assert len(reply.launch_plans) == 1
    for method in (methods.LIST_TASK_IDS, methods.LIST_WORKFLOW_IDS, methods.LIST_LAUNCH_PLAN_IDS):
        request = admin.NamedEntityIdentifierListRequest(**fields, filters="eq(name,nope)")
        assert len((await client.call(method, request)).entities) == 1


@pytest.mark.parametrize(
    ("method", "suffix"),
    [
        (methods.LIST_TASK_IDS, " for ListUniqueTaskIdentifiers"),
        (methods.LIST_WORKFLOW_IDS, " for ListWorkflowIdentifiers"),
        (methods.LIST_LAUNCH_PLAN_IDS, ""),
    ],
)
async def test_tokens_and_sort_keys_of_lists_of_names_are_checked(
    connect: Connect, method: Method, suffix: str
) -> None:
    client = await connect()
    for fields, text in [
        ({"token": "x"}, f"invalid pagination token x{suffix}"),
        ({"sort_by": admin.Sort(key="nope")}, "invalid sort key 'nope'"),
    ]:
        given: dict[str, Any] = {"project": PROJECT, "domain": DOMAIN, "limit": 5} | fields
        assert await answers(client, method, admin.NamedEntityIdentifierListRequest(**given)) == (INVALID, text)


@pytest.mark.parametrize("part", ["project", "domain", "name"])
async def test_a_list_of_descriptions_needs_a_whole_name(connect: Connect, part: str) -> None:
    client = await connect()
    named = dataclasses.replace(dataclasses.replace(SCOPE, name="a"), **{part: ""})
    request = admin.DescriptionEntityListRequest(resource_type=Kind.TASK, id=named, limit=5)
    assert await answers(client, methods.LIST_DESCRIPTION_ENTITIES, request) == (INVALID, f"missing {part}")


# Executions...


async def test_a_tag_that_is_a_label_without_a_value_exists_already(connect: Connect) -> None:
    client = await with_plan(connect)
    request = execution(PLAN, "e1", tags=["k"], labels=admin.Labels(values={"k": ""}))
    assert (await client.fails(methods.CREATE_EXECUTION, request)).status == Status.ALREADY_EXISTS
    await client.launch(PLAN, "e2", tags=["k"], labels=admin.Labels(values={"k": "v"}))


@pytest.mark.parametrize("again", [methods.RELAUNCH_EXECUTION, methods.RECOVER_EXECUTION])
async def test_an_execution_that_runs_can_be_launched_again(connect: Connect, again: Method) -> None:
    client = await with_plan(connect)
    await client.launch(PLAN, "e1")
    await client.node(E1, "n0", NodePhase.RUNNING)
    await client.call(again, again.request(id=E1, name="e2"))
    await client.node(execution_id("e2"), "n0", NodePhase.RUNNING)


async def test_any_state_is_stored_and_only_the_active_are_listed(connect: Connect) -> None:
    client = await with_plan(connect)
    await client.launch(PLAN, "e1")
    before = (await client.get(E1)).closure
    assert before is not None
    update = admin.ExecutionUpdateRequest(id=E1, state=admin.ExecutionState(7))
    await client.call(methods.UPDATE_EXECUTION, update)
    after = (await client.get(E1)).closure
    assert after is not None
    assert after.state_change_details is not None
    assert (after.state_change_details.state, after.created_at) == (7, before.created_at)
    assert await listed(client, "") == []
    assert await listed(client, "eq(state,7)") == ["e1"]


async def listed(client: Client, filters: str, domain: str = DOMAIN) -> list[str]:
    scope = dataclasses.replace(SCOPE, domain=domain)
    request = admin.ResourceListRequest(id=scope, limit=9, filters=filters)
    return [item.id.name for item in (await client.call(methods.LIST_EXECUTIONS, request)).executions]


async def test_ending_and_archiving_change_the_rows_time_and_not_that_of_the_last_event(connect: Connect) -> None:
    client = await with_plan(connect, abort_delay=1000)
    for name in ("e1", "e2", "e3"):
        await client.launch(PLAN, name)
        await client.node(execution_id(name), "n0", NodePhase.RUNNING)
    now = (await client.control("Ping"))["now"].replace("+00:00", "Z")
    assert await listed(client, f"gt(updated_at,{now})") == []
    await client.call(methods.TERMINATE_EXECUTION, admin.ExecutionTerminateRequest(id=E1, cause="c"))
    archived = admin.ExecutionState.EXECUTION_ARCHIVED
    update = admin.ExecutionUpdateRequest(id=execution_id("e2"), state=archived)
    await client.call(methods.UPDATE_EXECUTION, update)
    assert await listed(client, f"gt(updated_at,{now})+gte(state,0)") == ["e1", "e2"]
    assert await listed(client, f"gt(execution_updated_at,{now})+gte(state,0)") == []


async def test_tags_are_joined_by_the_executions_name_alone(connect: Connect) -> None:
    client = await with_plan(connect)
    await client.launch(PLAN, "e1", tags=["a"])
    elsewhere = execution(PLAN, "e1", tags=["a"])
    elsewhere.domain = "staging"
    await client.call(methods.CREATE_EXECUTION, elsewhere)
    for domain in (DOMAIN, "staging"):
        assert await listed(client, "eq(execution_tag.key,a)", domain) == ["e1", "e1"]


async def test_an_unknown_place_is_an_empty_list(connect: Connect) -> None:
    client = await with_plan(connect)
    nowhere = admin.NamedEntityIdentifier(project="nope", domain="nope")
    for method in (methods.LIST_EXECUTIONS, methods.LIST_TASKS, methods.LIST_WORKFLOWS, methods.LIST_LAUNCH_PLANS):
        reply = await client.call(method, admin.ResourceListRequest(id=nowhere, limit=5))
        assert not reply
    unknown = admin.TaskExecutionListRequest(node_execution_id=node_id("n9"), limit=5)
    assert not await client.call(methods.LIST_TASK_EXECUTIONS, unknown)
    signals = admin.SignalListRequest(workflow_execution_id=execution_id("nope"), limit=5)
    assert not await client.call(methods.LIST_SIGNALS, signals)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"id": admin.NamedEntityIdentifier(domain=DOMAIN)}, "missing project"),
        ({"id": admin.NamedEntityIdentifier(project=PROJECT)}, "missing domain"),
        ({"filters": "x"}, "invalid value for filters"),
        ({"token": "x"}, "invalid pagination token x for ListExecutions"),
    ],
)
async def test_a_bad_list_of_executions_is_rejected(connect: Connect, fields: dict[str, Any], text: str) -> None:
    client = await connect()
    fields = {"id": SCOPE, "limit": 1} | fields
    request = admin.ResourceListRequest(**fields)
    assert await answers(client, methods.LIST_EXECUTIONS, request) == (INVALID, text)


# Columns and joins...

BASE = "id created_at updated_at deleted_at"
KEY = "execution_project execution_domain execution_name"
VERSION = "project domain name version"
TABLE = {
    Entity.EXECUTION: f"{KEY} launch_plan_id workflow_id task_id phase closure spec started_at execution_created_at "
    "execution_updated_at duration abort_cause mode source_execution_id parent_node_execution_id cluster inputs_uri "
    "user_inputs_uri error_kind error_code user state launch_entity",
    Entity.NODE_EXECUTION: f"{KEY} node_id phase input_uri closure started_at node_execution_created_at "
    "node_execution_updated_at duration node_execution_metadata parent_id parent_task_execution_id error_kind "
    "error_code cache_status dynamic_workflow_remote_closure_reference internal_data",
    Entity.TASK_EXECUTION: f"{VERSION} {KEY} node_id retry_attempt phase phase_version input_uri closure started_at "
    "task_execution_created_at task_execution_updated_at duration",
    Entity.TASK: f"{VERSION} closure digest type short_description",
    Entity.WORKFLOW: f"{VERSION} typed_interface remote_closure_identifier digest short_description",
    Entity.LAUNCH_PLAN: f"{VERSION} spec workflow_id closure state digest schedule_type launch_condition_type",
    Entity.PROJECT: "identifier name description labels state",
    Entity.SIGNAL: f"{KEY} signal_id type value",
    Entity.EXECUTION_TAG: f"{KEY} key value",
}
VALUES = {"bigint": "1", "interval": "1s", "timestamp with time zone": "2024-05-01T00:00:00Z"}
E1_NODES = {"workflow_execution_id": E1, "limit": 1}
LISTS: dict[Entity, tuple[Method, dict[str, Any]]] = {
    Entity.EXECUTION: (methods.LIST_EXECUTIONS, {"id": SCOPE, "limit": 1}),
    Entity.NODE_EXECUTION: (methods.LIST_NODE_EXECUTIONS, E1_NODES),
    Entity.TASK_EXECUTION: (methods.LIST_TASK_EXECUTIONS, {"node_execution_id": node_id("n0"), "limit": 1}),
    Entity.TASK: (methods.LIST_TASKS, {"id": SCOPE, "limit": 1}),
    Entity.WORKFLOW: (methods.LIST_WORKFLOWS, {"id": SCOPE, "limit": 1}),
    Entity.LAUNCH_PLAN: (methods.LIST_LAUNCH_PLANS, {"id": SCOPE, "limit": 1}),
    Entity.PROJECT: (methods.LIST_PROJECTS, {"limit": 1}),
    Entity.SIGNAL: (methods.LIST_SIGNALS, E1_NODES),
}
PREFIXES = {
    "task": Entity.TASK,
    "workflow": Entity.WORKFLOW,
    "launch_plan": Entity.LAUNCH_PLAN,
    "execution": Entity.EXECUTION,
    "node_execution": Entity.NODE_EXECUTION,
    "task_execution": Entity.TASK_EXECUTION,
    "project": Entity.PROJECT,
    "signal": Entity.SIGNAL,
    "execution_tag": Entity.EXECUTION_TAG,
}
JOINS = {
    Entity.EXECUTION: {"launch_plan", "workflow", "task", "execution_tag"},
    Entity.LAUNCH_PLAN: {"workflow"},
    Entity.NODE_EXECUTION: {"execution"},
    Entity.TASK_EXECUTION: {"task", "execution", "node_execution"},
}


@pytest.mark.parametrize("entity", TABLE, ids=lambda entity: entity.name)
def test_a_table_has_these_columns_and_no_others(entity: Entity) -> None:
    assert set(COLUMNS[entity]) == set(f"{BASE} {TABLE[entity]}".split())


@pytest.mark.parametrize("entity", LISTS, ids=lambda entity: entity.name)
async def test_every_column_can_be_filtered_and_sorted_by(connect: Connect, entity: Entity) -> None:
    client = await with_plan(connect)
    await client.launch(PLAN, "e1")
    await client.node(E1, "n0", NodePhase.RUNNING)
    method, fields = LISTS[entity]
    for name, column in COLUMNS[entity].items():
        filters = f"eq({name},{VALUES.get(column.kind.name, 'x')})"
        await client.call(method, method.request(**fields, filters=filters))
        await client.call(method, method.request(**fields, sort_by=admin.Sort(key=name)))


@pytest.mark.parametrize("entity", LISTS, ids=lambda entity: entity.name)
async def test_these_tables_are_joined_and_no_others(connect: Connect, entity: Entity) -> None:
    client = await with_plan(connect)
    await client.launch(PLAN, "e1")
    await client.node(E1, "n0", NodePhase.RUNNING)
    method, fields = LISTS[entity]
    for prefix, joined in PREFIXES.items():
        request = method.request(**fields, filters=f"gt({prefix}.id,0)")
        if joined is entity or prefix in JOINS.get(entity, ()):
            await client.call(method, request)
        else:
            expected = (INVALID, f"'{joined.value}' entity is not allowed in filters")
            assert await answers(client, method, request) == expected, prefix


# Events...


async def test_the_address_of_a_dynamic_workflow_is_stored_by_updates_only(connect: Connect) -> None:
    client = await undriven(connect)
    dynamic = event.DynamicWorkflowNodeMetadata(id=WORKFLOW, dynamic_job_spec_uri="s3://j")
    metadata = event.TaskNodeMetadata(dynamic_workflow=dynamic)
    await send(client, node_event("x", NodePhase.RUNNING, 1, task_node_metadata=metadata))
    assert (await get_node(client, "x")).closure.dynamic_job_spec_uri == ""  # type: ignore[union-attr]
    await send(client, node_event("x", NodePhase.DYNAMIC_RUNNING, 2, task_node_metadata=metadata))
    assert (await get_node(client, "x")).closure.dynamic_job_spec_uri == "s3://j"  # type: ignore[union-attr]


@pytest.mark.parametrize("phase", [phase for phase in NodePhase if phase.name != "RUNNING"])
async def test_a_node_goes_from_running_to_any_phase(connect: Connect, phase: NodePhase) -> None:
    client = await undriven(connect)
    await send(client, node_event("x", NodePhase.RUNNING, 1))
    await send(client, node_event("x", phase, 4))
    closure: Any = (await get_node(client, "x")).closure
    ends = {"SUCCEEDED", "FAILED", "ABORTED", "SKIPPED", "TIMED_OUT", "RECOVERED"}
    assert (closure.phase, closure.started_at, closure.updated_at) == (phase, at(1), at(4))
    assert closure.duration == (timedelta(seconds=3) if phase.name in ends else None)


@pytest.mark.parametrize("phase", list(TaskPhase))
async def test_every_phase_of_an_attempt_is_shown_as_reported(connect: Connect, phase: TaskPhase) -> None:
    client = await undriven(connect)
    await send(client, task_event("n0", phase, 3, retry_attempt=1))
    closure: Any = (await get_attempt(client, "n0", 1)).closure
    assert (closure.phase, closure.created_at, closure.updated_at) == (phase, at(3), at(3))
    assert closure.started_at == (at(3) if phase == TaskPhase.RUNNING else None)


async def test_outputs_in_an_event_of_a_node_may_be_of_any_size(connect: Connect) -> None:
    client = await undriven(connect)
    large = core.LiteralMap(literals={"o0": literal("x" * (2 * 1024 * 1024))})
    await send(client, node_event("x", NodePhase.SUCCEEDED, 1, output_data=large))
    data = await client.call(methods.GET_NODE_EXECUTION_DATA, admin.NodeExecutionGetDataRequest(id=node_id("x")))
    assert data.full_outputs == large
