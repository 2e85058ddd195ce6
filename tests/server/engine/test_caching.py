"""Outputs that are used again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flyteasync.idl import admin, core
from tests.server.build import execution_id, node, promise, task, workflow
from tests.server.client import Client
from tests.server.conftest import Connect
from tests.server.engine.nodes import Called, NodePhase, TaskPhase, array_node, sleep_gate

Status = core.CatalogCacheStatus
INT = {"o0": int}


def cached(
    name: str = "t", *, cache: str = "1", version: str = "v1", outputs: dict[str, Any] | None = None, **metadata: Any
) -> core.TaskTemplate:
    template = task(name, {"x": int}, INT if outputs is None else outputs, version=version)
    template.metadata = core.TaskMetadata(discoverable=True, discovery_version=cache, **metadata)
    return template


class Counting:
    """A handler that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, x: int) -> int:
        self.calls += 1
        return x * 2


async def register(client: Client, template: core.TaskTemplate, version: str = "v1") -> core.Identifier:
    assert template.id is not None
    wf = workflow(
        "wf",
        [node("n0", template.id.name, {"x": promise("x")}, version=template.id.version)],
        {"x": int},
        {"o0": (int, promise("n0.o0"))},
        version=version,
    )
    return await client.register(wf, [template])


async def node_of(client: Client, name: str) -> admin.NodeExecution:
    return (await client.nodes(execution_id(name)))["n0"]


async def launch(client: Client, plan: core.Identifier, name: str, x: int = 1, **spec: Any) -> admin.NodeExecution:
    await client.finish(await client.launch(plan, name, {"x": x}, **spec))
    return await node_of(client, name)


async def test_the_first_run_populates_and_the_second_hits(connect: Connect) -> None:
    handler = Counting()
    client: Client = await connect({"t": handler})
    plan = await register(client, cached())
    first = (await launch(client, plan, "e1")).closure
    second = (await launch(client, plan, "e2")).closure
    assert handler.calls == 1
    assert await client.outputs(execution_id("e2")) == {"o0": 2}
    assert first.task_node_metadata.cache_status == Status.CACHE_POPULATED
    assert second.task_node_metadata.cache_status == Status.CACHE_HIT
    key = first.task_node_metadata.catalog_key
    assert key == second.task_node_metadata.catalog_key
    assert (key.dataset_id.resource_type, key.dataset_id.name) == (core.ResourceType.DATASET, "flyte_task-t")
    assert key.dataset_id.version.startswith("1-")
    assert key.artifact_tag.name.startswith("flyte_cached-")
    assert key.source_task_execution.node_execution_id.execution_id == execution_id("e1")
    assert key.source_task_execution.task_id == cached().id


async def test_a_hit_is_one_event_without_task_execution_or_times(connect: Connect) -> None:
    client: Client = await connect({"t": Counting()})
    plan = await register(client, cached())
    await launch(client, plan, "e1")
    hit = await launch(client, plan, "e2")
    assert hit.closure.phase == NodePhase.SUCCEEDED
    assert (hit.closure.started_at, hit.closure.duration) == (None, None)
    assert hit.input_uri
    assert hit.closure.output_uri
    assert await client.attempts(execution_id("e2"), "n0") == []


@pytest.mark.parametrize(
    ("other", "hits"),
    [
        (cached(version="v2"), True),
        (cached(version="v2", cache="2"), False),
        (cached(version="v2", outputs={"o0": int, "o1": int}), False),
        (cached("u"), False),
    ],
)
async def test_the_key_is_name_interface_and_cache_version_but_not_the_tasks_version(
    connect: Connect, other: core.TaskTemplate, hits: bool
) -> None:
    client: Client = await connect({"*": lambda x: {"o0": x, "o1": x} if "o1" in str(other.interface) else x})
    await launch(client, await register(client, cached()), "e1")
    metadata = (await launch(client, await register(client, other, "v2"), "e2")).closure.task_node_metadata
    assert (metadata is not None and metadata.cache_status == Status.CACHE_HIT) == hits


async def test_other_inputs_are_another_key_unless_they_are_ignored(connect: Connect) -> None:
    handler = Counting()
    client: Client = await connect({"*": handler})
    plan = await register(client, cached())
    await launch(client, plan, "e1", 1)
    await launch(client, plan, "e2", 2)
    assert handler.calls == 2
    plan = await register(client, cached("u", cache_ignore_input_vars=["x"]), "v2")
    await launch(client, plan, "e3", 1)
    await launch(client, plan, "e4", 2)
    assert handler.calls == 3
    assert await client.outputs(execution_id("e4")) == {"o0": 2}


async def test_an_execution_may_overwrite_what_is_cached(connect: Connect) -> None:
    values = iter([1, 2])
    client: Client = await connect({"t": lambda x: next(values)})
    plan = await register(client, cached())
    await launch(client, plan, "e1")
    overwriting = await launch(client, plan, "e2", overwrite_cache=True)
    assert overwriting.closure.task_node_metadata.cache_status == Status.CACHE_POPULATED
    assert len(await client.attempts(execution_id("e2"), "n0")) == 1
    await launch(client, plan, "e3")
    assert await client.outputs(execution_id("e3")) == {"o0": 2}


async def test_a_node_may_say_otherwise_than_its_task(connect: Connect) -> None:
    handler = Counting()
    client: Client = await connect({"t": handler})
    template = task("t", {"x": int}, INT)
    call = node("n0", "t", {"x": promise("x")})
    assert call.metadata is not None
    call.metadata.cacheable, call.metadata.cache_version = True, "7"
    plan = await client.register(workflow("wf", [call], {"x": int}), [template])
    await launch(client, plan, "e1")
    assert (await launch(client, plan, "e2")).closure.task_node_metadata.cache_status == Status.CACHE_HIT
    assert handler.calls == 1


async def test_neither_failures_nor_tasks_without_outputs_are_cached(connect: Connect) -> None:
    calls: list[str] = []

    def fail(x: int) -> int:
        calls.append("fail")
        raise ValueError("boom")

    client: Client = await connect({"t": fail, "u": lambda x: calls.append("u")})
    plan = await register(client, cached())
    for name in ("e1", "e2"):
        assert (await launch(client, plan, name)).closure.task_node_metadata is None
    template = cached("u", outputs={})
    silent = workflow("silent", [node("n0", "u", {"x": promise("x")})], {"x": int})
    plan = await client.register(silent, [template])
    for name in ("e3", "e4"):
        assert (await launch(client, plan, name)).closure.task_node_metadata is None
    assert calls == ["fail", "fail", "u", "u"]


async def test_of_equal_runs_that_are_serialized_one_takes_place_and_the_others_wait_in_the_queue(
    connect: Connect,
) -> None:
    called, go = Called(), asyncio.Event()

    async def slow(x: int) -> int:
        called.note()
        await go.wait()
        return x

    client: Client = await connect({"t": slow})
    plan = await register(client, cached(cache_serializable=True))
    await client.launch(plan, "e1", {"x": 1})
    await called.wait()
    await client.launch(plan, "e2", {"x": 1})
    await client.node(execution_id("e2"), "n0", NodePhase.QUEUED)
    go.set()
    await client.finish(execution_id("e2"))
    waited = (await node_of(client, "e2")).closure
    assert waited.task_node_metadata.cache_status == Status.CACHE_HIT
    assert waited.started_at is None
    await called.wait(times=1)


async def test_a_run_that_failed_lets_the_next_one_try(connect: Connect) -> None:
    called, go = Called(), asyncio.Event()

    async def first_fails(x: int) -> int:
        called.note()
        if not go.is_set():
            await go.wait()
            raise ValueError("boom")
        return x

    client: Client = await connect({"t": first_fails})
    plan = await register(client, cached(cache_serializable=True))
    await client.launch(plan, "e1", {"x": 1})
    await called.wait()
    await client.launch(plan, "e2", {"x": 1})
    await client.node(execution_id("e2"), "n0", NodePhase.QUEUED)
    go.set()
    await client.finish(execution_id("e2"))
    assert (await node_of(client, "e2")).closure.task_node_metadata.cache_status == Status.CACHE_POPULATED


async def test_items_of_an_array_node_are_cached_one_by_one(connect: Connect) -> None:
    handler = Counting()
    template = task("t", {"x": list[int]}, {"o0": list[int]})
    template.metadata = core.TaskMetadata(discoverable=True, discovery_version="1")
    array = array_node("n0", node("inner", "t"), {"x": promise("x")})
    client: Client = await connect({"t": handler})
    plan = await client.register(
        workflow("wf", [array], {"x": list[int]}, {"o0": (list[int], promise("n0.o0"))}), [template]
    )
    await client.finish(await client.launch(plan, "e1", {"x": [1, 2]}))
    await client.finish(await client.launch(plan, "e2", {"x": [2, 3]}))
    assert handler.calls == 3
    assert await client.outputs(execution_id("e2")) == {"o0": [4, 6]}
    [attempt] = await client.attempts(execution_id("e2"), "n0")
    items = attempt.closure.metadata.external_resources
    assert [(item.cache_status, item.phase) for item in items] == [
        (Status.CACHE_HIT, TaskPhase.SUCCEEDED),
        (Status.CACHE_POPULATED, TaskPhase.SUCCEEDED),
    ]


async def test_what_is_not_a_tasks_node_is_not_cached(connect: Connect) -> None:
    client: Client = await connect(skipping=True)
    gate = sleep_gate("n0", 60)
    assert gate.metadata is not None
    gate.metadata.cacheable, gate.metadata.cache_version = True, "1"
    plan = await client.register(workflow("wf", [gate]), [])
    for name in ("e1", "e2"):
        await client.finish(await client.launch(plan, name))
        assert (await node_of(client, name)).closure.duration.total_seconds() >= 60
