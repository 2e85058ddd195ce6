"""What is asked about a node, as decisions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyteasync import FlyteNodeExecution
from flyteasync.entities import FlyteNode, FlyteTask, FlyteWorkflow
from flyteasync.executions.base import Data
from flyteasync.executions.node import SUCCESSFUL_NODE_PHASES, TERMINAL_NODE_PHASES, Below
from flyteasync.executions.scope import Scope, interface_of
from flyteasync.executions.task import FlyteTaskExecution
from flyteasync.executions.tree import (
    Kind,
    carried,
    expected_of_node,
    expected_of_task,
    is_settled,
    is_task_settled,
    kind_of,
    plan_node,
)
from flyteasync.idl import admin, core
from flyteasync.literals import LiteralsResolver
from tests.server.build import execution_id, interface, literal, node, promise, task, workflow
from tests.server.engine.nodes import (
    array_node,
    branch_node,
    comparison,
    launch_plan_node,
    signal_gate,
    sub_workflow_node,
)

NodePhase = core.NodeExecutionPhase
TaskPhase = core.TaskExecutionPhase
CacheStatus = core.CatalogCacheStatus

X = {"x": promise("x")}
STEP = task("step", {"x": int}, {"o0": int})
INNER = workflow("inner", [node("a", "step", X)], {"x": int}, {"o0": (int, promise("a.o0"))})
NOVEL = core.Node(id="novel")
NODES = [
    node("task", "step", X),
    sub_workflow_node("sub", "inner", X),
    launch_plan_node("plan", "inner", X),
    branch_node("branch", [(comparison("$x", "GT", 0), node("arm", "step", X))], "neither", X),
    array_node("array", node("each", "step"), X, is_original_sub_node_interface=True),
    array_node("plans", launch_plan_node("each", "inner"), X, is_original_sub_node_interface=True),
    signal_gate("gate", "go", int),
    NOVEL,
]
PLAN = core.LaunchPlanTemplate(
    id=launch_plan_node("", "inner").workflow_node.launchplan_ref,  # type: ignore[union-attr]
    interface=interface({"x": int}, {"o0": int}),
)
COMPILED = core.CompiledWorkflowClosure(
    primary=core.CompiledWorkflow(template=workflow("outer", NODES, {"x": int}, {"y": (int, promise("task.o0"))})),
    sub_workflows=[core.CompiledWorkflow(template=INNER)],
    tasks=[core.CompiledTask(template=STEP)],
    launch_plans=[core.CompiledLaunchPlan(template=PLAN)],
)
OUTER = FlyteWorkflow.promote_from_closure(COMPILED)
SCOPE = Scope(OUTER)
VALUES = LiteralsResolver({"v": literal(1)})


def model(
    spec: str = "task", phase: NodePhase = NodePhase.SUCCEEDED, node_id: str | None = None, **metadata: Any
) -> admin.NodeExecution:
    return admin.NodeExecution(
        id=core.NodeExecutionIdentifier(node_id=spec if node_id is None else node_id, execution_id=execution_id("e1")),
        input_uri="s3://b/inputs.pb",
        closure=admin.NodeExecutionClosure(phase=phase),
        metadata=admin.NodeExecutionMetaData(spec_node_id=spec, **metadata),
    )


def definition(name: str) -> FlyteNode:
    return OUTER.node_map[name]


# What a node is ...


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ("start-node", Kind.START),
        ("end-node", Kind.END),
        ("task", Kind.TASK),
        ("sub", Kind.WORKFLOW),
        ("plan", Kind.LAUNCH_PLAN),
        ("branch", Kind.BRANCH),
        ("arm", Kind.TASK),
        ("array", Kind.ARRAY),
        ("gate", Kind.GATE),
        ("novel", Kind.UNKNOWN),
        ("not-in-the-workflow", Kind.UNKNOWN),
        ("my-start-node-too", Kind.UNKNOWN),
    ],
)
def test_a_node_is_what_its_workflow_tells(spec: str, kind: Kind) -> None:
    found = model(spec)
    assert kind_of(found, SCOPE.definition(found)) is kind


@pytest.mark.parametrize(
    ("metadata", "kind"), [({"is_array": True}, Kind.ARRAY), ({"is_dynamic": True}, Kind.TASK), ({}, Kind.UNKNOWN)]
)
def test_without_its_workflow_a_node_is_what_its_metadata_tell(metadata: dict[str, Any], kind: Kind) -> None:
    assert kind_of(model(**metadata), None) is kind


def test_a_node_that_launched_an_execution_runs_a_launch_plan_whatever_else_is_known() -> None:
    found = model("unheard-of")
    assert found.closure is not None
    found.closure.workflow_node_metadata = admin.WorkflowNodeMetadata(execution_id=execution_id("e2"))
    plan = plan_node(found, None)
    assert plan.kind is Kind.LAUNCH_PLAN
    assert plan.launched == execution_id("e2")
    assert not plan.tasks


# What is asked ...


@pytest.mark.parametrize(
    ("spec", "tasks"),
    [
        ("start-node", False),
        ("end-node", False),
        ("task", True),
        ("sub", False),
        ("plan", False),
        ("branch", False),
        ("array", True),
        ("plans", False),
        ("gate", False),
        ("novel", True),
    ],
)
def test_attempts_are_asked_for_where_there_may_be_some(spec: str, tasks: bool) -> None:
    found = model(spec)
    plan = plan_node(found, SCOPE.definition(found))
    assert plan.tasks is tasks
    assert plan.values


def test_a_parent_of_an_unknown_kind_is_taken_for_a_sub_workflow() -> None:
    plan = plan_node(model("unheard-of", is_parent_node=True), None)
    assert (plan.nodes, plan.tasks, plan.generated) == (True, False, False)


def test_a_dynamic_node_is_asked_for_what_it_generated_once_it_has() -> None:
    before = model(phase=NodePhase.RUNNING)
    assert not plan_node(before, definition("task")).generated
    after = model(phase=NodePhase.DYNAMIC_RUNNING, is_dynamic=True, is_parent_node=True)
    plan = plan_node(after, definition("task"))
    assert (plan.generated, plan.nodes, plan.tasks) == (True, True, True)
    known = FlyteNodeExecution(after, Data(VALUES), Below(workflow=OUTER, definition=definition("task")))
    assert not plan_node(after, definition("task"), known).generated


@pytest.mark.parametrize("status", list(CacheStatus), ids=lambda status: status.name)
def test_a_node_with_values_from_the_cache_has_no_attempts(status: CacheStatus) -> None:
    found = model()
    assert found.closure is not None
    found.closure.task_node_metadata = admin.TaskNodeMetadata(cache_status=status)
    assert plan_node(found, definition("task")).tasks is (status != CacheStatus.CACHE_HIT)


def test_an_error_that_a_list_has_cut_is_asked_for() -> None:
    found = model(phase=NodePhase.FAILED)
    assert found.closure is not None
    for text, cut in (("short", False), ("x" * 100, True)):
        found.closure.error = core.ExecutionError(message=text)
        assert plan_node(found, definition("task")).error is cut


def test_inputs_that_are_known_are_not_asked_for_until_there_are_outputs() -> None:
    running = FlyteNodeExecution(model(phase=NodePhase.RUNNING), Data(VALUES))
    assert not plan_node(model(phase=NodePhase.RUNNING), definition("task"), running).values
    assert not plan_node(model(phase=NodePhase.FAILED), definition("task"), running).values
    assert plan_node(model(phase=NodePhase.SUCCEEDED), definition("task"), running).values


phases = st.sampled_from(list(NodePhase))
flags = st.fixed_dictionaries({name: st.booleans() for name in ("is_parent_node", "is_dynamic", "is_array")})
specs = st.sampled_from(["start-node", "end-node", *OUTER.node_map, "unheard-of", ""])


@given(specs, phases, flags, st.booleans(), st.sampled_from([None, Data(), Data(VALUES), Data(VALUES, VALUES)]), phases)
def test_a_plan_asks_for_nothing_that_is_known_or_cannot_be(
    spec: str, phase: NodePhase, flags: dict[str, Any], scoped: bool, data: Data | None, known_phase: NodePhase
) -> None:
    found = model(spec, phase, **flags)
    described = SCOPE.definition(found) if scoped else None
    before = None
    if data is not None:
        before = FlyteNodeExecution(model(spec, known_phase, **flags), data, Below(definition=described))
    known = carried(before, described)
    if is_settled(found, known):
        assert phase is known_phase
        assert phase in TERMINAL_NODE_PHASES
        assert data is not None
        assert data.is_whole(succeeded=phase in SUCCESSFUL_NODE_PHASES)
        return
    plan = plan_node(found, described, known)
    assert plan.nodes == flags["is_parent_node"]
    assert not plan.generated or (flags["is_dynamic"] and flags["is_parent_node"])
    assert plan.values == (data is None or not data.is_whole(succeeded=phase in SUCCESSFUL_NODE_PHASES))
    if plan.tasks:
        assert plan.kind in (Kind.TASK, Kind.ARRAY, Kind.UNKNOWN)
        assert phase not in (NodePhase.SKIPPED, NodePhase.RECOVERED)
    expected = expected_of_node(found, plan.kind, SCOPE.interface(found) if scoped else None)
    assert expected.succeeded == (phase in SUCCESSFUL_NODE_PHASES)


# What is known ...


def settled(**below: Any) -> bool:
    known = FlyteNodeExecution(model(), Data(VALUES, VALUES), Below(**below))
    return is_settled(model(), known)


def test_a_node_is_settled_when_all_of_it_was_read() -> None:
    unread = FlyteNodeExecution(model(), Data(VALUES))
    assert settled()
    assert settled(nodes={"n": FlyteNodeExecution(model(), Data(VALUES, VALUES))})
    assert not settled(nodes={"n": unread})
    assert not settled(unread="its attempts are missing")
    assert not is_settled(model(), unread), "its outputs are missing"
    assert not is_settled(model(), None)


def test_a_node_that_was_read_without_its_workflow_is_of_no_use_once_that_is_known() -> None:
    known = FlyteNodeExecution(model(), Data(VALUES, VALUES))
    assert carried(known, None) is known
    assert carried(known, definition("task")) is None


def attempt(phase: TaskPhase) -> admin.TaskExecution:
    return admin.TaskExecution(
        input_uri="s3://b/inputs.pb", closure=admin.TaskExecutionClosure(phase=phase, output_uri="s3://b/outputs.pb")
    )


@pytest.mark.parametrize("phase", list(TaskPhase), ids=lambda phase: phase.name)
def test_an_attempt_is_settled_when_it_is_over_and_was_read(phase: TaskPhase) -> None:
    terminal = phase in (TaskPhase.SUCCEEDED, TaskPhase.FAILED, TaskPhase.ABORTED)
    assert is_task_settled(attempt(phase), FlyteTaskExecution(attempt(phase), Data(VALUES, VALUES))) is terminal
    assert not is_task_settled(attempt(phase), FlyteTaskExecution(attempt(phase)))
    assert not is_task_settled(attempt(phase), FlyteTaskExecution(attempt(TaskPhase.RUNNING), Data(VALUES, VALUES)))
    assert not is_task_settled(attempt(phase), None)


def test_what_is_expected_of_an_attempt_is_what_its_closure_tells() -> None:
    expected = expected_of_task(attempt(TaskPhase.SUCCEEDED), FlyteTask.promote_from_model(STEP).interface)
    assert (expected.succeeded, expected.inputs_uri, expected.outputs_uri) == (
        True,
        "s3://b/inputs.pb",
        "s3://b/outputs.pb",
    )
    assert set(expected.inputs or {}) == {"x"}
    assert set(expected.outputs or {}) == {"o0"}


# What the workflow tells ...


@pytest.mark.parametrize(
    ("spec", "inputs", "outputs"),
    [
        ("start-node", set[str](), {"x"}),
        ("end-node", {"y"}, {"y"}),
        ("task", {"x"}, {"o0"}),
        ("sub", {"x"}, {"o0"}),
        ("plan", {"x"}, {"o0"}),
        ("array", {"x"}, {"o0"}),
        ("plans", {"x"}, {"o0"}),
    ],
)
def test_the_interface_of_a_node_is_that_of_what_it_runs(spec: str, inputs: set[str], outputs: set[str]) -> None:
    found = SCOPE.interface(model(spec))
    assert found is not None
    assert (set(found.inputs), set(found.outputs)) == (inputs, outputs)


@pytest.mark.parametrize("spec", ["branch", "gate", "novel", "unheard-of"])
def test_some_nodes_have_no_interface_that_is_known(spec: str) -> None:
    assert SCOPE.interface(model(spec)) is None


@pytest.mark.parametrize("spec", ["array", "plans"])
def test_the_interface_of_an_array_has_lists(spec: str) -> None:
    found = interface_of(definition(spec))
    assert found is not None
    kinds = [variable.type for variable in (*found.inputs.values(), *found.outputs.values())]
    assert all(kind is not None and kind.collection_type is not None for kind in kinds)


def test_what_a_compiled_workflow_leaves_out_is_not_known() -> None:
    """Older servers tell of launch plans their names only; a task may be missing as well."""
    nodes = [node("task", "step", X), launch_plan_node("plan", "inner", X)]
    template = workflow("bare", nodes, {"x": int})
    bare = core.CompiledWorkflowClosure(primary=core.CompiledWorkflow(template=template))
    scope = Scope(FlyteWorkflow.promote_from_closure(bare))
    for spec, kind in (("task", Kind.TASK), ("plan", Kind.LAUNCH_PLAN)):
        assert scope.interface(model(spec)) is None
        assert kind_of(model(spec), scope.definition(model(spec))) is kind
    assert scope.task(STEP.id) is None


def test_below_a_node_is_what_it_runs() -> None:
    inner = model("a")
    assert SCOPE.definition(inner) is None
    assert SCOPE.below(definition("sub"), None).definition(inner) is not None
    assert SCOPE.below(definition("branch"), None).definition(model("arm")) is definition("arm")
    element = SCOPE.below(definition("plans"), None)
    assert element.definition(model("n0")) is element.definition(model("n1")) is not None
    assert SCOPE.below(definition("task"), OUTER).definition(model("task")) is definition("task"), "it generated that"
    for nothing in (SCOPE.below(definition("gate"), None), SCOPE.below(None, None)):
        assert not nothing.is_known
        assert nothing.definition(model("task")) is None


def test_a_node_is_found_by_its_id_in_the_workflow_before_its_unique_id() -> None:
    assert SCOPE.definition(model("task", node_id="sub")) is definition("task")
    assert SCOPE.definition(model("", node_id="sub")) is definition("sub")
    assert SCOPE.definition(model("unheard-of", node_id="sub")) is definition("sub"), "as a single task is"


def test_tasks_are_found_by_their_identifier() -> None:
    found = SCOPE.task(STEP.id)
    assert found is not None
    assert found.name == "step"
    assert SCOPE.task(task("other").id) is None
    assert SCOPE.task(None) is None
    assert Scope().task(STEP.id) is None
