"""Dynamic nodes: handlers that return a workflow."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flyteasync.errors import Status
from flyteasync.idl import admin, core, methods
from flyteasync.server import DynamicWorkflow
from tests.server.build import bindings, collection, node, promise, scalar, task, workflow
from tests.server.client import Client
from tests.server.conftest import Connect
from tests.server.engine.nodes import (
    E1,
    Called,
    ErrorKind,
    NodePhase,
    Phase,
    TaskPhase,
    all_nodes,
    below,
    data,
    phases,
    run,
    sub_workflow_node,
    terminate,
)

STEP = task("step", {"x": int}, {"o0": int})
FAN_OUT = task("fan_out", {"n": int}, {"o0": list[int]})
WORKFLOW = workflow(
    "wf", [node("n0", "fan_out", {"n": promise("n")})], {"n": int}, {"o0": (list[int], promise("n0.o0"))}
)


def fan_out(n: int) -> DynamicWorkflow:
    return DynamicWorkflow(
        nodes=[node(f"dn{index}", "step", {"x": scalar(index)}) for index in range(n)],
        outputs=bindings({"o0": collection(*(promise(f"dn{index}.o0") for index in range(n)))}),
        tasks=[STEP],
    )


async def with_dynamic(connect: Connect, handler: Any = fan_out, **handlers: Any) -> tuple[Client, core.Identifier]:
    client: Client = await connect({"step": lambda x: x * 10, "fan_out": handler, **handlers})
    return client, await client.register(WORKFLOW, [FAN_OUT])


def dynamic_request(node_id: str) -> admin.GetDynamicNodeWorkflowRequest:
    return admin.GetDynamicNodeWorkflowRequest(id=core.NodeExecutionIdentifier(node_id=node_id, execution_id=E1))


async def test_the_generated_workflows_outputs_are_the_tasks(connect: Connect) -> None:
    client, plan = await with_dynamic(connect)
    execution = await run(client, plan, {"n": 3})
    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error
    assert await client.outputs(E1) == {"o0": [0, 10, 20]}


async def test_the_generated_nodes_run_under_the_tasks_node(connect: Connect) -> None:
    client, plan = await with_dynamic(connect)
    await run(client, plan, {"n": 2})
    dynamic = (await client.nodes(E1))["n0"]
    assert dynamic.closure.phase == NodePhase.SUCCEEDED
    assert dynamic.metadata.is_dynamic
    assert dynamic.metadata.is_parent_node
    children = await below(client, "n0")
    assert {name: item.id.node_id for name, item in children.items()} == {
        "start-node": "n0-0-start-node",
        "dn0": "n0-0-dn0",
        "dn1": "n0-0-dn1",
        "end-node": "n0-0-end-node",
    }
    assert set(phases(children).values()) == {"SUCCEEDED"}
    # The node's only task execution is the generator's.
    [attempt] = await client.attempts(E1, "n0")
    assert (attempt.id.task_id.name, attempt.closure.phase) == ("fan_out", TaskPhase.SUCCEEDED)


async def test_a_spec_as_flytekit_makes_it_is_a_workflow_too(connect: Connect) -> None:
    def from_flytekit(n: int) -> core.DynamicJobSpec:
        generated = fan_out(n)
        return core.DynamicJobSpec(
            nodes=list(generated.nodes), outputs=list(generated.outputs), tasks=[STEP], min_successes=n
        )

    client, plan = await with_dynamic(connect, from_flytekit)
    await run(client, plan, {"n": 2})
    assert await client.outputs(E1) == {"o0": [0, 10]}


async def test_the_node_is_dynamic_running_and_its_workflow_can_be_read_meanwhile(connect: Connect) -> None:
    called = Called()
    client, plan = await with_dynamic(connect, fan_out, step=called.hang())
    await client.launch(plan, "e1", {"n": 1})
    await called.wait()
    dynamic = (await client.nodes(E1))["n0"]
    assert dynamic.closure.phase == NodePhase.DYNAMIC_RUNNING
    assert dynamic.closure.dynamic_job_spec_uri.endswith("/n0/data/0/futures.pb")
    found = (await data(client, "n0")).dynamic_workflow
    assert found.dynamic_job_spec_uri == dynamic.closure.dynamic_job_spec_uri
    assert (found.id.name, len(found.id.version)) == ("dynamic_n0", 10)
    compiled = found.compiled_workflow
    assert [item.id for item in compiled.primary.template.nodes] == ["start-node", "end-node", "dn0"]
    reply = await client.call(methods.GET_DYNAMIC_NODE_WORKFLOW, dynamic_request("n0"))
    assert reply.compiled_workflow == compiled


async def test_a_node_that_is_not_dynamic_has_no_workflow(connect: Connect) -> None:
    client, plan = await with_dynamic(connect)
    await run(client, plan, {"n": 1})
    failure = await client.fails(methods.GET_DYNAMIC_NODE_WORKFLOW, dynamic_request("n0-0-dn0"))
    assert failure.status == Status.NOT_FOUND
    assert (await data(client, "n0-0-dn0")).dynamic_workflow is None


async def test_generated_nodes_may_use_registered_tasks_and_given_sub_workflows(connect: Connect) -> None:
    inner = workflow("inner", [node("s", "step", {"x": promise("y")})], {"y": int}, {"o0": (int, promise("s.o0"))})

    def generate(n: int) -> DynamicWorkflow:
        return DynamicWorkflow(
            nodes=[sub_workflow_node("dn0", "inner", {"y": scalar(n)})],
            outputs=bindings({"o0": collection(promise("dn0.o0"))}),
            sub_workflows=[inner],
        )

    client: Client = await connect({"step": lambda x: x * 10, "fan_out": generate})
    plan = await client.register(WORKFLOW, [FAN_OUT, STEP])
    execution = await run(client, plan, {"n": 4})
    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error
    assert await client.outputs(E1) == {"o0": [40]}
    assert "n0-0-dn0-0-s" in all_nodes(client)


async def test_a_dynamic_task_may_also_return_outputs(connect: Connect) -> None:
    client, plan = await with_dynamic(connect, lambda n: [n])
    await run(client, plan, {"n": 5})
    assert await client.outputs(E1) == {"o0": [5]}
    assert not (await client.nodes(E1))["n0"].metadata.is_dynamic


async def test_dynamic_nodes_inside_of_dynamic_nodes(connect: Connect) -> None:
    def generate(n: int) -> DynamicWorkflow | list[int]:
        if n == 0:
            return [0]
        return DynamicWorkflow(
            nodes=[node("deeper", "fan_out", {"n": scalar(n - 1)})],
            outputs=bindings({"o0": promise("deeper.o0")}),
        )

    client, plan = await with_dynamic(connect, generate)
    execution = await run(client, plan, {"n": 3})
    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error
    assert await client.outputs(E1) == {"o0": [0]}


@pytest.mark.parametrize(
    ("nodes", "text"),
    [
        ([], "NoNodesFound"),
        ([node("dn0", "absent")], "missing entity of type TASK"),
        ([node("dn0", "step", {"x": scalar("text")})], "MismatchingTypes"),
    ],
)
async def test_a_workflow_that_cannot_run_fails_the_node_for_good(
    connect: Connect, nodes: list[core.Node], text: str
) -> None:
    client, plan = await with_dynamic(connect, lambda n: DynamicWorkflow(nodes=nodes, tasks=[STEP]))
    execution = await run(client, plan, {"n": 1})
    error = execution.closure.error
    assert (error.code, error.kind) == ("DynamicWorkflowBuildFailed", ErrorKind.USER)
    assert text in error.message
    assert len(await client.attempts(E1, "n0")) == 1


async def test_a_generated_node_that_fails_aborts_the_others_and_fails_the_dynamic_node_with_its_error(
    connect: Connect,
) -> None:
    called = Called()

    async def step(x: int) -> int:
        if x:
            called.note()
            return await asyncio.get_running_loop().create_future()
        await called.wait()
        raise ValueError("boom")

    client, plan = await with_dynamic(connect, fan_out, step=step)
    execution = await run(client, plan, {"n": 2})
    children = await below(client, "n0")
    assert phases(children) == {"start-node": "SUCCEEDED", "dn0": "FAILED", "dn1": "ABORTED"}
    assert children["dn1"].closure.error.message == "Dynamic workflow failed"
    assert execution.closure.error == children["dn0"].closure.error
    assert (await client.nodes(E1))["n0"].closure.error == execution.closure.error


async def test_an_abort_reaches_generated_nodes(connect: Connect) -> None:
    called = Called()
    client, plan = await with_dynamic(connect, fan_out, step=called.hang())
    await client.launch(plan, "e1", {"n": 1})
    await called.wait()
    await terminate(client)
    await client.finish(E1)
    assert phases(await below(client, "n0"))["dn0"] == "ABORTED"
    assert phases(await client.nodes(E1))["n0"] == "ABORTED"


async def test_a_dynamic_node_needs_no_place_while_its_nodes_run(connect: Connect) -> None:
    client: Client = await connect({"step": lambda x: x, "fan_out": fan_out}, max_parallelism=1)
    plan = await client.register(WORKFLOW, [FAN_OUT])
    await run(client, plan, {"n": 3})
    assert await client.outputs(E1) == {"o0": [0, 1, 2]}
