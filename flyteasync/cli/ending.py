"""How commands end that have something to tidy up."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Generator
from types import FrameType

import click

TERMINATED = 128 + signal.SIGTERM
"""Exit status after SIGTERM, by the shells' convention."""


@contextlib.contextmanager
def ended_by_sigterm() -> Generator[None]:
    """Have SIGTERM end the block as Ctrl-C does, with all that tidies up after that one, and exit with its own status.

    Without this, the process ends on the spot: a hidden cursor stays hidden, and a child goes on for a moment.
    """
    terminated = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal terminated
        terminated = True
        # asyncio has a handler of its own while it runs, which cancels what runs.
        handler = signal.getsignal(signal.SIGINT)
        if not callable(handler):
            raise KeyboardInterrupt
        handler(signal.SIGINT, frame)

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        if not terminated:
            raise
        raise click.exceptions.Exit(TERMINATED) from None
    finally:
        signal.signal(signal.SIGTERM, previous)
