"""Entities as a server shows them: fetched, looked at, registered again, launched."""

from flyteasync.codec import decode
from flyteasync.entities import FlyteTask, LazyEntity
from flyteasync.idl import admin, core
from tests.support.backend import Backend


async def test_fetched_workflow_has_nodes_with_their_tasks(backend: Backend) -> None:
    workflow = await backend.remote.fetch_workflow(name="demo.report")
    entities = [node.flyte_entity for node in workflow.flyte_nodes]
    assert {entity.name for entity in entities if isinstance(entity, FlyteTask)} == {
        "demo.squares",
        "demo.greet",
        "demo.report_lines",
    }
    report = next(
        node for node in workflow.nodes if node.flyte_entity and node.flyte_entity.name == "demo.report_lines"
    )
    bound = {
        binding.binding.promise.node_id for binding in report.inputs if binding.binding and binding.binding.promise
    }
    assert bound == {node.id for node in workflow.nodes if node is not report}
    assert workflow.compiled_closure is not None


async def test_fetched_workflow_can_be_registered_again(backend: Backend) -> None:
    remote = backend.remote
    workflow = await remote.fetch_workflow(name="demo.report")
    spec = decode(admin.WorkflowSpec, workflow.serialize_to_string())
    assert spec.template is not None
    assert spec.template.id is not None
    spec.template.id.version = "again"
    await remote.admin.create_workflow(admin.WorkflowCreateRequest(id=spec.template.id, spec=spec))
    again = await remote.fetch_workflow(name="demo.report", version="again")
    assert [node.to_flyte_idl() for node in again.nodes] == [node.to_flyte_idl() for node in workflow.nodes]
    assert again.interface == workflow.interface


async def test_fetched_launch_plan_knows_what_is_required(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="defaults")
    schema = plan.interface.json_schema()
    assert set(schema["required"]) == plan.interface.required
    assert set(schema["required"]) < set(schema["properties"])
    assert plan.interface.outputs


async def test_json_body_is_launched(backend: Backend) -> None:
    remote = backend.remote
    plan = await remote.fetch_launch_plan(name="demo.report")
    execution = await remote.execute(plan, plan.interface.parse_json(b'{"n": 3, "name": "you"}'), wait=True)
    assert execution.outputs.get("text", str) == "hello you: 3 squares"


async def test_lazy_entity_is_fetched_when_it_is_launched(backend: Backend) -> None:
    remote = backend.remote
    lazy = LazyEntity("demo.report", lambda: remote.fetch_launch_plan(name="demo.report"))
    for n in (2, 3):
        execution = await remote.execute(lazy, {"n": n, "name": "you"}, wait=True)
        assert execution.outputs.get("text", str) == f"hello you: {n} squares"
    assert lazy.resource_type is core.ResourceType.LAUNCH_PLAN
    assert backend.calls("GetLaunchPlan") == 1
