"""`execute_many` with names: what exists is not launched again, and every input is accounted for."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from flyteasync import execution_name
from flyteasync.cli import demo_workflow
from flyteasync.entities import LazyEntity
from flyteasync.errors import (
    FlyteDeadlineExceeded,
    FlyteEntityAlreadyExistsException,
    FlyteEntityNotExistException,
    FlyteInvalidInputException,
    FlyteNotLaunched,
    FlyteSystemException,
    Status,
)
from flyteasync.idl import admin
from flyteasync.remote.completions import Outcome
from flyteasync.remote.lookup import FRESH
from flyteasync.server import Fault
from tests.support.backend import Backend, remote_of
from tests.support.loop import clock, eventually, settle
from tests.support.wire import Call, Relay, Wire

SETTINGS: dict[str, Any] = {"max_launch_rate": None, "poll_interval": 0}


async def collect(runs: Any) -> list[Outcome]:
    async with runs:
        return [run async for run in runs]


def name_of(inputs: Any) -> str:
    return execution_name("run", inputs["name"])


async def held(count: int) -> AsyncIterator[dict[str, str]]:
    for index in range(count):
        await asyncio.sleep(0)
        yield {"name": str(index)}


async def test_a_resumed_run_looks_names_up_in_chunks_and_creates_only_what_is_absent(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    names = [f"run-{index}" for index in range(450)]
    settings = {**SETTINGS, "outputs": False}
    assert len(await collect(backend.remote.execute_many(plan, [{}] * 300, names=names[:300], **settings))) == 300
    backend.server.stats.reset()
    runs = await collect(backend.remote.execute_many(plan, [{}] * 450, names=names, **settings))
    assert all(run.is_successful for run in runs)
    assert sorted(run.name for run in runs) == sorted(names)
    assert backend.calls("CreateExecution") == 150
    assert backend.server.stats.duplicates == 0
    assert backend.calls("GetExecution") <= 150, "those that exist are not asked for one by one"
    assert len(await backend.executions()) == 450


async def test_what_had_finished_is_neither_polled_nor_waited_for(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    names = [f"run-{index}" for index in range(250)]
    await collect(backend.remote.execute_many(plan, [{}] * 250, names=names, **SETTINGS))
    backend.server.stats.reset()
    await collect(backend.remote.execute_many(plan, [{}] * 250, names=names, **SETTINGS))
    assert backend.calls("ListExecutions") == 2
    assert backend.calls("GetExecution") == backend.calls("CreateExecution") == 0


async def test_a_failed_execution_is_not_launched_again_and_shows_its_whole_error(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="fail")
    for _ in range(2):
        (run, _) = await collect(
            backend.remote.execute_many(plan, [{"text": "why " * 100}] * 2, names=["one", "two"], **SETTINGS)
        )
        assert run.execution is not None
        assert run.execution.error is not None
        assert "why " * 100 in run.execution.error.message
    assert backend.calls("CreateExecution") == 2


@pytest.mark.parametrize("lazy", [False, True], ids=["iterable", "async iterable"])
async def test_a_function_names_lazy_inputs_and_looks_them_up_in_chunks(backend: Backend, lazy: bool) -> None:
    plan = await backend.remote.fetch_launch_plan(name="hold")
    backend.gate.set()

    def inputs(count: int) -> Any:
        return held(count) if lazy else ({"name": str(index)} for index in range(count))

    settings = {**SETTINGS, "outputs": False, "names": name_of}
    await collect(backend.remote.execute_many(plan, inputs(100), **settings))
    backend.server.stats.reset()
    runs = await collect(backend.remote.execute_many(plan, inputs(300), **settings))
    assert sorted(run.index for run in runs) == list(range(300))
    assert all(run.name == execution_name("run", str(run.index)) for run in runs)
    assert backend.calls("CreateExecution") == 200
    assert backend.server.stats.duplicates == 0


async def test_inputs_that_come_slowly_are_launched_as_they_come(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="hold")
    queue: asyncio.Queue[dict[str, str]] = asyncio.Queue()

    async def inputs() -> AsyncIterator[dict[str, str]]:
        while True:
            yield await queue.get()

    async with backend.remote.execute_many(plan, inputs(), names=name_of, **SETTINGS):
        for index in range(3):
            queue.put_nowait({"name": str(index)})
            await eventually(lambda least=index + 1: backend.held >= least)


async def test_a_name_that_a_function_makes_twice_or_badly_is_the_outcome_of_its_input(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="hold")
    backend.gate.set()
    texts = ["a", "b", "a", "No_good"]
    runs = await collect(
        backend.remote.execute_many(
            plan, [{"name": text} for text in texts], names=lambda given: given["name"], **SETTINGS
        )
    )
    errors = {run.index: run.error for run in runs}
    assert errors[0] is errors[1] is None
    assert isinstance(errors[2], FlyteInvalidInputException)
    assert "'a' is there twice" in str(errors[2])
    assert isinstance(errors[3], FlyteInvalidInputException)
    assert "the name of input 3" in str(errors[3])
    assert backend.calls("CreateExecution") == 2


@pytest.mark.parametrize("lazy", [False, True], ids=["iterable", "async iterable"])
async def test_what_comes_before_a_failure_of_the_inputs_is_launched_and_has_outcomes(
    backend: Backend, lazy: bool
) -> None:
    plan = await backend.remote.fetch_launch_plan(name="hold")
    backend.gate.set()

    def broken() -> Iterator[dict[str, str]]:
        yield {"name": "0"}
        yield {"name": "1"}
        raise LookupError("the file is gone")

    async def broken_too() -> AsyncIterator[dict[str, str]]:
        for each in broken():
            yield each

    inputs: Any = broken_too() if lazy else broken()
    seen: list[Outcome] = []

    async def take() -> None:
        async with backend.remote.execute_many(plan, inputs, names=name_of, **SETTINGS) as runs:
            seen.extend([run async for run in runs])

    with pytest.raises(LookupError, match="the file is gone"):
        await take()
    assert backend.calls("CreateExecution") == 2


async def test_a_function_of_names_that_fails_is_the_outcome_of_its_input_and_the_others_go_on(
    backend: Backend,
) -> None:
    plan = await backend.remote.fetch_launch_plan(name="hold")
    backend.gate.set()
    inputs = [{"name": "0"}, {"n": "1"}, {"name": "2"}]
    runs = await collect(backend.remote.execute_many(plan, inputs, names=name_of, **SETTINGS))
    errors = {run.index: run.error for run in runs}
    assert errors[0] is errors[2] is None
    assert isinstance(errors[1], FlyteInvalidInputException)
    assert isinstance(errors[1].__cause__, KeyError)
    assert "the function of names failed for input 1: KeyError('name')" in str(errors[1])
    assert backend.calls("CreateExecution") == 2


@pytest.mark.parametrize("lazy", [False, True], ids=["iterable", "async iterable"])
async def test_fewer_inputs_than_names_is_an_error_after_those_that_there_are(backend: Backend, lazy: bool) -> None:
    plan = await backend.remote.fetch_launch_plan(name="hold")
    backend.gate.set()
    inputs: Any = held(2) if lazy else ({"name": str(index)} for index in range(2))
    seen: list[Outcome] = []

    async def take() -> None:
        async with backend.remote.execute_many(plan, inputs, names=["a", "b", "c"], **SETTINGS) as runs:
            async for run in runs:
                seen.append(run)  # noqa: PERF401 # what came before the error counts

    with pytest.raises(FlyteInvalidInputException, match="there are 3 names, and 2 inputs"):
        await take()
    assert [run.is_successful for run in seen] == [True, True]


async def test_more_inputs_than_names_is_an_error_after_those_that_have_one(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="hold")
    backend.gate.set()
    with pytest.raises(FlyteInvalidInputException, match="there are 2 names, and more inputs"):
        await collect(backend.remote.execute_many(plan, held(3), names=["a", "b"], **SETTINGS))
    assert backend.calls("CreateExecution") == 2


async def test_a_look_up_that_fails_is_the_outcome_of_all_its_names_and_nothing_is_created(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    backend.misbehave(Fault(method="ListExecutions", status=Status.PERMISSION_DENIED, details="not yours"))
    backend.server.stats.reset()
    names = [f"run-{index}" for index in range(50)]
    runs = await collect(backend.remote.execute_many(plan, [{}] * 50, names=names, **SETTINGS))
    assert [run.name for run in runs] == names
    assert all("not yours" in str(run.error) for run in runs)
    assert backend.calls() == backend.calls("ListExecutions") == 1


async def test_an_answer_too_large_is_asked_for_in_halves(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    names = [f"run-{index}" for index in range(100)]
    await collect(backend.remote.execute_many(plan, [{}] * 40, names=names[:40], **SETTINGS))
    relay = Relay(backend.server.endpoint)

    async def answer(call: Call) -> bytes:
        if call.method == "ListExecutions" and call.request.limit > 30:
            return b"\xff"  # as if cut off
        return await relay(call)

    async with Wire(answer) as wire, remote_of(wire.endpoint) as remote:
        runs = await collect(remote.execute_many(plan, [{}] * 100, names=names, **SETTINGS))
        assert all(run.is_successful for run in runs)
        assert wire.methods.count("CreateExecution") == 60
    await relay.aclose()
    assert backend.server.stats.duplicates == 0


async def test_a_name_that_was_taken_while_there_was_no_room_is_looked_up_again(backend: Backend) -> None:
    """Another driver may have launched it meanwhile, and a repeated create would overwrite its inputs."""
    plan = await backend.remote.fetch_launch_plan(name="hold")
    inputs = [{"name": "0"}, {"name": "1"}]
    runs = backend.remote.execute_many(plan, inputs, names=["one", "two"], max_running=1, **SETTINGS)
    async with runs:
        await eventually(lambda: backend.held)
        await backend.remote.execute(plan, inputs[1], execution_name="two")
        await clock().advance(FRESH + 1)
        backend.gate.set()
        assert [run.is_successful async for run in runs] == [True, True]
    assert backend.calls("CreateExecution") == 2
    assert backend.server.stats.duplicates == 0


async def test_a_name_that_another_driver_takes_at_the_same_moment_is_adopted_if_it_is_the_same(
    backend: Backend,
) -> None:
    plan = await backend.remote.fetch_launch_plan(name="hold")
    backend.gate.set()
    inputs = [{"name": str(index)} for index in range(50)]
    names = [f"run-{index}" for index in range(50)]
    async with remote_of(backend.server.endpoint) as other:
        both = await asyncio.gather(
            *(collect(remote.execute_many(plan, inputs, names=names, **SETTINGS)) for remote in (backend.remote, other))
        )
    assert all(run.is_successful for run in itertools.chain(*both))
    assert len(await backend.executions()) == 50


async def test_another_execution_of_that_name_is_an_outcome_and_stays_as_it_was(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="hold")
    backend.gate.set()
    first = await backend.remote.execute(plan, {"name": "mine"}, execution_name="run", wait=True)
    (run,) = await collect(backend.remote.execute_many(plan, [{"name": "other"}], names=["run"], **SETTINGS))
    assert isinstance(run.error, FlyteEntityAlreadyExistsException)
    assert "the input name" in str(run.error)
    await first.sync()
    assert dict(first.inputs) == {"name": "mine"}


async def test_archived_executions_count_as_taken(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    names = ["one", "two"]
    for run in await collect(backend.remote.execute_many(plan, [{}] * 2, names=names, **SETTINGS)):
        assert run.execution is not None
        await backend.remote.admin.update_execution(
            admin.ExecutionUpdateRequest(id=run.execution.id, state=admin.ExecutionState.EXECUTION_ARCHIVED)
        )
    runs = await collect(backend.remote.execute_many(plan, [{}] * 2, names=names, **SETTINGS))
    assert all(run.is_successful for run in runs)
    assert backend.calls("CreateExecution") == 2


async def test_stopping_accounts_for_inputs_that_were_read_ahead(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="hold")
    read: list[int] = []

    def inputs() -> Iterator[dict[str, str]]:
        for index in range(1000):
            read.append(index)
            yield {"name": str(index)}

    async with backend.remote.execute_many(plan, inputs(), names=name_of, max_running=2, **SETTINGS) as runs:
        await eventually(lambda: backend.held >= 2)
        runs.stop()
        backend.gate.set()
        outcomes = [run async for run in runs]
    assert sorted(run.index for run in outcomes) == read
    assert len(read) == 200
    launched = [run for run in outcomes if run.execution is not None]
    assert len(launched) == 2
    assert all(isinstance(run.error, FlyteNotLaunched) for run in outcomes if run not in launched)


async def test_halting_ends_the_iteration_without_waiting_for_what_runs(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="hold")
    inputs = [{"name": str(index)} for index in range(100)]
    names = [f"run-{index}" for index in range(100)]
    async with backend.remote.execute_many(plan, inputs, names=names, max_running=7, **SETTINGS) as runs:
        await eventually(lambda: backend.held == 7)
        left = await runs.halt()
        outcomes = [run async for run in runs]
    assert sorted([*(execution.id.name for execution in left), *(run.name for run in outcomes)]) == sorted(names)
    assert len(left) == 7
    assert all(isinstance(run.error, FlyteNotLaunched) for run in outcomes)
    assert backend.calls("TerminateExecution") == backend.remote.watcher.waiting == 0
    backend.gate.set()
    resumed = await collect(backend.remote.execute_many(plan, inputs, names=names, **SETTINGS))
    assert all(run.is_successful for run in resumed)
    assert backend.calls("CreateExecution") == 100


async def test_halting_while_another_task_takes_outcomes_ends_it(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="hold")
    async with backend.remote.execute_many(plan, held(1000), names=name_of, max_running=3, **SETTINGS) as runs:

        async def take() -> list[Outcome]:
            return [run async for run in runs]

        taking = asyncio.ensure_future(take())
        await eventually(lambda: backend.held == 3)
        assert len(await runs.halt()) == 3
        outcomes = await taking
    assert all(isinstance(run.error, FlyteNotLaunched) for run in outcomes)


async def test_halting_lets_launches_under_way_end(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="hold")
    backend.misbehave(Fault(method="CreateExecution", kind="delay", delay=0.05))
    runs = backend.remote.execute_many(plan, [{"name": str(i)} for i in range(100)], max_launching=5, **SETTINGS)
    async with runs:
        await eventually(lambda: backend.server.stats.in_flight >= 5)
        left = await runs.halt()
        outcomes = [run async for run in runs]
    assert len(left) == len(await backend.executions()) == backend.calls("CreateExecution")
    assert 5 <= len(left) < 100
    assert len(left) + len(outcomes) == 100


async def test_halting_waits_for_a_server_that_hangs_for_five_seconds(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="hold")
    backend.misbehave(Fault(method="CreateExecution", kind="hang"))
    async with backend.remote.execute_many(plan, [{"name": "x"}] * 3, max_launching=2, **SETTINGS) as runs:
        await eventually(lambda: backend.server.stats.in_flight == 2)
        halting = asyncio.ensure_future(runs.halt())
        await settle()
        assert not halting.done()
        await clock().advance(5.1)
        assert await halting == []
        outcomes = {run.index: run.error async for run in runs}
    assert sorted(outcomes) == [0, 1, 2]
    (text, error) = (str(outcomes[0]), outcomes[0])
    assert isinstance(error, FlyteDeadlineExceeded)
    assert "whether input 0 was launched, as flytesnacks/development/a" in text
    assert (error.identifier or "") in text, "whoever tries again does it under this name"
    assert not error.retryable
    assert isinstance(outcomes[2], FlyteNotLaunched)


@pytest.mark.parametrize("lazy", [False, True], ids=["sequence", "iterable"])
async def test_halting_does_not_wait_for_a_look_up_that_hangs(backend: Backend, lazy: bool) -> None:
    plan = await backend.remote.fetch_launch_plan(name="hold")
    backend.misbehave(Fault(method="ListExecutions", kind="hang"))
    inputs = [{"name": str(index)} for index in range(300)]
    names = [f"run-{index}" for index in range(300)]
    given: Any = iter(inputs) if lazy else inputs
    async with backend.remote.execute_many(plan, given, names=names, **SETTINGS) as runs:
        await eventually(lambda: backend.server.stats.in_flight)
        halting = asyncio.ensure_future(runs.halt())
        await settle()
        await clock().advance(5.1)
        assert await halting == []
        outcomes = {run.index: run async for run in runs}
    assert sorted(outcomes) == list(range(200 if lazy else 300))
    assert all(isinstance(run.error, FlyteNotLaunched) for run in outcomes.values())
    assert [outcomes[index].name for index in sorted(outcomes)] == names[: len(outcomes)]
    assert backend.calls("CreateExecution") == 0


async def test_a_timeout_is_kept_though_launches_hang(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="hold")
    backend.misbehave(Fault(method="CreateExecution", kind="hang"))
    view = backend.remote.with_options(timeout=None, attempt_timeout=10_000)
    async with view.execute_many(plan, [{"name": "x"}] * 4, max_launching=2, timeout=3600, **SETTINGS) as runs:
        await eventually(lambda: backend.server.stats.in_flight == 2)

        async def take() -> list[Outcome]:
            return [run async for run in runs]

        taking = asyncio.ensure_future(take())
        await settle()
        await clock().advance(3601)
        await settle()
        await clock().advance(5.1)
        outcomes = await taking
    assert sorted(run.index for run in outcomes) == [0, 1, 2, 3]
    assert all(run.error is not None for run in outcomes)


async def test_halting_does_not_wait_for_inputs_that_do_not_come(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="hold")
    closed: list[bool] = []

    async def inputs() -> AsyncIterator[dict[str, str]]:
        try:
            yield {"name": "0"}
            await asyncio.get_running_loop().create_future()
        finally:
            closed.append(True)

    for number, names in enumerate((None, name_of), start=1):
        async with backend.remote.execute_many(plan, inputs(), names=names, **SETTINGS) as runs:
            await eventually(lambda least=number: backend.held == least)
            assert len(await runs.halt()) == 1
            assert [run async for run in runs] == []
    assert closed == [True, True]


async def test_stopping_does_not_wait_for_the_pace(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="hold")
    settings = {"max_launch_rate": 1 / 600, "poll_interval": 0}
    async with backend.remote.execute_many(plan, [{"name": "x"}] * 5, **settings) as runs:
        await eventually(lambda: backend.held)
        assert len(await runs.halt()) == 1
        assert len([run async for run in runs]) == 4


async def test_generated_names_begin_with_the_prefix(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    runs = await collect(backend.remote.execute_many(plan, [{}] * 3, execution_name_prefix="nightly", **SETTINGS))
    assert all(run.name.startswith("nightly-") for run in runs)
    assert len({run.name for run in runs}) == 3


async def test_project_and_domain_may_be_others_than_the_remotes(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    for _ in range(2):
        runs = await collect(
            backend.remote.execute_many(plan, [{}] * 2, "flytesnacks", "staging", names=["one", "two"], **SETTINGS)
        )
        assert [run.execution.id.domain for run in runs if run.execution is not None] == ["staging"] * 2
    assert backend.calls("CreateExecution") == 2
    assert await backend.executions() == []


async def test_a_lazy_entity_is_fetched_when_the_block_is_entered(backend: Backend) -> None:
    lazy = LazyEntity("nothing", lambda: backend.remote.fetch_launch_plan(name="nothing"))
    runs = backend.remote.execute_many(lazy, [{}, {}], **SETTINGS)
    assert not lazy.entity_fetched()
    assert [run.is_successful for run in await collect(runs)] == [True, True]


async def test_a_lazy_entity_that_cannot_be_fetched_reaches_whoever_takes_outcomes(backend: Backend) -> None:
    lazy = LazyEntity("absent", lambda: backend.remote.fetch_launch_plan(name="absent"))
    with pytest.raises(FlyteEntityNotExistException, match="absent"):
        await collect(backend.remote.execute_many(lazy, [{}], **SETTINGS))


async def test_a_value_that_breaks_is_one_outcome_and_the_others_go_on(
    backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    plan = await backend.remote.fetch_launch_plan(name="hold")
    backend.gate.set()

    class Broken(dict[str, str]):
        def items(self) -> Any:
            raise ZeroDivisionError("broken")

    runs = await collect(
        backend.remote.execute_many(plan, [{"name": "a"}, Broken(name="b"), {"name": "c"}], **SETTINGS)
    )
    errors = {run.index: run.error for run in runs}
    assert errors[0] is errors[2] is None
    assert isinstance(errors[1], FlyteSystemException)
    assert isinstance(errors[1].__cause__, ZeroDivisionError)
    assert "input 1 could not be launched" in caplog.text


async def test_more_inputs_than_fit_into_memory_are_read_as_there_is_room(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name=demo_workflow.NAME)
    read = itertools.count()
    latest = 0

    def endless() -> Iterator[dict[str, Any]]:
        nonlocal latest
        for latest in read:
            yield demo_workflow.inputs_of(latest)

    settings = {**SETTINGS, "max_running": 10}
    taken = 0
    async with backend.remote.execute_many(plan, endless(), **settings) as runs:
        async for run in runs:
            assert run.is_successful
            taken += 1
            assert latest <= taken + 11
            if taken == 100:
                break
