"""What becomes of an execution that has the caller's name already."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from flyteasync import FlyteRemote, codec
from flyteasync.errors import (
    FlyteEntityAlreadyExistsException,
    FlyteInvalidInputException,
    FlyteSystemException,
    Status,
)
from flyteasync.idl import admin, core
from flyteasync.remote.checks import OnConflict
from flyteasync.server import Fault
from tests.server import build
from tests.support.backend import Backend, register, remote_of, single
from tests.support.wire import Call, Refusal, Relay, Wire

POLICIES: list[OnConflict] = ["same", "adopt", "raise"]


async def taken(backend: Backend) -> FlyteRemote:
    """Have `run` taken by an execution of `demo.report`."""
    plan = await backend.remote.fetch_launch_plan(name="demo.report")
    await backend.remote.execute(plan, {"n": 3, "name": "x"}, execution_name="run", wait=True)
    backend.server.stats.reset()
    return backend.remote


@pytest.mark.parametrize("policy", ["same", "adopt"])
async def test_the_same_launch_again_is_the_same_execution(backend: Backend, policy: OnConflict) -> None:
    remote = await taken(backend)
    plan = await remote.fetch_launch_plan(name="demo.report")
    execution = await remote.execute(plan, {"n": 3, "name": "x"}, execution_name="run", on_conflict=policy)
    assert backend.calls("CreateExecution") == 0
    assert execution.is_done, "it was looked at, and what was seen is shown"
    assert (await execution.wait()).outputs["total"] == 5
    assert backend.server.stats.duplicates == 0


async def test_raise_refuses_even_the_same_launch(backend: Backend) -> None:
    remote = await taken(backend)
    plan = await remote.fetch_launch_plan(name="demo.report")
    backend.server.stats.reset()
    with pytest.raises(FlyteEntityAlreadyExistsException, match="run exists already") as caught:
        await remote.execute(plan, {"n": 3, "name": "x"}, execution_name="run", on_conflict="raise")
    assert caught.value.http_status == 409
    assert caught.value.identifier == "flytesnacks/development/run"
    assert backend.calls() == backend.calls("GetExecution") == 1


async def test_same_refuses_other_inputs_and_names_them(backend: Backend) -> None:
    remote = await taken(backend)
    plan = await remote.fetch_launch_plan(name="demo.report")
    with pytest.raises(FlyteEntityAlreadyExistsException, match=r"differs in the input n$"):
        await remote.execute(plan, {"n": 4, "name": "x"}, execution_name="run")
    assert backend.calls("CreateExecution") == 0


async def test_same_refuses_another_entity(backend: Backend) -> None:
    remote = await taken(backend)
    plan = await remote.fetch_launch_plan(name="nothing")
    with pytest.raises(FlyteEntityAlreadyExistsException, match=r"differs in the entity$"):
        await remote.execute(plan, execution_name="run")


async def test_same_refuses_another_version_of_the_entity(backend: Backend) -> None:
    await register(backend.remote, *single("nothing", {}, None, version="v2"))
    one, other = [await backend.remote.fetch_launch_plan(name="nothing", version=version) for version in ("v1", "v2")]
    await backend.remote.execute(one, execution_name="run")
    with pytest.raises(FlyteEntityAlreadyExistsException, match="the entity"):
        await backend.remote.execute(other, execution_name="run")


async def test_adopt_takes_another_execution_and_warns(backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    remote = await taken(backend)
    plan = await remote.fetch_launch_plan(name="nothing")
    with caplog.at_level(logging.WARNING, "flyteasync"):
        execution = await remote.execute(plan, execution_name="run", on_conflict="adopt")
    assert "flytesnacks/development/run" in caplog.text
    assert "the entity" in caplog.text
    assert execution.spec.launch_plan is not None
    assert execution.spec.launch_plan.name == "demo.report", "the spec is that of the execution"
    await execution.wait()
    assert dict(execution.outputs) == {"text": "hello x: 3 squares", "total": 5, "roots": [0, 1, 4]}


async def test_adopting_the_same_launch_does_not_warn(backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    remote = await taken(backend)
    plan = await remote.fetch_launch_plan(name="demo.report")
    with caplog.at_level(logging.WARNING, "flyteasync"):
        await remote.execute(plan, {"n": 3, "name": "x"}, execution_name="run", on_conflict="adopt")
    assert caplog.text == ""


async def test_a_default_that_was_not_given_is_no_difference(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="defaults")
    await backend.remote.execute(plan, {"a": 1, "b": 10}, execution_name="run")
    await backend.remote.execute(plan, {"a": 1}, execution_name="run")
    with pytest.raises(FlyteEntityAlreadyExistsException, match="the input b"):
        await backend.remote.execute(plan, {"a": 1, "b": 11}, execution_name="run")


async def test_nan_is_the_same_as_itself(backend: Backend) -> None:
    template, tasks = single("half", {"x": float}, float)
    await register(backend.remote, template, tasks)
    plan = await backend.remote.fetch_launch_plan(name="half")
    for _ in range(2):
        await backend.remote.execute(plan, {"x": math.nan}, execution_name="run")
    assert len(await backend.executions()) == 1


async def test_a_task_may_be_launched_again_by_name(backend: Backend) -> None:
    task = await backend.remote.fetch_task(name="nothing")
    for _ in range(2):
        await backend.remote.execute(task, execution_name="run")
    assert len(await backend.executions()) == 1


@pytest.mark.parametrize("policy", POLICIES)
async def test_a_name_that_is_free_is_launched(backend: Backend, policy: OnConflict) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    execution = await backend.remote.execute(plan, execution_name="run", on_conflict=policy)
    assert execution.id == build.execution_id("run")
    assert backend.calls("CreateExecution") == 1


@pytest.mark.parametrize("policy", POLICIES)
async def test_our_own_launch_is_no_conflict_if_its_reply_was_lost(backend: Backend, policy: OnConflict) -> None:
    plan = await backend.remote.fetch_launch_plan(name="demo.report")
    backend.misbehave(Fault(method="CreateExecution", kind="lost_reply", status=Status.UNAVAILABLE))
    execution = await backend.remote.execute(
        plan, {"n": 3, "name": "x"}, execution_name="run", on_conflict=policy, wait=True
    )
    assert execution.outputs["total"] == 5
    assert len(await backend.executions()) == 1


@pytest.mark.parametrize("policy", ["same", "adopt"])
async def test_two_processes_that_launch_the_same_at_the_same_time_share_one_execution(
    backend: Backend, policy: OnConflict
) -> None:
    plan = await backend.remote.fetch_launch_plan(name="demo.report")
    launches = (
        backend.remote.execute(plan, {"n": 3, "name": "x"}, execution_name="run", on_conflict=policy, wait=True)
        for _ in range(5)
    )
    executions = await asyncio.gather(*launches)
    assert {execution.outputs["total"] for execution in executions} == {5}
    assert len(await backend.executions()) == 1


async def test_several_that_launch_the_same_name_at_once_make_one_execution_and_the_others_are_told(
    backend: Backend,
) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    launches = (backend.remote.execute(plan, execution_name="mutex", on_conflict="raise") for _ in range(5))
    results = await asyncio.gather(*launches, return_exceptions=True)
    assert sum(isinstance(result, FlyteEntityAlreadyExistsException) for result in results) == 4
    assert len(await backend.executions()) == 1


async def test_a_late_effect_of_our_own_first_attempt_is_no_conflict(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    relay, held = Relay(backend.server.endpoint), list[Call]()

    async def answer(call: Call) -> bytes:
        if call.method == "CreateExecution" and not held:
            held.append(call)
            raise Refusal(Status.DEADLINE_EXCEEDED)
        if call.method == "CreateExecution":
            await relay(held[0])
        return await relay(call)

    async with Wire(answer) as wire, remote_of(wire.endpoint) as remote:
        await remote.execute(plan, execution_name="run", on_conflict="raise")
        assert (remote.metrics()["launched"], remote.metrics()["adopted"]) == (1, 0)
    await relay.aclose()
    assert len(await backend.executions()) == 1


# Inputs that cannot be compared ...


@asynccontextmanager
async def showing(backend: Backend, inputs: admin.UrlBlob | None = None) -> AsyncGenerator[FlyteRemote]:
    """A remote whose server shows no inputs, as flyteadmin if they are larger than 2 MiB, but tells where they are."""
    relay = Relay(backend.server.endpoint)

    async def answer(call: Call) -> bytes:
        reply = await relay(call)
        if call.method == "GetExecutionData":
            data = codec.decode(admin.WorkflowExecutionGetDataResponse, reply)
            data.full_inputs, data.inputs = core.LiteralMap(), inputs
            return codec.encode(data)
        return reply

    async with Wire(answer) as wire, remote_of(wire.endpoint) as remote:
        yield remote
    await relay.aclose()


@pytest.mark.parametrize("policy", ["same", "adopt"])
async def test_inputs_that_the_server_does_not_show_are_not_compared_and_the_log_tells(
    backend: Backend, caplog: pytest.LogCaptureFixture, policy: OnConflict
) -> None:
    await taken(backend)
    plan, other = [await backend.remote.fetch_launch_plan(name=name) for name in ("demo.report", "hold")]
    async with showing(backend) as remote:
        execution = await remote.execute(plan, {"n": 3, "name": "x"}, execution_name="run", on_conflict=policy)
        (record,) = (record for record in caplog.records if record.levelno == logging.WARNING)
        assert "could not be compared" in record.getMessage()
        assert record.__dict__["execution"] == "flytesnacks/development/run"
        with pytest.raises(FlyteEntityAlreadyExistsException, match=r"differs in the entity$"):
            await remote.execute(other, {"name": "x"}, execution_name="run")
    assert execution.id == build.execution_id("run")


async def test_inputs_of_which_the_server_tells_where_they_are_are_compared(
    backend: Backend, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await taken(backend)
    plan = await backend.remote.fetch_launch_plan(name="demo.report")
    stored = core.LiteralMap(literals={"n": build.literal(3), "name": build.literal("x")})
    (tmp_path / "inputs.pb").write_bytes(codec.encode(stored))
    where = admin.UrlBlob(url=(tmp_path / "inputs.pb").as_uri(), bytes=4_000_000)
    async with showing(backend, where) as remote:
        await remote.execute(plan, {"n": 3, "name": "x"}, execution_name="run")
        with pytest.raises(FlyteEntityAlreadyExistsException, match=r"differs in the input n$"):
            await remote.execute(plan, {"n": 4, "name": "x"}, execution_name="run")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_adopt_takes_an_execution_whose_inputs_cannot_be_asked_for(
    backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    remote = await taken(backend)
    plan = await remote.fetch_launch_plan(name="demo.report")
    backend.misbehave(Fault(method="GetExecutionData", status=Status.INTERNAL, details="unreadable"))
    await remote.execute(plan, {"n": 3, "name": "x"}, execution_name="run", on_conflict="adopt")
    (record,) = (record for record in caplog.records if record.levelno == logging.WARNING)
    assert "could not be compared" in record.getMessage()
    with pytest.raises(FlyteSystemException, match="unreadable") as caught:
        await remote.execute(plan, {"n": 3, "name": "x"}, execution_name="run", on_conflict="same")
    assert not any("most likely" in note for note in getattr(caught.value, "__notes__", ()))


async def test_a_launch_of_ours_that_cannot_be_compared_is_told_to_exist(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="demo.report")
    backend.misbehave(
        Fault(method="CreateExecution", kind="lost_reply", times=1),
        Fault(method="GetExecutionData", status=Status.INTERNAL),
    )
    with pytest.raises(FlyteSystemException) as caught:
        await backend.remote.execute(plan, {"n": 3, "name": "x"}, execution_name="run")
    assert caught.value.identifier == "flytesnacks/development/run"
    assert "execution flytesnacks/development/run exists, and most likely this launch created it" in (
        caught.value.__notes__
    )
    assert len(await backend.executions()) == 1


async def test_what_was_launched_without_inputs_costs_no_look_at_inputs(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    for _ in range(2):
        await backend.remote.execute(plan, execution_name="run")
    assert backend.calls("GetExecutionData") == 0


async def test_an_execution_of_that_name_elsewhere_is_no_conflict(backend: Backend) -> None:
    remote = await taken(backend)
    plan = await remote.fetch_launch_plan(name="nothing")
    execution = await remote.execute(plan, domain="staging", execution_name="run", on_conflict="raise")
    assert execution.id == core.WorkflowExecutionIdentifier(project="flytesnacks", domain="staging", name="run")


@pytest.mark.parametrize("policy", ["replace", "", None, "SAME"], ids=str)
async def test_another_policy_is_refused_and_nothing_is_sent(backend: Backend, policy: OnConflict) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    backend.server.stats.reset()
    with pytest.raises(FlyteInvalidInputException, match="same, adopt, raise"):
        await backend.remote.execute(plan, execution_name="run", on_conflict=policy)
    assert backend.calls() == 0
