"""The workflow of `flyteasync demo`: its registration, its handlers, and what it should yield.

n, name ──> squares(n) ────> squares ─┐
    └─────> greet(name) ──> greeting ─┴─> report ──> text, total
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, NamedTuple

from ..errors import FlyteEntityAlreadyExistsException
from ..idl import admin, core
from ..idl.services import AdminService
from ..literals import literal_type

NAME = "demo.report"
VERSION = "1"


def squares(n: int) -> list[int]:
    """The squares below n."""
    return [i * i for i in range(n)]


def greet(name: str) -> str:
    """A greeting."""
    return f"hello {name}"


def report(squares: list[int], greeting: str) -> tuple[str, int]:
    """Both together."""
    return f"{greeting}: {len(squares)} squares", sum(squares)


HANDLERS = {"demo.squares": squares, "demo.greet": greet, "demo.report_lines": report}
"""What the embedded server runs, by task name."""


def inputs_of(index: int) -> dict[str, Any]:
    """The inputs of the index-th execution."""
    return {"n": index % 17, "name": f"run {index}"}


def expected_outputs(inputs: dict[str, Any]) -> dict[str, Any]:
    """What an execution with these inputs should yield."""
    roots = squares(inputs["n"])
    text, total = report(roots, greet(inputs["name"]))
    return {"text": text, "total": total, "roots": roots}


class Registration(NamedTuple):
    """The requests that register the workflow, in the order in which they have to be sent."""

    tasks: list[admin.TaskCreateRequest]
    workflow: admin.WorkflowCreateRequest
    launch_plan: admin.LaunchPlanCreateRequest


def registration(project: str, domain: str) -> Registration:
    """The demo's tasks, workflow and launch plan."""

    def identify(kind: core.ResourceType, name: str) -> core.Identifier:
        return core.Identifier(resource_type=kind, project=project, domain=domain, name=name, version=VERSION)

    def task(name: str, inputs: dict[str, Any], outputs: dict[str, Any]) -> admin.TaskCreateRequest:
        identifier = identify(core.ResourceType.TASK, name)
        template = core.TaskTemplate(
            id=identifier,
            type="python-task",
            metadata=core.TaskMetadata(
                runtime=core.RuntimeMetadata(
                    type=core.RuntimeMetadataRuntimeType.FLYTE_SDK, version="1", flavor="python"
                )
            ),
            interface=_interface(inputs, outputs),
            container=core.Container(image="none", args=["none"]),
        )
        return admin.TaskCreateRequest(id=identifier, spec=admin.TaskSpec(template=template))

    def node(id: str, task_name: str, **inputs: core.OutputReference) -> core.Node:
        return core.Node(
            id=id,
            metadata=core.NodeMetadata(name=task_name),
            inputs=[_binding(name, promise) for name, promise in inputs.items()],
            upstream_node_ids=sorted({promise.node_id for promise in inputs.values() if promise.node_id}),
            task_node=core.TaskNode(reference_id=identify(core.ResourceType.TASK, task_name)),
        )

    workflow = identify(core.ResourceType.WORKFLOW, NAME)
    template = core.WorkflowTemplate(
        id=workflow,
        metadata=core.WorkflowMetadata(),
        metadata_defaults=core.WorkflowMetadataDefaults(),
        interface=_interface({"n": int, "name": str}, {"text": str, "total": int, "roots": list[int]}),
        nodes=[
            node("n0", "demo.squares", n=_promise("", "n")),
            node("n1", "demo.greet", name=_promise("", "name")),
            node("n2", "demo.report_lines", squares=_promise("n0", "o0"), greeting=_promise("n1", "o0")),
        ],
        outputs=[
            _binding("text", _promise("n2", "o0")),
            _binding("total", _promise("n2", "o1")),
            _binding("roots", _promise("n0", "o0")),
        ],
    )
    parameters = core.ParameterMap(
        parameters={
            name: core.Parameter(var=_variable(kind), required=True) for name, kind in {"n": int, "name": str}.items()
        }
    )
    return Registration(
        [
            task("demo.squares", {"n": int}, {"o0": list[int]}),
            task("demo.greet", {"name": str}, {"o0": str}),
            task("demo.report_lines", {"squares": list[int], "greeting": str}, {"o0": str, "o1": int}),
        ],
        admin.WorkflowCreateRequest(id=workflow, spec=admin.WorkflowSpec(template=template)),
        admin.LaunchPlanCreateRequest(
            id=identify(core.ResourceType.LAUNCH_PLAN, NAME),
            spec=admin.LaunchPlanSpec(workflow_id=workflow, default_inputs=parameters, fixed_inputs=core.LiteralMap()),
        ),
    )


async def register(service: AdminService, project: str, domain: str) -> None:
    """Register all of it; what is registered already is no error."""
    requests = registration(project, domain)
    for task in requests.tasks:
        with suppress(FlyteEntityAlreadyExistsException):
            await service.create_task(task)
    with suppress(FlyteEntityAlreadyExistsException):
        await service.create_workflow(requests.workflow)
    with suppress(FlyteEntityAlreadyExistsException):
        await service.create_launch_plan(requests.launch_plan)


def _variable(kind: Any) -> core.Variable:
    return core.Variable(type=literal_type(kind))


def _interface(inputs: dict[str, Any], outputs: dict[str, Any]) -> core.TypedInterface:
    return core.TypedInterface(
        inputs=core.VariableMap(variables={name: _variable(kind) for name, kind in inputs.items()}),
        outputs=core.VariableMap(variables={name: _variable(kind) for name, kind in outputs.items()}),
    )


def _promise(node_id: str, var: str) -> core.OutputReference:
    return core.OutputReference(node_id=node_id, var=var)


def _binding(var: str, promise: core.OutputReference) -> core.Binding:
    return core.Binding(var=var, binding=core.BindingData(promise=promise))
