"""Real flytekit registers its own workflows with the embedded server, runs them, and looks at every kind of node."""

import asyncio
import json
import time
import typing
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

import flyteasync
from flyteasync.idl import admin, core, event
from flyteasync.server import ServerConfig
from flyteasync.server.host import serve_in_thread
from tests.support.backend import DOMAIN, PROJECT

pytest.importorskip("flytekit.remote")
# flytekit warns about its own dependencies, at any time.
pytestmark = [pytest.mark.flytekit, pytest.mark.filterwarnings("ignore")]

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import compiled
    import workflows
    from flytekit import LaunchPlan
    from flytekit.configuration import Config
    from flytekit.exceptions.user import FlyteEntityNotExistException
    from flytekit.models.core.execution import NodeExecutionPhase, TaskExecutionPhase, WorkflowExecutionPhase
    from flytekit.models.core.types import BlobType
    from flytekit.models.literals import Blob, BlobMetadata, Literal, LiteralMap, Scalar
    from flytekit.remote import FlyteRemote, FlyteWorkflowExecution

V1 = compiled.SETTINGS
WAIT = {"timeout": 30, "poll_interval": 1}
PLAN = LaunchPlan.get_or_create(workflows.parent, name="verbs.plan", fixed_inputs={"a": 4})
AUTO = LaunchPlan.get_or_create(workflows.parent, name="verbs.auto", default_inputs={"a": 2}, auto_activate=True)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with serve_in_thread(ServerConfig(skipping=True), workflows.HANDLERS) as host:
        yield host.endpoint


@pytest.fixture(scope="module")
def remote(endpoint: str) -> FlyteRemote:
    return FlyteRemote(Config.for_endpoint(endpoint, insecure=True), PROJECT, DOMAIN)


def run(remote: FlyteRemote, entity: typing.Any, /, **inputs: typing.Any) -> FlyteWorkflowExecution:
    """Register a workflow and run it to its end; the node executions are synced."""
    if entity is workflows.mapped_plan or entity is workflows.parent:
        remote.register_launch_plan(workflows.SUB_PLAN, "v1", serialization_settings=V1)
    fetched = remote.register_workflow(entity, V1, "v1")
    execution = remote.execute(fetched, inputs=inputs)
    return remote.sync(remote.wait(execution, **WAIT), sync_nodes=True)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def user_nodes(execution: FlyteWorkflowExecution) -> dict[str, typing.Any]:
    return {name: node for name, node in execution.node_executions.items() if not name.endswith("-node")}


# Registering and fetching...


def test_a_registered_task_is_fetched_and_executed(remote: FlyteRemote) -> None:
    task = remote.register_task(workflows.add, V1, "v1")
    assert (task.id.name, task.id.version) == ("workflows.add", "v1")
    assert {name: variable.type.simple for name, variable in task.interface.inputs.items()} == {"a": 1, "b": 1}
    assert remote.register_task(workflows.add, V1, "v1").id == task.id
    assert remote.fetch_task(name="workflows.add").id == task.id
    assert remote.fetch_task_lazy(name="workflows.add").entity.id == task.id
    execution = remote.wait(remote.execute(task, inputs={"a": 1, "b": 2}), sync_nodes=True, **WAIT)
    assert execution.outputs.get("o0", int) == 3
    assert [node.task_executions[0].id.task_id.name for node in user_nodes(execution).values()] == ["workflows.add"]


def test_a_registered_workflow_comes_with_its_default_launch_plan(remote: FlyteRemote) -> None:
    workflow = remote.register_workflow(workflows.dynamic_workflow, V1, "v1")
    assert [node.id for node in workflow.flyte_nodes] == ["n0"]
    assert remote.register_workflow(workflows.dynamic_workflow, V1, "v1").id == workflow.id
    assert remote.fetch_workflow(name=workflow.id.name).id == workflow.id
    assert remote.fetch_workflow(name=workflow.id.name, version="v1").interface == workflow.interface
    assert remote.fetch_workflow_lazy(name=workflow.id.name).entity.id == workflow.id
    plan = remote.fetch_launch_plan(name=workflow.id.name)
    assert plan.workflow_id == workflow.id
    assert set(plan.interface.inputs) == {"n"}
    with pytest.raises(FlyteEntityNotExistException):
        remote.fetch_launch_plan(name=workflow.id.name, version="v9")


def test_a_registered_launch_plan_brings_its_workflow_and_its_fixed_inputs(remote: FlyteRemote) -> None:
    remote.register_launch_plan(workflows.SUB_PLAN, "v1", serialization_settings=V1)
    plan = remote.register_launch_plan(PLAN, "v1", serialization_settings=V1)
    assert plan.id.name == "verbs.plan"
    assert remote.fetch_workflow(name="workflows.parent", version="v1").id == plan.workflow_id
    fetched = remote.fetch_launch_plan(name="verbs.plan", version="v1")
    assert fetched.fixed_inputs.literals["a"].scalar.primitive.integer == 4
    execution = remote.wait(remote.execute(fetched, inputs={}), **WAIT)
    assert execution.outputs.get("o0", int) == 16
    assert remote.fetch_execution(name=execution.id.name).spec.launch_plan == plan.id


def test_one_version_of_a_launch_plan_is_active_at_a_time(remote: FlyteRemote) -> None:
    assert remote.fetch_active_launchplan(name="verbs.plan") is None
    plans = [remote.register_launch_plan(PLAN, version, serialization_settings=V1) for version in ("v1", "v2")]
    for plan in [*plans, plans[0]]:
        remote.activate_launchplan(plan.id)
        assert remote.fetch_active_launchplan(name="verbs.plan").id == plan.id
    remote.deactivate_launchplan(plans[0].id)
    assert remote.fetch_active_launchplan(name="verbs.plan") is None
    assert remote.fetch_launch_plan(name="verbs.plan").id.version == "v2"


def test_a_launch_plan_may_be_activated_as_it_is_registered(remote: FlyteRemote) -> None:
    remote.register_launch_plan(AUTO, "v1", serialization_settings=V1)
    active = remote.fetch_active_launchplan(name="verbs.auto")
    execution = remote.wait(remote.execute(active, inputs={}), **WAIT)
    assert execution.inputs.get("a", int) == 2


def test_tasks_are_listed_by_version(remote: FlyteRemote) -> None:
    tasks = [remote.register_task(task, V1, "listed") for task in (workflows.add, workflows.one_more)]
    listed = remote.list_tasks_by_version("listed")
    assert {task.id.name for task in listed} == {task.id.name for task in tasks}
    assert {task.id.version for task in listed} == {"listed"}
    assert len(remote.list_tasks_by_version("listed", limit=1)) == 1
    assert remote.list_tasks_by_version("nosuch") == []


# Every kind of node...


def test_flytekit_syncs_the_arm_of_a_branch(remote: FlyteRemote) -> None:
    execution = run(remote, workflows.branch, a=5)
    assert execution.outputs.get("o0", int) == 7
    choice = execution.node_executions["n1"]
    [arm] = choice.subworkflow_node_executions.values()
    assert (arm.id.node_id, arm.closure.phase) == ("n1-0-n1-n0", NodeExecutionPhase.SUCCEEDED)
    assert arm.outputs.get("o0", int) == 7
    assert arm.task_executions[0].id.task_id.name == "workflows.one_more"


def test_flytekit_syncs_a_branch_inside_of_a_branch(remote: FlyteRemote) -> None:
    execution = run(remote, workflows.branch_in_branch, a=9)
    [outer] = user_nodes(execution).values()
    [inner] = outer.subworkflow_node_executions.values()
    [leaf] = inner.subworkflow_node_executions.values()
    assert leaf.outputs.get("o0", int) == execution.outputs.get("o0", int) == 10


def test_flytekit_syncs_sub_workflows_and_the_executions_of_launch_plans(remote: FlyteRemote) -> None:
    execution = run(remote, workflows.parent, a=1)
    assert execution.outputs.get("o0", int) == 10
    nodes = user_nodes(execution)
    [sub] = [node for node in nodes.values() if node.metadata.is_parent_node]
    inner = {name: node for name, node in sub.subworkflow_node_executions.items() if not name.endswith("-node")}
    assert [node.outputs.get("o0", int) for node in inner.values()] == [2]
    children = [node.workflow_executions[0] for node in nodes.values() if node.workflow_executions]
    assert sorted(child.outputs.get("o0", int) for child in children) == [2, 6]
    assert {child.spec.launch_plan.name for child in children} == {"workflows.sub_plan"}
    assert all(child.spec.metadata.nesting == 1 and child.is_successful for child in children)
    assert all("n0" in child.node_executions for child in children)


def test_flytekit_syncs_what_a_dynamic_task_made(remote: FlyteRemote) -> None:
    execution = run(remote, workflows.dynamic_workflow, n=3)
    assert execution.outputs.get("o0", typing.List[int]) == [1, 2, 3]  # noqa: UP006
    [node] = user_nodes(execution).values()
    assert node.metadata.is_dynamic
    made = {name: inner for name, inner in node.subworkflow_node_executions.items() if not name.endswith("-node")}
    assert sorted(inner.outputs.get("o0", int) for inner in made.values()) == [1, 2, 3]


def test_flytekit_syncs_the_elements_of_a_map_task(remote: FlyteRemote) -> None:
    execution = run(remote, workflows.mapped, xs=[1, 2, 3], b=10)
    [node] = user_nodes(execution).values()
    [task] = node.task_executions
    assert [resource.phase for resource in task.closure.metadata.external_resources] == [
        TaskExecutionPhase.SUCCEEDED
    ] * 3
    assert execution.outputs.get("o0", typing.List[int]) == [11, 12, 13]  # noqa: UP006


def test_flytekit_waits_for_a_mapped_launch_plan(remote: FlyteRemote) -> None:
    remote.register_launch_plan(workflows.SUB_PLAN, "v1", serialization_settings=V1)
    execution = remote.execute(remote.register_workflow(workflows.mapped_plan, V1, "v1"), inputs={"xs": [1, 2]})
    # Its nodes flytekit cannot sync: one that has children it takes for a workflow or a branch.
    execution = remote.wait(execution, sync_nodes=False, **WAIT)
    assert execution.outputs.get("o0", typing.List[int]) == [2, 3]  # noqa: UP006


def test_flytekit_syncs_a_failed_execution(remote: FlyteRemote) -> None:
    execution = run(remote, workflows.branch_in_branch, a=workflows.FAILING)
    assert execution.closure.phase == WorkflowExecutionPhase.FAILED
    assert "boom" in execution.error.message
    [outer] = user_nodes(execution).values()
    [inner] = outer.subworkflow_node_executions.values()
    assert outer.closure.phase == NodeExecutionPhase.FAILED
    assert inner.task_executions[-1].closure.phase == TaskExecutionPhase.FAILED
    assert "boom" in inner.task_executions[-1].closure.error.message


def test_flytekit_syncs_the_failure_node(remote: FlyteRemote) -> None:
    execution = run(remote, workflows.failing, a=workflows.FAILING)
    nodes = user_nodes(execution)
    assert nodes["n0"].closure.phase == NodeExecutionPhase.FAILED
    [cleanup] = [node for name, node in nodes.items() if name != "n0"]
    assert cleanup.closure.phase == NodeExecutionPhase.SUCCEEDED
    assert cleanup.inputs.get("a", int) == workflows.FAILING


# Signals...


def waiting(remote: FlyteRemote) -> FlyteWorkflowExecution:
    """An execution whose gates wait."""
    workflow = remote.register_workflow(workflows.gates, V1, "v1")
    execution = remote.execute(workflow, inputs={"a": 1})
    until(lambda: [signal.id.signal_id for signal in remote.list_signals(execution.id.name)] == ["value"])
    return execution


def test_flytekit_gives_an_input_and_approves(remote: FlyteRemote) -> None:
    execution = waiting(remote)
    name = execution.id.name
    [signal] = remote.list_signals(name)
    assert signal.type.simple == 1
    remote.set_input("value", name, 5)
    until(lambda: len(remote.list_signals(name)) == 2)
    remote.approve("ok", name)
    execution = remote.wait(execution, sync_nodes=True, **WAIT)
    assert execution.outputs.get("o0", int) == 11
    assert {signal.id.signal_id for signal in remote.list_signals(name)} == {"value", "ok"}
    gates = [node for node in user_nodes(execution).values() if not node.task_executions]
    assert len(gates) == 3
    assert all(node.closure.phase == NodeExecutionPhase.SUCCEEDED for node in gates)


def test_flytekit_rejects(remote: FlyteRemote) -> None:
    execution = waiting(remote)
    remote.set_input("value", execution.id.name, 5, python_type=int)
    until(lambda: len(remote.list_signals(execution.id.name)) == 2)
    remote.reject("ok", execution.id.name)
    execution = remote.wait(execution, **WAIT)
    assert execution.closure.phase == WorkflowExecutionPhase.FAILED
    assert execution.error.code == "ReceivedRejectSignal"


# Data...


def test_flytekit_downloads_files_and_records(remote: FlyteRemote, tmp_path: Path) -> None:
    source = tmp_path / "data.txt"
    source.write_bytes(b"data" * 500)
    _, native_url = remote.upload_file(source)
    signed = remote.client.get_download_signed_url(native_url=native_url).signed_url
    kind = BlobType(format="txt", dimensionality=BlobType.BlobDimensionality.SINGLE)
    blob = Literal(scalar=Scalar(blob=Blob(metadata=BlobMetadata(type=kind), uri=signed)))
    execution = run(remote, workflows.recorded, a=3)
    (tmp_path / "got").mkdir()
    remote.download(execution.outputs, str(tmp_path / "got"))
    assert json.loads((tmp_path / "got" / "o0.json").read_text()) == {"x": 3, "y": [3, 4]}
    remote.download(LiteralMap({"file": blob}).literals, str(tmp_path / "got"))
    [downloaded] = [path for path in (tmp_path / "got").rglob("*") if path.is_file() and path.suffix != ".json"]
    assert downloaded.read_bytes() == source.read_bytes()


def test_flytekit_gets_inputs_outputs_and_decks(remote: FlyteRemote, endpoint: str, tmp_path: Path) -> None:
    deck = tmp_path / "deck.html"
    deck.write_text("<html>deck</html>")
    _, deck_uri = remote.upload_file(deck)
    execution = run(remote, workflows.recorded, a=3)
    at = f"flyte://v1/{PROJECT}/{DOMAIN}/{execution.id.name}/n0"
    assert remote.get(f"{at}/i").get("a", int) == 3
    assert remote.get(f"{at}/0/o").get("o0", workflows.Point) == workflows.Point(3, [3, 4])
    assert remote.get(f"{at}/i/a").scalar.primitive.integer == 3
    assert remote.get(f"{at}/i/nosuch") is None
    assert remote.get(f"{at}/d") is None
    asyncio.run(show_deck(endpoint, execution.id.name, deck_uri))
    assert remote.get(f"{at}2/d") == b"<html>deck</html>"


async def show_deck(endpoint: str, execution: str, deck_uri: str) -> None:
    """Have a node say that it has a deck."""
    async with flyteasync.FlyteRemote(flyteasync.Config.for_endpoint(endpoint, insecure=True), PROJECT, DOMAIN) as ours:
        owner = core.WorkflowExecutionIdentifier(project=PROJECT, domain=DOMAIN, name=execution)
        node = event.NodeExecutionEvent(
            id=core.NodeExecutionIdentifier(node_id="n02", execution_id=owner),
            phase=core.NodeExecutionPhase.SUCCEEDED,
            occurred_at=datetime.now(UTC),
            deck_uri=deck_uri,
        )
        await ours.admin.create_node_event(admin.NodeExecutionEventRequest(event=node))
