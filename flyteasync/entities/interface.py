"""The typed inputs and outputs of an entity."""

from __future__ import annotations

from collections.abc import Mapping

from ..idl import core


class TypedInterface:
    """Names and types of inputs and outputs, as dictionaries."""

    def __init__(self, inputs: Mapping[str, core.Variable], outputs: Mapping[str, core.Variable]) -> None:
        self._inputs = dict(inputs)
        self._outputs = dict(outputs)

    @property
    def inputs(self) -> dict[str, core.Variable]:
        """The variable of each input, by name."""
        return self._inputs

    @property
    def outputs(self) -> dict[str, core.Variable]:
        """The variable of each output, by name."""
        return self._outputs

    @classmethod
    def from_flyte_idl(cls, proto: core.TypedInterface | None) -> TypedInterface:
        """The interface that a message describes; an empty one for None."""
        if proto is None:
            return cls({}, {})
        return cls(_variables(proto.inputs), _variables(proto.outputs))

    def to_flyte_idl(self) -> core.TypedInterface:
        """The interface as a message."""
        return core.TypedInterface(
            inputs=core.VariableMap(variables=self._inputs), outputs=core.VariableMap(variables=self._outputs)
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TypedInterface) and other._inputs == self._inputs and other._outputs == self._outputs

    def __hash__(self) -> int:
        return hash((tuple(sorted(self._inputs)), tuple(sorted(self._outputs))))

    def __repr__(self) -> str:
        return f"TypedInterface(inputs={sorted(self._inputs)}, outputs={sorted(self._outputs)})"


def _variables(variables: core.VariableMap | None) -> dict[str, core.Variable]:
    return {} if variables is None else variables.variables
