"""The workflows that a connection remembers."""

from __future__ import annotations

import asyncio

import pytest

from flyteasync import FlyteRemote, codec
from flyteasync.entities import FlyteWorkflow
from flyteasync.errors import FlyteEntityNotExistException, Status
from flyteasync.executions import WorkflowCache
from flyteasync.idl import admin, core
from tests.server.build import identifier, node, workflow
from tests.support.backend import remote_of
from tests.support.loop import eventually
from tests.support.wire import Call, Refusal, Wire


async def answer(call: Call) -> bytes:
    template = workflow(call.request.id.name, [node("n0", "step")])
    compiled = core.CompiledWorkflowClosure(primary=core.CompiledWorkflow(template=template))
    return codec.encode(admin.Workflow(closure=admin.WorkflowClosure(compiled_workflow=compiled)))


def read(cache: WorkflowCache, remote: FlyteRemote, name: str) -> asyncio.Task[FlyteWorkflow]:
    return asyncio.ensure_future(cache.get(remote.admin, identifier(name, core.ResourceType.WORKFLOW)))


async def test_a_workflow_is_read_once_however_many_ask_at_once() -> None:
    async with Wire(answer) as wire, remote_of(wire.endpoint) as remote:
        cache = WorkflowCache()
        found = await asyncio.gather(*(read(cache, remote, "a") for _ in range(50)), read(cache, remote, "b"))
        assert len({id(workflow) for workflow in found}) == 2
        assert [workflow.id.name for workflow in found[-2:]] == ["a", "b"]
        assert wire.methods == ["GetWorkflow"] * 2


async def test_the_ones_that_were_asked_for_last_are_kept() -> None:
    async with Wire(answer) as wire, remote_of(wire.endpoint) as remote:
        cache = WorkflowCache(kept=2)
        for name in ("a", "b", "a", "c", "a", "b"):
            await read(cache, remote, name)
        assert [call.request.id.name for call in wire.calls] == ["a", "b", "c", "b"]


async def test_a_failure_is_not_remembered() -> None:
    async def refuse_first(call: Call) -> bytes:
        if len(wire.calls) == 1:
            raise Refusal(Status.NOT_FOUND, "no such workflow")
        return await answer(call)

    async with Wire(refuse_first) as wire, remote_of(wire.endpoint) as remote:
        cache = WorkflowCache()
        first, second = read(cache, remote, "a"), read(cache, remote, "a")
        with pytest.raises(FlyteEntityNotExistException):
            await first
        assert (await second).id.name == "a"


async def test_cancelling_one_that_reads_leaves_the_others_to_read() -> None:
    release = asyncio.Event()

    async def late(call: Call) -> bytes:
        await release.wait()
        return await answer(call)

    async with Wire(late) as wire, remote_of(wire.endpoint) as remote:
        cache = WorkflowCache()
        first, second = read(cache, remote, "a"), read(cache, remote, "a")
        await eventually(lambda: wire.calls)
        first.cancel()
        release.set()
        assert (await second).id.name == "a"
        assert first.cancelled()
