"""Which calls are repeated, how often and how long."""

from __future__ import annotations

import asyncio
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyteasync import CallOptions, RetryPolicy
from flyteasync.errors import (
    FlyteDeadlineExceeded,
    FlyteEntityNotExistException,
    FlyteError,
    FlyteInvalidInputException,
    FlyteSystemException,
    FlyteSystemUnavailableException,
    Status,
)
from flyteasync.idl import admin
from flyteasync.idl.services import AdminService
from flyteasync.rpc import RetryBudget, RpcCaller
from flyteasync.rpc.retry import AMBIGUOUS, Kind, may_repeat
from flyteasync.server import Fault
from flyteasync.transport import TransportOptions
from flyteasync.transport.grpc_aio import GrpcAioTransport
from tests.support.backend import FAST, Backend, remote_of
from tests.support.loop import clock, eventually, settle
from tests.support.wire import Call, Refusal, Wire

VERSION = admin.GetVersionRequest()
ON_THE_WAY = [Status.UNAVAILABLE, Status.CANCELLED, Status.DEADLINE_EXCEEDED]
IN_THE_SERVER = [Status.UNKNOWN, Status.INTERNAL]
FINAL = sorted(set(Status) - {Status.OK, *ON_THE_WAY, *IN_THE_SERVER})


@pytest.mark.parametrize("status", [*ON_THE_WAY, *IN_THE_SERVER], ids=lambda status: status.name)
async def test_a_read_is_repeated_until_it_succeeds(bare: Backend, status: Status) -> None:
    bare.misbehave(Fault(method="GetVersion", status=status, times=3))
    await bare.remote.admin.get_version(VERSION)
    assert bare.calls("GetVersion") == 4
    assert bare.remote.stats.retries["GetVersion"] == 3
    assert bare.remote.stats.attempts["GetVersion"] == 4
    assert bare.remote.stats.failures["GetVersion", status.name] == 3


@pytest.mark.parametrize("status", FINAL, ids=lambda status: status.name)
async def test_what_will_not_change_is_not_repeated(bare: Backend, status: Status) -> None:
    bare.misbehave(Fault(method="GetVersion", status=status))
    with pytest.raises(FlyteError):
        await bare.remote.admin.get_version(VERSION)
    assert bare.calls("GetVersion") == 1


@pytest.mark.parametrize("status", IN_THE_SERVER, ids=lambda status: status.name)
async def test_a_fault_of_the_server_is_met_five_times_at_most(bare: Backend, status: Status) -> None:
    bare.misbehave(Fault(method="GetVersion", status=status))
    with pytest.raises(FlyteSystemException):
        await bare.remote.admin.get_version(VERSION)
    assert bare.calls("GetVersion") == 5


@pytest.mark.parametrize("method", ["create_execution", "relaunch_execution", "recover_execution"])
@pytest.mark.parametrize("status", sorted(AMBIGUOUS), ids=lambda status: status.name)
async def test_a_launch_is_never_repeated_blindly(bare: Backend, method: str, status: Status) -> None:
    bare.misbehave(Fault(method="*", status=status))
    requests = {
        "create_execution": admin.ExecutionCreateRequest(name="run-1"),
        "relaunch_execution": admin.ExecutionRelaunchRequest(name="run-1"),
        "recover_execution": admin.ExecutionRecoverRequest(name="run-1"),
    }
    with pytest.raises(FlyteError):
        await getattr(bare.remote.admin, method)(requests[method])
    assert bare.calls() == 1


async def test_max_attempts_bounds_the_repetition_and_one_switches_it_off(bare: Backend) -> None:
    bare.misbehave(Fault(method="GetVersion"))
    for attempts in (1, 3):
        bare.server.stats.reset()
        policy = RetryPolicy(max_attempts=attempts, initial_backoff=0.001, max_backoff=0.001)
        with pytest.raises(FlyteSystemUnavailableException):
            await bare.remote.with_options(retry=policy).admin.get_version(VERSION)
        assert bare.calls("GetVersion") == attempts


async def test_ping_is_not_repeated(bare: Backend) -> None:
    bare.misbehave(Fault(method="GetVersion"))
    with pytest.raises(FlyteSystemUnavailableException):
        await bare.remote.ping()
    assert bare.calls() == 1


async def test_the_deadline_bounds_the_call_with_all_its_attempts(bare: Backend) -> None:
    bare.misbehave(Fault(method="GetVersion"))
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(FlyteSystemUnavailableException) as caught:
        await bare.remote.with_options(timeout=0.2).admin.get_version(VERSION)
    assert loop.time() - began < 0.3
    assert bare.calls("GetVersion") > 3
    assert "gave up after" in caught.value.__notes__[-1]


async def test_the_reason_of_the_failures_is_told_even_if_the_deadline_cut_off_the_last_attempt(
    bare: Backend,
) -> None:
    bare.misbehave(Fault(method="GetVersion", times=2), Fault(method="GetVersion", kind="hang"))
    with pytest.raises(FlyteSystemUnavailableException, match="injected fault") as caught:
        await bare.remote.with_options(timeout=0.2).admin.get_version(VERSION)
    assert caught.value.__notes__ == ["gave up after 3 attempts"]


async def test_a_pause_that_would_outlast_the_deadline_is_cut_short_for_a_last_attempt(bare: Backend) -> None:
    bare.misbehave(Fault(method="GetVersion", times=1))
    patient = RetryPolicy(initial_backoff=1e9, max_backoff=1e9)
    view = bare.remote.with_options(timeout=60, retry=patient)
    task = asyncio.ensure_future(view.admin.get_version(VERSION))
    await eventually(lambda: bare.calls("GetVersion") == 1)
    await settle()
    await clock().advance(58)
    await settle()
    assert not task.done()
    await clock().advance(1.2)
    await task
    assert bare.calls("GetVersion") == 2


async def test_after_the_last_attempt_there_is_none(bare: Backend) -> None:
    bare.misbehave(Fault(method="GetVersion"))
    patient = RetryPolicy(initial_backoff=1e9, max_backoff=1e9)
    with pytest.raises(FlyteSystemUnavailableException) as caught:
        await bare.remote.with_options(timeout=0.2, retry=patient).admin.get_version(VERSION)
    assert caught.value.__notes__ == ["gave up after 2 attempts"]
    assert bare.calls("GetVersion") == 2


async def test_an_attempt_that_hangs_is_given_up_and_another_one_made(bare: Backend) -> None:
    bare.misbehave(Fault(method="GetVersion", kind="hang", times=1))
    await bare.remote.with_options(attempt_timeout=0.3).admin.get_version(VERSION)
    assert bare.server.stats.hits["GetVersion"] == 1
    assert set(bare.remote.stats.failures) == {("GetVersion", "DEADLINE_EXCEEDED")}


async def test_a_server_that_hangs_ends_the_call_at_its_deadline(bare: Backend) -> None:
    bare.misbehave(Fault(method="GetVersion", kind="hang"))
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(FlyteDeadlineExceeded) as caught:
        await bare.remote.with_options(timeout=0.2).admin.get_version(VERSION)
    assert 0.19 < loop.time() - began < 0.4
    assert isinstance(caught.value, TimeoutError)


async def test_the_time_that_is_left_travels_with_each_attempt() -> None:
    async def answer(call: Call) -> bytes:
        if len(wire.calls) < 3:
            await clock().advance(20)
            raise Refusal(Status.UNAVAILABLE)
        return b""

    async with Wire(answer) as wire, remote_of(wire.endpoint) as remote:
        await remote.with_options(timeout=50, attempt_timeout=30).admin.get_version(VERSION)
    left = [call.seconds_left for call in wire.calls]
    assert left == [pytest.approx(30, abs=1.5), pytest.approx(30, abs=1.5), pytest.approx(10, abs=1.5)]


@pytest.mark.parametrize("forever", [float("inf"), 1e18, 1e12], ids=str)
async def test_a_time_limit_beyond_all_time_is_none(bare: Backend, forever: float) -> None:
    view = bare.remote.with_options(timeout=forever, attempt_timeout=forever)
    await view.admin.get_version(VERSION)


async def test_no_time_limit_is_none(bare: Backend) -> None:
    options = CallOptions(timeout=None, attempt_timeout=float("inf"))
    async with remote_of(bare.server.endpoint, options=options) as remote:
        await remote.admin.get_version(VERSION)


async def test_a_dead_server_meets_no_storm(bare: Backend) -> None:
    """The budget that all calls of a connection share ends the repetition when the server is down for everybody."""
    bare.misbehave(Fault(method="*"))
    transport = GrpcAioTransport(TransportOptions(bare.server.endpoint, insecure=True))
    caller = RpcCaller(transport, FAST, budget=RetryBudget(capacity=50, per_second=0))
    calls = (AdminService(caller).get_version(VERSION) for _ in range(20))
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(result, FlyteSystemUnavailableException) for result in results)
    assert bare.calls("GetVersion") == 20 + 50
    with pytest.raises(FlyteSystemUnavailableException):
        await AdminService(caller.view(FAST)).get_version(VERSION)
    assert bare.calls("GetVersion") == 20 + 50 + 1, "a view shares the budget"
    await transport.aclose(0)


async def test_pauses_are_logged_for_who_wants_to_know(bare: Backend, caplog: pytest.LogCaptureFixture) -> None:
    bare.misbehave(Fault(method="GetVersion", times=1))
    with caplog.at_level(logging.DEBUG, "flyteasync"):
        await bare.remote.admin.get_version(VERSION)
    (record,) = (record for record in caplog.records if record.name.startswith("flyteasync.rpc"))
    assert "GetVersion: attempt 1 failed" in record.getMessage()


async def test_not_found_is_final_for_a_fetch(bare: Backend) -> None:
    with pytest.raises(FlyteEntityNotExistException):
        await bare.remote.fetch_execution(name="nowhere")
    assert bare.calls() == 1


async def test_a_call_waits_for_the_server_to_come_back() -> None:
    """An outage that is shorter than the deadline is not seen by callers."""
    async with Backend(registered=False) as one:
        endpoint = one.server.endpoint
        remote = remote_of(endpoint)
        await remote.ping()
    task = asyncio.ensure_future(remote.admin.get_version(VERSION))
    await eventually(lambda: remote.stats.retries["GetVersion"])
    async with Backend(registered=False, port=int(endpoint.rpartition(":")[2])):
        await task
        await remote.aclose()


# The decisions, without I/O ...


@given(st.sampled_from(sorted(Status)), st.integers(1, 100), st.none() | st.integers(1, 10))
def test_a_write_that_has_side_effects_may_never_be_repeated(
    status: Status, attempts: int, max_attempts: int | None
) -> None:
    assert not may_repeat(Kind.ONCE, status, attempts, max_attempts)


@given(st.sampled_from(Kind), st.sampled_from(sorted(Status)), st.integers(1, 100), st.none() | st.integers(1, 10))
def test_what_the_server_did_not_look_at_is_repeated_whatever_it_does(
    kind: Kind, status: Status, attempts: int, max_attempts: int | None
) -> None:
    read = may_repeat(Kind.REPEATABLE, status, attempts, max_attempts)
    assert may_repeat(kind, status, attempts, max_attempts, unprocessed=True) == read


@given(st.sampled_from(sorted(Status)), st.integers(1, 100), st.integers(1, 10))
def test_nothing_is_attempted_more_often_than_allowed(status: Status, attempts: int, max_attempts: int) -> None:
    if attempts >= max_attempts:
        assert not may_repeat(Kind.REPEATABLE, status, attempts, max_attempts)


def test_what_the_network_does_is_repeated_until_the_deadline() -> None:
    for status in ON_THE_WAY:
        assert may_repeat(Kind.REPEATABLE, status, 10_000, None)


def test_the_budget_is_empty_after_its_capacity_and_fills_with_time() -> None:
    budget = RetryBudget(capacity=10, per_second=2)
    assert [budget.take(100.0) for _ in range(11)] == [True] * 10 + [False]
    assert not budget.take(100.4)
    assert budget.take(101.0)
    assert [budget.take(200.0) for _ in range(11)] == [True] * 10 + [False], "it never holds more than its capacity"


def test_success_fills_the_budget() -> None:
    budget = RetryBudget(capacity=5, per_second=0, per_success=0.5)
    assert [budget.take(0.0) for _ in range(6)] == [True] * 5 + [False]
    budget.succeeded()
    assert not budget.take(0.0)
    budget.succeeded()
    assert budget.take(0.0)


@given(st.lists(st.floats(0, 10), max_size=200))
def test_the_budget_never_grants_more_than_capacity_and_rate_allow(pauses: list[float]) -> None:
    budget, now, granted = RetryBudget(capacity=5, per_second=1), 1000.0, 0
    for pause in pauses:
        now += pause
        granted += budget.take(now)
        assert granted <= 5 + (now - 1000.0) + 1e-6


@pytest.mark.parametrize(
    "settings",
    [{"max_attempts": 0}, {"max_attempts": -1}, {"initial_backoff": -1}, {"max_backoff": float("nan")}],
    ids=str,
)
def test_a_policy_that_makes_no_sense_is_refused(settings: dict[str, float]) -> None:
    with pytest.raises(FlyteInvalidInputException, match=next(iter(settings))):
        RetryPolicy(**settings)  # type: ignore[arg-type]
