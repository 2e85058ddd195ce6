"""The inputs of many executions, in order, each with its name; read ahead where names are looked up together."""

from __future__ import annotations

import asyncio
import itertools
from abc import abstractmethod
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass
from typing import Any, cast

from typing_extensions import override

from ..errors import FlyteError, FlyteInvalidInputException
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
    error: FlyteError | None = None


class Sliced(AsyncIterable[Mapping[str, Any]]):
    """Inputs that somebody else reads, several at a time."""

    @abstractmethod
    async def next(self, size: int) -> list[Mapping[str, Any]]:
        """The next inputs, `size` at the most; none after the last.

        Raises what reading them raised, after what came before it. What was read for a call that was cancelled is not
        lost: see `rest`.
        """

    @abstractmethod
    def rest(self) -> Iterator[Mapping[str, Any]]:
        """What was read and not handed out."""

    @abstractmethod
    async def aclose(self) -> None:
        """Read no more."""

    @override
    async def __aiter__(self) -> AsyncGenerator[Mapping[str, Any]]:
        while batch := await self.next(1):
            yield batch[0]


class Source:
    """Takes inputs, and numbers and names them; knows what it has taken and not handed out.

    With names, up to 200 are taken before there is room for them.
    """

    def __init__(self, inputs: Inputs, names: Names | None) -> None:
        self._namer = _Namer(names)
        self._failure: FlyteInvalidInputException | None = None
        self._inputs: Sliced | _Slices | _Singly | _Ahead
        self._size = size = 1 if names is None else AHEAD
        if isinstance(inputs, Sliced):
            self._inputs = inputs
        elif not isinstance(inputs, AsyncIterable):
            self._inputs = _Slices(inputs)
        elif names is None:
            self._inputs = _Singly(inputs)
        else:
            self._inputs = _Ahead(inputs, size)

    async def next(self) -> list[Item]:
        """The next items, as many as may be looked up together: one without names; none after the last.

        Raises what the inputs raise, after everything that came before it, and FlyteInvalidInputException if there are
        more or fewer names than inputs.
        """
        if self._failure is not None:
            raise self._failure
        given = await self._inputs.next(self._size)
        items = [self._namer.item(each) for each in given[: self._namer.left]]
        if len(items) < len(given) or (not given and self._namer.left):
            self._failure = self._namer.mismatch(more=len(given) > 0)
            if not items:
                raise self._failure
        return items

    def begun(self) -> None:
        """One that was handed out is kept no longer: there is room to take another one."""
        if isinstance(self._inputs, _Ahead):
            self._inputs.begun()

    def rest(self) -> Iterator[Item]:
        """What was taken and not handed out; of inputs that are a sequence, all that is left. Then there is none."""
        return map(self._namer.item, self._inputs.rest())

    async def aclose(self) -> None:
        """Take no more."""
        if isinstance(self._inputs, (Sliced, _Ahead)):
            await self._inputs.aclose()


class _Namer:
    """Numbers and names inputs; what is wrong with a name is the item's error."""

    def __init__(self, names: Names | None) -> None:
        self._names = names
        self._count = 0
        self._seen: set[str] = set()

    @property
    def left(self) -> int | None:
        """How many names there are for further inputs; None if names are made."""
        return None if self._names is None or callable(self._names) else max(0, len(self._names) - self._count)

    def mismatch(self, *, more: bool) -> FlyteInvalidInputException:
        """What to raise if there are more inputs than names, or fewer."""
        names = self._count + (self.left or 0)
        return FlyteInvalidInputException(f"there are {names} names, and {'more' if more else self._count} inputs")

    def item(self, inputs: Mapping[str, Any]) -> Item:
        """The next item."""
        index, self._count = self._count, self._count + 1
        if self._names is None:
            return Item(index, inputs)
        if not callable(self._names):
            return Item(index, inputs, self._names[index] if index < len(self._names) else None)
        try:
            name = self._names(inputs)
            check_name(name, f"the name of input {index}")
        except FlyteInvalidInputException as error:
            return Item(index, inputs, None, error)
        except Exception as cause:  # noqa: BLE001 # a caller's function may raise anything
            error = FlyteInvalidInputException(f"the function of names failed for input {index}: {cause!r}")
            error.__cause__ = cause
            return Item(index, inputs, None, error)
        if name in self._seen:
            return Item(index, inputs, name, FlyteInvalidInputException(f"the name {name!r} is there twice"))
        self._seen.add(name)
        return Item(index, inputs, name)


def check_names_given(names: object, inputs: object) -> Names:
    """The names, checked as far as they are known.

    Raises:
        FlyteInvalidInputException: neither a sequence nor a function; a name that is not valid or there twice; or
            another number of names than of inputs.
    """
    if callable(names):
        return cast("Names", names)
    if isinstance(names, (str, bytes)) or not isinstance(names, Sequence):
        kind = type(names).__name__
        raise FlyteInvalidInputException(
            f"names must be a sequence of texts, such as a list, or a function of the inputs, got {kind}"
        )
    checked = [check_name(name, "a name") for name in cast("Sequence[str]", names)]
    if len(set(checked)) < len(checked):
        seen: set[str] = set()
        twice = next(name for name in checked if name in seen or seen.add(name))
        raise FlyteInvalidInputException(f"the name {twice!r} is there twice")
    count = len(cast("Sequence[object]", inputs)) if isinstance(inputs, Sequence) else len(checked)
    if count != len(checked):
        raise FlyteInvalidInputException(f"there are {len(checked)} names for {count} inputs")
    return checked


class _Slices:
    """Inputs that do not have to be waited for."""

    def __init__(self, inputs: Iterable[Mapping[str, Any]]) -> None:
        self._iterator = iter(inputs)
        self._is_sequence = isinstance(inputs, Sequence)
        self._failure: Exception | None = None

    async def next(self, size: int) -> list[Mapping[str, Any]]:
        batch: list[Mapping[str, Any]] = []
        if self._failure is None:
            try:
                batch.extend(itertools.islice(self._iterator, size))
            except Exception as error:  # noqa: BLE001 # the inputs' own; what came before it counts
                self._failure = error
        if self._failure is not None and not batch:
            raise self._failure
        return batch

    def rest(self) -> Iterator[Mapping[str, Any]]:
        return self._iterator if self._is_sequence else iter(())


class _Singly:
    """Inputs that come one by one."""

    def __init__(self, inputs: AsyncIterable[Mapping[str, Any]]) -> None:
        self._iterator = aiter(inputs)

    async def next(self, _size: int) -> list[Mapping[str, Any]]:
        try:
            return [await anext(self._iterator)]
        except StopAsyncIteration:
            return []

    def rest(self) -> Iterator[Mapping[str, Any]]:
        return iter(())


class _Ahead:
    """Inputs that come one by one, and are taken before they are needed; nobody waits for a batch to be full."""

    def __init__(self, inputs: AsyncIterable[Mapping[str, Any]], size: int) -> None:
        self._iterator = aiter(inputs)
        self._room = asyncio.Semaphore(size)
        self._taken: deque[Mapping[str, Any]] = deque()
        self._some = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None
        self._failure: Exception | None = None

    async def next(self, _size: int) -> list[Mapping[str, Any]]:
        if self._reading is None:
            self._reading = asyncio.get_running_loop().create_task(self._read(self._iterator))
        while not self._taken and not self._reading.done():
            self._some.clear()
            await self._some.wait()
        if self._failure is not None and not self._taken:
            raise self._failure
        return list(self.rest())

    def begun(self) -> None:
        self._room.release()

    def rest(self) -> Iterator[Mapping[str, Any]]:
        taken, self._taken = self._taken, deque()
        return iter(taken)

    async def aclose(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])

    async def _read(self, inputs: AsyncIterator[Mapping[str, Any]]) -> None:
        try:
            while True:
                await self._room.acquire()  # first, so that nothing is taken that could get lost
                given = await anext(inputs)
                self._taken.append(given)
                self._some.set()
        except StopAsyncIteration:
            return
        except Exception as error:  # noqa: BLE001 # the inputs' own, for whoever takes them
            self._failure = error
        finally:
            self._some.set()
