"""The tasks that the benchmarks launch: they end at a given time."""

import asyncio
import time

from flyteasync.idl import admin, core
from flyteasync.literals import literal_type

TASK, FAILING = "bench.until", "bench.fail_at"


async def until(when: float) -> float:
    """End at a point of Unix time."""
    await asyncio.sleep(max(0.0, when - time.time()))
    return when


async def fail_at(when: float) -> float:
    """Fail at a point of Unix time, with more text than lists show."""
    await until(when)
    raise ValueError("it was meant to fail, and says so at length: " + "abcdefghij" * 20)


HANDLERS = {TASK: until, FAILING: fail_at}


def registration(project: str, domain: str, name: str = TASK) -> admin.TaskCreateRequest:
    """The request that registers a task."""
    identifier = core.Identifier(
        resource_type=core.ResourceType.TASK, project=project, domain=domain, name=name, version="1"
    )
    number = core.Variable(type=literal_type(float))
    template = core.TaskTemplate(
        id=identifier,
        type="python-task",
        metadata=core.TaskMetadata(
            runtime=core.RuntimeMetadata(version="1", flavor="python"), retries=core.RetryStrategy()
        ),
        interface=core.TypedInterface(
            inputs=core.VariableMap(variables={"when": number}), outputs=core.VariableMap(variables={"o0": number})
        ),
        container=core.Container(image="none", args=["none"]),
    )
    return admin.TaskCreateRequest(id=identifier, spec=admin.TaskSpec(template=template))
