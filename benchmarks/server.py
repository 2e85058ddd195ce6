"""What the embedded server bears: many executions at a time while it is asked for them, and its rate of RPCs.

    python -m benchmarks.server [--executions 10000] [--json] [--check]

Everything goes over loopback to one process that runs the server. First executions of a workflow of three nodes, whose
handlers do nothing, are launched as fast as the server takes them, while it is asked GetExecution at a constant rate
that does not wait for replies; a reply's delay counts from the moment when its question was due. Then GetExecution is
asked in rounds, in turns with a bare grpc.aio server in the same process that answers with the same bytes; ratios are
medians of the rounds' ratios. `--check` fails if a target is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import grpc.aio

from benchmarks.support.tasks import chain, chain_plan
from flyteasync import codec
from flyteasync.idl import admin, core, methods

PROJECT, DOMAIN = "flytesnacks", "development"
LAUNCHING = 4
"""Calls of CreateExecution at a time."""
ASKED_A_SECOND = 500
CONCURRENCY = 32
TARGETS = {"seconds": 180.0, "mebibytes": 1024.0, "p95_ms": 50.0}


def bytes_channel(endpoint: str) -> grpc.aio.Channel:
    return grpc.aio.insecure_channel(endpoint, options=[("grpc.max_receive_message_length", -1)])


def method(channel: Any, path: str) -> Any:
    """What calls a method with bytes; grpc.aio has no types to say so."""
    return channel.unary_unary(path)


class Host:
    """The process that serves."""

    def __init__(self, process: asyncio.subprocess.Process, endpoint: str, bare: str) -> None:
        self._process = process
        self.endpoint = endpoint
        self.bare = bare

    async def used(self) -> dict[str, float]:
        """CPU seconds and bytes of memory; see `benchmarks.support.hosts`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"\n")
        return json.loads(await self._process.stdout.readline())


@contextlib.asynccontextmanager
async def started() -> AsyncGenerator[Host]:
    command = (sys.executable, "-m", "benchmarks.support.hosts")
    process = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Host(process, *json.loads(await process.stdout.readline()))
    finally:
        process.stdin.close()
        await process.wait()


class Client:
    """Calls the server with as little as possible around grpc.aio."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel

    async def call(self, called: methods.Method[Any, Any], request: codec.Message) -> Any:
        return codec.decode(called.reply, await method(self._channel, called.path)(codec.encode(request)))

    async def launch(self, index: int) -> str:
        plan = chain_plan(PROJECT, DOMAIN)
        inputs = core.LiteralMap(literals={"a": core.Literal(scalar=integer(index))})
        request = admin.ExecutionCreateRequest(
            project=PROJECT, domain=DOMAIN, spec=admin.ExecutionSpec(launch_plan=plan), inputs=inputs
        )
        reply = await self.call(methods.CREATE_EXECUTION, request)
        return reply.id.name


def integer(number: int) -> core.Scalar:
    return core.Scalar(primitive=core.Primitive(integer=number))


def asking_for(name: str) -> bytes:
    identifier = core.WorkflowExecutionIdentifier(project=PROJECT, domain=DOMAIN, name=name)
    return codec.encode(admin.WorkflowExecutionGetRequest(id=identifier))


@dataclass
class Questions:
    """Asks for executions at a constant rate, whether or not the replies come."""

    ask: Any
    names: list[str] = field(default_factory=list[str])
    delays: list[float] = field(default_factory=list[float])
    failures: int = 0

    async def run(self) -> None:
        """Ask until cancelled."""
        began = time.perf_counter()
        async with asyncio.TaskGroup() as asked:
            number = 0
            while True:
                due = began + number / ASKED_A_SECOND
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                if self.names:
                    asked.create_task(self._one(due))
                number += 1

    async def _one(self, due: float) -> None:
        try:
            await self.ask(asking_for(random.choice(self.names)))
            self.delays.append(time.perf_counter() - due)
        except grpc.aio.AioRpcError:
            self.failures += 1


async def bear(host: Host, client: Client, executions: int) -> dict[str, Any]:
    """Launch executions while asking for them, and wait until all have succeeded."""
    for create, request in chain(PROJECT, DOMAIN):
        await client.call(create, request)
    async with contextlib.AsyncExitStack() as stack:
        channel = await stack.enter_async_context(bytes_channel(host.endpoint))
        questions = Questions(method(channel, methods.GET_EXECUTION.path))
        asking = asyncio.create_task(questions.run())
        began, numbers = time.perf_counter(), iter(range(executions))

        async def one_after_another() -> None:
            for index in numbers:
                questions.names.append(await client.launch(index))

        await asyncio.gather(*(one_after_another() for _ in range(LAUNCHING)))
        launched = time.perf_counter() - began
        await until(lambda: all_succeeded(client, executions))
        seconds = time.perf_counter() - began
        asking.cancel()
        await asyncio.wait([asking])
    assert not questions.failures, f"{questions.failures} calls of GetExecution failed"
    delays = sorted(questions.delays)
    used = await host.used()
    return {
        "executions": executions,
        "seconds": round(seconds, 1),
        "launched_s": round(launched, 1),
        "mebibytes": round(used["bytes"] / 2**20),
        "asked": len(delays),
        "asked_a_second": round(len(delays) / seconds),
        "p50_ms": round(statistics.median(delays) * 1e3, 2),
        "p95_ms": round(delays[int(0.95 * (len(delays) - 1))] * 1e3, 2),
        "max_ms": round(delays[-1] * 1e3, 2),
    }


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    while True:
        if await condition():
            return
        await asyncio.sleep(0.05)


def listing(filters: str, token: str = "") -> admin.ResourceListRequest:
    """A request for one execution."""
    scope = admin.NamedEntityIdentifier(project=PROJECT, domain=DOMAIN)
    return admin.ResourceListRequest(id=scope, limit=1, token=token, filters=filters)


async def all_succeeded(client: Client, executions: int) -> bool:
    """Whether as many executions have; the server is asked for the last of them alone, and for one that has failed."""
    failed = (await client.call(methods.LIST_EXECUTIONS, listing("eq(phase,FAILED)"))).executions
    if failed:
        sys.exit(f"an execution failed: {failed[0].closure.error.message}")
    request = listing("eq(phase,SUCCEEDED)", str(executions - 1))
    return len((await client.call(methods.LIST_EXECUTIONS, request)).executions) == 1


@dataclass
class Sample:
    """Calls a second, and microseconds of the server's CPU a call."""

    rate: float
    cpu: float


async def sample(host: Host, call: Any, payload: bytes, number: int) -> Sample:
    async def one_after_another() -> None:
        for _ in range(number // CONCURRENCY):
            await call(payload)

    cpu, wall = (await host.used())["cpu_s"], time.perf_counter()
    await asyncio.gather(*(one_after_another() for _ in range(CONCURRENCY)))
    wall, cpu = time.perf_counter() - wall, (await host.used())["cpu_s"] - cpu
    made = number // CONCURRENCY * CONCURRENCY
    return Sample(made / wall, cpu / made * 1e6)


async def rates(host: Host, client: Client, rounds: int, number: int) -> dict[str, Any]:
    """GetExecution of the server against a bare server with the same reply."""
    payload = asking_for(await client.launch(0))
    await until(lambda: all_succeeded(client, 1))
    async with bytes_channel(host.endpoint) as ours, bytes_channel(host.bare) as bare:
        calls: list[Any] = [method(channel, methods.GET_EXECUTION.path) for channel in (ours, bare)]
        await method(bare, "/bare/Learn")(await calls[0](payload))
        for call in calls:
            await sample(host, call, payload, number)
        pairs = [[await sample(host, call, payload, number) for call in calls] for _ in range(rounds)]
    return {
        "rate": round(statistics.median(mine.rate for mine, _ in pairs)),
        "bare_rate": round(statistics.median(theirs.rate for _, theirs in pairs)),
        "rate_to_bare": round(statistics.median(mine.rate / theirs.rate for mine, theirs in pairs), 2),
        "cpu_us": round(statistics.median(mine.cpu for mine, _ in pairs), 1),
        "bare_cpu_us": round(statistics.median(theirs.cpu for _, theirs in pairs), 1),
        "cpu_to_bare": round(statistics.median(mine.cpu / theirs.cpu for mine, theirs in pairs), 2),
    }


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    async with started() as host, bytes_channel(host.endpoint) as channel:
        client = Client(channel)
        load = await bear(host, client, options.executions)
    # The rates are those of a server that has little to remember.
    async with started() as host, bytes_channel(host.endpoint) as channel:
        client = Client(channel)
        for create, request in chain(PROJECT, DOMAIN):
            await client.call(create, request)
        rate = await rates(host, client, options.rounds, options.number)
    targets = [
        {"name": name, "most": most, "value": load[name], "met": load[name] <= most} for name, most in TARGETS.items()
    ]
    return {"load": load, "rpc": rate, "targets": targets}


def show(found: dict[str, Any]) -> None:
    load, rpc = found["load"], found["rpc"]
    print(
        f"{load['executions']} executions of 3 nodes: {load['seconds']} s, launched within {load['launched_s']} s, "
        f"{load['mebibytes']} MiB at most"
    )
    print(
        f"  GetExecution {load['asked_a_second']} times a second meanwhile: {load['p50_ms']} ms p50, "
        f"{load['p95_ms']} ms p95, {load['max_ms']} ms at most"
    )
    print(f"GetExecution, {CONCURRENCY} at a time: {rpc['rate']} a second, {rpc['cpu_us']} us of CPU each")
    print(f"  a bare grpc.aio server: {rpc['bare_rate']} a second, {rpc['bare_cpu_us']} us of CPU each")
    print(f"  {rpc['rate_to_bare']} times its rate, {rpc['cpu_to_bare']} times its CPU")
    for target in found["targets"]:
        print(f"{target['name']}: {target['value']} (<= {target['most']:g}){'' if target['met'] else '  MISSED'}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what the embedded server bears.")
    parser.add_argument("--executions", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--number", type=int, default=3200, help="calls a round and server")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument("--check", action="store_true", help="fail if a target is missed")
    options = parser.parse_args()
    found = asyncio.run(measure(options))
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        show(found)
    if options.check and not all(target["met"] for target in found["targets"]):
        sys.exit(1)


if __name__ == "__main__":
    main()
