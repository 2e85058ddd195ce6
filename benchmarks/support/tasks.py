"""The tasks that the benchmarks launch: one ends at a given time, the other one at once."""

import asyncio
import time

from flyteasync.idl import admin, core
from flyteasync.literals import literal_type

TASK = "bench.until"
SUM = "bench.sum"


async def until(when: float) -> float:
    """End at a point of Unix time."""
    await asyncio.sleep(max(0.0, when - time.time()))
    return when


def add(a: int, b: float, text: str) -> float:
    """End at once."""
    return a + b + len(text)


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
