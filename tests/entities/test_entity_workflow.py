"""Workflows out of compiled closures: every kind of node, and what is not understood is kept."""

import logging
import pickle

import pytest

from flyteasync.codec import decode, encode
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
)
from flyteasync.errors import FlyteAssertion, FlyteTypeException
from flyteasync.idl import admin, core
from flyteasync.interop import pb2_of
from tests.entities.build import (
    branch_node,
    plan_id,
    plan_spec,
    promise,
    sub_workflow_node,
    task_id,
    task_node,
    template,
    workflow,
    workflow_id,
)


@pytest.fixture
def main(closure: core.CompiledWorkflowClosure) -> FlyteWorkflow:
    return FlyteWorkflow.promote_from_closure(closure)


def test_properties_show_the_template(main: FlyteWorkflow) -> None:
    assert main.id == workflow_id("main")
    assert main.name == "main"
    assert main.metadata.tags == {"team": "one"}
    assert main.metadata_defaults.interruptible
    assert main.interface.short_string() == "(a: int) -> (o0: int)"
    assert main.outputs == [promise("o0", "n0", "o0")]
    assert main.resource_type is core.ResourceType.WORKFLOW
    assert main.entity_type_text == "Workflow"
    assert main.short_string() == "workflow p/d/main/v1"
    assert repr(main) == "<FlyteWorkflow p/d/main/v1>"
    assert not main.should_register
    assert not main.is_empty
    assert main.docs is None


def test_nodes_are_told_by_what_they_run(main: FlyteWorkflow) -> None:
    assert {node.id: type(node.flyte_entity) for node in main.flyte_nodes} == {
        "n0": FlyteTask,
        "n1": FlyteWorkflow,
        "n2": FlyteLaunchPlan,
        "n3": FlyteBranchNode,
        "n4": FlyteArrayNode,
        "n5": FlyteGateNode,
        "n6": FlyteGateNode,
        "n7": FlyteGateNode,
        "n8-start-node": FlyteTask,
        "fn0": FlyteWorkflow,
    }
    assert [node.id for node in main.nodes] == [node.id for node in main.flyte_nodes]


def test_only_nodes_of_exactly_the_system_names_are_left_out(main: FlyteWorkflow) -> None:
    nodes = [core.Node(id=name) for name in ("start-node", "n0", "x-start-node", "start-node-2", "end-node", "")]
    kept = FlyteWorkflow.get_non_system_nodes(nodes)
    assert [node.id for node in kept] == ["n0", "x-start-node", "start-node-2", ""]


def test_upstream_nodes_are_the_nodes_themselves(main: FlyteWorkflow) -> None:
    nodes = main.node_map
    last = nodes["n8-start-node"]
    assert last.upstream_node_ids == ["n0", "n7"]
    assert last.upstream_nodes == [nodes["n7"], nodes["n0"]]
    assert last.upstream_nodes[1] is nodes["n0"]
    assert nodes["n3-n0"].upstream_nodes == [nodes["n0"]]
    assert nodes["n0"].upstream_nodes == []


def test_node_map_has_what_branches_choose_from_and_not_what_arrays_run(main: FlyteWorkflow) -> None:
    assert list(main.node_map)[:10] == [node.id for node in main.flyte_nodes]
    assert list(main.node_map)[10:] == ["n3-n0", "n3-n1", "n3-n1-n0", "n3-n2"]
    array = main.node_map["n4"].array_node
    assert array is not None
    assert array.node is not main.node_map["n4"]


def test_top_level_node_wins_over_one_in_a_branch_of_the_same_id() -> None:
    made = FlyteWorkflow.promote_from_model(
        workflow("w", branch_node("n0", task_node("n1", name="inner")), task_node("n1", name="outer"))
    )
    assert made.node_map["n1"].metadata.name == "outer"


def test_promises_of_the_start_node_are_promises_of_the_workflow(main: FlyteWorkflow) -> None:
    nodes = main.node_map
    array = nodes["n4"].array_node
    assert array is not None
    assert array.node is not None
    for node in (nodes["n0"], nodes["n3-n0"], nodes["n3-n1-n0"], array.node, nodes["fn0"]):
        assert node.inputs == [promise("a", "", "a")]
    assert "start-node" not in " ".join(str(binding) for binding in nodes["n8-start-node"].inputs)
    assert "n0" in str(nodes["n8-start-node"].inputs)


def test_what_was_given_is_not_changed(closure: core.CompiledWorkflowClosure) -> None:
    before = encode(closure)
    made = FlyteWorkflow.promote_from_closure(closure)
    assert made.to_flyte_idl().template
    assert made.flyte_nodes
    assert encode(closure) == before
    assert made.compiled_closure is closure


def test_branches_are_trees_of_nodes(main: FlyteWorkflow) -> None:
    branch = main.node_map["n3"].branch_node
    assert branch is not None
    block = branch.if_else
    assert block.case.then_node is main.node_map["n3-n0"]
    assert block.case.condition is not None
    assert [other.then_node for other in block.other] == [main.node_map["n3-n1"]]
    assert block.else_node is main.node_map["n3-n2"]
    assert block.error is None
    deeper = main.node_map["n3-n1"].branch_node
    assert deeper is not None
    assert deeper.if_else.else_node is None
    assert deeper.if_else.error == core.Error(message="neither")
    assert [node.id for node in deeper.if_else.nodes] == ["n3-n1-n0"]


def test_failure_node_is_the_last_one(main: FlyteWorkflow) -> None:
    assert main.failure_node is main.flyte_nodes[-1]
    assert main.failure_node is main.node_map["fn0"]
    assert main.template.failure_node == main.failure_node.to_flyte_idl()
    assert "fn0" not in [node.id for node in main.template.nodes]
    assert FlyteWorkflow.promote_from_model(workflow("w")).failure_node is None


def test_sub_workflows_are_shared_and_have_their_own_nodes(main: FlyteWorkflow) -> None:
    assert [part.name for part in main.flyte_sub_workflows] == ["outer", "inner", "clean_up"]
    outer, inner, _ = main.flyte_sub_workflows
    assert main.node_map["n1"].flyte_entity is outer
    assert outer.node_map["n0"].flyte_entity is inner
    assert main.node_map["n3-n1-n0"].flyte_entity is inner
    assert isinstance(inner.node_map["n0"].flyte_entity, FlyteTask)
    assert [part.name for part in outer.flyte_sub_workflows] == ["inner"]


def test_spec_lists_sub_workflows_of_any_depth_once(main: FlyteWorkflow) -> None:
    assert [part.id for part in main.sub_workflows] == [workflow_id(name) for name in ("outer", "inner", "clean_up")]
    spec = main.to_flyte_idl()
    assert spec.sub_workflows == main.sub_workflows
    assert spec.template == main.template
    assert [node.id for node in spec.template.nodes][:2] == ["n0", "n1"]


def test_workflows_that_run_one_another_can_be_shown() -> None:
    closure = core.CompiledWorkflowClosure(
        primary=core.CompiledWorkflow(template=workflow("a", sub_workflow_node("n0", "b"))),
        sub_workflows=[
            core.CompiledWorkflow(template=workflow("a", sub_workflow_node("n0", "b"))),
            core.CompiledWorkflow(template=workflow("b", sub_workflow_node("n0", "a"), sub_workflow_node("n1", "b"))),
        ],
    )
    made = FlyteWorkflow.promote_from_closure(closure)
    assert [part.id.name for part in made.sub_workflows if part.id] == ["b"]
    assert made.verbose_string()


def test_tasks_are_those_of_the_closure(main: FlyteWorkflow) -> None:
    assert main.flyte_tasks == [FlyteTask.promote_from_model(template())]
    assert main.node_map["n0"].flyte_entity is main.flyte_tasks[0]


def test_launch_plans_come_with_what_the_closure_tells(main: FlyteWorkflow) -> None:
    plan = main.node_map["n2"].flyte_entity
    assert isinstance(plan, FlyteLaunchPlan)
    assert plan.id == plan_id("plan")
    assert plan.interface.short_string() == "(a: int) -> (o0: int)"
    assert set(plan.fixed_inputs.literals) == {"mode"}


def test_launch_plan_of_which_only_the_identifier_is_known_says_so(main: FlyteWorkflow) -> None:
    plan = main.node_map["n3-n2"].flyte_entity
    assert isinstance(plan, FlyteLaunchPlan)
    assert plan.id == plan_id("unknown_plan")
    with pytest.raises(FlyteAssertion, match="fetch_launch_plan"):
        _ = plan.interface


def test_specs_of_launch_plans_can_be_given(closure: core.CompiledWorkflowClosure) -> None:
    specs = {EntityKey("p", "d", "plan", "v1"): plan_spec(), EntityKey.of(pb2_of(plan_id("unknown_plan"))): plan_spec()}
    made = FlyteWorkflow.promote_from_closure(closure, specs)
    for node_id in ("n2", "n3-n2"):
        plan = made.node_map[node_id].flyte_entity
        assert isinstance(plan, FlyteLaunchPlan)
        assert plan.spec == plan_spec()


def test_key_that_is_no_identifier_is_refused(closure: core.CompiledWorkflowClosure) -> None:
    with pytest.raises(FlyteTypeException, match=r"expected flyteidl.core.Identifier.*got str"):
        FlyteWorkflow.promote_from_closure(closure, {"plan": plan_spec()})


def test_closure_is_taken_in_any_form(closure: core.CompiledWorkflowClosure, main: FlyteWorkflow) -> None:
    assert FlyteWorkflow.promote_from_closure(encode(closure)) == main
    assert FlyteWorkflow.promote_from_closure(pb2_of(closure)) == main


def test_template_is_promoted_with_what_is_given_for_it(closure: core.CompiledWorkflowClosure) -> None:
    templates = [part.template for part in closure.sub_workflows if part.template is not None]
    assert closure.primary is not None
    assert closure.primary.template is not None
    made = FlyteWorkflow.promote_from_model(
        closure.primary.template,
        {EntityKey.of(part.id): part for part in templates},
        {EntityKey.of(task_id("flows.inc")): FlyteTask.promote_from_model(template())},
        {EntityKey.of(plan_id("plan")): plan_spec()},
    )
    assert made == FlyteWorkflow.promote_from_closure(closure)
    assert all(node.flyte_entity is not None for node in made.node_map.values())
    assert made.compiled_closure is None


def test_nothing_is_lost_by_nodes_that_are_not_understood(caplog: pytest.LogCaptureFixture) -> None:
    strange = decode(core.Node, encode(core.Node(id="n1")) + b"\xfa\x3f\x03new")
    made = FlyteWorkflow.promote_from_closure(
        core.CompiledWorkflowClosure(
            primary=core.CompiledWorkflow(
                template=workflow(
                    "w",
                    task_node("n0"),
                    strange,
                    task_node("n2", name="gone", upstream=["n1", "gone", "n0"]),
                    sub_workflow_node("n3", "gone"),
                    core.Node(id="n4", array_node=core.ArrayNode()),
                    core.Node(id="n5", branch_node=core.BranchNode()),
                    core.Node(id="n6", workflow_node=core.WorkflowNode()),
                    core.Node(id="n7", gate_node=core.GateNode()),
                    core.Node(id="n8", task_node=core.TaskNode()),
                    branch_node("n9", core.Node()),
                )
            ),
            tasks=[core.CompiledTask(template=template()), core.CompiledTask()],
        )
    )
    with caplog.at_level(logging.WARNING):
        nodes = made.node_map
    assert set(nodes) == {*(f"n{index}" for index in range(10)), ""}
    assert isinstance(nodes["n0"].flyte_entity, FlyteTask)
    for node_id in ("n1", "n2", "n3", "n6", "n8"):
        assert nodes[node_id].flyte_entity is None
    assert nodes["n1"].target is None
    assert b"new" in nodes["n1"].serialize_to_string()
    assert nodes["n2"].upstream_nodes == [nodes["n1"], nodes["n0"]]
    assert nodes["n2"].upstream_node_ids == ["gone", "n0", "n1"]
    assert isinstance(nodes["n2"].target, FlyteTaskNode)
    assert nodes["n2"].target.reference_id == task_id("gone")
    assert nodes["n3"].workflow_node is not None
    assert nodes["n3"].workflow_node.sub_workflow_ref == workflow_id("gone")
    assert nodes["n4"].array_node is not None
    assert nodes["n4"].array_node.node is None
    assert nodes["n5"].branch_node is not None
    assert nodes["n5"].branch_node.if_else.nodes == []
    assert [record.message for record in caplog.records] == [
        "workflow p/d/w/v1: nothing is known of what this node runs: n1: of an unknown kind",
        "workflow p/d/w/v1: nothing is known of what this node runs: n2: task p/d/gone/v1",
        "workflow p/d/w/v1: nothing is known of what this node runs: n3: workflow p/d/gone/v1",
        "workflow p/d/w/v1: nothing is known of what this node runs: n6: workflow ///",
        "workflow p/d/w/v1: nothing is known of what this node runs: n8: task ///",
        "workflow p/d/w/v1: nothing is known of what this node runs: : of an unknown kind",
    ]
    assert all(node._repr_html_() and node.short_string() for node in nodes.values())


def test_closure_without_anything_is_an_empty_workflow() -> None:
    made = FlyteWorkflow.promote_from_closure(core.CompiledWorkflowClosure())
    assert made.flyte_nodes == []
    assert made.flyte_sub_workflows == []
    assert made.interface.is_empty
    assert made.id == core.Identifier(resource_type=core.ResourceType.WORKFLOW)
    assert made.metadata == core.WorkflowMetadata()
    assert made.metadata_defaults == core.WorkflowMetadataDefaults()


def test_constructor_makes_the_same_workflow(main: FlyteWorkflow, closure: core.CompiledWorkflowClosure) -> None:
    made = FlyteWorkflow(
        main.id,
        main.flyte_nodes[:-1],
        main.interface,
        main.outputs,
        main.metadata,
        main.metadata_defaults,
        subworkflows=main.flyte_sub_workflows,
        tasks=main.flyte_tasks,
        launch_plans={EntityKey.of(plan_id("plan")): plan_spec()},
        compiled_closure=closure,
        should_register=True,
        failure_node=main.failure_node,
    )
    assert made == main
    assert made.flyte_nodes == main.flyte_nodes
    assert made.flyte_sub_workflows == main.flyte_sub_workflows
    assert made.flyte_tasks == main.flyte_tasks
    assert made.failure_node is main.failure_node
    assert made.compiled_closure is closure
    assert made.should_register
    assert set(made.node_map) == set(main.node_map)


def test_constructor_refuses_a_node_without_an_id() -> None:
    node = FlyteNode("", [], [], None, task_node=FlyteTaskNode(FlyteTask.promote_from_model(template())))
    with pytest.raises(FlyteAssertion, match="every node of a workflow needs an id"):
        FlyteWorkflow(workflow_id("w"), [node], None, [], None, None)


def test_spec_goes_there_and_back_with_its_docs(main: FlyteWorkflow, caplog: pytest.LogCaptureFixture) -> None:
    docs = admin.DescriptionEntity(short_description="does much")
    spec = admin.WorkflowSpec(template=main.template, sub_workflows=main.sub_workflows, description=docs)
    for given in (spec, encode(spec), pb2_of(spec)):
        made = FlyteWorkflow.from_flyte_idl(given)
        assert made.to_flyte_idl() == spec
        assert made.docs == docs
    assert [node.id for node in made.flyte_nodes] == [node.id for node in main.flyte_nodes]
    assert made.flyte_tasks == []
    assert caplog.records == []


def test_a_closure_is_no_spec(closure: core.CompiledWorkflowClosure) -> None:
    with pytest.raises(FlyteTypeException, match=r"expected flyteidl.admin.WorkflowSpec"):
        FlyteWorkflow.from_flyte_idl(closure)


def test_workflows_are_equal_by_content_and_can_be_keys(
    main: FlyteWorkflow, closure: core.CompiledWorkflowClosure
) -> None:
    twin = FlyteWorkflow.promote_from_closure(closure)
    assert twin == main
    assert hash(twin) == hash(main)
    assert FlyteWorkflow.promote_from_model(workflow("main")) != main


def test_pickle_keeps_the_workflow(main: FlyteWorkflow) -> None:
    assert main.flyte_nodes
    copy = pickle.loads(pickle.dumps(main))
    assert copy == main
    assert copy.node_map["n8-start-node"].upstream_nodes[1] is copy.node_map["n0"]


def test_notebook_shows_the_interface(main: FlyteWorkflow) -> None:
    assert "<caption>inputs</caption><tr><td>a</td><td>int</td></tr>" in main._repr_html_()


def test_workflow_that_is_only_launched_promotes_no_node(
    closure: core.CompiledWorkflowClosure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(FlyteNode, "promote_in_catalog")
    made = FlyteWorkflow.promote_from_closure(closure)
    assert made.interface.inputs
    assert made.id.name == "main"
    with pytest.raises(AttributeError, match="promote_in_catalog"):
        _ = made.flyte_nodes
