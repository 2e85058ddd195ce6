"""The tasks that the benchmarks launch: one ends at a given time, one at once, one does nothing."""

import asyncio
import time
from typing import Any

from flyteasync.idl import admin, core, methods
from flyteasync.literals import literal_type

TASK = "bench.until"
SUM = "bench.sum"
NOTHING = "bench.nothing"
CHAIN = "bench.chain"


async def until(when: float) -> float:
    """End at a point of Unix time."""
    await asyncio.sleep(max(0.0, when - time.time()))
    return when


def add(a: int, b: float, text: str) -> float:
    """End at once."""
    return a + b + len(text)


async def nothing(a: int) -> int:
    """No work at all."""
    return a


HANDLERS = {TASK: until, SUM: add}


def registration(project: str, domain: str) -> admin.TaskCreateRequest:
    """The request that registers the task that ends at a given time."""
    return _registration(project, domain, TASK, when=float)


def sum_registration(project: str, domain: str) -> admin.TaskCreateRequest:
    """The request that registers the task that ends at once, with three inputs."""
    return _registration(project, domain, SUM, a=int, b=float, text=str)


def _registration(project: str, domain: str, name: str, **inputs: type) -> admin.TaskCreateRequest:
    identifier = core.Identifier(
        resource_type=core.ResourceType.TASK, project=project, domain=domain, name=name, version="1"
    )
    variables = {key: core.Variable(type=literal_type(kind)) for key, kind in inputs.items()}
    output = core.Variable(type=literal_type(float))
    template = core.TaskTemplate(
        id=identifier,
        type="python-task",
        metadata=core.TaskMetadata(runtime=core.RuntimeMetadata(version="1", flavor="python")),
        interface=core.TypedInterface(
            inputs=core.VariableMap(variables=variables), outputs=core.VariableMap(variables={"o0": output})
        ),
        container=core.Container(image="none", args=["none"]),
    )
    return admin.TaskCreateRequest(id=identifier, spec=admin.TaskSpec(template=template))


def _identifier(project: str, domain: str, name: str, kind: core.ResourceType) -> core.Identifier:
    return core.Identifier(resource_type=kind, project=project, domain=domain, name=name, version="1")


def chain_plan(project: str, domain: str) -> core.Identifier:
    """The launch plan that `chain` registers."""
    return _identifier(project, domain, CHAIN, core.ResourceType.LAUNCH_PLAN)


def chain(project: str, domain: str) -> list[tuple[methods.Method[Any, Any], Any]]:
    """What registers a workflow of three nodes in a row that do nothing."""
    task = _identifier(project, domain, NOTHING, core.ResourceType.TASK)
    interface = core.TypedInterface(inputs=_whole_number("a"), outputs=_whole_number("o0"))
    template = core.TaskTemplate(
        id=task,
        type="python-task",
        metadata=core.TaskMetadata(),
        interface=interface,
        container=core.Container(image="none"),
    )
    workflow = _identifier(project, domain, CHAIN, core.ResourceType.WORKFLOW)
    nodes = [
        core.Node(
            id=f"n{i}",
            inputs=[core.Binding(var="a", binding=_promise(f"n{i - 1}", "o0") if i else _promise("", "a"))],
            task_node=core.TaskNode(reference_id=task),
        )
        for i in range(3)
    ]
    graph = core.WorkflowTemplate(
        id=workflow,
        metadata=core.WorkflowMetadata(),
        interface=interface,
        nodes=nodes,
        outputs=[core.Binding(var="o0", binding=_promise("n2", "o0"))],
    )
    plan = admin.LaunchPlanSpec(workflow_id=workflow)
    return [
        (methods.CREATE_TASK, admin.TaskCreateRequest(id=task, spec=admin.TaskSpec(template=template))),
        (methods.CREATE_WORKFLOW, admin.WorkflowCreateRequest(id=workflow, spec=admin.WorkflowSpec(template=graph))),
        (methods.CREATE_LAUNCH_PLAN, admin.LaunchPlanCreateRequest(id=chain_plan(project, domain), spec=plan)),
    ]


def _whole_number(name: str) -> core.VariableMap:
    return core.VariableMap(variables={name: core.Variable(type=literal_type(int))})


def _promise(node_id: str, var: str) -> core.BindingData:
    return core.BindingData(promise=core.OutputReference(node_id=node_id, var=var))
