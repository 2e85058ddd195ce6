"""Gates: signals, approvals and sleeps."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from flyteasync.errors import Status
from flyteasync.idl import admin, core, methods
from tests.server.build import literal, node, promise, task, workflow
from tests.server.client import Client
from tests.server.conftest import Connect
from tests.server.engine.nodes import (
    E1,
    ErrorKind,
    NodePhase,
    Phase,
    approval_gate,
    inputs_and_outputs,
    phases,
    run,
    set_request,
    set_signal,
    signal_gate,
    signals,
    sleep_gate,
    terminate,
)

USE = task("use", {"x": int}, {"o0": int})
SIGNALLED = workflow(
    "wf",
    [signal_gate("n0", "go", int), node("n1", "use", {"x": promise("n0.o0")})],
    {},
    {"o0": (int, promise("n1.o0"))},
)
APPROVED = workflow(
    "wf",
    [approval_gate("n0", "ok", {"v": promise("x")}), node("n1", "use", {"x": promise("n0.v")})],
    {"x": int},
    {"o0": (int, promise("n1.o0"))},
)


async def started(connect: Connect, template: core.WorkflowTemplate, inputs: dict[str, Any] | None = None) -> Client:
    client: Client = await connect({"use": lambda x: x + 1})
    await client.launch(await client.register(template, [USE]), "e1", inputs)
    return client


async def test_a_gate_runs_until_its_signal_is_set_and_returns_its_value(connect: Connect) -> None:
    client = await started(connect, SIGNALLED)
    await client.node(E1, "n0", NodePhase.RUNNING)
    await set_signal(client, "go", 41)
    assert (await client.finish(E1)).closure.phase == Phase.SUCCEEDED
    assert await client.outputs(E1) == {"o0": 42}
    assert await inputs_and_outputs(client, "n0") == ({}, {"o0": 41})
    assert await client.attempts(E1, "n0") == []


async def test_a_signal_can_be_listed_from_when_its_gate_runs(connect: Connect) -> None:
    client: Client = await connect()
    assert await signals(client) == {}
    await client.launch(await client.register(SIGNALLED, [USE]), "e1")
    await client.node(E1, "n0", NodePhase.RUNNING)
    found = await signals(client)
    assert list(found) == ["go"]
    assert found["go"].type == core.LiteralType(simple=core.SimpleType.INTEGER)
    assert found["go"].value is None
    await set_signal(client, "go", 5)
    assert (await signals(client))["go"].value == literal(5)


async def test_a_signal_that_is_set_already_lets_its_gate_pass_without_running(connect: Connect) -> None:
    client: Client = await connect({"use": lambda x: x})
    plan = await client.register(SIGNALLED, [USE])
    kind = core.LiteralType(simple=core.SimpleType.INTEGER)
    signal_id = core.SignalIdentifier(signal_id="go", execution_id=E1)
    await client.call(methods.GET_OR_CREATE_SIGNAL, admin.SignalGetOrCreateRequest(id=signal_id, type=kind))
    await set_signal(client, "go", 3)
    await run(client, plan)
    assert await client.outputs(E1) == {"o0": 3}
    gate = (await client.nodes(E1))["n0"].closure
    assert (gate.phase, gate.started_at) == (NodePhase.SUCCEEDED, None)


async def test_a_second_value_comes_too_late_for_its_gate(connect: Connect) -> None:
    client = await started(connect, SIGNALLED)
    await client.node(E1, "n0", NodePhase.RUNNING)
    await set_signal(client, "go", 1)
    await client.finish(E1)
    await set_signal(client, "go", 2)
    assert await client.outputs(E1) == {"o0": 2}
    assert (await signals(client))["go"].value == literal(2)


async def test_one_signal_lets_all_gates_go_on_that_wait_for_it(connect: Connect) -> None:
    template = workflow("wf", [signal_gate("n0", "go", int), signal_gate("n1", "go", int)])
    client = await started(connect, template)
    await client.node(E1, "n0", NodePhase.RUNNING)
    await client.node(E1, "n1", NodePhase.RUNNING)
    await set_signal(client, "go", 1)
    assert (await client.finish(E1)).closure.phase == Phase.SUCCEEDED


async def test_a_signal_of_another_type_than_the_one_that_exists_fails_its_gate(connect: Connect) -> None:
    template = workflow("wf", [signal_gate("n0", "go", int), signal_gate("n1", "go", str, after=["n0"])])
    client = await started(connect, template)
    await client.node(E1, "n0", NodePhase.RUNNING)
    await set_signal(client, "go", 1)
    execution = await client.finish(E1)
    assert phases(await client.nodes(E1))["n1"] == "FAILED"
    assert execution.closure.error.kind == ErrorKind.SYSTEM


async def test_an_approval_passes_inputs_on(connect: Connect) -> None:
    client = await started(connect, APPROVED, {"x": 7})
    await client.node(E1, "n0", NodePhase.RUNNING)
    assert (await signals(client))["ok"].type == core.LiteralType(simple=core.SimpleType.BOOLEAN)
    await set_signal(client, "ok", True)
    await client.finish(E1)
    assert await client.outputs(E1) == {"o0": 8}
    assert await inputs_and_outputs(client, "n0") == ({"v": 7}, {"v": 7})


async def test_a_rejection_fails_the_gate(connect: Connect) -> None:
    client = await started(connect, APPROVED, {"x": 7})
    await client.node(E1, "n0", NodePhase.RUNNING)
    await set_signal(client, "ok", False)
    execution = await client.finish(E1)
    assert execution.closure.error == core.ExecutionError(
        code="ReceivedRejectSignal",
        message="received a reject signal to disapprove the node input values",
        kind=ErrorKind.USER,
    )
    assert "n1" not in await client.nodes(E1)


@pytest.mark.parametrize(
    ("signal_id", "value", "text"), [("absent", 1, "signal does not exist"), ("go", "text", "is not castable")]
)
async def test_a_value_that_no_signal_takes_is_rejected(
    connect: Connect, signal_id: str, value: Any, text: str
) -> None:
    client = await started(connect, SIGNALLED)
    await client.node(E1, "n0", NodePhase.RUNNING)
    failure = await client.fails(methods.SET_SIGNAL, set_request(signal_id, value))
    assert failure.status == Status.INVALID_ARGUMENT
    assert text in failure.text


async def test_a_sleep_takes_its_time_and_has_no_outputs(connect: Connect) -> None:
    client: Client = await connect(skipping=True)
    await run(client, await client.register(workflow("wf", [sleep_gate("n0", 3600)]), []))
    gate = (await client.nodes(E1))["n0"].closure
    assert gate.phase == NodePhase.SUCCEEDED
    assert gate.output_uri is None
    assert timedelta(seconds=3600) <= gate.duration < timedelta(seconds=3610)


async def test_a_sleep_that_may_take_no_longer_than_it_takes_succeeds(connect: Connect) -> None:
    # flytekit gives a sleep its own duration as the time limit of the node.
    client: Client = await connect(skipping=True)
    plan = await client.register(workflow("wf", [sleep_gate("n0", 60, timeout=60)]), [])
    assert (await run(client, plan)).closure.phase == Phase.SUCCEEDED


async def test_an_abort_ends_a_waiting_gate(connect: Connect) -> None:
    client = await started(connect, SIGNALLED)
    await client.node(E1, "n0", NodePhase.RUNNING)
    await terminate(client)
    await client.finish(E1)
    assert phases(await client.nodes(E1))["n0"] == "ABORTED"
    # The signal outlives its gate.
    await set_signal(client, "go", 1)
    await asyncio.sleep(0)
    assert phases(await client.nodes(E1))["n0"] == "ABORTED"


async def test_gates_that_follow_gates_have_the_types_of_what_was_bound_first(connect: Connect) -> None:
    nodes = [
        approval_gate("n0", "a", {"v": promise("x")}),
        approval_gate("n1", "b", {"w": promise("n0.v")}),
        node("n2", "use", {"x": promise("n1.w")}),
    ]
    client: Client = await connect()
    await client.register(workflow("other", [node("n0", "use", {"x": promise("x")})], {"x": int}), [USE])
    template = workflow("wf", nodes, {"x": str})
    request = admin.WorkflowCreateRequest(id=template.id, spec=admin.WorkflowSpec(template=template))
    failure = await client.fails(methods.CREATE_WORKFLOW, request)
    assert "Code: MismatchingTypes, Node Id: n2" in failure.text
