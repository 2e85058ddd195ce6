"""Projects, domains, version."""

from __future__ import annotations

import pytest

from flyteasync.errors import Status
from flyteasync.idl import admin, core, methods
from tests.server.build import task
from tests.server.client import Client
from tests.server.conftest import Connect

Project = admin.Project
ARCHIVED = admin.ProjectProjectState.ARCHIVED


async def register(client: Client, identifier: str, **fields: object) -> None:
    project = Project(id=identifier, name=fields.pop("name", identifier), **fields)  # type: ignore[arg-type]
    await client.call(methods.REGISTER_PROJECT, admin.ProjectRegisterRequest(project=project))


async def test_a_registered_project_is_active_and_has_all_domains(connect: Connect) -> None:
    client = await connect(domains=("development", "production"))
    await register(client, "mine", description="of mine", labels=admin.Labels(values={"team": "a"}))
    project = await client.call(methods.GET_PROJECT, admin.ProjectGetRequest(id="mine"))
    assert (project.name, project.description, project.labels.values) == ("mine", "of mine", {"team": "a"})
    assert project.state == admin.ProjectProjectState.ACTIVE
    assert [domain.id for domain in project.domains] == ["development", "production"]


async def test_a_project_is_registered_once(connect: Connect) -> None:
    client = await connect()
    request = admin.ProjectRegisterRequest(project=Project(id="flytesnacks", name="again"))
    failure = await client.fails(methods.REGISTER_PROJECT, request)
    assert failure.status == Status.ALREADY_EXISTS
    assert failure.text.startswith("value with matching projects_pkey already exists (duplicate key value violates")


@pytest.mark.parametrize(
    ("project", "text"),
    [
        (None, "missing project"),
        (Project(id="p"), "missing project_name"),
        (Project(name="p"), "missing project_id"),
        (Project(id="Upper", name="p"), "invalid project id [Upper]: [a lowercase RFC 1123 label must consist of"),
        (Project(id="p", name="n" * 65), "project_name cannot exceed 64 characters"),
        (Project(id="p", name="p", description="d" * 301), "project_description cannot exceed 300 characters"),
        (
            Project(id="p", name="p", domains=[admin.Domain(id="d", name="d")]),
            "Domains are currently only set system wide. Please retry without domains included in your request.",
        ),
        (
            Project(id="p", name="p", labels=admin.Labels(values={"bad key": "v"})),
            "invalid label key [bad key]: [name part must consist of alphanumeric characters",
        ),
        (
            Project(id="p", name="p", labels=admin.Labels(values={"key": "bad value"})),
            "invalid label value [bad value]: [a valid label must be an empty string or consist of",
        ),
        (
            Project(id="p", name="p", labels=admin.Labels(values={f"k{i}": "v" for i in range(17)})),
            "labels map cannot exceed 16 entries",
        ),
    ],
)
async def test_a_bad_project_is_rejected(connect: Connect, project: admin.Project | None, text: str) -> None:
    client = await connect()
    failure = await client.fails(methods.REGISTER_PROJECT, admin.ProjectRegisterRequest(project=project))
    assert failure.status == Status.INVALID_ARGUMENT
    assert failure.text.startswith(text)


async def test_an_unknown_project_is_not_found(connect: Connect) -> None:
    client = await connect()
    failure = await client.fails(methods.GET_PROJECT, admin.ProjectGetRequest(id="nope"))
    assert (failure.status, failure.text) == (Status.NOT_FOUND, "project [nope] not found")
    failure = await client.fails(methods.UPDATE_PROJECT, Project(id="nope"))
    assert (failure.status, failure.text) == (Status.NOT_FOUND, "project [nope] not found")
    failure = await client.fails(methods.GET_PROJECT, admin.ProjectGetRequest())
    assert (failure.status, failure.text) == (Status.INVALID_ARGUMENT, "missing project_id")


async def test_an_update_writes_what_is_set_and_always_the_state(connect: Connect) -> None:
    client = await connect()
    await client.call(methods.UPDATE_PROJECT, Project(id="flytesnacks", description="new", state=ARCHIVED))
    project = await client.call(methods.GET_PROJECT, admin.ProjectGetRequest(id="flytesnacks"))
    assert (project.name, project.description, project.state) == ("flytesnacks", "new", ARCHIVED)
    await client.call(methods.UPDATE_PROJECT, Project(id="flytesnacks", name="renamed"))
    project = await client.call(methods.GET_PROJECT, admin.ProjectGetRequest(id="flytesnacks"))
    assert (project.name, project.description) == ("renamed", "new")
    assert project.state == admin.ProjectProjectState.ACTIVE


async def test_nothing_is_created_in_an_archived_project(connect: Connect) -> None:
    client = await connect()
    await client.call(methods.UPDATE_PROJECT, Project(id="flytesnacks", state=ARCHIVED))
    template = task("t")
    request = admin.TaskCreateRequest(id=template.id, spec=admin.TaskSpec(template=template))
    failure = await client.fails(methods.CREATE_TASK, request)
    assert (failure.status, failure.text) == (Status.INVALID_ARGUMENT, "project [flytesnacks] is not active")
    assert failure.details == [admin.InactiveProject(id="flytesnacks")]


async def test_projects_are_listed_by_id_and_archived_ones_only_with_a_filter(connect: Connect) -> None:
    client = await connect(projects=("b", "a", "c"))
    await client.call(methods.UPDATE_PROJECT, Project(id="c", state=ARCHIVED))

    async def listed(**fields: object) -> tuple[list[str], str]:
        reply = await client.call(methods.LIST_PROJECTS, admin.ProjectListRequest(**fields))  # type: ignore[arg-type]
        return [project.id for project in reply.projects], reply.token

    assert await listed() == (["a", "b"], "")
    assert await listed(filters="gte(state,0)") == (["a", "b", "c"], "")
    assert await listed(filters="eq(project.state,1)") == (["c"], "")
    assert await listed(sort_by=admin.Sort(key="identifier")) == (["b", "a"], "")
    assert await listed(limit=1) == (["a"], "1")
    assert await listed(limit=1, token="1") == (["b"], "2")
    assert await listed(limit=1, token="2") == ([], "")


async def test_no_projects_and_no_limit_yield_the_token_zero(connect: Connect) -> None:
    client = await connect(projects=())
    reply = await client.call(methods.LIST_PROJECTS, admin.ProjectListRequest())
    assert (reply.projects, reply.token) == ([], "0")


async def test_domains_and_version_are_told(connect: Connect) -> None:
    client = await connect()
    domains = await client.call(methods.GET_DOMAINS, admin.GetDomainRequest())
    assert [(domain.id, domain.name) for domain in domains.domains] == [
        ("development", "development"),
        ("staging", "staging"),
        ("production", "production"),
    ]
    version = await client.call(methods.GET_VERSION, admin.GetVersionRequest())
    assert version.control_plane_version.version.startswith("1.16.8")


@pytest.mark.parametrize(
    ("project", "domain", "text"),
    [
        (
            "nope",
            "development",
            "failed to validate that project [nope] and domain [development] are registered, "
            "err: [project [nope] not found]",
        ),
        ("flytesnacks", "nope", "domain [nope] is unrecognized by system"),
    ],
)
async def test_an_unknown_project_or_domain_is_an_invalid_argument(
    connect: Connect, project: str, domain: str, text: str
) -> None:
    client = await connect()
    template = task("t")
    template.id = core.Identifier(
        resource_type=core.ResourceType.TASK, project=project, domain=domain, name="t", version="v"
    )
    request = admin.TaskCreateRequest(id=template.id, spec=admin.TaskSpec(template=template))
    failure = await client.fails(methods.CREATE_TASK, request)
    assert (failure.status, failure.text) == (Status.INVALID_ARGUMENT, text)
