"""The task that the benchmark of launching launches: it has three inputs, and ends at once."""

from flyteasync.idl import admin, core
from flyteasync.literals import literal_type

SUM = "bench.sum"


async def add(a: int, b: float, text: str) -> float:
    """All of them together."""
    return a + b + len(text)


HANDLERS = {SUM: add}


def sum_registration(project: str, domain: str) -> admin.TaskCreateRequest:
    """The request that registers the task."""
    identifier = core.Identifier(
        resource_type=core.ResourceType.TASK, project=project, domain=domain, name=SUM, version="1"
    )
    inputs = {name: core.Variable(type=literal_type(kind)) for name, kind in (("a", int), ("b", float), ("text", str))}
    outputs = {"o0": core.Variable(type=literal_type(float))}
    template = core.TaskTemplate(
        id=identifier,
        type="python-task",
        metadata=core.TaskMetadata(),
        interface=core.TypedInterface(
            inputs=core.VariableMap(variables=inputs), outputs=core.VariableMap(variables=outputs)
        ),
        container=core.Container(image="none"),
    )
    return admin.TaskCreateRequest(id=identifier, spec=admin.TaskSpec(template=template))
