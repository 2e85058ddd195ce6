"""How a process that does nothing but serve looks for garbage."""

from __future__ import annotations

import gc

YOUNG, MIDDLE, OLD = 2_000, 10, 1_000


def collect_rarely() -> None:
    """Look through everything only once in millions of new objects.

    The store keeps what it is told, so its objects become ever more and are no garbage. Python's own settings have it
    look through all of them, over and over, for tenths of a second in which nobody is answered. What is young, and so
    all that a call leaves behind, is looked through as ever. This is the whole process's business: nothing that runs in
    somebody else's may call it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
