"""How commands end that have something to tidy up."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Generator
from types import FrameType
from typing import TypeVar

import click

T = TypeVar("T")

TERMINATED = 128 + signal.SIGTERM
"""Exit status after SIGTERM, by the shells' convention."""


class TerminatedError(Exception):
    """What ran in an event loop was cancelled by SIGTERM."""


async def cancelled_by_sigterm(work: Awaitable[T]) -> T:
    """Wait for work in the event loop of the main thread, which SIGTERM cancels; raises TerminatedError then.

    An exception raised by a signal's own handler would come up in whatever task runs at that moment.
    """
    task, terminated = asyncio.ensure_future(work), False

    def cancel() -> None:
        nonlocal terminated
        terminated = True
        task.cancel()

    # Windows has no handlers inside of a loop, and nobody sends SIGTERM there.
    with contextlib.suppress(NotImplementedError):
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, cancel)
    try:
        return await task
    except asyncio.CancelledError:
        if terminated:
            raise TerminatedError from None
        raise


@contextlib.contextmanager
def ended_by_sigterm() -> Generator[None]:
    """Have SIGTERM end the block as Ctrl-C does, with all that tidies up after that one, and exit with its own status.

    What runs in an event loop is cancelled by `cancelled_by_sigterm`. Without this, the process ends on the spot: a
    hidden cursor stays hidden, and a child goes on for a moment.
    """
    terminated = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal terminated
        terminated = True
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except TerminatedError:
        raise click.exceptions.Exit(TERMINATED) from None
    except KeyboardInterrupt:
        if not terminated:
            raise
        raise click.exceptions.Exit(TERMINATED) from None
    finally:
        signal.signal(signal.SIGTERM, previous)
