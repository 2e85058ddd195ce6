"""Waiting, over a real socket: what it costs, when it ends, and what does not end it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from typing import Any

import anyio
import pytest

from flyteasync import FlyteRemote, FlyteWorkflowExecution
from flyteasync.codec import encode
from flyteasync.errors import (
    FlyteEntityNotExistException,
    FlyteError,
    FlyteRemoteClosed,
    FlyteTimeout,
    Status,
)
from flyteasync.idl import admin
from flyteasync.server import Fault
from flyteasync.watcher.line import POLLS_IN_FLIGHT_EACH, SINGLY
from flyteasync.watcher.plan import ABORTING_LIMIT, VERIFY, Phase
from tests.support.backend import Backend, remote_of
from tests.support.book import Book
from tests.support.loop import clock, end_at, eventually, settle
from tests.support.wire import Call, Refusal, Relay, Wire, hang


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


async def quiet(remote: FlyteRemote) -> None:
    """Return when what has been asked has been answered: a ping overtakes no question that was sent before it."""
    await remote.ping()
    await settle()


def pollers() -> list[str]:
    return [task.get_name() for task in asyncio.all_tasks() if task.get_name() == "flyteasync watcher"]


def asked(backend: Backend) -> int:
    """How many RPCs asked for phases."""
    return backend.calls("ListExecutions") + backend.calls("GetExecution")


@pytest.fixture
async def relayed(backend: Backend) -> AsyncGenerator[tuple[Wire, Relay]]:
    """A wire that passes everything on to the backend, and records it."""
    relay = Relay(backend.server.endpoint)
    async with Wire(relay) as wire:
        yield wire, relay
    await relay.aclose()


# What it costs ...


async def test_many_waits_share_a_few_questions(backend: Backend) -> None:
    executions = await hold(backend.remote, 60)
    backend.server.stats.reset()
    tasks = [spawn(execution.wait()) for execution in executions]
    await eventually(lambda: backend.calls("ListExecutions") >= 2)
    backend.gate.set()
    await asyncio.gather(*tasks)
    assert all(execution.is_successful for execution in executions)
    assert backend.calls("ListExecutions") <= 6
    assert backend.calls("GetExecution") == 0
    assert backend.calls("GetExecutionData") == 60
    assert [execution.outputs["o0"] for execution in executions] == [str(index) for index in range(60)]


async def test_one_wait_costs_one_question_a_look_and_its_data(backend: Backend) -> None:
    (execution,) = await hold(backend.remote, 1)
    backend.gate.set()
    await eventually(lambda: backend.held)
    await settle()
    backend.server.stats.reset()
    await execution.wait()
    assert backend.calls("GetExecutionData") == 1
    assert asked(backend) <= 2


async def test_many_chunks_are_asked_for_one_after_another_and_not_in_a_burst(bare: Backend) -> None:
    """At most 50 questions a second, however many are due: the intervals stretch."""
    bare.misbehave(Fault(method="*", status=Status.UNAVAILABLE))
    handles = [
        bare.remote.execution(f"run-{index}", project=f"project-{number}") for number in range(60) for index in range(4)
    ]
    tasks = [spawn(handle.wait(poll_interval=0.1)) for handle in handles]
    loop, attempts = asyncio.get_running_loop(), bare.remote.stats.attempts
    await eventually(lambda: attempts["ListExecutions"])
    began = loop.time()
    await eventually(lambda: loop.time() - began > 0.6)
    assert 10 <= attempts["ListExecutions"] <= 50 * (loop.time() - began) + 2
    await end(*tasks)


async def test_who_waits_most_eagerly_sets_the_pace_as_long_as_he_waits(backend: Backend) -> None:
    (execution,) = await hold(backend.remote, 1)
    sent = backend.remote.stats.attempts

    async def looks(seconds: int) -> int:
        """How many questions are sent in so many seconds, a second at a time."""
        before = sent["GetExecution"]
        for _ in range(seconds):
            await clock().advance(1)
            await settle()
            await quiet(backend.remote)
        return sent["GetExecution"] - before

    patient = spawn(execution.wait())
    await eventually(lambda: asked(backend))
    await clock().advance(600)
    await looks(40)
    assert 1 <= await looks(60) <= 3
    eager = spawn(backend.remote.execution(execution.id.name).wait(poll_interval=2))
    assert await looks(60) >= 20  # as of any wait that has just begun
    assert 8 <= await looks(60) <= 40
    await end(eager)
    await looks(3)  # the look that was due when he left
    assert 1 <= await looks(60) <= 3
    await end(patient)


# When it ends ...


@pytest.mark.parametrize("count", [1, 6], ids=["alone", "in a chunk"])
async def test_a_wait_ends_at_its_deadline_and_says_what_it_waited_for(backend: Backend, count: int) -> None:
    executions = await hold(backend.remote, count)
    tasks = [spawn(execution.wait(timeout=90)) for execution in executions]
    await settle(1)
    deadline = clock().time() + 90
    await eventually(lambda: asked(backend))
    await end_at(deadline, *tasks)
    for execution, task in zip(executions, tasks, strict=True):
        with pytest.raises(FlyteTimeout) as caught:
            await task
        assert f"flytesnacks/development/{execution.id.name}" in str(caught.value)
        assert "90 s" in str(caught.value)
        assert caught.value.identifier == f"flytesnacks/development/{execution.id.name}"
        assert isinstance(caught.value, TimeoutError)
    await settle()
    assert pollers() == []


async def test_the_text_of_a_timeout_tells_the_phase(backend: Backend) -> None:
    (execution,) = await hold(backend.remote, 1)
    await eventually(lambda: backend.held)
    task = spawn(execution.wait(timeout=3600))
    await eventually(lambda: backend.calls("GetExecution") >= 2)
    await clock().advance(3600)
    with pytest.raises(FlyteTimeout, match="RUNNING"):
        await task


async def test_a_deadline_is_kept_while_the_server_hangs(backend: Backend) -> None:
    executions = await hold(backend.remote, 5)
    backend.misbehave(Fault(method="*", kind="hang"))
    tasks = [spawn(execution.wait(timeout=5 + index)) for index, execution in enumerate(executions)]
    await settle(1)
    began = clock().time()
    await eventually(lambda: backend.server.stats.in_flight)
    for index, task in enumerate(tasks):
        await end_at(began + 5 + index, task)
        assert not any(later.done() for later in tasks[index + 1 :])
        with pytest.raises(FlyteTimeout):
            await task


async def test_each_wait_has_its_own_deadline(backend: Backend) -> None:
    (execution,) = await hold(backend.remote, 1)
    soon = spawn(execution.wait(timeout=1))
    late = spawn(execution.wait(timeout=100))
    never = spawn(execution.wait())
    await eventually(lambda: asked(backend))
    await clock().advance(1)
    with pytest.raises(FlyteTimeout, match="within 1 s"):
        await soon
    assert not late.done()
    backend.gate.set()
    assert (await late).is_successful
    assert await never is execution


async def test_an_execution_that_does_not_exist_ends_its_wait_and_no_other(backend: Backend) -> None:
    executions = await hold(backend.remote, 3)
    handles = [backend.remote.execution(f"nowhere-{index}") for index in range(5)]
    handles += [backend.remote.execution(execution.id.name) for execution in executions]
    tasks = [spawn(handle.wait()) for handle in handles]
    for index in range(5):
        with pytest.raises(FlyteEntityNotExistException, match=f"nowhere-{index}"):
            await tasks[index]
    backend.gate.set()
    assert all(execution.is_successful for execution in await asyncio.gather(*tasks[5:]))


@pytest.mark.parametrize(
    "status",
    [Status.PERMISSION_DENIED, Status.INVALID_ARGUMENT, Status.UNIMPLEMENTED],
    ids=lambda status: status.name,
)
@pytest.mark.parametrize("count", [1, 6], ids=["alone", "in a chunk"])
async def test_an_answer_that_will_not_change_ends_the_waits(backend: Backend, status: Status, count: int) -> None:
    executions = await hold(backend.remote, count)
    backend.misbehave(Fault(method="*", status=status, details="no way"))
    tasks = [spawn(execution.wait()) for execution in executions]
    for task in tasks:
        with pytest.raises(FlyteError, match="no way") as caught:
            await task
        assert caught.value.status is status
    await settle()
    assert pollers() == []


@pytest.mark.parametrize("count", [1, 6], ids=["alone", "in a chunk"])
async def test_a_wait_ends_when_its_execution_has_been_deleted(count: int) -> None:
    book = Book(**{f"e{index}": Phase.RUNNING for index in range(count)})
    async with Wire(book) as wire, remote_of(wire.endpoint) as remote:
        executions = [await remote.execution(name).sync() for name in book.phases]
        tasks = [spawn(execution.wait(timeout=36_000)) for execution in executions]
        await eventually(lambda: len(wire.calls) > 2 * count)
        await quiet(remote)
        del book.phases["e0"]
        await clock().advance(VERIFY + 60)
        with pytest.raises(FlyteEntityNotExistException, match="no e0"):
            await tasks[0]
        await settle()
        assert not any(task.done() for task in tasks[1:])
        await remote.aclose()
        await asyncio.gather(*tasks[1:], return_exceptions=True)


async def test_names_that_are_missing_are_looked_up_several_at_a_time_but_not_all_at_once() -> None:
    asked, most, gate = 0, 0, asyncio.Event()

    async def answer(call: Call) -> bytes:
        nonlocal asked, most
        if call.method == "ListExecutions":
            return encode(admin.ExecutionList())
        asked += 1
        most = max(most, asked)
        await gate.wait()
        asked -= 1
        raise Refusal(Status.NOT_FOUND, "nowhere")

    async with Wire(answer) as wire, remote_of(wire.endpoint) as remote:
        tasks = [spawn(remote.execution(f"nowhere-{index}").wait()) for index in range(20)]
        await eventually(lambda: asked == POLLS_IN_FLIGHT_EACH)
        gate.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(result) for result in results} == {FlyteEntityNotExistException}
        assert most == POLLS_IN_FLIGHT_EACH
        assert wire.methods.count("GetExecution") == 20


async def test_projects_that_do_not_answer_hold_up_no_other() -> None:
    book = Book(good=Phase.SUCCEEDED)

    async def answer(call: Call) -> bytes:
        return await (book if call.request.id.project == "flytesnacks" else hang)(call)

    async with Wire(answer) as wire, remote_of(wire.endpoint) as remote:
        stuck = [spawn(remote.execution(f"e{i}", project=f"p{i // 3}").wait()) for i in range(30)]
        await eventually(lambda: len(wire.calls) == 30)
        async with asyncio.timeout(5):
            assert (await remote.execution("good").wait()).is_successful
        await end(*stuck)


async def test_aborting_that_does_not_end_is_warned_about_once(caplog: pytest.LogCaptureFixture) -> None:
    book = Book(e0=Phase.ABORTING)
    async with Wire(book) as wire, remote_of(wire.endpoint) as remote:
        waiting = spawn(remote.execution("e0").wait())
        for number, passed in enumerate((60, ABORTING_LIMIT - 90, 60, ABORTING_LIMIT, 0), 1):
            await eventually(lambda least=number: wire.methods.count("GetExecution") >= least)
            await quiet(remote)
            assert ("ABORTING" in caplog.text) is (number > 3)
            await clock().advance(passed)
        warnings = [record for record in caplog.records if "ABORTING" in record.getMessage()]
        assert len(warnings) == 1
        assert vars(warnings[0])["execution"] == "flytesnacks/development/e0"
        assert not waiting.done()
        book.phases["e0"] = Phase.ABORTED
        await clock().advance(60)
        assert (await waiting).closure.phase == Phase.ABORTED


@pytest.mark.parametrize("count", [1, 6], ids=["alone", "in a chunk"])
async def test_the_text_of_a_timeout_tells_the_phase_as_it_was_at_the_end(count: int) -> None:
    book = Book(**{f"e{index}": Phase.UNDEFINED for index in range(count)})
    async with Wire(book) as wire, remote_of(wire.endpoint) as remote:
        executions = [await remote.execution(name).sync() for name in book.phases]
        tasks = [spawn(execution.wait(timeout=100)) for execution in executions]
        await settle(1)
        deadline = clock().time() + 100
        await eventually(lambda: len(wire.calls) > 2 * count)
        await quiet(remote)
        book.phases = dict.fromkeys(book.phases, Phase.FAILING)
        await clock().advance(deadline - 1.4 - clock().time())
        before = len(wire.calls)
        await eventually(lambda: len(wire.calls) >= before + (1 if count > SINGLY else count))
        await quiet(remote)
        await end_at(deadline, *tasks)
        for execution, task in zip(executions, tasks, strict=True):
            with pytest.raises(FlyteTimeout, match=rf"{execution.id.name} did not finish within 100 s: .* FAILING"):
                await task


async def test_one_execution_that_may_not_be_seen_does_not_end_the_waits_for_others(
    backend: Backend, relayed: tuple[Wire, Relay]
) -> None:
    wire, relay = relayed
    one, other = await hold(backend.remote, 2)

    async def answer(call: Call) -> bytes:
        if call.method == "GetExecution" and call.request.id.name == one.id.name:
            raise Refusal(Status.PERMISSION_DENIED, "not yours")
        return await relay(call)

    wire.answer = answer
    async with remote_of(wire.endpoint) as remote:
        refused, waiting = (spawn(remote.execution(execution.id.name).wait()) for execution in (one, other))
        with pytest.raises(FlyteError, match="not yours"):
            await refused
        await settle()
        assert not waiting.done()
        backend.gate.set()
        assert (await waiting).is_successful


async def test_waiting_sees_executions_that_somebody_archived(backend: Backend) -> None:
    executions = await hold(backend.remote, 5)
    for execution in executions:
        await backend.remote.admin.update_execution(
            admin.ExecutionUpdateRequest(id=execution.id, state=admin.ExecutionState.EXECUTION_ARCHIVED)
        )
    backend.gate.set()
    async with asyncio.timeout(5):
        await asyncio.gather(*(execution.wait() for execution in executions))


# What does not end it ...


@pytest.mark.parametrize("count", [1, 6], ids=["alone", "in a chunk"])
@pytest.mark.parametrize(
    "fault",
    [
        Fault(method="*", status=Status.UNAVAILABLE),
        Fault(method="*", status=Status.INTERNAL),
        Fault(method="*", status=Status.UNKNOWN),
        Fault(method="*", kind="hang"),
    ],
    ids=["unavailable", "internal", "unknown", "hang"],
)
async def test_an_outage_does_not_end_a_wait_which_goes_on_after_it(backend: Backend, fault: Fault, count: int) -> None:
    executions = await hold(backend.remote, count)
    backend.misbehave(fault)
    tasks = [spawn(execution.wait(timeout=3600, poll_interval=0.1)) for execution in executions]
    hits = backend.server.stats.hits
    await eventually(lambda: sum(hits.values()) >= (1 if fault.kind == "hang" else 2))
    backend.gate.set()
    backend.misbehave()
    if fault.kind == "hang":
        # The question under way is given up after ten seconds, which pass at the server only.
        await end(*tasks)
        tasks = [spawn(execution.wait(timeout=3600, poll_interval=0.1)) for execution in executions]
    await asyncio.gather(*tasks)
    assert all(execution.is_successful for execution in executions)


async def test_a_cancelled_wait_leaves_the_others_and_the_execution_alone(backend: Backend) -> None:
    one, other = await hold(backend.remote, 2)
    tasks = [spawn(one.wait()), spawn(one.wait()), spawn(other.wait())]
    await eventually(lambda: asked(backend))
    tasks[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    await settle()
    assert not tasks[1].done()
    assert not tasks[2].done()
    backend.gate.set()
    await asyncio.gather(*tasks[1:])
    assert one.is_successful
    assert other.is_successful


async def test_a_scope_that_ends_a_wait_leaves_the_others_alone(backend: Backend) -> None:
    (execution,) = await hold(backend.remote, 1)
    waiting = spawn(execution.wait())
    with anyio.move_on_after(0.05) as scope:
        await execution.wait()
    assert scope.cancelled_caught
    backend.gate.set()
    assert (await waiting).is_successful


async def test_two_waits_for_one_execution_both_see_its_end(backend: Backend) -> None:
    (execution,) = await hold(backend.remote, 1)
    handle = backend.remote.execution(execution.id.name)
    tasks = [spawn(execution.wait()), spawn(handle.wait()), spawn(handle.wait())]
    await eventually(lambda: asked(backend))
    backend.gate.set()
    assert await asyncio.gather(*tasks) == [execution, handle, handle]
    assert handle.outputs["o0"] == "0"


# Too large answers ...


async def test_an_answer_that_is_too_large_is_asked_for_in_halves(
    backend: Backend, relayed: tuple[Wire, Relay]
) -> None:
    wire, relay = relayed
    executions = await hold(backend.remote, 12)
    names = {execution.id.name for execution in executions}

    async def answer(call: Call) -> bytes:
        if call.method == "ListExecutions" and sum(name in call.request.filters for name in names) > 3:
            raise Refusal(Status.RESOURCE_EXHAUSTED, "Received message larger than max")
        return await relay(call)

    wire.answer = answer
    async with remote_of(wire.endpoint) as remote:
        tasks = [spawn(remote.execution(name).wait()) for name in names]
        await eventually(lambda: wire.methods.count("ListExecutions") >= 7)
        assert not any(task.done() for task in tasks)
        backend.gate.set()
        await asyncio.gather(*tasks)


async def test_an_answer_that_cannot_be_made_small_enough_ends_the_wait_for_it_alone(
    backend: Backend, relayed: tuple[Wire, Relay]
) -> None:
    wire, relay = relayed
    executions = await hold(backend.remote, 6)
    huge = executions[0].id.name

    async def answer(call: Call) -> bytes:
        if huge in call.payload.decode(errors="ignore"):
            raise Refusal(Status.RESOURCE_EXHAUSTED, "Received message larger than max")
        return await relay(call)

    wire.answer = answer
    async with remote_of(wire.endpoint) as remote:
        tasks = [spawn(remote.execution(execution.id.name).wait()) for execution in executions]
        with pytest.raises(FlyteError, match="larger than max"):
            await tasks[0]
        backend.gate.set()
        assert all(execution.is_successful for execution in await asyncio.gather(*tasks[1:]))


# The poller ...


async def test_the_poller_lives_while_somebody_waits_and_is_made_again(backend: Backend) -> None:
    one, other = await hold(backend.remote, 2)
    assert pollers() == []
    for execution in (one, other):
        waiting = spawn(execution.wait())
        await settle()
        assert len(pollers()) == 1
        await end(waiting)
        await settle()
        assert pollers() == []
    before = asked(backend)
    await clock().advance(3600)
    await settle()
    assert asked(backend) == before
    backend.gate.set()
    await other.wait()
    assert other.is_successful


async def test_a_wait_that_begins_as_the_last_one_ends_is_served(backend: Backend) -> None:
    one, other = await hold(backend.remote, 2)
    first = spawn(one.wait())
    await eventually(lambda: asked(backend))
    first.cancel()
    second = spawn(other.wait())
    await asyncio.wait([first])
    backend.gate.set()
    assert (await second).is_successful


async def test_closing_the_remote_fails_the_waits_and_says_so(backend: Backend) -> None:
    executions = await hold(backend.remote, 6)
    tasks = [spawn(execution.wait(timeout=60)) for execution in executions]
    await eventually(lambda: asked(backend))
    await backend.remote.aclose()
    for execution, task in zip(executions, tasks, strict=True):
        with pytest.raises(FlyteRemoteClosed, match=execution.id.name):
            await task
    assert pollers() == []
    with pytest.raises(FlyteRemoteClosed):
        await executions[0].wait()


async def test_closing_the_remote_fails_the_waits_while_the_server_hangs(backend: Backend) -> None:
    executions = await hold(backend.remote, 6)
    backend.misbehave(Fault(method="*", kind="hang"))
    tasks = [spawn(execution.wait()) for execution in executions]
    await eventually(lambda: backend.server.stats.in_flight)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await backend.remote.aclose(grace=5)
    assert loop.time() - began < 1, "what the poller has under way is nothing to wait for"
    for task in tasks:
        with pytest.raises(FlyteRemoteClosed):
            await task


async def test_waiters_get_errors_of_their_own(backend: Backend) -> None:
    """A raised exception collects tracebacks: sharing one between tasks would mix them up."""
    handle = backend.remote.execution("nowhere")
    results = await asyncio.gather(*(handle.wait() for _ in range(3)), return_exceptions=True)
    assert len({id(result) for result in results}) == 3
    assert {type(result) for result in results} == {FlyteEntityNotExistException}
