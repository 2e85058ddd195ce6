"""Who may go on: so many tasks of the engine begin in one turn of the loop that calls are answered in between."""

from __future__ import annotations

import asyncio
from collections import deque

BEGINNINGS = 2
"""How many tasks begin in a turn of the loop; a node takes about half a millisecond."""


class Turns:
    """Spreads what begins at the same time over turns of the loop, first come, first served."""

    def __init__(self, beginnings: int = BEGINNINGS) -> None:
        self._most = beginnings
        self._begun = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._planned = False

    async def take(self) -> None:
        """Wait until it is the caller's turn; at once if few began in this turn of the loop."""
        if self._begun >= self._most or self._waiting:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn
        else:
            self._begin()

    def _begin(self) -> None:
        self._begun += 1
        if not self._planned:
            self._planned = True
            asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        """Another turn of the loop."""
        self._planned, self._begun = False, 0
        while self._waiting and self._begun < self._most:
            turn = self._waiting.popleft()
            # One that was cancelled while it waited takes nobody's turn.
            if not turn.done():
                turn.set_result(None)
                self._begin()
