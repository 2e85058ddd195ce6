"""An embedded server with workflows registered, and remotes of it."""

from __future__ import annotations

import asyncio
import copy
import os
from collections import Counter
from collections.abc import Mapping
from typing import Any

from flyteasync import CallOptions, Config, FlyteRemote, RetryPolicy
from flyteasync.cli import demo_workflow
from flyteasync.idl import admin, core
from flyteasync.server import Fault, Handler, Server, ServerConfig
from flyteasync.server.clock import Clock
from flyteasync.server.store import MemoryStore
from tests.server import build

PROJECT, DOMAIN = build.PROJECT, build.DOMAIN

TRANSPORT = os.environ.get("FLYTEASYNC_TEST_TRANSPORT", "grpc_aio")
"""What carries the calls of all tests of the client: they pass over every transport."""

FAST = CallOptions(timeout=10.0, retry=RetryPolicy(initial_backoff=0.001, max_backoff=0.01))
"""Options whose pauses between attempts cost a test no time."""

LONG_TEXT = "what went wrong, at length: " + "abcdefghij" * 40
"""An error text that lists cut."""


def remote_of(endpoint: str, **settings: Any) -> FlyteRemote:
    """A remote of an endpoint on loopback."""
    settings = {"options": FAST, "transport": TRANSPORT} | settings
    return FlyteRemote(Config.for_endpoint(endpoint, insecure=True), PROJECT, DOMAIN, **settings)


class Backend:
    """A server in the test's own loop with the workflows `demo.report`, `hold`, `fail`, `flaky`, `nothing`, `defaults`.

    Executions of `hold` run until `gate` is set; those of `fail` fail with the text of their input; those of `flaky`
    fail as often as their input says, and then succeed, if their three attempts suffice.
    """

    def __init__(self, *faults: Fault, registered: bool = True, **settings: Any) -> None:
        self.gate = asyncio.Event()
        self.held = 0
        self._failures: Counter[str] = Counter()
        handlers: dict[str, Handler] = {
            **demo_workflow.HANDLERS,
            "hold": self._hold,
            "fail": self._fail,
            "flaky": self._flaky,
            "nothing": lambda: None,
            "add": lambda a, b: a + b,
        }
        self._registered = registered
        self._start = lambda store: Server(ServerConfig(faults=faults, **settings), handlers, store=store)
        self.server: Server
        self.remote: FlyteRemote

    async def _hold(self, name: str) -> str:
        self.held += 1
        await self.gate.wait()
        return name

    async def _fail(self, text: str) -> str:
        raise ValueError(text)

    async def _flaky(self, key: str, failures: int) -> str:
        self._failures[key] += 1
        if self._failures[key] <= failures:
            raise ValueError(f"failure {self._failures[key]} of {key}")
        return key

    async def __aenter__(self) -> Backend:
        self.server = self._start(await registered_store() if self._registered else None)
        self.remote = remote_of(await self.server.start())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.remote.aclose(0)
        await self.server.stop()

    def misbehave(self, *faults: Fault) -> None:
        """Replace the server's faults."""
        self.server.faults.replace(faults)

    def calls(self, method: str | None = None) -> int:
        """How many RPCs of a method, or of all, have ended, however."""
        ended = self.server.stats.calls
        return sum(sum(ended[name].values()) for name in ([method] if method else list(ended)) if name in ended)

    async def executions(self) -> list[admin.Execution]:
        """What the server has."""
        request = admin.ResourceListRequest(
            id=admin.NamedEntityIdentifier(project=PROJECT, domain=DOMAIN), limit=100_000
        )
        return (await self.remote.admin.list_executions(request)).executions


_registered: list[MemoryStore] = []


async def registered_store() -> MemoryStore:
    """What a server has after `register_all`, which takes much longer than to copy it."""
    if not _registered:
        store = MemoryStore(Clock())
        async with Server(store=store) as server, remote_of(server.endpoint) as remote:
            await register_all(remote)
        _registered.append(store)
    return copy.deepcopy(_registered[0])


async def register(
    remote: FlyteRemote,
    template: core.WorkflowTemplate,
    tasks: list[core.TaskTemplate],
    plan: admin.LaunchPlanSpec | None = None,
) -> core.Identifier:
    """Register tasks, a workflow and its launch plan of the same name; return the launch plan's id."""
    for task in tasks:
        await remote.admin.create_task(admin.TaskCreateRequest(id=task.id, spec=admin.TaskSpec(template=task)))
    await remote.admin.create_workflow(
        admin.WorkflowCreateRequest(id=template.id, spec=admin.WorkflowSpec(template=template))
    )
    assert template.id is not None
    plan = plan or admin.LaunchPlanSpec()
    plan.workflow_id = template.id
    plan_id = build.identifier(template.id.name, core.ResourceType.LAUNCH_PLAN, template.id.version)
    await remote.admin.create_launch_plan(admin.LaunchPlanCreateRequest(id=plan_id, spec=plan))
    return plan_id


def single(
    name: str, inputs: Mapping[str, Any], output: Any, *, retries: int = 0, version: str = build.VERSION
) -> tuple[core.WorkflowTemplate, list[core.TaskTemplate]]:
    """A workflow of one task of the same name, with the task's inputs and its output `o0`, if it has one."""
    outputs = {} if output is None else {"o0": output}
    bound = {key: build.promise(key) for key in inputs}
    template = build.workflow(
        name,
        [build.node("n0", name, bound, version=version)],
        inputs,
        {key: (kind, build.promise(f"n0.{key}")) for key, kind in outputs.items()},
        version=version,
    )
    return template, [build.task(name, inputs, outputs, retries=retries, version=version)]


async def register_all(remote: FlyteRemote) -> None:
    """Register the workflows that `Backend` speaks of."""
    demo = demo_workflow.registration(PROJECT, DOMAIN)
    for task in demo.tasks:
        await remote.admin.create_task(task)
    await remote.admin.create_workflow(demo.workflow)
    await remote.admin.create_launch_plan(demo.launch_plan)
    await register(remote, *single("hold", {"name": str}, str))
    await register(remote, *single("fail", {"text": str}, str))
    await register(remote, *single("flaky", {"key": str, "failures": int}, str, retries=2))
    await register(remote, *single("nothing", {}, None))
    template, tasks = single("add", {"a": int, "b": int}, int)
    assert template.id is not None
    template.id.name = "defaults"
    parameters = core.ParameterMap(
        parameters={
            "a": core.Parameter(var=build.variables({"a": int}).variables["a"], required=True),
            "b": core.Parameter(var=build.variables({"b": int}).variables["b"], default=build.literal(10)),
        }
    )
    await register(remote, template, tasks, admin.LaunchPlanSpec(default_inputs=parameters))
