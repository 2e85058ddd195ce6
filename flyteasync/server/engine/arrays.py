"""Array nodes: one task or launch plan for each item of a list, as flytekit's map_task makes them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from ...errors import FlyteValueException
from ...idl import core
from ..arraytypes import element_interface
from ..inputs import variables_of
from . import failures
from .books import ArrayBook, ElementBook
from .failures import NodeFailed
from .mapping import array_size, element_inputs, gather_outputs, has_failed, min_successes
from .names import data_directory, outputs_uri
from .node import Attempt, Kind, Literals, NodeRun, Outcome
from .records import TaskPhase
from .slots import Slots


async def run_array(array: core.ArrayNode, kind: Kind, node: NodeRun, attempt: Attempt) -> Literals:
    """Run the elements, and return a list per output.

    Args:
        array: the array node.
        kind: that of the node inside of it.
        node: the run of the array node.
        attempt: its attempt.

    Raises:
        NodeFailed: the lists do not fit each other, or too many elements failed.
    """
    try:
        size = array_size(attempt.inputs, array.bound_inputs)
    except FlyteValueException as error:
        raise NodeFailed(failures.invalid_array(str(error))) from error
    node.book.running(attempt.began)
    elements = _Elements(array, kind, node, attempt, size)
    attempt.on_abort(elements.abort)
    return await elements.run()


class _Elements:
    """The elements of one attempt of an array node."""

    def __init__(self, array: core.ArrayNode, kind: Kind, node: NodeRun, attempt: Attempt, size: int) -> None:
        self._array = array
        self._kind = kind
        self._node = node
        self._attempt = attempt
        self._size = size
        self._slots = Slots(node.shared.activity, array.parallelism or 0)
        self._book: ArrayBook | None = None
        self._running: dict[str, NodeRun] = {}
        self._outputs: list[Literals | None] = [None] * size
        self._failed: dict[int, str] = {}
        self._done = node.shared.wait()
        row = node.book.row
        if kind.template is not None and row is not None:
            shared, task_id = node.shared, kind.template.id or core.Identifier()
            self._book = ArrayBook(shared.store, shared.clock, row, task_id, size)
            interface = element_interface(kind.template.interface, array)
            template = dataclasses.replace(kind.template, interface=interface)
            self._kind = dataclasses.replace(kind, template=template)

    async def run(self) -> Literals:
        """Run all elements, as many at a time as may."""
        if self._book is not None:
            self._book.set_phase(TaskPhase.RUNNING)
        for index in range(self._size):
            self._start(index)
        if self._running:
            await self._done
        if has_failed(self._size, min_successes(self._array, self._size), len(self._failed)):
            self.abort(failures.ARRAY_FAILING)
            raise NodeFailed(failures.array_failed(self._failed))
        outputs = gather_outputs(self._output_names(), self._outputs)
        if self._book is not None:
            self._book.set_phase(TaskPhase.SUCCEEDED, outputs_uri(self._attempt.directory) if outputs else None)
        return outputs

    def abort(self, reason: str) -> None:
        """End the elements that have not ended."""
        running, self._running = list(self._running.values()), {}
        for element in running:
            element.abort(reason)
        if self._book is not None:
            self._book.set_phase(TaskPhase.ABORTED)

    def _start(self, index: int) -> None:
        array, node, attempt = self._array, self._node, self._attempt
        assert array.node is not None, "the compiler leaves no array node without a node"
        book = None if self._book is None else ElementBook(self._book, index)
        place = node.below(attempt)
        spec = dataclasses.replace(array.node, id=f"n{index}")
        element = node.scope.start_node(
            spec,
            lambda run, outcome: self._ended(index, run, outcome),
            kind=dataclasses.replace(self._kind, slot="wait"),
            place=place,
            directory=data_directory(place.directory, str(index)) if book is None else f"{place.directory}/{index}",
            inputs=element_inputs(attempt.inputs, array.bound_inputs, index),
            slots=self._slots,
            book=book,
        )
        self._running[spec.id] = element

    def _ended(self, index: int, run: NodeRun, outcome: Outcome) -> None:
        self._running.pop(run.node.id, None)
        if isinstance(outcome, NodeFailed):
            self._failed[index] = outcome.error.message
        else:
            self._outputs[index] = outcome
        needed = min_successes(self._array, self._size)
        hopeless = has_failed(self._size, needed, len(self._failed)) and not self._array.run_all_sub_nodes
        if hopeless or not self._running:
            self._done.settle(None)

    def _output_names(self) -> Sequence[str]:
        template = self._kind.template
        if template is not None:
            interface = template.interface or core.TypedInterface()
            return list(variables_of(interface.outputs))
        found = {name: None for outputs in self._outputs if outputs is not None for name in outputs}
        return list(found)
