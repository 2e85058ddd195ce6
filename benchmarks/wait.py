"""What it costs to wait for many executions.

    python -m benchmarks.wait [scale | compare | memory] [--executions N] [--over SECONDS] [--json] [--check]

`scale` (10,000 executions, of which one in ten fails) has flyteasync wait for all of them in one event loop, with their
values. `compare` (1,000, none of which fails) has flyteasync and flytekit, which takes a thread for each, do the same
one after the other; `--flytekit` names a Python that has flytekit. `memory` (10,000) measures what each wait takes.

The executions end evenly over the given time, by default 60 s, on an embedded server in a process of its own. Counted
are the RPCs at the server and the CPU seconds of the client's process, while it waits, looking once a second at most
and without syncing nodes. `--check` fails if a limit is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import math
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

from benchmarks.support.tasks import FAILING, TASK, registration
from flyteasync import Config, FlyteRemote, FlyteWorkflowExecution
from flyteasync.testing import Environment

PROJECT, DOMAIN = "flytesnacks", "development"
LAUNCHES_AT_ONCE = 32
LAUNCH_SECONDS_EACH = 0.006
"""How long launching one execution may take before the first of them ends."""

HEAD_START = 5.0
"""Seconds that a client waits before the first execution ends: finding out that all of them exist takes some."""

LIMITS: dict[str, dict[str, tuple[str, float]]] = {
    "scale": {
        "unseen": ("at most", 0),
        "delay_p95_s": ("at most", 1.5),
        "rpcs_over_budget": ("at most", 0),
        "cpu_percent": ("at most", 12.0),
    },
    "compare": {"times_fewer_rpcs": ("at least", 15.0), "times_less_cpu": ("at least", 8.0)},
    "memory": {"wait_all_bytes": ("at most", 1536), "tasks_bytes": ("at most", 2048)},
}
RPCS_EACH, RPCS_MORE_IF_FAILED = 1.3, 1.0


async def launch(endpoint: str, executions: int, over: float, failing: int) -> tuple[list[str], float]:
    """Launch executions that end evenly over a time which begins when all of them are launched; one in so many fails.

    Returns their names, and when the time begins.
    """
    async with FlyteRemote(Config.for_endpoint(endpoint, insecure=True), PROJECT, DOMAIN) as remote:
        for name in (TASK, FAILING):
            await remote.admin.create_task(registration(PROJECT, DOMAIN, name))
        tasks = [await remote.fetch_task(name=name) for name in (TASK, FAILING)]
        begin = time.time() + 5 + HEAD_START + executions * LAUNCH_SECONDS_EACH
        few_at_once = asyncio.Semaphore(LAUNCHES_AT_ONCE)

        async def one(index: int) -> str:
            async with few_at_once:
                task = tasks[bool(failing) and index % failing == 0]
                return (await remote.execute(task, {"when": begin + over * index / executions})).id.name

        return list(await asyncio.gather(*(one(index) for index in range(executions)))), begin


def delay(execution: FlyteWorkflowExecution) -> float:
    """Seconds since an execution ended; its values must be there, and the whole error if it failed."""
    seen = datetime.now(UTC)
    if execution.is_successful:
        assert execution.outputs.literals["o0"].scalar is not None
    else:
        assert execution.error is not None
        assert len(execution.error.message) > 200
    ended = execution.closure.updated_at
    assert ended is not None
    return (seen - ended).total_seconds()


async def as_completed(remote: FlyteRemote, executions: list[FlyteWorkflowExecution]) -> list[float]:
    """Take executions as they end."""
    return [
        delay(outcome.execution)
        async for outcome in remote.as_completed(executions, poll_interval=1)
        if outcome.execution is not None
    ]


async def tasks(_: FlyteRemote, executions: list[FlyteWorkflowExecution]) -> list[float]:
    """Wait in a task for each."""

    async def one(execution: FlyteWorkflowExecution) -> float:
        seconds = delay(await execution.wait(poll_interval=1))
        assert execution.outputs.get("o0", float) > 0  # as flytekit's client reads it
        return seconds

    return list(await asyncio.gather(*(one(execution) for execution in executions)))


WAYS: dict[str, Callable[[FlyteRemote, list[FlyteWorkflowExecution]], Coroutine[Any, Any, list[float]]]] = {
    "as_completed": as_completed,
    "tasks": tasks,
}


async def wait(endpoint: str, way: str) -> dict[str, Any]:
    """Wait for what standard input tells, and return what it took."""
    order = json.loads(sys.stdin.readline())
    async with FlyteRemote(Config.for_endpoint(endpoint, insecure=True), PROJECT, DOMAIN) as remote:
        executions = [remote.execution(name) for name in order["names"]]
        await asyncio.sleep(max(0.0, order["begin"] - time.time()))
        spent, began = time.process_time(), time.monotonic()
        delays = await WAYS[way](remote, executions)
        took = {"cpu_s": time.process_time() - spent, "wall_s": time.monotonic() - began}
    return {**took, "delays": delays, "failed": sum(not execution.is_successful for execution in executions)}


async def measure(command: list[str], executions: int, over: float, failing: int) -> dict[str, Any]:
    """Have a client wait, in a process of its own, on a server of its own."""
    async with await Environment.start("benchmarks.support.tasks:HANDLERS") as environment:
        names, begin = await launch(environment.endpoint, executions, over, failing)
        assert time.time() < begin - HEAD_START, "launching took too long: raise LAUNCH_SECONDS_EACH"
        await environment.stats(reset=True)
        process = await asyncio.create_subprocess_exec(
            *command, environment.endpoint, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        order = {"names": names, "begin": begin - HEAD_START, "project": PROJECT, "domain": DOMAIN}
        out, _ = await process.communicate(json.dumps(order).encode() + b"\n")
        if process.returncode:
            sys.exit(f"{command} ended with status {process.returncode}")
        stats = await environment.stats()
    took = json.loads(out.splitlines()[-1])
    rpcs = {method: sum(by_status.values()) for method, by_status in stats["calls"].items()}
    delays = sorted(took.pop("delays"))
    return {
        "cpu_s": round(took["cpu_s"], 2),
        "cpu_percent": round(100 * took["cpu_s"] / took["wall_s"], 1),
        "delay_p50_s": round(statistics.median(delays), 3),
        "delay_p95_s": round(delays[int(0.95 * (len(delays) - 1))], 3),
        "unseen": executions - len(delays),
        "failed": took["failed"],
        "rpcs": sum(rpcs.values()),
        "by_method": rpcs,
    }


def ours(way: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.wait", "child", "--way", way, "--endpoint"]


async def scale(options: argparse.Namespace) -> dict[str, Any]:
    """flyteasync alone, with many executions."""
    executions = options.executions or 10_000
    result = await measure(ours(options.way), executions, options.over, 10)
    budget = RPCS_EACH * executions + RPCS_MORE_IF_FAILED * result["failed"]
    result["rpcs_over_budget"] = max(0, math.ceil(result["rpcs"] - budget))
    return {"executions": executions, "over_s": options.over, **result}


async def compare(options: argparse.Namespace) -> dict[str, Any]:
    """Both clients, one after the other."""
    executions = options.executions or 1000
    commands = {"flyteasync": ours("tasks"), "flytekit": [options.flytekit, "-m", "benchmarks.support.flytekit_wait"]}
    result = {client: await measure(command, executions, options.over, 0) for client, command in commands.items()}
    us, them = result["flyteasync"], result["flytekit"]
    return {
        "executions": executions,
        "over_s": options.over,
        **result,
        "times_fewer_rpcs": round(them["rpcs"] / us["rpcs"], 1),
        "times_less_cpu": round(them["cpu_s"] / us["cpu_s"], 1),
    }


async def memory(options: argparse.Namespace) -> dict[str, Any]:
    """Bytes that each wait takes, beyond the execution itself, while the server does not answer."""
    executions = options.executions or 10_000

    logging.getLogger("flyteasync").setLevel(logging.ERROR)  # that nobody answers is meant to be so

    async def all_at_once(remote: FlyteRemote, waiting: list[FlyteWorkflowExecution]) -> None:
        await remote.wait_all(waiting, timeout=3600)

    async def in_tasks(_: FlyteRemote, waiting: list[FlyteWorkflowExecution]) -> None:
        async with asyncio.TaskGroup() as group:
            for execution in waiting:
                group.create_task(execution.wait(timeout=3600))

    return {
        "executions": executions,
        "wait_all_bytes": await bytes_of_each(all_at_once, executions),
        "tasks_bytes": await bytes_of_each(in_tasks, executions),
    }


async def bytes_of_each(
    work: Callable[[FlyteRemote, list[FlyteWorkflowExecution]], Coroutine[Any, Any, None]], executions: int
) -> int:
    async def grown(count: int) -> int:
        async with FlyteRemote(Config.for_endpoint("127.0.0.1:9", insecure=True), PROJECT, DOMAIN) as remote:
            waiting = [remote.execution(f"a{index:019d}") for index in range(count)]
            gc.collect()
            before = tracemalloc.get_traced_memory()[0]
            task = asyncio.ensure_future(work(remote, waiting))
            await asyncio.sleep(1)
            assert remote.watcher.waiting == count
            gc.collect()
            after = tracemalloc.get_traced_memory()[0]
            task.cancel()
            await asyncio.wait([task])
            return after - before

    tracemalloc.start()
    try:
        few = 10
        base = await grown(few)  # what there is once, such as modules that are imported when first needed
        return (await grown(few + executions) - min(base, await grown(few))) // executions
    finally:
        tracemalloc.stop()


MODES = {"scale": scale, "compare": compare, "memory": memory}


def misses(mode: str, result: dict[str, Any]) -> list[str]:
    """Which limits a result does not keep."""
    found: list[str] = []
    for name, (kind, limit) in LIMITS[mode].items():
        kept = result[name] <= limit if kind == "at most" else result[name] >= limit
        if not kept:
            found.append(f"{name} is {result[name]}, and must be {kind} {limit:g}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="What it costs to wait for many executions.")
    parser.add_argument("mode", nargs="?", choices=[*MODES, "child"], default="scale", metavar="scale|compare|memory")
    parser.add_argument("--executions", type=int, help="10000 by default; 1000 to compare")
    parser.add_argument("--over", type=float, default=60.0, help="seconds over which the executions end")
    parser.add_argument("--way", choices=WAYS, default="as_completed", help="how flyteasync waits for many")
    parser.add_argument("--flytekit", default=sys.executable, help="the Python that has flytekit")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--check", action="store_true", help="fail if a limit is missed")
    parser.add_argument("--endpoint", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.mode == "child":
        print(json.dumps(asyncio.run(wait(options.endpoint, options.way))))
        return
    result = asyncio.run(MODES[options.mode](options))
    print(json.dumps(result, indent=None if options.json else 2))
    missed = misses(options.mode, result)
    for miss in missed:
        print(miss, file=sys.stderr)
    if options.check and missed:
        sys.exit(1)


if __name__ == "__main__":
    main()
