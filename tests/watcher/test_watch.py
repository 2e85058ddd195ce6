"""Watching executions over a real socket: the events, what they cost, and that nothing stays behind."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from typing import Any

import pytest

from flyteasync import FlyteWorkflowExecution
from flyteasync.cli import demo_workflow
from flyteasync.codec import encode
from flyteasync.errors import (
    FlyteEntityNotExistException,
    FlyteError,
    FlyteInvalidInputException,
    FlyteRemoteClosed,
    FlyteUsageError,
    Status,
)
from flyteasync.idl import admin, core
from flyteasync.server import Fault
from flyteasync.watcher import Event, ExecutionEvent, Name, NodeEvent, Watch
from flyteasync.watcher.events import NodePhase
from flyteasync.watcher.plan import Phase
from tests.support.backend import Backend, remote_of
from tests.support.book import Book, message_of
from tests.support.loop import clock, eventually, settle
from tests.support.wire import Call, Refusal, Wire, hang


async def launch(backend: Backend, plan: str, /, **inputs: Any) -> FlyteWorkflowExecution:
    return await backend.remote.execute(await backend.remote.fetch_launch_plan(name=plan), inputs)


async def collect(watch: Watch) -> list[Event]:
    async with asyncio.timeout(20):
        return [event async for event in watch]


def names(events: list[Event]) -> list[str | None]:
    return [event.phase.name for event in events if isinstance(event, ExecutionEvent)]


async def running(backend: Backend) -> FlyteWorkflowExecution:
    execution = await launch(backend, "hold", name="x")
    await eventually(lambda: backend.held)
    return execution


# What is told ...


async def test_a_watch_tells_each_phase_and_ends_with_the_terminal_one(backend: Backend) -> None:
    execution = await running(backend)
    seen: list[Event] = []
    async for event in execution.watch(poll_interval=0):
        seen.append(event)
        assert execution.closure.phase == event.phase
        backend.gate.set()
    assert names(seen) == ["RUNNING", "SUCCEEDED"]
    assert [event.previous for event in seen] == [None, Phase.RUNNING]
    assert seen[-1].occurred_at == execution.closure.updated_at
    assert execution.is_successful
    assert (await execution.wait()).outputs["o0"] == "x"
    assert backend.remote.watcher.waiting == 0


async def test_a_watch_of_an_ended_execution_tells_its_end_and_asks_nobody(backend: Backend) -> None:
    backend.gate.set()
    execution = await (await launch(backend, "hold", name="x")).wait()
    backend.server.stats.reset()
    (event,) = await collect(execution.watch())
    assert (event.phase, event.previous, event.is_terminal) == (Phase.SUCCEEDED, None, True)
    assert backend.calls() == 0


async def test_the_whole_error_of_a_failed_execution_is_told(backend: Backend) -> None:
    execution = await launch(backend, "fail", text="out of cheese " * 30)
    events = await collect(execution.watch(poll_interval=0))
    assert events[-1].error is not None
    assert "out of cheese " * 30 in events[-1].error.message
    assert events[-1].error == execution.error


async def test_nodes_are_told_between_the_phases_of_their_execution(backend: Backend) -> None:
    execution = await launch(backend, demo_workflow.NAME, **demo_workflow.inputs_of(4))
    events = await collect(execution.watch(nodes=True, poll_interval=0))
    assert isinstance(events[-1], ExecutionEvent)
    assert names(events)[-1] == "SUCCEEDED"
    tree = (await execution.sync(sync_nodes=True)).node_executions
    ended = {event.node_id: event for event in events if isinstance(event, NodeEvent) and event.is_terminal}
    for node_id, node in tree.items():
        assert ended[node_id].phase == node.closure.phase
        assert ended[node_id].occurred_at == node.closure.updated_at
        assert ended[node_id].spec_node_id == node.metadata.spec_node_id
        for below in node.subworkflow_node_executions:
            assert ended[below].parent == node_id
    assert len(ended) == sum(1 + len(node.subworkflow_node_executions) for node in tree.values())


async def test_nodes_of_an_ended_execution_are_told_by_one_list_of_each_level(backend: Backend) -> None:
    backend.gate.set()
    execution = await (await launch(backend, "hold", name="x")).wait()
    backend.server.stats.reset()
    events = await collect(execution.watch(nodes=True))
    assert [event.node_id for event in events if isinstance(event, NodeEvent)] == ["start-node", "n0", "end-node"]
    assert backend.calls() == backend.calls("ListNodeExecutions") == 1


@pytest.mark.parametrize("as_text", [False, True], ids=["event", "id"])
async def test_a_watch_goes_on_after_an_event_without_repeating_any(backend: Backend, as_text: bool) -> None:
    execution = await running(backend)
    async with execution.watch(nodes=True, poll_interval=0) as watch:
        seen = [await anext(watch) for _ in range(3)]
    backend.gate.set()
    handle = backend.remote.execution(execution.id.name)
    rest = await collect(handle.watch(nodes=True, since=seen[-1].id if as_text else seen[-1], poll_interval=0))
    everything = [(type(event), getattr(event, "node_id", ""), event.phase.name) for event in [*seen, *rest]]
    assert len(set(everything)) == len(everything)
    assert everything[0] == (ExecutionEvent, "", "RUNNING")
    assert everything[3:] == [
        (NodeEvent, "n0", "SUCCEEDED"),
        (NodeEvent, "end-node", "SUCCEEDED"),
        (ExecutionEvent, "", "SUCCEEDED"),
    ]
    assert await collect(handle.watch(nodes=True, since=rest[-1])) == []


async def test_several_watches_and_waits_of_one_execution_share_its_polls(backend: Backend) -> None:
    execution = await running(backend)
    handles = [backend.remote.execution(execution.id.name) for _ in range(20)]
    tasks = [asyncio.ensure_future(collect(handle.watch(poll_interval=0))) for handle in handles[:10]]
    waits = [asyncio.ensure_future(handle.wait(poll_interval=0)) for handle in handles[10:]]
    await eventually(lambda: backend.calls("GetExecution") >= 2)
    backend.gate.set()
    for events in await asyncio.gather(*tasks):
        assert names(events) == ["RUNNING", "SUCCEEDED"]
    await asyncio.gather(*waits)
    assert backend.calls("GetExecution") < 12


async def test_phases_are_told_of_executions_that_are_asked_for_in_chunks() -> None:
    book = Book(**{f"e{index}": Phase.QUEUED for index in range(6)})
    async with Wire(book) as wire, remote_of(wire.endpoint) as remote, AsyncExitStack() as blocks:
        watches = [remote.execution(name).watch(poll_interval=0) for name in book.phases]
        for watch in watches:
            await blocks.enter_async_context(watch)
        assert {(await anext(watch)).phase for watch in watches} == {Phase.QUEUED}
        for phase in (Phase.RUNNING, Phase.FAILING, Phase.FAILED):
            book.phases = dict.fromkeys(book.phases, phase)
            events = await asyncio.gather(*(anext(watch) for watch in watches))
            assert {event.phase for event in events} == {phase}
        assert wire.methods.count("ListExecutions") >= 4
        assert remote.watcher.waiting == 0


async def test_somebody_slow_gets_the_phases_that_were_seen_meanwhile() -> None:
    book = Book(e0=Phase.QUEUED)
    async with Wire(book) as wire, remote_of(wire.endpoint) as remote, remote.execution("e0").watch() as watch:
        for phase in (Phase.QUEUED, Phase.RUNNING, Phase.SUCCEEDING, Phase.SUCCEEDED):
            book.phases["e0"] = phase
            before = len(wire.calls)
            await clock().advance(60)
            await eventually(lambda least=before: len(wire.calls) > least)
            await remote.ping()
            await settle()
        assert names(await collect(watch)) == ["QUEUED", "RUNNING", "SUCCEEDING", "SUCCEEDED"]


async def test_pages_of_nodes_that_are_too_large_are_asked_for_in_halves() -> None:
    asked: list[tuple[int, str]] = []

    async def answer(call: Call) -> bytes:
        if call.method != "ListNodeExecutions":
            return await book(call)
        asked.append((call.request.limit, call.request.token))
        if call.request.limit > 60:
            raise Refusal(Status.RESOURCE_EXHAUSTED, "too large")
        return encode(page(call.request, 120))

    book = Book(e0=Phase.SUCCEEDED)
    async with Wire(answer) as wire, remote_of(wire.endpoint) as remote:
        events = await collect(remote.execution("e0").watch(nodes=True))
    assert len({event.node_id for event in events if isinstance(event, NodeEvent)}) == 120
    assert asked == [(200, ""), (100, ""), (50, ""), (50, "50"), (50, "100")]


def page(request: admin.NodeExecutionListRequest, total: int) -> admin.NodeExecutionList:
    """A page of so many nodes that have succeeded."""
    first = int(request.token or 0)
    last = min(total, first + request.limit)
    ended = admin.NodeExecutionClosure(phase=NodePhase.SUCCEEDED)
    nodes = [
        admin.NodeExecution(id=core.NodeExecutionIdentifier(node_id=f"n{index}"), closure=ended)
        for index in range(first, last)
    ]
    return admin.NodeExecutionList(node_executions=nodes, token=str(last) if last - first == request.limit else "")


# What does not end it, and what does ...


@pytest.mark.parametrize("nodes", [False, True])
async def test_an_outage_does_not_end_a_watch(backend: Backend, nodes: bool) -> None:
    execution = await running(backend)
    async with execution.watch(nodes=nodes, poll_interval=0) as watch:
        await anext(watch)
        backend.misbehave(Fault(method="*", status=Status.UNAVAILABLE))
        rest = asyncio.ensure_future(collect(watch))
        await eventually(lambda: sum(backend.server.stats.hits.values()) >= 3)
        backend.gate.set()
        await settle()
        backend.misbehave(Fault(method="ListNodeExecutions", status=Status.UNAVAILABLE, times=2))
        assert (await rest)[-1].phase == Phase.SUCCEEDED


async def test_an_execution_that_does_not_exist_is_told_as_such(backend: Backend) -> None:
    with pytest.raises(FlyteEntityNotExistException, match="nowhere"):
        await collect(backend.remote.execution("nowhere").watch())
    assert backend.remote.watcher.waiting == 0


async def test_an_answer_that_will_not_change_ends_a_watch(backend: Backend) -> None:
    execution = await running(backend)
    async with execution.watch(poll_interval=0) as watch:
        await anext(watch)
        backend.misbehave(Fault(method="*", status=Status.PERMISSION_DENIED, details="no way"))
        with pytest.raises(FlyteError, match="no way"):
            await anext(watch)
    assert backend.remote.watcher.waiting == 0


async def test_closing_the_remote_ends_a_watch_and_says_so(backend: Backend) -> None:
    execution = await running(backend)
    watch = execution.watch()
    await anext(watch)
    waiting = asyncio.ensure_future(anext(watch))
    await settle()
    await backend.remote.aclose()
    with pytest.raises(FlyteRemoteClosed, match=execution.id.name):
        await waiting


@pytest.mark.parametrize(
    ("since", "poll_interval"), [("soon", None), (7, None), (None, -1), (None, float("nan"))], ids=str
)
async def test_bad_arguments_are_refused_before_anything_is_sent(bare: Backend, since: Any, poll_interval: Any) -> None:
    with pytest.raises(FlyteInvalidInputException):
        bare.remote.execution("x").watch(since=since, poll_interval=poll_interval)
    assert bare.calls() == 0


async def test_an_event_of_another_execution_is_no_place_to_go_on_from(backend: Backend) -> None:
    event = await anext((await running(backend)).watch())
    with pytest.raises(FlyteInvalidInputException, match="an event of"):
        backend.remote.execution("other").watch(since=event)


async def test_an_execution_without_a_remote_cannot_be_watched() -> None:
    execution = FlyteWorkflowExecution.promote_from_model(message_of("e0", Phase.RUNNING))
    with pytest.raises(FlyteUsageError, match="without a remote"):
        execution.watch()


# Nothing stays behind ...


async def _break(watch: Watch) -> None:
    async for _ in watch:
        break


async def _raise(watch: Watch) -> None:
    with suppress(LookupError):
        async for _ in watch:
            raise LookupError


async def _leave_block(watch: Watch) -> None:
    async with watch:
        await anext(watch)


async def _close(watch: Watch) -> None:
    await anext(watch)
    await watch.aclose()
    assert await anext(watch, None) is None


async def _cancel(watch: Watch) -> None:
    waiting = asyncio.ensure_future(collect(watch))
    await asyncio.sleep(0.05)
    waiting.cancel()
    await asyncio.wait([waiting])


async def _give_up(watch: Watch) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(collect(watch), 0.05)


@pytest.mark.parametrize("leave", [_break, _raise, _leave_block, _close, _cancel, _give_up], ids=lambda f: f.__name__)
async def test_a_watch_that_is_left_stops_the_poller(
    backend: Backend, leave: Callable[[Watch], Coroutine[Any, Any, None]]
) -> None:
    execution = await running(backend)

    def watch() -> Watch:
        return execution.watch(nodes=True)

    await leave(watch())
    gc.collect()
    await settle()
    assert backend.remote.watcher.waiting == 0
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "flyteasync watcher"]


async def test_a_watch_that_is_collected_as_garbage_in_another_thread_stops_the_poller(backend: Backend) -> None:
    execution = await running(backend)
    held = [execution.watch()]
    await anext(held[0])
    assert backend.remote.watcher.waiting == 1
    await asyncio.to_thread(held.clear)
    await settle()
    assert backend.remote.watcher.waiting == 0


async def test_leaving_one_watch_leaves_the_others_alone(backend: Backend) -> None:
    execution = await running(backend)
    one, other = execution.watch(poll_interval=0), execution.watch(poll_interval=0)
    await anext(one)
    await anext(other)
    await one.aclose()
    backend.gate.set()
    assert names(await collect(other)) == ["SUCCEEDED"]


async def test_a_watch_goes_on_after_an_event_was_not_waited_for_any_longer(backend: Backend) -> None:
    execution = await running(backend)
    watch = execution.watch(poll_interval=0)
    assert (await anext(watch)).phase == Phase.RUNNING
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(watch), 0.05)
    backend.gate.set()
    assert names(await collect(watch)) == ["SUCCEEDED"]


async def test_closing_a_watch_ends_the_iteration_of_another_task(backend: Backend) -> None:
    execution = await running(backend)
    watch = execution.watch()
    events = asyncio.ensure_future(collect(watch))
    await eventually(lambda: backend.remote.watcher.waiting)
    await watch.aclose()
    assert "SUCCEEDED" not in names(await events)


async def test_two_tasks_cannot_wait_for_the_same_event(backend: Backend) -> None:
    execution = await running(backend)
    watch = execution.watch()
    await anext(watch)
    waiting = asyncio.ensure_future(anext(watch))
    await settle()
    with pytest.raises(FlyteUsageError, match="two tasks"):
        await anext(watch)
    await watch.aclose()
    assert isinstance((await asyncio.gather(waiting, return_exceptions=True))[0], StopAsyncIteration)


@pytest.mark.parametrize("method", ["GetExecution", "ListNodeExecutions"])
async def test_a_watch_cancelled_while_it_asks_can_be_gone_on_with(method: str) -> None:
    """Whatever it was about to do: list nodes, load the whole error, or wait for a look."""
    book, stuck = Book(e0=Phase.RUNNING), True

    async def answer(call: Call) -> bytes:
        if call.method == method and stuck:
            return await hang(call)
        return await book(call)

    async with Wire(answer) as wire, remote_of(wire.endpoint) as remote:
        watch = remote.execution("e0").watch(nodes=True)
        task = asyncio.ensure_future(collect(watch))
        await eventually(lambda: method in wire.methods)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert remote.watcher.waiting == 0
        stuck = False
        book.phases["e0"] = Phase.ABORTED
        assert names(await collect(watch))[-1] == "ABORTED"


async def test_a_watch_cancelled_after_any_number_of_steps_leaves_nothing_behind(backend: Backend) -> None:
    execution = await running(backend)
    for steps in range(40):
        task = asyncio.ensure_future(collect(execution.watch(nodes=True, poll_interval=0)))
        await settle(steps)
        await asyncio.sleep(steps * 0.0005)
        task.cancel()
        await asyncio.wait([task])
        await settle(3)
        assert backend.remote.watcher.waiting == 0, steps
    assert (await backend.remote.ping()).version


async def test_names_are_of_the_execution(backend: Backend) -> None:
    execution = await running(backend)
    event = await anext(execution.watch())
    assert event.execution == Name.of(execution.id)
    assert event.to_dict()["execution"] == f"flytesnacks/development/{execution.id.name}"
