"""What flytekit compiles, as messages of this package, and registered with an embedded server."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from flytekit import LaunchPlan
from flytekit.configuration import ImageConfig, SerializationSettings
from flytekit.core.context_manager import ExecutionState, FlyteContextManager
from flytekit.core.type_engine import TypeEngine
from flytekit.models.literals import LiteralMap
from flytekit.tools.translator import get_serializable

from flyteasync import codec
from flyteasync.idl import admin, core, methods
from tests.server.client import Client

SETTINGS = SerializationSettings(
    project="flytesnacks", domain="development", version="v1", image_config=ImageConfig.auto(img_name="image:v1")
)


def generated(task: Any, **values: Any) -> core.DynamicJobSpec:
    """What flytekit's own container writes for a dynamic task."""
    context = FlyteContextManager.current_context()
    state = context.execution_state.with_params(mode=ExecutionState.Mode.TASK_EXECUTION)
    builder = context.with_serialization_settings(SETTINGS).with_execution_state(state)
    with FlyteContextManager.with_context(builder) as inner:
        literals = {
            name: TypeEngine.to_literal(inner, value, type(value), task.interface.inputs[name].type)
            for name, value in values.items()
        }
        spec = task.dispatch_execute(inner, LiteralMap(literals))
    return codec.decode(core.DynamicJobSpec, spec.to_flyte_idl().SerializeToString())


async def register(client: Client, entity: Any) -> core.Identifier:
    """Register a workflow with all that it needs and its default launch plan."""
    serialized: OrderedDict[Any, Any] = OrderedDict()
    get_serializable(serialized, SETTINGS, entity)
    plan = LaunchPlan.get_default_launch_plan(FlyteContextManager.current_context(), entity)
    get_serializable(serialized, SETTINGS, plan)
    for spec in serialized.values():
        data = spec.to_flyte_idl().SerializeToString() if hasattr(spec, "to_flyte_idl") else b""
        match type(spec).__name__:
            case "TaskSpec":
                task_spec = codec.decode(admin.TaskSpec, data)
                request: Any = admin.TaskCreateRequest(id=task_spec.template.id, spec=task_spec)
                method: Any = methods.CREATE_TASK
            case "WorkflowSpec":
                workflow_spec = codec.decode(admin.WorkflowSpec, data)
                request = admin.WorkflowCreateRequest(id=workflow_spec.template.id, spec=workflow_spec)
                method = methods.CREATE_WORKFLOW
            case "LaunchPlan":
                found = codec.decode(admin.LaunchPlan, data)
                request, method = (
                    admin.LaunchPlanCreateRequest(id=found.id, spec=found.spec),
                    methods.CREATE_LAUNCH_PLAN,
                )
            case _:
                continue
        await client.raw(method.path, codec.encode(request))
    return core.Identifier(
        resource_type=core.ResourceType.LAUNCH_PLAN,
        project="flytesnacks",
        domain="development",
        name=plan.name,
        version="v1",
    )
