"""Time limits on the engine's clock."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Generator

from ..clock import Clock


@contextlib.contextmanager
def limit(clock: Clock, when: float | None, expired: Callable[[], Exception]) -> Generator[None]:
    """Let the block run until a time of the clock, and raise what `expired` returns if it does not end by then.

    What becomes due at that very instant comes first. None is no limit.
    """
    if when is None:
        yield
        return
    task = asyncio.current_task()
    assert task is not None, "only tasks have time limits"
    before, rang = task.cancelling(), False

    def ring() -> None:
        nonlocal rang
        rang = True
        task.cancel()

    timer = clock.at(when, ring, late=True)
    try:
        yield
    except asyncio.CancelledError:
        # Somebody else may have cancelled the task, too: then it ends.
        if rang and task.uncancel() <= before:
            raise expired() from None
        raise
    finally:
        timer.cancel()
