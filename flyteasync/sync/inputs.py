"""The inputs of many executions: the loop asks for them, and the thread that waits for outcomes reads them."""

from __future__ import annotations

import asyncio
import concurrent.futures
import itertools
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from typing_extensions import override

from ..errors import FlyteUsageError
from ..remote.items import Inputs, Sliced

Given = Mapping[str, Any]
NameOf = Callable[[Given], str]
Read = tuple[list[Given], Exception | None]
"""Inputs, and what went wrong after them."""

PATIENCE = 0.1
"""Seconds after which no further input is read before those that are there are launched."""


class CallersInputs(Sliced):
    """Inputs that belong to the caller's thread: cursors, generators that block, and functions that name them.

    Nothing of them runs in the loop thread, which all remotes share: it asks for inputs, and `serve` answers.
    """

    def __init__(self, inputs: Iterable[Given], names: NameOf | None = None) -> None:
        """Describe them; nothing is read yet.

        Args:
            inputs: what is read.
            names: makes a name of each, as it is read.
        """
        self._inputs = inputs
        self._iterator: Iterator[Given] | None = None
        self._names = names
        self._named: deque[str] = deque()
        self._changed = threading.Condition()
        self._request: _Request | None = None

    def name(self, given: Given, /) -> str:
        """The name of the next input; for the loop, which asks in the order in which the inputs came."""
        return self._named.popleft()

    def serve(self, done: concurrent.futures.Future[Any]) -> None:
        """Read inputs in this thread, as the loop asks for them, until something is done."""
        done.add_done_callback(self._wake)
        finished = False
        while not finished:
            with self._changed:
                self._changed.wait_for(lambda: self._request is not None or done.done())
                request, self._request = self._request, None
                finished = done.done()
            if request is not None:
                self._answer(request)

    @override
    async def slices(self, size: int) -> AsyncGenerator[list[Given]]:
        """The inputs, `size` at the most at a time, as soon as some thread serves."""
        while True:
            read, failure = await self._ask(size)
            if read:
                yield read
            if failure is not None:
                raise failure
            if not read:
                return

    async def _ask(self, size: int) -> Read:
        request = _Request(size, asyncio.get_running_loop().create_future())
        self._put(request)
        try:
            return await request.answered
        finally:
            if self._request is request:
                self._put(None)

    def _put(self, request: _Request | None) -> None:
        with self._changed:
            self._request = request
            self._changed.notify_all()

    def _wake(self, _done: concurrent.futures.Future[Any]) -> None:
        with self._changed:
            self._changed.notify_all()

    def _answer(self, request: _Request) -> None:
        read: list[Given] = []
        failure: Exception | None = FlyteUsageError("the reading of the inputs was interrupted")
        try:
            self._read(request.size, read)
            failure = None
        except Exception as error:  # noqa: BLE001 # the inputs' own, for whoever takes the outcomes
            failure = error
        finally:
            request.answer(read, failure)

    def _read(self, size: int, read: list[Given]) -> None:
        if self._iterator is None:
            self._iterator = iter(self._inputs)
        until = time.monotonic() + PATIENCE
        for given in itertools.islice(self._iterator, size):
            if self._names is not None:
                self._named.append(self._names(given))
            read.append(given)
            if time.monotonic() >= until:
                return


@dataclass(frozen=True, eq=False)
class _Request:
    size: int
    answered: asyncio.Future[Read]

    def answer(self, read: list[Given], failure: Exception | None) -> None:
        """Give the loop what was read; whoever stopped launching meanwhile does not get it."""

        def tell() -> None:
            if not self.answered.done():
                self.answered.set_result((read, failure))

        with suppress(RuntimeError):  # the process ends, and the loop has ended
            self.answered.get_loop().call_soon_threadsafe(tell)


def callers_own(
    inputs: Inputs, names: Iterable[str] | NameOf | None
) -> tuple[Inputs, Iterable[str] | NameOf | None, CallersInputs | None]:
    """Inputs and names without the caller's code, and who reads them if they have any; refuses nothing.

    A sequence is looked at once, here: all of its inputs have an outcome, also if launching is stopped.
    """
    if isinstance(inputs, (AsyncIterable, str)) or hasattr(inputs, "keys"):
        return inputs, names, None
    if isinstance(inputs, Sequence):
        known = inputs if isinstance(inputs, (list, tuple)) else list(inputs)
        return known, _named(known, names) if callable(names) else names, None
    if not isinstance(inputs, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance] # refused by who gets it
        return inputs, names, None
    read = CallersInputs(inputs, names if callable(names) else None)
    return read, read.name if callable(names) else names, read


def _named(inputs: Sequence[Given], names: NameOf) -> NameOf:
    """A function that has the names already; raises what naming raised when its turn comes."""
    made: deque[str] = deque()
    failure: Exception | None = None
    for given in inputs:
        try:
            made.append(names(given))
        except Exception as error:  # noqa: BLE001 # a caller's function may raise anything
            failure = error
            break

    def name(_given: Given) -> str:
        if failure is not None and not made:
            raise failure
        return made.popleft()

    return name
