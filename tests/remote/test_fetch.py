"""Reading what is registered."""

from __future__ import annotations

import pytest

from flyteasync import FlyteLaunchPlan, FlyteRemote, FlyteTask, FlyteWorkflow
from flyteasync.entities import LazyEntity
from flyteasync.errors import FlyteEntityNotExistException
from flyteasync.idl import admin, core
from tests.server import build
from tests.support.backend import Backend, register, single

KINDS = pytest.mark.parametrize(
    ("kind", "cls", "resource"),
    [
        ("task", FlyteTask, core.ResourceType.TASK),
        ("workflow", FlyteWorkflow, core.ResourceType.WORKFLOW),
        ("launch_plan", FlyteLaunchPlan, core.ResourceType.LAUNCH_PLAN),
    ],
)


@KINDS
async def test_an_entity_is_read_by_its_version(
    backend: Backend, kind: str, cls: type, resource: core.ResourceType
) -> None:
    entity = await getattr(backend.remote, f"fetch_{kind}")(name="hold", version="v1")
    assert type(entity) is cls
    assert entity.id == build.identifier("hold", resource)
    assert entity.name == "hold"
    assert set(entity.interface.inputs) == {"name"}
    assert set(entity.interface.outputs) == {"o0"}
    assert backend.calls() == 1
    assert "hold" in repr(entity)


@KINDS
async def test_without_a_version_the_newest_is_read(
    backend: Backend, kind: str, cls: type, resource: core.ResourceType
) -> None:
    for version in ("v9", "v10", "older-looking"):
        await register(backend.remote, *single("hold", {"name": str}, str, version=version))
    backend.server.stats.reset()
    entity = await getattr(backend.remote, f"fetch_{kind}")(name="hold")
    assert entity.id.version == "older-looking"
    assert backend.calls() == 2


@KINDS
@pytest.mark.parametrize("version", [None, "v7"], ids=["newest", "by version"])
async def test_what_does_not_exist_is_named(
    backend: Backend, kind: str, cls: type, resource: core.ResourceType, version: str | None
) -> None:
    with pytest.raises(FlyteEntityNotExistException, match="nowhere") as caught:
        await getattr(backend.remote, f"fetch_{kind}")(name="nowhere", version=version)
    assert caught.value.http_status == 404
    assert caught.value.identifier is not None
    assert caught.value.identifier.startswith("flytesnacks/development/nowhere")
    assert isinstance(caught.value, AssertionError)


@KINDS
async def test_project_and_domain_of_the_call_go_before_the_remotes_own(
    backend: Backend, kind: str, cls: type, resource: core.ResourceType
) -> None:
    elsewhere = FlyteRemote(backend.remote.config, "nowhere", "nowhere")
    entity = await getattr(elsewhere, f"fetch_{kind}")("flytesnacks", "development", "hold", "v1")
    assert type(entity) is cls
    await elsewhere.aclose()


async def test_entities_of_equal_identifiers_are_equal(backend: Backend) -> None:
    remote = backend.remote
    one, same = [await remote.fetch_task(name="hold") for _ in range(2)]
    other = await remote.fetch_workflow(name="hold")
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert len({one, same, other}) == 2


async def test_a_workflow_shows_its_nodes_and_tasks(backend: Backend) -> None:
    workflow = await backend.remote.fetch_workflow(name="demo.report")
    assert [node.id for node in workflow.nodes] == ["n0", "n1", "n2"]
    assert {task.name for task in workflow.flyte_tasks} == {"demo.squares", "demo.greet", "demo.report_lines"}
    assert workflow.entity_type_text == "Workflow"


async def test_a_launch_plan_shows_what_its_caller_may_give(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="defaults")
    assert {name: bool(parameter.required) for name, parameter in plan.parameters.items()} == {"a": True, "b": False}
    assert plan.workflow_id == build.identifier("defaults", core.ResourceType.WORKFLOW)
    assert plan.entity_type_text == "Launch Plan"


async def test_a_task_shows_its_template(backend: Backend) -> None:
    task = await backend.remote.fetch_task(name="flaky")
    assert task.type == "python-task"
    assert task.metadata is not None
    assert task.metadata.retries is not None
    assert task.metadata.retries.retries == 2


@pytest.mark.parametrize("kind", ["launch_plan", "workflow", "task"])
async def test_every_kind_of_entity_can_be_launched(backend: Backend, kind: str) -> None:
    backend.gate.set()
    entity = await getattr(backend.remote, f"fetch_{kind}")(name="hold")
    execution = await backend.remote.execute(entity, {"name": "x"}, wait=True)
    assert dict(execution.outputs) == {"o0": "x"}
    assert dict(execution.inputs) == {"name": "x"}


async def test_a_lazy_entity_is_fetched_when_it_is_launched(backend: Backend) -> None:
    lazy = LazyEntity("nothing", lambda: backend.remote.fetch_task(name="nothing"))
    assert backend.calls() == 0
    for _ in range(2):
        assert (await backend.remote.execute(lazy, wait=True)).is_successful
    assert backend.calls("GetTask") == 1


async def test_the_launch_plan_of_a_workflow_is_read_once(backend: Backend) -> None:
    workflow = await backend.remote.fetch_workflow(name="nothing")
    for _ in range(3):
        await backend.remote.execute(workflow)
    assert backend.calls("GetLaunchPlan") == 1


async def test_a_workflow_without_a_launch_plan_of_its_name_says_so(backend: Backend) -> None:
    await backend.remote.admin.create_workflow(
        admin.WorkflowCreateRequest(
            id=build.identifier("unplanned", core.ResourceType.WORKFLOW),
            spec=admin.WorkflowSpec(template=build.workflow("unplanned", [build.node("n0", "nothing")])),
        )
    )
    workflow = await backend.remote.fetch_workflow(name="unplanned")
    with pytest.raises(FlyteEntityNotExistException, match="GetLaunchPlan of flytesnacks/development/unplanned/v1"):
        await backend.remote.execute(workflow)


async def test_an_execution_is_read_by_its_name(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    launched = await backend.remote.execute(plan, wait=True)
    backend.server.stats.reset()
    execution = await backend.remote.fetch_execution(name=launched.id.name)
    assert execution == launched
    assert execution.is_successful
    assert backend.calls() == 1
    with pytest.raises(FlyteEntityNotExistException, match="flytesnacks/development/nowhere"):
        await backend.remote.fetch_execution(name="nowhere")


async def test_options_of_a_launch_arrive(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    launched = await backend.remote.execute(
        plan,
        execution_name_prefix="nightly",
        overwrite_cache=True,
        interruptible=False,
        envs={"A": "1"},
        tags=["one", "two"],
    )
    assert launched.id.name.startswith("nightly-")
    spec = (await backend.remote.fetch_execution(name=launched.id.name)).spec
    assert spec.overwrite_cache is True
    assert spec.interruptible is False
    assert spec.tags == ["one", "two"]
    assert spec.envs is not None
    assert [(pair.key, pair.value) for pair in spec.envs.values] == [("A", "1")]


async def test_an_execution_runs_where_the_call_says(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    for domain in (None, "staging"):
        execution = await backend.remote.execute(plan, domain=domain)
        assert execution.id.domain == (domain or "development")
        await execution.wait()
    homeless = FlyteRemote(backend.remote.config)
    assert (await homeless.execute(plan)).id.project == "flytesnacks", "the entity's own project"
    await homeless.aclose()
