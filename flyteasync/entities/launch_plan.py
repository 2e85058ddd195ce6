"""A registered launch plan."""

from __future__ import annotations

from typing_extensions import override

from ..idl import admin, core
from .base import Entity
from .interface import TypedInterface


class FlyteLaunchPlan(Entity):
    """A launch plan as it is registered: a workflow with default and fixed inputs, read only."""

    def __init__(
        self,
        id: core.Identifier,
        spec: admin.LaunchPlanSpec,
        closure: admin.LaunchPlanClosure | None = None,
    ) -> None:
        super().__init__(id)
        self._spec = spec
        expected = closure.expected_inputs if closure is not None else None
        # flyteadmin stores what a caller may give, defaults included, in both places.
        self._parameters = (expected or spec.default_inputs or core.ParameterMap()).parameters
        outputs = closure.expected_outputs if closure is not None else None
        self._interface = TypedInterface(
            {name: parameter.var or core.Variable() for name, parameter in self._parameters.items()},
            outputs.variables if outputs is not None else {},
        )

    @classmethod
    def promote_from_model(cls, id: core.Identifier, model: admin.LaunchPlanSpec) -> FlyteLaunchPlan:
        """The launch plan that a spec describes; its outputs are not known from the spec alone."""
        return cls(id, model)

    @property
    def spec(self) -> admin.LaunchPlanSpec:
        """The registered spec."""
        return self._spec

    @property
    def parameters(self) -> dict[str, core.Parameter]:
        """What a caller may give: type, and either a default or that it is required, by name."""
        return self._parameters

    @property
    def workflow_id(self) -> core.Identifier | None:
        """The workflow that is launched."""
        return self._spec.workflow_id

    @property
    @override
    def interface(self) -> TypedInterface:
        """The inputs that a caller may give (fixed ones are not among them), and the outputs."""
        return self._interface

    @property
    @override
    def entity_type_text(self) -> str:
        """`Launch Plan`."""
        return "Launch Plan"

    def to_flyte_idl(self) -> admin.LaunchPlanSpec:
        """The spec as a message."""
        return self._spec
