"""Work that is done once for all who ask for it at the same time."""

from __future__ import annotations

import asyncio

import pytest

from flyteasync.errors import FlyteEntityNotExistException, FlyteSystemUnavailableException, Status
from flyteasync.remote.flight import SingleFlight
from flyteasync.server import Fault
from tests.support.backend import Backend
from tests.support.loop import eventually, settle


async def test_first_launches_of_a_workflow_ask_for_its_launch_plan_once(backend: Backend) -> None:
    workflow = await backend.remote.fetch_workflow(name="nothing")
    backend.server.stats.reset()
    await asyncio.gather(*(backend.remote.execute(workflow) for _ in range(100)))
    assert backend.calls("GetLaunchPlan") == 1
    assert len(await backend.executions()) == 100


async def test_whoever_asked_first_may_be_cancelled_and_the_others_get_their_plan(backend: Backend) -> None:
    workflow = await backend.remote.fetch_workflow(name="nothing")
    backend.misbehave(Fault(method="GetLaunchPlan", kind="delay", delay=0.05))
    backend.server.stats.reset()
    first, *others = [asyncio.ensure_future(backend.remote.execute(workflow)) for _ in range(10)]
    await eventually(lambda: backend.server.stats.in_flight)
    first.cancel()
    await asyncio.gather(*others)
    assert first.cancelled()
    assert backend.calls("GetLaunchPlan") == 1
    assert len(await backend.executions()) == 9


async def test_with_the_last_one_who_is_cancelled_the_call_ends(backend: Backend) -> None:
    workflow = await backend.remote.fetch_workflow(name="nothing")
    backend.misbehave(Fault(method="GetLaunchPlan", kind="hang"))
    tasks = [asyncio.ensure_future(backend.remote.execute(workflow)) for _ in range(3)]
    await eventually(lambda: backend.server.stats.in_flight)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    await eventually(lambda: not backend.server.stats.in_flight)
    backend.misbehave()
    assert (await backend.remote.execute(workflow, wait=True)).is_successful


async def test_a_failure_reaches_everybody_and_is_not_remembered(backend: Backend) -> None:
    workflow = await backend.remote.fetch_workflow(name="nothing")
    backend.misbehave(Fault(method="GetLaunchPlan", status=Status.NOT_FOUND, times=1))
    results = await asyncio.gather(*(backend.remote.execute(workflow) for _ in range(5)), return_exceptions=True)
    assert all(isinstance(result, FlyteEntityNotExistException) for result in results)
    assert len({id(result) for result in results}) == 5, "everybody has an exception of their own"
    assert (await backend.remote.execute(workflow, wait=True)).is_successful


async def test_views_with_other_tokens_or_time_limits_ask_for_themselves(backend: Backend) -> None:
    """One user's rights are not another's, and one's time limit does not bind another."""
    workflow = await backend.remote.fetch_workflow(name="nothing")
    backend.misbehave(Fault(method="GetLaunchPlan", status=Status.PERMISSION_DENIED, times=1))
    views = [backend.remote.with_options(token=token) for token in ("mine", "yours")]
    results = await asyncio.gather(*(view.execute(workflow) for view in views), return_exceptions=True)
    assert sum(isinstance(result, Exception) for result in results) == 1


async def test_two_kinds_of_work_do_not_wait_for_one_another() -> None:
    flights: SingleFlight[str, str] = SingleFlight()
    gate = asyncio.Event()

    async def slow() -> str:
        await gate.wait()
        return "slow"

    async def quick() -> str:
        return "quick"

    waiting = asyncio.ensure_future(flights.do("slow", slow))
    assert await flights.do("quick", quick) == "quick"
    gate.set()
    assert await waiting == "slow"


async def test_work_begins_anew_after_it_has_ended() -> None:
    flights: SingleFlight[str, int] = SingleFlight()
    made: list[int] = []

    async def work() -> int:
        made.append(1)
        return len(made)

    assert [await flights.do("key", work) for _ in range(3)] == [1, 2, 3]


async def test_one_who_comes_after_the_last_was_cancelled_begins_anew() -> None:
    flights: SingleFlight[str, str] = SingleFlight()
    gate = asyncio.Event()

    async def work() -> str:
        await gate.wait()
        return "done"

    begun: list[int] = []

    async def counted() -> str:
        begun.append(1)
        return await work()

    first = asyncio.ensure_future(flights.do("key", counted))
    await settle()
    first.cancel()
    later = asyncio.ensure_future(flights.do("key", counted))
    await settle()
    last = asyncio.ensure_future(flights.do("key", counted))
    await settle()
    gate.set()
    assert await asyncio.gather(later, last) == ["done", "done"]
    assert first.cancelled()
    assert len(begun) == 2


async def test_an_error_is_copied_with_its_cause() -> None:
    flights: SingleFlight[str, str] = SingleFlight()

    async def work() -> str:
        await asyncio.sleep(0)
        raise FlyteSystemUnavailableException("gone", method="X/Y") from ConnectionError("reset")

    results = await asyncio.gather(*(flights.do("key", work) for _ in range(2)), return_exceptions=True)
    for result in results:
        assert isinstance(result, FlyteSystemUnavailableException)
        assert (str(result), result.method) == ("gone", "X/Y")
        assert isinstance(result.__cause__, ConnectionError)
    with pytest.raises(FlyteSystemUnavailableException):
        await flights.do("key", work)


async def test_what_one_notes_about_an_error_the_others_do_not_see() -> None:
    flights: SingleFlight[str, str] = SingleFlight()

    async def work() -> str:
        await asyncio.sleep(0)
        error = FlyteSystemUnavailableException("gone")
        error.add_note("gave up")
        raise error

    first, second = await asyncio.gather(*(flights.do("key", work) for _ in range(2)), return_exceptions=True)
    assert isinstance(first, FlyteSystemUnavailableException)
    assert isinstance(second, FlyteSystemUnavailableException)
    first.add_note("mine")
    assert (first.__notes__, second.__notes__) == (["gave up", "mine"], ["gave up"])
