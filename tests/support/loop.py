"""The event loop of the tests."""

import asyncio
import time
from collections.abc import Callable
from contextvars import Context
from typing import Any


class WarpLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock can be moved forward, so that no test has to wait for time to pass."""

    def __init__(self) -> None:
        super().__init__()
        self._ahead = 0.0

    def time(self) -> float:
        return super().time() + self._ahead

    def call_soon_threadsafe(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        # All loops of a process share the poller of grpc.aio: whichever runs may learn of the end of a call whose
        # loop is closed, and it is not that test's fault.
        if self.is_closed() and getattr(callback, "__module__", "").startswith("grpc."):
            return asyncio.Handle(callback, args, self)
        return super().call_soon_threadsafe(callback, *args, context=context)

    async def advance(self, seconds: float) -> None:
        """Move the clock forward and let run what has become due."""
        self._ahead += seconds
        for _ in range(5):
            await asyncio.sleep(0)


def clock() -> WarpLoop:
    """The running loop, as the clock that it is."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, WarpLoop)
    return loop


PRECISION = 0.05
"""Seconds that a wait may last longer than its time limit."""


async def end_at(when: float, *tasks: asyncio.Task[Any]) -> None:
    """Move the clock past a point in time, and fail unless the tasks end there: not before, and hardly after."""
    await clock().advance(when - 0.2 - clock().time())
    assert not any(task.done() for task in tasks), "a task ended before its time"
    await clock().advance(when + PRECISION - clock().time())
    await settle()
    assert all(task.done() for task in tasks), "a task did not end in time"


async def settle(turns: int = 20) -> None:
    """Let everything run that can run without I/O."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def eventually(condition: Callable[[], object], limit: float = 5.0) -> None:
    """Return as soon as a condition holds that comes true through I/O, such as a request's arrival.

    Fails after `limit` seconds of real time, which no test moves.
    """
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, "the condition did not come true"
        await asyncio.sleep(0.001)
