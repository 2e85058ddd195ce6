"""Launching exactly once, whatever happens to replies."""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from collections.abc import AsyncGenerator

import pytest

from flyteasync import FlyteLaunchPlan, FlyteRemote, RetryPolicy
from flyteasync.errors import (
    FlyteConcurrencyLimitReached,
    FlyteDeadlineExceeded,
    FlyteEntityAlreadyExistsException,
    FlyteError,
    FlyteInvalidInputException,
    FlyteRemoteClosed,
    FlyteSystemException,
    FlyteSystemUnavailableException,
    Status,
)
from flyteasync.idl import admin, core
from flyteasync.rpc.retry import AMBIGUOUS
from flyteasync.server import Fault
from flyteasync.transport import TransportName
from tests.server import build
from tests.support.backend import Backend, register, remote_of, single
from tests.support.loop import clock, eventually
from tests.support.wire import Call, Refusal, Relay, Wire, hang

AMBIGUOUS_STATUS = pytest.mark.parametrize("status", sorted(AMBIGUOUS), ids=lambda status: status.name)
CREATE = "CreateExecution"


@pytest.fixture
async def relayed(backend: Backend) -> AsyncGenerator[tuple[Wire, Relay, FlyteRemote]]:
    relay = Relay(backend.server.endpoint)
    async with Wire(relay) as wire, remote_of(wire.endpoint) as remote:
        yield wire, relay, remote
    await relay.aclose()


def names_by_method(wire: Wire) -> dict[str, list[str]]:
    """The methods that were called for each execution, in order."""
    order: dict[str, list[str]] = defaultdict(list)
    for call in wire.calls:
        if call.method == CREATE:
            order[call.request.name].append(CREATE)
        elif call.method == "GetExecution":
            order[call.request.id.name].append(call.method)
    return order


async def test_five_hundred_launches_whose_replies_get_lost_make_five_hundred_executions(
    backend: Backend, relayed: tuple[Wire, Relay, FlyteRemote]
) -> None:
    wire, _, remote = relayed
    plan = await remote.fetch_launch_plan(name="nothing")
    backend.misbehave(Fault(method=CREATE, kind="lost_reply", probability=0.2, status=Status.UNAVAILABLE))
    executions = await asyncio.gather(*(remote.execute(plan) for _ in range(500)))
    backend.misbehave()
    assert backend.server.stats.hits[CREATE] > 50
    assert len(await backend.executions()) == 500
    assert len({execution.id.name for execution in executions}) == 500
    assert backend.calls(CREATE) == 500, "an execution that was created is never created again"
    for order in names_by_method(wire).values():
        assert order in ([CREATE], [CREATE, "GetExecution"])


async def test_launches_that_fail_before_or_after_they_took_effect_are_each_made_once(
    backend: Backend, relayed: tuple[Wire, Relay, FlyteRemote]
) -> None:
    wire, _, remote = relayed
    plan = await remote.fetch_launch_plan(name="nothing")
    backend.misbehave(
        Fault(method=CREATE, kind="lost_reply", probability=0.3, seed=1, status=Status.INTERNAL),
        Fault(method=CREATE, kind="error", probability=0.4, seed=2),
        Fault(method="GetExecution", kind="error", probability=0.2, seed=3),
    )
    await asyncio.gather(*(remote.execute(plan) for _ in range(60)))
    backend.misbehave()
    assert len(await backend.executions()) == 60
    for order in names_by_method(wire).values():
        for before, after in itertools.pairwise(order):
            assert after != CREATE or before == "GetExecution", "never created again without a look"


@AMBIGUOUS_STATUS
async def test_a_launch_whose_reply_was_lost_is_looked_for_and_not_repeated(backend: Backend, status: Status) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    backend.misbehave(Fault(method=CREATE, kind="lost_reply", status=status))
    execution = await backend.remote.execute(plan)
    assert (backend.calls(CREATE), backend.calls("GetExecution")) == (1, 1)
    assert (await execution.wait()).is_successful


@AMBIGUOUS_STATUS
async def test_a_launch_that_did_not_take_effect_is_repeated_after_a_look(
    backend: Backend, relayed: tuple[Wire, Relay, FlyteRemote], status: Status
) -> None:
    wire, _, remote = relayed
    plan = await remote.fetch_launch_plan(name="nothing")
    backend.misbehave(Fault(method=CREATE, status=status, times=2))
    execution = await remote.execute(plan)
    assert names_by_method(wire)[execution.id.name] == [CREATE, "GetExecution"] * 2 + [CREATE]
    assert len(await backend.executions()) == 1


async def test_a_launch_that_takes_effect_late_is_found(
    backend: Backend, relayed: tuple[Wire, Relay, FlyteRemote]
) -> None:
    """The server still works on the first request when the second one comes."""
    wire, relay, remote = relayed
    plan = await remote.fetch_launch_plan(name="nothing")
    held: list[Call] = []

    async def answer(call: Call) -> bytes:
        if call.method == CREATE and not held:
            held.append(call)
            raise Refusal(Status.DEADLINE_EXCEEDED)
        if call.method == CREATE:
            await relay(held[0])
        return await relay(call)

    wire.answer = answer
    execution = await remote.execute(plan)
    assert names_by_method(wire)[execution.id.name] == [CREATE, "GetExecution", CREATE, "GetExecution"]
    assert len(await backend.executions()) == 1


async def test_a_server_that_hangs_is_looked_at_after_the_attempt(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    backend.misbehave(Fault(method=CREATE, kind="hang", times=1))
    await backend.remote.with_options(attempt_timeout=0.1).execute(plan)
    assert len(await backend.executions()) == 1
    assert backend.calls(CREATE) == 2


# Giving up ...


@pytest.mark.parametrize("status", [Status.INTERNAL, Status.UNKNOWN], ids=lambda status: status.name)
async def test_a_launch_that_the_server_cannot_make_is_tried_five_times(backend: Backend, status: Status) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    backend.misbehave(Fault(method=CREATE, status=status, details="storage is full"))
    with pytest.raises(FlyteSystemException, match="storage is full"):
        await backend.remote.execute(plan)
    assert backend.calls(CREATE) == 5


@pytest.mark.parametrize("most", [1, 2])
async def test_max_attempts_counts_creations_and_the_last_one_is_looked_for_too(backend: Backend, most: int) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    view = backend.remote.with_options(retry=RetryPolicy(max_attempts=most, initial_backoff=0.001))
    backend.misbehave(Fault(method=CREATE))
    with pytest.raises(FlyteSystemUnavailableException, match=CREATE):
        await view.execute(plan)
    assert (backend.calls(CREATE), backend.calls("GetExecution")) == (most, most)
    backend.misbehave(Fault(method=CREATE, kind="lost_reply"))
    assert (await (await view.execute(plan)).wait()).is_successful


async def test_an_outage_ends_the_launch_at_its_deadline_with_the_name(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    backend.misbehave(Fault(method="*"))
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(FlyteSystemUnavailableException) as caught:
        await backend.remote.with_options(timeout=0.3).execute(plan, execution_name_prefix="outage")
    assert loop.time() - began < 0.5
    assert caught.value.method == "AdminService/CreateExecution"
    assert caught.value.identifier is not None
    assert caught.value.identifier.startswith("flytesnacks/development/outage-")
    assert any("whether execution" in note for note in caught.value.__notes__)


# ... and what stays unknown ...

UNANSWERED = pytest.mark.parametrize(
    "unanswered",
    [Status.UNAVAILABLE, Status.PERMISSION_DENIED, Status.UNAUTHENTICATED, Status.RESOURCE_EXHAUSTED],
    ids=lambda status: status.name,
)


def check_in_doubt(error: FlyteError, name: str) -> None:
    """Whoever tries again must be told the name, and not be told to try again without it."""
    assert error.retryable is False
    assert error.identifier == f"flytesnacks/development/{name}"
    (note,) = (note for note in error.__notes__ if note.startswith("whether execution"))
    assert f"/{name} was created is not known" in note


@UNANSWERED
async def test_a_launch_that_may_have_happened_is_not_to_be_tried_again_without_its_name(
    backend: Backend, unanswered: Status
) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    backend.misbehave(Fault(method=CREATE, kind="lost_reply"), Fault(method="GetExecution", status=unanswered))
    with pytest.raises(FlyteSystemUnavailableException) as caught:
        await backend.remote.with_options(timeout=0.3).execute(plan)
    backend.misbehave()
    (there,) = await backend.executions()
    assert there.id is not None
    check_in_doubt(caught.value, there.id.name)
    assert caught.value.method == "AdminService/CreateExecution"
    again = await backend.remote.execute(plan, execution_name=(caught.value.identifier or "").rpartition("/")[2])
    assert again.id == there.id
    assert len(await backend.executions()) == 1


@UNANSWERED
async def test_a_launch_whose_name_may_exist_already_is_in_doubt_too(backend: Backend, unanswered: Status) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    backend.misbehave(
        Fault(method=CREATE, kind="lost_reply", status=Status.ALREADY_EXISTS),
        Fault(method="GetExecution", status=unanswered),
    )
    with pytest.raises(FlyteError) as caught:
        await backend.remote.with_options(timeout=0.3).execute(plan)
    assert caught.value.status is unanswered, "that it exists would be more than is known"
    backend.misbehave()
    (there,) = await backend.executions()
    assert there.id is not None
    check_in_doubt(caught.value, there.id.name)


@pytest.mark.parametrize("verb", ["relaunch", "recover"])
async def test_a_relaunch_in_doubt_names_the_new_execution(backend: Backend, verb: str) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    source = await backend.remote.execute(plan, execution_name="source")
    backend.misbehave(
        Fault(method=f"{verb.title()}Execution", kind="lost_reply"),
        Fault(method="GetExecution", status=Status.PERMISSION_DENIED),
    )
    with pytest.raises(FlyteSystemUnavailableException) as caught:
        await getattr(source, verb)()
    backend.misbehave()
    (made,) = (each.id.name for each in await backend.executions() if each.id and each.id.name != "source")
    check_in_doubt(caught.value, made)


async def test_a_remote_that_is_closed_while_it_launches_tells_the_name(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    backend.misbehave(Fault(method=CREATE, kind="hang"))
    launching = asyncio.ensure_future(backend.remote.execute(plan, execution_name="mine"))
    await eventually(lambda: backend.server.stats.hits[CREATE])
    await backend.remote.aclose(0)
    with pytest.raises(FlyteRemoteClosed) as caught:
        await launching
    check_in_doubt(caught.value, "mine")


async def test_when_to_try_again_is_told_of_a_launch_too(backend: Backend) -> None:
    """The budget of retries is empty."""
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    budget = backend.remote._caller.budget
    for faults in (
        [Fault(method="*")],
        [Fault(method=CREATE)],
    ):
        backend.misbehave(*faults)
        while budget.take(clock().time()):
            pass
        with pytest.raises(FlyteSystemUnavailableException) as caught:
            await backend.remote.execute(plan)
        assert caught.value.retry_after is not None
        assert caught.value.method == "AdminService/CreateExecution"


async def test_there_is_time_left_to_look_for_what_a_slow_server_has_created(
    backend: Backend, relayed: tuple[Wire, Relay, FlyteRemote]
) -> None:
    wire, relay, remote = relayed
    plan = await remote.fetch_launch_plan(name="nothing")

    async def answer(call: Call) -> bytes:
        reply = await relay(call)
        if call.method == CREATE:
            await asyncio.get_running_loop().create_future()
        return reply

    wire.answer = answer
    execution = await remote.with_options(timeout=0.5, attempt_timeout=10).execute(plan)
    (call,) = (call for call in wire.calls if call.method == CREATE)
    assert call.seconds_left is not None
    assert 0.2 < call.seconds_left < 0.45
    assert [there.id for there in await backend.executions()] == [execution.id]
    backend.server.stats.reset()
    wire.answer = relay
    await remote.with_options(timeout=30, attempt_timeout=100).execute(plan)
    assert wire.calls[-1].seconds_left == pytest.approx(27, abs=1), "a look takes no more than three seconds"


@pytest.mark.parametrize("transport", ["grpc_aio", "grpclib"])
async def test_an_attempt_that_was_never_sent_needs_no_look_and_leaves_no_doubt(
    backend: Backend, transport: TransportName
) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    async with Wire(hang) as gone:
        endpoint = gone.endpoint
    async with remote_of(endpoint, transport=transport) as remote:
        with pytest.raises(FlyteSystemUnavailableException) as caught:
            await remote.with_options(timeout=0.3).execute(plan, execution_name_prefix="unsent")
        assert not [name for name in remote.metrics() if "GetExecution" in name]
    assert caught.value.retryable
    assert "unsent-" in (caught.value.identifier or "")
    assert not any("whether execution" in note for note in caught.value.__notes__)


async def test_a_launch_that_found_no_place_among_the_calls_in_flight_was_never_sent(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    backend.misbehave(Fault(method="GetVersion", kind="hang"))
    async with remote_of(backend.server.endpoint, max_concurrent_rpcs=1) as remote:
        hung = asyncio.ensure_future(remote.ping())
        await eventually(lambda: backend.server.stats.in_flight)
        with pytest.raises(FlyteDeadlineExceeded, match="places for calls in flight") as caught:
            await remote.with_options(timeout=0.1).execute(plan)
        hung.cancel()
        await asyncio.wait([hung])
    assert caught.value.retryable
    assert not any("whether execution" in note for note in caught.value.__notes__)


async def test_after_an_attempt_that_was_sent_one_that_was_not_is_followed_by_a_look_all_the_same() -> None:
    """The first one may take effect at any time."""
    gate = asyncio.Event()

    async def answer(call: Call) -> bytes:
        if call.method == CREATE:
            gate.set()
            raise Refusal(Status.UNAVAILABLE)
        if "GetVersion" in call.method:
            return await hang(call)
        raise Refusal(Status.NOT_FOUND)

    plan = await _plan()
    async with Wire(answer) as wire, remote_of(wire.endpoint, max_concurrent_rpcs=1) as remote:
        launching = asyncio.ensure_future(remote.with_options(timeout=0.3).execute(plan))
        await gate.wait()
        hung = asyncio.ensure_future(remote.with_options(timeout=None).admin.get_version(admin.GetVersionRequest()))
        with pytest.raises(FlyteError) as caught:
            await launching
        hung.cancel()
        await asyncio.wait([hung])
    check_in_doubt(caught.value, (caught.value.identifier or "").rpartition("/")[2])


async def _plan() -> FlyteLaunchPlan:
    async with Backend() as backend:
        return await backend.remote.fetch_launch_plan(name="nothing")


@pytest.mark.parametrize(
    "status", [Status.INVALID_ARGUMENT, Status.PERMISSION_DENIED, Status.NOT_FOUND], ids=lambda status: status.name
)
async def test_a_refusal_is_final(backend: Backend, status: Status) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    backend.server.stats.reset()
    backend.misbehave(Fault(method=CREATE, status=status, details="no"))
    with pytest.raises(FlyteError, match="no") as caught:
        await backend.remote.execute(plan)
    assert caught.value.status is status
    assert backend.calls() == backend.calls(CREATE) == 1


# ALREADY_EXISTS ...


async def test_a_generated_name_that_exists_already_is_ours(backend: Backend) -> None:
    """A proxy may repeat the request."""
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    backend.misbehave(Fault(method=CREATE, kind="lost_reply", status=Status.ALREADY_EXISTS))
    execution = await backend.remote.execute(plan)
    assert (backend.calls(CREATE), backend.calls("GetExecution")) == (1, 1)
    assert (await execution.wait()).is_successful


async def test_a_lost_race_for_what_a_task_needs_is_run_again(backend: Backend) -> None:
    task = await backend.remote.fetch_task(name="nothing")
    backend.misbehave(Fault(method=CREATE, status=Status.ALREADY_EXISTS, details="value already exists", times=3))
    execution = await backend.remote.execute(task)
    assert backend.calls(CREATE) == 4
    assert (await execution.wait()).is_successful


async def test_other_failures_before_do_not_count_as_lost_races(backend: Backend) -> None:
    task = await backend.remote.fetch_task(name="nothing")
    race = Fault(method=CREATE, status=Status.ALREADY_EXISTS, details="value already exists", times=3)
    backend.misbehave(Fault(method=CREATE, times=4), race)
    await backend.remote.execute(task)
    assert backend.calls(CREATE) == 8


async def test_a_race_that_is_lost_again_and_again_is_an_error(backend: Backend) -> None:
    task = await backend.remote.fetch_task(name="nothing")
    backend.misbehave(Fault(method=CREATE, status=Status.ALREADY_EXISTS, details="value already exists"))
    with pytest.raises(FlyteEntityAlreadyExistsException, match="value already exists"):
        await backend.remote.execute(task)
    assert backend.calls(CREATE) == 4


async def test_many_first_launches_of_a_task_all_succeed(backend: Backend) -> None:
    task = await backend.remote.fetch_task(name="hold")
    backend.gate.set()
    executions = await asyncio.gather(*(backend.remote.execute(task, {"name": str(i)}) for i in range(30)))
    await asyncio.gather(*(execution.wait() for execution in executions))
    assert [execution.outputs["o0"] for execution in executions] == [str(index) for index in range(30)]


async def test_two_hundred_first_launches_of_a_task_that_race_make_two_hundred_executions(backend: Backend) -> None:
    """flyteadmin refuses some of them, since another one has just stored what both need."""
    task = await backend.remote.fetch_task(name="nothing")
    race = "missing entity of type LAUNCH_PLAN: value with matching already exists"
    backend.misbehave(Fault(method=CREATE, status=Status.ALREADY_EXISTS, details=race, calls=range(2, 180)))
    executions = await asyncio.gather(*(backend.remote.execute(task) for _ in range(200)))
    backend.misbehave()
    assert len({execution.id.name for execution in executions}) == 200
    stored = [execution.id for execution in await backend.executions()]
    assert {execution.id.name for execution in executions} == {each.name for each in stored if each is not None}
    assert len(stored) == 200
    assert backend.server.stats.duplicates == 0
    assert backend.remote.stats.retries[CREATE] == 178


async def test_a_concurrency_limit_is_told_apart_and_launches_nothing(backend: Backend) -> None:
    template, tasks = single("hold", {"name": str}, str, version="limited")
    policy = admin.ConcurrencyPolicy(max=2, behavior=admin.ConcurrencyLimitBehavior.SKIP)
    await register(backend.remote, template, tasks, admin.LaunchPlanSpec(concurrency_policy=policy))
    plan = await backend.remote.fetch_launch_plan(name="hold", version="limited")
    for name in ("one", "two"):
        await backend.remote.execute(plan, {"name": name})
    backend.server.stats.reset()
    for options in ({}, {"execution_name": "three"}):
        with pytest.raises(FlyteConcurrencyLimitReached, match=r"concurrency limit \(2\) reached") as caught:
            await backend.remote.execute(plan, {"name": "three"}, **options)
        assert caught.value.retryable
        assert caught.value.http_status == 429
        assert caught.value.status is Status.ALREADY_EXISTS
    assert caught.value.identifier == "flytesnacks/development/three"
    assert backend.calls(CREATE) == 2, "it is not tried again"
    assert len(await backend.executions()) == 2
    backend.gate.set()


# What it costs and what it never does ...


async def test_a_launch_costs_one_call_and_with_a_name_two(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    backend.server.stats.reset()
    await backend.remote.execute(plan)
    assert backend.calls() == backend.calls(CREATE) == 1
    await backend.remote.execute(plan, execution_name="mine")
    assert (backend.calls(), backend.calls("GetExecution")) == (3, 1)


async def test_cancelling_a_launch_never_ends_what_it_may_have_launched(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    backend.misbehave(Fault(method=CREATE, kind="lost_reply"), Fault(method="GetExecution", kind="hang"))
    task = asyncio.ensure_future(backend.remote.execute(plan))
    await eventually(lambda: backend.server.stats.hits["GetExecution"])
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert backend.calls("TerminateExecution") == 0
    backend.misbehave()
    assert len(await backend.executions()) == 1


async def test_the_server_keeps_the_first_inputs(backend: Backend) -> None:
    """A repeated create would overwrite them."""
    template, tasks = single("hold", {"name": str}, str, version="again")
    await register(backend.remote, template, tasks)
    plan = await backend.remote.fetch_launch_plan(name="hold", version="again")
    backend.misbehave(Fault(method=CREATE, kind="lost_reply"))
    execution = await backend.remote.execute(plan, {"name": "first"}, execution_name="run")
    with pytest.raises(FlyteEntityAlreadyExistsException):
        await backend.remote.execute(plan, {"name": "second"}, execution_name="run")
    assert backend.server.stats.duplicates == 0
    await execution.sync()
    assert dict(execution.inputs) == {"name": "first"}
    backend.gate.set()


async def test_a_task_is_launched_by_its_own_identifier(
    backend: Backend, relayed: tuple[Wire, Relay, FlyteRemote]
) -> None:
    wire, _, remote = relayed
    execution = await remote.execute(await remote.fetch_task(name="nothing"))
    (call,) = (call for call in wire.calls if call.method == CREATE)
    assert call.request.spec.launch_plan == build.identifier("nothing", core.ResourceType.TASK)
    assert execution.spec.launch_plan == call.request.spec.launch_plan


async def test_a_name_that_kubernetes_would_refuse_is_refused_first(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    with pytest.raises(FlyteInvalidInputException, match="at the end"):
        await backend.remote.execute(plan, execution_name="run-")
