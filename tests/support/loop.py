"""The event loop of the tests."""

import asyncio
import time
from collections.abc import Callable


class WarpLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock can be moved forward, so that no test has to wait for time to pass."""

    def __init__(self) -> None:
        super().__init__()
        self._ahead = 0.0

    def time(self) -> float:
        return super().time() + self._ahead

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
