"""The messages that register one task, with a workflow around it; values, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..idl import admin, core
from ..literals import literal_type

IMAGE = "none"
"""Tasks of an embedded server are functions; none of their containers ever starts."""


class Registration(NamedTuple):
    """Requests, in the order in which they have to be sent."""

    task: admin.TaskCreateRequest
    workflow: admin.WorkflowCreateRequest
    launch_plan: admin.LaunchPlanCreateRequest


@dataclass(frozen=True)
class Place:
    """Where something is registered."""

    project: str
    domain: str
    name: str
    version: str

    def identifier(self, kind: core.ResourceType) -> core.Identifier:
        """The id of an entity of some kind."""
        return core.Identifier(
            resource_type=kind, project=self.project, domain=self.domain, name=self.name, version=self.version
        )


def registration(place: Place, inputs: Mapping[str, Any], outputs: Mapping[str, Any], retries: int) -> Registration:
    """A task, a workflow that runs it once and has its inputs and outputs, and the workflow's launch plan.

    Args:
        place: the name of all three.
        inputs: Python types by name.
        outputs: the same.
        retries: how often a failed attempt is repeated.

    Raises:
        FlyteTypeException: a type that Flyte has no type for.
    """
    interface = core.TypedInterface(inputs=_variables(inputs), outputs=_variables(outputs))
    task = place.identifier(core.ResourceType.TASK)
    workflow = place.identifier(core.ResourceType.WORKFLOW)
    launch_plan = place.identifier(core.ResourceType.LAUNCH_PLAN)
    template = core.TaskTemplate(
        id=task,
        type="python-task",
        metadata=core.TaskMetadata(retries=core.RetryStrategy(retries=retries)),
        interface=interface,
        container=core.Container(image=IMAGE),
    )
    node = core.Node(
        id="n0",
        metadata=core.NodeMetadata(name=place.name),
        inputs=[_binding(name, "") for name in inputs],
        task_node=core.TaskNode(reference_id=task),
    )
    around = core.WorkflowTemplate(
        id=workflow,
        metadata=core.WorkflowMetadata(),
        metadata_defaults=core.WorkflowMetadataDefaults(),
        interface=interface,
        nodes=[node],
        outputs=[_binding(name, "n0") for name in outputs],
    )
    required = {name: core.Parameter(var=_variable(kind), required=True) for name, kind in inputs.items()}
    plan = admin.LaunchPlanSpec(workflow_id=workflow, default_inputs=core.ParameterMap(parameters=required))
    return Registration(
        admin.TaskCreateRequest(id=task, spec=admin.TaskSpec(template=template)),
        admin.WorkflowCreateRequest(id=workflow, spec=admin.WorkflowSpec(template=around)),
        admin.LaunchPlanCreateRequest(id=launch_plan, spec=plan),
    )


def _variable(kind: Any) -> core.Variable:
    return core.Variable(type=literal_type(kind))


def _variables(types: Mapping[str, Any]) -> core.VariableMap:
    return core.VariableMap(variables={name: _variable(kind) for name, kind in types.items()})


def _binding(name: str, node_id: str) -> core.Binding:
    """A value of the same name, from a node, or from the workflow's inputs."""
    return core.Binding(var=name, binding=core.BindingData(promise=core.OutputReference(node_id=node_id, var=name)))
