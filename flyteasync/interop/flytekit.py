"""The door to flytekit, for fetched entities that are used inside of flytekit's own workflows.

flytekit is imported when a function needs it. It is never imported to find out whether a workflow is being compiled:
where nobody imported it, none is.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import FlyteUsageError
from ..idl import admin, core
from .messages import pb2_of

Mode = Literal["plain", "compile", "local", "skip"]
"""What a call of an entity means: nothing special; a node of a workflow that is being compiled; a step of a workflow
that runs on this machine; a step in an arm of a condition that is not taken."""


@dataclass(frozen=True)
class Situation:
    """Where an entity is called.

    Attributes:
        mode: what the call means.
        context: flytekit's context; None if flytekit was never imported.
    """

    mode: Mode
    context: Any = None


def situation() -> Situation:
    """Where in flytekit's life the caller is."""
    manager: Any = sys.modules.get("flytekit.core.context_manager")
    if manager is None:
        return Situation("plain")
    context = manager.FlyteContext.current_context()
    compilation, execution = context.compilation_state, context.execution_state
    if compilation is not None and compilation.mode == 1:
        return Situation("compile", context)
    if execution is None or execution.mode != manager.ExecutionState.Mode.LOCAL_WORKFLOW_EXECUTION:
        return Situation("plain", context)
    skipped = execution.branch_eval_mode == manager.BranchEvalMode.BRANCH_SKIPPED
    return Situation("skip" if skipped else "local", context)


def local_execution_mode() -> Any:
    """The mode in which flytekit runs a single task on this machine."""
    return _module("flytekit.core.context_manager").ExecutionState.Mode.LOCAL_TASK_EXECUTION


def remote_task(template: core.TaskTemplate) -> Any:
    """flytekit's own FlyteTask of a template."""
    model = _module("flytekit.models.task").TaskTemplate.from_flyte_idl(pb2_of(template))
    return _entities().FlyteTask.promote_from_model(model)


def remote_workflow(
    closure: core.CompiledWorkflowClosure, launch_plans: Mapping[str, tuple[core.Identifier, admin.LaunchPlanSpec]]
) -> Any:
    """flytekit's own FlyteWorkflow of a compiled closure.

    Args:
        closure: the workflow with all that it uses.
        launch_plans: identifier and spec of every launch plan that its nodes launch, under any names.
    """
    compiler = _module("flytekit.models.core.compiler")
    specs = {_identifier(identifier): _spec(spec) for identifier, spec in launch_plans.values()}
    model = compiler.CompiledWorkflowClosure.from_flyte_idl(pb2_of(closure))
    return _entities().FlyteWorkflow.promote_from_closure(model, specs)


def remote_launch_plan(
    identifier: core.Identifier, spec: admin.LaunchPlanSpec, interface: core.TypedInterface | None
) -> Any:
    """flytekit's own FlyteLaunchPlan; without an interface it cannot become a node."""
    plan = _entities().FlyteLaunchPlan.promote_from_model(_identifier(identifier), _spec(spec))
    if interface is not None:
        # flytekit has no other way in: its own fetch_launch_plan sets it so.
        plan._interface = _module("flytekit.models.interface").TypedInterface.from_flyte_idl(pb2_of(interface))
    return plan


def _identifier(identifier: core.Identifier) -> Any:
    return _module("flytekit.models.core.identifier").Identifier.from_flyte_idl(pb2_of(identifier))


def _spec(spec: admin.LaunchPlanSpec) -> Any:
    return _module("flytekit.models.launch_plan").LaunchPlanSpec.from_flyte_idl(pb2_of(spec))


def _entities() -> Any:
    return _module("flytekit.remote.entities")


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise FlyteUsageError(
            f"a fetched entity inside of a workflow needs flytekit: pip install 'flyteasync[flytekit]' ({error})"
        ) from error
