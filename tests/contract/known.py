"""One of each kind of entity, of which everything is known."""

from __future__ import annotations

from flyteasync.entities import FlyteLaunchPlan, FlyteTask, FlyteWorkflow
from flyteasync.idl import admin, core
from tests.entities.build import STR, closure_of_everything, plan_id, plan_spec, template, variables

RUNNABLE = ("FlyteTask", "FlyteWorkflow", "FlyteLaunchPlan", "LazyEntity")
COMMON = {"entity_type_text", "id", "name", "python_interface", "resource_type"} | {
    "compile",
    "construct_node_metadata",
    "execute",
    "local_execute",
    "local_execution_mode",
}


def is_common(name: str, member: str) -> bool:
    """Whether a member is one that all entities have, or a lazy one's."""
    return name == "LazyEntity" or (name in RUNNABLE and member in COMMON)


def a_task() -> FlyteTask:
    return FlyteTask.promote_from_model(template())


def a_workflow() -> FlyteWorkflow:
    return FlyteWorkflow.promote_from_closure(closure_of_everything())


def a_plan() -> FlyteLaunchPlan:
    closure = admin.LaunchPlanClosure(expected_outputs=core.VariableMap(variables=variables(o0=STR)))
    return FlyteLaunchPlan.promote_from_model(plan_id("plan"), plan_spec(), closure=closure)
