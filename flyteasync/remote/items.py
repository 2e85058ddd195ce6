"""The inputs of many executions, in order, each with its name; read ahead where names are looked up together."""

from __future__ import annotations

import asyncio
import itertools
from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, cast

import anyio
from typing_extensions import override

from ..errors import FlyteInvalidInputException
from .names import check_name

Inputs = Iterable[Mapping[str, Any]] | AsyncIterable[Mapping[str, Any]]
Names = Sequence[str] | Callable[[Mapping[str, Any]], str]
"""The name of each execution, or what makes one of its inputs."""

AHEAD = 200
"""Inputs that are read before there is room to launch them, so that their names are looked up together."""


@dataclass(frozen=True)
class Item:
    """One of many executions to launch.

    Attributes:
        index: its place among the inputs; the first is 0.
        inputs: what the caller gave.
        name: what it is to be called; None if a name is generated.
        error: why it cannot be launched under that name.
    """

    index: int
    inputs: Mapping[str, Any]
    name: str | None = None
    error: FlyteInvalidInputException | None = None


class Sliced(AsyncIterable[Mapping[str, Any]]):
    """Inputs that somebody else reads, several at a time."""

    @abstractmethod
    def slices(self, size: int) -> AsyncGenerator[list[Mapping[str, Any]]]:
        """The inputs, `size` at the most at a time; raises what reading them raised, after what came before it."""

    @override
    async def __aiter__(self) -> AsyncGenerator[Mapping[str, Any]]:
        async with aclosing(self.slices(1)) as slices:
            async for (given,) in slices:
                yield given


async def items_of(inputs: Inputs, names: Names | None) -> AsyncGenerator[list[Item]]:
    """The items, as many at a time as may be looked up together: one without names.

    Raises whatever the inputs or a function of names raise, after everything that came before it.
    """
    size = 1 if names is None else AHEAD
    batches = _batches(inputs, size)
    namer = _Namer(names)
    async with aclosing(batches):
        async for batch in batches:
            items: list[Item] = []
            failure = None
            try:
                for given in batch:
                    items.append(namer.item(given))  # noqa: PERF401 # those before a failure count
            except Exception as error:  # noqa: BLE001 # a caller's function may raise anything
                failure = error
            if items:
                yield items
            if failure is not None:
                raise failure


class _Namer:
    """Numbers and names inputs; a name that is not valid, or there already, is the item's error."""

    def __init__(self, names: Names | None) -> None:
        self._names = names
        self._count = itertools.count()
        self._seen: set[str] = set()

    def item(self, inputs: Mapping[str, Any]) -> Item:
        index = next(self._count)
        if self._names is None:
            return Item(index, inputs)
        if not callable(self._names):
            if index >= len(self._names):
                raise FlyteInvalidInputException(f"there are {len(self._names)} names, and more inputs")
            return Item(index, inputs, self._names[index])
        name = self._names(inputs)
        try:
            check_name(name, f"the name of input {index}")
        except FlyteInvalidInputException as error:
            return Item(index, inputs, str(name), error)
        if name in self._seen:
            return Item(index, inputs, name, FlyteInvalidInputException(f"the name {name!r} is there twice"))
        self._seen.add(name)
        return Item(index, inputs, name)


def check_names_given(names: Iterable[str] | Callable[[Mapping[str, Any]], str], inputs: object) -> Names:
    """The names, checked as far as they are known.

    Raises:
        FlyteInvalidInputException: a name that is not valid or there twice, or another number of names than of inputs.
    """
    if callable(names):
        return names
    if isinstance(names, (str, Mapping)) or not isinstance(names, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        kind = type(cast("object", names)).__name__
        raise FlyteInvalidInputException(f"names must be an iterable of texts, or a function of the inputs, got {kind}")
    checked = [check_name(name, "a name") for name in names]
    if len(set(checked)) < len(checked):
        seen: set[str] = set()
        twice = next(name for name in checked if name in seen or seen.add(name))
        raise FlyteInvalidInputException(f"the name {twice!r} is there twice")
    count = len(cast("Sequence[object]", inputs)) if isinstance(inputs, Sequence) else len(checked)
    if count != len(checked):
        raise FlyteInvalidInputException(f"there are {len(checked)} names for {count} inputs")
    return checked


def _batches(inputs: Inputs, size: int) -> AsyncGenerator[list[Mapping[str, Any]]]:
    if isinstance(inputs, Sliced):
        return inputs.slices(size)
    return _ahead(inputs, size) if isinstance(inputs, AsyncIterable) else _slices(inputs, size)


async def _slices(inputs: Iterable[Mapping[str, Any]], size: int) -> AsyncGenerator[list[Mapping[str, Any]]]:
    iterator = iter(inputs)
    while True:
        batch: list[Mapping[str, Any]] = []
        failure = None
        try:
            batch.extend(itertools.islice(iterator, size))
        except Exception as error:  # noqa: BLE001 # the inputs' own; what came before it counts
            failure = error
        if batch:
            yield batch
        if failure is not None:
            raise failure
        if not batch:
            return


async def _ahead(inputs: AsyncIterable[Mapping[str, Any]], size: int) -> AsyncGenerator[list[Mapping[str, Any]]]:
    """What is there already, `size` at the most; nobody waits for a batch to be full."""
    if size == 1:
        async for given in inputs:
            yield [given]
        return
    arrived: asyncio.Queue[Mapping[str, Any] | _End] = asyncio.Queue(size)
    reading = asyncio.get_running_loop().create_task(_read(inputs, arrived))
    try:
        end = None
        while end is None:
            following, batch = await arrived.get(), list[Mapping[str, Any]]()
            while not isinstance(following, _End):
                batch.append(following)
                if len(batch) == size or arrived.empty():
                    break
                following = arrived.get_nowait()
            else:
                end = following
            if batch:
                yield batch
        if end.failure is not None:
            raise end.failure
    finally:
        reading.cancel()
        with anyio.CancelScope(shield=True):
            await asyncio.wait([reading])


@dataclass(frozen=True)
class _End:
    failure: Exception | None = None


async def _read(inputs: AsyncIterable[Mapping[str, Any]], arrived: asyncio.Queue[Mapping[str, Any] | _End]) -> None:
    try:
        async for given in inputs:
            await arrived.put(given)
    except Exception as error:  # noqa: BLE001 # the inputs' own, for whoever takes them
        await arrived.put(_End(error))
    else:
        await arrived.put(_End())
