"""Short ways to make the messages that tests register and launch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flyteasync.idl import admin, core
from flyteasync.literals import literal_type, to_literal, to_python

PROJECT, DOMAIN, VERSION = "flytesnacks", "development", "v1"


def identifier(name: str, kind: core.ResourceType, version: str = VERSION) -> core.Identifier:
    return core.Identifier(resource_type=kind, project=PROJECT, domain=DOMAIN, name=name, version=version)


def execution_id(name: str) -> core.WorkflowExecutionIdentifier:
    return core.WorkflowExecutionIdentifier(project=PROJECT, domain=DOMAIN, name=name)


def variables(types: Mapping[str, Any]) -> core.VariableMap:
    return core.VariableMap(variables={name: core.Variable(type=as_type(kind)) for name, kind in types.items()})


def as_type(kind: Any) -> core.LiteralType:
    return kind if isinstance(kind, core.LiteralType) else literal_type(kind)


def interface(inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> core.TypedInterface:
    return core.TypedInterface(inputs=variables(inputs), outputs=variables(outputs))


def task(
    name: str,
    inputs: Mapping[str, Any] | None = None,
    outputs: Mapping[str, Any] | None = None,
    *,
    retries: int = 0,
    version: str = VERSION,
) -> core.TaskTemplate:
    return core.TaskTemplate(
        id=identifier(name, core.ResourceType.TASK, version),
        type="python-task",
        metadata=core.TaskMetadata(retries=core.RetryStrategy(retries=retries)),
        interface=interface(inputs or {}, outputs or {}),
        container=core.Container(image="image:v1"),
    )


def literal(value: Any) -> core.Literal:
    return value if isinstance(value, core.Literal) else to_literal(value, literal_type(type_of(value)))


def type_of(value: Any) -> Any:
    if isinstance(value, list):
        return list[type_of(value[0])]
    if isinstance(value, dict):
        return dict[str, type_of(next(iter(value.values())))]
    return type(value)


def promise(reference: str, *path: str | int) -> core.BindingData:
    """`n0.o0` is an output of a node, `x` an input of the workflow."""
    node_id, _, var = reference.rpartition(".")
    steps = [
        core.PromiseAttribute(string_value=step) if isinstance(step, str) else core.PromiseAttribute(int_value=step)
        for step in path
    ]
    return core.BindingData(promise=core.OutputReference(node_id=node_id, var=var, attr_path=steps))


def collection(*items: core.BindingData) -> core.BindingData:
    return core.BindingData(collection=core.BindingDataCollection(bindings=list(items)))


def mapping(**items: core.BindingData) -> core.BindingData:
    return core.BindingData(map=core.BindingDataMap(bindings=items))


def scalar(value: Any) -> core.BindingData:
    return core.BindingData(scalar=literal(value).scalar)


def bindings(bound: Mapping[str, core.BindingData]) -> list[core.Binding]:
    return [core.Binding(var=name, binding=data) for name, data in bound.items()]


def node(
    node_id: str,
    task_name: str,
    bound: Mapping[str, core.BindingData] | None = None,
    *,
    after: list[str] | None = None,
    retries: int | None = None,
    version: str = VERSION,
) -> core.Node:
    strategy = None if retries is None else core.RetryStrategy(retries=retries)
    return core.Node(
        id=node_id,
        metadata=core.NodeMetadata(name=task_name, retries=strategy),
        inputs=bindings(bound or {}),
        upstream_node_ids=after or [],
        task_node=core.TaskNode(reference_id=identifier(task_name, core.ResourceType.TASK, version)),
    )


def workflow(
    name: str,
    nodes: list[core.Node],
    inputs: Mapping[str, Any] | None = None,
    outputs: Mapping[str, tuple[Any, core.BindingData]] | None = None,
    *,
    version: str = VERSION,
) -> core.WorkflowTemplate:
    outputs = outputs or {}
    return core.WorkflowTemplate(
        id=identifier(name, core.ResourceType.WORKFLOW, version),
        metadata=core.WorkflowMetadata(),
        interface=interface(inputs or {}, {key: kind for key, (kind, _) in outputs.items()}),
        nodes=nodes,
        outputs=bindings({key: data for key, (_, data) in outputs.items()}),
    )


def execution(
    target: core.Identifier, name: str = "", inputs: Mapping[str, Any] | None = None, **spec: Any
) -> admin.ExecutionCreateRequest:
    return admin.ExecutionCreateRequest(
        project=PROJECT,
        domain=DOMAIN,
        name=name,
        spec=admin.ExecutionSpec(launch_plan=target, **spec),
        inputs=core.LiteralMap(literals={key: literal(value) for key, value in (inputs or {}).items()}),
    )


def values(literals: core.LiteralMap | None) -> dict[str, Any]:
    return {} if literals is None else {name: to_python(item) for name, item in literals.literals.items()}
