"""The typed inputs and outputs of an entity."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Self

from typing_extensions import override

from ..codec import decode, encode
from ..errors import FlyteTypeException
from ..idl import core
from ..interop import MessageLike, message_of
from .idl_entity import IdlEntity


@dataclass(frozen=True)
class PythonInterface:
    """The Python types of inputs and outputs, in order.

    Attributes:
        inputs: type by name.
        outputs: type by name.
    """

    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]


class TypedInterface(IdlEntity):
    """Names and types of inputs and outputs, as dictionaries."""

    def __init__(
        self,
        inputs: Mapping[str, MessageLike],
        outputs: Mapping[str, MessageLike],
        *,
        optional: Mapping[str, core.Literal | None] | None = None,
    ) -> None:
        """Make an interface.

        Args:
            inputs: the variable of each input, by name.
            outputs: the variable of each output, by name.
            optional: the inputs that need not be given, with their default where there is one.
        """
        self._inputs = {name: message_of(core.Variable, variable) for name, variable in inputs.items()}
        self._outputs = {name: message_of(core.Variable, variable) for name, variable in outputs.items()}
        self._optional = dict(optional or {})

    @property
    def inputs(self) -> dict[str, core.Variable]:
        """The variable of each input, by name."""
        return self._inputs

    @property
    def outputs(self) -> dict[str, core.Variable]:
        """The variable of each output, by name."""
        return self._outputs

    @property
    def required(self) -> frozenset[str]:
        """The inputs that must be given; without a launch plan no default is known, and that is all of them."""
        return frozenset(self._inputs.keys() - self._optional.keys())

    @classmethod
    def from_flyte_idl(cls, proto: MessageLike) -> Self:
        """The interface that a message describes.

        Raises:
            FlyteTypeException: it is no `flyteidl.core.TypedInterface`.
        """
        message = message_of(core.TypedInterface, proto)
        return cls(_variables(message.inputs), _variables(message.outputs))

    @override
    def to_flyte_idl(self) -> core.TypedInterface:
        """The interface as a message."""
        return core.TypedInterface(
            inputs=core.VariableMap(variables=self._inputs), outputs=core.VariableMap(variables=self._outputs)
        )

    @property
    @override
    def is_empty(self) -> bool:
        """Whether there are neither inputs nor outputs."""
        return not self._inputs and not self._outputs

    def transform_interface_to_list(
        self, bound_inputs: Collection[str], excluded_inputs: Collection[str]
    ) -> TypedInterface:
        """The interface of mapping over lists what has this interface.

        Args:
            bound_inputs: inputs that are the same for all items, and stay as they are.
            excluded_inputs: inputs that are left out.
        """
        kept = {name: variable for name, variable in self._inputs.items() if name not in excluded_inputs}
        return TypedInterface(
            {name: variable if name in bound_inputs else _listed(variable) for name, variable in kept.items()},
            {name: _listed(variable) for name, variable in self._outputs.items()},
        )

    def to_python(self) -> PythonInterface:
        """The Python types that values have when nobody names others; Any where none can be told."""
        return PythonInterface(_types(self._inputs), _types(self._outputs))

    def json_schema(self) -> dict[str, Any]:
        """The JSON schema of an object that holds the inputs.

        Files and datasets are URIs, dates and times ISO 8601 texts, durations that or seconds. Inputs with a default
        are not required: those of a launch plan know their defaults, those of a workflow or task have none.
        """
        from .json_inputs import schema_of

        return schema_of(self._inputs, self.required, self._optional)

    def parse_json(self, body: str | bytes | Mapping[str, Any]) -> dict[str, Any]:
        """The inputs out of a JSON body, as `remote.execute(inputs=)` takes them.

        Args:
            body: JSON as text or bytes, or what a JSON reader has made of it.

        Raises:
            FlyteInvalidFields: inputs are missing, not known, or do not fit; its `fields` tells which and why.
            FlyteInvalidInputException: the body is no JSON object.
        """
        from .json_inputs import parse

        return parse(body, self._inputs, self.required)

    @override
    def short_string(self) -> str:
        """The interface as the signature of a Python function: `(epochs: int) -> (loss: float)`."""
        return f"({_texts(self._inputs)}) -> ({_texts(self._outputs)})"

    def tables(self) -> dict[str, list[tuple[str, str]]]:
        """Names and types as rows, under `inputs` and `outputs`."""
        return {
            heading: [(name, _type_text(variable)) for name, variable in variables.items()]
            for heading, variables in (("inputs", self._inputs), ("outputs", self._outputs))
            if variables
        }

    @override
    def _tables(self) -> dict[str, list[tuple[str, str]]]:
        return self.tables()


def _variables(variables: core.VariableMap | None) -> dict[str, core.Variable]:
    return {} if variables is None else variables.variables


def _listed(variable: core.Variable) -> core.Variable:
    listed = decode(core.Variable, encode(variable))
    listed.type = core.LiteralType(collection_type=variable.type)
    return listed


def _types(variables: dict[str, core.Variable]) -> dict[str, Any]:
    return {name: _guess(variable.type) for name, variable in variables.items()}


def _guess(literal_type: core.LiteralType | None) -> Any:
    if literal_type is None:
        return Any
    from ..literals import guess_type  # interfaces are often only read

    try:
        return guess_type(literal_type)
    except FlyteTypeException:
        return Any


def _type_text(variable: core.Variable) -> str:
    from ..literals import type_text

    return "no type" if variable.type is None else type_text(variable.type)


def _texts(variables: dict[str, core.Variable]) -> str:
    return ", ".join(f"{name}: {_type_text(variable)}" for name, variable in variables.items())
