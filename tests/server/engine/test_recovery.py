"""Executions that take over what another one has done."""

from __future__ import annotations

from flyteasync.idl import admin, core, methods
from flyteasync.server import DynamicWorkflow
from tests.server.build import bindings, execution_id, node, promise, scalar, task, values, workflow
from tests.server.client import Client
from tests.server.conftest import Connect
from tests.server.engine.nodes import (
    E1,
    NodePhase,
    Phase,
    all_nodes,
    data,
    phases,
    register_workflow,
    sub_workflow_node,
)

Mode = admin.ExecutionMetadataExecutionMode
E2 = execution_id("e2")
INT = {"o0": int}
TASKS = [task("good", {"x": int}, INT), task("bad", {"x": int}, INT)]


class Flaky:
    """Handlers of which one fails until it is mended, and that count their calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.mended = False

    def good(self, x: int) -> int:
        self.calls.append("good")
        return x + 1

    def bad(self, x: int) -> int:
        self.calls.append("bad")
        if not self.mended:
            raise ValueError("boom")
        return x * 10


async def recover(client: Client, name: str = "e2", source: core.WorkflowExecutionIdentifier = E1) -> admin.Execution:
    reply = await client.call(methods.RECOVER_EXECUTION, admin.ExecutionRecoverRequest(id=source, name=name))
    return await client.finish(reply.id)


async def failed_once(
    connect: Connect, template: core.WorkflowTemplate, parts: list[core.WorkflowTemplate] | None = None
) -> tuple[Client, core.Identifier, Flaky]:
    flaky = Flaky()
    client: Client = await connect({"good": flaky.good, "bad": flaky.bad})
    plan = await register_workflow(client, template, TASKS, parts=parts)
    assert (await client.finish(await client.launch(plan, "e1", {"x": 1}))).closure.phase == Phase.FAILED
    flaky.mended = True
    flaky.calls.clear()
    return client, plan, flaky


CHAIN = workflow(
    "wf",
    [node("n0", "good", {"x": promise("x")}), node("n1", "bad", {"x": promise("n0.o0")})],
    {"x": int},
    {"o0": (int, promise("n1.o0"))},
)


async def test_what_has_succeeded_is_recovered_and_the_rest_runs(connect: Connect) -> None:
    client, _, flaky = await failed_once(connect, CHAIN)
    execution = await recover(client)
    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error
    assert await client.outputs(E2) == {"o0": 20}
    assert flaky.calls == ["bad"]
    assert phases(await client.nodes(E2)) == {
        "start-node": "SUCCEEDED",
        "n0": "RECOVERED",
        "n1": "SUCCEEDED",
        "end-node": "SUCCEEDED",
    }


async def test_a_recovered_node_is_one_event_with_the_data_of_the_source(connect: Connect) -> None:
    client, _, _ = await failed_once(connect, CHAIN)
    await recover(client)
    recovered = (await client.nodes(E2))["n0"]
    assert (recovered.closure.started_at, recovered.closure.duration) == (None, None)
    assert recovered.closure.created_at == recovered.closure.updated_at
    assert "-e2/" in recovered.closure.output_uri
    request = admin.NodeExecutionGetDataRequest(id=core.NodeExecutionIdentifier(node_id="n0", execution_id=E2))

    reply = await client.call(methods.GET_NODE_EXECUTION_DATA, request)
    assert (values(reply.full_inputs), values(reply.full_outputs)) == ({"x": 1}, {"o0": 2})
    assert await client.attempts(E2, "n0") == []


async def test_the_recovered_can_be_recovered_again(connect: Connect) -> None:
    client, _, flaky = await failed_once(connect, CHAIN)
    flaky.mended = False
    await recover(client)
    flaky.mended, flaky.calls = True, []
    await recover(client, "e3", E2)
    assert flaky.calls == ["bad"]
    assert phases(await client.nodes(execution_id("e3")))["n0"] == "RECOVERED"


async def test_inside_of_a_sub_workflow_that_failed_nodes_are_recovered_one_by_one(connect: Connect) -> None:
    inner = workflow(
        "inner",
        [node("a", "good", {"x": promise("x")}), node("b", "bad", {"x": promise("a.o0")})],
        {"x": int},
        {"o0": (int, promise("b.o0"))},
    )
    template = workflow(
        "wf", [sub_workflow_node("n0", "inner", {"x": promise("x")})], {"x": int}, {"o0": (int, promise("n0.o0"))}
    )
    client, _, flaky = await failed_once(connect, template, [inner])
    await recover(client)
    assert flaky.calls == ["bad"]
    nodes = all_nodes(client, "e2")
    assert phases({name: nodes[name] for name in ("n0", "n0-0-a", "n0-0-b")}) == {
        "n0": "SUCCEEDED",
        "n0-0-a": "RECOVERED",
        "n0-0-b": "SUCCEEDED",
    }


async def test_a_sub_workflow_that_succeeded_is_recovered_as_a_whole(connect: Connect) -> None:
    inner = workflow("inner", [node("a", "good", {"x": promise("x")})], {"x": int}, {"o0": (int, promise("a.o0"))})
    nodes = [sub_workflow_node("n0", "inner", {"x": promise("x")}), node("n1", "bad", {"x": promise("n0.o0")})]
    client, _, flaky = await failed_once(
        connect, workflow("wf", nodes, {"x": int}, {"o0": (int, promise("n1.o0"))}), [inner]
    )
    await recover(client)
    assert await client.outputs(E2) == {"o0": 20}
    assert phases(all_nodes(client, "e2"))["n0"] == "RECOVERED"
    assert "n0-0-a" not in all_nodes(client, "e2")
    assert flaky.calls == ["bad"]


async def test_a_dynamic_node_runs_the_workflow_again_that_it_has_generated(connect: Connect) -> None:
    flaky = Flaky()
    generated: list[int] = []

    def generate(x: int) -> DynamicWorkflow:
        generated.append(x)
        nodes = [node("d0", "good", {"x": scalar(x)}), node("d1", "bad", {"x": promise("d0.o0")})]
        return DynamicWorkflow(nodes=nodes, outputs=bindings({"o0": promise("d1.o0")}))

    client: Client = await connect({"good": flaky.good, "bad": flaky.bad, "gen": generate})
    template = workflow("wf", [node("n0", "gen", {"x": promise("x")})], {"x": int}, {"o0": (int, promise("n0.o0"))})
    plan = await client.register(template, [*TASKS, task("gen", {"x": int}, INT)])
    await client.finish(await client.launch(plan, "e1", {"x": 1}))
    flaky.mended, flaky.calls = True, []
    execution = await recover(client)
    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error
    assert (generated, flaky.calls) == ([1], ["bad"])
    nodes = all_nodes(client, "e2")
    assert nodes["n0"].metadata is not None
    assert nodes["n0"].metadata.is_dynamic
    assert phases({name: nodes[name] for name in ("n0-0-d0", "n0-0-d1")}) == {
        "n0-0-d0": "RECOVERED",
        "n0-0-d1": "SUCCEEDED",
    }


async def test_an_execution_that_recovers_nothing_that_exists_runs_as_a_whole(connect: Connect) -> None:
    flaky = Flaky()
    flaky.mended = True
    client: Client = await connect({"good": flaky.good, "bad": flaky.bad})
    plan = await client.register(CHAIN, TASKS)
    metadata = admin.ExecutionMetadata(mode=Mode.RECOVERED, reference_execution=E1)
    execution = await client.finish(await client.launch(plan, "e2", {"x": 1}, metadata=metadata))
    assert execution.closure.phase == Phase.SUCCEEDED
    assert flaky.calls == ["good", "bad"]


async def test_another_mode_with_a_reference_recovers_nothing(connect: Connect) -> None:
    client, plan, flaky = await failed_once(connect, CHAIN)
    metadata = admin.ExecutionMetadata(mode=Mode.RELAUNCH, reference_execution=E1)
    await client.finish(await client.launch(plan, "e2", {"x": 1}, metadata=metadata))
    assert flaky.calls == ["good", "bad"]
    assert (await client.nodes(E2))["n0"].closure.phase == NodePhase.SUCCEEDED
    assert (await data(client, "n0")).full_inputs is not None
