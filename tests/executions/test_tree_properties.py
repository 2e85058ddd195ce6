"""What holds for every tree, however it is built and whatever of it is broken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from flyteasync import FlyteNodeExecution, FlyteWorkflowExecution
from flyteasync.executions.node import NodePhase
from flyteasync.executions.sync import CONCURRENCY
from flyteasync.idl import admin, core
from tests.support.backend import remote_of
from tests.support.tree import Script, attempt, launching, node, refused
from tests.support.wire import Call, Wire

EXECUTIONS = ("e1", "e2", "e3")


@dataclass
class Forest:
    """Executions with nodes, and what of them cannot be read.

    Attributes:
        script: the server.
        broken: methods with the id of the node or execution for which they are refused.
    """

    script: Script
    broken: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])

    def answer(self, request: Any) -> Any:
        return refused(request) if subject_of(request) in self.broken else self.script.usual(request)


def subject_of(request: Any) -> tuple[str, str]:
    """The method of a request, and what it is about."""
    match request:
        case admin.NodeExecutionListRequest(unique_parent_id=parent, workflow_execution_id=execution):
            return "ListNodeExecutions", parent or (execution.name if execution is not None else "")
        case admin.TaskExecutionListRequest(node_execution_id=identifier):
            return "ListTaskExecutions", text_of(identifier)
        case admin.NodeExecutionGetDataRequest(id=identifier):
            return "GetNodeExecutionData", text_of(identifier)
        case admin.WorkflowExecutionGetRequest(id=identifier):
            return "GetExecution", identifier.name if identifier is not None else ""
        case _:
            return "", ""


def text_of(identifier: core.NodeExecutionIdentifier | None) -> str:
    return identifier.node_id if identifier is not None else ""


METHODS = ("ListNodeExecutions", "ListTaskExecutions", "GetNodeExecutionData", "GetExecution")


@st.composite
def forests(draw: st.DrawFn) -> Forest:
    script, things = Script(), list[str](EXECUTIONS[1:])
    levels = [(execution, "", 0) for execution in EXECUTIONS]
    while levels:
        execution, parent, depth = levels.pop()
        kinds = draw(st.lists(st.sampled_from(["leaf", "parent", "launching", "failed", "running"]), max_size=3))
        nodes = script.levels[execution, parent] = []
        for index, kind in enumerate(kinds):
            name = f"{parent or execution}-n{index}"
            things.append(name)
            if kind == "launching":
                nodes.append(launching(name, draw(st.sampled_from(EXECUTIONS)), execution))
                continue
            found = node(name, execution, is_parent_node=kind == "parent" and depth < 3)
            assert found.closure is not None
            script.attempts[name] = [
                attempt(found, number, draw(st.sampled_from(["", "s3://elsewhere/"])))
                for number in range(draw(st.integers(0, 2)))
            ]
            if kind == "failed":
                found.closure.phase, found.closure.error = NodePhase.FAILED, core.ExecutionError(message="boom")
                found.closure.output_uri = None
            if kind == "running":
                found.closure.phase, found.closure.output_uri = NodePhase.RUNNING, None
            nodes.append(found)
            if kind == "parent" and depth < 3:
                levels.append((execution, name, depth + 1))
    methods = st.sampled_from(list[str](METHODS))
    broken = draw(st.sets(st.tuples(methods, st.sampled_from(things)), max_size=4))
    forest = Forest(script, broken)
    for method in METHODS:
        script.instead[method] = forest.answer
    return forest


def all_nodes(nodes: Mapping[str, FlyteNodeExecution]) -> Iterator[FlyteNodeExecution]:
    for found in nodes.values():
        yield found
        yield from all_nodes(found.subworkflow_node_executions)
        for child in found.workflow_executions:
            yield from all_nodes(child.node_executions)


def check(execution: FlyteWorkflowExecution, forest: Forest) -> list[str]:
    """Fail unless everything that can be read is there; returns the names of the executions that were followed."""
    followed = [execution.id.name]

    def check_level(name: str, parent: str, nodes: Mapping[str, FlyteNodeExecution]) -> None:
        expected = forest.script.levels.get((name, parent), [])
        readable = ("ListNodeExecutions", parent or name) not in forest.broken
        assert list(nodes) == [text_of(model.id) for model in expected if readable]
        for model, found in zip(expected, nodes.values(), strict=False):
            assert found.to_flyte_idl() == model
            check_node(name, found)

    def check_node(name: str, found: FlyteNodeExecution) -> None:
        this = found.id.node_id
        if ("GetNodeExecutionData", this) not in forest.broken:
            assert found.inputs == {"x": 7}
            if found.closure.phase == NodePhase.SUCCEEDED:
                assert found.outputs == {"o0": 7}
        attempts = forest.script.attempts.get(this, [])
        if found.metadata.is_parent_node:
            check_level(name, this, found.subworkflow_node_executions)
        elif ("ListTaskExecutions", this) in forest.broken:
            assert found.task_executions == []
        else:
            assert [task.to_flyte_idl() for task in found.task_executions] == attempts
            assert all(task.outputs == {"o0": 7} for task in found.task_executions)
        for child in found.workflow_executions:
            if child.is_done:
                followed.append(child.id.name)
                check_level(child.id.name, "", child.node_executions)

    check_level(execution.id.name, "", execution.node_executions)
    return followed


def methods_and_payloads(calls: list[Call]) -> list[tuple[str, bytes]]:
    return [(call.path, call.payload) for call in calls]


@settings(max_examples=40)
@given(forests())
async def test_what_can_be_read_is_there_nothing_is_asked_twice_and_nothing_again(forest: Forest) -> None:
    async with Wire(forest.script) as wire, remote_of(wire.endpoint) as remote:
        execution = await remote.execution("e1").sync(sync_nodes=True)
        followed = check(execution, forest)
        assert len(followed) == len(set(followed)), "an execution was followed twice"
        asked = methods_and_payloads(wire.calls)
        assert len(asked) == len(set(asked))

        forest.broken.clear()
        wire.calls.clear()
        known = {found.id.node_id: found for found in all_nodes(execution.node_executions) if found.is_loaded}
        await execution.sync(sync_nodes=True)
        check(execution, forest)
        for found in all_nodes(execution.node_executions):
            before = known.get(found.id.node_id)
            if before is not None and before.is_done:
                assert found is before, "what had ended and was read is taken over"
        asked = methods_and_payloads(wire.calls)
        assert len(asked) == len(set(asked))

        final = all(found.is_loaded and found.is_done for found in execution.node_executions.values())
        wire.calls.clear()
        await execution.sync(sync_nodes=True)
        if final:
            assert wire.methods == ["GetExecution"]
        assert "GetNodeExecutionData" not in wire.methods
        assert "GetTaskExecutionData" not in wire.methods


@settings(max_examples=6)
@given(st.integers(1, 3 * CONCURRENCY), st.integers(1, 3))
async def test_the_cost_of_a_tree_is_bounded_by_its_nodes(width: int, attempts: int) -> None:
    script = Script()
    script.levels["e1", ""] = [node(f"n{index}") for index in range(width)]
    for found in script.levels["e1", ""]:
        script.attempts[text_of(found.id)] = [
            attempt(found, number, f"{found.input_uri}/{number}/") for number in range(attempts)
        ]
    async with Wire(script) as wire, remote_of(wire.endpoint) as remote:
        await remote.execution("e1").sync(sync_nodes=True)
        assert len(wire.calls) == 3 + 1 + width * (2 + attempts)
