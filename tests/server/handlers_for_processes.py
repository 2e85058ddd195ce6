"""Handlers that another process can import."""

from __future__ import annotations

import gc
import os
import sys
import time


def double(x: int) -> int:
    """Twice as much."""
    return 2 * x


def process_id() -> int:
    """Where it runs."""
    return os.getpid()


def frozen() -> int:
    """How many objects the garbage collector never looks at."""
    return gc.get_freeze_count()


def talk() -> None:
    """Write more than a pipe holds, to both of its ends."""
    sys.stdout.write("out\n" * 40_000)
    sys.stdout.flush()
    sys.stderr.write("a word from the child\n")
    sys.stderr.flush()


def block() -> None:
    """Never return."""
    while True:
        time.sleep(60)


async def block_the_loop() -> None:
    """Never return, and let nobody else."""
    while True:
        time.sleep(60)  # noqa: ASYNC251 # that is the point


HANDLERS = {"double": double, "pid": "tests.server.handlers_for_processes:process_id", "talk": talk, "frozen": frozen}

NOT_HANDLERS = 5


def make_handlers() -> dict[str, object]:
    """What a server is told to call."""
    return {"double": double}


def fail_to_make() -> dict[str, object]:
    """A module that is wrong."""
    raise RuntimeError("cannot be made")
