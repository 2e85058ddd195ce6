"""Nodes that run another workflow of the same registration."""

from __future__ import annotations

import asyncio

from flyteasync.idl import core
from tests.server.build import node, promise, task, values, workflow
from tests.server.client import Client
from tests.server.conftest import Connect
from tests.server.engine.nodes import (
    E1,
    Called,
    NodePhase,
    Phase,
    TaskPhase,
    all_nodes,
    below,
    data,
    phases,
    register_workflow,
    run,
    sub_workflow_node,
    terminate,
)

INT = {"o0": int}
STEP = task("step", {"x": int}, INT)
INNER = workflow("inner", [node("a", "step", {"x": promise("x")})], {"x": int}, {"o0": (int, promise("a.o0"))})
MIDDLE = workflow(
    "middle",
    [sub_workflow_node("m", "inner", {"x": promise("x")}), node("b", "step", {"x": promise("m.o0")})],
    {"x": int},
    {"o0": (int, promise("b.o0"))},
)


def outer(**fields: object) -> core.WorkflowTemplate:
    call = sub_workflow_node("n0", "middle", {"x": promise("x")}, **fields)
    return workflow("wf", [call], {"x": int}, {"o0": (int, promise("n0.o0"))})


async def test_inputs_go_down_and_outputs_come_up_through_all_levels(connect: Connect) -> None:
    client: Client = await connect({"step": lambda x: x + 1})
    plan = await register_workflow(client, outer(), [STEP], parts=[INNER, MIDDLE])
    assert (await run(client, plan, {"x": 1})).closure.phase == Phase.SUCCEEDED
    assert await client.outputs(E1) == {"o0": 3}


async def test_every_level_has_its_own_start_and_end_node_and_ids_that_tell_their_parents(connect: Connect) -> None:
    client: Client = await connect({"step": lambda x: x + 1})
    plan = await register_workflow(client, outer(), [STEP], parts=[INNER, MIDDLE])
    await run(client, plan, {"x": 1})
    top = await client.nodes(E1)
    assert list(top) == ["start-node", "n0", "end-node"]
    assert top["n0"].metadata.is_parent_node
    assert top["n0"].metadata.retry_group == ""
    first = await below(client, "n0")
    assert {name: item.id.node_id for name, item in first.items()} == {
        "start-node": "n0-0-start-node",
        "m": "n0-0-m",
        "b": "n0-0-b",
        "end-node": "n0-0-end-node",
    }
    assert {item.metadata.retry_group for item in first.values()} == {"0"}
    second = await below(client, "n0-0-m")
    assert second["a"].id.node_id == "n0-0-m-0-a"
    assert phases(second) == dict.fromkeys(("start-node", "a", "end-node"), "SUCCEEDED")
    # `n0-0-m-0-start-node` has 19 characters, and one more would be too many for a second digit.
    assert second["start-node"].id.node_id == "n0-0-m-0-start-node"


async def test_the_start_and_end_node_of_a_sub_workflow_carry_its_inputs_and_outputs(connect: Connect) -> None:
    client: Client = await connect({"step": lambda x: x + 1})
    plan = await register_workflow(client, outer(), [STEP], parts=[INNER, MIDDLE])
    await run(client, plan, {"x": 1})
    inside = await below(client, "n0")
    start, end = inside["start-node"], inside["end-node"]
    assert (start.input_uri, start.closure.started_at, start.closure.duration) == ("", None, None)
    assert values((await data(client, "n0-0-start-node")).full_outputs) == {"x": 1}
    assert values((await data(client, "n0-0-end-node")).full_outputs) == {"o0": 3}
    assert end.closure.output_uri
    assert values((await data(client, "n0")).full_outputs) == {"o0": 3}


async def test_data_of_inner_nodes_lies_in_the_outputs_of_the_attempt_above_them(connect: Connect) -> None:
    client: Client = await connect({"step": lambda x: x + 1})
    plan = await register_workflow(client, outer(), [STEP], parts=[INNER, MIDDLE])
    await run(client, plan, {"x": 1})
    inner = (await below(client, "n0-0-m"))["a"]
    assert inner.input_uri.endswith("/n0/data/0/m/data/0/a/data/inputs.pb")


async def test_a_failure_inside_aborts_what_runs_beside_it_and_fails_all_levels_with_its_error(
    connect: Connect,
) -> None:
    began = asyncio.Event()

    async def slow() -> None:
        began.set()
        await asyncio.get_running_loop().create_future()

    async def fail() -> None:
        await began.wait()
        raise ValueError("boom")

    inner = workflow("inner", [node("a", "fail"), node("b", "slow"), node("c", "slow", after=["a"])])
    template = workflow("wf", [sub_workflow_node("n0", "inner")])
    client: Client = await connect({"fail": fail, "slow": slow})
    plan = await register_workflow(client, template, [task("fail"), task("slow")], parts=[inner])
    execution = await run(client, plan)
    inside = await below(client, "n0")
    assert phases(inside) == {"start-node": "SUCCEEDED", "a": "FAILED", "b": "ABORTED"}
    assert inside["b"].closure.error == core.ExecutionError(code="NodeAborted", message="subworkflow failed")
    failed = (await client.nodes(E1))["n0"]
    assert failed.closure.phase == NodePhase.FAILED
    assert execution.closure.error == failed.closure.error == inside["a"].closure.error
    [attempt] = await client.attempts(E1, "n0-0-b")
    assert (attempt.closure.phase, attempt.closure.error.code) == (TaskPhase.ABORTED, "Task Aborted")


async def test_an_abort_reaches_every_level(connect: Connect) -> None:
    called = Called()
    client: Client = await connect({"step": called.hang()})
    plan = await register_workflow(client, outer(), [STEP], parts=[INNER, MIDDLE])
    await client.launch(plan, "e1", {"x": 1})
    await called.wait()
    await terminate(client)
    assert (await client.finish(E1)).closure.phase == Phase.ABORTED
    assert phases(await client.nodes(E1))["n0"] == "ABORTED"
    assert phases(await below(client, "n0"))["m"] == "ABORTED"
    assert phases(await below(client, "n0-0-m"))["a"] == "ABORTED"
    [attempt] = await client.attempts(E1, "n0-0-m-0-a")
    assert attempt.closure.phase == TaskPhase.ABORTED


async def test_a_second_attempt_of_a_sub_workflow_runs_its_nodes_again_under_other_ids(connect: Connect) -> None:
    called = Called()
    client: Client = await connect({"step": called.hang()})
    assert client.server is not None
    call = sub_workflow_node("n0", "inner", {"x": promise("x")}, timeout=60, retries=1)
    template = workflow("wf", [call], {"x": int}, {"o0": (int, promise("n0.o0"))})
    plan = await register_workflow(client, template, [STEP], parts=[INNER])
    await client.launch(plan, "e1", {"x": 1})
    await called.wait(times=1)
    await client.server.advance(61)
    await called.wait(times=2)
    assert {name: item.metadata.retry_group for name, item in (await below(client, "n0")).items()}["a"] == "1"
    nodes = all_nodes(client)
    assert phases({name: nodes[name] for name in ("n0", "n0-0-a", "n0-1-a")}) == {
        "n0": "RUNNING",
        "n0-0-a": "ABORTED",
        "n0-1-a": "RUNNING",
    }
