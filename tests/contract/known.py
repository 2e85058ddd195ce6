"""The register of what flytekit's entities do here, and one of each kind of which everything is known."""

from __future__ import annotations

from flyteasync.entities import FlyteLaunchPlan, FlyteTask, FlyteWorkflow
from flyteasync.idl import admin, core
from tests.contract.behaviours import Behaviours
from tests.entities.build import STR, closure_of_everything, plan_id, plan_spec, template, variables

RUNNABLE = ("FlyteTask", "FlyteWorkflow", "FlyteLaunchPlan", "LazyEntity")

behaviour: Behaviours[[]] = Behaviours("seed_surface.json")


def a_task() -> FlyteTask:
    return FlyteTask.promote_from_model(template())


def a_workflow() -> FlyteWorkflow:
    return FlyteWorkflow.promote_from_closure(closure_of_everything())


def a_plan() -> FlyteLaunchPlan:
    closure = admin.LaunchPlanClosure(expected_outputs=core.VariableMap(variables=variables(o0=STR)))
    return FlyteLaunchPlan.promote_from_model(plan_id("plan"), plan_spec(), closure=closure)
