"""What launching costs the client, as ratios to a bare grpc.aio loop that sends requests made beforehand.

    python -m benchmarks.launch [--json] [--check]

Launched is a task with three inputs, 32 at a time, each execution under a name of its own. Against a server in another
process that answers every call with the same frames, it is the client that is measured: CPU time of this process, C
threads included, and launches a second. Against the embedded server in a process of its own, it is how far the client
holds up the server. The two ways to launch are measured in turns, and a ratio is the median of the ratios of the
rounds. `--check` fails if a target is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

import grpc.aio

from benchmarks.rpc import TIMEOUT, Sample, canned_server, sample
from benchmarks.support.launched import sum_registration
from flyteasync import Config, FlyteRemote, FlyteTask, codec
from flyteasync.idl import admin, core, methods
from flyteasync.literals import literal_map
from flyteasync.remote.names import generate_name
from flyteasync.testing import Environment

PROJECT, DOMAIN = "flytesnacks", "development"
CONCURRENCY = 32
BARE, OURS = "grpc.aio, ready-made bytes", "remote.execute"

Launch = Callable[[], Awaitable[object]]


class Target(NamedTuple):
    """A bound on a ratio of our launches to bare ones."""

    name: str
    server: str
    measure: str
    most: float | None = None
    least: float | None = None


TARGETS = (
    Target("rate against canned frames", "canned", "rate", least=0.3),
    Target("CPU against canned frames", "canned", "cpu", most=3.5),
    Target("rate against the embedded server", "embedded", "rate", least=0.9),
)


def inputs_of(number: int) -> dict[str, Any]:
    return {"a": number, "b": number / 2, "text": f"the text of input {number}"}


def ready_made(task: FlyteTask, number: int) -> Iterator[bytes]:
    """Requests to launch the task, each under a name of its own."""
    requests: list[bytes] = []
    for index in range(number):
        spec = admin.ExecutionSpec(
            launch_plan=task.id, metadata=admin.ExecutionMetadata(mode=admin.ExecutionMetadataExecutionMode.MANUAL)
        )
        request = admin.ExecutionCreateRequest(
            project=PROJECT,
            domain=DOMAIN,
            name=generate_name(),
            spec=spec,
            inputs=literal_map(inputs_of(index), task.interface.inputs),
        )
        requests.append(codec.encode(request))
    return iter(requests)


def ways(channel: Any, remote: FlyteRemote, task: FlyteTask, number: int) -> dict[str, Launch]:
    """The ways to launch, each good for so many launches."""
    method: Any = channel.unary_unary(methods.CREATE_EXECUTION.path)
    requests, numbers = ready_made(task, number), iter(range(number))
    return {
        BARE: lambda: method(next(requests), timeout=TIMEOUT),
        OURS: lambda: remote.execute(task, inputs_of(next(numbers))),
    }


async def measure(endpoint: str, rounds: int, number: int, embedded: Environment | None) -> dict[str, list[Sample]]:
    """The samples by way to launch."""
    registration = sum_registration(PROJECT, DOMAIN)
    assert registration.spec is not None
    assert registration.spec.template is not None
    task = FlyteTask.promote_from_model(registration.spec.template)
    taken: dict[str, list[Sample]] = {BARE: [], OURS: []}
    async with AsyncExitStack() as stack:
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(endpoint))
        config = Config.for_endpoint(endpoint, insecure=True)
        remote = await stack.enter_async_context(FlyteRemote(config, PROJECT, DOMAIN))
        if embedded is not None:
            await remote.admin.create_task(registration)
        for launch in ways(channel, remote, task, 64).values():
            await sample(launch, CONCURRENCY, 64)
        for turn in range(rounds):
            made = ways(channel, remote, task, number)
            for name in (BARE, OURS) if turn % 2 else (OURS, BARE):
                taken[name].append(await sample(made[name], CONCURRENCY, number))
                if embedded is not None:
                    await settled(embedded)
    return taken


async def settled(environment: Environment) -> None:
    """Return when nothing runs any more that would slow down the next sample, within a bound."""
    for _ in range(500):
        if not (await environment.stats())["running"]:
            return
        await asyncio.sleep(0.02)


async def measure_canned(rounds: int, number: int) -> dict[str, list[Sample]]:
    identifier = core.WorkflowExecutionIdentifier(project=PROJECT, domain=DOMAIN, name="f" * 20)
    reply = codec.encode(admin.ExecutionCreateResponse(id=identifier))
    with tempfile.TemporaryDirectory() as folder, canned_server(Path(folder), reply) as endpoint:
        return await measure(endpoint, rounds, number, None)


async def measure_embedded(rounds: int, number: int) -> dict[str, list[Sample]]:
    async with await Environment.start("benchmarks.support.launched:HANDLERS") as environment:
        return await measure(environment.endpoint, rounds, number, environment)


def report(taken: dict[str, dict[str, list[Sample]]]) -> dict[str, Any]:
    """Medians of the samples, and what became of the targets."""
    results = [
        {
            "server": server,
            "launch": name,
            "cpu_us": round(statistics.median(each.cpu for each in samples), 1),
            "launches_per_s": round(statistics.median(each.rate for each in samples)),
        }
        for server, by_name in taken.items()
        for name, samples in by_name.items()
    ]
    targets: list[dict[str, Any]] = []
    for target in TARGETS:
        pairs = zip(taken[target.server][OURS], taken[target.server][BARE], strict=True)
        value = statistics.median(getattr(mine, target.measure) / getattr(bare, target.measure) for mine, bare in pairs)
        met = value <= (target.most or value) and value >= (target.least or value)
        targets.append({**target._asdict(), "value": round(value, 2), "met": met})
    return {"results": results, "targets": targets}


def show(found: dict[str, Any]) -> None:
    print(f"{'server':10}{'launch':30}{'CPU us':>9}{'launches/s':>12}")
    for row in found["results"]:
        print(f"{row['server']:10}{row['launch']:30}{row['cpu_us']:9.0f}{row['launches_per_s']:12}")
    for target in found["targets"]:
        bound = f"<= {target['most']:g}" if target["most"] else f">= {target['least']:g}"
        print(f"{target['name']}: {target['value']:.2f} ({bound}){'' if target['met'] else '  MISSED'}")


async def run(rounds: int, number: int) -> dict[str, dict[str, list[Sample]]]:
    """Measure against both servers."""
    return {
        "canned": await measure_canned(rounds, number),
        "embedded": await measure_embedded(rounds, max(CONCURRENCY, number // 4)),
    }


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description="Measure what launching costs the client.")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument("--check", action="store_true", help="fail if a target is missed")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--number", type=int, default=1600, help="launches a round and way to launch")
    options = parser.parse_args()
    found = report(asyncio.run(run(options.rounds, options.number // CONCURRENCY * CONCURRENCY)))
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        show(found)
    if options.check and not all(target["met"] for target in found["targets"]):
        sys.exit(1)


if __name__ == "__main__":
    main()
