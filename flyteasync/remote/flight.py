"""Work that is done once for all who ask for it at the same time."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from ..errors import FlyteError

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(eq=False)
class _Flight(Generic[V]):
    task: asyncio.Task[V]
    waiters: int = 0


class SingleFlight(Generic[K, V]):
    """Does work once for all who ask for the same at the same time.

    The work belongs to none of them: one who is cancelled leaves the others alone, and only with the last one the work
    is cancelled, too.
    """

    def __init__(self) -> None:
        self._flights: dict[K, _Flight[V]] = {}

    async def do(self, key: K, work: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """The result of the work that is under way for the key; else of this work, which begins now.

        Raises:
            FlyteError: what the work raises; everybody gets an exception of their own.
        """
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight(asyncio.get_running_loop().create_task(work()))
            flight.task.add_done_callback(partial(self._land, key, flight))
        flight.waiters += 1
        try:
            return await asyncio.shield(flight.task)
        except FlyteError as error:
            raise _copy_of(error) from error.__cause__
        finally:
            flight.waiters -= 1
            if not flight.waiters and not flight.task.done():
                self._land(key, flight)
                flight.task.cancel()

    def _land(self, key: K, flight: _Flight[V], _: object = None) -> None:
        """Let the next one who asks begin anew; another flight may have begun already."""
        if self._flights.get(key) is flight:
            del self._flights[key]


def _copy_of(error: FlyteError) -> FlyteError:
    """A raised exception collects the traceback and the notes of its raiser, and there may be many."""
    copied = copy.copy(error)
    if hasattr(error, "__notes__"):
        copied.__notes__ = list(error.__notes__)
    return copied
