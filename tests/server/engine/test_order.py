"""In which order nodes run, and how many at a time, for workflows of any shape."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flyteasync.idl import core
from tests.server.build import execution_id, node, task, workflow
from tests.server.client import Client
from tests.server.conftest import Connect
from tests.server.engine.nodes import (
    Phase,
    all_nodes,
    branch_node,
    comparison,
    phases,
    register_workflow,
    sub_workflow_node,
)

IMMEDIATELY = core.WorkflowMetadataOnFailurePolicy.FAIL_IMMEDIATELY
AFTERWARDS = core.WorkflowMetadataOnFailurePolicy.FAIL_AFTER_EXECUTABLE_NODES_COMPLETE


@dataclass(frozen=True)
class Shape:
    """A workflow: for each node the earlier ones that it waits for, whether it fails, and its turns in the loop."""

    upstream: list[set[int]]
    fails: set[int]
    turns: list[int]
    max_parallelism: int

    @property
    def size(self) -> int:
        return len(self.upstream)

    def below_failures(self) -> set[int]:
        """The nodes that cannot run because one before them failed."""
        blocked: set[int] = set()
        for index, before in enumerate(self.upstream):
            if before & (self.fails | blocked):
                blocked.add(index)
        return blocked


@st.composite
def shapes(draw: st.DrawFn, *, failures: bool) -> Shape:
    size = draw(st.integers(1, 8))
    upstream = [draw(st.sets(st.integers(0, index - 1), max_size=3)) if index else set[int]() for index in range(size)]
    fails = draw(st.sets(st.integers(0, size - 1), max_size=2)) if failures else set[int]()
    turns = draw(st.lists(st.integers(0, 5), min_size=size, max_size=size))
    return Shape(upstream, fails, turns, draw(st.integers(0, 4)))


class Recorder:
    """One handler per node, which tells when it begins and ends."""

    def __init__(self) -> None:
        self.shape = Shape([], set(), [], 0)
        self.events: list[tuple[str, int]] = []
        self.running = self.most = 0

    def begin(self, shape: Shape) -> None:
        self.shape, self.events, self.running, self.most = shape, [], 0, 0

    def handler(self, index: int) -> Any:
        async def handle() -> None:
            self.events.append(("begin", index))
            self.running += 1
            self.most = max(self.most, self.running)
            try:
                for _ in range(self.shape.turns[index]):
                    await asyncio.sleep(0)
                if index in self.shape.fails:
                    raise ValueError(f"n{index}")
            finally:
                self.running -= 1
                self.events.append(("end", index))

        return handle

    @property
    def began(self) -> list[int]:
        return [index for what, index in self.events if what == "begin"]


class Bench:
    """One server for all examples of a test."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._client: Client | None = None
        self._numbers = count()
        self.recorder = Recorder()

    async def client(self) -> Client:
        if self._client is None:
            handlers = {f"t{index}": self.recorder.handler(index) for index in range(8)}
            self._client = await self._connect(handlers)
            assert self._client is not None
            await register_workflow(
                self._client, workflow("first", [node("n0", "t0")]), [task(f"t{index}") for index in range(8)]
            )
        return self._client

    async def run(
        self, shape: Shape, policy: core.WorkflowMetadataOnFailurePolicy = IMMEDIATELY, *, nested: bool = False
    ) -> tuple[Phase, Mapping[str, str]]:
        """Run a workflow of that shape; return the phases of the execution and of its nodes."""
        client = await self.client()
        name = f"w{next(self._numbers)}"
        nodes = [
            node(f"n{index}", f"t{index}", after=[f"n{other}" for other in sorted(before)])
            for index, before in enumerate(shape.upstream)
        ]
        template, parts = workflow(name, nodes), list[core.WorkflowTemplate]()
        if nested:
            parts = [template]
            template = workflow(f"{name}-outer", [sub_workflow_node("s0", name), sub_workflow_node("s1", name)])
        template.metadata = core.WorkflowMetadata(on_failure=policy)
        plan = await register_workflow(client, template, [], parts=parts)
        self.recorder.begin(shape)
        await client.launch(plan, name, max_parallelism=shape.max_parallelism)
        execution = await client.finish(execution_id(name))
        return execution.closure.phase, phases(await client.nodes(execution_id(name)))


@pytest.fixture
def bench(connect: Connect) -> Bench:
    """One server for all examples of a test."""
    return Bench(connect)


EXAMPLES = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@EXAMPLES
@given(shape=shapes(failures=False))
async def test_every_node_runs_once_and_after_what_it_waits_for(bench: Bench, shape: Shape) -> None:
    phase, nodes = await bench.run(shape)
    assert phase == Phase.SUCCEEDED
    assert set(nodes.values()) == {"SUCCEEDED"}
    recorder = bench.recorder
    assert sorted(recorder.began) == list(range(shape.size))
    for index, before in enumerate(shape.upstream):
        for other in before:
            assert recorder.events.index(("end", other)) < recorder.events.index(("begin", index))
    # The default of the server if the execution does not say.
    assert recorder.most <= (shape.max_parallelism or 25)


@EXAMPLES
@given(shape=shapes(failures=True))
async def test_with_one_policy_everything_runs_that_does_not_need_a_failed_node(bench: Bench, shape: Shape) -> None:
    phase, nodes = await bench.run(shape, AFTERWARDS)
    blocked = shape.below_failures()
    assert phase == (Phase.FAILED if shape.fails - blocked else Phase.SUCCEEDED)
    assert sorted(bench.recorder.began) == sorted(set(range(shape.size)) - blocked)
    for index in range(shape.size):
        if index in blocked:
            assert nodes.get(f"n{index}") in (None, "SKIPPED")
        else:
            assert nodes[f"n{index}"] == ("FAILED" if index in shape.fails else "SUCCEEDED")


@EXAMPLES
@given(shape=shapes(failures=True))
async def test_with_the_other_policy_nothing_begins_after_a_failure_and_nothing_is_left_running(
    bench: Bench, shape: Shape
) -> None:
    phase, nodes = await bench.run(shape)
    reachable = shape.fails - shape.below_failures()
    assert phase == (Phase.FAILED if reachable else Phase.SUCCEEDED)
    assert set(nodes.values()) <= {"SUCCEEDED", "FAILED", "ABORTED"}
    if reachable:
        assert "FAILED" in nodes.values()
        assert "end-node" not in nodes
    assert not set(bench.recorder.began) & shape.below_failures()


@EXAMPLES
@given(shape=shapes(failures=False))
async def test_nodes_inside_of_sub_workflows_share_the_places_of_their_execution(bench: Bench, shape: Shape) -> None:
    phase, _ = await bench.run(shape, nested=True)
    assert phase == Phase.SUCCEEDED
    assert sorted(bench.recorder.began) == sorted([*range(shape.size), *range(shape.size)])
    assert bench.recorder.most <= (shape.max_parallelism or 25)


async def test_a_long_chain_is_skipped_as_a_whole(connect: Connect) -> None:
    client: Client = await connect({"t": lambda: None}, max_workflow_nodes=0)
    length = 2000
    taken = branch_node("b", [(comparison(1, "EQ", 1), node("a", "t"))], node("c", "t"))
    chain = [node("n0", "t", after=["b", "b-c"])]
    chain += [node(f"n{index}", "t", after=[f"n{index - 1}"]) for index in range(1, length)]
    plan = await register_workflow(client, workflow("wf", [taken, *chain]), [task("t")])
    await client.launch(plan, "e1")
    assert (await client.finish(execution_id("e1"))).closure.phase == Phase.SUCCEEDED
    assert (
        sum(item.closure.phase.name == "SKIPPED" for item in all_nodes(client).values() if item.closure) == length + 1
    )
