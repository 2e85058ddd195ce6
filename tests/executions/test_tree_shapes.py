"""The node tree of every kind of node, as the embedded server runs them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from flyteasync import FlyteNodeExecution, FlyteRemote, FlyteWorkflowExecution
from flyteasync.errors import FlyteAssertion
from flyteasync.idl import admin, core
from flyteasync.server import DynamicWorkflow, Server, ServerConfig
from tests.server import build
from tests.server.build import bindings, collection, node, promise, scalar, task, workflow
from tests.server.client import Client
from tests.server.engine.nodes import (
    E1,
    NodePhase,
    Phase,
    TaskPhase,
    approval_gate,
    array_node,
    branch_node,
    comparison,
    launch_plan_node,
    register_workflow,
    set_signal,
    signal_gate,
    sleep_gate,
    sub_workflow_node,
)
from tests.support.backend import remote_of
from tests.support.loop import eventually

INT = {"o0": int}
X = {"x": promise("x")}
STEP = task("step", {"x": int}, INT)
GENERATE = task("generate", {"x": int}, {"o0": list[int]})
MAPPED = task("map_step_0123456789abcdef0123456789abcdef-arraynode", {"x": list[int]}, {"o0": list[int]})
INNER = workflow(
    "inner",
    [node("a", "step", X), node("b", "step", {"x": promise("a.o0")})],
    {"x": int},
    {"o0": (int, promise("b.o0"))},
)


def step(x: int) -> int:
    return x + 1


def tenfold(x: int) -> int:
    return x * 10


def generate(x: int) -> DynamicWorkflow:
    return DynamicWorkflow(
        nodes=[node(f"dn{index}", "step", {"x": scalar(index)}) for index in range(x)],
        outputs=bindings({"o0": collection(*(promise(f"dn{index}.o0") for index in range(x)))}),
        tasks=[STEP],
    )


class Engine:
    """A server that runs what a test registers, and a remote of it."""

    def __init__(self, server: Server, client: Client, remote: FlyteRemote) -> None:
        self.server = server
        self.client = client
        self.remote = remote

    async def run(
        self, nodes: list[core.Node], inputs: Mapping[str, Any] | None = None, *, tasks: list[Any] | None = None
    ) -> FlyteWorkflowExecution:
        """Launch a workflow of these nodes as `e1`, wait for its end, and sync its nodes."""
        execution = await self.launch(nodes, inputs, tasks=tasks)
        return await execution.wait(sync_nodes=True)

    async def launch(
        self, nodes: list[core.Node], inputs: Mapping[str, Any] | None = None, *, tasks: list[Any] | None = None
    ) -> FlyteWorkflowExecution:
        await register_workflow(self.client, INNER, [STEP, GENERATE, MAPPED, *(tasks or [])])
        kinds = {name: build.type_of(value) for name, value in (inputs or {}).items()}
        template = workflow("outer", nodes, kinds)
        plan = await register_workflow(self.client, template, [], parts=[INNER])
        await self.client.launch(plan, "e1", dict(inputs or {}))
        return self.remote.execution("e1")

    def calls(self, method: str | None = None) -> int:
        ended = self.server.stats.calls
        return sum(sum(by_status.values()) for name, by_status in ended.items() if method in (None, name))


@asynccontextmanager
async def serving(handlers: Mapping[str, Callable[..., Any]], **settings: Any) -> AsyncGenerator[Engine]:
    async with Server(ServerConfig(skipping=True, **settings), handlers) as server:
        client = Client(server.endpoint, server)
        async with remote_of(server.endpoint) as remote:
            yield Engine(server, client, remote)
        await client.aclose()


@pytest.fixture
async def engine() -> AsyncGenerator[Engine]:
    async with serving({"step": step, "generate": generate, "cached": tenfold}) as started:
        yield started


def by_spec(nodes: Mapping[str, FlyteNodeExecution]) -> dict[str, FlyteNodeExecution]:
    return {node.metadata.spec_node_id: node for node in nodes.values()}


def below(node: FlyteNodeExecution) -> dict[str, FlyteNodeExecution]:
    return by_spec(node.subworkflow_node_executions)


def names(values: Mapping[str, Any] | None) -> set[str]:
    return set(values or {})


# Every kind ...


async def test_start_and_end_nodes_have_the_inputs_and_outputs_of_the_workflow(engine: Engine) -> None:
    execution = await engine.run([node("n0", "step", X)], {"x": 1})
    start, end = execution.node_executions["start-node"], execution.node_executions["end-node"]
    assert start.inputs == {}
    assert start.outputs == {"x": 1}
    assert start.task_executions == end.task_executions == []
    assert names(start.interface.outputs if start.interface else None) == {"x"}
    assert end.inputs == end.outputs == {}


async def test_a_task_node_has_its_interface_and_its_attempts_have_their_task(engine: Engine) -> None:
    execution = await engine.run([node("n0", "step", X)], {"x": 1})
    found = execution.node_executions["n0"]
    assert (dict(found.inputs), dict(found.outputs)) == ({"x": 1}, {"o0": 2})
    assert found.interface is not None
    assert (set(found.interface.inputs), set(found.interface.outputs)) == ({"x"}, {"o0"})
    (attempt,) = found.task_executions
    assert attempt.task is not None
    assert attempt.task.name == "step"
    assert (attempt.inputs, attempt.outputs) == ({"x": 1}, {"o0": 2})
    assert found.inputs.variable_map is not None


async def test_a_single_task_is_found_under_the_name_of_its_node(engine: Engine) -> None:
    await engine.launch([node("n0", "step", X)], {"x": 1})
    remote = engine.remote
    execution = await remote.execute(await remote.fetch_task(name="step"), {"x": 4})
    await execution.wait(sync_nodes=True)
    (found,) = (node for name, node in execution.node_executions.items() if name not in ("start-node", "end-node"))
    assert found.outputs == {"o0": 5}
    assert found.interface is not None
    assert [attempt.task and attempt.task.name for attempt in found.task_executions] == ["step"]


async def test_a_node_with_a_long_id_is_found_by_its_id_in_the_workflow(engine: Engine) -> None:
    long = "a-node-with-an-id-of-more-than-twenty-characters"
    execution = await engine.run([node(long, "step", X)], {"x": 1})
    assert long not in execution.node_executions, "the server has cut it"
    assert by_spec(execution.node_executions)[long].task_executions[0].task is not None


async def test_below_a_sub_workflow_are_its_nodes(engine: Engine) -> None:
    execution = await engine.run([sub_workflow_node("n0", "inner", X)], {"x": 1})
    parent = execution.node_executions["n0"]
    assert (parent.inputs, parent.outputs) == ({"x": 1}, {"o0": 3})
    assert parent.interface is not None
    assert parent.task_executions == []
    assert set(parent.subworkflow_node_executions) == {"n0-0-start-node", "n0-0-a", "n0-0-b", "n0-0-end-node"}
    inner = below(parent)
    assert inner["start-node"].outputs == {"x": 1}
    assert [inner[name].outputs["o0"] for name in ("a", "b", "end-node")] == [2, 3, 3]
    assert inner["b"].task_executions[0].task is not None


async def test_below_a_branch_is_the_arm_that_was_taken(engine: Engine) -> None:
    arms = [
        (comparison("$x", "GT", 0), node("yes", "step", X)),
        (comparison("$x", "LT", 0), node("no", "step", X)),
    ]
    execution = await engine.run([branch_node("n0", arms, "neither", X)], {"x": 1})
    branch = execution.node_executions["n0"]
    assert branch.closure.phase == NodePhase.SUCCEEDED
    assert branch.interface is None
    assert branch.inputs == {"x": 1}
    assert branch.task_executions == []
    (arm,) = branch.subworkflow_node_executions.values()
    assert arm.outputs == {"o0": 2}
    assert arm.task_executions[0].task is not None
    assert arm.interface is not None


async def test_below_a_dynamic_node_are_the_nodes_that_it_generated(engine: Engine) -> None:
    execution = await engine.run([node("n0", "generate", X)], {"x": 2})
    found = execution.node_executions["n0"]
    assert (found.inputs, found.outputs) == ({"x": 2}, {"o0": [1, 2]})
    assert [attempt.task and attempt.task.name for attempt in found.task_executions] == ["generate"]
    generated = below(found)
    assert [generated[f"dn{index}"].outputs["o0"] for index in range(2)] == [1, 2]
    assert generated["dn0"].task_executions[0].task is not None, "the generated workflow tells it"
    assert found.below.workflow is not None
    assert set(found.below.workflow.node_map) == {"dn0", "dn1"}


async def test_an_array_node_has_lists_and_one_task_execution(engine: Engine) -> None:
    assert MAPPED.id is not None
    nodes = [array_node("n0", node("inner", MAPPED.id.name, {"x": promise("xs")}), {"x": promise("xs")})]
    execution = await engine.run(nodes, {"xs": [1, 2, 3]})
    array = execution.node_executions["n0"]
    assert (array.inputs, array.outputs) == ({"x": [1, 2, 3]}, {"o0": [2, 3, 4]})
    assert array.subworkflow_node_executions == {}
    (attempt,) = array.task_executions
    assert attempt.task is not None
    assert attempt.task.id == MAPPED.id
    assert attempt.outputs == {"o0": [2, 3, 4]}
    assert attempt.closure.metadata is not None
    assert [item.index for item in attempt.closure.metadata.external_resources] == [0, 1, 2]


async def test_the_elements_of_an_array_of_a_task_of_one_element_are_typed_as_lists(engine: Engine) -> None:
    inner = node("inner", "step", {"x": promise("xs")})
    nodes = [array_node("n0", inner, {"x": promise("xs")}, is_original_sub_node_interface=True)]
    array = (await engine.run(nodes, {"xs": [1, 2]})).node_executions["n0"]
    assert array.interface is not None
    assert array.interface.outputs["o0"].type is not None
    assert array.interface.outputs["o0"].type.collection_type is not None
    assert array.outputs == array.task_executions[0].outputs == {"o0": [2, 3]}


async def test_an_array_some_of_whose_elements_failed_has_none_for_them() -> None:
    def odd(x: int) -> int:
        if x % 2 == 0:
            raise ValueError("even")
        return x

    async with serving({"odd": odd}) as engine:
        inner = node("inner", "odd", {"x": promise("xs")})
        half = {"is_original_sub_node_interface": True, "min_success_ratio": 0.5}
        nodes = [array_node("n0", inner, {"x": promise("xs")}, **half)]
        execution = await engine.run(nodes, {"xs": [1, 2, 3]}, tasks=[task("odd", {"x": int}, INT)])
        array = execution.node_executions["n0"]
        assert array.outputs == array.task_executions[0].outputs == {"o0": [1, None, 3]}


async def test_below_an_array_of_a_launch_plan_are_its_elements_with_their_executions(engine: Engine) -> None:
    inner = launch_plan_node("inner", "inner", {"x": promise("xs")})
    nodes = [array_node("n0", inner, {"x": promise("xs")}, is_original_sub_node_interface=True)]
    execution = await engine.run(nodes, {"xs": [1, 2]})
    array = execution.node_executions["n0"]
    assert array.outputs == {"o0": [3, 4]}
    assert array.task_executions == []
    elements = list(array.subworkflow_node_executions.values())
    assert [element.outputs["o0"] for element in elements] == [3, 4]
    launched = [element.workflow_executions[0] for element in elements]
    assert [child.outputs["o0"] for child in launched] == [3, 4]
    assert all(set(child.node_executions) == {"start-node", "a", "b", "end-node"} for child in launched)


async def test_a_launch_plan_node_has_the_execution_that_it_launched(engine: Engine) -> None:
    execution = await engine.run([launch_plan_node("n0", "inner", X)], {"x": 1})
    found = execution.node_executions["n0"]
    assert found.subworkflow_node_executions == {}
    assert found.task_executions == []
    (child,) = found.workflow_executions
    metadata = found.closure.workflow_node_metadata
    assert metadata is not None
    assert child.id == metadata.execution_id
    assert child.is_successful
    assert (child.inputs, child.outputs) == (found.inputs, found.outputs) == ({"x": 1}, {"o0": 3})
    assert child.node_executions["b"].outputs == {"o0": 3}
    assert child.node_executions["b"].task_executions[0].task is not None
    assert found.interface is not None
    assert set(found.interface.outputs) == {"o0"}
    await child.sync()
    assert child.node_executions["b"].outputs == {"o0": 3}, "it is an execution like any other"


async def test_the_workflow_of_many_launched_executions_is_read_once(engine: Engine) -> None:
    nodes = [launch_plan_node(f"n{index}", "inner", X) for index in range(5)]
    execution = await engine.launch(nodes, {"x": 1})
    await execution.wait()
    engine.server.stats.reset()
    await execution.sync(sync_nodes=True)
    assert engine.calls("GetWorkflow") == 2
    assert engine.calls("GetExecution") == 1 + 5
    assert engine.calls("GetNodeExecutionData") == 1 + 5 * 3, "each start node, and two tasks in each child"


async def test_gates_are_there_with_what_they_were_given(engine: Engine) -> None:
    nodes = [
        node("n0", "step", X),
        signal_gate("given", "go", int),
        sleep_gate("pause", 3600),
        approval_gate("ok", "approve", {"o0": promise("n0.o0")}),
    ]
    execution = await engine.launch(nodes, {"x": 1})
    for name, value in (("given", 3), ("ok", True)):
        await engine.client.node(E1, name, NodePhase.RUNNING)
        await set_signal(engine.client, {"given": "go", "ok": "approve"}[name], value)
    await execution.wait(sync_nodes=True)
    found = execution.node_executions
    assert found["given"].outputs == {"o0": 3}
    assert found["pause"].outputs == {}
    assert (found["ok"].inputs, found["ok"].outputs) == ({"o0": 2}, {"o0": 2})
    assert all(found[name].task_executions == [] for name in ("given", "pause", "ok"))


async def test_a_node_after_an_arm_that_was_not_taken_is_skipped(engine: Engine) -> None:
    arms = [(comparison("$x", "GT", 0), node("yes", "step", X)), (comparison("$x", "LT", 0), node("no", "step", X))]
    nodes = [branch_node("n0", arms, "neither", X), node("after", "step", {"x": promise("n0.o0")})]
    execution = await engine.run(nodes, {"x": 1})
    skipped = [found for found in execution.node_executions.values() if found.closure.phase == NodePhase.SKIPPED]
    for found in skipped:
        assert found.inputs == {}
        with pytest.raises(FlyteAssertion, match="was not run"):
            _ = found.outputs
    assert execution.snapshot.nodes_final


async def test_a_failure_node_is_in_the_tree_with_its_task() -> None:
    def fail(x: int) -> int:
        raise ValueError("boom")

    async with serving({"step": step, "fail": fail}) as engine:
        template = workflow("failing", [node("n0", "fail", X)], {"x": int})
        template.failure_node = node("cleanup", "step", X)
        plan = await register_workflow(engine.client, template, [STEP, task("fail", {"x": int}, INT, retries=1)])
        await engine.client.launch(plan, "e1", {"x": 1})
        execution = await engine.remote.execution("e1").wait(sync_nodes=True)
        assert execution.closure.phase == Phase.FAILED
        failed, cleanup = (by_spec(execution.node_executions)[name] for name in ("n0", "cleanup"))
        assert cleanup.outputs == {"o0": 2}
        assert cleanup.task_executions[0].task is not None
        assert [attempt.closure.phase for attempt in failed.task_executions] == [TaskPhase.FAILED, TaskPhase.FAILED]
        assert [dict(attempt.inputs) for attempt in failed.task_executions] == [{"x": 1}, {"x": 1}]
        with pytest.raises(FlyteAssertion, match="boom"):
            _ = failed.outputs


async def test_what_came_from_the_cache_has_values_and_no_attempts(engine: Engine) -> None:
    cached = task("cached", {"x": int}, INT)
    assert cached.metadata is not None
    cached.metadata.discoverable, cached.metadata.discovery_version = True, "1"
    nodes = [node("n0", "cached", X), node("n1", "cached", X, after=["n0"])]
    execution = await engine.run(nodes, {"x": 1}, tasks=[cached])
    first, second = (execution.node_executions[name] for name in ("n0", "n1"))
    assert first.outputs == second.outputs == {"o0": 10}
    assert (len(first.task_executions), len(second.task_executions)) == (1, 0)
    assert engine.calls("ListTaskExecutions") == 1


async def test_recovered_nodes_have_values_and_no_attempts() -> None:
    answers = [ValueError("boom")]

    def second(x: int) -> int:
        if answers:
            raise answers.pop()
        return x * 2

    async with serving({"step": step, "second": second}) as engine:
        nodes = [node("n0", "step", X), node("n1", "second", {"x": promise("n0.o0")})]
        failed = await engine.run(nodes, {"x": 1}, tasks=[task("second", {"x": int}, INT)])
        assert failed.closure.phase == Phase.FAILED
        request = admin.ExecutionRecoverRequest(id=E1, name="e2")
        await engine.remote.admin.recover_execution(request)
        execution = await engine.remote.execution("e2").wait(sync_nodes=True)
        recovered = execution.node_executions["n0"]
        assert recovered.closure.phase == NodePhase.RECOVERED
        assert recovered.is_done
        assert recovered.outputs == {"o0": 2}
        assert recovered.task_executions == []
        assert execution.node_executions["n1"].outputs == {"o0": 4}


# All together ...


def everything() -> list[core.Node]:
    return [
        node("task", "step", X),
        sub_workflow_node("sub", "inner", X),
        branch_node("branch", [(comparison("$x", "GT", 0), sub_workflow_node("yes", "inner", X))], "neither", X),
        launch_plan_node("plan", "inner", X),
        node("dynamic", "generate", X),
        sleep_gate("sleep", 3600),
    ]


async def test_a_second_sync_of_a_finished_tree_of_all_kinds_asks_for_the_execution_only(engine: Engine) -> None:
    execution = await engine.run(everything(), {"x": 2})
    assert execution.is_successful
    nodes = execution.node_executions
    assert all(found.is_loaded for found in nodes.values())
    engine.server.stats.reset()
    await execution.sync(sync_nodes=True)
    assert engine.calls() == engine.calls("GetExecution") == 1
    assert execution.node_executions == nodes


async def test_what_runs_is_read_again_and_what_had_ended_below_it_is_not() -> None:
    async with serving({"step": step, "generate": generate}, unregistered="hang") as engine:
        last = [node("a", "step", X), node("b", "endless", {"x": promise("a.o0")})]
        part = workflow("part", last, {"x": int})
        await register_workflow(engine.client, part, [STEP, task("endless", {"x": int}, INT)])
        template = workflow(
            "whole", [sub_workflow_node("n0", "part", X), launch_plan_node("n1", "part", X)], {"x": int}
        )
        plan = await register_workflow(engine.client, template, [], parts=[part])
        await engine.client.launch(plan, "e1", {"x": 1})
        attempts = engine.server.store.task_executions
        await eventually(lambda: sum(row.closure.phase == TaskPhase.RUNNING for row in attempts.rows()) == 2)
        execution = engine.remote.execution("e1")
        await execution.sync(sync_nodes=True)
        before = execution.node_executions["n0"]
        assert not execution.snapshot.nodes_final
        engine.server.stats.reset()
        await execution.sync(sync_nodes=True)
        after = execution.node_executions["n0"]
        assert after is not before
        assert below(after)["a"] is below(before)["a"]
        for method in ("GetWorkflow", "GetNodeExecutionData", "GetTaskExecutionData", "GetExecutionData"):
            assert engine.calls(method) == 0, "inputs never change"
        (child,) = execution.node_executions["n1"].workflow_executions
        assert not child.is_done
        assert child.inputs == {"x": 1}
