"""Cancelling a call at every await: it ends at once, leaves no task, and the remote stays usable.

The server runs in a thread, so that every task of the test's loop is the client's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator
from typing import Any

import anyio
import pytest

from flyteasync import FlyteRemote
from flyteasync.server import Fault
from flyteasync.server.control_client import ControlClient
from tests.support.backend import remote_of
from tests.support.loop import settle
from tests.support.threaded import prepared_server

PROMPT = 0.5
"""Seconds within which a cancelled call has ended; the server answers none of them."""

Operation = Callable[[FlyteRemote], Coroutine[Any, Any, object]]


# What is cancelled ...


async def ping(remote: FlyteRemote) -> object:
    return await remote.ping()


async def fetch_task(remote: FlyteRemote) -> object:
    return await remote.fetch_task(name="nothing")


async def fetch_workflow(remote: FlyteRemote) -> object:
    return await remote.fetch_workflow(name="nothing")


async def fetch_launch_plan(remote: FlyteRemote) -> object:
    return await remote.fetch_launch_plan(name="nothing")


async def fetch_execution(remote: FlyteRemote) -> object:
    return await remote.fetch_execution(name="finished")


async def execute_plan(remote: FlyteRemote) -> object:
    return await remote.execute(await remote.fetch_launch_plan(name="nothing", version="v1"))


async def execute_workflow(remote: FlyteRemote) -> object:
    return await remote.execute(await remote.fetch_workflow(name="nothing", version="v1"))


async def execute_by_name(remote: FlyteRemote) -> object:
    plan = await remote.fetch_launch_plan(name="nothing", version="v1")
    return await remote.execute(plan, execution_name=f"run{time.monotonic_ns()}")


async def execute_what_exists(remote: FlyteRemote) -> object:
    plan = await remote.fetch_launch_plan(name="demo.report", version="1")
    return await remote.execute(plan, {"n": 3, "name": "x"}, execution_name="finished")


async def execute_and_wait(remote: FlyteRemote) -> object:
    return await remote.execute(await remote.fetch_launch_plan(name="nothing", version="v1"), wait=True)


async def sync(remote: FlyteRemote) -> object:
    return await remote.execution("finished").sync()


async def sync_nodes(remote: FlyteRemote) -> object:
    return await remote.execution("finished").sync(sync_nodes=True)


async def sync_launched_executions(remote: FlyteRemote) -> object:
    return await remote.execution("launching").sync(sync_nodes=True)


async def wait_for_finished(remote: FlyteRemote) -> object:
    return await remote.execution("finished").wait()


async def wait_for_finished_with_nodes(remote: FlyteRemote) -> object:
    return await remote.execution("finished").wait(sync_nodes=True)


async def wait_for_failed(remote: FlyteRemote) -> object:
    return await remote.execution("failed").wait()


async def wait_for_many(remote: FlyteRemote) -> object:
    names = ["failed", *(f"finished-{index}" for index in range(5))]
    return await asyncio.gather(*(remote.execution(name).wait() for name in names))


async def wait_with_a_time_limit(remote: FlyteRemote) -> object:
    return await remote.execution("finished").wait(timeout=60, poll_interval=0.1)


async def wait_for_all(remote: FlyteRemote) -> object:
    names = ["failed", *(f"finished-{index}" for index in range(5))]
    return await remote.wait_all([remote.execution(name) for name in names], timeout=60)


async def watch_failed(remote: FlyteRemote) -> object:
    return [event async for event in remote.execution("failed").watch()]


async def watch_nodes(remote: FlyteRemote) -> object:
    async with remote.execution("finished").watch(nodes=True) as events:
        return [event async for event in events]


async def look_once(remote: FlyteRemote) -> object:
    return await remote.execution("finished").wait(timeout=0)


async def terminate(remote: FlyteRemote) -> object:
    return await remote.execution("finished").terminate("x")


OPERATIONS: list[Operation] = [
    ping,
    fetch_task,
    fetch_workflow,
    fetch_launch_plan,
    fetch_execution,
    execute_plan,
    execute_workflow,
    execute_by_name,
    execute_what_exists,
    execute_and_wait,
    sync,
    sync_nodes,
    sync_launched_executions,
    wait_for_finished,
    wait_for_finished_with_nodes,
    wait_for_failed,
    wait_for_many,
    wait_with_a_time_limit,
    wait_for_all,
    watch_failed,
    watch_nodes,
    look_once,
    terminate,
]

operations = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.__name__)


# How it is cancelled ...


async def earlier(task: asyncio.Task[Any], when: Callable[[], Awaitable[object]]) -> None:
    """Return at the moment to cancel, or when the task has ended: how often it polls is not the same each time."""
    moment = asyncio.ensure_future(when())
    await asyncio.wait([task, moment], return_when=asyncio.FIRST_COMPLETED)
    if moment.done():
        moment.result()
        return
    moment.cancel()
    await asyncio.wait([moment])


async def by_task(operation: Coroutine[Any, Any, object], when: Callable[[], Awaitable[object]]) -> bool:
    """Cancel the task of an operation; tells whether that came before its end."""
    task = asyncio.ensure_future(operation)
    await earlier(task, when)
    task.cancel()
    began = time.monotonic()
    await asyncio.wait([task])
    assert time.monotonic() - began < PROMPT
    if task.cancelled():
        return True
    task.result()
    return False


async def by_scope(operation: Coroutine[Any, Any, object], when: Callable[[], Awaitable[object]]) -> bool:
    """Cancel a scope around an operation; tells whether that came before its end."""
    scope = anyio.CancelScope()

    async def inside() -> None:
        with scope:
            await operation

    task = asyncio.ensure_future(inside())
    await earlier(task, when)
    scope.cancel()
    began = time.monotonic()
    await asyncio.wait([task])
    assert time.monotonic() - began < PROMPT
    assert not task.cancelled(), "a cancellation went further than its scope"
    task.result()
    return scope.cancelled_caught


cancellations = pytest.mark.parametrize("cancel", [by_task, by_scope])


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with prepared_server() as host:
        yield host.endpoint


@pytest.fixture
async def control(endpoint: str) -> AsyncGenerator[ControlClient]:
    """Tells the server what to do, over a connection of its own."""
    async with ControlClient(endpoint) as client:
        yield client
        await client.set_faults([])


async def hit(control: ControlClient, method: str | None = None) -> None:
    """Return when a call, of any method unless one is given, has met a fault."""
    end = time.monotonic() + 5
    while not (hits := (await control.stats())["hits"]) or method not in {None, *hits}:
        assert time.monotonic() < end, "no call met the fault"


@cancellations
@operations
async def test_a_call_that_the_server_does_not_answer_can_be_cancelled(
    endpoint: str, control: ControlClient, operation: Operation, cancel: Callable[..., Awaitable[bool]]
) -> None:
    async with remote_of(endpoint) as remote:
        await operation(remote)
        methods = dict(remote.stats.attempts)
    for method, count in methods.items():
        for number in range(1, count + 1):
            await control.stats(reset=True)
            await control.set_faults([Fault(method=method, kind="hang", calls=frozenset({number}))])
            async with remote_of(endpoint) as remote:
                before = asyncio.all_tasks()
                if not await cancel(operation(remote), lambda: hit(control)):
                    assert number > 1, f"{method} hung, and {operation.__name__} went on"
                await settle()
                assert asyncio.all_tasks() == before, f"{operation.__name__} left tasks behind"
                await control.set_faults([])
                async with asyncio.timeout(5):
                    await operation(remote)


@cancellations
@operations
async def test_a_call_can_be_cancelled_after_any_number_of_turns_of_the_loop(
    endpoint: str, operation: Operation, cancel: Callable[..., Awaitable[bool]]
) -> None:
    async with remote_of(endpoint) as remote:
        await remote.ping()
        before = asyncio.all_tasks()
        turns, cancelled = 0, True
        while cancelled and turns < 20_000:
            cancelled = await cancel(operation(remote), lambda turns=turns: settle(turns))
            await settle()
            assert asyncio.all_tasks() == before, f"{operation.__name__} left tasks behind after {turns} turns"
            turns += 1 + turns // 4
        assert not cancelled, "it never came to its end"
        async with asyncio.timeout(5):
            await operation(remote)


@cancellations
async def test_a_wait_for_what_runs_can_be_cancelled(
    endpoint: str, control: ControlClient, cancel: Callable[..., Awaitable[bool]]
) -> None:
    async with remote_of(endpoint) as remote:
        execution = remote.execution("running")
        before = asyncio.all_tasks()
        for turns in (0, 1, 5, 50, 500, 2000):
            assert await cancel(execution.wait(poll_interval=0.1), lambda turns=turns: settle(turns))
            await settle()
            assert asyncio.all_tasks() == before
        await execution.sync()
        assert not execution.is_done, "cancelling a wait does not end the execution"
        assert "TerminateExecution" not in remote.stats.attempts


@cancellations
async def test_a_pause_between_attempts_can_be_cancelled(
    endpoint: str, control: ControlClient, cancel: Callable[..., Awaitable[bool]]
) -> None:
    await control.stats(reset=True)
    await control.set_faults([Fault(method="*")])
    async with remote_of(endpoint, options=None) as remote:
        before = asyncio.all_tasks()
        for operation in (fetch_execution, execute_plan, sync):
            assert await cancel(operation(remote), lambda: hit(control))
            await settle()
            assert asyncio.all_tasks() == before
        await control.set_faults([])
        await sync(remote)


@cancellations
async def test_a_launch_that_is_being_looked_for_can_be_cancelled(
    endpoint: str, control: ControlClient, cancel: Callable[..., Awaitable[bool]]
) -> None:
    async with remote_of(endpoint) as remote:
        plan = await remote.fetch_launch_plan(name="nothing")
        await control.stats(reset=True)
        await control.set_faults(
            [Fault(method="CreateExecution", kind="lost_reply"), Fault(method="GetExecution", kind="hang")]
        )

        before = asyncio.all_tasks()
        assert await cancel(remote.execute(plan, execution_name_prefix="sought"), lambda: hit(control, "GetExecution"))
        await settle()
        assert asyncio.all_tasks() == before
        await control.set_faults([])
        await remote.execute(plan)


@cancellations
async def test_leaving_a_block_can_be_cancelled_only_into_closing_at_once(
    endpoint: str, control: ControlClient, cancel: Callable[..., Awaitable[bool]]
) -> None:
    """Cancelled inside of the block, a remote closes without waiting for calls that hang."""
    await control.stats(reset=True)
    await control.set_faults([Fault(method="GetVersion", kind="hang")])
    before = asyncio.all_tasks()

    async def block() -> None:
        async with remote_of(endpoint) as remote, anyio.create_task_group() as group:
            group.start_soon(remote.ping)
            await remote.ping()

    assert await cancel(block(), lambda: hit(control))
    await settle()
    assert asyncio.all_tasks() == before
