"""What workflow, node and task executions have in common."""

from __future__ import annotations

import enum
from abc import abstractmethod
from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from typing_extensions import override

from ..entities import IdlEntity
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

    def is_whole(self, *, succeeded: bool) -> bool:
        """Whether nothing is missing of what an execution has that succeeded, or did not."""
        return self.inputs is not None and (self.outputs is not None or not succeeded)


class RemoteExecutionBase(IdlEntity):
    """An execution on a Flyte backend, with inputs, outputs and an end.

    Executions are equal, and hash alike, if their identifiers are equal, whatever is known of how far they are.
    """

    _data: Data

    _loading: ClassVar[str] = "`await execution.sync()`"
    """What loads the values."""

    @property
    @abstractmethod
    def is_done(self) -> bool:
        """Whether the execution is in a terminal phase, as of the last sync."""

    @property
    @abstractmethod
    def error(self) -> core.ExecutionError | None:
        """Why the execution failed or was aborted; None if it succeeded. Raises FlyteAssertion while it runs."""

    @abstractmethod
    def _key(self) -> Hashable:
        """What tells executions apart."""

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
            raise FlyteAssertion(f"the inputs of {self.short_string()} are not loaded yet: {self._loading} first")
        return self._data.inputs

    @property
    def outputs(self) -> LiteralsResolver:
        """The outputs.

        Raises:
            FlyteAssertion: the execution is in progress, did not succeed, or its outputs were not loaded yet or could
                not be read; tells which URI.
        """
        if not self.is_done:
            raise FlyteAssertion(
                "Please wait until the execution has completed before requesting the outputs: "
                f"{self.short_string()} is in progress"
            )
        if self.error is not None:
            raise FlyteAssertion(
                "Outputs could not be found because the execution ended in failure: "
                f"{self.short_string()}: {self.error.message}"
            )
        if self._data.outputs is not None:
            return self._data.outputs
        this = self.short_string()
        if self._data.unreadable is not None:
            raise FlyteAssertion(f"the outputs of {this} could not be read: {self._data.unreadable}")
        raise FlyteAssertion(f"the outputs of {this} are not loaded yet: {self._loading} first")

    def _require_done(self) -> None:
        if not self.is_done:
            raise FlyteAssertion(
                f"Please wait until the execution has completed before requesting error information: "
                f"{self.short_string()} is in progress"
            )

    @override
    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, RemoteExecutionBase) else NotImplemented

    @override
    def __hash__(self) -> int:
        return hash(self._key())

    @override
    def _tables(self) -> dict[str, list[tuple[str, str]]]:
        from ..literals.text import literal_text  # a program that reads no values does not pay for it

        tables: dict[str, list[tuple[str, str]]] = {}
        if self.is_done and self.error is not None:
            tables["error"] = [(self.error.code, self.error.message)]
        for heading, values in (("inputs", self._data.inputs), ("outputs", self._data.outputs)):
            if values is not None:
                tables[heading] = [(name, literal_text(literal)) for name, literal in values.literals.items()]
        return tables


def phase_name(phase: enum.IntEnum) -> str:
    """The name of a phase; the number of one that is newer than this package."""
    return phase.name or str(phase.value)


def cut_short(error: core.ExecutionError | None) -> bool:
    """Whether the error's text may be the beginning only, as in lists."""
    return error is not None and len(error.message.encode()) >= CUT_SHORT_BYTES
