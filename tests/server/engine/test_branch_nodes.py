"""Branch nodes."""

from __future__ import annotations

import pytest

from flyteasync.idl import admin, core, methods
from tests.server.build import node, promise, task, workflow
from tests.server.client import Client
from tests.server.conftest import Connect
from tests.server.engine.nodes import (
    E1,
    ErrorKind,
    NodePhase,
    Phase,
    below,
    branch_node,
    comparison,
    conjunction,
    data,
    inputs_and_outputs,
    phases,
    register_workflow,
    run,
    sub_workflow_node,
)

INT = {"o0": int}
TASKS = [task("small", {"x": int}, INT), task("large", {"x": int}, INT), task("other", {"x": int}, INT)]
HANDLERS = {"small": lambda x: x + 1, "large": lambda x: x + 100, "other": lambda x: x + 1000}


def by_size(default: core.Node | str | None) -> core.Node:
    """Below 10 small, below 20 (or exactly 50) large."""
    large = conjunction(comparison("$x", "LT", 20), "OR", comparison("$x", "EQ", 50))
    return branch_node(
        "n0",
        [
            (comparison("$x", "LT", 10), node("a", "small", {"x": promise("x")})),
            (large, node("b", "large", {"x": promise("x")})),
        ],
        default,
        {"x": promise("x")},
    )


async def with_branch(connect: Connect, default: core.Node | str | None) -> tuple[Client, core.Identifier]:
    client: Client = await connect(HANDLERS)
    template = workflow("wf", [by_size(default)], {"x": int}, {"o0": (int, promise("n0.o0"))})
    return client, await client.register(template, TASKS)


@pytest.mark.parametrize(
    ("x", "arm", "result"), [(5, "n0-a", 6), (15, "n0-b", 115), (50, "n0-b", 150), (30, "n0-c", 1030)]
)
async def test_the_first_arm_whose_condition_holds_runs_else_the_default(
    connect: Connect, x: int, arm: str, result: int
) -> None:
    client, plan = await with_branch(connect, node("c", "other", {"x": promise("x")}))
    execution = await run(client, plan, {"x": x})
    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error
    assert await client.outputs(E1) == {"o0": result}
    assert phases(await client.nodes(E1)) == dict.fromkeys(("start-node", "n0", "end-node"), "SUCCEEDED")
    # Arms that are not taken have no execution, and the one that is has the branch above it.
    children = await below(client, "n0")
    assert phases(children) == {arm: "SUCCEEDED"}
    assert children[arm].id.node_id == f"n0-0-{arm}"
    assert children[arm].metadata.retry_group == "0"


async def test_compiled_arms_have_the_ids_that_their_executions_name(connect: Connect) -> None:
    client, _ = await with_branch(connect, node("c", "other", {"x": promise("x")}))
    identifier = core.Identifier(
        resource_type=core.ResourceType.WORKFLOW, project="flytesnacks", domain="development", name="wf", version="v1"
    )
    found = await client.call(methods.GET_WORKFLOW, admin.ObjectGetRequest(id=identifier))
    primary = found.closure.compiled_workflow.primary
    [branch] = [item for item in primary.template.nodes if item.id == "n0"]
    block = branch.branch_node.if_else
    assert [block.case.then_node.id, block.other[0].then_node.id, block.else_node.id] == ["n0-a", "n0-b", "n0-c"]
    assert primary.connections.upstream["n0-a"].ids == ["start-node"]
    assert "n0-a" not in primary.connections.downstream["start-node"].ids


async def test_only_lists_call_a_branch_a_parent_and_only_once_it_has_a_child(connect: Connect) -> None:
    client, plan = await with_branch(connect, "none")
    await run(client, plan, {"x": 1})
    assert (await client.nodes(E1))["n0"].metadata.is_parent_node
    request = admin.NodeExecutionGetRequest(id=core.NodeExecutionIdentifier(node_id="n0", execution_id=E1))
    assert not (await client.call(methods.GET_NODE_EXECUTION, request)).metadata.is_parent_node


async def test_the_data_of_an_arm_is_that_of_its_branch(connect: Connect) -> None:
    client, plan = await with_branch(connect, "none")
    await run(client, plan, {"x": 1})
    branch, arm = (await client.nodes(E1))["n0"], (await below(client, "n0"))["n0-a"]
    assert (branch.input_uri, branch.closure.output_uri) == (arm.input_uri, arm.closure.output_uri)
    assert await inputs_and_outputs(client, "n0") == ({"x": 1}, {"o0": 2})


async def test_the_error_of_a_default_fails_the_branch_before_it_runs(connect: Connect) -> None:
    client, plan = await with_branch(connect, "x must not be so large")
    execution = await run(client, plan, {"x": 30})
    assert execution.closure.error == core.ExecutionError(
        code="UserProvidedError", message="[UserProvidedError] x must not be so large", kind=ErrorKind.USER
    )
    failed = (await client.nodes(E1))["n0"]
    assert (failed.closure.phase, failed.closure.started_at) == (NodePhase.FAILED, None)
    assert await below(client, "n0") == {}


async def test_operands_of_different_types_fail_the_branch(connect: Connect) -> None:
    client: Client = await connect(HANDLERS)
    arm = (comparison("$x", "LT", 1.5), node("a", "small", {"x": promise("x")}))
    template = workflow("wf", [branch_node("n0", [arm], "none", {"x": promise("x")})], {"x": int})
    execution = await run(client, await client.register(template, TASKS), {"x": 1})
    assert execution.closure.error.code == "MalformedBranchUserError"
    assert "Comparison between different primitives types" in execution.closure.error.message


async def test_a_failed_arm_fails_its_branch_with_the_same_error(connect: Connect) -> None:
    def fail(x: int) -> int:
        raise ValueError("boom")

    client: Client = await connect({**HANDLERS, "small": fail})
    template = workflow("wf", [by_size("none")], {"x": int})
    execution = await run(client, await client.register(template, TASKS), {"x": 1})
    branch, arm = (await client.nodes(E1))["n0"], (await below(client, "n0"))["n0-a"]
    assert branch.closure.phase == arm.closure.phase == NodePhase.FAILED
    assert execution.closure.error == branch.closure.error == arm.closure.error
    assert "boom" in execution.closure.error.message


async def test_branches_inside_of_branches_and_arms_that_are_sub_workflows(connect: Connect) -> None:
    client: Client = await connect(HANDLERS)
    inner = workflow("inner", [node("s", "large", {"x": promise("y")})], {"y": int}, {"o0": (int, promise("s.o0"))})
    nested = branch_node(
        "p",
        [(comparison("$x", "GTE", 5), sub_workflow_node("q", "inner", {"y": promise("x")}))],
        node("r", "other", {"x": promise("x")}),
        {"x": promise("x")},
    )
    outer = branch_node("n0", [(comparison("$x", "LT", 10), nested)], "none", {"x": promise("x")})
    template = workflow("wf", [outer], {"x": int}, {"o0": (int, promise("n0.o0"))})
    plan = await register_workflow(client, template, TASKS, parts=[inner])
    execution = await run(client, plan, {"x": 7})
    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error
    assert await client.outputs(E1) == {"o0": 107}
    [first] = (await below(client, "n0")).values()
    assert (first.metadata.spec_node_id, first.id.node_id) == ("n0-p", "n0-0-n0-p")
    [second] = (await below(client, first.id.node_id)).values()
    assert second.metadata.spec_node_id == "n0-p-q"
    assert second.metadata.is_parent_node
    inside = await below(client, second.id.node_id)
    assert phases(inside) == dict.fromkeys(("start-node", "s", "end-node"), "SUCCEEDED")
    # Ids of more than 20 characters are hashed.
    assert len(inside["s"].id.node_id) == 8
    assert inside["s"].id.node_id.startswith("f")


async def test_what_waits_for_an_arm_is_skipped_with_it_and_so_is_what_comes_after(connect: Connect) -> None:
    client: Client = await connect(HANDLERS)
    nodes = [
        by_size("none"),
        node("after_a", "small", {"x": promise("x")}, after=["n0-a", "n0"]),
        node("after_b", "small", {"x": promise("x")}, after=["n0-b", "n0"]),
        node("last", "small", {"x": promise("after_b.o0")}),
        node("free", "small", {"x": promise("n0.o0")}),
    ]
    template = workflow("wf", nodes, {"x": int}, {"o0": (int, promise("after_b.o0"))})
    execution = await run(client, await client.register(template, TASKS), {"x": 1})
    assert phases(await client.nodes(E1)) == {
        "start-node": "SUCCEEDED",
        "n0": "SUCCEEDED",
        "after_a": "SUCCEEDED",
        "after_b": "SKIPPED",
        "last": "SKIPPED",
        "free": "SUCCEEDED",
        "end-node": "SKIPPED",
    }
    # A workflow whose end is skipped has succeeded, and has no outputs.
    assert (execution.closure.phase, execution.closure.outputs) == (Phase.SUCCEEDED, None)
    skipped = (await client.nodes(E1))["last"].closure
    assert (skipped.started_at, skipped.duration, skipped.error) == (None, None, None)
    assert skipped.created_at == skipped.updated_at


async def test_inputs_of_a_branch_are_those_of_its_conditions(connect: Connect) -> None:
    client: Client = await connect(HANDLERS)
    arm = (comparison("$.x", "EQ", "$n0.o0"), node("a", "small", {"x": promise("x")}))
    nodes = [
        node("n0", "small", {"x": promise("x")}),
        branch_node(
            "n1", [arm], node("b", "large", {"x": promise("n0.o0")}), {".x": promise("x"), "n0.o0": promise("n0.o0")}
        ),
    ]
    template = workflow("wf", nodes, {"x": int}, {"o0": (int, promise("n1.o0"))})
    await run(client, await client.register(template, TASKS), {"x": 1})
    assert await client.outputs(E1) == {"o0": 102}
    assert (await data(client, "n1")).full_outputs is not None
