"""Messages to make entities of."""

from datetime import timedelta

from flyteasync.idl import admin, core

INT = core.LiteralType(simple=core.SimpleType.INTEGER)
STR = core.LiteralType(simple=core.SimpleType.STRING)


def identifier(
    name: str, kind: core.ResourceType = core.ResourceType.UNSPECIFIED, version: str = "v1"
) -> core.Identifier:
    return core.Identifier(resource_type=kind, project="p", domain="d", name=name, version=version)


def task_id(name: str) -> core.Identifier:
    return identifier(name, core.ResourceType.TASK)


def workflow_id(name: str) -> core.Identifier:
    return identifier(name, core.ResourceType.WORKFLOW)


def plan_id(name: str) -> core.Identifier:
    return identifier(name, core.ResourceType.LAUNCH_PLAN)


def variables(**types: core.LiteralType) -> dict[str, core.Variable]:
    return {name: core.Variable(type=kind) for name, kind in types.items()}


def interface(
    inputs: dict[str, core.Variable] | None = None, outputs: dict[str, core.Variable] | None = None
) -> core.TypedInterface:
    return core.TypedInterface(
        inputs=core.VariableMap(variables=inputs or {}), outputs=core.VariableMap(variables=outputs or {})
    )


INT_TO_INT = interface(variables(a=INT), variables(o0=INT))


def template(name: str = "flows.inc") -> core.TaskTemplate:
    return core.TaskTemplate(
        id=task_id(name),
        type="python-task",
        metadata=core.TaskMetadata(discoverable=True, timeout=timedelta(seconds=5)),
        interface=INT_TO_INT,
        container=core.Container(image="image:1", env=[core.KeyValuePair(key="LEVEL", value="debug")]),
        config={"pool": "small"},
        task_type_version=2,
    )


def promise(var: str, node: str, output: str) -> core.Binding:
    return core.Binding(var=var, binding=data(node, output))


def data(node: str, output: str) -> core.BindingData:
    return core.BindingData(promise=core.OutputReference(node_id=node, var=output))


def task_node(
    node_id: str, *inputs: core.Binding, upstream: list[str] | None = None, name: str = "flows.inc"
) -> core.Node:
    return core.Node(
        id=node_id,
        metadata=core.NodeMetadata(name=name),
        inputs=list(inputs),
        upstream_node_ids=upstream or [],
        task_node=core.TaskNode(reference_id=task_id(name)),
    )


def sub_workflow_node(node_id: str, name: str) -> core.Node:
    return core.Node(
        id=node_id,
        inputs=[promise("a", "start-node", "a")],
        workflow_node=core.WorkflowNode(sub_workflow_ref=workflow_id(name)),
    )


def plan_node(node_id: str, name: str) -> core.Node:
    return core.Node(id=node_id, workflow_node=core.WorkflowNode(launchplan_ref=plan_id(name)))


def condition(value: int) -> core.BooleanExpression:
    return core.BooleanExpression(
        comparison=core.ComparisonExpression(
            left_value=core.Operand(var="n0.o0"), right_value=core.Operand(primitive=core.Primitive(integer=value))
        )
    )


def branch_node(node_id: str, *arms: core.Node, otherwise: core.Node | None = None, error: str = "") -> core.Node:
    first, *others = [core.IfBlock(condition=condition(index), then_node=arm) for index, arm in enumerate(arms)]
    block = core.IfElseBlock(
        case=first, other=others, else_node=otherwise, error=core.Error(message=error) if error else None
    )
    return core.Node(id=node_id, upstream_node_ids=["n0"], branch_node=core.BranchNode(if_else=block))


def workflow(name: str, *nodes: core.Node, failure: core.Node | None = None) -> core.WorkflowTemplate:
    return core.WorkflowTemplate(
        id=workflow_id(name),
        metadata=core.WorkflowMetadata(tags={"team": "one"}),
        metadata_defaults=core.WorkflowMetadataDefaults(interruptible=True),
        interface=INT_TO_INT,
        nodes=[
            core.Node(id="start-node"),
            core.Node(id="end-node", inputs=[promise("o0", "n0", "o0")]),
            *nodes,
        ],
        outputs=[promise("o0", "n0", "o0")],
        failure_node=failure,
    )


def closure_of_everything() -> core.CompiledWorkflowClosure:
    containers = core.Binding(
        var="many",
        binding=core.BindingData(
            collection=core.BindingDataCollection(
                bindings=[
                    core.BindingData(map=core.BindingDataMap(bindings={"k": data("start-node", "a")})),
                    data("n0", "o0"),
                ]
            )
        ),
    )
    main = workflow(
        "main",
        task_node("n0", promise("a", "start-node", "a")),
        sub_workflow_node("n1", "outer"),
        plan_node("n2", "plan"),
        branch_node(
            "n3",
            task_node("n3-n0", promise("a", "start-node", "a"), upstream=["n0"]),
            branch_node("n3-n1", sub_workflow_node("n3-n1-n0", "inner"), error="neither"),
            otherwise=plan_node("n3-n2", "unknown_plan"),
        ),
        core.Node(
            id="n4",
            array_node=core.ArrayNode(
                node=task_node("n4", promise("a", "start-node", "a")), parallelism=3, min_success_ratio=0.5
            ),
        ),
        core.Node(
            id="n5", gate_node=core.GateNode(signal=core.SignalCondition(signal_id="go", type=INT)), metadata=None
        ),
        core.Node(id="n6", gate_node=core.GateNode(sleep=core.SleepCondition(duration=timedelta(seconds=3)))),
        core.Node(id="n7", gate_node=core.GateNode(approve=core.ApproveCondition(signal_id="ok"))),
        task_node("n8-start-node", containers, upstream=["start-node", "n7", "n0"]),
        failure=sub_workflow_node("fn0", "clean_up"),
    )
    parts = [
        workflow("outer", sub_workflow_node("n0", "inner")),
        workflow("inner", task_node("n0", promise("a", "start-node", "a"))),
        workflow("clean_up", task_node("n0", promise("a", "start-node", "a"))),
    ]
    return core.CompiledWorkflowClosure(
        primary=core.CompiledWorkflow(template=main),
        sub_workflows=[core.CompiledWorkflow(template=part) for part in parts],
        tasks=[core.CompiledTask(template=template())],
        launch_plans=[
            core.CompiledLaunchPlan(
                template=core.LaunchPlanTemplate(
                    id=plan_id("plan"),
                    interface=INT_TO_INT,
                    fixed_inputs=core.LiteralMap(literals={"mode": core.Literal()}),
                )
            )
        ],
    )


def plan_spec() -> admin.LaunchPlanSpec:
    """The spec of a launch plan that needs `a`, has a default for `b`, and fixes `c`."""
    return admin.LaunchPlanSpec(
        workflow_id=workflow_id("main"),
        default_inputs=core.ParameterMap(
            parameters={
                "a": core.Parameter(var=core.Variable(type=INT), required=True),
                "b": core.Parameter(var=core.Variable(type=STR), default=text("x")),
            }
        ),
        fixed_inputs=core.LiteralMap(literals={"c": text("fixed")}),
    )


def text(value: str) -> core.Literal:
    return core.Literal(scalar=core.Scalar(primitive=core.Primitive(string_value=value)))
