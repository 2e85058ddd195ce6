"""A server in a thread, for tests of blocking calls and for those that look at the tasks of their own loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from flyteasync import FlyteRemote
from flyteasync.cli import demo_workflow
from flyteasync.server import ServerConfig
from flyteasync.server.host import Host, serve_in_thread
from tests.server import build
from tests.server.engine.nodes import launch_plan_node
from tests.support.backend import LONG_TEXT, register, register_all, remote_of


@contextmanager
def prepared_server() -> Iterator[Host]:
    """A server with the workflows of `Backend` and some executions.

    `finished` and `finished-0` to `finished-4` succeeded, `failed` failed with a long text, and `running` never ends,
    as no execution of `hold` does. `launching` launched another one.
    """
    handlers = {**demo_workflow.HANDLERS, "nothing": lambda: None, "fail": _fail}
    with serve_in_thread(ServerConfig(unregistered="hang"), handlers) as host:
        asyncio.run(_prepare(remote_of(host.endpoint)))
        yield host


def _fail(text: str) -> str:
    raise ValueError(text)


async def _prepare(remote: FlyteRemote) -> None:
    async with remote:
        await register_all(remote)
        plan = await remote.fetch_launch_plan(name="demo.report")
        for name in ("finished", *(f"finished-{index}" for index in range(5))):
            await remote.execute(plan, {"n": 3, "name": "x"}, execution_name=name, wait=True)
        await register(remote, build.workflow("launching", [launch_plan_node("n0", "nothing")]), [])
        plan = await remote.fetch_launch_plan(name="launching")
        await remote.execute(plan, execution_name="launching", wait=True)
        plan = await remote.fetch_launch_plan(name="fail")
        await remote.execute(plan, {"text": LONG_TEXT}, execution_name="failed", wait=True)
        plan = await remote.fetch_launch_plan(name="hold")
        await remote.execute(plan, {"name": "x"}, execution_name="running")
