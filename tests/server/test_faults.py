"""Misbehaviour on command."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from flyteasync import codec
from flyteasync.errors import FlyteInvalidInputException, Status
from flyteasync.idl import admin, core, methods
from flyteasync.server import Fault, Server, ServerConfig
from flyteasync.server.faults import Faults
from tests.server.build import execution, execution_id, identifier, node, task, workflow
from tests.server.client import Client, RpcFailed
from tests.server.conftest import Connect
from tests.support.loop import clock

PLAN = identifier("wf", core.ResourceType.LAUNCH_PLAN)
GET_VERSION = methods.GET_VERSION, admin.GetVersionRequest()


async def with_plan(connect: Connect, *faults: Fault) -> Client:
    client: Client = await connect({"t": lambda: None}, faults=faults)
    await client.register(workflow("wf", [node("n0", "t")]), [task("t")])
    return client


def hits(faults: list[Fault], calls: int, method: str = "M") -> list[int]:
    """The numbers of the calls that are hit."""
    plan = Faults(faults)
    return [number for number in range(1, calls + 1) if plan.draw(method) is not None]


def test_a_fault_hits_every_call_of_its_method_and_no_other() -> None:
    plan = Faults([Fault(method="M")])
    assert plan.draw("M") == Fault(method="M")
    assert plan.draw("Other") is None
    assert hits([Fault(method="*")], 3, "Anything") == [1, 2, 3]


def test_a_fault_hits_the_calls_of_its_numbers() -> None:
    assert hits([Fault(method="M", calls={2, 4})], 5) == [2, 4]


def test_a_fault_hits_no_more_often_than_it_may() -> None:
    assert hits([Fault(method="M", times=2)], 5) == [1, 2]
    assert hits([Fault(method="M", times=0)], 5) == []


def test_the_same_seed_hits_the_same_calls() -> None:
    first = hits([Fault(method="M", probability=0.2, seed=7)], 1000)
    assert first == hits([Fault(method="M", probability=0.2, seed=7)], 1000)
    assert first != hits([Fault(method="M", probability=0.2, seed=8)], 1000)
    assert 150 < len(first) < 250


def test_other_settings_do_not_change_whom_the_seed_hits() -> None:
    chosen = hits([Fault(method="M", probability=0.5, seed=1)], 20)
    limited = hits([Fault(method="M", probability=0.5, seed=1, times=3)], 20)
    assert limited == chosen[:3]
    assert hits([Fault(method="M", probability=0.5, seed=1, calls={chosen[2]})], 20) == [chosen[2]]


def test_jitter_makes_delays_longer_and_changes_nobody_whom_the_seed_hits() -> None:
    steady = Fault(method="M", kind="delay", delay=1, probability=0.5, seed=1)
    shaky = Fault(method="M", kind="delay", delay=1, jitter=0.5, probability=0.5, seed=1)
    assert hits([steady], 50) == hits([shaky], 50)
    plans = Faults([shaky]), Faults([shaky])
    drawn = [[fault.delay for _ in range(50) if (fault := plan.draw("M"))] for plan in plans]
    assert drawn[0] == drawn[1]
    assert len(set(drawn[0])) == len(drawn[0])
    assert all(1 <= delay <= 1.5 for delay in drawn[0])


def test_the_first_fault_that_hits_decides() -> None:
    plan = Faults([Fault(method="M", times=1, details="first"), Fault(method="M", details="second")])
    drawn = [plan.draw("M") for _ in range(2)]
    assert [fault.details for fault in drawn if fault is not None] == ["first", "second"]


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"method": ""}, "method of a fault must be the name of an RPC"),
        ({"method": "a/b"}, "method of a fault must be the name of an RPC"),
        ({"kind": "explode"}, "kind of a fault must be one of error, lost_reply, delay, hang, "),
        ({"status": Status.OK}, "status of a fault of kind 'error' must not be OK"),
        ({"probability": 1.5}, "probability of a fault must be from 0 to 1, got 1.5"),
        ({"times": -1}, "times of a fault must be zero or more, got -1"),
        ({"delay": -1}, "delay of a fault must be zero or more seconds, got -1"),
        ({"jitter": float("inf")}, "jitter of a fault must be zero or more seconds, got inf"),
        ({"size": "big"}, "size of a fault must be zero or more, got 'big'"),
        ({"messages": ("text",)}, "messages of a fault must be messages of Flyte, got str"),
    ],
)
def test_a_fault_that_makes_no_sense_is_rejected(settings: dict[str, Any], text: str) -> None:
    values: dict[str, Any] = {"method": "M"} | settings
    with pytest.raises(FlyteInvalidInputException) as caught:
        Fault(**values)
    assert str(caught.value).startswith(text)


def test_a_fault_travels_as_json() -> None:
    fault = Fault(method="M", kind="lost_reply", status=Status.INTERNAL, calls=frozenset({3, 1}), times=2, seed=5)
    assert Fault.from_dict(fault.to_dict()) == fault
    assert fault.to_dict()["calls"] == [1, 3]
    reason = admin.EventFailureReason(incompatible_cluster=admin.EventErrorIncompatibleCluster(cluster="c"))
    fault = Fault(method="M", kind="oversize", messages=(reason,), jitter=0.5, size=10)
    assert Fault.from_dict(json.loads(json.dumps(fault.to_dict()))) == fault
    assert fault.to_dict()["messages"] == [
        {"@type": "type.googleapis.com/flyteidl.admin.EventFailureReason", "incompatibleCluster": {"cluster": "c"}}
    ]
    assert Fault.from_dict({"method": "M"}) == Fault(method="M")


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"method": "M", "mehtod": 1},
        {"method": "M", "status": "NOPE"},
        {"method": "M", "calls": 5},
        {"method": "M", "messages": [{"@type": "x/no.Such"}]},
    ],
)
def test_json_that_is_no_fault_is_rejected(data: dict[str, Any]) -> None:
    with pytest.raises(FlyteInvalidInputException):
        Fault.from_dict(data)


def test_a_server_takes_no_fault_that_no_call_can_meet() -> None:
    with pytest.raises(FlyteInvalidInputException, match="got 'GetExecutoin'; did you mean GetExecution"):
        Server(ServerConfig(faults=(Fault(method="GetExecutoin"),)))


async def test_an_error_is_answered_and_nothing_happens(connect: Connect) -> None:
    fault = Fault(method="CreateExecution", status=Status.RESOURCE_EXHAUSTED, details="no room", times=1)
    client = await with_plan(connect, fault)
    failure = await client.fails(methods.CREATE_EXECUTION, execution(PLAN, "e1"))
    assert (failure.status, failure.text) == (Status.RESOURCE_EXHAUSTED, "no room")
    stats = await client.control("GetStats")
    assert (stats["executions"], stats["hits"]) == (0, {"CreateExecution": 1})
    await client.launch(PLAN, "e1")


async def test_a_lost_reply_is_an_error_although_it_was_done(connect: Connect) -> None:
    client = await with_plan(connect, Fault(method="CreateExecution", kind="lost_reply", times=1))
    failure = await client.fails(methods.CREATE_EXECUTION, execution(PLAN, "e1"))
    assert (failure.status, failure.text) == (Status.UNAVAILABLE, "injected fault")
    await client.finish(execution_id("e1"))
    assert (await client.fails(methods.CREATE_EXECUTION, execution(PLAN, "e1"))).status == Status.ALREADY_EXISTS
    stats = await client.control("GetStats")
    assert (stats["executions"], stats["duplicates"]) == (1, 1)
    assert stats["calls"]["CreateExecution"] == {"UNAVAILABLE": 1, "ALREADY_EXISTS": 1}


async def test_one_in_five_creates_may_be_committed_but_unavailable(connect: Connect) -> None:
    client = await with_plan(connect, Fault(method="CreateExecution", kind="lost_reply", probability=0.2, seed=3))

    async def create(name: str) -> Status:
        try:
            await client.launch(PLAN, name)
        except RpcFailed as error:
            return error.status
        return Status.OK

    results = await asyncio.gather(*(create(f"e{index}") for index in range(200)))
    lost = results.count(Status.UNAVAILABLE)
    assert results.count(Status.OK) == 200 - lost
    assert 20 < lost < 60
    stats = await client.control("GetStats")
    assert stats["executions"] == 200
    assert stats["hits"] == {"CreateExecution": lost}


async def test_the_handlers_own_error_goes_before_the_one_of_a_lost_reply(connect: Connect) -> None:
    client = await with_plan(connect, Fault(method="GetExecution", kind="lost_reply"))
    request = admin.WorkflowExecutionGetRequest(id=execution_id("nope"))
    assert (await client.fails(methods.GET_EXECUTION, request)).status == Status.NOT_FOUND


async def test_a_delayed_call_is_answered_later(connect: Connect) -> None:
    client = await with_plan(connect, Fault(method="GetVersion", kind="delay", delay=3600))
    call = asyncio.ensure_future(client.call(*GET_VERSION))
    await client.in_flight(1)
    assert not call.done()
    await clock().advance(3600)
    assert (await call).control_plane_version is not None


async def test_a_hang_ends_with_the_clients_deadline(connect: Connect) -> None:
    client = await with_plan(connect, Fault(method="GetVersion", kind="hang", times=1))
    with pytest.raises(RpcFailed) as caught:
        await client.call(*GET_VERSION, timeout=0.05)
    assert caught.value.status == Status.DEADLINE_EXCEEDED
    await client.call(*GET_VERSION)
    stats = await client.control("GetStats")
    assert stats["in_flight"] == 0
    assert stats["calls"]["GetVersion"] == {"CANCELLED": 1, "OK": 1}


async def test_a_hang_ends_when_the_client_goes_away(connect: Connect) -> None:
    client = await with_plan(connect, Fault(method="GetVersion", kind="hang"))
    other = Client(client.endpoint)
    call = asyncio.ensure_future(other.call(*GET_VERSION))
    async with asyncio.timeout(10):
        await client.in_flight(1)
        call.cancel()
        await asyncio.wait([call])
        await other.aclose()
        await client.in_flight(0)


async def test_a_hang_ends_when_the_server_stops(connect: Connect) -> None:
    client = await with_plan(connect, Fault(method="GetVersion", kind="hang"))
    call = asyncio.ensure_future(client.call(*GET_VERSION))
    async with asyncio.timeout(10):
        await client.in_flight(1)
        assert client.server is not None
        await client.server.stop(grace=5)
        with pytest.raises(RpcFailed) as caught:
            await call
    assert caught.value.status == Status.UNAVAILABLE


async def test_faults_are_replaced_while_the_server_runs(connect: Connect) -> None:
    client = await with_plan(connect, Fault(method="GetVersion"))
    assert (await client.fails(*GET_VERSION)).status == Status.UNAVAILABLE
    replaced = [Fault(method="GetVersion", status=Status.INTERNAL).to_dict()]
    assert await client.control("SetFaults", replaced) == {"faults": 1}
    assert (await client.fails(*GET_VERSION)).status == Status.INTERNAL
    assert await client.control("SetFaults", []) == {"faults": 0}
    await client.call(*GET_VERSION)


async def test_a_fault_for_all_methods_spares_the_control_api(connect: Connect) -> None:
    client = await with_plan(connect)
    await client.control("SetFaults", [{"method": "*"}])
    assert (await client.fails(*GET_VERSION)).status == Status.UNAVAILABLE
    assert "now" in await client.control("Ping")


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        ({"method": "M"}, "SetFaults takes a list of objects"),
        (["M"], "SetFaults takes a list of objects"),
        ([{"kind": "error"}], "a fault has the keys "),
        ([{"method": "M", "kind": "x"}], "kind of a fault must be one of"),
        ([{"method": "GetExecutoin"}], "method of a fault must be the name of an RPC such as"),
    ],
)
async def test_faults_that_make_no_sense_are_rejected_and_the_old_ones_stay(
    connect: Connect, payload: object, text: str
) -> None:
    client = await with_plan(connect, Fault(method="GetVersion"))
    with pytest.raises(RpcFailed) as caught:
        await client.control("SetFaults", payload)
    assert caught.value.status == Status.INVALID_ARGUMENT
    assert caught.value.text.startswith(text)
    assert (await client.fails(*GET_VERSION)).status == Status.UNAVAILABLE


async def test_a_payload_that_is_not_json_is_rejected(connect: Connect) -> None:
    client = await with_plan(connect)
    with pytest.raises(RpcFailed) as caught:
        await client.raw("/flyteasync.server.Control/SetFaults", b"{")
    assert caught.value.status == Status.INVALID_ARGUMENT
    assert caught.value.text.startswith("the payload of /flyteasync.server.Control/SetFaults is not JSON: ")


async def test_counters_can_be_read_and_started_anew(connect: Connect) -> None:
    client = await with_plan(connect)
    await client.control("GetStats", {"reset": True})
    request = admin.WorkflowExecutionGetRequest(id=execution_id("nope"))
    await client.call(*GET_VERSION)
    await client.fails(methods.GET_EXECUTION, request)
    stats = await client.control("GetStats", {"reset": True})
    assert stats["calls"] == {"GetVersion": {"OK": 1}, "GetExecution": {"NOT_FOUND": 1}}
    assert stats["bytes_in"] == len(codec.encode(request))
    assert stats["bytes_out"] > 0
    again = await client.control("GetStats")
    assert (again["calls"], again["bytes_in"], again["duplicates"], again["hits"]) == ({}, 0, 0, {})
