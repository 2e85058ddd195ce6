"""What each member of flytekit's node classes does here; none is satisfied by its name."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

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
    IfBlock,
    IfElseBlock,
)
from flyteasync.errors import FlyteAssertion
from flyteasync.idl import core
from flyteasync.interop import pb2_of
from tests.contract.behaviours import forms, goes_there_and_back, promotes
from tests.contract.known import behaviour
from tests.entities.build import (
    INT,
    branch_node,
    condition,
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
WORKFLOW = FlyteWorkflow.promote_from_model(workflow("inner"))
PLAN = FlyteLaunchPlan.promote_from_model(plan_id("plan"), plan_spec())
OVERRIDDEN = core.TaskNode(reference_id=TASK.id, overrides=core.TaskNodeOverrides(container_image="other:1"))
SUB = core.WorkflowNode(sub_workflow_ref=workflow_id("inner"))
LAUNCH = core.WorkflowNode(launchplan_ref=plan_id("plan"))
SIGNAL = core.SignalCondition(signal_id="go", type=INT)
SLEEP = core.SleepCondition(duration=timedelta(seconds=3))
APPROVE = core.ApproveCondition(signal_id="ok")
ARRAY = core.ArrayNode(node=task_node("inner"), parallelism=3, min_success_ratio=0.5, bound_inputs=["b"])


def catalog() -> tuple[Any, Any, Any]:
    """What the nodes refer to: templates, specs and tasks."""
    return (
        {EntityKey.of(workflow_id("inner")): workflow("inner")},
        {EntityKey.of(plan_id("plan")): plan_spec()},
        {EntityKey.of(TASK.id): TASK},
    )


def node(node_id: str, *upstream: FlyteNode) -> FlyteNode:
    return FlyteNode(node_id, upstream, [], None, FlyteTaskNode(TASK))


def branch() -> core.BranchNode:
    whole = branch_node("n0", task_node("a", promise("a", "start-node", "a")), plan_node("b", "plan"))
    assert whole.branch_node is not None
    return whole.branch_node


# Tasks of nodes ...


@behaviour("FlyteTaskNode.__init__", "FlyteTaskNode.promote_from_model", "FlyteTaskNode.flyte_task")
async def _() -> None:
    for made in (FlyteTaskNode(TASK), FlyteTaskNode.promote_from_model(TASK)):
        assert made.flyte_task is TASK
        assert made.to_flyte_idl() == core.TaskNode(reference_id=TASK.id)
    with pytest.raises(FlyteAssertion, match="needs a task"):
        FlyteTaskNode(None)


@behaviour("FlyteTaskNode.from_flyte_idl", "FlyteTaskNode.to_flyte_idl", "FlyteTaskNode.serialize_to_string")
async def _() -> None:
    made = goes_there_and_back(FlyteTaskNode, OVERRIDDEN, SUB)
    assert made.to_flyte_idl() == OVERRIDDEN
    assert made.flyte_task is None, "a message refers to its task and does not hold it"


@behaviour("FlyteTaskNode.reference_id", "FlyteTaskNode.overrides", "FlyteTaskNode.short_string")
async def _() -> None:
    made = FlyteTaskNode.from_flyte_idl(OVERRIDDEN)
    assert (made.reference_id, made.overrides.container_image) == (task_id("flows.inc"), "other:1")
    assert made.short_string() == "task p/d/flows.inc/v1"
    assert FlyteTaskNode(TASK).overrides == core.TaskNodeOverrides()


@behaviour("FlyteTaskNode.is_empty")
async def _() -> None:
    assert not FlyteTaskNode(TASK).is_empty
    assert FlyteTaskNode.from_flyte_idl(b"").is_empty


# Workflows of nodes ...


@behaviour("FlyteWorkflowNode.__init__", "FlyteWorkflowNode.flyte_workflow", "FlyteWorkflowNode.flyte_launch_plan")
async def _() -> None:
    sub, launch = FlyteWorkflowNode(WORKFLOW), FlyteWorkflowNode(flyte_launch_plan=PLAN)
    assert (sub.flyte_workflow, sub.flyte_launch_plan) == (WORKFLOW, None)
    assert (launch.flyte_workflow, launch.flyte_launch_plan) == (None, PLAN)
    with pytest.raises(FlyteAssertion, match="needs a sub-workflow or a launch plan"):
        FlyteWorkflowNode()
    with pytest.raises(FlyteAssertion, match="not both"):
        FlyteWorkflowNode(WORKFLOW, PLAN)


@behaviour("FlyteWorkflowNode.promote_from_model")
async def _() -> None:
    workflows = {EntityKey.of(workflow_id("inner")): WORKFLOW}
    made = promotes(
        FlyteWorkflowNode, lambda form: FlyteWorkflowNode.promote_from_model(form, *catalog(), {})[0], SUB, OVERRIDDEN
    )
    assert made.flyte_workflow == WORKFLOW
    assert FlyteWorkflowNode.promote_from_model(SUB, *catalog(), {})[1] == workflows
    again, _ = FlyteWorkflowNode.promote_from_model(SUB, {}, {}, {}, workflows)
    assert again.flyte_workflow is WORKFLOW
    launch, none = FlyteWorkflowNode.promote_from_model(LAUNCH, *catalog(), {})
    assert (launch.flyte_launch_plan, none) == (PLAN, {})


@behaviour(
    "FlyteWorkflowNode.from_flyte_idl", "FlyteWorkflowNode.to_flyte_idl", "FlyteWorkflowNode.serialize_to_string"
)
async def _() -> None:
    for message in (SUB, LAUNCH):
        assert goes_there_and_back(FlyteWorkflowNode, message, OVERRIDDEN).to_flyte_idl() == message


@behaviour("FlyteWorkflowNode.sub_workflow_ref", "FlyteWorkflowNode.launchplan_ref", "FlyteWorkflowNode.reference")
async def _() -> None:
    sub, launch = FlyteWorkflowNode(WORKFLOW), FlyteWorkflowNode.from_flyte_idl(LAUNCH)
    assert (sub.sub_workflow_ref, sub.launchplan_ref, sub.reference) == (WORKFLOW.id, None, WORKFLOW.id)
    assert (launch.sub_workflow_ref, launch.launchplan_ref, launch.reference) == (None, PLAN.id, PLAN.id)


@behaviour("FlyteWorkflowNode.short_string", "FlyteWorkflowNode.is_empty")
async def _() -> None:
    assert FlyteWorkflowNode(WORKFLOW).short_string() == "workflow p/d/inner/v1"
    assert FlyteWorkflowNode.from_flyte_idl(LAUNCH).short_string() == "launch plan p/d/plan/v1"
    assert not FlyteWorkflowNode(WORKFLOW).is_empty
    assert FlyteWorkflowNode.from_flyte_idl(b"").is_empty


# Branches ...


@behaviour("FlyteBranchNode.__init__", "FlyteBranchNode.if_else")
async def _() -> None:
    block = IfElseBlock(IfBlock(condition(1), node("a")), [IfBlock(condition(2), node("b"))], node("c"))
    made = FlyteBranchNode(block)
    assert made.if_else is block
    message = made.to_flyte_idl().if_else
    assert message is not None
    assert (message.case, message.other) == (block.case.to_flyte_idl(), [block.other[0].to_flyte_idl()])
    assert message.else_node == node("c").to_flyte_idl()


@behaviour("FlyteBranchNode.promote_from_model")
async def _() -> None:
    def make(form: Any) -> FlyteBranchNode:
        return FlyteBranchNode.promote_from_model(form, *catalog(), {})[0]

    first, second = promotes(FlyteBranchNode, make, branch(), SUB).if_else.nodes
    assert (first.flyte_entity, second.flyte_entity) == (TASK, PLAN)
    assert first.inputs == [promise("a", "", "a")], "of the workflow, not of its start node"
    block = core.BranchNode(if_else=core.IfElseBlock(case=core.IfBlock(then_node=sub_workflow_node("c", "inner"))))
    made, workflows = FlyteBranchNode.promote_from_model(block, *catalog(), {})
    assert list(workflows.values()) == [WORKFLOW]
    again, same = FlyteBranchNode.promote_from_model(block, {}, {}, {}, workflows)
    assert (again.if_else.nodes[0].flyte_entity, same) == (made.if_else.nodes[0].flyte_entity, workflows)


@behaviour("FlyteBranchNode.from_flyte_idl", "FlyteBranchNode.to_flyte_idl", "FlyteBranchNode.serialize_to_string")
async def _() -> None:
    made = goes_there_and_back(FlyteBranchNode, branch(), SUB)
    assert made.to_flyte_idl() == branch()
    assert made.if_else.nodes[0].flyte_entity is None


@behaviour("FlyteBranchNode.short_string", "FlyteBranchNode.is_empty")
async def _() -> None:
    made = FlyteBranchNode.from_flyte_idl(branch())
    assert made.short_string() == "branch to a, b"
    assert not made.is_empty
    assert FlyteBranchNode.from_flyte_idl(b"").is_empty


# Gates ...


@behaviour(
    "FlyteGateNode.__init__",
    "FlyteGateNode.signal",
    "FlyteGateNode.sleep",
    "FlyteGateNode.approve",
    "FlyteGateNode.condition",
)
async def _() -> None:
    for index, message in enumerate((SIGNAL, SLEEP, APPROVE)):
        for form in forms(message):
            made = FlyteGateNode(*(form if place == index else None for place in range(3)))
            assert [made.signal, made.sleep, made.approve].index(message) == index
            assert [made.signal, made.sleep, made.approve].count(None) == 2
            assert made.condition == message
    assert FlyteGateNode().condition is None
    with pytest.raises(FlyteAssertion, match="one of signal, sleep and approve"):
        FlyteGateNode(SIGNAL, approve=APPROVE)


@behaviour(
    "FlyteGateNode.promote_from_model",
    "FlyteGateNode.from_flyte_idl",
    "FlyteGateNode.to_flyte_idl",
    "FlyteGateNode.serialize_to_string",
)
async def _() -> None:
    for message in (core.GateNode(signal=SIGNAL), core.GateNode(sleep=SLEEP), core.GateNode(approve=APPROVE)):
        made = goes_there_and_back(FlyteGateNode, message, SUB)
        assert promotes(FlyteGateNode, FlyteGateNode.promote_from_model, message, SUB) == made
        assert made.to_flyte_idl() == message


@behaviour("FlyteGateNode.short_string", "FlyteGateNode.is_empty")
async def _() -> None:
    gates = [FlyteGateNode(SIGNAL), FlyteGateNode(sleep=SLEEP), FlyteGateNode(approve=APPROVE)]
    assert [gate.short_string() for gate in gates] == ["gate: signal go", "gate: sleep 0:00:03", "gate: approve ok"]
    assert [gate.is_empty for gate in [*gates, FlyteGateNode()]] == [False, False, False, True]


# Arrays ...


@behaviour("FlyteArrayNode.__init__", "FlyteArrayNode.node", "FlyteArrayNode.flyte_node")
async def _() -> None:
    inner = node("inner")
    by_count, by_share = FlyteArrayNode(inner, 3, 2, None), FlyteArrayNode(inner, 0, None, 0.5)
    assert by_count.node is by_count.flyte_node is inner
    assert by_count.to_flyte_idl() == core.ArrayNode(node=inner.to_flyte_idl(), parallelism=3, min_successes=2)
    assert by_share.to_flyte_idl() == core.ArrayNode(node=inner.to_flyte_idl(), parallelism=0, min_success_ratio=0.5)


@behaviour("FlyteArrayNode.promote_from_model")
async def _() -> None:
    inner = node("inner")
    made = promotes(FlyteArrayNode, lambda form: FlyteArrayNode.promote_from_model(form, inner), ARRAY, SUB)
    assert made.node is inner
    assert (made.parallelism, made.min_successes, made.min_success_ratio) == (3, None, 0.5)
    assert made.to_flyte_idl() == ARRAY


@behaviour("FlyteArrayNode.from_flyte_idl", "FlyteArrayNode.to_flyte_idl", "FlyteArrayNode.serialize_to_string")
async def _() -> None:
    made = goes_there_and_back(FlyteArrayNode, ARRAY, SUB)
    assert made.to_flyte_idl() == ARRAY
    assert made.node == FlyteNode.from_flyte_idl(task_node("inner"))


@behaviour("FlyteArrayNode.short_string", "FlyteArrayNode.is_empty")
async def _() -> None:
    made = FlyteArrayNode.from_flyte_idl(ARRAY)
    assert made.short_string() == "array of inner: task p/d/flows.inc/v1"
    assert not made.is_empty
    assert FlyteArrayNode.from_flyte_idl(b"").is_empty


# Nodes ...


def kinds() -> dict[str, Any]:
    """What a node may do, by the parameter that takes it."""
    return {
        "task_node": FlyteTaskNode(TASK),
        "workflow_node": FlyteWorkflowNode(WORKFLOW),
        "branch_node": FlyteBranchNode.from_flyte_idl(branch()),
        "gate_node": FlyteGateNode(sleep=SLEEP),
        "array_node": FlyteArrayNode.from_flyte_idl(ARRAY),
    }


@behaviour("FlyteNode.__init__", "FlyteNode.id", "FlyteNode.inputs", "FlyteNode.metadata", "FlyteNode.output_aliases")
async def _() -> None:
    bindings, metadata = [promise("a", "n0", "o0")], core.NodeMetadata(name="inc")
    for binding, form in zip(forms(bindings[0]), forms(metadata), strict=True):
        made = FlyteNode("n1", [node("n0")], [binding], form, FlyteTaskNode(TASK))
        assert (made.id, made.inputs, made.metadata, made.output_aliases) == ("n1", bindings, metadata, [])
    aliased = core.Node(output_aliases=[core.Alias(var="o0", alias="sum")])
    assert FlyteNode.from_flyte_idl(aliased).output_aliases == aliased.output_aliases
    for wrong in ({}, {name: kinds()[name] for name in ("task_node", "gate_node")}):
        with pytest.raises(FlyteAssertion, match="node n0 needs exactly one"):
            FlyteNode("n0", [], [], None, **wrong)


@behaviour(
    "FlyteNode.task_node",
    "FlyteNode.workflow_node",
    "FlyteNode.branch_node",
    "FlyteNode.gate_node",
    "FlyteNode.array_node",
    "FlyteNode.target",
)
async def _() -> None:
    for kind, target in kinds().items():
        made = FlyteNode("n0", [], [], None, **{kind: target})
        assert made.target is target
        assert {name: getattr(made, name) for name in kinds()} == {**dict.fromkeys(kinds()), kind: target}
        assert getattr(made.to_flyte_idl(), kind) == target.to_flyte_idl()
    assert FlyteNode.from_flyte_idl(core.Node(id="n0")).target is None


@behaviour("FlyteNode.flyte_entity")
async def _() -> None:
    expected = {**kinds(), "task_node": TASK, "workflow_node": WORKFLOW}
    for kind, target in kinds().items():
        assert FlyteNode("n0", [], [], None, **{kind: target}).flyte_entity == expected[kind]
    assert FlyteNode("n0", [], [], None, workflow_node=FlyteWorkflowNode(flyte_launch_plan=PLAN)).flyte_entity is PLAN
    assert FlyteNode.from_flyte_idl(task_node("n0")).flyte_entity is None


@behaviour("FlyteNode.upstream_nodes", "FlyteNode.upstream_node_ids")
async def _() -> None:
    upstream = [node("n10"), node("n1")]
    made = node("n2", *upstream)
    assert made.upstream_nodes == upstream
    assert made.upstream_node_ids == ["n1", "n10"]
    assert made.to_flyte_idl().upstream_node_ids == ["n10", "n1"]


@behaviour("FlyteNode.promote_from_model")
async def _() -> None:
    message = task_node("n0", promise("a", "start-node", "a"), upstream=["start-node"])
    made = promotes(FlyteNode, lambda form: FlyteNode.promote_from_model(form, *catalog(), {})[0], message, SUB)
    assert (made.flyte_entity, made.inputs, made.upstream_node_ids) == (TASK, [promise("a", "", "a")], [])
    assert FlyteNode.promote_from_model(core.Node(id="start-node"), *catalog(), {}) == (None, {})
    first, workflows = FlyteNode.promote_from_model(sub_workflow_node("n0", "inner"), *catalog(), {})
    again, _ = FlyteNode.promote_from_model(sub_workflow_node("n1", "inner"), {}, {}, {}, workflows)
    assert first is not None
    assert again is not None
    assert again.flyte_entity is first.flyte_entity is next(iter(workflows.values()))
    launch, _ = FlyteNode.promote_from_model(plan_node("n2", "plan"), *catalog(), {})
    assert launch is not None
    assert launch.flyte_entity == PLAN


@behaviour("FlyteNode.from_flyte_idl", "FlyteNode.to_flyte_idl", "FlyteNode.serialize_to_string")
async def _() -> None:
    message = task_node("n0", promise("a", "start-node", "a"))
    made = goes_there_and_back(FlyteNode, message, SUB)
    assert made.to_flyte_idl() == message
    assert pb2_of(core.Node()).FromString(made.serialize_to_string()).task_node.reference_id.name == "flows.inc"


@behaviour("FlyteNode.short_string", "FlyteNode.is_empty")
async def _() -> None:
    assert node("n0").short_string() == "n0: task p/d/flows.inc/v1"
    assert not node("n0").is_empty
    assert FlyteNode.from_flyte_idl(b"").is_empty
