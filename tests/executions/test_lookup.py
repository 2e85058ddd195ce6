"""One node, read by where it is: what it costs, and through what it is found."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from flyteasync import FlyteRemote
from flyteasync.errors import FlyteAssertion, FlyteEntityNotExistException, FlyteInvalidInputException, Status
from flyteasync.idl import core
from flyteasync.server import Fault
from tests.executions.test_tree_shapes import Engine, X, generate, serving, step
from tests.server.build import node, scalar
from tests.server.engine.nodes import branch_node, comparison, launch_plan_node, sub_workflow_node
from tests.support.backend import Backend
from tests.support.loop import eventually

NodePhase = core.NodeExecutionPhase
LONG_ID = "a-node-with-an-id-of-more-than-twenty-characters"


@pytest.fixture
async def engine() -> AsyncGenerator[Engine]:
    """The execution `e1`, finished: a task, a sub-workflow, a branch, a dynamic node, a launched workflow."""
    async with serving({"step": step, "generate": generate}) as started:
        positive = branch_node("n2", [(comparison("$x", "GT", 0), node("yes", "step", X))], "no", X)
        nodes = [
            node("n0", "step", X),
            sub_workflow_node("n1", "inner", X),
            positive,
            node("n3", "generate", {"x": scalar(2)}),
            launch_plan_node("n4", "inner", X),
            node(LONG_ID, "step", {"x": scalar(41)}),
        ]
        await (await started.launch(nodes, {"x": 1})).wait()
        started.server.stats.reset()
        yield started


@pytest.fixture
def remote(engine: Engine) -> FlyteRemote:
    return engine.remote


async def test_a_node_is_read_with_its_values_and_attempts(engine: Engine, remote: FlyteRemote) -> None:
    execution = remote.execution("e1")
    found = await execution.fetch_node("n0")
    assert found.id.node_id == "n0"
    assert (dict(found.inputs), dict(found.outputs)) == ({"x": 1}, {"o0": 2})
    assert [attempt.task and attempt.task.name for attempt in found.task_executions] == ["step"]
    assert found.interface is not None
    assert not execution.node_executions, "the tree is left as it is"
    assert execution.is_successful, "the execution was asked for first"
    engine.server.stats.reset()
    await execution.fetch_node("n0")
    assert engine.calls() == engine.calls("ListNodeExecutions") + engine.calls("GetNodeExecutionData") + engine.calls(
        "ListTaskExecutions"
    )
    assert engine.calls("ListNodeExecutions") == engine.calls("GetNodeExecutionData") == 1


@pytest.mark.parametrize(
    ("path", "outputs"),
    [
        (("n1", "a"), 2),
        (("n1", "b"), 3),
        (("n1-0-b",), None),
        (("n1", "n1-0-b"), 3),
        (("n2", "n2-yes"), 2),
        (("n3", "dn1"), 2),
        (("n4", "b"), 3),
        ((LONG_ID,), 42),
    ],
    ids=str,
)
async def test_a_node_is_found_through_whatever_it_is_in(
    remote: FlyteRemote, path: tuple[str, ...], outputs: int | None
) -> None:
    execution = remote.execution("e1")
    if outputs is None:
        with pytest.raises(FlyteEntityNotExistException):
            await execution.fetch_node(*path)
        return
    found = await execution.fetch_node(*path)
    assert found.outputs == {"o0": outputs}
    assert path[-1] in (found.metadata.spec_node_id, found.id.node_id)
    assert found.interface is not None
    assert len(found.task_executions) == 1


async def test_a_node_comes_with_all_below_it_and_nothing_else(engine: Engine, remote: FlyteRemote) -> None:
    found = await remote.execution("e1").fetch_node("n1")
    assert {child.metadata.spec_node_id for child in found.subworkflow_node_executions.values()} == {
        *("start-node", "a", "b", "end-node")
    }
    assert all(child.is_loaded for child in found.subworkflow_node_executions.values())
    assert engine.calls("ListTaskExecutions") == 2


async def test_what_is_known_from_a_sync_is_not_asked_for_again(engine: Engine, remote: FlyteRemote) -> None:
    execution = await remote.execution("e1").sync(sync_nodes=True)
    engine.server.stats.reset()
    assert await execution.fetch_node("n0") is execution.node_executions["n0"]
    assert engine.calls() == engine.calls("ListNodeExecutions") == 1


async def test_a_node_that_is_not_there_is_an_error_that_tells_which_are(remote: FlyteRemote) -> None:
    execution = remote.execution("e1")
    with pytest.raises(FlyteEntityNotExistException, match=r"e1 has no node n9, .* it has start-node, .*n0") as caught:
        await execution.fetch_node("n9")
    assert caught.value.identifier == "flytesnacks/development/e1"
    with pytest.raises(FlyteEntityNotExistException, match=r"node n1 of execution .* has no node z"):
        await execution.fetch_node("n1", "z")
    with pytest.raises(FlyteEntityNotExistException, match="it has none"):
        await execution.fetch_node("n0", "a")
    with pytest.raises(FlyteEntityNotExistException, match="nowhere"):
        await remote.execution("nowhere").fetch_node("n0")


@pytest.mark.parametrize("path", [(), ("",), ("n1", "")], ids=repr)
async def test_no_id_is_refused_and_nothing_is_sent(engine: Engine, path: tuple[str, ...]) -> None:
    with pytest.raises(FlyteInvalidInputException, match="id of a node"):
        await engine.remote.execution("e1").fetch_node(*path)
    assert engine.calls() == 0


async def test_values_that_cannot_be_read_do_not_hide_the_node(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="demo.report")
    execution = await backend.remote.execute(plan, {"n": 2, "name": "x"}, wait=True)
    backend.misbehave(Fault(method="GetNodeExecutionData", status=Status.INTERNAL))
    found = await execution.fetch_node("n2")
    assert found.is_done
    with pytest.raises(FlyteAssertion, match="could not be read"):
        _ = found.outputs


async def test_one_node_can_be_watched_while_the_rest_runs(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="hold")
    execution = await backend.remote.execute(plan, {"name": "x"})
    await eventually(lambda: backend.held)
    assert (await execution.fetch_node("start-node")).is_done
    running = await execution.fetch_node("n0")
    assert running.closure.phase == NodePhase.RUNNING
    assert dict(running.inputs) == {"name": "x"}
    backend.gate.set()
    await execution.wait()
    assert (await execution.fetch_node("n0")).outputs == {"o0": "x"}
