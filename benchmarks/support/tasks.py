"""The tasks and workflows that the benchmarks launch."""

import asyncio
import time
from typing import Any

from flyteasync.idl import admin, core, methods
from flyteasync.literals import literal_type, to_literal

TASK, FAILING = "bench.until", "bench.fail_at"
NOTHING = "bench.nothing"
CHAIN = "bench.chain"
DOUBLE = "bench.double"
WIDE = "bench.wide"


async def until(when: float) -> float:
    """End at a point of Unix time."""
    await asyncio.sleep(max(0.0, when - time.time()))
    return when


async def nothing(a: int) -> int:
    """No work at all."""
    return a


async def double(x: int) -> int:
    """Twice a number."""
    return 2 * x


async def fail_at(when: float) -> float:
    """Fail at a point of Unix time, with more text than lists show."""
    await until(when)
    raise ValueError("it was meant to fail, and says so at length: " + "abcdefghij" * 20)


HANDLERS = {TASK: until, FAILING: fail_at, DOUBLE: double}


def registration(project: str, domain: str, name: str = TASK) -> admin.TaskCreateRequest:
    """The request that registers a task which ends or fails at a given time."""
    return _task(_identifier(core.ResourceType.TASK, project, domain, name), "when", float)


def double_registration(project: str, domain: str) -> admin.TaskCreateRequest:
    """The request that registers the task which doubles a number."""
    return _task(_identifier(core.ResourceType.TASK, project, domain, DOUBLE), "x", int)


def wide_registration(
    project: str, domain: str, nodes: int
) -> tuple[admin.WorkflowCreateRequest, admin.LaunchPlanCreateRequest]:
    """The requests that register a workflow of so many nodes, each of which doubles its number, and its launch plan."""
    task = _identifier(core.ResourceType.TASK, project, domain, DOUBLE)
    template = core.WorkflowTemplate(
        id=_identifier(core.ResourceType.WORKFLOW, project, domain, WIDE),
        interface=core.TypedInterface(inputs=core.VariableMap(), outputs=core.VariableMap()),
        metadata=core.WorkflowMetadata(),
        metadata_defaults=core.WorkflowMetadataDefaults(),
        nodes=[
            core.Node(
                id=f"n{index}",
                metadata=core.NodeMetadata(name=f"n{index}"),
                inputs=[
                    core.Binding(var="x", binding=core.BindingData(scalar=to_literal(index, literal_type(int)).scalar))
                ],
                task_node=core.TaskNode(reference_id=task),
            )
            for index in range(nodes)
        ],
    )
    plan_id = _identifier(core.ResourceType.LAUNCH_PLAN, project, domain, WIDE)
    return (
        admin.WorkflowCreateRequest(id=template.id, spec=admin.WorkflowSpec(template=template)),
        admin.LaunchPlanCreateRequest(id=plan_id, spec=admin.LaunchPlanSpec(workflow_id=template.id)),
    )


def _identifier(kind: core.ResourceType, project: str, domain: str, name: str) -> core.Identifier:
    return core.Identifier(resource_type=kind, project=project, domain=domain, name=name, version="1")


def _task(identifier: core.Identifier, argument: str, number_type: type) -> admin.TaskCreateRequest:
    number = core.Variable(type=literal_type(number_type))
    template = core.TaskTemplate(
        id=identifier,
        type="python-task",
        metadata=core.TaskMetadata(
            runtime=core.RuntimeMetadata(version="1", flavor="python"), retries=core.RetryStrategy()
        ),
        interface=core.TypedInterface(
            inputs=core.VariableMap(variables={argument: number}), outputs=core.VariableMap(variables={"o0": number})
        ),
        container=core.Container(image="none", args=["none"]),
    )
    return admin.TaskCreateRequest(id=identifier, spec=admin.TaskSpec(template=template))


def chain_plan(project: str, domain: str) -> core.Identifier:
    """The launch plan that `chain` registers."""
    return _identifier(core.ResourceType.LAUNCH_PLAN, project, domain, CHAIN)


def chain(project: str, domain: str) -> list[tuple[methods.Method[Any, Any], Any]]:
    """What registers a workflow of three nodes in a row that do nothing."""
    task = _identifier(core.ResourceType.TASK, project, domain, NOTHING)
    interface = core.TypedInterface(inputs=_whole_number("a"), outputs=_whole_number("o0"))
    template = core.TaskTemplate(
        id=task,
        type="python-task",
        metadata=core.TaskMetadata(),
        interface=interface,
        container=core.Container(image="none"),
    )
    workflow = _identifier(core.ResourceType.WORKFLOW, project, domain, CHAIN)
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
