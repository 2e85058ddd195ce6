"""Watches whose next event is awaited for a limited time, and such that are closed while something is asked."""

from __future__ import annotations

import asyncio

import pytest

from flyteasync import FlyteWorkflowExecution
from flyteasync.codec import encode
from flyteasync.errors import FlyteDecodeError, Status
from flyteasync.idl import admin
from flyteasync.server import Fault
from flyteasync.watcher import Event, NodeEvent, Watch
from flyteasync.watcher.patience import TIMES
from flyteasync.watcher.plan import Phase
from tests.support.backend import LONG_TEXT, Backend, remote_of
from tests.support.book import Book
from tests.support.loop import clock, eventually, settle
from tests.support.wire import Call, Refusal, Wire


async def ended(backend: Backend) -> FlyteWorkflowExecution:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    return await backend.remote.execute(plan, {}, wait=True)


async def collect(watch: Watch) -> list[Event]:
    async with asyncio.timeout(20):
        return [event async for event in watch]


async def bit_by_bit(watch: Watch, limit: float) -> list[Event]:
    """All events, none of which is awaited for longer than the limit at a time."""
    events: list[Event] = []
    async with asyncio.timeout(20):
        while True:
            try:
                async with asyncio.timeout(limit):  # `wait_for` of Python 3.11 loses cancellations
                    event = await anext(watch, None)
            except TimeoutError:
                continue
            if event is None:
                return events
            events.append(event)


@pytest.mark.parametrize("nodes", [False, True])
async def test_time_limits_that_are_shorter_than_a_question_lose_nothing(nodes: bool) -> None:
    slow = [Fault(method=method, kind="delay", delay=0.1) for method in ("GetExecution", "ListNodeExecutions")]
    async with Backend(*slow) as backend:
        plan = await backend.remote.fetch_launch_plan(name="nothing")
        execution = await backend.remote.execute(plan, {})
        async with execution.watch(nodes=nodes) as watch:
            events = await bit_by_bit(watch, 0.02)
        assert events[-1].phase == Phase.SUCCEEDED
        assert any(isinstance(event, NodeEvent) for event in events) is nodes


async def test_time_limits_cost_no_more_questions() -> None:
    book = Book(e0=Phase.RUNNING)
    async with Wire(book) as wire, remote_of(wire.endpoint) as remote:

        async def asked_within(limit: float) -> int:
            """How many questions a watch asks in ten minutes whose events are awaited so long at a time."""
            before, end = len(wire.calls), clock().time() + 600
            async with remote.execution("e0").watch() as watch:
                await anext(watch)
                while clock().time() < end:
                    waiting = asyncio.ensure_future(asyncio.wait_for(anext(watch), limit))
                    while not waiting.done() and clock().time() < end:
                        await clock().advance(1)
                        await asyncio.sleep(0.001)
                    waiting.cancel()
                    await asyncio.wait([waiting])
            await settle()
            return len(wire.calls) - before

        undisturbed = await asked_within(1000)
        assert 30 < undisturbed < 120
        assert await asked_within(15) <= 1.2 * undisturbed


async def test_closing_a_watch_ends_it_at_once_while_nodes_cannot_be_listed(backend: Backend) -> None:
    execution = await ended(backend)
    backend.misbehave(Fault(method="ListNodeExecutions", status=Status.UNAVAILABLE))
    watch = execution.watch(nodes=True)
    events = asyncio.ensure_future(collect(watch))
    await eventually(lambda: backend.calls("ListNodeExecutions") >= 2)
    await watch.aclose()
    await settle()
    assert events.done()
    assert await events == []


async def test_closing_a_watch_ends_a_question_that_hangs(backend: Backend) -> None:
    execution = await ended(backend)
    backend.misbehave(Fault(method="ListNodeExecutions", kind="hang"))
    watch = execution.watch(nodes=True)
    events = asyncio.ensure_future(collect(watch))
    await eventually(lambda: backend.server.stats.in_flight)
    await watch.aclose()
    await settle()
    assert events.done()
    assert await events == []
    await eventually(lambda: backend.server.stats.in_flight == 0)


async def test_leaving_the_block_ends_what_a_time_limit_left_under_way(backend: Backend) -> None:
    execution = await ended(backend)
    backend.misbehave(Fault(method="ListNodeExecutions", kind="hang"))
    async with execution.watch(nodes=True) as watch:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(watch), 0.05)
        await eventually(lambda: backend.server.stats.in_flight)
    await eventually(lambda: backend.server.stats.in_flight == 0)


async def test_a_failure_that_nobody_awaited_is_told_by_the_next_one_who_does(backend: Backend) -> None:
    execution = await ended(backend)
    backend.misbehave(
        Fault(method="ListNodeExecutions", status=Status.PERMISSION_DENIED, details="not yours", delay=0.1)
    )
    async with execution.watch(nodes=True) as watch:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(watch), 0.02)
        await eventually(lambda: backend.calls("ListNodeExecutions"))
        with pytest.raises(Exception, match="not yours"):
            await anext(watch)


@pytest.mark.parametrize(
    ("status", "text"), [(Status.RESOURCE_EXHAUSTED, "rate limit exceeded"), (Status.UNAUTHENTICATED, "who?")]
)
async def test_a_failure_that_may_pass_does_not_end_a_watch_of_nodes(
    backend: Backend, status: Status, text: str
) -> None:
    execution = await ended(backend)
    backend.misbehave(Fault(method="ListNodeExecutions", status=status, details=text, times=2))
    events = await collect(execution.watch(nodes=True, poll_interval=0))
    assert events[-1].phase == Phase.SUCCEEDED
    assert {event.node_id for event in events if isinstance(event, NodeEvent)} >= {"start-node", "n0"}


async def test_a_page_token_that_comes_again_each_time_ends_a_watch_of_nodes() -> None:
    asked: list[str] = []

    async def answer(call: Call) -> bytes:
        if call.method != "ListNodeExecutions":
            return await Book(e0=Phase.SUCCEEDED)(call)
        asked.append(call.request.token)
        if len(asked) > 100:
            raise Refusal(Status.FAILED_PRECONDITION, "without end")
        return encode(admin.NodeExecutionList(token="1"))

    async with Wire(answer) as wire, remote_of(wire.endpoint) as remote:
        with pytest.raises(FlyteDecodeError, match="the page token '1' twice"):
            await collect(remote.execution("e0").watch(nodes=True, poll_interval=0))
    assert asked == ["", "1"] * TIMES


async def test_a_block_cancelled_after_any_number_of_steps_leaves_nothing_behind(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="hold")
    execution = await backend.remote.execute(plan, {"name": "x"})
    await eventually(lambda: backend.held)

    async def iterate() -> None:
        async with execution.watch(nodes=True, poll_interval=0) as watch:
            await bit_by_bit(watch, 0.003)

    for steps in range(30):
        task = asyncio.ensure_future(iterate())
        await settle(steps)
        await asyncio.sleep(steps * 0.0005)
        task.cancel()
        await asyncio.wait([task])
        await settle(3)
        assert backend.remote.watcher.waiting == 0, steps
    assert (await backend.remote.ping()).version


@pytest.mark.parametrize(
    "status", [Status.UNAVAILABLE, Status.RESOURCE_EXHAUSTED, Status.UNAUTHENTICATED, Status.PERMISSION_DENIED]
)
async def test_a_watch_tells_the_end_even_if_the_whole_error_cannot_be_had(backend: Backend, status: Status) -> None:
    view = backend.remote.with_options(timeout=0.1)
    plan = await view.fetch_launch_plan(name="fail")
    executions = [await view.execute(plan, {"text": LONG_TEXT}) for _ in range(5)]
    for execution in executions:
        await backend.remote.execution(execution.id.name).wait()
    backend.misbehave(Fault(method="GetExecution", status=status))
    for events in await asyncio.gather(*(collect(execution.watch()) for execution in executions)):
        error = events[-1].error
        assert error is not None
        assert 90 < len(error.message) <= 100


async def test_that_nodes_cannot_be_listed_is_told_once(backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    execution = await ended(backend)
    backend.misbehave(Fault(method="ListNodeExecutions", status=Status.UNAVAILABLE, details="down"))
    async with execution.watch(nodes=True, poll_interval=1) as watch:
        first = asyncio.ensure_future(anext(watch))
        for _ in range(60):
            asked = backend.calls("ListNodeExecutions")
            await clock().advance(1.2)
            await eventually(lambda least=asked: backend.calls("ListNodeExecutions") > least)
        assert [record.levelname for record in caplog.records if "down" in record.getMessage()] == ["WARNING"]
        backend.misbehave()
        await clock().advance(1.2)
        assert isinstance(await first, NodeEvent)
