"""A registered launch plan."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

from typing_extensions import override

from ..errors import FlyteAssertion
from ..idl import admin, core
from ..interop import MessageLike, flytekit, message_of, optional_message_of
from .base import Entity
from .identifier import text_of
from .interface import TypedInterface

if TYPE_CHECKING:
    from .workflow import FlyteWorkflow


class FlyteLaunchPlan(Entity):
    """A launch plan as it is registered: a workflow with default and fixed inputs, read only."""

    entity_type_text: ClassVar[str] = "Launch Plan"
    resource_type: ClassVar[core.ResourceType] = core.ResourceType.LAUNCH_PLAN

    def __init__(
        self,
        id: MessageLike,
        workflow_id: MessageLike | None = None,
        entity_metadata: MessageLike | None = None,
        default_inputs: MessageLike | None = None,
        fixed_inputs: MessageLike | None = None,
        labels: MessageLike | None = None,
        annotations: MessageLike | None = None,
        auth_role: MessageLike | None = None,
        raw_output_data_config: MessageLike | None = None,
        max_parallelism: int | None = None,
        security_context: MessageLike | None = None,
        overwrite_cache: bool | None = None,
        concurrency_policy: MessageLike | None = None,
    ) -> None:
        """Describe a launch plan; messages may be generated ones, flyteidl's, flytekit's models, or bytes.

        Args:
            id: project, domain, name and version.
            workflow_id: the workflow that is launched.
            entity_metadata: schedule and notifications.
            default_inputs: what a caller may give, with defaults: a `ParameterMap`.
            fixed_inputs: what a caller cannot change: a `LiteralMap`.
            labels: Kubernetes labels of the executions.
            annotations: Kubernetes annotations of the executions.
            auth_role: as whom executions run; of old, `security_context` has taken its place.
            raw_output_data_config: where files and frames are written.
            max_parallelism: task nodes that run at a time.
            security_context: as whom executions run.
            overwrite_cache: run cached tasks anyway, and replace what is cached.
            concurrency_policy: how many executions may run at a time, and what becomes of others.

        Raises:
            FlyteTypeException: something that is not the message it should be.
        """
        spec = admin.LaunchPlanSpec(
            workflow_id=optional_message_of(core.Identifier, workflow_id),
            entity_metadata=optional_message_of(admin.LaunchPlanMetadata, entity_metadata),
            default_inputs=optional_message_of(core.ParameterMap, default_inputs),
            fixed_inputs=optional_message_of(core.LiteralMap, fixed_inputs),
            labels=optional_message_of(admin.Labels, labels),
            annotations=optional_message_of(admin.Annotations, annotations),
            auth_role=optional_message_of(admin.AuthRole, auth_role),
            raw_output_data_config=optional_message_of(admin.RawOutputDataConfig, raw_output_data_config),
            max_parallelism=max_parallelism or 0,
            security_context=optional_message_of(core.SecurityContext, security_context),
            overwrite_cache=bool(overwrite_cache),
            concurrency_policy=optional_message_of(admin.ConcurrencyPolicy, concurrency_policy),
        )
        self._hold(message_of(core.Identifier, id), spec)

    @classmethod
    def promote_from_model(
        cls,
        id: MessageLike,
        model: MessageLike,
        *,
        closure: admin.LaunchPlanClosure | None = None,
        flyte_workflow: FlyteWorkflow | None = None,
    ) -> Self:
        """The launch plan that a spec describes.

        Args:
            id: project, domain, name and version; a spec does not have them.
            model: the spec.
            closure: what the server knows besides; the interface is in it.
            flyte_workflow: the workflow that is launched, if the caller has it; the interface is known by it, too.

        Raises:
            FlyteTypeException: something that is not the message it should be.
        """
        plan = cls.__new__(cls)
        plan._hold(message_of(core.Identifier, id), message_of(admin.LaunchPlanSpec, model), closure, flyte_workflow)
        return plan

    @classmethod
    def promote_from_template(
        cls, id: core.Identifier, template: core.LaunchPlanTemplate, spec: admin.LaunchPlanSpec | None = None
    ) -> Self:
        """What a compiled workflow tells of a launch plan that one of its nodes launches.

        Args:
            id: project, domain, name and version.
            template: its interface and fixed inputs; which inputs have defaults is not told.
            spec: the spec, if the caller has it.
        """
        interface = template.interface or core.TypedInterface()
        if spec is not None and spec.default_inputs is not None:
            expected = spec.default_inputs
        else:
            variables = (interface.inputs or core.VariableMap()).variables
            expected = core.ParameterMap(parameters={name: core.Parameter(var=var) for name, var in variables.items()})
        closure = admin.LaunchPlanClosure(expected_inputs=expected, expected_outputs=interface.outputs)
        spec = admin.LaunchPlanSpec(fixed_inputs=template.fixed_inputs) if spec is None else spec
        return cls.promote_from_model(id, spec, closure=closure)

    @classmethod
    def from_flyte_idl(cls, pb2: MessageLike) -> Self:
        """The launch plan that a spec describes, without an identifier, which a spec does not have.

        Raises:
            FlyteTypeException: it is no `flyteidl.admin.LaunchPlanSpec`.
        """
        return cls.promote_from_model(core.Identifier(resource_type=cls.resource_type), pb2)

    def _hold(
        self,
        id: core.Identifier,
        spec: admin.LaunchPlanSpec,
        closure: admin.LaunchPlanClosure | None = None,
        flyte_workflow: FlyteWorkflow | None = None,
    ) -> None:
        self._id = id
        self._spec = spec
        self._closure = closure
        self._flyte_workflow = flyte_workflow

    @override
    def to_flyte_idl(self) -> admin.LaunchPlanSpec:
        """The launch plan as it would be registered."""
        return self._spec

    @override
    def _make_twin(self) -> Any:
        return flytekit.remote_launch_plan(self._id, self._spec, self.interface.to_flyte_idl())

    @property
    @override
    def id(self) -> core.Identifier:
        """Project, domain, name and version."""
        return self._id

    @property
    def spec(self) -> admin.LaunchPlanSpec:
        """The registered spec, which all properties read. Not to be changed."""
        return self._spec

    @property
    def parameters(self) -> dict[str, core.Parameter]:
        """What a caller may give: type, and either a default or that it is required, by name."""
        expected = self._closure.expected_inputs if self._closure is not None else None
        # flyteadmin stores what a caller may give, defaults included, in both places.
        return (expected or self.default_inputs).parameters

    @property
    @override
    def interface(self) -> TypedInterface:
        """The inputs that a caller may give (fixed ones are not among them), and the outputs.

        Raises:
            FlyteAssertion: the launch plan is known by its spec only, in which there are no outputs.
        """
        return self._interface

    @property
    def flyte_workflow(self) -> FlyteWorkflow | None:
        """The workflow that is launched; None if it was not fetched with the launch plan."""
        return self._flyte_workflow

    @property
    def workflow_id(self) -> core.Identifier | None:
        """The workflow that is launched."""
        return self._spec.workflow_id

    @property
    def is_scheduled(self) -> bool:
        """Whether a schedule launches it, once it is active."""
        schedule = self.entity_metadata.schedule or admin.Schedule()
        rate, cron = schedule.rate, schedule.cron_schedule
        return bool(schedule.cron_expression or (rate and rate.value) or (cron and cron.schedule))

    @property
    def entity_metadata(self) -> admin.LaunchPlanMetadata:
        """Schedule and notifications."""
        return self._spec.entity_metadata or admin.LaunchPlanMetadata()

    @property
    def default_inputs(self) -> core.ParameterMap:
        """What a caller may give, as the spec has it."""
        return self._spec.default_inputs or core.ParameterMap()

    @property
    def fixed_inputs(self) -> core.LiteralMap:
        """What a caller cannot change."""
        return self._spec.fixed_inputs or core.LiteralMap()

    @property
    def labels(self) -> admin.Labels:
        """Kubernetes labels of the executions."""
        return self._spec.labels or admin.Labels()

    @property
    def annotations(self) -> admin.Annotations:
        """Kubernetes annotations of the executions."""
        return self._spec.annotations or admin.Annotations()

    @property
    def auth_role(self) -> admin.AuthRole:
        """As whom executions run; of old, `security_context` has taken its place."""
        return self._spec.auth_role or admin.AuthRole()

    @property
    def raw_output_data_config(self) -> admin.RawOutputDataConfig:
        """Where files and frames are written."""
        return self._spec.raw_output_data_config or admin.RawOutputDataConfig()

    @property
    def max_parallelism(self) -> int:
        """Task nodes that run at a time; 0 is the server's own limit."""
        return self._spec.max_parallelism

    @property
    def security_context(self) -> core.SecurityContext | None:
        """As whom executions run; None if the launch plan does not say."""
        return self._spec.security_context

    @property
    def overwrite_cache(self) -> bool:
        """Whether cached tasks run anyway, and what is cached is replaced."""
        return self._spec.overwrite_cache

    @property
    def concurrency_policy(self) -> admin.ConcurrencyPolicy | None:
        """How many executions may run at a time; None is no limit."""
        return self._spec.concurrency_policy

    @override
    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FlyteLaunchPlan) or type(other) is not type(self):
            return NotImplemented
        return other._id == self._id and other._spec == self._spec

    __hash__ = Entity.__hash__

    @override
    def _tables(self) -> dict[str, list[tuple[str, str]]]:
        known = self._closure is not None or self._flyte_workflow is not None
        return self.interface.tables() if known else {}

    @cached_property
    def _interface(self) -> TypedInterface:
        parameters = self.parameters
        inputs = {name: parameter.var or core.Variable() for name, parameter in parameters.items()}
        if self._closure is not None:
            outputs = (self._closure.expected_outputs or core.VariableMap()).variables
        elif (workflow := self._flyte_workflow) is not None:
            # A spec that no server has completed has only the inputs with a default.
            fixed = self.fixed_inputs.literals
            inputs |= {name: var for name, var in workflow.interface.inputs.items() if name not in fixed}
            outputs = workflow.interface.outputs
        else:
            raise FlyteAssertion(
                f"the interface of launch plan {text_of(self._id)} cannot be told from its spec: "
                f"`remote.fetch_launch_plan(...)` gives it with its interface"
            )
        optional = {name: parameter.default for name, parameter in parameters.items() if not parameter.required}
        return TypedInterface(inputs, outputs, optional=optional)
