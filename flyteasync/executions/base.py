"""What workflow, node and task executions have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import FlyteAssertion
from ..idl import core

if TYPE_CHECKING:
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
        unreadable: why there are no outputs, if there should be: what could not be read, and what went wrong.
        unreadable_inputs: likewise for inputs.
    """

    inputs: LiteralsResolver | None = None
    outputs: LiteralsResolver | None = None
    unreadable: str | None = None
    unreadable_inputs: str | None = None


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
            FlyteAssertion: they were not loaded yet, or could not be read.
        """
        if self._data.inputs is None and self._data.unreadable_inputs is not None:
            raise FlyteAssertion(
                f"the inputs of {self.short_string()} could not be read: {self._data.unreadable_inputs}"
            )
        if self._data.inputs is None:
            raise FlyteAssertion(
                f"the inputs of {self.short_string()} are not loaded yet: `await execution.sync()` first"
            )
        return self._data.inputs

    @property
    def outputs(self) -> LiteralsResolver:
        """The outputs.

        Raises:
            FlyteAssertion: the execution is in progress, did not succeed, or its outputs were not loaded yet or could
                not be read; tells which URI.
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
            raise FlyteAssertion(f"the outputs of {this} could not be read: {self._data.unreadable}")
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
