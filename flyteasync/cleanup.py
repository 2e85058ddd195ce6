"""Cleaning up in a task that was cancelled, and may be cancelled again meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import anyio

T = TypeVar("T")


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Do what has to be done before the calling task may go on being cancelled.

    A shield of anyio holds back its own cancel scopes, not `Task.cancel`, which comes twice with a second Ctrl-C or the
    time limit of a shutdown. So the work is a task of its own, which whatever is cancelled outside does not reach; it
    has to bound itself.

    Raises:
        CancelledError: the caller was cancelled meanwhile; the work is over all the same.
    """
    task = asyncio.get_running_loop().create_task(work)
    cancelled: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError as error:
                cancelled = error
    if cancelled is None:
        return task.result()
    if not task.cancelled():
        task.exception()  # seen: the cancellation counts
    raise cancelled
