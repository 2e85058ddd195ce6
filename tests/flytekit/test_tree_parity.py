"""Node trees as flytekit reads them, and as this package does: the same, or right where flytekit raises."""

from __future__ import annotations

import asyncio
import typing
import warnings
from collections.abc import AsyncGenerator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from flyteasync import FlyteNodeExecution, FlyteRemote, FlyteWorkflowExecution, codec
from flyteasync.idl import core
from flyteasync.server import Server, ServerConfig
from tests.server.client import Client
from tests.server.engine.nodes import NodePhase, Phase, TaskPhase, set_signal, signals
from tests.support.backend import remote_of

# Not "flytekit" alone: that is the name of this folder, too.
pytest.importorskip("flytekit.core.type_engine")
pytestmark = [pytest.mark.flytekit, pytest.mark.filterwarnings("ignore")]

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from flytekit import (
        LaunchPlan,
        approve,
        conditional,
        dynamic,
        map_task,
        sleep,
        task,
        wait_for_input,
        workflow,
    )
    from flytekit.configuration import Config
    from flytekit.remote import FlyteRemote as TheirRemote

    from tests.flytekit.compiled import generated, register

MODULE = __name__


@task
def one_more(a: int) -> int:
    return a + 1


@task
def add(a: int, b: int) -> int:
    return a + b


@task(retries=1)
def failing(a: int) -> int:
    return a


@task
def cleanup(a: int) -> None:
    return None


@dynamic
def fan_out(n: int) -> typing.List[int]:  # noqa: UP006
    return [one_more(a=index) for index in range(n)]


@workflow
def third(a: int) -> int:
    x = one_more(a=a)
    return conditional("choice").if_(x > 3).then(one_more(a=x)).else_().then(add(a=x, b=x))


THIRD_PLAN = LaunchPlan.get_or_create(third, name=f"{MODULE}.third_plan")


@workflow
def second(a: int) -> int:
    return add(a=third(a=a), b=THIRD_PLAN(a=a))


@workflow
def first(a: int, xs: typing.List[int]) -> int:  # noqa: UP006
    given = wait_for_input("value", timeout=timedelta(hours=1), expected_type=int)
    pause = sleep(timedelta(hours=1))
    approved = approve(second(a=a), "ok", timeout=timedelta(hours=2))
    generation = fan_out(n=2)
    mapping = map_task(one_more)(a=xs)
    last = failing(a=add(a=approved, b=given))
    pause >> given
    for earlier in (generation, mapping):
        earlier.ref.node >> last.ref.node
    return last


@workflow
def mapped_plan(xs: typing.List[int]) -> typing.List[int]:  # noqa: UP006
    return map_task(THIRD_PLAN)(a=xs)


@workflow(on_failure=cleanup)
def cleaned_up(a: int) -> int:
    return failing(a=a)


def fail(a: int) -> int:
    raise ValueError("boom")


HANDLERS = {
    f"{MODULE}.one_more": lambda a: a + 1,
    f"{MODULE}.add": lambda a, b: a + b,
    f"{MODULE}.failing": fail,
    f"{MODULE}.cleanup": lambda a: None,
    f"{MODULE}.fan_out": lambda n: generated(fan_out, n=n),
}


@pytest.fixture
async def server() -> AsyncGenerator[tuple[Client, FlyteRemote]]:
    async with Server(ServerConfig(skipping=True), HANDLERS) as server, remote_of(server.endpoint) as remote:
        client = Client(server.endpoint, server)
        yield client, remote
        await client.aclose()


def their_sync(endpoint: str, name: str) -> Any:
    remote = TheirRemote(Config.for_endpoint(endpoint, insecure=True), "flytesnacks", "development")
    return remote.sync_execution(remote.fetch_execution(name=name), sync_nodes=True)


# Both as the same plain values ...


def literals_of(values: Any) -> dict[str, core.Literal] | None:
    """The literals of a resolver, ours or flytekit's."""
    if values is None:
        return None
    found = {}
    for name, literal in values.literals.items():
        content = codec.encode(literal) if isinstance(literal, core.Literal) else literal.to_flyte_idl()
        data = content if isinstance(content, bytes) else content.SerializeToString()
        found[name] = codec.decode(core.Literal, data)
    return found


def values_of(execution: Any) -> tuple[Any, Any]:
    """Inputs and outputs of one of ours; None for outputs that it does not have."""
    succeeded = execution.is_done and execution.error is None
    skipped = isinstance(execution, FlyteNodeExecution) and execution.closure.phase == NodePhase.SKIPPED
    return literals_of(execution.inputs), literals_of(execution.outputs) if succeeded and not skipped else None


def compare(ours: Mapping[str, FlyteNodeExecution], theirs: Mapping[str, Any]) -> int:
    """Fail if flytekit tells anything else; returns how many nodes there are."""
    assert set(ours) == set(theirs)
    count = 0
    for name, node in ours.items():
        other = theirs[name]
        assert int(node.closure.phase) == other.closure.phase, name
        assert node.metadata.spec_node_id == other.metadata.spec_node_id
        inputs, outputs = values_of(node)
        if other._inputs is not None:  # it reads none of start, end and gate nodes
            assert inputs == literals_of(other._inputs), name
            assert outputs == literals_of(other._outputs), name
        if other.interface is not None:
            assert node.interface is not None, name
            if not node.metadata.is_dynamic:  # it has the interface of what was generated, which has no inputs
                assert set(node.interface.inputs) == set(other.interface.inputs)
            assert set(node.interface.outputs) == set(other.interface.outputs)
        compare_tasks(node, other)
        launched = {child.id.name: child for child in node.workflow_executions}
        assert set(launched) == {child.id.name for child in other._workflow_executions or []}
        for child in other._workflow_executions or []:
            count += compare_executions(launched[child.id.name], child)
        below = {child.id.node_id: child for child in other._underlying_node_executions or []}
        count += 1 + compare(node.subworkflow_node_executions, below)
    return count


def compare_tasks(node: FlyteNodeExecution, other: Any) -> None:
    # Of a dynamic node it has lists of those below, and of nodes that it does not look into it has None.
    attempts = [] if node.metadata.is_dynamic else other._task_executions or []
    if attempts:
        assert len(node.task_executions) == len(attempts)
    for attempt, their in zip(node.task_executions, attempts, strict=False):
        assert attempt.id.retry_attempt == their.id.retry_attempt
        assert int(attempt.closure.phase) == their.closure.phase
        assert values_of(attempt) == (literals_of(their._inputs), literals_of(their._outputs))


def compare_executions(ours: FlyteWorkflowExecution, theirs: Any) -> int:
    assert int(ours.closure.phase) == theirs.closure.phase
    assert values_of(ours) == (literals_of(theirs._inputs), literals_of(theirs._outputs))
    return compare(ours.node_executions, theirs.node_executions)


async def test_a_tree_of_three_levels_and_all_kinds_is_flytekits(server: tuple[Client, FlyteRemote]) -> None:
    client, remote = server
    plan = await register(client, first)
    await client.launch(plan, "e1", {"a": 3, "xs": [1, 2, 3]})
    execution = remote.execution("e1")
    for name, value in (("ok", True), ("value", 5)):  # no time is skipped while an approval is waited for
        async with asyncio.timeout(20):
            while not await signalled(client, name, value):
                pass
    await execution.wait(sync_nodes=True)
    assert execution.closure.phase == Phase.FAILED
    theirs = await asyncio.to_thread(their_sync, client.endpoint, "e1")
    assert compare_executions(execution, theirs) == 28, "nodes, at all levels"
    failed = next(node for node in execution.node_executions.values() if node.closure.phase == NodePhase.FAILED)
    assert [attempt.closure.phase for attempt in failed.task_executions] == [TaskPhase.FAILED, TaskPhase.FAILED]
    assert all(attempt.task is not None for attempt in failed.task_executions)


async def signalled(client: Client, name: str, value: Any) -> bool:
    """Set a signal, if a node waits for it."""
    if name not in await signals(client):
        return False
    await set_signal(client, name, value)
    return True


async def test_a_tree_with_a_failure_node_is_flytekits(server: tuple[Client, FlyteRemote]) -> None:
    client, remote = server
    await client.launch(await register(client, cleaned_up), "e1", {"a": 1})
    execution = await remote.execution("e1").wait(sync_nodes=True)
    assert compare_executions(execution, await asyncio.to_thread(their_sync, client.endpoint, "e1")) == 3
    nodes = {node.metadata.spec_node_id: node for node in execution.node_executions.values()}
    assert len(nodes["n0"].task_executions) == 2
    (clean,) = (node for name, node in nodes.items() if name not in ("start-node", "n0"))
    assert clean.closure.phase == NodePhase.SUCCEEDED
    assert clean.inputs == {"a": 1}


async def test_a_tree_with_an_array_of_executions_is_right_where_flytekit_raises(
    server: tuple[Client, FlyteRemote],
) -> None:
    client, remote = server
    await client.launch(await register(client, mapped_plan), "e1", {"xs": [1, 5]})
    execution = await remote.execution("e1").wait(sync_nodes=True)
    with pytest.raises(ValueError, match="Node execution undeterminable"):
        await asyncio.to_thread(their_sync, client.endpoint, "e1")
    array = execution.node_executions["n0"]
    assert (array.inputs, array.outputs) == ({"a": [1, 5]}, {"o0": [4, 7]})
    children = [element.workflow_executions[0] for element in array.subworkflow_node_executions.values()]
    assert [(child.inputs, child.outputs) for child in children] == [({"a": 1}, {"o0": 4}), ({"a": 5}, {"o0": 7})]
    assert all(child.node_executions["n0"].task_executions[0].task is not None for child in children)
