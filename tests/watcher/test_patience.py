"""Which failures end waits and which pass, over a real socket; and what is told of an outage."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

import pytest

from flyteasync import FlyteRemote, FlyteWorkflowExecution
from flyteasync.errors import (
    FlyteAuthenticationException,
    FlyteDecodeError,
    FlyteResourceExhausted,
    FlyteSystemUnavailableException,
    FlyteTimeout,
    Status,
)
from flyteasync.server import Fault
from flyteasync.watcher.patience import AUTHENTICATION_LIMIT, OUTAGE_TOLD_AFTER, TIMES, says_too_large
from flyteasync.watcher.plan import Phase
from tests.support.backend import Backend, remote_of
from tests.support.book import Book
from tests.support.loop import clock, eventually, settle
from tests.support.wire import Call, Refusal, Wire, refuse


async def hold(remote: FlyteRemote, count: int) -> list[FlyteWorkflowExecution]:
    """Launch executions that run until the backend's gate is set."""
    plan = await remote.fetch_launch_plan(name="hold")
    return [await remote.execute(plan, {"name": str(index)}) for index in range(count)]


def spawn(coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    return asyncio.ensure_future(coroutine)


async def end(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def pass_time(remote: FlyteRemote, seconds: float, *, steps: int = 10) -> None:
    """Have time pass in steps, after each of which what was asked has been answered."""
    for _ in range(steps):
        await clock().advance(seconds / steps)
        await settle()
        await remote.ping()
        await settle()


class Tokens:
    """A source of tokens that can be told to fail."""

    def __init__(self) -> None:
        self.failure: Exception | None = None

    async def token(self) -> str:
        if self.failure is not None:
            raise self.failure
        return "t"

    async def refresh(self, rejected: str | None) -> bool:
        return False


# Tokens ...


@pytest.mark.parametrize("failure", [OSError("no issuer"), ValueError("half an answer")], ids=["outage", "other"])
@pytest.mark.parametrize("count", [1, 6], ids=["alone", "in a chunk"])
async def test_a_source_of_tokens_that_fails_for_a_moment_ends_no_wait(
    backend: Backend, failure: Exception, count: int
) -> None:
    tokens = Tokens()
    async with remote_of(backend.server.endpoint, tokens=tokens) as remote:
        executions = await hold(remote, count)
        tasks = [spawn(execution.wait(poll_interval=0)) for execution in executions]
        await eventually(lambda: remote.metrics()["polls"] >= 2)
        tokens.failure = failure
        asked = remote.metrics()["polls"]
        await eventually(lambda: remote.metrics()["polls"] >= asked + 2 * count)
        assert not any(task.done() for task in tasks)
        tokens.failure = None
        backend.gate.set()
        await asyncio.gather(*tasks)


@pytest.mark.parametrize("count", [1, 6], ids=["alone", "in a chunk"])
async def test_tokens_that_are_refused_for_long_end_the_waits(backend: Backend, count: int) -> None:
    executions = await hold(backend.remote, count)
    tasks = [spawn(execution.wait()) for execution in executions]
    await eventually(lambda: backend.remote.metrics()["polls"] >= count)
    backend.misbehave(
        *(Fault(method=method, status=Status.UNAUTHENTICATED) for method in ("ListExecutions", "GetExecution"))
    )
    await pass_time(backend.remote, AUTHENTICATION_LIMIT - 2)
    assert not any(task.done() for task in tasks)
    await pass_time(backend.remote, 30)
    for task in tasks:
        with pytest.raises(FlyteAuthenticationException):
            await task


async def test_a_source_of_tokens_that_reaches_nobody_is_waited_out(backend: Backend) -> None:
    tokens = Tokens()
    async with remote_of(backend.server.endpoint, tokens=tokens) as remote:
        (execution,) = await hold(remote, 1)
        waiting = spawn(execution.wait(poll_interval=5))
        await eventually(lambda: remote.metrics()["polls"])
        tokens.failure = ConnectionRefusedError("no issuer")
        await pass_time(backend.remote, 600, steps=20)
        assert not waiting.done()
        tokens.failure = None
        backend.gate.set()
        await clock().advance(60)
        assert (await waiting).is_successful


@pytest.mark.parametrize("failure", [OSError("no issuer"), ValueError("half an answer")], ids=["outage", "other"])
async def test_only_a_source_of_tokens_that_reaches_nobody_is_worth_another_try(
    bare: Backend, failure: Exception
) -> None:
    tokens = Tokens()
    tokens.failure = failure
    async with remote_of(bare.server.endpoint, tokens=tokens) as remote:
        with pytest.raises(FlyteAuthenticationException) as caught:
            await remote.ping()
        assert caught.value.retryable is isinstance(failure, OSError)


# Limits ...


@pytest.mark.parametrize("count", [1, 6], ids=["alone", "in a chunk"])
async def test_a_limit_of_the_rate_of_calls_ends_no_wait(backend: Backend, count: int) -> None:
    executions = await hold(backend.remote, count)
    tasks = [spawn(execution.wait(poll_interval=0)) for execution in executions]
    await eventually(lambda: backend.remote.metrics()["polls"])
    backend.misbehave(Fault(method="*", status=Status.RESOURCE_EXHAUSTED, details="rate limit exceeded"))
    method = "GetExecution" if count == 1 else "ListExecutions"
    hits = backend.server.stats.hits
    await eventually(lambda: hits[method] > TIMES)
    assert sum(hits.values()) == hits[method], "more questions are no help"
    assert not any(task.done() for task in tasks)
    backend.misbehave()
    backend.gate.set()
    await asyncio.gather(*tasks)


async def test_an_execution_that_is_too_large_ends_its_wait_after_a_few_times() -> None:
    async with Wire(refuse(Status.RESOURCE_EXHAUSTED, "received message larger than max")) as wire:
        async with remote_of(wire.endpoint) as remote:
            with pytest.raises(FlyteResourceExhausted, match="larger than max"):
                await remote.execution("e0").wait(poll_interval=0)
        assert wire.methods == ["GetExecution"] * TIMES


@pytest.mark.parametrize(
    ("text", "large"),
    [
        ("Received message larger than max (5 vs. 4)", True),
        ("grpc: trying to send message larger than max", True),
        ("the answer is too large", True),
        ("rate limit exceeded", False),
        ("too many requests", False),
        ("", False),
    ],
)
def test_messages_that_are_too_large_are_told_from_limits_of_rates(text: str, large: bool) -> None:
    assert says_too_large(FlyteResourceExhausted(text)) is large
    called = FlyteResourceExhausted(f"{text} (GetExecution of too-large at host: RESOURCE_EXHAUSTED)", method="Get")
    assert says_too_large(called) is large
    assert not says_too_large(FlyteSystemUnavailableException(text))


async def test_a_reply_that_was_spoiled_on_its_way_ends_no_wait(backend: Backend) -> None:
    execution, watched = await hold(backend.remote, 2)
    waiting = spawn(execution.wait(poll_interval=0))
    backend.misbehave(Fault(method="GetExecution", kind="truncated", times=TIMES - 1))
    await eventually(lambda: backend.server.stats.hits["GetExecution"] == TIMES - 1)
    backend.gate.set()
    assert (await waiting).is_successful
    backend.misbehave(Fault(method="GetExecution", kind="truncated", times=TIMES - 1))
    assert [event.phase async for event in watched.watch(poll_interval=0)] == [Phase.SUCCEEDED]


async def test_replies_that_are_spoiled_each_time_end_the_wait(backend: Backend) -> None:
    (execution,) = await hold(backend.remote, 1)
    backend.misbehave(Fault(method="GetExecution", kind="truncated"))
    with pytest.raises(FlyteDecodeError):
        await execution.wait(poll_interval=0)
    assert backend.server.stats.hits["GetExecution"] == TIMES


# What is told of an outage ...


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Level and text of what the poller logs, debugging aside."""
    return [
        (record.levelname, record.getMessage())
        for record in caplog.records
        if record.name == "flyteasync.watcher" and record.levelno > logging.DEBUG
    ]


async def test_an_outage_is_told_once_and_its_end_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    book, down = Book(**{f"e{index}": Phase.RUNNING for index in range(6)}), False

    async def answer(call: Call) -> bytes:
        if down and call.method != "GetVersion":
            raise Refusal(Status.UNAVAILABLE, "going down")
        return await book(call)

    async with Wire(answer) as wire, remote_of(wire.endpoint) as remote:
        tasks = [spawn(remote.execution(name).wait(poll_interval=2)) for name in book.phases]
        await eventually(lambda: wire.calls)
        for _ in range(2):
            caplog.clear()
            down = True
            await pass_time(remote, OUTAGE_TOLD_AFTER - 5)
            assert told(caplog) == []
            await pass_time(remote, 300, steps=30)
            ((level, text),) = told(caplog)
            assert level == "WARNING"
            assert "waits go on" in text
            assert "going down" in text
            caplog.clear()
            down = False
            await pass_time(remote, 60)
            ((level, text),) = told(caplog)
            assert (level, "answered again" in text) == ("INFO", True)
        await end(*tasks)


async def test_an_outage_that_is_short_is_not_told(caplog: pytest.LogCaptureFixture, backend: Backend) -> None:
    (execution,) = await hold(backend.remote, 1)
    waiting = spawn(execution.wait(poll_interval=1))
    for _ in range(4):
        backend.misbehave(Fault(method="GetExecution", status=Status.UNAVAILABLE))
        await pass_time(backend.remote, 20)
        backend.misbehave()
        await pass_time(backend.remote, 20)
    assert told(caplog) == []
    await end(waiting)


@pytest.mark.parametrize("count", [1, 6], ids=["alone", "in a chunk"])
async def test_a_timeout_tells_that_the_server_did_not_answer(backend: Backend, count: int) -> None:
    executions = await hold(backend.remote, count)
    tasks = [spawn(execution.wait(timeout=20)) for execution in executions]
    await eventually(lambda: backend.remote.metrics()["polls"] >= count)
    backend.misbehave(
        *(Fault(method=name, status=Status.UNAVAILABLE, details="down") for name in ("ListExecutions", "GetExecution"))
    )
    await pass_time(backend.remote, 21)
    for task in tasks:
        with pytest.raises(FlyteTimeout, match=r"did not finish within 20 s.* did not answer.*down") as caught:
            await task
        assert isinstance(caught.value.__cause__, FlyteSystemUnavailableException)


async def test_a_timeout_after_an_outage_does_not_tell_of_it(backend: Backend) -> None:
    (execution,) = await hold(backend.remote, 1)
    waiting = spawn(execution.wait(timeout=20))
    backend.misbehave(Fault(method="GetExecution", status=Status.UNAVAILABLE, times=3))
    await pass_time(backend.remote, 21)
    with pytest.raises(FlyteTimeout) as caught:
        await waiting
    assert "did not answer" not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_an_outage_after_the_end_is_told_too(caplog: pytest.LogCaptureFixture, backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    execution = await backend.remote.with_options(timeout=0.05).execute(plan, {})
    backend.misbehave(Fault(method="GetExecutionData", status=Status.UNAVAILABLE, details="down"))
    waiting = spawn(execution.wait())
    await eventually(lambda: backend.calls("GetExecutionData") >= 2)
    assert told(caplog) == []
    for _ in range(20):
        asked = backend.calls("GetExecutionData")
        await clock().advance(3)
        await eventually(lambda least=asked: backend.calls("GetExecutionData") > least)
    ((level, text),) = told(caplog)
    assert (level, "down" in text) == ("WARNING", True)
    backend.misbehave()
    await clock().advance(10)
    assert (await waiting).is_successful


# What is counted ...


async def test_nothing_lags_while_nobody_waits(bare: Backend) -> None:
    tasks = [spawn(bare.remote.execution("x", project=f"p{index}").wait()) for index in range(10)]
    await settle(5)
    await end(*tasks)
    await clock().advance(60)
    assert bare.remote.metrics()["lag"] == 0.0


async def test_an_end_that_nobody_waits_for_is_not_counted() -> None:
    book, gate = Book(e0=Phase.SUCCEEDED, e1=Phase.RUNNING), asyncio.Event()

    async def answer(call: Call) -> bytes:
        if call.method == "GetExecution" and call.request.id.name == "e0":
            await gate.wait()
        return await book(call)

    async with Wire(answer) as wire, remote_of(wire.endpoint) as remote:
        left, other = (spawn(remote.execution(name).wait(poll_interval=0)) for name in book.phases)
        await eventually(lambda: len(wire.calls) >= 2)
        await end(left)
        gate.set()
        await eventually(lambda: wire.methods.count("GetExecution") >= 4)
        await remote.ping()
        await settle()
        assert remote.metrics()["done"] == 0
        await end(other)
