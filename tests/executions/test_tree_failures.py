"""Node trees of servers that misbehave: circles, bottomless trees, broken nodes. What can be read is there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from typing import Any

import pytest

from flyteasync import FlyteNodeExecution, FlyteWorkflowExecution, codec
from flyteasync.codec import Message
from flyteasync.errors import FlyteAssertion, FlyteDecodeError, FlyteSystemUnavailableException, Status
from flyteasync.executions.snapshot import Snapshot
from flyteasync.executions.sync import PAGE
from flyteasync.executions.tree import MAX_DEPTH
from flyteasync.idl import admin, core
from tests.server.build import execution_id
from tests.support.backend import remote_of
from tests.support.tree import WORKFLOW, NodePhase, Phase, Script, TaskPhase, attempt, launching, node, refused, where
from tests.support.wire import Call, Refusal, Wire

BROKEN = b"\x0a\x05"
"""A message that ends too early."""


@pytest.fixture(autouse=True)
def records_carry_the_execution(caplog: pytest.LogCaptureFixture) -> Generator[None]:
    """Whatever is logged can be filtered by the execution that it is about."""
    yield
    for record in caplog.get_records("call"):
        if record.name.startswith("flyteasync.executions") and record.levelno >= logging.WARNING:
            assert record.__dict__["execution"].startswith("flytesnacks/development/"), record.getMessage()


async def synced(script: Script) -> tuple[FlyteWorkflowExecution, list[Call]]:
    """The execution `e1` after one sync, and what was asked."""
    async with Wire(script) as wire, remote_of(wire.endpoint) as remote:
        execution = await remote.execution("e1").sync(sync_nodes=True)
        return execution, list(wire.calls)


async def again(script: Script, change: Callable[[], None]) -> tuple[Snapshot, Snapshot]:
    """What an execution shows after a first sync, and after a second one."""
    async with Wire(script) as wire, remote_of(wire.endpoint) as remote:
        execution = await remote.execution("e1").sync(sync_nodes=True)
        first = execution.snapshot
        change()
        return first, (await execution.sync(sync_nodes=True)).snapshot


def asked(calls: list[Call], method: str) -> int:
    return sum(call.method == method for call in calls)


# What never ends ...


async def test_executions_that_launch_each_other_are_read_once_each(caplog: pytest.LogCaptureFixture) -> None:
    script = Script({("e1", ""): [launching("n0", "e2")], ("e2", ""): [launching("n0", "e1", "e2")]})
    with caplog.at_level(logging.WARNING, "flyteasync"):
        execution, calls = await synced(script)
    assert asked(calls, "GetExecution") == asked(calls, "ListNodeExecutions") == 2
    (child,) = execution.node_executions["n0"].workflow_executions
    assert child.is_successful
    (met,) = child.node_executions["n0"].workflow_executions
    assert met.id == execution.id
    assert met.node_executions == {}
    assert "is in the tree already" in caplog.text


async def test_a_node_below_itself_is_followed_once(caplog: pytest.LogCaptureFixture) -> None:
    itself = node("n0", is_parent_node=True)
    script = Script({("e1", ""): [itself], ("e1", "n0"): [itself, node("n0-0-a")]})
    with caplog.at_level(logging.WARNING, "flyteasync"):
        execution, calls = await synced(script)
    assert asked(calls, "ListNodeExecutions") == 2
    assert set(execution.node_executions["n0"].subworkflow_node_executions) == {"n0", "n0-0-a"}
    assert "is in the tree already" in caplog.text


async def test_a_tree_without_a_bottom_is_read_down_to_a_depth(caplog: pytest.LogCaptureFixture) -> None:
    script = Script()
    script.instead["ListNodeExecutions"] = lambda request: admin.NodeExecutionList(
        node_executions=[node(f"{request.unique_parent_id}x", is_parent_node=True)]
    )
    with caplog.at_level(logging.WARNING, "flyteasync"):
        execution, calls = await synced(script)
    assert asked(calls, "ListNodeExecutions") == MAX_DEPTH
    assert f"more than {MAX_DEPTH} levels" in caplog.text
    nodes, depth = execution.node_executions, 0
    last: FlyteNodeExecution | None = None
    while nodes:
        (last,) = nodes.values()
        nodes, depth = last.subworkflow_node_executions, depth + 1
    assert depth == MAX_DEPTH
    assert last is not None
    assert last.below.unread == f"more than {MAX_DEPTH} levels of nodes"


async def test_executions_that_launch_ever_more_are_followed_down_to_a_depth() -> None:
    script = Script()
    script.instead["ListNodeExecutions"] = lambda request: admin.NodeExecutionList(
        node_executions=[
            launching("n0", f"e{int(request.workflow_execution_id.name[1:]) + 1}", request.workflow_execution_id.name)
        ]
    )
    execution, calls = await synced(script)
    assert asked(calls, "ListNodeExecutions") == MAX_DEPTH
    assert execution.node_executions["n0"].workflow_executions[0].id.name == "e2"


async def test_pages_are_followed_and_what_they_share_is_read_once() -> None:
    pages = {"": (["n0", "n1"], "2"), "2": (["n1", "n2"], "4"), "4": (["n3"], "")}

    def page(request: admin.NodeExecutionListRequest) -> Message:
        assert request.limit == PAGE
        names, token = pages[request.token]
        return admin.NodeExecutionList(node_executions=[node(name) for name in names], token=token)

    script = Script(instead={"ListNodeExecutions": page})
    execution, calls = await synced(script)
    assert list(execution.node_executions) == ["n0", "n1", "n2", "n3"]
    assert asked(calls, "GetNodeExecutionData") == 4


def endless(request: admin.NodeExecutionListRequest) -> Message:
    return admin.NodeExecutionList(node_executions=[node("n1")], token="1")


async def test_a_page_token_that_comes_twice_is_an_error() -> None:
    with pytest.raises(FlyteDecodeError, match="the page token '1' twice"):
        await synced(Script(instead={"ListNodeExecutions": endless}))


async def test_a_page_token_of_attempts_that_comes_twice_is_an_error_of_the_node(
    caplog: pytest.LogCaptureFixture,
) -> None:
    script = Script({("e1", ""): [node("n0"), node("n1")]})
    script.instead["ListTaskExecutions"] = lambda _: admin.TaskExecutionList(token="1")
    with caplog.at_level(logging.WARNING, "flyteasync"):
        execution, _ = await synced(script)
    assert set(execution.node_executions) == {"n0", "n1"}
    assert not execution.node_executions["n0"].is_loaded
    assert "page token" in caplog.text


# What is broken ...


def list_of(*nodes: bytes) -> bytes:
    return b"".join(b"\x0a" + bytes([len(content)]) + content for content in nodes)


async def test_a_node_whose_closure_is_broken_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    bare = admin.NodeExecution(id=core.NodeExecutionIdentifier(node_id="n0"))
    content = list_of(codec.encode(bare) + b"\x1a\x02" + BROKEN, codec.encode(node("n1")))
    script = Script(instead={"ListNodeExecutions": lambda _: content})
    with caplog.at_level(logging.WARNING, "flyteasync"):
        execution, _ = await synced(script)
    broken, whole = (execution.node_executions[name] for name in ("n0", "n1"))
    assert not broken.is_loaded
    assert broken.below.unread is not None
    assert "NodeExecutionClosure" in broken.below.unread
    assert whole.is_loaded
    assert "node n0 of execution" in caplog.text


async def test_phases_that_are_newer_than_this_package_are_no_end() -> None:
    found, run = node("n0"), attempt(node("n0"))
    assert found.closure is not None
    assert run.closure is not None
    found.closure.phase, run.closure.phase = NodePhase(99), TaskPhase(99)
    first, second = await again(Script({("e1", ""): [found]}, {"n0": [run]}), lambda: None)
    for snapshot in (first, second):
        newer = snapshot.nodes["n0"]
        assert not newer.is_done
        assert newer.inputs == {"x": 7}
        assert "99" in repr(newer)
        assert not newer.task_executions[0].is_done
        assert not snapshot.nodes_final


async def test_a_node_without_a_readable_id_is_logged_and_the_others_are_there(
    caplog: pytest.LogCaptureFixture,
) -> None:
    content = list_of(b"\x0a\x02" + BROKEN, codec.encode(node("n1")))
    script = Script(instead={"ListNodeExecutions": lambda _: content})
    with caplog.at_level(logging.WARNING, "flyteasync"):
        execution, _ = await synced(script)
    assert set(execution.node_executions) == {"n1"}
    assert "has no readable id" in caplog.text


async def test_an_execution_that_was_launched_and_is_broken_loses_itself_only() -> None:
    script = Script({("e1", ""): [launching("n0", "e2"), node("n1")]})
    script.instead["GetExecution"] = lambda request: (
        b"\x1a\x02" + BROKEN if request.id.name == "e2" else script.usual(request)
    )
    execution, _ = await synced(script)
    found = execution.node_executions["n0"]
    assert found.outputs == {"o0": 7}
    assert not found.is_loaded
    assert execution.node_executions["n1"].is_loaded


async def test_an_execution_that_was_launched_and_is_gone_is_there_by_name() -> None:
    script = Script({("e1", ""): [launching("n0", "e2")]})
    script.instead["GetExecution"] = where(lambda request: request.id.name == "e2", script)
    execution, _ = await synced(script)
    found = execution.node_executions["n0"]
    assert (found.inputs, found.outputs) == ({"x": 7}, {"o0": 7}), "the node has values of its own"
    (child,) = found.workflow_executions
    assert child.id == execution_id("e2")
    assert not child.is_done
    assert found.below.unread is not None
    assert "no such thing" in found.below.unread


async def test_values_that_are_gone_lose_no_attempts_and_are_asked_for_again() -> None:
    first_node = node("n0")
    script = Script({("e1", ""): [first_node]}, {"n0": [attempt(first_node)]})
    script.instead["GetNodeExecutionData"] = refused
    first, second = await again(script, script.instead.clear)
    lost = first.nodes["n0"]
    for read in ("inputs", "outputs"):
        with pytest.raises(FlyteAssertion, match=f"the {read} of node n0 .* could not be read: .*no such thing"):
            getattr(lost, read)
    assert lost.task_executions[0].outputs == {"o0": 7}
    assert second.nodes["n0"].outputs == {"o0": 7}


async def test_values_of_an_attempt_that_are_gone_lose_neither_the_node_nor_other_attempts() -> None:
    found = node("n0")
    attempts = [attempt(found, number, f"s3://b/{number}/") for number in range(3)]
    script = Script({("e1", ""): [found]}, {"n0": attempts})
    script.instead["GetTaskExecutionData"] = where(lambda request: request.id.retry_attempt == 1, script)
    first, second = await again(script, script.instead.clear)
    tasks = first.nodes["n0"].task_executions
    assert [task.id.retry_attempt for task in tasks] == [0, 1, 2]
    assert tasks[0].outputs == tasks[2].outputs == {"o0": 7}
    with pytest.raises(FlyteAssertion, match=r"could not be read: .*no such thing"):
        _ = tasks[1].outputs
    repaired = second.nodes["n0"].task_executions
    assert repaired[1].outputs == {"o0": 7}
    assert repaired[0] is tasks[0], "what was read is taken over"


async def test_nodes_below_one_that_are_gone_lose_no_more_than_themselves() -> None:
    script = Script({("e1", ""): [node("n0", is_parent_node=True)], ("e1", "n0"): [node("n0-0-a")]})
    script.instead["ListNodeExecutions"] = where(lambda request: request.unique_parent_id, script)
    first, second = await again(script, script.instead.clear)
    assert first.nodes["n0"].outputs == {"o0": 7}
    assert first.nodes["n0"].subworkflow_node_executions == {}
    assert not first.nodes["n0"].is_loaded
    assert set(second.nodes["n0"].subworkflow_node_executions) == {"n0-0-a"}
    assert second.nodes_final


@pytest.mark.parametrize("method", ["ListNodeExecutions", "ListTaskExecutions", "GetExecution"])
async def test_what_an_earlier_sync_found_is_kept_where_nothing_else_can_be_read(method: str) -> None:
    """Of nodes that run, so that all of it is asked for again."""
    nodes = [node("n0"), node("n1", is_parent_node=True), launching("n2", "e2")]
    for found in nodes:
        assert found.closure is not None
        found.closure.phase, found.closure.output_uri = NodePhase.RUNNING, None
    levels = {("e1", ""): nodes, ("e1", "n1"): [node("n1-0-a")], ("e2", ""): [node("n0", "e2")]}
    script = Script(levels, {"n0": [attempt(nodes[0])]})

    def breakdown() -> None:
        script.instead[method] = where(
            lambda request: method != "ListNodeExecutions" or bool(request.unique_parent_id), script
        )

    if method == "GetExecution":
        script.instead[method] = lambda request: admin.Execution(
            id=request.id, closure=admin.ExecutionClosure(phase=Phase.RUNNING, workflow_id=WORKFLOW)
        )
    async with Wire(script) as wire, remote_of(wire.endpoint) as remote:
        execution = await remote.execution("e1").sync(sync_nodes=True)
        running = script.instead.get(method)
        breakdown()
        if running is not None:
            broken = script.instead[method]
            script.instead[method] = lambda request: (broken if request.id.name == "e2" else running)(request)
        await execution.sync(sync_nodes=True)
    task, parent, launcher = (execution.node_executions[name] for name in ("n0", "n1", "n2"))
    assert len(task.task_executions) == 1
    assert set(parent.subworkflow_node_executions) == {"n1-0-a"}
    (child,) = launcher.workflow_executions
    assert set(child.node_executions) == {"n0"}
    assert child.inputs == {"x": 7}
    unread = {"ListNodeExecutions": parent, "ListTaskExecutions": task, "GetExecution": launcher}[method].below.unread
    assert unread is not None
    assert "no such thing" in unread


async def test_without_the_workflow_a_tree_has_no_types_and_gets_them_when_it_is_there(
    caplog: pytest.LogCaptureFixture,
) -> None:
    found = node("n0")
    script = Script({("e1", ""): [found]}, {"n0": [attempt(found)]}, {"GetWorkflow": refused})
    with caplog.at_level(logging.WARNING, "flyteasync"):
        first, second = await again(script, script.instead.clear)
    assert "workflow wf of execution flytesnacks/development/e1 could not be read" in caplog.text
    untyped, typed = (snapshot.nodes["n0"] for snapshot in (first, second))
    assert untyped.outputs == typed.outputs == {"o0": 7}
    assert untyped.interface is None
    assert untyped.task_executions[0].task is None
    assert typed.interface is not None
    assert typed.task_executions[0].task is not None


async def test_an_outage_while_the_workflow_is_read_fails_the_sync() -> None:
    def unavailable(_: Any) -> bytes:
        raise Refusal(Status.UNAVAILABLE, "down")

    script = Script({("e1", ""): [node("n0")]}, instead={"GetWorkflow": unavailable})
    async with Wire(script) as wire, remote_of(wire.endpoint) as remote:
        execution = remote.with_options(timeout=0.2).execution("e1")
        with pytest.raises(FlyteSystemUnavailableException, match="GetWorkflow"):
            await execution.sync(sync_nodes=True)
        assert execution.node_executions == {}


async def test_a_workflow_without_its_compiled_form_is_none() -> None:
    script = Script({("e1", ""): [node("n0")]}, instead={"GetWorkflow": lambda _: admin.Workflow()})
    execution, _ = await synced(script)
    assert execution.node_executions["n0"].interface is None


async def test_a_dynamic_node_whose_workflow_is_gone_has_its_nodes_all_the_same() -> None:
    dynamic = node("n0", is_parent_node=True, is_dynamic=True)
    script = Script({("e1", ""): [dynamic], ("e1", "n0"): [node("n0-0-dn0")]})
    script.instead["GetNodeExecutionData"] = where(lambda request: request.id.node_id == "n0", script)
    execution, _ = await synced(script)
    assert set(execution.node_executions["n0"].subworkflow_node_executions) == {"n0-0-dn0"}


async def test_a_node_that_the_workflow_does_not_have_is_kept_with_what_is_known_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    script = Script({("e1", ""): [node("n0"), node("novel")]}, {"novel": [attempt(node("novel"))]})
    with caplog.at_level(logging.WARNING, "flyteasync"):
        execution, _ = await synced(script)
    novel = execution.node_executions["novel"]
    assert novel.outputs == {"o0": 7}
    assert len(novel.task_executions) == 1
    assert novel.interface is None
    assert [record.getMessage() for record in caplog.records] == [
        "node novel of execution flytesnacks/development/e1 is of a kind that is not known, and kept with what is "
        "known of it"
    ]


# What is asked ...


async def test_values_at_the_same_place_are_read_once_and_others_are_read() -> None:
    same, other = node("n0"), node("n1")
    attempts = {"n0": [attempt(same)], "n1": [attempt(other, folder="s3://elsewhere/")]}
    execution, calls = await synced(Script({("e1", ""): [same, other]}, attempts))
    asked_for = [call.request.id.node_execution_id.node_id for call in calls if call.method == "GetTaskExecutionData"]
    assert asked_for == ["n1"]
    assert all(found.task_executions[0].outputs == {"o0": 7} for found in execution.node_executions.values())
    assert asked(calls, "GetTaskExecution") == 0


async def test_nothing_is_asked_twice() -> None:
    nested = [node("n0", is_parent_node=True), launching("n1", "e2")]
    script = Script(
        {("e1", ""): nested, ("e1", "n0"): [node("n0-0-a"), node("n0-0-b")], ("e2", ""): [node("n0", "e2")]},
        {name: [attempt(node(name))] for name in ("n0-0-a", "n0-0-b")},
    )
    _, calls = await synced(script)
    questions = [(call.path, call.payload) for call in calls]
    assert len(questions) == len(set(questions))
