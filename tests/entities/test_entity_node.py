"""Nodes and what they run, made by hand and out of messages."""

from datetime import timedelta
from typing import Any

import pytest

from flyteasync.codec import encode
from flyteasync.entities import (
    EntityKey,
    FlyteArrayNode,
    FlyteBranchNode,
    FlyteGateNode,
    FlyteLaunchPlan,
    FlyteNode,
    FlyteTask,
    FlyteTaskNode,
    FlyteWorkflow,
    FlyteWorkflowNode,
    IdlEntity,
    IfBlock,
    IfElseBlock,
)
from flyteasync.errors import FlyteAssertion, FlyteTypeException
from flyteasync.idl import core
from flyteasync.interop import pb2_of
from tests.entities.build import (
    INT,
    branch_node,
    condition,
    data,
    plan_id,
    plan_node,
    plan_spec,
    promise,
    sub_workflow_node,
    task_id,
    task_node,
    template,
    workflow,
    workflow_id,
)

TASK = FlyteTask.promote_from_model(template())
TASKS = {EntityKey.of(TASK.id): TASK}
WORKFLOW = FlyteWorkflow.promote_from_model(workflow("inner"))
PLAN = FlyteLaunchPlan.promote_from_model(plan_id("plan"), plan_spec())


def node(node_id: str = "n0", *upstream: FlyteNode) -> FlyteNode:
    return FlyteNode(node_id, upstream, [], None, task_node=FlyteTaskNode(TASK))


def promote(model: Any) -> FlyteNode:
    promoted, _ = FlyteNode.promote_from_model(
        model,
        {EntityKey.of(workflow_id("inner")): workflow("inner")},
        {EntityKey.of(plan_id("plan")): plan_spec()},
        TASKS,
        {},
    )
    assert promoted is not None
    return promoted


def test_node_shows_what_it_was_made_of() -> None:
    first = node("first")
    bindings = [promise("a", "first", "o0")]
    made = FlyteNode("n1", [first], [pb2_of(bindings[0])], core.NodeMetadata(name="inc"), task_node=FlyteTaskNode(TASK))
    assert made.id == "n1"
    assert made.inputs == bindings
    assert made.metadata.name == "inc"
    assert made.output_aliases == []
    assert made.upstream_nodes == [first]
    assert made.upstream_node_ids == ["first"]
    assert made.flyte_entity is TASK
    assert made.target is made.task_node
    assert made.to_flyte_idl() == core.Node(
        id="n1",
        metadata=core.NodeMetadata(name="inc"),
        inputs=bindings,
        upstream_node_ids=["first"],
        task_node=core.TaskNode(reference_id=task_id("flows.inc")),
    )


def test_upstream_ids_are_in_order() -> None:
    made = node("n2", node("n10"), node("n1"))
    assert made.upstream_node_ids == ["n1", "n10"]
    assert [upstream.id for upstream in made.upstream_nodes] == ["n10", "n1"]


def test_node_is_of_exactly_one_kind() -> None:
    with pytest.raises(FlyteAssertion, match="node n0 needs exactly one"):
        FlyteNode("n0", [], [], None)
    with pytest.raises(FlyteAssertion, match="node n0 needs exactly one"):
        FlyteNode("n0", [], [], None, task_node=FlyteTaskNode(TASK), gate_node=FlyteGateNode())


KINDS = {
    "task_node": (FlyteTaskNode(TASK), TASK),
    "workflow_node": (FlyteWorkflowNode(WORKFLOW), WORKFLOW),
    "branch_node": (FlyteBranchNode(IfElseBlock(IfBlock(condition(1), node()))), None),
    "gate_node": (FlyteGateNode(approve=core.ApproveCondition(signal_id="ok")), None),
    "array_node": (FlyteArrayNode(node(), 1, 2, None), None),
}


@pytest.mark.parametrize("kind", KINDS)
def test_kind_shows_in_its_own_property_alone(kind: str) -> None:
    target, entity = KINDS[kind]
    made = FlyteNode("n0", [], [], None, **{kind: target})
    for other in KINDS:
        assert getattr(made, other) is (target if other == kind else None)
    assert made.target is target
    assert made.flyte_entity is (entity or target)
    assert getattr(made.to_flyte_idl(), kind) == target.to_flyte_idl()
    assert type(FlyteNode.from_flyte_idl(made.serialize_to_string()).target) is type(target)


def test_node_is_promoted_from_a_message_in_any_form() -> None:
    message = task_node("n0", promise("a", "start-node", "a"), upstream=["start-node"])
    before = encode(message)
    for given in (message, encode(message), pb2_of(message)):
        made = promote(given)
        assert made.flyte_entity is TASK
        assert made.inputs == [promise("a", "", "a")]
        assert made.upstream_node_ids == []
    assert encode(message) == before


def test_system_nodes_are_no_nodes() -> None:
    for name in ("start-node", "end-node"):
        made, _ = FlyteNode.promote_from_model(core.Node(id=name), None, None, None, None)
        assert made is None


def test_workflows_that_were_made_are_handed_on() -> None:
    templates = {EntityKey.of(workflow_id("inner")): workflow("inner")}
    made, workflows = FlyteNode.promote_from_model(sub_workflow_node("n0", "inner"), templates, None, None, {})
    again, same = FlyteNode.promote_from_model(sub_workflow_node("n1", "inner"), templates, None, None, workflows)
    assert made is not None
    assert again is not None
    assert again.flyte_entity is made.flyte_entity
    assert list(same) == [EntityKey("p", "d", "inner", "v1")]


def test_message_without_a_catalog_keeps_references() -> None:
    made = FlyteNode.from_flyte_idl(task_node("n0", promise("a", "start-node", "a")))
    assert made.flyte_entity is None
    assert made.task_node is not None
    assert made.task_node.reference_id == task_id("flows.inc")
    assert made.inputs == [promise("a", "start-node", "a")]
    assert made.short_string() == "n0: task p/d/flows.inc/v1"
    with pytest.raises(FlyteTypeException, match=r"expected flyteidl.core.Node.*got flyteidl.core.TaskNode"):
        FlyteNode.from_flyte_idl(core.TaskNode())


def test_task_node_refers_to_its_task() -> None:
    made = FlyteTaskNode.promote_from_model(TASK)
    assert made.flyte_task is TASK
    assert made.reference_id == TASK.id
    assert made.overrides == core.TaskNodeOverrides()
    assert made.to_flyte_idl() == core.TaskNode(reference_id=TASK.id)
    assert FlyteTaskNode(TASK) == made
    assert repr(made) == "<FlyteTaskNode task p/d/flows.inc/v1>"
    with pytest.raises(FlyteAssertion, match="a task node needs a task"):
        FlyteTaskNode(None)


def test_overrides_of_a_task_node_are_kept() -> None:
    overrides = core.TaskNodeOverrides(container_image="other:1")
    message = core.Node(id="n0", task_node=core.TaskNode(reference_id=TASK.id, overrides=overrides))
    made = promote(message).task_node
    assert made is not None
    assert made.overrides == overrides
    assert made.flyte_task is TASK
    assert FlyteTaskNode.from_flyte_idl(pb2_of(message.task_node)).overrides == overrides


def test_workflow_node_refers_to_a_workflow_or_a_launch_plan() -> None:
    workflow_node, plan = FlyteWorkflowNode(WORKFLOW), FlyteWorkflowNode(flyte_launch_plan=PLAN)
    assert workflow_node.flyte_workflow is WORKFLOW
    assert workflow_node.sub_workflow_ref == workflow_node.reference == WORKFLOW.id
    assert [workflow_node.launchplan_ref, workflow_node.flyte_launch_plan] == [None, None]
    assert plan.flyte_launch_plan is PLAN
    assert plan.launchplan_ref == plan.reference == PLAN.id
    assert [plan.sub_workflow_ref, plan.flyte_workflow] == [None, None]
    assert repr(plan) == "<FlyteWorkflowNode launch plan p/d/plan/v1>"
    with pytest.raises(FlyteAssertion, match="not both"):
        FlyteWorkflowNode(WORKFLOW, PLAN)
    with pytest.raises(FlyteAssertion, match="needs a sub-workflow or a launch plan"):
        FlyteWorkflowNode()


def test_workflow_node_is_promoted_with_what_it_refers_to() -> None:
    messages = [plan_node("n0", "plan").workflow_node, sub_workflow_node("n1", "inner").workflow_node]
    specs = {EntityKey.of(plan_id("plan")): plan_spec()}
    templates = {EntityKey.of(workflow_id("inner")): workflow("inner")}
    plan, none = FlyteWorkflowNode.promote_from_model(messages[0], templates, specs, TASKS, {})
    inner, one = FlyteWorkflowNode.promote_from_model(pb2_of(messages[1]), templates, specs, TASKS, {})
    assert plan.flyte_launch_plan == PLAN
    assert none == {}
    assert inner.flyte_workflow == WORKFLOW
    assert list(one.values()) == [WORKFLOW]
    assert FlyteWorkflowNode.from_flyte_idl(encode(messages[1])).flyte_workflow is None
    assert FlyteWorkflowNode.from_flyte_idl(core.WorkflowNode()).reference is None


def test_branch_node_is_made_of_nodes() -> None:
    block = IfElseBlock(IfBlock(condition(1), node("a")), [IfBlock(condition(2), node("b"))], node("c"))
    made = FlyteBranchNode(block)
    assert made.if_else is block
    assert [inner.id for inner in block.nodes] == ["a", "b", "c"]
    assert made.short_string() == "branch to a, b, c"
    message = made.to_flyte_idl()
    assert message.if_else is not None
    assert message.if_else.case == core.IfBlock(condition=condition(1), then_node=node("a").to_flyte_idl())
    assert message.if_else.else_node == node("c").to_flyte_idl()
    assert FlyteBranchNode.from_flyte_idl(pb2_of(message)) == made
    failing = FlyteBranchNode(IfElseBlock(IfBlock(condition(1), node()), error=core.Error(message="no")))
    assert failing.to_flyte_idl().if_else.error == core.Error(message="no")


def test_branch_node_is_promoted_with_its_arms() -> None:
    message = branch_node("n0", task_node("a", promise("a", "start-node", "a")), plan_node("b", "plan")).branch_node
    assert message is not None
    made, _ = FlyteBranchNode.promote_from_model(
        message, None, {EntityKey.of(plan_id("plan")): plan_spec()}, TASKS, None
    )
    first, second = made.if_else.nodes
    assert first.flyte_entity is TASK
    assert first.inputs == [promise("a", "", "a")]
    assert second.flyte_entity == PLAN
    assert "start-node" in str(message)


def test_gate_node_waits_for_one_thing() -> None:
    signal, sleep = core.SignalCondition(signal_id="go", type=INT), core.SleepCondition(duration=timedelta(seconds=3))
    approve = core.ApproveCondition(signal_id="ok")
    assert FlyteGateNode(signal).signal == FlyteGateNode(signal).condition == signal
    assert FlyteGateNode(sleep=pb2_of(sleep)).sleep == sleep
    assert FlyteGateNode(sleep=sleep).condition == sleep
    assert FlyteGateNode(approve=approve).approve == FlyteGateNode(approve=approve).condition == approve
    assert FlyteGateNode().condition is None
    assert [FlyteGateNode(signal).sleep, FlyteGateNode(signal).approve, FlyteGateNode(sleep=sleep).signal] == [None] * 3
    with pytest.raises(FlyteAssertion, match="one of signal, sleep and approve"):
        FlyteGateNode(signal, sleep)
    for gate, text in (
        (FlyteGateNode(signal), "gate: signal go"),
        (FlyteGateNode(sleep=sleep), "gate: sleep 0:00:03"),
        (FlyteGateNode(approve=approve), "gate: approve ok"),
        (FlyteGateNode(), "gate"),
    ):
        assert gate.short_string() == text
        assert FlyteGateNode.from_flyte_idl(gate.serialize_to_string()) == gate
        assert FlyteGateNode.promote_from_model(pb2_of(gate.to_flyte_idl())) == gate


def test_array_node_runs_a_node_for_each_item() -> None:
    inner = node("inner")
    made = FlyteArrayNode(inner, 3, None, 0.5)
    assert made.node is inner
    assert made.flyte_node is inner
    assert (made.parallelism, made.min_successes, made.min_success_ratio) == (3, None, 0.5)
    assert made.to_flyte_idl() == core.ArrayNode(node=inner.to_flyte_idl(), parallelism=3, min_success_ratio=0.5)
    assert FlyteArrayNode.from_flyte_idl(pb2_of(made.to_flyte_idl())) == made
    assert FlyteArrayNode.from_flyte_idl(core.ArrayNode()).node is None
    assert made.short_string() == "array of inner: task p/d/flows.inc/v1"


def test_array_node_is_promoted_with_all_that_its_message_has() -> None:
    message = core.ArrayNode(node=task_node("inner"), min_successes=2, bound_inputs=["b"], run_all_sub_nodes=True)
    made = FlyteArrayNode.promote_from_model(encode(message), node("inner"))
    assert made.to_flyte_idl() == message
    assert (made.parallelism, made.min_successes, made.min_success_ratio) == (None, 2, None)
    array = promote(core.Node(id="n0", array_node=message)).array_node
    assert array is not None
    assert array.node is not None
    assert array.node.flyte_entity is TASK


@pytest.mark.parametrize("entity", [node(), *(target for target, _ in KINDS.values())], ids=lambda e: type(e).__name__)
def test_every_kind_is_compared_hashed_and_shown(entity: IdlEntity) -> None:
    twin = type(entity).from_flyte_idl(entity.to_flyte_idl())  # pyright: ignore[reportAttributeAccessIssue]
    assert twin == entity
    assert hash(twin) == hash(entity)
    assert entity != 1
    assert repr(entity) == f"<{type(entity).__name__} {entity.short_string()}>"
    assert entity.verbose_string() in entity._repr_html_().replace("&#x27;", "'")
    assert not entity.is_empty
    assert type(entity).from_flyte_idl(b"").is_empty  # pyright: ignore[reportAttributeAccessIssue]


def test_bindings_of_lists_and_maps_are_walked() -> None:
    bindings = [
        core.Binding(
            var="xs",
            binding=core.BindingData(
                collection=core.BindingDataCollection(
                    bindings=[
                        core.BindingData(map=core.BindingDataMap(bindings={"k": data("start-node", "a")})),
                        data("x-start-node", "a"),
                        core.BindingData(),
                    ]
                )
            ),
        ),
        core.Binding(var="unbound"),
    ]
    text = str(promote(task_node("n0", *bindings)).inputs)
    assert "node_id='x-start-node'" in text
    assert "node_id='start-node'" not in text
