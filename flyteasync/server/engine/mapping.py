"""What an array node does with its inputs and outputs, and when it has failed; pure."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence

from ...errors import FlyteValueException
from ...idl import core
from .bindings import NONE

Literals = Mapping[str, core.Literal]

_MAPPED_TASK = re.compile(r"(?P<module>.+\.)?map_(?P<name>.+)_[0-9a-f]{32}-arraynode")


def mapped_task_name(name: str) -> str | None:
    """The name of the task that flytekit's map_task wraps, by the wrapper's name; None if it is no such name."""
    match = _MAPPED_TASK.fullmatch(name)
    return None if match is None else f"{match['module'] or ''}{match['name']}"


def array_size(inputs: Literals, bound: Collection[str]) -> int:
    """How many elements an array node has: the length of its lists.

    Raises:
        FlyteValueException: there is no list, or they are of different lengths.
    """
    size: int | None = None
    for name, literal in sorted(inputs.items()):
        if literal.collection is None or name in bound:
            continue
        length = len(literal.collection.literals)
        if size is None:
            size = length
        elif size != length:
            raise FlyteValueException(f"input arrays have different lengths: expecting '{size}' found '{length}'")
    if size is None:
        raise FlyteValueException("no input array provided")
    return size


def element_inputs(inputs: Literals, bound: Collection[str], index: int) -> dict[str, core.Literal]:
    """The inputs of one element: of each list its item, and everything else as it is."""
    return {
        name: literal if literal.collection is None or name in bound else literal.collection.literals[index]
        for name, literal in inputs.items()
    }


def gather_outputs(names: Collection[str], elements: Sequence[Literals | None]) -> dict[str, core.Literal]:
    """A list per output, with none for an element that has failed."""
    return {
        name: core.Literal(
            collection=core.LiteralCollection(
                literals=[NONE if outputs is None else outputs.get(name, NONE) for outputs in elements]
            )
        )
        for name in names
    }


def min_successes(array: core.ArrayNode, size: int) -> int:
    """How many elements must succeed: as many as it says, that part of them, or all."""
    if array.min_successes is not None:
        return array.min_successes
    if array.min_success_ratio is not None:
        return math.ceil(array.min_success_ratio * size)
    return size


def has_failed(size: int, needed: int, failed: int) -> bool:
    """Whether enough elements can no longer succeed."""
    return size - failed < needed
