"""What workflow, node and task executions have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from ..errors import FlyteAssertion
from ..idl import core
from ..literals import LiteralsResolver

CUT_SHORT_BYTES = 97
"""Lists cut an error's text to 100 bytes, or up to three fewer where a character would be torn."""

ABORTED_CODE = "Aborted"
TIMED_OUT_CODE = "TimedOut"


@dataclass(frozen=True)
class Data:
    """The values of an execution, as far as they were loaded.

    Attributes:
        inputs: None if they were not loaded.
        outputs: None if they were not loaded, or if there are none because the execution did not succeed.
        unreadable: where the outputs are, if the server says that there are some but cannot show them.
    """

    inputs: LiteralsResolver | None = None
    outputs: LiteralsResolver | None = None
    unreadable: str | None = None


class RemoteExecutionBase(ABC):
    """An execution on a Flyte backend, with inputs, outputs and an end."""

    _data: Data

    @property
    @abstractmethod
    def is_done(self) -> bool:
        """Whether the execution is in a terminal phase, as of the last sync."""

    @property
    @abstractmethod
    def error(self) -> core.ExecutionError | None:
        """Why the execution failed or was aborted; None if it succeeded. Raises FlyteAssertion while it runs."""

    @abstractmethod
    def short_string(self) -> str:
        """What the execution is, in a few words."""

    @property
    def inputs(self) -> LiteralsResolver:
        """The inputs, defaults and fixed ones included.

        Raises:
            FlyteAssertion: they were not loaded yet.
        """
        if self._data.inputs is None:
            raise FlyteAssertion(
                f"the inputs of {self.short_string()} are not loaded yet: `await execution.sync()` first"
            )
        return self._data.inputs

    @property
    def outputs(self) -> LiteralsResolver:
        """The outputs.

        Raises:
            FlyteAssertion: the execution is in progress, did not succeed, or its outputs were not loaded yet.
        """
        this = self.short_string()
        if not self.is_done:
            raise FlyteAssertion(
                f"Please wait until the execution has completed before requesting the outputs: {this} is in progress"
            )
        if self.error is not None:
            raise FlyteAssertion(
                f"Outputs could not be found because the execution ended in failure: {this}: {self.error.message}"
            )
        if self._data.outputs is not None:
            return self._data.outputs
        if self._data.unreadable is not None:
            raise FlyteAssertion(f"the server cannot read the outputs of {this} at {self._data.unreadable}")
        raise FlyteAssertion(f"the outputs of {this} are not loaded yet: `await execution.sync()` first")

    def _require_done(self) -> None:
        if not self.is_done:
            raise FlyteAssertion(
                f"Please wait until the execution has completed before requesting error information: "
                f"{self.short_string()} is in progress"
            )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.short_string()}>"


def cut_short(error: core.ExecutionError | None) -> bool:
    """Whether the error's text may be the beginning only, as in lists."""
    return error is not None and len(error.message.encode()) >= CUT_SHORT_BYTES


def resolve(
    literals: core.LiteralMap | None, variables: dict[str, core.Variable] | None, hints: dict[str, type] | None
) -> LiteralsResolver:
    """The values of a literal map, with what is known of their types."""
    resolver = LiteralsResolver(literals.literals if literals is not None else {}, variables)
    if hints:
        resolver.update_type_hints(hints)
    return resolver


def read_data(
    full_inputs: core.LiteralMap | None,
    full_outputs: core.LiteralMap | None,
    *,
    succeeded: bool,
    outputs_uri: str,
    variables: tuple[dict[str, core.Variable] | None, dict[str, core.Variable] | None] = (None, None),
    hints: dict[str, type] | None = None,
) -> Data:
    """The values of an execution out of what a Get...Data RPC answered.

    The server answers empty outputs both if there are none and if it cannot read them; the URI tells which.
    """
    inputs = resolve(full_inputs, variables[0], hints)
    if not succeeded:
        return Data(inputs)
    outputs = full_outputs.literals if full_outputs is not None else {}
    if not outputs and outputs_uri and variables[1] != {}:
        return Data(inputs, unreadable=outputs_uri)
    return Data(inputs, resolve(full_outputs, variables[1], hints))
