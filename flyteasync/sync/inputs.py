"""The inputs of many executions: the loop asks for them, and the thread that waits for outcomes reads them."""

from __future__ import annotations

import asyncio
import concurrent.futures
import itertools
import threading
import time
from collections import deque
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping, Sequence
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

READ_LIMIT = 1.0
"""Seconds that whoever stops launching waits for the end of what is being read."""


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
        self._named: deque[str | Exception] = deque()
        self._changed = threading.Condition()
        self._request: _Request | None = None
        self._asked: _Request | None = None
        self._failure: Exception | None = None

    def name(self, given: Given, /) -> str:
        """The name of the next input; for the loop, which asks in the order in which the inputs came."""
        return _told(self._named.popleft())

    def serve(self, done: concurrent.futures.Future[Any]) -> None:
        """Read inputs in this thread, as the loop asks for them, until something is done."""
        done.add_done_callback(self._wake)
        finished = False
        while not finished:
            with self._changed:
                self._changed.wait_for(lambda: self._request is not None or done.done())
                request, self._request = self._request, None
                if request is not None:
                    request.begun = True
                finished = done.done()
            if request is not None:
                self._answer(request)

    @override
    async def next(self, size: int) -> list[Given]:
        """The next inputs, `size` at the most, as soon as some thread serves."""
        if self._failure is not None:
            raise self._failure
        request = self._asked = _Request(size, asyncio.get_running_loop().create_future())
        self._put(request)
        try:
            await asyncio.wait([request.answered])  # cancelling whoever asks does not undo what is read already
        finally:
            if self._request is request:
                self._put(None)
        read, self._failure = request.answered.result()
        self._asked = None
        if self._failure is not None and not read:
            raise self._failure
        return read

    @override
    def rest(self) -> Iterator[Given]:
        """What was read for somebody who had stopped launching when it came."""
        asked, self._asked = self._asked, None
        return iter(asked.answered.result()[0] if asked is not None and asked.answered.done() else ())

    @override
    async def aclose(self) -> None:
        """Ask for no more, and have the end of what is being read, if that comes soon."""
        asked = self._asked
        if asked is not None and asked.begun:
            await asyncio.wait([asked.answered], timeout=READ_LIMIT)

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
                self._named.append(_name(given, self._names))
            read.append(given)
            if time.monotonic() >= until:
                return


@dataclass(eq=False)
class _Request:
    size: int
    answered: asyncio.Future[Read]
    begun: bool = False

    def answer(self, read: list[Given], failure: Exception | None) -> None:
        """Give the loop what was read."""

        def tell() -> None:
            if not self.answered.done():
                self.answered.set_result((read, failure))

        with suppress(RuntimeError):  # the process ends, and the loop has ended
            self.answered.get_loop().call_soon_threadsafe(tell)


def callers_own(
    inputs: Inputs, names: Sequence[str] | NameOf | None
) -> tuple[Inputs, Sequence[str] | NameOf | None, CallersInputs | None]:
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
    """A function that has the names already; raises what naming an input raised when its turn comes."""
    made = deque(_name(given, names) for given in inputs)
    return lambda _given: _told(made.popleft())


def _name(given: Given, names: NameOf) -> str | Exception:
    try:
        return names(given)
    except Exception as error:  # noqa: BLE001 # a caller's function may raise anything
        return error


def _told(name: str | Exception) -> str:
    if isinstance(name, Exception):
        raise name
    return name
