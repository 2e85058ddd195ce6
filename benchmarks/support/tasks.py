"""The task that the benchmarks launch: it ends at a given time."""

import asyncio
import time

from flyteasync.idl import admin, core
from flyteasync.literals import literal_type

TASK = "bench.until"


async def until(when: float) -> float:
    """End at a point of Unix time."""
    await asyncio.sleep(max(0.0, when - time.time()))
    return when


HANDLERS = {TASK: until}


def registration(project: str, domain: str) -> admin.TaskCreateRequest:
    """The request that registers the task."""
    identifier = core.Identifier(
        resource_type=core.ResourceType.TASK, project=project, domain=domain, name=TASK, version="1"
    )
    number = core.Variable(type=literal_type(float))
    template = core.TaskTemplate(
        id=identifier,
        type="python-task",
        metadata=core.TaskMetadata(runtime=core.RuntimeMetadata(version="1", flavor="python")),
        interface=core.TypedInterface(
            inputs=core.VariableMap(variables={"when": number}), outputs=core.VariableMap(variables={"o0": number})
        ),
        container=core.Container(image="none", args=["none"]),
    )
    return admin.TaskCreateRequest(id=identifier, spec=admin.TaskSpec(template=template))
