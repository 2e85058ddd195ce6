"""Tasks, workflows and launch plans: registering, reading, listing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from flyteasync.errors import Status
from flyteasync.idl import admin, core, methods
from flyteasync.idl.google.protobuf import Any as AnyMessage
from tests.server.build import (
    DOMAIN,
    PROJECT,
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

Kind = core.ResourceType
Resource = core.ResourcesResourceEntry
Name = core.ResourcesResourceName
SCOPE = admin.NamedEntityIdentifier(project=PROJECT, domain=DOMAIN)


async def create_task(client: Client, template: core.TaskTemplate) -> None:
    request = admin.TaskCreateRequest(id=template.id, spec=admin.TaskSpec(template=template))
    await client.call(methods.CREATE_TASK, request)


def task_request(change: Callable[[core.TaskTemplate], Any]) -> admin.TaskCreateRequest:
    template = task("t", {"x": int})
    change(template)
    return admin.TaskCreateRequest(id=identifier("t", Kind.TASK), spec=admin.TaskSpec(template=template))


def change(**fields: Any) -> Callable[[core.TaskTemplate], None]:
    def apply(template: core.TaskTemplate) -> None:
        for name, value in fields.items():
            setattr(template, name, value)

    return apply


def asking(requests: dict[Name, str], limits: dict[Name, str] | None = None) -> Callable[[core.TaskTemplate], None]:
    resources = core.Resources(
        requests=[Resource(name=name, value=value) for name, value in requests.items()],
        limits=[Resource(name=name, value=value) for name, value in (limits or {}).items()],
    )
    return change(container=core.Container(image="image", resources=resources))


# Tasks...


async def test_a_task_is_read_back_as_it_was_compiled(connect: Connect) -> None:
    client = await connect()
    template = task("t", {"x": int}, {"o0": str})
    spec = admin.TaskSpec(template=template, description=admin.DescriptionEntity(short_description="short"))
    template.id = None
    request = admin.TaskCreateRequest(id=identifier("t", Kind.TASK), spec=spec)
    await client.call(methods.CREATE_TASK, request)
    found = await client.call(methods.GET_TASK, admin.ObjectGetRequest(id=request.id))
    template.id = request.id
    assert found.id == request.id
    assert found.closure.compiled_task.template == template
    assert found.closure.created_at is not None
    assert found.short_description == "short"


async def test_the_type_of_an_id_may_be_left_out_when_reading(connect: Connect) -> None:
    client = await connect()
    await create_task(client, task("t"))
    wanted = dataclasses.replace(identifier("t", Kind.TASK), resource_type=Kind.UNSPECIFIED)
    assert (await client.call(methods.GET_TASK, admin.ObjectGetRequest(id=wanted))).id == identifier("t", Kind.TASK)


async def test_the_same_task_again_exists(connect: Connect) -> None:
    client = await connect()
    await create_task(client, task("t", {"x": int, "y": int}))
    request = task_request(change(interface=task("t", {"y": int, "x": int}).interface))
    failure = await client.fails(methods.CREATE_TASK, request)
    assert (failure.status, failure.text) == (
        Status.ALREADY_EXISTS,
        "task with identical structure already exists",
    )
    assert failure.details == []


async def test_another_task_of_the_same_version_is_invalid_and_its_differences_are_told(connect: Connect) -> None:
    client = await connect()
    await create_task(client, task("t", {"x": int}))
    failure = await client.fails(methods.CREATE_TASK, task_request(change(type="spark")))
    assert failure.status == Status.INVALID_ARGUMENT
    assert failure.text == (
        "t task with different structure already exists. (Please register a new version of the task):\n"
        "/template/type:\n\t- python-task \n\t+ spark"
    )
    assert failure.details == []


LIMITS = "Please contact Flyte Admins to change these limits or consult the configuration"


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (admin.TaskCreateRequest(), "missing id"),
        (
            admin.TaskCreateRequest(id=identifier("t", Kind.WORKFLOW)),
            'unexpected resource type workflow for identifier [resource_type:WORKFLOW project:"flytesnacks" '
            'domain:"development" name:"t" version:"v1"], expected task instead',
        ),
        (admin.TaskCreateRequest(id=core.Identifier(resource_type=Kind.TASK)), "missing project"),
        (admin.TaskCreateRequest(id=core.Identifier(resource_type=Kind.TASK, project="p")), "missing domain"),
        (
            admin.TaskCreateRequest(id=core.Identifier(resource_type=Kind.TASK, project="p", domain="d")),
            "missing name",
        ),
        (
            admin.TaskCreateRequest(id=core.Identifier(resource_type=Kind.TASK, project="p", domain="d", name="n")),
            "missing version",
        ),
        (admin.TaskCreateRequest(id=identifier("t", Kind.TASK)), "missing spec"),
        (admin.TaskCreateRequest(id=identifier("t", Kind.TASK), spec=admin.TaskSpec()), "missing spec"),
        (task_request(change(type="")), "missing type"),
        (task_request(change(metadata=None)), "missing metadata"),
        (
            task_request(change(metadata=core.TaskMetadata(runtime=core.RuntimeMetadata(flavor="python")))),
            "missing runtime version",
        ),
        (task_request(change(interface=None)), "missing typed interface"),
        (task_request(change(container=core.Container())), "missing image"),
        (
            task_request(change(container=None, k8s_pod=core.K8SPod())),
            "invalid TaskSpecification, pod tasks should specify their target as a K8sPod with a defined pod spec",
        ),
        (
            task_request(asking({Name.CPU: "2"}, {Name.CPU: "1"})),
            "Requested CPU default [2] is greater than the limit [1]. Please fix your configuration",
        ),
        (
            task_request(asking({Name.CPU: "3"})),
            f"Requested CPU default [3] is greater than current limit set in the platform configuration [2]. {LIMITS}",
        ),
        (
            task_request(asking({Name.MEMORY: "1Gi"}, {Name.MEMORY: "2Gi"})),
            "Requested MEMORY limit [2Gi] is greater than current limit set in the platform configuration [1Gi]. "
            + LIMITS,
        ),
        (
            task_request(asking({Name.GPU: "1"}, {Name.GPU: "2"})),
            "For extended resource 'gpu' the default value must equal the limit value for task "
            '[resource_type:TASK project:"flytesnacks" domain:"development" name:"t" version:"v1"]',
        ),
        (
            task_request(asking({Name.GPU: "500m"})),
            'gpu for [resource_type:TASK project:"flytesnacks" domain:"development" name:"t" version:"v1"] must be a '
            "whole number, got: 500m instead",
        ),
        (
            task_request(asking({Name.MEMORY: "lots"})),
            "Parsing of MEMORY request failed for value lots - reason  quantities must match the regular expression",
        ),
    ],
)
async def test_a_bad_task_is_rejected(connect: Connect, request_: admin.TaskCreateRequest, text: str) -> None:
    client = await connect()
    failure = await client.fails(methods.CREATE_TASK, request_)
    assert failure.status == Status.INVALID_ARGUMENT
    assert failure.text.startswith(text)


async def test_resource_limits_are_settable(connect: Connect) -> None:
    client = await connect(resource_limits={"CPU": "64", "MEMORY": None})
    await client.call(methods.CREATE_TASK, task_request(asking({Name.CPU: "32", Name.MEMORY: "512Gi"})))


@pytest.mark.parametrize(
    ("method", "kind"),
    [(methods.GET_TASK, Kind.TASK), (methods.GET_WORKFLOW, Kind.WORKFLOW), (methods.GET_LAUNCH_PLAN, Kind.LAUNCH_PLAN)],
)
async def test_an_unknown_entity_is_not_found(
    connect: Connect, method: methods.Method[Any, Any], kind: core.ResourceType
) -> None:
    client = await connect()
    failure = await client.fails(method, admin.ObjectGetRequest(id=identifier("nope", kind)))
    assert failure.status == Status.NOT_FOUND
    assert failure.text == (
        f'missing entity of type {kind.name} with identifier project:"flytesnacks" domain:"development" name:"nope" '
        'version:"v1"'
    )
    failure = await client.fails(method, admin.ObjectGetRequest())
    assert (failure.status, failure.text) == (Status.INVALID_ARGUMENT, "missing id")
    wrong = Kind.TASK if kind != Kind.TASK else Kind.WORKFLOW
    failure = await client.fails(method, admin.ObjectGetRequest(id=identifier("nope", wrong)))
    assert failure.text.startswith(f"unexpected resource type {wrong.name.lower()} for identifier [")


async def test_versions_are_listed_filtered_sorted_and_paged(connect: Connect) -> None:
    client = await connect()
    for name, version in [("a", "v1"), ("a", "v3"), ("b", "v1"), ("a", "v2")]:
        await create_task(client, task(name, version=version))

    async def listed(**fields: Any) -> tuple[list[str], str]:
        fields = {"id": SCOPE, "limit": 10, **fields}
        reply = await client.call(methods.LIST_TASKS, admin.ResourceListRequest(**fields))
        return [f"{item.id.name}{item.id.version}" for item in reply.tasks], reply.token

    assert await listed() == (["av1", "av3", "bv1", "av2"], "")
    named = dataclasses.replace(SCOPE, name="a")
    assert await listed(id=named, limit=2) == (["av1", "av3"], "2")
    assert await listed(id=named, limit=2, token="2") == (["av2"], "")
    assert await listed(id=named, sort_by=admin.Sort(key="version")) == (["av3", "av2", "av1"], "")
    ascending = admin.Sort(key="version", direction=admin.SortDirection.ASCENDING)
    assert await listed(id=named, sort_by=ascending) == (["av1", "av2", "av3"], "")
    assert await listed(sort_by=admin.Sort(key="created_at"), limit=1) == (["av2"], "1")
    assert await listed(filters="eq(version,v1)") == (["av1", "bv1"], "")
    assert await listed(filters="eq(task.version,v1)+ne(name,b)") == (["av1"], "")
    assert await listed(id=dataclasses.replace(SCOPE, domain="staging")) == ([], "")


async def test_a_full_last_page_has_a_token_that_leads_to_an_empty_one(connect: Connect) -> None:
    client = await connect()
    await create_task(client, task("a"))
    reply = await client.call(methods.LIST_TASKS, admin.ResourceListRequest(id=SCOPE, limit=1))
    assert reply.token == "1"
    reply = await client.call(methods.LIST_TASKS, admin.ResourceListRequest(id=SCOPE, limit=1, token="1"))
    assert (reply.tasks, reply.token) == ([], "")


@pytest.mark.parametrize("method", [methods.LIST_TASKS, methods.LIST_WORKFLOWS, methods.LIST_LAUNCH_PLANS])
@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"id": None}, "missing id"),
        ({"id": admin.NamedEntityIdentifier(domain="d")}, "missing project"),
        ({"id": admin.NamedEntityIdentifier(project="p")}, "missing domain"),
        ({"limit": 0}, "invalid value for limit"),
        ({"filters": "x"}, "invalid value for filters"),
        ({"sort_by": admin.Sort(key="nope")}, "invalid sort key 'nope'"),
        ({"token": "x"}, "invalid pagination token x for "),
    ],
)
async def test_a_bad_list_request_is_rejected(
    connect: Connect, method: methods.Method[Any, Any], fields: dict[str, Any], text: str
) -> None:
    client = await connect()
    failure = await client.fails(method, admin.ResourceListRequest(**{"id": SCOPE, "limit": 1, **fields}))
    assert failure.status == Status.INVALID_ARGUMENT
    expected = text + method.name if text.endswith(" for ") else text
    assert failure.text == expected


async def test_names_are_listed_once_and_filters_are_ignored(connect: Connect) -> None:
    client = await connect()
    for name, version in [("b", "v1"), ("a", "v1"), ("b", "v2")]:
        template = workflow("wf_" + name, [node("n0", name, version=version)], version=version)
        await client.register(template, [task(name, version=version)])
    for method, prefix in [
        (methods.LIST_TASK_IDS, ""),
        (methods.LIST_WORKFLOW_IDS, "wf_"),
        (methods.LIST_LAUNCH_PLAN_IDS, "wf_"),
    ]:
        request = admin.NamedEntityIdentifierListRequest(project=PROJECT, domain=DOMAIN, limit=2, filters="nonsense")
        reply = await client.call(method, request)
        assert ([item.name for item in reply.entities], reply.token) == ([prefix + "b", prefix + "a"], "2")
        request.token, request.sort_by = "0", admin.Sort(key="name", direction=admin.SortDirection.ASCENDING)
        reply = await client.call(method, request)
        assert [item.name for item in reply.entities] == [prefix + "a", prefix + "b"]


@pytest.mark.parametrize("method", [methods.LIST_TASK_IDS, methods.LIST_WORKFLOW_IDS])
async def test_a_list_of_names_needs_project_domain_and_limit(
    connect: Connect, method: methods.Method[Any, Any]
) -> None:
    client = await connect()
    for fields, text in [
        ({"domain": DOMAIN, "limit": 1}, "missing project"),
        ({"project": PROJECT, "limit": 1}, "missing domain"),
        ({"project": PROJECT, "domain": DOMAIN}, "invalid value for limit"),
    ]:
        request = admin.NamedEntityIdentifierListRequest(**fields)  # type: ignore[arg-type]
        failure = await client.fails(method, request)
        assert (failure.status, failure.text) == (Status.INVALID_ARGUMENT, text)


async def test_names_of_launch_plans_need_a_limit_and_a_project_or_domain(connect: Connect) -> None:
    client = await connect()
    await client.register(workflow("wf", [node("n0", "t")]), [task("t")])
    list_ids = methods.LIST_LAUNCH_PLAN_IDS
    reply = await client.call(list_ids, admin.NamedEntityIdentifierListRequest(project=PROJECT, limit=5))
    assert [item.name for item in reply.entities] == ["wf"]
    reply = await client.call(list_ids, admin.NamedEntityIdentifierListRequest(domain="staging", limit=5))
    assert reply.entities == []
    failure = await client.fails(list_ids, admin.NamedEntityIdentifierListRequest(project=PROJECT))
    assert (failure.status, failure.text) == (
        Status.INVALID_ARGUMENT,
        "missing and/or invalid parameters: limit",
    )
    failure = await client.fails(list_ids, admin.NamedEntityIdentifierListRequest(limit=5))
    assert failure.text == "missing and/or invalid parameters: filters"


# Workflows...


async def test_a_workflow_is_read_back_compiled_and_listed_with_its_interface_alone(connect: Connect) -> None:
    client = await connect()
    template = workflow("wf", [node("n0", "t", {"x": promise("x")})], {"x": int})
    await client.register(template, [task("t", {"x": int})])
    found = await client.call(methods.GET_WORKFLOW, admin.ObjectGetRequest(id=template.id))
    assert [item.id for item in found.closure.compiled_workflow.primary.template.nodes] == [
        "start-node",
        "end-node",
        "n0",
    ]
    assert found.closure.created_at is not None
    reply = await client.call(methods.LIST_WORKFLOWS, admin.ResourceListRequest(id=SCOPE, limit=5))
    [listed] = reply.workflows
    assert listed.id == template.id
    bare = core.WorkflowTemplate(interface=template.interface)
    assert listed.closure.compiled_workflow.primary.template == bare
    assert listed.closure.compiled_workflow.tasks == []
    assert listed.closure.created_at == found.closure.created_at


def workflow_request(template: core.WorkflowTemplate) -> admin.WorkflowCreateRequest:
    return admin.WorkflowCreateRequest(id=template.id, spec=admin.WorkflowSpec(template=template))


async def test_the_same_workflow_again_exists_with_a_detail(connect: Connect) -> None:
    client = await connect()
    template = workflow("wf", [node("n0", "t")])
    await client.register(template, [task("t")])
    failure = await client.fails(methods.CREATE_WORKFLOW, workflow_request(template))
    assert (failure.status, failure.text) == (
        Status.ALREADY_EXISTS,
        "workflow with identical structure already exists",
    )
    assert failure.details == [
        admin.CreateWorkflowFailureReason(
            exists_identical_structure=admin.WorkflowErrorExistsIdenticalStructure(id=template.id)
        )
    ]


async def test_another_workflow_of_the_same_version_is_invalid_with_a_detail(connect: Connect) -> None:
    client = await connect()
    template = workflow("wf", [node("n0", "t", {"x": promise("x")})], {"x": int})
    await client.register(template, [task("t", {"x": int}), task("text", {"x": str})])
    other = workflow("wf", [node("n0", "text", {"x": promise("x")})], {"x": str})
    failure = await client.fails(methods.CREATE_WORKFLOW, workflow_request(other))
    assert failure.status == Status.INVALID_ARGUMENT
    assert failure.text == (
        "wf workflow with different structure already exists. (Please register a new version of the workflow):\n"
        "/template/interface/inputs/variables/x/type/simple:\n\t- INTEGER \n\t+ STRING"
    )
    assert failure.details == [
        admin.CreateWorkflowFailureReason(
            exists_different_structure=admin.WorkflowErrorExistsDifferentStructure(id=template.id)
        )
    ]


async def test_a_workflow_of_an_unknown_task_does_not_compile(connect: Connect) -> None:
    client = await connect()
    failure = await client.fails(methods.CREATE_WORKFLOW, workflow_request(workflow("wf", [node("n0", "t")])))
    assert failure.status == Status.INVALID_ARGUMENT
    assert failure.text == (
        'failed to compile workflow for [resource_type:WORKFLOW project:"flytesnacks" domain:"development" name:"wf" '
        'version:"v1"] with err: missing entity of type TASK with identifier project:"flytesnacks" '
        'domain:"development" name:"t" version:"v1"'
    )


async def test_a_workflow_that_cannot_run_tells_every_reason(connect: Connect) -> None:
    client = await connect()
    await create_task(client, task("t", {"x": int, "y": int}))
    failure = await client.fails(methods.CREATE_WORKFLOW, workflow_request(workflow("wf", [node("n0", "t")])))
    assert failure.status == Status.INVALID_ARGUMENT
    assert failure.text.endswith(
        "with err: Collected Errors: 2\n"
        "\tError 0: Code: ParameterNotBound, Node Id: n0, Description: Parameter not bound [x].\n"
        "\tError 1: Code: ParameterNotBound, Node Id: n0, Description: Parameter not bound [y].\n"
    )


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (admin.WorkflowCreateRequest(), "missing id"),
        (admin.WorkflowCreateRequest(id=identifier("w", Kind.TASK)), "unexpected resource type task for identifier ["),
        (admin.WorkflowCreateRequest(id=identifier("w", Kind.WORKFLOW)), "missing spec"),
    ],
)
async def test_a_bad_workflow_request_is_rejected(
    connect: Connect, request_: admin.WorkflowCreateRequest, text: str
) -> None:
    client = await connect()
    failure = await client.fails(methods.CREATE_WORKFLOW, request_)
    assert failure.status == Status.INVALID_ARGUMENT
    assert failure.text.startswith(text)


async def test_the_number_of_nodes_is_limited(connect: Connect) -> None:
    client = await connect(max_workflow_nodes=2)
    await create_task(client, task("t"))
    nodes = [node(f"n{index}", "t") for index in range(3)]
    failure = await client.fails(methods.CREATE_WORKFLOW, workflow_request(workflow("wf", nodes)))
    assert failure.status == Status.INVALID_ARGUMENT
    assert failure.text.startswith("number of nodes in workflow [resource_type:WORKFLOW ")
    assert failure.text.endswith("exceeds limit (3 > 2)")
    await client.call(methods.CREATE_WORKFLOW, workflow_request(workflow("wf", nodes[:2])))


# Launch plans...


async def with_workflow(connect: Connect, **inputs: Any) -> Client:
    """A client of a server that knows the workflow `wf` with these inputs."""
    client: Client = await connect()
    template = workflow("wf", [node("n0", "t", {name: promise(name) for name in inputs})], inputs)
    await create_task(client, task("t", inputs))
    await client.call(methods.CREATE_WORKFLOW, workflow_request(template))
    return client


def plan_request(version: str = "v1", **spec: Any) -> admin.LaunchPlanCreateRequest:
    spec = {"workflow_id": identifier("wf", Kind.WORKFLOW), **spec}
    return admin.LaunchPlanCreateRequest(
        id=identifier("lp", Kind.LAUNCH_PLAN, version), spec=admin.LaunchPlanSpec(**spec)
    )


def defaults(**values: Any) -> core.ParameterMap:
    return core.ParameterMap(
        parameters={
            name: core.Parameter(var=variables({name: type(value)}).variables[name], default=literal(value))
            for name, value in values.items()
        }
    )


def fixed(**values: Any) -> core.LiteralMap:
    return core.LiteralMap(literals={name: literal(value) for name, value in values.items()})


async def test_a_launch_plan_expects_what_is_neither_fixed_nor_has_a_default(connect: Connect) -> None:
    client = await with_workflow(connect, a=int, b=str, c=int)
    request = plan_request(default_inputs=defaults(a=1), fixed_inputs=fixed(c=3))
    await client.call(methods.CREATE_LAUNCH_PLAN, request)
    plan = await client.call(methods.GET_LAUNCH_PLAN, admin.ObjectGetRequest(id=request.id))
    expected = plan.closure.expected_inputs.parameters
    assert sorted(expected) == ["a", "b"]
    assert expected["a"].default == literal(1)
    assert expected["b"].required
    assert plan.spec.default_inputs.parameters == expected
    assert plan.closure.state == admin.LaunchPlanState.INACTIVE
    assert plan.closure.created_at == plan.closure.updated_at


async def test_the_same_launch_plan_again_exists_and_another_is_invalid(connect: Connect) -> None:
    client = await with_workflow(connect, a=int)
    await client.call(methods.CREATE_LAUNCH_PLAN, plan_request())
    failure = await client.fails(methods.CREATE_LAUNCH_PLAN, plan_request())
    assert (failure.status, failure.text, failure.details) == (
        Status.ALREADY_EXISTS,
        "launch plan with identical structure already exists",
        [],
    )
    await client.call(methods.CREATE_LAUNCH_PLAN, plan_request("v2", max_parallelism=3))
    failure = await client.fails(methods.CREATE_LAUNCH_PLAN, plan_request("v2", max_parallelism=5))
    assert (failure.status, failure.text, failure.details) == (
        Status.INVALID_ARGUMENT,
        "lp launch plan with different structure already exists. (Please register a new version of the launch plan):\n"
        "/max_parallelism:\n\t- 3 \n\t+ 5",
        [],
    )


async def test_a_launch_plan_of_an_unknown_workflow_is_not_found_before_anything_else(connect: Connect) -> None:
    client = await with_workflow(connect)
    request = plan_request(workflow_id=identifier("nope", Kind.WORKFLOW))
    request.id = None
    failure = await client.fails(methods.CREATE_LAUNCH_PLAN, request)
    assert failure.status == Status.NOT_FOUND
    assert failure.text.startswith("missing entity of type WORKFLOW with identifier ")


def schedule(**fields: Any) -> admin.LaunchPlanMetadata:
    return admin.LaunchPlanMetadata(
        schedule=admin.Schedule(rate=admin.FixedRate(value=5, unit=admin.FixedRateUnit.MINUTE), **fields)
    )


def notify(*phases: core.WorkflowExecutionPhase, recipients: list[str] | None = None) -> admin.LaunchPlanMetadata:
    email = admin.EmailNotification(recipients_email=["a@b.c"] if recipients is None else recipients)
    return admin.LaunchPlanMetadata(notifications=[admin.Notification(phases=list(phases), email=email)])


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"workflow_id": None}, "missing id"),
        ({"workflow_id": identifier("wf", Kind.TASK)}, "unexpected resource type task for identifier ["),
        ({"labels": admin.Labels(values={"": "x"})}, "invalid label key []: [name part must be non-empty"),
        ({"fixed_inputs": core.LiteralMap(literals={"": literal(1)})}, "missing key in fixed_inputs"),
        (
            {"fixed_inputs": core.LiteralMap(literals={"a": core.Literal()})},
            "missing valid literal in fixed_inputs a",
        ),
        ({"fixed_inputs": fixed(z=1)}, "unexpected fixed_input z"),
        (
            {"fixed_inputs": fixed(a="text")},
            "invalid fixed_input wrong type a, expected simple:INTEGER, got simple:STRING instead",
        ),
        ({"default_inputs": defaults(z=1)}, "unexpected default_input z"),
        (
            {"default_inputs": defaults(a="text")},
            "invalid default_input wrong type a, expected simple:STRING, got simple:INTEGER instead",
        ),
        (
            {"default_inputs": core.ParameterMap(parameters={"a": core.Parameter(required=True)})},
            "The Variable component of the Parameter a in default_inputs either is missing, or has a missing Type",
        ),
        (
            {
                "default_inputs": core.ParameterMap(
                    parameters={"a": core.Parameter(var=variables({"a": int}).variables["a"])}
                )
            },
            "Invalid variable a in default_inputs - variable has neither default, nor is required. "
            "One must be specified",
        ),
        (
            {
                "default_inputs": core.ParameterMap(
                    parameters={"a": core.Parameter(var=variables({"a": int}).variables["a"], default=literal("text"))}
                )
            },
            "Type mismatch for Parameter a in default_inputs has type simple:INTEGER, expected simple:STRING",
        ),
        (
            {
                "default_inputs": core.ParameterMap(
                    parameters={"a": core.Parameter(artifact_query=core.ArtifactQuery(uri="x"))}
                )
            },
            "artifact mode not enabled but query found default_inputs a",
        ),
        (
            {"entity_metadata": schedule()},
            "Cannot create a launch plan with a schedule if there is an unbound required input. [a] is required",
        ),
        (
            {"entity_metadata": schedule(kickoff_time_input_arg="z"), "default_inputs": defaults(a=1)},
            "Cannot create a schedule with a KickoffTimeInputArg that does not point to a free input. "
            "[z] is not free or does not exist.",
        ),
        (
            {"entity_metadata": schedule(kickoff_time_input_arg="a")},
            "KickoffTimeInputArg must reference a datetime input. [a] is a [simple:INTEGER]",
        ),
        ({"entity_metadata": notify(recipients=[])}, "missing recipients"),
        ({"entity_metadata": notify(recipients=[""])}, "missing recipient"),
        ({"entity_metadata": notify(core.WorkflowExecutionPhase.RUNNING)}, "invalid value for phase"),
        (
            {"entity_metadata": admin.LaunchPlanMetadata(notifications=[admin.Notification()])},
            "invalid value for notification type",
        ),
        (
            {"entity_metadata": admin.LaunchPlanMetadata(launch_conditions=AnyMessage(type_url="x"))},
            "Launch condition must be empty, found",
        ),
    ],
)
async def test_a_bad_launch_plan_is_rejected(connect: Connect, spec: dict[str, Any], text: str) -> None:
    client = await with_workflow(connect, a=int)
    failure = await client.fails(methods.CREATE_LAUNCH_PLAN, plan_request(**spec))
    assert failure.status == Status.INVALID_ARGUMENT
    assert failure.text.startswith(text)


async def test_a_workflow_without_inputs_takes_no_defaults_and_no_fixed_inputs(connect: Connect) -> None:
    client = await with_workflow(connect)
    failure = await client.fails(methods.CREATE_LAUNCH_PLAN, plan_request(default_inputs=defaults(a=1)))
    assert failure.text == "invalid launch plan default inputs, expected none but found 1"
    failure = await client.fails(methods.CREATE_LAUNCH_PLAN, plan_request(fixed_inputs=fixed(a=1, b=2)))
    assert failure.text == "invalid launch plan fixed inputs, expected none but found 2"


async def activate(client: Client, version: str, state: admin.LaunchPlanState = admin.LaunchPlanState.ACTIVE) -> None:
    request = admin.LaunchPlanUpdateRequest(id=identifier("lp", Kind.LAUNCH_PLAN, version), state=state)
    await client.call(methods.UPDATE_LAUNCH_PLAN, request)


async def test_one_version_of_a_launch_plan_is_active_at_a_time(connect: Connect) -> None:
    client = await with_workflow(connect)
    for version in ("v1", "v2"):
        await client.call(methods.CREATE_LAUNCH_PLAN, plan_request(version))
    named = admin.ActiveLaunchPlanRequest(id=dataclasses.replace(SCOPE, name="lp"))
    failure = await client.fails(methods.GET_ACTIVE_LAUNCH_PLAN, named)
    assert (failure.status, failure.text) == (
        Status.NOT_FOUND,
        "No active launch plan could be found: flytesnacks:development:lp",
    )
    for version in ("v1", "v2", "v2"):
        await activate(client, version)
        active = await client.call(methods.GET_ACTIVE_LAUNCH_PLAN, named)
        assert (active.id.version, active.closure.state) == (version, admin.LaunchPlanState.ACTIVE)
    former = identifier("lp", Kind.LAUNCH_PLAN, "v1")
    plan = await client.call(methods.GET_LAUNCH_PLAN, admin.ObjectGetRequest(id=former))
    assert plan.closure.state == admin.LaunchPlanState.INACTIVE
    request = admin.ActiveLaunchPlanListRequest(project=PROJECT, domain=DOMAIN, limit=5)
    listed = await client.call(methods.LIST_ACTIVE_LAUNCH_PLANS, request)
    assert [item.id.version for item in listed.launch_plans] == ["v2"]
    await activate(client, "v2", admin.LaunchPlanState.INACTIVE)
    assert (await client.fails(methods.GET_ACTIVE_LAUNCH_PLAN, named)).status == Status.NOT_FOUND


async def test_an_update_of_a_launch_plan_checks_id_state_and_existence(connect: Connect) -> None:
    client = await with_workflow(connect)
    update = methods.UPDATE_LAUNCH_PLAN
    failure = await client.fails(update, admin.LaunchPlanUpdateRequest())
    assert (failure.status, failure.text) == (Status.INVALID_ARGUMENT, "missing id")
    for state in (admin.LaunchPlanState.ACTIVE, admin.LaunchPlanState.INACTIVE):
        request = admin.LaunchPlanUpdateRequest(id=identifier("nope", Kind.LAUNCH_PLAN), state=state)
        failure = await client.fails(update, request)
        assert failure.status == Status.NOT_FOUND
        assert failure.text.startswith("missing entity of type LAUNCH_PLAN with identifier ")
    request.state = admin.LaunchPlanState(9)
    failure = await client.fails(update, request)
    assert failure.status == Status.INVALID_ARGUMENT
    assert failure.text.startswith("Unrecognized launch plan state 9 for update for launch plan [")


async def test_an_older_cron_expression_cannot_be_activated(connect: Connect) -> None:
    client = await with_workflow(connect)
    metadata = admin.LaunchPlanMetadata(schedule=admin.Schedule(cron_expression="* * * * *"))
    await client.call(methods.CREATE_LAUNCH_PLAN, plan_request(entity_metadata=metadata))
    request = admin.LaunchPlanUpdateRequest(id=identifier("lp", Kind.LAUNCH_PLAN), state=admin.LaunchPlanState.ACTIVE)
    assert (await client.fails(methods.UPDATE_LAUNCH_PLAN, request)).status == Status.INTERNAL


async def test_launch_plans_are_listed_whole_and_filtered_by_their_workflows(connect: Connect) -> None:
    client = await with_workflow(connect, a=int)
    await client.call(methods.CREATE_LAUNCH_PLAN, plan_request("v1", default_inputs=defaults(a=1)))
    await client.call(methods.CREATE_LAUNCH_PLAN, plan_request("v2"))
    await activate(client, "v2")

    async def versions(filters: str) -> list[str]:
        request = admin.ResourceListRequest(id=SCOPE, limit=5, filters=filters)
        reply = await client.call(methods.LIST_LAUNCH_PLANS, request)
        assert all(item.spec.workflow_id.name == "wf" for item in reply.launch_plans)
        return [item.id.version for item in reply.launch_plans]

    assert await versions("") == ["v1", "v2"]
    assert await versions("eq(state,1)") == ["v2"]
    assert await versions("eq(workflow.name,wf)") == ["v1", "v2"]
    assert await versions("eq(workflow.name,other)") == []
    assert await versions("eq(schedule_type,NONE)") == ["v1", "v2"]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"domain": DOMAIN, "limit": 1}, "missing project"),
        ({"project": PROJECT, "limit": 1}, "missing domain"),
        ({"project": PROJECT, "domain": DOMAIN}, "invalid value for limit"),
        (
            {"project": PROJECT, "domain": DOMAIN, "limit": 1, "token": "x"},
            "invalid pagination token x for ListActiveLaunchPlans",
        ),
    ],
)
async def test_a_bad_list_of_active_launch_plans_is_rejected(
    connect: Connect, fields: dict[str, Any], text: str
) -> None:
    client = await connect()
    failure = await client.fails(methods.LIST_ACTIVE_LAUNCH_PLANS, admin.ActiveLaunchPlanListRequest(**fields))
    assert (failure.status, failure.text) == (Status.INVALID_ARGUMENT, text)


@pytest.mark.parametrize(
    ("identifier_", "text"),
    [
        (None, "missing id"),
        (admin.NamedEntityIdentifier(domain="d", name="n"), "missing project"),
        (admin.NamedEntityIdentifier(project="p", name="n"), "missing domain"),
        (admin.NamedEntityIdentifier(project="p", domain="d"), "missing name"),
    ],
)
async def test_an_incomplete_name_of_an_active_launch_plan_is_rejected(
    connect: Connect, identifier_: admin.NamedEntityIdentifier | None, text: str
) -> None:
    client = await connect()
    failure = await client.fails(methods.GET_ACTIVE_LAUNCH_PLAN, admin.ActiveLaunchPlanRequest(id=identifier_))
    assert (failure.status, failure.text) == (Status.INVALID_ARGUMENT, text)
