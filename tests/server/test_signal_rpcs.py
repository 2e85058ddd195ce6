"""GetOrCreateSignal, ListSignals and SetSignal."""

from __future__ import annotations

from typing import Any

import pytest

from flyteasync.errors import Status
from flyteasync.idl import admin, core, methods
from flyteasync.literals import literal_type
from tests.server.build import execution_id, literal
from tests.server.client import Client
from tests.server.conftest import Connect

E1 = execution_id("e1")


def signal_id(name: str, execution: core.WorkflowExecutionIdentifier | None = E1) -> core.SignalIdentifier:
    return core.SignalIdentifier(signal_id=name, execution_id=execution)


def wanted(name: str, kind: Any = bool) -> admin.SignalGetOrCreateRequest:
    return admin.SignalGetOrCreateRequest(id=signal_id(name), type=literal_type(kind))


def setting(name: str, value: Any) -> admin.SignalSetRequest:
    return admin.SignalSetRequest(id=signal_id(name), value=literal(value))


async def listed(client: Client, **fields: Any) -> tuple[list[str], str]:
    request = admin.SignalListRequest(**({"workflow_execution_id": E1, "limit": 10} | fields))
    reply = await client.call(methods.LIST_SIGNALS, request)
    return [item.id.signal_id for item in reply.signals], reply.token


async def test_a_signal_is_created_once_and_its_execution_need_not_exist(connect: Connect) -> None:
    client = await connect()
    for _ in range(2):
        signal = await client.call(methods.GET_OR_CREATE_SIGNAL, wanted("ok"))
        assert (signal.id, signal.type, signal.value) == (signal_id("ok"), literal_type(bool), None)
    assert await listed(client) == (["ok"], "")
    assert await listed(client, workflow_execution_id=execution_id("e2")) == ([], "")


async def test_a_value_is_set_and_silently_overwritten(connect: Connect) -> None:
    client = await connect()
    await client.call(methods.GET_OR_CREATE_SIGNAL, wanted("n", int))
    for value in (3, 4, 4):
        await client.call(methods.SET_SIGNAL, setting("n", value))
        assert (await client.call(methods.GET_OR_CREATE_SIGNAL, wanted("n", int))).value == literal(value)


async def test_signals_are_filtered_sorted_and_paged(connect: Connect) -> None:
    client = await connect()
    for name in ("b", "c", "a"):
        await client.call(methods.GET_OR_CREATE_SIGNAL, wanted(name))
    sort = admin.Sort(key="signal_id", direction=admin.SortDirection.ASCENDING)
    assert await listed(client, sort_by=sort, limit=2) == (["a", "b"], "2")
    assert await listed(client, sort_by=sort, limit=2, token="2") == (["c"], "")
    assert await listed(client, filters="eq(signal_id,b)") == (["b"], "")


async def test_another_type_under_the_same_id_exists_already(connect: Connect) -> None:
    client = await connect()
    await client.call(methods.GET_OR_CREATE_SIGNAL, wanted("ok"))
    failure = await client.fails(methods.GET_OR_CREATE_SIGNAL, wanted("ok", int))
    assert failure.status == Status.ALREADY_EXISTS
    assert failure.text == (
        "value with matching signals_pkey already exists (duplicate key value violates unique constraint "
        '"signals_pkey")'
    )


async def test_the_signals_type_must_be_castable_to_the_values(connect: Connect) -> None:
    client = await connect()
    await client.call(methods.GET_OR_CREATE_SIGNAL, wanted("ok"))
    failure = await client.fails(methods.SET_SIGNAL, setting("ok", 5))
    assert failure.status == Status.INVALID_ARGUMENT
    assert failure.text == (
        "requested signal value [scalar:{primitive:{integer:5}}] is not castable to existing signal type [[8 4]]"
    )
    await client.call(methods.GET_OR_CREATE_SIGNAL, wanted("either", int | str))
    # A union is not castable to one of its variants: the real server compares in this direction.
    assert (await client.fails(methods.SET_SIGNAL, setting("either", 5))).status == Status.INVALID_ARGUMENT


MISSING = [
    (None, "missing id"),
    (core.SignalIdentifier(signal_id="s"), "missing execution_id"),
    (signal_id(""), "missing signal_id"),
    (signal_id("s", core.WorkflowExecutionIdentifier(domain="d", name="n")), "missing project"),
    (signal_id("s", core.WorkflowExecutionIdentifier(project="p", name="n")), "missing domain"),
    (signal_id("s", core.WorkflowExecutionIdentifier(project="p", domain="d")), "missing name"),
]


@pytest.mark.parametrize(("identifier", "text"), MISSING)
async def test_a_signals_id_must_be_complete(
    connect: Connect, identifier: core.SignalIdentifier | None, text: str
) -> None:
    client = await connect()
    for method, request in [
        (methods.GET_OR_CREATE_SIGNAL, admin.SignalGetOrCreateRequest(id=identifier)),
        (methods.SET_SIGNAL, admin.SignalSetRequest(id=identifier)),
    ]:
        failure = await client.fails(method, request)
        assert (failure.status, failure.text) == (Status.INVALID_ARGUMENT, text)


async def test_other_requests_about_signals_that_are_invalid(connect: Connect) -> None:
    client = await connect()
    await client.call(methods.GET_OR_CREATE_SIGNAL, wanted("ok"))
    for method, request, text in [
        (methods.GET_OR_CREATE_SIGNAL, admin.SignalGetOrCreateRequest(id=signal_id("s")), "missing type"),
        (methods.SET_SIGNAL, admin.SignalSetRequest(id=signal_id("s")), "missing value"),
        (
            methods.SET_SIGNAL,
            setting("nope", True),
            "failed to validate that signal [{{flytesnacks development e1} nope}] exists, err: [signal does not exist]",
        ),
        (
            methods.SET_SIGNAL,
            admin.SignalSetRequest(id=signal_id("ok"), value=core.Literal()),
            "missing value",
        ),
        (methods.LIST_SIGNALS, admin.SignalListRequest(limit=1), "missing execution_id"),
        (
            methods.LIST_SIGNALS,
            admin.SignalListRequest(workflow_execution_id=core.WorkflowExecutionIdentifier(project="p"), limit=1),
            "missing execution_id",
        ),
        (methods.LIST_SIGNALS, admin.SignalListRequest(workflow_execution_id=E1), "invalid value for limit"),
        (
            methods.LIST_SIGNALS,
            admin.SignalListRequest(workflow_execution_id=E1, limit=1, token="-1"),
            "invalid pagination token -1 for ListSignals",
        ),
        (
            methods.LIST_SIGNALS,
            admin.SignalListRequest(workflow_execution_id=E1, limit=1, filters="eq(name,x)"),
            "'s.name' is invalid filter",
        ),
    ]:
        failure = await client.fails(method, request)
        assert failure.status == Status.INVALID_ARGUMENT
        if text != "missing value" or request.value is None:
            assert failure.text == text
        else:
            assert failure.text.startswith("Failed to validate literal type for [] with err: Code: IDLTypeNotFound")
