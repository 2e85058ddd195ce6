"""The event loop of the tests."""

import asyncio


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
