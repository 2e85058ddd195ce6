"""What a node runs if it is a task, a workflow, a launch plan or a gate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from typing_extensions import override

from ..errors import FlyteAssertion
from ..idl import core
from ..interop import MessageLike, message_of, optional_message_of
from .catalog import Catalog
from .identifier import EntityKey, text_of
from .idl_entity import IdlEntity
from .launch_plan import FlyteLaunchPlan
from .task import FlyteTask

if TYPE_CHECKING:
    from .workflow import FlyteWorkflow


class FlyteTaskNode(IdlEntity):
    """The task that a node runs."""

    def __init__(self, flyte_task: FlyteTask | None, *, model: core.TaskNode | None = None) -> None:
        """Describe the task of a node.

        Args:
            flyte_task: the task; None if there is no more than a reference to it.
            model: the message that it is promoted from; made from the task if not given.

        Raises:
            FlyteAssertion: neither a task nor a message.
        """
        if flyte_task is None and model is None:
            raise FlyteAssertion("a task node needs a task")
        self._flyte_task = flyte_task
        self._model = core.TaskNode(reference_id=flyte_task.id if flyte_task else None) if model is None else model

    @classmethod
    def promote_from_model(cls, task: FlyteTask) -> Self:
        """A node's reference to a task."""
        return cls(task)

    @classmethod
    def promote_in_catalog(cls, model: core.TaskNode, catalog: Catalog) -> Self:
        """The task node that a message describes, with the task that the catalog has for it."""
        return cls(catalog.task(model.reference_id), model=model)

    @classmethod
    def from_flyte_idl(cls, pb2_object: MessageLike) -> Self:
        """The reference that a message holds; the task itself is not known by it.

        Raises:
            FlyteTypeException: it is no `flyteidl.core.TaskNode`.
        """
        return cls(None, model=message_of(core.TaskNode, pb2_object))

    @override
    def to_flyte_idl(self) -> core.TaskNode:
        """The message."""
        return self._model

    @property
    def reference_id(self) -> core.Identifier:
        """The task's identifier."""
        return self._model.reference_id or core.Identifier()

    @property
    def flyte_task(self) -> FlyteTask | None:
        """The task; None if only the reference is known."""
        return self._flyte_task

    @property
    def overrides(self) -> core.TaskNodeOverrides:
        """What the node changes of its task: resources, image, pod."""
        return self._model.overrides or core.TaskNodeOverrides()

    @override
    def short_string(self) -> str:
        """Kind and identifier."""
        return f"task {text_of(self.reference_id)}"


class FlyteWorkflowNode(IdlEntity):
    """The sub-workflow that a node runs, or the launch plan that it launches."""

    def __init__(
        self,
        flyte_workflow: FlyteWorkflow | None = None,
        flyte_launch_plan: FlyteLaunchPlan | None = None,
        *,
        model: core.WorkflowNode | None = None,
    ) -> None:
        """Describe the workflow of a node.

        Args:
            flyte_workflow: the sub-workflow.
            flyte_launch_plan: the launch plan, in place of a sub-workflow.
            model: the message that it is promoted from; made from the others if not given.

        Raises:
            FlyteAssertion: both, or nothing at all.
        """
        if flyte_workflow is not None and flyte_launch_plan is not None:
            raise FlyteAssertion("a workflow node has a sub-workflow or a launch plan, not both")
        if model is None and flyte_workflow is None and flyte_launch_plan is None:
            raise FlyteAssertion("a workflow node needs a sub-workflow or a launch plan")
        self._flyte_workflow = flyte_workflow
        self._flyte_launch_plan = flyte_launch_plan
        if model is None:
            model = core.WorkflowNode(
                launchplan_ref=None if flyte_launch_plan is None else flyte_launch_plan.id,
                sub_workflow_ref=None if flyte_workflow is None else flyte_workflow.id,
            )
        self._model = model

    @classmethod
    def promote_from_model(
        cls,
        base_model: MessageLike,
        sub_workflows: Mapping[Any, MessageLike] | None,
        node_launch_plans: Mapping[Any, MessageLike] | None,
        tasks: Mapping[Any, FlyteTask] | None,
        converted_sub_workflows: Mapping[Any, FlyteWorkflow] | None,
    ) -> tuple[Self, dict[EntityKey, FlyteWorkflow]]:
        """The workflow node that a message describes.

        Args:
            base_model: the message.
            sub_workflows: the templates that it may refer to, by identifier.
            node_launch_plans: the specs that it may refer to, by identifier.
            tasks: the tasks that the sub-workflow uses, by identifier.
            converted_sub_workflows: the workflows that were made before.

        Returns:
            The node, and the workflows that were made so far, this one's among them.

        Raises:
            FlyteTypeException: something that is not the message it should be.
        """
        catalog = Catalog.of(sub_workflows, tasks, node_launch_plans, converted_sub_workflows)
        return cls.promote_in_catalog(message_of(core.WorkflowNode, base_model), catalog), catalog.workflows

    @classmethod
    def promote_in_catalog(cls, model: core.WorkflowNode, catalog: Catalog) -> Self:
        """The workflow node that a message describes, with what the catalog has for it."""
        if model.launchplan_ref is not None:
            return cls(flyte_launch_plan=catalog.launch_plan(model.launchplan_ref), model=model)
        reference = model.sub_workflow_ref
        return cls(None if reference is None else catalog.workflow(reference), model=model)

    @classmethod
    def from_flyte_idl(cls, pb2_object: MessageLike) -> Self:
        """The reference that a message holds; what it refers to is not known by it.

        Raises:
            FlyteTypeException: it is no `flyteidl.core.WorkflowNode`.
        """
        return cls(model=message_of(core.WorkflowNode, pb2_object))

    @override
    def to_flyte_idl(self) -> core.WorkflowNode:
        """The message."""
        return self._model

    @property
    def launchplan_ref(self) -> core.Identifier | None:
        """The launch plan's identifier; None for a sub-workflow."""
        return self._model.launchplan_ref

    @property
    def sub_workflow_ref(self) -> core.Identifier | None:
        """The sub-workflow's identifier; None for a launch plan."""
        return self._model.sub_workflow_ref

    @property
    def reference(self) -> core.Identifier | None:
        """The identifier of either; None if the message has none."""
        return self.launchplan_ref if self.launchplan_ref is not None else self.sub_workflow_ref

    @property
    def flyte_launch_plan(self) -> FlyteLaunchPlan | None:
        """The launch plan; None for a sub-workflow."""
        return self._flyte_launch_plan

    @property
    def flyte_workflow(self) -> FlyteWorkflow | None:
        """The sub-workflow; None for a launch plan, or if only the reference is known."""
        return self._flyte_workflow

    @override
    def short_string(self) -> str:
        """Kind and identifier."""
        kind = "launch plan" if self.launchplan_ref is not None else "workflow"
        return f"{kind} {text_of(self.reference or core.Identifier())}"


class FlyteGateNode(IdlEntity):
    """What a node waits for: a value, an approval, or time."""

    def __init__(
        self,
        signal: MessageLike | None = None,
        sleep: MessageLike | None = None,
        approve: MessageLike | None = None,
    ) -> None:
        """Describe a gate; exactly one of the three is usual, and none is kept as it is.

        Args:
            signal: a value that somebody sets: a `SignalCondition`.
            sleep: time that passes: a `SleepCondition`.
            approve: somebody's approval: an `ApproveCondition`.

        Raises:
            FlyteAssertion: more than one.
            FlyteTypeException: something that is not the message it should be.
        """
        if sum(condition is not None for condition in (signal, sleep, approve)) > 1:
            raise FlyteAssertion("a gate waits for one of signal, sleep and approve")
        self._model = core.GateNode(
            signal=optional_message_of(core.SignalCondition, signal),
            sleep=optional_message_of(core.SleepCondition, sleep),
            approve=optional_message_of(core.ApproveCondition, approve),
        )

    @classmethod
    def promote_from_model(cls, model: MessageLike) -> Self:
        """The gate that a message describes.

        Raises:
            FlyteTypeException: it is no `flyteidl.core.GateNode`.
        """
        message = message_of(core.GateNode, model)
        return cls(message.signal, message.sleep, message.approve)

    @classmethod
    def from_flyte_idl(cls, pb2_object: MessageLike) -> Self:
        """The same as `promote_from_model`: a gate refers to nothing."""
        return cls.promote_from_model(pb2_object)

    @override
    def to_flyte_idl(self) -> core.GateNode:
        """The message."""
        return self._model

    @property
    def signal(self) -> core.SignalCondition | None:
        """The value that somebody sets."""
        return self._model.signal

    @property
    def sleep(self) -> core.SleepCondition | None:
        """The time that passes."""
        return self._model.sleep

    @property
    def approve(self) -> core.ApproveCondition | None:
        """The approval that somebody gives."""
        return self._model.approve

    @property
    def condition(self) -> core.SignalCondition | core.SleepCondition | core.ApproveCondition | None:
        """Whichever it waits for."""
        given = (self.signal, self.sleep, self.approve)
        return next((condition for condition in given if condition is not None), None)

    @override
    def short_string(self) -> str:
        """Kind, and the signal's name or the time."""
        if self.sleep is not None:
            return f"gate: sleep {self.sleep.duration}"
        if self.signal is not None:
            return f"gate: signal {self.signal.signal_id}"
        return f"gate: approve {self.approve.signal_id}" if self.approve is not None else "gate"
