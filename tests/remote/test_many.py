"""Many executions at once: waiting for them, and launching them."""

import asyncio
import math
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from flyteasync import FlyteWorkflowExecution
from flyteasync.cli import demo_workflow
from flyteasync.errors import (
    FlyteEntityAlreadyExistsException,
    FlyteEntityNotExistException,
    FlyteInvalidInputException,
    FlyteNotLaunched,
    FlyteTimeout,
    FlyteTypeException,
    FlyteUsageError,
    Status,
)
from flyteasync.remote.completions import Outcome
from flyteasync.server import Fault
from tests.support.backend import Backend, remote_of
from tests.support.loop import clock, eventually, settle


async def launch(backend: Backend, workflow: str, *inputs: dict[str, Any]) -> list[Any]:
    plan = await backend.remote.fetch_launch_plan(name=workflow)
    return [await backend.remote.execute(plan, each) for each in inputs]


async def collect(runs: Any) -> list[Outcome]:
    async with runs:
        return [run async for run in runs]


async def test_wait_all_returns_everything_in_the_given_order_with_values() -> None:
    async with Backend() as backend:
        executions = await launch(backend, demo_workflow.NAME, *(demo_workflow.inputs_of(i) for i in range(20)))
        finished = await backend.remote.wait_all(executions, poll_interval=0)
        assert finished == executions
        for index, execution in enumerate(finished):
            assert dict(execution.outputs) == demo_workflow.expected_outputs(demo_workflow.inputs_of(index))
        assert backend.remote.watcher.waiting == 0


async def test_wait_all_of_nothing_is_nothing() -> None:
    async with Backend() as backend:
        assert await backend.remote.wait_all([]) == []


async def test_wait_all_names_what_did_not_finish_in_time_and_keeps_what_did() -> None:
    async with Backend() as backend:
        (quick,) = await launch(backend, demo_workflow.NAME, demo_workflow.inputs_of(3))
        (slow,) = await launch(backend, "hold", {"name": "x"})
        await quick.wait(poll_interval=0)
        waiting = asyncio.create_task(backend.remote.wait_all([quick, slow], timeout=3600, poll_interval=0))
        await eventually(lambda: backend.remote.watcher.waiting)
        await clock().advance(3601)
        with pytest.raises(FlyteTimeout, match=f"1 of 2 executions did not finish within 3600 s: .*{slow.id.name}"):
            await waiting
        assert quick.is_successful
        assert backend.remote.watcher.waiting == 0


async def test_wait_all_raises_what_could_not_be_awaited_after_all_others_finished() -> None:
    async with Backend() as backend:
        (good,) = await launch(backend, demo_workflow.NAME, demo_workflow.inputs_of(3))
        with pytest.raises(FlyteEntityNotExistException):
            await backend.remote.wait_all([backend.remote.execution("absent"), good], poll_interval=0)
        assert good.is_successful


async def test_as_completed_yields_in_the_order_of_the_ends_and_a_failure_does_not_end_it() -> None:
    async with Backend() as backend:
        (held,) = await launch(backend, "hold", {"name": "x"})
        (failed,) = await launch(backend, "fail", {"text": "no"})
        order = []
        async for outcome in backend.remote.as_completed([held, failed], poll_interval=0):
            order.append(outcome.index)
            backend.gate.set()
        assert order == [1, 0]
        assert failed.error is not None
        assert held.outputs["o0"] == "x"


async def test_leaving_as_completed_early_stops_the_poller() -> None:
    async with Backend() as backend:
        executions = await launch(backend, "hold", {"name": "a"}, {"name": "b"})
        quick = await launch(backend, "fail", {"text": "no"})
        async for _ in backend.remote.as_completed([*executions, *quick], poll_interval=0):
            break
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert backend.remote.watcher.waiting == 0


@pytest.mark.parametrize(
    ("executions", "settings", "error"),
    [
        (5, {}, FlyteTypeException),
        (["a-name"], {}, FlyteTypeException),
        ("a-name", {}, FlyteTypeException),
        ([], {"timeout": -1}, FlyteInvalidInputException),
        ([], {"timeout": math.nan}, FlyteInvalidInputException),
        ([], {"timeout": "soon"}, FlyteInvalidInputException),
        ([], {"poll_interval": -1}, FlyteInvalidInputException),
        ([], {"poll_interval": math.nan}, FlyteInvalidInputException),
    ],
)
async def test_what_cannot_be_waited_for_is_refused_at_once(
    bare: Backend, executions: Any, settings: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        bare.remote.as_completed(executions, **settings)
    with pytest.raises(error):
        await bare.remote.wait_all(executions, **settings)
    assert bare.calls() == 0


async def test_wait_all_cancelled_after_any_number_of_steps_leaves_nothing_behind(backend: Backend) -> None:
    held = await launch(backend, "hold", {"name": "a"})
    quick = await launch(backend, "fail", *({"text": str(index)} for index in range(5)))
    for steps in range(40):
        handles = [backend.remote.execution(execution.id.name) for execution in [*held, *quick]]
        task = asyncio.create_task(backend.remote.wait_all(handles, timeout=3600, poll_interval=0))
        await settle(steps)
        await asyncio.sleep(steps * 0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await settle(3)
        assert backend.remote.watcher.waiting == 0, steps
    backend.gate.set()
    assert all(execution.is_done for execution in await backend.remote.wait_all([*held, *quick], poll_interval=0))


async def test_execute_many_accounts_for_every_input() -> None:
    async with Backend() as backend:
        plan = await backend.remote.fetch_launch_plan(name=demo_workflow.NAME)
        inputs = [demo_workflow.inputs_of(index) for index in range(60)]
        runs = await collect(
            backend.remote.execute_many(plan, inputs, max_running=10, max_launch_rate=None, poll_interval=0)
        )
        assert sorted(run.index for run in runs) == list(range(60))
        for run in runs:
            assert run.execution is not None
            assert run.name == run.execution.id.name
            assert dict(run.execution.outputs) == demo_workflow.expected_outputs(inputs[run.index])
        assert backend.calls("CreateExecution") == 60


async def test_execute_many_keeps_to_max_running_counting_what_was_not_taken() -> None:
    async with Backend() as backend:
        plan = await backend.remote.fetch_launch_plan(name="hold")
        taken: list[int] = []

        async def inputs() -> AsyncIterator[dict[str, Any]]:
            for index in range(20):
                taken.append(index)
                yield {"name": str(index)}

        runs = backend.remote.execute_many(plan, inputs(), max_running=4, max_launch_rate=None, poll_interval=0)
        async with runs:
            await eventually(lambda: backend.held >= 4)
            assert backend.calls("CreateExecution") == 4
            assert len(taken) == 5  # one more is held ready, not launched
            backend.gate.set()
            assert len([run async for run in runs]) == 20


async def test_inputs_that_cannot_be_launched_are_outcomes_and_the_others_go_on() -> None:
    async with Backend() as backend:
        plan = await backend.remote.fetch_launch_plan(name="hold")
        backend.gate.set()
        runs = await collect(
            backend.remote.execute_many(plan, [{"name": "a"}, {"nmae": "b"}, {"name": 3}], poll_interval=0)
        )
        errors = {run.index: run.error for run in runs}
        assert errors[0] is None
        assert "nmae" in str(errors[1])
        assert isinstance(errors[2], FlyteTypeException)


async def test_stop_accounts_for_the_rest_of_a_sequence() -> None:
    async with Backend() as backend:
        plan = await backend.remote.fetch_launch_plan(name="fail")
        runs = backend.remote.execute_many(
            plan, [{"text": "x"}] * 30, max_running=1, max_launch_rate=None, on_failure="stop", poll_interval=0
        )
        outcomes = await collect(runs)
        assert len(outcomes) == 30
        assert isinstance(outcomes[-1].error, FlyteNotLaunched)
        launched = [run for run in outcomes if run.execution is not None]
        assert 1 <= len(launched) == backend.calls("CreateExecution") <= 2


async def test_names_make_a_second_run_go_on_where_the_first_one_ended() -> None:
    async with Backend() as backend:
        plan = await backend.remote.fetch_launch_plan(name=demo_workflow.NAME)
        inputs = [demo_workflow.inputs_of(index) for index in range(20)]
        names = [f"run-{index}" for index in range(20)]
        settings: dict[str, Any] = {"max_launch_rate": None, "poll_interval": 0}
        await collect(backend.remote.execute_many(plan, inputs[:8], names=names[:8], **settings))
        again = await collect(backend.remote.execute_many(plan, inputs, names=names, **settings))
        assert sorted(run.name for run in again) == sorted(names)
        assert all(run.is_successful for run in again)
        assert backend.calls("CreateExecution") == 20
        assert len(await backend.executions()) == 20


async def test_a_name_that_is_taken_by_something_else_is_an_outcome() -> None:
    async with Backend() as backend:
        plan = await backend.remote.fetch_launch_plan(name=demo_workflow.NAME)
        await backend.remote.execute(plan, demo_workflow.inputs_of(1), execution_name="taken")
        (run,) = await collect(
            backend.remote.execute_many(plan, [demo_workflow.inputs_of(2)], names=["taken"], poll_interval=0)
        )
        assert isinstance(run.error, FlyteEntityAlreadyExistsException)


async def test_lost_replies_make_no_execution_twice() -> None:
    fault = Fault(method="CreateExecution", kind="lost_reply", probability=0.3, seed=5, status=Status.UNAVAILABLE)
    async with Backend(fault) as backend:
        plan = await backend.remote.fetch_launch_plan(name=demo_workflow.NAME)
        inputs = [demo_workflow.inputs_of(index) for index in range(100)]
        runs = await collect(backend.remote.execute_many(plan, inputs, max_launch_rate=None, poll_interval=0))
        assert all(run.is_successful for run in runs)
        assert len(await backend.executions()) == 100
        assert backend.server.stats.hits["CreateExecution"] > 10


async def test_what_is_not_finished_in_time_has_a_timeout_as_its_outcome() -> None:
    async with Backend() as backend:
        plan = await backend.remote.fetch_launch_plan(name="hold")
        runs = backend.remote.execute_many(
            plan, [{"name": str(index)} for index in range(5)], max_running=3, max_launch_rate=None, timeout=3600
        )
        async with runs:
            await eventually(lambda: backend.held >= 3)
            taking = asyncio.create_task(collect_rest(runs))
            await asyncio.sleep(0)
            await clock().advance(3601)
            outcomes = await taking
        kinds = {type(run.error) for run in outcomes}
        assert len(outcomes) == 5
        assert kinds == {FlyteTimeout, FlyteNotLaunched}


async def collect_rest(runs: Any) -> list[Outcome]:
    return [run async for run in runs]


@pytest.mark.parametrize(("on_exit", "aborted"), [("leave", False), ("terminate", True)])
async def test_what_runs_when_the_block_is_left_is_left_or_terminated(on_exit: Any, aborted: bool) -> None:
    async with Backend() as backend:
        plan = await backend.remote.fetch_launch_plan(name="hold")
        async with backend.remote.execute_many(plan, [{"name": "a"}, {"name": "b"}], on_exit=on_exit):
            await eventually(lambda: backend.held >= 2)
        assert backend.calls("TerminateExecution") == (2 if aborted else 0)
        assert backend.remote.watcher.waiting == 0


async def test_cancelling_whoever_takes_outcomes_ends_all_tasks_and_leaves_the_remote_usable() -> None:
    async with Backend() as backend:
        plan = await backend.remote.fetch_launch_plan(name="hold")
        with anyio.move_on_after(3600) as scope:
            async with backend.remote.execute_many(plan, ({"name": str(i)} for i in range(100)), max_running=5) as runs:
                await eventually(lambda: backend.held >= 5)
                asyncio.get_running_loop().call_soon(scope.cancel)
                async for _ in runs:
                    pytest.fail("nothing finishes here")
        assert scope.cancelled_caught
        assert (await backend.remote.ping()).version


async def test_an_error_of_the_inputs_reaches_whoever_takes_outcomes() -> None:
    async with Backend() as backend:
        plan = await backend.remote.fetch_launch_plan(name="hold")
        backend.gate.set()

        def inputs() -> Any:
            yield {"name": "a"}
            raise LookupError("the file is gone")

        with pytest.raises(LookupError, match="the file is gone"):
            await collect(backend.remote.execute_many(plan, inputs(), poll_interval=0))


async def test_launches_keep_to_the_rate() -> None:
    async with Backend() as backend:
        plan = await backend.remote.fetch_launch_plan(name="hold")
        async with backend.remote.execute_many(plan, [{"name": str(i)} for i in range(9)], max_launch_rate=1 / 60):
            for launched in (1, 2, 3):
                await eventually(lambda least=launched: backend.held >= least)
                assert backend.held == launched
                await clock().advance(61)


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"max_running": 0}, FlyteInvalidInputException),
        ({"max_running": True}, FlyteInvalidInputException),
        ({"max_running": math.nan}, FlyteInvalidInputException),
        ({"max_running": 1.5}, FlyteInvalidInputException),
        ({"max_running": "5"}, FlyteInvalidInputException),
        ({"max_launching": -1}, FlyteInvalidInputException),
        ({"max_launching": None}, FlyteInvalidInputException),
        ({"max_launch_rate": 0}, FlyteInvalidInputException),
        ({"max_launch_rate": math.nan}, FlyteInvalidInputException),
        ({"max_launch_rate": -5}, FlyteInvalidInputException),
        ({"max_launch_rate": 10**400}, FlyteInvalidInputException),
        ({"timeout": 10**400}, FlyteInvalidInputException),
        ({"max_launch_rate": "5"}, FlyteInvalidInputException),
        ({"timeout": -1}, FlyteInvalidInputException),
        ({"timeout": 0}, FlyteInvalidInputException),
        ({"timeout": math.nan}, FlyteInvalidInputException),
        ({"poll_interval": -1}, FlyteInvalidInputException),
        ({"names": ["a", "a"]}, FlyteInvalidInputException),
        ({"names": ["No_good"]}, FlyteInvalidInputException),
        ({"names": "name"}, FlyteInvalidInputException),
        ({"names": 5}, FlyteInvalidInputException),
        ({"names": iter(["a"])}, FlyteInvalidInputException),
        ({"names": {"a"}}, FlyteInvalidInputException),
        ({"names": b"a"}, FlyteInvalidInputException),
        ({"names": [5]}, FlyteInvalidInputException),
        ({"names": ["a", "b"]}, FlyteInvalidInputException),
        ({"names": []}, FlyteInvalidInputException),
        ({"names": ["a"], "execution_name_prefix": "b"}, FlyteInvalidInputException),
        ({"execution_name_prefix": "No_good"}, FlyteInvalidInputException),
        ({"execution_name_prefix": "x" * 60}, FlyteInvalidInputException),
        ({"on_failure": "panic"}, FlyteInvalidInputException),
        ({"on_exit": "panic"}, FlyteInvalidInputException),
        ({"inputs": 5}, FlyteTypeException),
        ({"inputs": None}, FlyteTypeException),
        ({"inputs": "abc"}, FlyteTypeException),
        ({"inputs": b"abc"}, FlyteTypeException),
        ({"inputs": {"name": "x"}}, FlyteTypeException),
        ({"entity": "hold"}, FlyteTypeException),
    ],
)
async def test_bad_arguments_are_refused_before_anything_is_sent(settings: dict[str, Any], error: type) -> None:
    async with Backend() as backend:
        plan = await backend.remote.fetch_launch_plan(name="hold")
        before = backend.calls()
        with pytest.raises(error):
            backend.remote.execute_many(**{"entity": plan, "inputs": [{"name": "x"}], **settings})
        assert backend.calls() == before


async def test_runs_cannot_be_taken_outside_of_their_block() -> None:
    async with Backend() as backend:
        plan = await backend.remote.fetch_launch_plan(name="hold")
        with pytest.raises(FlyteUsageError, match="async with"):
            await anext(aiter(backend.remote.execute_many(plan, [])))


async def test_an_abort_on_cancellation_that_fails_is_logged_without_its_causes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """They may be those of a source of tokens, and hold its words."""
    async with Backend() as backend:
        (execution,) = await launch(backend, "hold", {"name": "x"})
        async with remote_of(backend.server.endpoint, tokens=Broken()) as remote:
            task = asyncio.create_task(_held(remote.execution(execution.id.name)))
            await settle()
            task.cancel()
            await asyncio.wait([task])
        assert task.cancelled()
        (record,) = (record for record in caplog.records if "could not be aborted" in record.getMessage())
        assert record.__dict__["execution"] == f"flytesnacks/development/{execution.id.name}"
        assert "s3cr3t" not in caplog.text
        backend.gate.set()


async def _held(execution: FlyteWorkflowExecution) -> None:
    async with execution.terminate_on_cancel():
        await asyncio.get_running_loop().create_future()


class Broken:
    """A source of tokens whose failure tells what must not be seen."""

    async def token(self) -> str | None:
        raise RuntimeError("login failed for s3cr3t")

    async def refresh(self, rejected: str | None) -> bool:
        return False


async def test_terminate_on_cancel_aborts_the_execution_and_goes_on_being_cancelled() -> None:
    async with Backend() as backend:
        (execution,) = await launch(backend, "hold", {"name": "x"})

        async def work() -> None:
            async with execution.terminate_on_cancel("the request was cancelled"):
                await execution.wait()

        task = asyncio.create_task(work())
        await eventually(lambda: backend.held and backend.remote.watcher.waiting)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await execution.wait(poll_interval=0)
        assert execution.error is not None
        assert execution.error.message == "the request was cancelled"


async def test_terminate_on_cancel_aborts_the_execution_though_the_task_is_cancelled_twice() -> None:
    async with Backend() as backend:
        (execution,) = await launch(backend, "hold", {"name": "x"})
        backend.misbehave(Fault(method="TerminateExecution", kind="delay", delay=0.05))

        async def work() -> None:
            async with execution.terminate_on_cancel("the request was cancelled"):
                await execution.wait()

        task = asyncio.create_task(work())
        await eventually(lambda: backend.held and backend.remote.watcher.waiting)
        task.cancel()
        await eventually(lambda: backend.server.stats.in_flight)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await execution.sync()
        assert execution.closure.abort_metadata is not None
