"""Named entities and descriptions."""

from __future__ import annotations

from typing import Any

import pytest

from flyteasync.errors import Status
from flyteasync.idl import admin, core, methods
from tests.server.build import DOMAIN, PROJECT, identifier, node, task, workflow
from tests.server.client import Client
from tests.server.conftest import Connect

Kind = core.ResourceType
State = admin.NamedEntityState


def name(text: str) -> admin.NamedEntityIdentifier:
    return admin.NamedEntityIdentifier(project=PROJECT, domain=DOMAIN, name=text)


async def create(client: Client, *names: str, description: admin.DescriptionEntity | None = None) -> None:
    for item in names:
        text, _, version = item.partition("@")
        template = task(text, version=version or "v1")
        spec = admin.TaskSpec(template=template, description=description)
        await client.call(methods.CREATE_TASK, admin.TaskCreateRequest(id=template.id, spec=spec))


async def get(client: Client, text: str, kind: Kind = Kind.TASK) -> admin.NamedEntity:
    request = admin.NamedEntityGetRequest(resource_type=kind, id=name(text))
    return await client.call(methods.GET_NAMED_ENTITY, request)


async def update(client: Client, text: str, kind: Kind = Kind.TASK, **metadata: Any) -> None:
    request = admin.NamedEntityUpdateRequest(
        resource_type=kind, id=name(text), metadata=admin.NamedEntityMetadata(**metadata)
    )
    await client.call(methods.UPDATE_NAMED_ENTITY, request)


async def listed(client: Client, kind: Kind = Kind.TASK, **fields: Any) -> tuple[list[str], str]:
    fields = {"project": PROJECT, "domain": DOMAIN, "limit": 10} | fields
    reply = await client.call(methods.LIST_NAMED_ENTITIES, admin.NamedEntityListRequest(resource_type=kind, **fields))
    return [item.id.name for item in reply.entities], reply.token


async def test_a_name_exists_with_its_first_version_and_is_active(connect: Connect) -> None:
    client = await connect()
    await create(client, "a", "a@v2")
    found = await get(client, "a")
    assert (found.resource_type, found.id) == (Kind.TASK, name("a"))
    assert found.metadata == admin.NamedEntityMetadata()
    assert await listed(client) == (["a"], "")


async def test_a_name_is_described_and_archived_and_brought_back(connect: Connect) -> None:
    client = await connect()
    await create(client, "a", "b")
    for _ in range(2):
        await update(client, "a", description="what it does", state=State.NAMED_ENTITY_ARCHIVED)
        metadata = (await get(client, "a")).metadata
        assert (metadata.description, metadata.state) == ("what it does", State.NAMED_ENTITY_ARCHIVED)
    assert await listed(client, filters="eq(state,0)") == (["b"], "")
    assert await listed(client, filters="eq(state,1)") == (["a"], "")
    assert await listed(client, filters="contains(description,does)") == (["a"], "")
    assert await listed(client, filters="gt(created_at,2020-01-01)") == (["a"], "")
    # An empty description is no change, but the state is always written.
    await update(client, "a")
    metadata = (await get(client, "a")).metadata
    assert (metadata.description, metadata.state) == ("what it does", State.NAMED_ENTITY_ACTIVE)


async def test_an_archived_task_can_be_launched(connect: Connect) -> None:
    client = await connect({"a": lambda: None})
    await create(client, "a")
    await update(client, "a", state=State.NAMED_ENTITY_ARCHIVED)
    execution = await client.finish(await client.launch(identifier("a", Kind.TASK)))
    assert execution.closure.phase == core.WorkflowExecutionPhase.SUCCEEDED


async def test_what_the_server_made_is_hidden_until_somebody_filters(connect: Connect) -> None:
    client = await connect({"a": lambda: None})
    await client.register(workflow("wf", [node("n0", "a")]), [task("a")])
    await client.finish(await client.launch(identifier("a", Kind.TASK)))
    for kind in (Kind.WORKFLOW, Kind.LAUNCH_PLAN):
        assert await listed(client, kind) == (["wf"], "")
        assert await listed(client, kind, filters="gte(state,0)") == (["wf", ".flytegen.a"], "")
        assert (await get(client, ".flytegen.a", kind)).metadata.state == State.SYSTEM_GENERATED
    assert await listed(client) == (["a"], "")


async def test_names_are_paged_before_they_are_filtered(connect: Connect) -> None:
    client = await connect()
    await create(client, "a", "b", "c", "d")
    ascending = admin.Sort(key="name", direction=admin.SortDirection.ASCENDING)
    assert await listed(client, sort_by=ascending, limit=2) == (["a", "b"], "2")
    assert await listed(client, sort_by=ascending, limit=2, token="2") == (["c", "d"], "4")
    assert await listed(client, sort_by=ascending, limit=2, token="4") == ([], "")
    assert await listed(client, sort_by=admin.Sort(key="name"), limit=1) == (["d"], "1")
    # A page without a match hides those after it: there is no token.
    assert await listed(client, sort_by=ascending, limit=2, filters="value_in(name,b;c)") == (["b"], "")
    assert await listed(client, sort_by=ascending, limit=2, filters="eq(name,c)") == ([], "")


async def test_requests_about_names_that_are_refused(connect: Connect) -> None:
    client = await connect()
    await create(client, "a")
    metadata = admin.NamedEntityMetadata(state=State.NAMED_ENTITY_ARCHIVED)
    incomplete = admin.NamedEntityIdentifier(project=PROJECT, domain=DOMAIN)
    for kind, request_type in [
        (methods.GET_NAMED_ENTITY, admin.NamedEntityGetRequest),
        (methods.UPDATE_NAMED_ENTITY, admin.NamedEntityUpdateRequest),
    ]:
        extra: dict[str, Any] = {"metadata": metadata} if kind is methods.UPDATE_NAMED_ENTITY else {}
        for request, status, text in [
            (request_type(**extra), Status.INVALID_ARGUMENT, "invalid value for resource_type"),
            (request_type(resource_type=Kind.TASK, **extra), Status.INVALID_ARGUMENT, "missing id"),
            (request_type(resource_type=Kind.TASK, id=incomplete, **extra), Status.INVALID_ARGUMENT, "missing name"),
            (request_type(resource_type=Kind.TASK, id=name("nope"), **extra), Status.NOT_FOUND, "entry not found"),
            (request_type(resource_type=Kind.WORKFLOW, id=name("a"), **extra), Status.NOT_FOUND, "entry not found"),
        ]:
            failure = await client.fails(kind, request)
            assert (failure.status, failure.text) == (status, text)
    for method, request, text in [
        (
            methods.UPDATE_NAMED_ENTITY,
            admin.NamedEntityUpdateRequest(resource_type=Kind.TASK, id=name("a")),
            "missing metadata",
        ),
        (
            methods.UPDATE_NAMED_ENTITY,
            admin.NamedEntityUpdateRequest(resource_type=Kind.DATASET, id=name("a"), metadata=metadata),
            "Resource [DATASET] cannot have its state updated",
        ),
        (
            methods.GET_NAMED_ENTITY,
            admin.NamedEntityGetRequest(resource_type=Kind.DATASET, id=name("a")),
            "Cannot get NamedEntityMetadata for resource type: DATASET",
        ),
    ]:
        failure = await client.fails(method, request)
        assert (failure.status, failure.text) == (Status.INVALID_ARGUMENT, text)


@pytest.mark.parametrize(
    ("fields", "status", "text"),
    [
        ({"project": ""}, Status.INVALID_ARGUMENT, "missing project"),
        ({"domain": ""}, Status.INVALID_ARGUMENT, "missing domain"),
        ({"resource_type": Kind.UNSPECIFIED}, Status.INVALID_ARGUMENT, "invalid value for resource_type"),
        ({"limit": 0}, Status.INVALID_ARGUMENT, "invalid value for limit"),
        (
            {"resource_type": Kind.DATASET},
            Status.INVALID_ARGUMENT,
            "Cannot list entity names for resource type: DATASET",
        ),
        ({"token": "x"}, Status.INVALID_ARGUMENT, "invalid pagination token x for ListNamedEntities"),
        ({"filters": "eq(version,v1)"}, Status.INVALID_ARGUMENT, "'nen.version' is invalid filter"),
        ({"sort_by": admin.Sort(key="version")}, Status.INVALID_ARGUMENT, "invalid sort key 'version'"),
        (
            {"sort_by": admin.Sort(key="state")},
            Status.UNKNOWN,
            'failed database operation with column "state" does not exist',
        ),
    ],
)
async def test_lists_of_names_that_are_refused(
    connect: Connect, fields: dict[str, Any], status: Status, text: str
) -> None:
    client = await connect()
    fields = {"project": PROJECT, "domain": DOMAIN, "resource_type": Kind.TASK, "limit": 5} | fields
    failure = await client.fails(methods.LIST_NAMED_ENTITIES, admin.NamedEntityListRequest(**fields))
    assert (failure.status, failure.text) == (status, text)


# Descriptions...


DESCRIPTION = admin.DescriptionEntity(
    short_description="short",
    long_description=admin.Description(value="long"),
    source_code=admin.SourceCode(link="https://example.com"),
)


async def test_registering_a_task_or_workflow_stores_its_description(connect: Connect) -> None:
    client = await connect()
    await create(client, "a", description=DESCRIPTION)
    template = workflow("wf", [node("n0", "a")])
    spec = admin.WorkflowSpec(template=template, description=admin.DescriptionEntity(short_description="flow"))
    await client.call(methods.CREATE_WORKFLOW, admin.WorkflowCreateRequest(id=template.id, spec=spec))
    request = admin.ObjectGetRequest(id=identifier("a", Kind.UNSPECIFIED))  # a task, if nothing is said
    found = await client.call(methods.GET_DESCRIPTION_ENTITY, request)
    assert (found.id, found.short_description) == (identifier("a", Kind.TASK), "short")
    assert (found.long_description.value, found.source_code.link) == ("long", "https://example.com")
    request = admin.ObjectGetRequest(id=identifier("wf", Kind.WORKFLOW))
    found = await client.call(methods.GET_DESCRIPTION_ENTITY, request)
    assert (found.short_description, found.source_code.link) == ("flow", "")


async def descriptions(client: Client, kind: Kind = Kind.TASK, **fields: Any) -> tuple[list[str], str]:
    request = admin.DescriptionEntityListRequest(**({"resource_type": kind, "id": name("a"), "limit": 10} | fields))
    reply = await client.call(methods.LIST_DESCRIPTION_ENTITIES, request)
    return [item.id.version for item in reply.description_entities], reply.token


async def test_descriptions_of_a_name_are_listed(connect: Connect) -> None:
    client = await connect()
    await create(client, "a", "a@v2", "a@v3", "b", description=DESCRIPTION)
    await create(client, "a@v4")
    assert await descriptions(client) == (["v1", "v2", "v3"], "")
    sort = admin.Sort(key="version")
    assert await descriptions(client, sort_by=sort, limit=2) == (["v3", "v2"], "2")
    assert await descriptions(client, sort_by=sort, limit=2, token="2") == (["v1"], "")
    assert await descriptions(client, filters="eq(version,v2)+eq(short_description,short)") == (["v2"], "")
    assert await descriptions(client, Kind.WORKFLOW) == ([], "")


async def test_requests_about_descriptions_that_are_refused(connect: Connect) -> None:
    client = await connect()
    await create(client, "a")
    for get_request, status, text in [
        (admin.ObjectGetRequest(), Status.INVALID_ARGUMENT, "missing id"),
        (admin.ObjectGetRequest(id=identifier("a", Kind.TASK, "")), Status.INVALID_ARGUMENT, "missing version"),
        (admin.ObjectGetRequest(id=identifier("a", Kind.TASK)), Status.NOT_FOUND, "entry not found"),
    ]:
        failure = await client.fails(methods.GET_DESCRIPTION_ENTITY, get_request)
        assert (failure.status, failure.text) == (status, text)
    for fields, status, text in [
        ({"id": None}, Status.INVALID_ARGUMENT, "missing id"),
        ({"id": name("")}, Status.INVALID_ARGUMENT, "missing name"),
        ({"limit": 0}, Status.INVALID_ARGUMENT, "invalid value for limit"),
        ({"resource_type": Kind.DATASET}, Status.INVALID_ARGUMENT, "invalid value for resource_type"),
        ({"token": "x"}, Status.INVALID_ARGUMENT, "invalid pagination token x for ListWorkflows"),
        ({"sort_by": admin.Sort(key="type")}, Status.INVALID_ARGUMENT, "invalid sort key 'type'"),
        ({"filters": "eq(state,1)"}, Status.INVALID_ARGUMENT, "'t.state' is invalid filter"),
        ({"filters": "eq(type,x)"}, Status.UNKNOWN, 'failed database operation with column "type" does not exist'),
    ]:
        fields = {"resource_type": Kind.TASK, "id": name("a"), "limit": 5} | fields
        request = admin.DescriptionEntityListRequest(**fields)
        failure = await client.fails(methods.LIST_DESCRIPTION_ENTITIES, request)
        assert (failure.status, failure.text) == (status, text)
