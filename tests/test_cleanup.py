"""Cleaning up goes on though the task is cancelled again."""

import asyncio

import anyio
import anyio.lowlevel
import pytest

from flyteasync.cleanup import to_the_end
from tests.support.loop import clock, settle


class Work:
    """Something that lasts until it is let go, and notes that it ended."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.go = asyncio.Event()
        self.ended = False

    async def run(self, error: Exception | None = None) -> str:
        self.begun.set()
        await self.go.wait()
        self.ended = True
        if error is not None:
            raise error
        return "done"


async def test_the_result_and_the_error_of_the_work_are_the_callers() -> None:
    work = Work()
    work.go.set()
    assert await to_the_end(work.run()) == "done"
    with pytest.raises(LookupError, match="gone"):
        await to_the_end(work.run(LookupError("gone")))


@pytest.mark.parametrize("error", [None, LookupError("gone")])
async def test_a_task_that_is_cancelled_again_and_again_does_the_work_and_is_cancelled_then(
    error: Exception | None,
) -> None:
    work = Work()
    task = asyncio.ensure_future(to_the_end(work.run(error)))
    await work.begun.wait()
    for _ in range(3):
        task.cancel()
        await settle()
        assert not task.done()
    work.go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert work.ended


async def test_a_cancelled_scope_of_anyio_is_left_after_the_work() -> None:
    work = Work()
    with anyio.CancelScope() as scope:
        scope.cancel()
        asyncio.get_running_loop().call_soon(work.go.set)
        assert await to_the_end(work.run()) == "done"
        await anyio.lowlevel.checkpoint()
        pytest.fail("the scope is cancelled")
    assert scope.cancelled_caught


async def test_a_time_limit_that_comes_during_the_work_is_kept_afterwards() -> None:
    work = Work()
    task = asyncio.ensure_future(asyncio.wait_for(to_the_end(work.run()), 60))
    await work.begun.wait()
    await clock().advance(61)
    assert not task.done()
    work.go.set()
    with pytest.raises(TimeoutError):
        await task
    assert work.ended
