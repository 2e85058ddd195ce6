"""Executions of every outcome on a server in a thread, seen through the async package or through the facade."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Generator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import flyteasync
from flyteasync import FlyteRemote
from flyteasync.idl import admin, core
from flyteasync.server import ServerConfig
from flyteasync.server.host import Host, serve_in_thread
from tests.server import build
from tests.server.engine.nodes import launch_plan_node, sub_workflow_node
from tests.support.backend import FAST, TRANSPORT, register, remote_of, single

X = {"x": build.promise("x")}
STEP = build.task("step", {"x": int}, {"o0": int})
INNER = build.workflow("inner", [build.node("a", "step", X)], {"x": int}, {"o0": (int, build.promise("a.o0"))})
OUTER = build.workflow(
    "outer",
    [build.node("n0", "step", X), sub_workflow_node("n1", "inner", X), launch_plan_node("n2", "inner", X)],
    {"x": int},
    {"o0": (int, build.promise("n0.o0"))},
)


def step(x: int) -> int:
    return x + 1


def fail(text: str) -> str:
    raise ValueError(text)


@contextmanager
def serving() -> Generator[Host]:
    """A server with the executions `done`, `failed`, `aborted` and `running`."""
    with serve_in_thread(ServerConfig(unregistered="hang"), {"step": step, "fail": fail}) as host:
        asyncio.run(_prepare(host))
        yield host


async def _prepare(host: Host) -> None:
    async with remote_of(host.endpoint) as remote:
        await register(remote, INNER, [STEP])
        spec = admin.WorkflowSpec(template=OUTER, sub_workflows=[INNER])
        await remote.admin.create_workflow(admin.WorkflowCreateRequest(id=OUTER.id, spec=spec))
        plan_id = build.identifier("outer", core.ResourceType.LAUNCH_PLAN)
        plan = admin.LaunchPlanSpec(workflow_id=OUTER.id)
        await remote.admin.create_launch_plan(admin.LaunchPlanCreateRequest(id=plan_id, spec=plan))
        await register(remote, *single("fail", {"text": str}, str))
        await register(remote, *single("hold", {"name": str}, str))
        await _launch(remote, "outer", "done", {"x": 1}, wait=True)
        await _launch(remote, "fail", "failed", {"text": "no luck"}, wait=True)
        for name in ("aborted", "running"):
            await _launch(remote, "hold", name, {"name": "x"})
        await remote.execution("aborted").terminate("enough of it")
        await remote.execution("aborted").wait()


async def _launch(remote: FlyteRemote, workflow: str, name: str, inputs: dict[str, Any], *, wait: bool = False) -> None:
    plan = await remote.fetch_launch_plan(name=workflow)
    await remote.execute(plan, inputs, execution_name=name, wait=wait)


class World:
    """One of the two packages, and a remote of it."""

    def __init__(self, package: ModuleType, host: Host) -> None:
        self.package = package
        self.remote: Any = package.FlyteRemote(
            flyteasync.Config.for_endpoint(host.endpoint, insecure=True),
            build.PROJECT,
            build.DOMAIN,
            options=FAST,
            transport=TRANSPORT,
        )

    async def do(self, result: Any) -> Any:
        """What a verb returns in either package."""
        return await result if inspect.isawaitable(result) else result

    async def synced(self, name: str) -> Any:
        """An execution with its nodes."""
        return await self.do(self.remote.execution(name).sync(sync_nodes=True))

    async def node(self, name: str = "done", node: str = "n0") -> Any:
        """A node of an execution."""
        return (await self.synced(name)).node_executions[node]

    async def attempt(self, name: str = "done") -> Any:
        """The only attempt of the first node of an execution."""
        (task,) = (await self.node(name)).task_executions
        return task
