"""From templates to what runs."""

from __future__ import annotations

from typing import Any

import pytest

from flyteasync.idl import core
from flyteasync.server.compiler import CompileError, LaunchPlanInterface, compile_workflow, entity_key
from tests.server.build import (
    bindings,
    collection,
    identifier,
    interface,
    mapping,
    node,
    promise,
    scalar,
    task,
    workflow,
)

TASKS = {
    entity_key(template.id): template
    for template in (
        task("make", {}, {"o0": int}),
        task("text", {}, {"o0": str}),
        task("many", {}, {"o0": list[int], "o1": dict[str, int]}),
        task("double", {"x": int}, {"o0": int}),
        task("total", {"xs": list[int]}, {"o0": int}),
        task("lookup", {"m": dict[str, int]}, {"o0": int}),
        task("maybe", {"x": int | None}, {"o0": int}),
        task("choose", {"x": list[int] | str}, {}),
        task("either", {"x": list[int] | list[str]}, {}),
        task("pick", {"x": core.LiteralType(enum_type=core.EnumType(values=["red", "blue"]))}, {}),
    )
    if template.id is not None
}

PLAN = identifier("child", core.ResourceType.LAUNCH_PLAN)
PLANS = {entity_key(PLAN): LaunchPlanInterface(interface({"x": int, "y": int}, {"o0": int}), frozenset({"y"}))}


def compiled(
    nodes: list[core.Node],
    inputs: dict[str, Any] | None = None,
    outputs: dict[str, Any] | None = None,
    *,
    parts: list[core.WorkflowTemplate] | None = None,
    template: core.WorkflowTemplate | None = None,
) -> core.CompiledWorkflowClosure:
    template = template or workflow("wf", nodes, inputs, outputs)
    return compile_workflow(
        template, parts or [], lambda item: TASKS[entity_key(item)], lambda item: PLANS[entity_key(item)]
    )


def errors_of(*args: Any, **kwargs: Any) -> list[str]:
    with pytest.raises(CompileError) as caught:
        compiled(*args, **kwargs)
    first, *lines = str(caught.value).splitlines()
    assert first == f"Collected Errors: {len(lines)}"
    return [line.partition(": ")[2] for line in lines]


def edges(closure: core.CompiledWorkflowClosure) -> dict[str, list[str]]:
    assert closure.primary is not None
    assert closure.primary.connections is not None
    return {source: targets.ids for source, targets in closure.primary.connections.downstream.items()}


def test_start_and_end_node_come_first_and_hold_the_workflows_outputs() -> None:
    closure = compiled([node("n0", "make")], outputs={"o0": (int, promise("n0.o0"))})
    assert closure.primary is not None
    assert closure.primary.template is not None
    assert [item.id for item in closure.primary.template.nodes] == ["start-node", "end-node", "n0"]
    assert closure.primary.template.nodes[1].inputs == bindings({"o0": promise("n0.o0")})
    assert [part.template.id.name for part in closure.tasks if part.template and part.template.id] == ["make"]


def test_start_and_end_node_are_not_added_twice() -> None:
    closure = compiled([core.Node(id="start-node"), core.Node(id="end-node"), node("n0", "make")])
    assert closure.primary is not None
    assert closure.primary.template is not None
    assert [item.id for item in closure.primary.template.nodes] == ["start-node", "end-node", "n0"]


def test_the_template_of_the_request_stays_as_it_was() -> None:
    template = workflow("wf", [node("n0", "double", {"x": promise("x")})], {"x": int})
    compiled([], template=template)
    assert [item.id for item in template.nodes] == ["n0"]
    binding = template.nodes[0].inputs[0].binding
    assert binding is not None
    assert binding.promise is not None
    assert binding.promise.node_id == ""


def test_edges_come_from_bindings_and_from_explicit_order() -> None:
    closure = compiled(
        [
            node("n0", "make"),
            node("n1", "double", {"x": promise("n0.o0")}),
            node("n2", "double", {"x": promise("x")}, after=["n1"]),
            node("n3", "total", {"xs": collection(promise("n0.o0"), promise("n2.o0"))}),
        ],
        {"x": int},
    )
    assert edges(closure) == {
        "start-node": ["n0", "n2"],
        "n0": ["n1", "n3"],
        "n1": ["n2"],
        "n2": ["n3"],
        "n3": ["end-node"],
    }
    assert closure.primary is not None
    assert closure.primary.connections is not None
    upstream = {target: sources.ids for target, sources in closure.primary.connections.upstream.items()}
    assert upstream["n3"] == ["n0", "n2"]
    assert upstream["n2"] == ["n1", "start-node"]


def test_an_optional_input_need_not_be_bound() -> None:
    compiled([node("n0", "maybe")])


def test_a_promise_may_lead_into_a_list_or_map() -> None:
    compiled(
        [
            node("n0", "many"),
            node("n1", "double", {"x": promise("n0.o0", 0)}),
            node("n2", "double", {"x": promise("n0.o1", "a")}),
        ]
    )


def test_lists_and_maps_of_bindings_go_to_the_one_variant_that_takes_them() -> None:
    compiled([node("n0", "choose", {"x": collection(scalar(1))})])
    [error] = errors_of([node("n0", "choose", {"x": mapping(a=scalar(1))})])
    assert error.startswith("Code: IncompatibleBindingUnionValue, Node Id: n0, Description: Input [x] on node [n0]")
    [error] = errors_of([node("n0", "either", {"x": collection()})])
    assert error.startswith("Code: AmbiguousBindingUnionValue, Node Id: n0")


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ([], ["Code: NoNodesFound"]),
        ([node("n0", "double")], ["Code: ParameterNotBound, Node Id: n0, Description: Parameter not bound [x]."]),
        (
            [node("n0", "double", {"x": scalar("text")})],
            [
                "Code: MismatchingTypes, Node Id: n0, Description: Variable [x] (type [simple:STRING]) doesn't match "
                "expected type [simple:INTEGER]."
            ],
        ),
        (
            [node("n0", "text"), node("n1", "double", {"x": promise("n0.o0")})],
            [
                "Code: MismatchingTypes, Node Id: n1, Description: The output variable 'o0' has type [simple:STRING], "
                "but it's assigned to the input variable 'x' which has type type [simple:INTEGER]."
            ],
        ),
        (
            [node("n0", "double", {"x": promise("n9.o0")})],
            [
                "Code: NodeReferenceNotFound, Node Id: n0, Description: Referenced node [n9] not found.",
                "Code: ParameterNotBound, Node Id: n0, Description: Parameter not bound [x].",
            ],
        ),
        (
            [node("n0", "make"), node("n1", "double", {"x": promise("n0.o7")})],
            [
                "Code: ParameterNotBound, Node Id: n1, Description: Parameter not bound [x].",
                "Code: VariableNameNotFound, Node Id: n0, Description: Variable [o7] not found on node [n0].",
            ],
        ),
        (
            [node("n0", "make", {"y": scalar(1)})],
            ["Code: VariableNameNotFound, Node Id: n0, Description: Variable [y] not found on node [n0]."],
        ),
        (
            [node("n0", "make"), node("n0", "make")],
            ["Code: DuplicateId, Node Id: n0, Description: Trying to insert two nodes with the same id."],
        ),
        (
            [node("n0", "make", after=["n9"])],
            ["Code: NodeReferenceNotFound, Node Id: n0, Description: Referenced node [n9] not found."],
        ),
        (
            [core.Node(id="n0")],
            ["Code: ValueRequired, Node Id: n0, Description: Value required [Target]."],
        ),
        (
            [node("", "make")],
            ["Code: ValueRequired, Node Id: , Description: Value required [Id]."],
        ),
        (
            [node("n0", "double", {"x": collection(scalar(1))})],
            [
                "Code: MismatchingBindings, Node Id: n0, Description: Input [x] on node [n0] expects bindings of type "
                "[simple:INTEGER].  Received [collection]"
            ],
        ),
        (
            [node("n0", "pick", {"x": scalar("green")})],
            [
                "Code: IllegalEnumValue, Node Id: n0, Description: Input [x] on node [n0] is an Enum and expects value "
                "to be one of [[red blue]].  Received [green]"
            ],
        ),
    ],
)
def test_what_cannot_run_is_reported(nodes: list[core.Node], expected: list[str]) -> None:
    found = errors_of(nodes)
    assert len(found) >= len(expected)
    for error in expected:
        assert any(line.startswith(error) for line in found), found


def test_an_input_bound_twice_is_reported() -> None:
    double = node("n0", "double", {"x": scalar(1)})
    double.inputs *= 2
    assert errors_of([double]) == [
        "Code: ParameterBoundMoreThanOnce, Node Id: n0, Description: Input [x] is bound more than once."
    ]


def test_an_output_that_is_not_bound_is_reported() -> None:
    template = workflow("wf", [node("n0", "make")], {}, {"o0": (int, promise("n0.o0"))})
    template.outputs = []
    assert errors_of([], template=template) == [
        "Code: ParameterNotBound, Node Id: end-node, Description: Parameter not bound [o0]."
    ]


def test_a_cycle_is_reported() -> None:
    found = errors_of(
        [
            node("n0", "make"),
            node("n1", "double", {"x": promise("n2.o0")}, after=["n0"]),
            node("n2", "double", {"x": promise("n1.o0")}),
        ]
    )
    assert found == [
        "Code: CycleDetected, Node Id: start-node, Description: A cycle has been detected while traversing the "
        "Workflow [n1>n2>n1]."
    ]


def test_nodes_that_nothing_leads_to_are_reported() -> None:
    found = errors_of(
        [
            node("n0", "make"),
            node("n1", "double", {"x": promise("n2.o0")}),
            node("n2", "double", {"x": promise("n1.o0")}),
        ]
    )
    assert found == [
        "Code: UnreachableNodes, Node Id: start-node, Description: The Workflow contain unreachable nodes [n1,n2]."
    ]


def test_a_chain_longer_than_the_recursion_limit_compiles() -> None:
    chain = [node("n0", "make")]
    chain += [node(f"n{i}", "double", {"x": promise(f"n{i - 1}.o0")}) for i in range(1, 1500)]
    assert len(edges(compiled(chain))) == 1501


def test_a_sub_workflow_is_compiled_and_checked_with_its_parent() -> None:
    part = workflow("part", [node("n0", "double", {"x": promise("x")})], {"x": int}, {"o0": (int, promise("n0.o0"))})
    call = core.Node(
        id="n0",
        inputs=bindings({"x": scalar(1)}),
        workflow_node=core.WorkflowNode(sub_workflow_ref=part.id),
    )
    closure = compiled([call], outputs={"o0": (int, promise("n0.o0"))}, parts=[part])
    [inner] = closure.sub_workflows
    assert inner.template is not None
    assert [item.id for item in inner.template.nodes] == ["start-node", "end-node", "n0"]
    call.inputs = bindings({"x": scalar("text")})
    assert errors_of([call], parts=[part])[0].startswith("Code: MismatchingTypes, Node Id: n0")
    assert errors_of([call])[0].startswith("Code: WorkflowReferenceNotFound, Node Id: n0")


def test_a_launch_plan_node_has_its_launch_plans_interface() -> None:
    call = core.Node(id="n0", inputs=bindings({"x": scalar(1)}), workflow_node=core.WorkflowNode(launchplan_ref=PLAN))
    closure = compiled([call], outputs={"o0": (int, promise("n0.o0"))})
    [plan] = closure.launch_plans
    assert plan.template is not None
    assert plan.template.id == PLAN


def test_an_array_node_over_what_runs_once_per_item_takes_and_returns_lists() -> None:
    gate = core.Node(id="n0", gate_node=core.GateNode(sleep=core.SleepCondition()))
    array = core.Node(
        id="n1",
        inputs=bindings({"x": promise("xs")}),
        array_node=core.ArrayNode(
            node=node("inner", "double", {"x": promise("x")}), is_original_sub_node_interface=True
        ),
    )
    closure = compiled([gate, array, node("n2", "total", {"xs": promise("n1.o0")}, after=["n0"])], {"xs": list[int]})
    assert edges(closure)["n1"] == ["n2"]
    assert {part.template.id.name for part in closure.tasks if part.template and part.template.id} == {
        "double",
        "total",
    }
