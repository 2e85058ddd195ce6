"""The engine's clock: skipping, advancing, and when time is not skipped."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flyteasync.errors import FlyteUsageError, Status
from flyteasync.idl import core
from flyteasync.server import Server, ServerConfig
from flyteasync.server.host import serve_in_thread
from tests.server.build import execution_id, node, promise, task, workflow
from tests.server.client import Client, RpcFailed
from tests.server.conftest import Connect
from tests.server.engine.nodes import (
    E1,
    Called,
    NodePhase,
    Phase,
    phases,
    run,
    set_signal,
    signal_gate,
    sleep_gate,
    terminate,
)

HOUR = 3600.0
E2 = execution_id("e2")


async def now(client: Client) -> datetime:
    return datetime.fromisoformat((await client.control("Ping"))["now"])


async def give_everything_a_turn(client: Client) -> None:
    """Round trips through the server, each of which is many turns of its loop."""
    for _ in range(20):
        await client.control("Ping")


def sleeps(*seconds: float) -> core.WorkflowTemplate:
    """One after the other."""
    nodes = [sleep_gate(f"n{index}", each) for index, each in enumerate(seconds)]
    for index, gate in enumerate(nodes[1:]):
        gate.upstream_node_ids = [f"n{index}"]
    return workflow("wf", nodes)


# Skipping...


async def test_hours_of_sleep_take_no_time_while_time_is_skipped(connect: Connect) -> None:
    client: Client = await connect()
    before = await now(client)
    plan = await client.register(sleeps(HOUR, HOUR, HOUR), [])
    assert await client.control("SetSkipping", True) == {"skipping": True}
    execution = await run(client, plan)
    assert execution.closure.duration == pytest.approx(timedelta(hours=3), abs=timedelta(seconds=5))
    assert await now(client) - before >= timedelta(hours=3)


async def test_timers_ring_in_their_order_whatever_order_they_were_set_in(connect: Connect) -> None:
    client: Client = await connect(skipping=True)
    gates = [sleep_gate(f"n{seconds}", seconds) for seconds in (300, 100, 200)]
    await run(client, await client.register(workflow("wf", gates), []))
    ends = {name: item.closure.updated_at for name, item in (await client.nodes(E1)).items()}
    assert ends["n100"] < ends["n200"] < ends["n300"] <= ends["end-node"]
    assert ends["n300"] - ends["n100"] == pytest.approx(timedelta(seconds=200), abs=timedelta(seconds=1))


async def test_nothing_is_skipped_once_skipping_is_off(connect: Connect) -> None:
    client: Client = await connect(skipping=True)
    await client.control("SetSkipping", False)
    await client.launch(await client.register(sleeps(HOUR), []), "e1")
    await client.node(E1, "n0", NodePhase.RUNNING)
    await give_everything_a_turn(client)
    assert abs(await now(client) - datetime.now(UTC)) < timedelta(minutes=1)
    assert phases(await client.nodes(E1))["n0"] == "RUNNING"


async def test_no_time_is_skipped_while_a_gate_waits_for_a_signal_anywhere(connect: Connect) -> None:
    client: Client = await connect()
    waiting = await client.register(workflow("waiting", [signal_gate("n0", "go", int, timeout=HOUR)]), [])
    sleeping = await client.register(sleeps(HOUR), [])
    await client.launch(waiting, "e1")
    await client.node(E1, "n0", NodePhase.RUNNING)
    await client.control("SetSkipping", True)
    await client.launch(sleeping, "e2")
    await client.node(E2, "n0", NodePhase.RUNNING)
    await give_everything_a_turn(client)
    assert abs(await now(client) - datetime.now(UTC)) < timedelta(minutes=1)
    # Neither the other's sleep is over, nor the gate's own time.
    assert phases(await client.nodes(E1))["n0"] == phases(await client.nodes(E2))["n0"] == "RUNNING"
    await set_signal(client, "go", 1)
    assert (await client.finish(E1)).closure.phase == Phase.SUCCEEDED
    assert (await client.finish(E2)).closure.duration >= timedelta(hours=1)


async def test_a_gate_that_is_aborted_no_longer_holds_time_up(connect: Connect) -> None:
    client: Client = await connect(skipping=True)
    await client.launch(await client.register(workflow("waiting", [signal_gate("n0", "go", int)]), []), "e1")
    await client.node(E1, "n0", NodePhase.RUNNING)
    await client.launch(await client.register(sleeps(HOUR), []), "e2")
    await terminate(client)
    assert (await client.finish(E2)).closure.duration >= timedelta(hours=1)


async def test_no_time_is_skipped_while_a_handler_is_under_way(connect: Connect) -> None:
    called, go = Called(), asyncio.Event()

    async def work() -> None:
        called.note()
        await go.wait()

    client: Client = await connect({"t": work}, skipping=True)
    template = workflow("wf", [node("n0", "t"), sleep_gate("n1", HOUR)])
    await client.launch(await client.register(template, [task("t")]), "e1")
    await called.wait()
    await give_everything_a_turn(client)
    assert phases(await client.nodes(E1))["n1"] == "RUNNING"
    assert abs(await now(client) - datetime.now(UTC)) < timedelta(minutes=1)
    go.set()
    assert (await client.finish(E1)).closure.duration >= timedelta(hours=1)


async def test_a_task_that_nobody_runs_reaches_its_time_limit_at_once(connect: Connect) -> None:
    client: Client = await connect(unregistered="hang", skipping=True)
    call = node("n0", "t")
    assert call.metadata is not None
    call.metadata.timeout = timedelta(hours=1)
    execution = await run(client, await client.register(workflow("wf", [call]), [task("t")]))
    assert execution.closure.error.code == "RetriesExhausted|TimeoutExpired"


async def test_simulated_work_is_skipped_too(connect: Connect) -> None:
    client: Client = await connect({"t": lambda: None}, phase_delay=HOUR, abort_delay=HOUR, skipping=True)
    execution = await run(client, await client.register(workflow("wf", [node("n0", "t")]), [task("t")]))
    assert execution.closure.duration >= timedelta(hours=1)


# Advancing...


async def test_everything_that_becomes_due_on_the_way_happens_at_its_own_time(connect: Connect) -> None:
    client: Client = await connect()
    await client.launch(await client.register(sleeps(HOUR, HOUR, HOUR), []), "e1")
    await client.node(E1, "n0", NodePhase.RUNNING)
    await client.control("Advance", {"seconds": 2.5 * HOUR})
    assert phases(await client.nodes(E1)) == {
        "start-node": "SUCCEEDED",
        "n0": "SUCCEEDED",
        "n1": "SUCCEEDED",
        "n2": "RUNNING",
    }
    await client.control("Advance", {"seconds": 0.5 * HOUR})
    execution = await client.get(E1)
    assert execution.closure.phase == Phase.SUCCEEDED
    assert execution.closure.duration == pytest.approx(timedelta(hours=3), abs=timedelta(seconds=5))


async def test_handlers_that_are_called_on_the_way_get_time_to_end(connect: Connect) -> None:
    client: Client = await connect({"t": lambda x: x + 1})
    nodes = [
        sleep_gate("n0", HOUR),
        node("n1", "t", {"x": promise("x")}, after=["n0"]),
        sleep_gate("n2", HOUR, after=["n1"]),
    ]
    template = workflow("wf", nodes, {"x": int}, {"o0": (int, promise("n1.o0"))})
    await client.launch(await client.register(template, [task("t", {"x": int}, {"o0": int})]), "e1", {"x": 1})
    await client.node(E1, "n0", NodePhase.RUNNING)
    await client.control("Advance", {"seconds": 2 * HOUR})
    assert (await client.get(E1)).closure.phase == Phase.SUCCEEDED


async def test_handlers_that_are_under_way_are_not_waited_for(connect: Connect) -> None:
    called = Called()
    client: Client = await connect({"t": called.hang()})
    template = workflow("wf", [node("n0", "t"), sleep_gate("n1", HOUR)])
    await client.launch(await client.register(template, [task("t")]), "e1")
    await called.wait()
    await client.node(E1, "n1", NodePhase.RUNNING)
    began = asyncio.get_running_loop().time()
    await client.control("Advance", {"seconds": HOUR})
    assert asyncio.get_running_loop().time() - began < 1
    assert phases(await client.nodes(E1)) == {"start-node": "SUCCEEDED", "n0": "RUNNING", "n1": "SUCCEEDED"}


async def test_handlers_that_do_not_end_hold_time_up_for_a_moment_only(connect: Connect) -> None:
    client: Client = await connect({"t": Called().hang()})
    assert client.server is not None
    nodes = [sleep_gate("n0", 10), node("n1", "t", after=["n0"]), sleep_gate("n2", 20)]
    await client.launch(await client.register(workflow("wf", nodes), [task("t")]), "e1")
    await client.node(E1, "n2", NodePhase.RUNNING)
    await client.server.advance(HOUR, patience=0.01)
    assert phases(await client.nodes(E1))["n2"] == "SUCCEEDED"
    assert await now(client) >= datetime.now(UTC) + timedelta(minutes=59)


async def test_time_can_be_advanced_while_a_gate_waits(connect: Connect) -> None:
    client: Client = await connect(skipping=True)
    await client.launch(await client.register(workflow("wf", [signal_gate("n0", "go", int)]), []), "e1")
    await client.node(E1, "n0", NodePhase.RUNNING)
    before = await now(client)
    await client.control("Advance", {"seconds": HOUR})
    assert await now(client) - before >= timedelta(hours=1)
    assert phases(await client.nodes(E1))["n0"] == "RUNNING"


async def test_two_who_advance_time_advance_it_by_both(connect: Connect) -> None:
    client: Client = await connect()
    before = await now(client)
    await asyncio.gather(*(client.control("Advance", {"seconds": HOUR}) for _ in range(2)))
    assert timedelta(hours=2) <= await now(client) - before < timedelta(hours=2, minutes=1)


async def test_records_carry_the_engines_time(connect: Connect) -> None:
    client: Client = await connect()
    await client.control("Advance", {"seconds": 1000 * HOUR})
    execution = await run(client, await client.register(sleeps(0), []))
    assert execution.closure.created_at >= datetime.now(UTC) + timedelta(hours=999)
    assert execution.closure.created_at <= execution.closure.started_at <= execution.closure.updated_at


async def test_without_skipping_time_passes_by_itself(connect: Connect) -> None:
    client: Client = await connect()
    execution = await run(client, await client.register(sleeps(0.02, 0.01), []))
    assert timedelta(seconds=0.03) <= execution.closure.duration < timedelta(seconds=5)


@pytest.mark.parametrize(
    ("method", "payload"),
    [
        ("Advance", None),
        ("Advance", {}),
        ("Advance", {"seconds": -1}),
        ("Advance", {"seconds": "x"}),
        ("SetSkipping", 1),
    ],
)
async def test_what_makes_no_sense_is_rejected(connect: Connect, method: str, payload: Any) -> None:
    client: Client = await connect()
    with pytest.raises(RpcFailed) as caught:
        await client.control(method, payload)
    assert caught.value.status == Status.INVALID_ARGUMENT


async def test_a_server_that_was_not_started_has_no_time_to_move() -> None:
    server = Server(ServerConfig())
    with pytest.raises(FlyteUsageError, match="was not started"):
        server.set_skipping(True)
    with pytest.raises(FlyteUsageError, match="was not started"):
        await server.advance(1)


async def test_a_host_moves_the_time_of_its_server() -> None:
    async with serve_in_thread() as host:
        before = await host.now()
        assert await host.advance(HOUR) - before >= timedelta(hours=1)
        await host.set_skipping(True)
        client = Client(host.endpoint)
        execution = await run(client, await client.register(sleeps(HOUR), []))
        assert execution.closure.duration >= timedelta(hours=1)
        await client.aclose()
