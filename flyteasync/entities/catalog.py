"""What the nodes of a workflow refer to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from ..idl import admin, core
from ..interop import MessageLike, message_of
from .identifier import EntityKey, by_key
from .launch_plan import FlyteLaunchPlan
from .task import FlyteTask

if TYPE_CHECKING:
    from .workflow import FlyteWorkflow


@dataclass(frozen=True)
class Catalog:
    """Tasks, workflows and launch plans by identifier, made into objects when a node asks for them.

    Attributes:
        sub_workflows: the templates of workflows.
        tasks: the tasks.
        launch_plans: the specs of launch plans.
        plan_templates: what a compiled workflow tells of launch plans whose specs are not there.
        workflows: the workflows that were made so far.
        complete: whether a reference to what is not here is worth a warning.
    """

    sub_workflows: Mapping[EntityKey, core.WorkflowTemplate] = field(
        default_factory=dict[EntityKey, core.WorkflowTemplate]
    )
    tasks: Mapping[EntityKey, FlyteTask] = field(default_factory=dict[EntityKey, FlyteTask])
    launch_plans: Mapping[EntityKey, admin.LaunchPlanSpec] = field(
        default_factory=dict[EntityKey, admin.LaunchPlanSpec]
    )
    plan_templates: Mapping[EntityKey, core.LaunchPlanTemplate] = field(
        default_factory=dict[EntityKey, core.LaunchPlanTemplate]
    )
    workflows: dict[EntityKey, FlyteWorkflow] = field(default_factory=dict[EntityKey, "FlyteWorkflow"])
    complete: bool = True

    @classmethod
    def of(
        cls,
        sub_workflows: Mapping[Any, MessageLike] | None = None,
        tasks: Mapping[Any, FlyteTask] | None = None,
        launch_plans: Mapping[Any, MessageLike] | None = None,
        workflows: Mapping[Any, FlyteWorkflow] | None = None,
    ) -> Self:
        """A catalog of what a caller has, under whichever identifiers.

        Raises:
            FlyteTypeException: a key that is no identifier, or something that is not the message it should be.
        """
        return cls(
            sub_workflows={
                key: message_of(core.WorkflowTemplate, template) for key, template in by_key(sub_workflows).items()
            },
            tasks=by_key(tasks),
            launch_plans={key: message_of(admin.LaunchPlanSpec, spec) for key, spec in by_key(launch_plans).items()},
            workflows=by_key(workflows),
        )

    @classmethod
    def of_closure(
        cls, closure: core.CompiledWorkflowClosure, launch_plans: Mapping[Any, MessageLike] | None = None
    ) -> Self:
        """A catalog of all that a compiled workflow brings along."""
        tasks = [FlyteTask.promote_from_model(task.template) for task in closure.tasks if task.template is not None]
        workflows = [part.template for part in closure.sub_workflows if part.template is not None]
        plans = [plan.template for plan in closure.launch_plans if plan.template is not None]
        return cls(
            sub_workflows={EntityKey.of(part.id): part for part in workflows if part.id is not None},
            tasks={EntityKey.of(task.id): task for task in tasks},
            launch_plans={key: message_of(admin.LaunchPlanSpec, spec) for key, spec in by_key(launch_plans).items()},
            plan_templates={EntityKey.of(plan.id): plan for plan in plans if plan.id is not None},
        )

    def task(self, reference: core.Identifier | None) -> FlyteTask | None:
        """The task of that identifier; None if it is not here."""
        return None if reference is None else self.tasks.get(EntityKey.of(reference))

    def launch_plan(self, reference: core.Identifier) -> FlyteLaunchPlan:
        """The launch plan of that identifier, with what is known of it, if only the identifier."""
        key = EntityKey.of(reference)
        spec = self.launch_plans.get(key)
        if (template := self.plan_templates.get(key)) is not None:
            return FlyteLaunchPlan.promote_from_template(reference, template, spec)
        return FlyteLaunchPlan.promote_from_model(reference, admin.LaunchPlanSpec() if spec is None else spec)

    def workflow(self, reference: core.Identifier) -> FlyteWorkflow | None:
        """The workflow of that identifier, one object however often it is used; None if it is not here."""
        from .workflow import FlyteWorkflow  # workflows hold nodes, and nodes hold workflows

        key = EntityKey.of(reference)
        if key not in self.workflows and key in self.sub_workflows:
            self.workflows[key] = FlyteWorkflow.promote_in_catalog(self.sub_workflows[key], self)
        return self.workflows.get(key)
