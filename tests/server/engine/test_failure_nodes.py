"""What runs when a workflow has failed."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from flyteasync.idl import admin, core, methods
from tests.server.build import bindings, node, promise, scalar, task, workflow
from tests.server.client import Client
from tests.server.conftest import Connect
from tests.server.engine.nodes import (
    E1,
    Called,
    Phase,
    below,
    inputs_and_outputs,
    phases,
    register_workflow,
    run,
    sub_workflow_node,
    terminate,
)

ERROR = core.LiteralType(simple=core.SimpleType.ERROR)
OPTIONAL_ERROR = core.LiteralType(
    union_type=core.UnionType(
        variants=[
            dataclasses.replace(ERROR, structure=core.TypeStructure(tag="FlyteError")),
            core.LiteralType(simple=core.SimpleType.NONE, structure=core.TypeStructure(tag="none")),
        ]
    )
)
NONE = core.BindingData(scalar=core.Scalar(none_type=core.Void()))
NO_ERROR = core.BindingData(scalar=core.Scalar(error=core.Error()))


def fail(**_: Any) -> None:
    raise ValueError("boom")


def with_failure_node(kind: core.LiteralType | None, name: str = "wf") -> core.WorkflowTemplate:
    template = workflow(name, [node("n0", "fail")], {"x": int})
    bound = {"x": promise("x")}
    template.failure_node = node("fn0", "cleanup", bound)
    if kind is not None:
        template.failure_node.inputs += bindings({"err": NO_ERROR if kind is ERROR else NONE})
    return template


def tasks(kind: core.LiteralType | None) -> list[core.TaskTemplate]:
    kinds: dict[str, Any] = {"x": int}
    if kind is not None:
        kinds["err"] = kind
    return [task("fail"), task("cleanup", kinds, {"o0": int})]


async def test_the_failure_node_runs_with_the_workflows_inputs_and_changes_nothing(connect: Connect) -> None:
    seen: list[int] = []

    def cleanup(x: int) -> int:
        seen.append(x)
        return x

    client: Client = await connect({"fail": fail, "cleanup": cleanup})
    plan = await client.register(with_failure_node(None), tasks(None))
    execution = await run(client, plan, {"x": 7})
    assert seen == [7]
    assert execution.closure.phase == Phase.FAILED
    assert "boom" in execution.closure.error.message
    assert phases(await client.nodes(E1)) == {"start-node": "SUCCEEDED", "n0": "FAILED", "fn0": "SUCCEEDED"}
    assert len(await client.attempts(E1, "fn0")) == 1


@pytest.mark.parametrize("kind", [ERROR, OPTIONAL_ERROR])
async def test_the_failure_node_gets_the_error(connect: Connect, kind: core.LiteralType) -> None:
    seen: list[Any] = []

    def cleanup(x: int, err: Any) -> int:
        seen.append(err)
        return x

    client: Client = await connect({"fail": fail, "cleanup": cleanup})
    plan = await client.register(with_failure_node(kind), tasks(kind))
    execution = await run(client, plan, {"x": 7})
    assert seen == [core.Error(failed_node_id="fn0", message=execution.closure.error.message)]
    request = core.NodeExecutionIdentifier(node_id="fn0", execution_id=E1)
    reply = await client.call(methods.GET_NODE_EXECUTION_DATA, admin.NodeExecutionGetDataRequest(id=request))
    scalar_ = reply.full_inputs.literals["err"].scalar
    assert (scalar_.union is not None) == (kind is OPTIONAL_ERROR)


async def test_the_execution_is_failing_while_its_failure_node_runs(connect: Connect) -> None:
    called = Called()
    client: Client = await connect({"fail": fail, "cleanup": called.hang()})
    plan = await client.register(with_failure_node(None), tasks(None))
    await client.launch(plan, "e1", {"x": 1})
    await called.wait()
    execution = await client.get(E1)
    assert execution.closure.phase == Phase.FAILING
    assert "boom" in execution.closure.error.message
    await terminate(client, "enough")
    execution = await client.finish(E1)
    assert (execution.closure.phase, execution.closure.abort_metadata.cause) == (Phase.ABORTED, "enough")
    assert phases(await client.nodes(E1))["fn0"] == "ABORTED"


async def test_the_error_of_a_failure_node_takes_the_place_of_the_first(connect: Connect) -> None:
    def cleanup(x: int) -> int:
        raise ValueError("worse")

    client: Client = await connect({"fail": fail, "cleanup": cleanup})
    plan = await client.register(with_failure_node(None), tasks(None))
    execution = await run(client, plan, {"x": 7})
    assert execution.closure.phase == Phase.FAILED
    assert "worse" in execution.closure.error.message


async def test_a_failure_node_does_not_run_when_all_is_well(connect: Connect) -> None:
    client: Client = await connect({"fail": lambda: None, "cleanup": fail})
    plan = await client.register(with_failure_node(None), tasks(None))
    assert (await run(client, plan, {"x": 7})).closure.phase == Phase.SUCCEEDED
    assert "fn0" not in await client.nodes(E1)


async def test_sub_workflows_have_failure_nodes_of_their_own(connect: Connect) -> None:
    client: Client = await connect({"fail": fail, "cleanup": lambda x: x})
    inner = with_failure_node(None, "inner")
    template = workflow("wf", [sub_workflow_node("n0", "inner", {"x": scalar(3)})])
    plan = await register_workflow(client, template, tasks(None), parts=[inner])
    execution = await run(client, plan)
    assert phases(await below(client, "n0")) == {"start-node": "SUCCEEDED", "n0": "FAILED", "fn0": "SUCCEEDED"}
    assert await inputs_and_outputs(client, "n0-0-fn0") == ({"x": 3}, {"o0": 3})
    assert "boom" in execution.closure.error.message
