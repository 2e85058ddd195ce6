"""The engine's clock: what time records carry, and how simulated work passes."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime


class Clock:
    """Real time."""

    def now(self) -> datetime:
        """The time that records carry, in UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Let that much time pass."""
        await asyncio.sleep(seconds)
