"""Matchable attributes of projects, their domains, and workflows."""

from __future__ import annotations

from typing import Any

import pytest

from flyteasync.errors import Status
from flyteasync.idl import admin, core, methods
from tests.server.build import DOMAIN, PROJECT
from tests.server.client import Client
from tests.server.conftest import Connect

Resource = admin.MatchableResource
LABEL = Resource.EXECUTION_CLUSTER_LABEL


def label(value: str) -> admin.MatchingAttributes:
    return admin.MatchingAttributes(execution_cluster_label=admin.ExecutionClusterLabel(value=value))


def plugins(**overrides: str) -> admin.MatchingAttributes:
    return admin.MatchingAttributes(
        plugin_overrides=admin.PluginOverrides(
            overrides=[admin.PluginOverride(task_type=key, plugin_id=[value]) for key, value in overrides.items()]
        )
    )


class Level:
    """The three RPCs of one level."""

    def __init__(self, name: str, **scope: str) -> None:
        self.scope = scope
        self.update, self.get, self.delete = (
            methods.METHODS[f"/flyteidl.service.AdminService/{verb}{name}Attributes"]
            for verb in ("Update", "Get", "Delete")
        )
        self.message = getattr(admin, f"{name}Attributes")

    async def write(self, client: Client, attributes: admin.MatchingAttributes | None, **scope: str) -> None:
        message = self.message(matching_attributes=attributes, **(self.scope | scope))
        await client.call(self.update, self.update.request(attributes=message))

    async def read(self, client: Client, resource: Resource = LABEL) -> Any:
        request = self.get.request(resource_type=resource, **self.scope)
        return (await client.call(self.get, request)).attributes

    async def remove(self, client: Client, resource: Resource = LABEL) -> None:
        await client.call(self.delete, self.delete.request(resource_type=resource, **self.scope))


OF_PROJECT = Level("Project", project=PROJECT)
OF_DOMAIN = Level("ProjectDomain", project=PROJECT, domain=DOMAIN)
OF_WORKFLOW = Level("Workflow", project=PROJECT, domain=DOMAIN, workflow="wf")
LEVELS = [OF_PROJECT, OF_DOMAIN, OF_WORKFLOW]
by_level = pytest.mark.parametrize("level", LEVELS, ids=["project", "domain", "workflow"])


@by_level
async def test_attributes_are_written_replaced_and_forgotten(connect: Connect, level: Level) -> None:
    client = await connect()
    for value in ("a", "b", "b"):
        await level.write(client, label(value))
        found = await level.read(client)
        assert found == level.message(matching_attributes=label(value), **level.scope)
    for _ in range(2):
        await level.remove(client)
    failure = await client.fails(level.get, level.get.request(resource_type=LABEL, **level.scope))
    assert failure.status == Status.NOT_FOUND


async def test_reading_falls_back_to_the_broader_levels(connect: Connect) -> None:
    client = await connect()
    await OF_PROJECT.write(client, label("project"))
    # The answer says where it is from.
    assert await OF_WORKFLOW.read(client) == admin.WorkflowAttributes(
        project=PROJECT, matching_attributes=label("project")
    )
    assert await OF_DOMAIN.read(client) == admin.ProjectDomainAttributes(
        project=PROJECT, matching_attributes=label("project")
    )
    await OF_DOMAIN.write(client, label("domain"))
    assert (await OF_WORKFLOW.read(client)).matching_attributes == label("domain")
    await OF_WORKFLOW.write(client, label("workflow"))
    assert (await OF_WORKFLOW.read(client)).matching_attributes == label("workflow")
    assert (await OF_DOMAIN.read(client)).matching_attributes == label("domain")
    # Only the project level shows nothing but its own.
    await OF_PROJECT.remove(client)
    failure = await client.fails(
        methods.GET_PROJECT_ATTRIBUTES, OF_PROJECT.get.request(resource_type=LABEL, project=PROJECT)
    )
    assert (failure.status, failure.text) == (Status.NOT_FOUND, "Resource [id] not found")


async def test_forgetting_a_projects_attributes_forgets_those_of_its_domains_and_workflows(connect: Connect) -> None:
    client = await connect(projects=(PROJECT, "other"))
    for level in LEVELS:
        await level.write(client, label("x"))
        await level.write(client, plugins(t="x")) if level is not OF_PROJECT else None
    await OF_PROJECT.write(client, label("y"), project="other")
    await OF_PROJECT.remove(client)
    request = admin.ListMatchableAttributesRequest(resource_type=LABEL)
    [left] = (await client.call(methods.LIST_MATCHABLE_ATTRIBUTES, request)).configurations
    assert left.project == "other"
    assert (await OF_WORKFLOW.read(client, Resource.PLUGIN_OVERRIDE)).workflow == "wf"


async def test_all_attributes_of_a_kind_are_listed_the_most_specific_first(connect: Connect) -> None:
    client = await connect()
    request = admin.ListMatchableAttributesRequest(resource_type=LABEL)
    assert (await client.call(methods.LIST_MATCHABLE_ATTRIBUTES, request)).configurations == []
    for level in LEVELS:
        await level.write(client, label("x"))
    found = (await client.call(methods.LIST_MATCHABLE_ATTRIBUTES, request)).configurations
    assert [(item.project, item.domain, item.workflow) for item in found] == [
        (PROJECT, DOMAIN, "wf"),
        (PROJECT, DOMAIN, ""),
        (PROJECT, "", ""),
    ]
    tasks = admin.ListMatchableAttributesRequest(resource_type=Resource.TASK_RESOURCE)
    assert (await client.call(methods.LIST_MATCHABLE_ATTRIBUTES, tasks)).configurations == []
    unknown = admin.ListMatchableAttributesRequest(resource_type=Resource(99))
    failure = await client.fails(methods.LIST_MATCHABLE_ATTRIBUTES, unknown)
    assert (failure.status, failure.text) == (Status.INVALID_ARGUMENT, "invalid value for resource_type")


@pytest.mark.parametrize("level", [OF_DOMAIN, OF_WORKFLOW], ids=["domain", "workflow"])
async def test_plugin_overrides_are_merged_by_task_type(connect: Connect, level: Level) -> None:
    client = await connect()
    await level.write(client, plugins(a="1", b="1"))
    await level.write(client, plugins(b="2", c="2"))
    found = (await level.read(client, Resource.PLUGIN_OVERRIDE)).matching_attributes
    assert {item.task_type: item.plugin_id for item in found.plugin_overrides.overrides} == {
        "a": ["1"],
        "b": ["2"],
        "c": ["2"],
    }


async def test_plugin_overrides_of_a_project_always_fail(connect: Connect) -> None:
    client = await connect()
    message = admin.ProjectAttributes(project=PROJECT, matching_attributes=plugins(a="1"))
    request = admin.ProjectAttributesUpdateRequest(attributes=message)
    failure = await client.fails(methods.UPDATE_PROJECT_ATTRIBUTES, request)
    assert failure.status == Status.INTERNAL
    assert failure.text == "unexpected error type for: missing and/or invalid parameters: id"


async def test_execution_settings_of_a_project_are_filled_up_with_the_servers(connect: Connect) -> None:
    client = await connect(max_parallelism=7)
    resource = Resource.WORKFLOW_EXECUTION_CONFIG
    found = (await OF_PROJECT.read(client, resource)).matching_attributes.workflow_execution_config
    assert found == admin.WorkflowExecutionConfig(max_parallelism=7, interruptible=False)
    config = admin.WorkflowExecutionConfig(interruptible=True, security_context=core.SecurityContext(secrets=[]))
    await OF_PROJECT.write(client, admin.MatchingAttributes(workflow_execution_config=config))
    found = (await OF_PROJECT.read(client, resource)).matching_attributes.workflow_execution_config
    assert (found.max_parallelism, found.interruptible) == (7, True)
    # A domain shows what is stored.
    stored = (await OF_DOMAIN.read(client, resource)).matching_attributes.workflow_execution_config
    assert (stored.max_parallelism, stored.interruptible) == (0, True)


@pytest.mark.parametrize(
    "attributes",
    [
        admin.MatchingAttributes(task_resource_attributes=admin.TaskResourceAttributes()),
        admin.MatchingAttributes(cluster_resource_attributes=admin.ClusterResourceAttributes()),
        admin.MatchingAttributes(execution_queue_attributes=admin.ExecutionQueueAttributes()),
        admin.MatchingAttributes(cluster_assignment=admin.ClusterAssignment()),
    ],
)
async def test_empty_attributes_of_every_kind_are_stored_under_it(
    connect: Connect, attributes: admin.MatchingAttributes
) -> None:
    client = await connect()
    await OF_DOMAIN.write(client, attributes)
    found = 0
    for resource in Resource:
        request = admin.ListMatchableAttributesRequest(resource_type=resource)
        configurations = (await client.call(methods.LIST_MATCHABLE_ATTRIBUTES, request)).configurations
        found += [item.attributes for item in configurations] == [attributes]
    assert found == 1


@by_level
async def test_updates_of_attributes_that_are_refused(connect: Connect, level: Level) -> None:
    client = await connect()
    name = "-".join(level.scope.values())
    quality = admin.MatchingAttributes(quality_of_service=core.QualityOfService())
    for message, text in [
        (None, "missing attributes"),
        (level.message(**level.scope), "missing matching_attributes"),
        (
            level.message(matching_attributes=admin.MatchingAttributes(), **level.scope),
            f"Unrecognized matching attributes type for request {name}",
        ),
        (
            level.message(matching_attributes=quality, **level.scope),
            f"Unrecognized matching attributes type for request {name}",
        ),
    ]:
        failure = await client.fails(level.update, level.update.request(attributes=message))
        assert (failure.status, failure.text) == (Status.INVALID_ARGUMENT, text)


@by_level
async def test_attributes_need_a_project_that_is_known(connect: Connect, level: Level) -> None:
    client = await connect()
    scope = level.scope | {"project": "nope"}
    for method, request in [
        (level.update, level.update.request(attributes=level.message(**scope))),
        (level.get, level.get.request(**scope)),
        (level.delete, level.delete.request(**scope)),
    ]:
        failure = await client.fails(method, request)
        assert failure.status == Status.INVALID_ARGUMENT
        assert failure.text.startswith("failed to validate that project [nope]")
        assert failure.text.endswith("err: [project [nope] not found]")


@by_level
async def test_attributes_of_an_archived_project_are_refused(connect: Connect, level: Level) -> None:
    client = await connect()
    project = admin.Project(id=PROJECT, state=admin.ProjectProjectState.ARCHIVED)
    await client.call(methods.UPDATE_PROJECT, project)
    message = level.message(matching_attributes=label("x"), **level.scope)
    for method, request in [
        (level.update, level.update.request(attributes=message)),
        (level.delete, level.delete.request(**level.scope)),
    ]:
        failure = await client.fails(method, request)
        assert (failure.status, failure.text) == (Status.INVALID_ARGUMENT, f"project [{PROJECT}] is not active")
        assert failure.details == [admin.InactiveProject(id=PROJECT)]


async def test_a_domain_must_be_known_and_a_workflow_named(connect: Connect) -> None:
    client = await connect()
    for level, scope, text in [
        (OF_DOMAIN, {"domain": "nope"}, "domain [nope] is unrecognized by system"),
        (OF_WORKFLOW, {"workflow": ""}, "missing name"),
    ]:
        scope = level.scope | scope
        for method, request in [
            (level.update, level.update.request(attributes=level.message(**scope))),
            (level.get, level.get.request(**scope)),
            (level.delete, level.delete.request(**scope)),
        ]:
            failure = await client.fails(method, request)
            assert (failure.status, failure.text) == (Status.INVALID_ARGUMENT, text)


async def test_what_was_never_set_is_not_found(connect: Connect) -> None:
    client = await connect()
    request = OF_WORKFLOW.get.request(resource_type=LABEL, **OF_WORKFLOW.scope)
    failure = await client.fails(methods.GET_WORKFLOW_ATTRIBUTES, request)
    assert failure.status == Status.NOT_FOUND
    assert failure.text == (
        "Resource [{Project:flytesnacks Domain:development Workflow:wf LaunchPlan: "
        "ResourceType:EXECUTION_CLUSTER_LABEL}] not found"
    )
