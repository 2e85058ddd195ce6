"""Workflows as flytekit compiles them run on the embedded server."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import pytest

from flyteasync.idl import admin, core, methods
from flyteasync.server import Server, ServerConfig
from tests.server.build import execution_id, literal
from tests.server.client import Client

# Not "flytekit" alone: that is the name of this folder, too.
pytest.importorskip("flytekit.core.type_engine")
pytestmark = [pytest.mark.flytekit, pytest.mark.filterwarnings("ignore")]

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import workflows

    from tests.flytekit.compiled import register


@pytest.fixture
async def client() -> AsyncGenerator[Client]:
    server = Server(ServerConfig(skipping=True), workflows.HANDLERS)
    client = Client(await server.start(), server)
    yield client
    await client.aclose()
    await server.stop()


async def run(client: Client, entity: Any, **inputs: Any) -> tuple[admin.Execution, dict[str, Any]]:
    plan = await register(client, entity)
    execution = await client.finish(await client.launch(plan, "e1", inputs))
    return execution, await client.outputs(execution_id("e1"))


@pytest.mark.parametrize(
    ("entity", "inputs", "expected"),
    [
        (workflows.branch, {"a": 5}, 7),
        (workflows.branch, {"a": 1}, 3),
        (workflows.nested_branch, {"a": 9}, 10),
        (workflows.nested_branch, {"a": 4}, 6),
        (workflows.nested_branch, {"a": 1}, 2),
        (workflows.mapped, {"xs": [1, 2, 3], "b": 10}, [11, 12, 13]),
        (workflows.parent, {"a": 1}, 10),
        (workflows.mapped_plan, {"xs": [1, 2]}, [2, 3]),
        (workflows.dynamic_workflow, {"n": 3}, [1, 2, 3]),
        (workflows.attributes, {"d": {"k": [10, 20]}, "a": 3}, 27),
    ],
    ids=lambda value: getattr(value, "name", None),
)
async def test_a_workflow_returns_what_flytekit_itself_would(
    client: Client, entity: Any, inputs: dict[str, Any], expected: Any
) -> None:
    execution, outputs = await run(client, entity, **inputs)
    assert execution.closure.phase == core.WorkflowExecutionPhase.SUCCEEDED, execution.closure.error
    assert outputs == {"o0": expected}


async def test_the_error_of_a_branch_is_the_workflows(client: Client) -> None:
    execution, _ = await run(client, workflows.branch, a=100)
    assert execution.closure.error.message == "[UserProvidedError] no way"


async def test_a_failure_node_gets_the_error(client: Client) -> None:
    workflows.SEEN.clear()
    execution, _ = await run(client, workflows.failing, a=workflows.FAILING)
    assert [error.message for error in workflows.SEEN] == [execution.closure.error.message]


async def test_gates_wait_for_their_signals_and_a_sleep_of_an_hour_is_skipped(client: Client) -> None:
    plan = await register(client, workflows.gates)
    await client.launch(plan, "e1", {"a": 1})
    for name, value in (("value", 5), ("ok", True)):
        signal_id = core.SignalIdentifier(signal_id=name, execution_id=execution_id("e1"))
        request = admin.SignalListRequest(workflow_execution_id=execution_id("e1"), limit=10)
        async with asyncio.timeout(10):
            while name not in {
                signal.id.signal_id for signal in (await client.call(methods.LIST_SIGNALS, request)).signals
            }:
                pass
        await client.call(methods.SET_SIGNAL, admin.SignalSetRequest(id=signal_id, value=literal(value)))
    execution = await client.finish(execution_id("e1"))
    assert execution.closure.phase == core.WorkflowExecutionPhase.SUCCEEDED, execution.closure.error
    assert await client.outputs(execution_id("e1")) == {"o0": 11}
    assert execution.closure.duration >= timedelta(hours=1)
