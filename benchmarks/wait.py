"""What it costs to wait for many executions: flyteasync in one loop against flytekit in a thread an execution.

    python -m benchmarks.wait [--executions 1000] [--over 60] [--json]

Both clients wait, each in a process of its own, for as many executions that end evenly over the same time, on the same
kind of embedded server, looking once a second at most and without syncing nodes. Compared are the RPCs that the server
counted and the CPU seconds of the client process, from the moment when everything is launched until the last output is
read. Needs flytekit beside flyteasync: run it in the environment that `.ci/flytekit` makes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.support.tasks import TASK, registration
from flyteasync import Config, FlyteRemote, FlyteWorkflowExecution
from flyteasync.testing import Environment

PROJECT, DOMAIN = "flytesnacks", "development"
LAUNCH_SECONDS_EACH = 0.01
"""How long launching one execution may take before the first of them ends."""


async def launch(endpoint: str, executions: int, over: float) -> list[str]:
    """Launch executions that end evenly over a time which begins when all of them are launched."""
    async with FlyteRemote(Config.for_endpoint(endpoint, insecure=True), PROJECT, DOMAIN) as remote:
        await remote.admin.create_task(registration(PROJECT, DOMAIN))
        task = await remote.fetch_task(name=TASK)
        begin = time.time() + 5 + executions * LAUNCH_SECONDS_EACH
        few_at_once = asyncio.Semaphore(32)

        async def one(index: int) -> str:
            async with few_at_once:
                return (await remote.execute(task, {"when": begin + over * index / executions})).id.name

        return list(await asyncio.gather(*(one(index) for index in range(executions))))


def delay(updated_at: datetime | None) -> float:
    """Seconds since an execution ended."""
    return max(0.0, (datetime.now(UTC) - updated_at).total_seconds()) if updated_at is not None else 0.0


def ours(endpoint: str, names: list[str]) -> list[float]:
    """Wait with flyteasync; returns the delay of each completion."""

    async def main() -> list[float]:
        async with FlyteRemote(Config.for_endpoint(endpoint, insecure=True), PROJECT, DOMAIN) as remote:

            async def one(execution: FlyteWorkflowExecution) -> float:
                await execution.wait(poll_interval=1)
                seen = delay(execution.closure.updated_at)
                assert execution.outputs.get("o0", float) > 0
                return seen

            return list(await asyncio.gather(*(one(remote.execution(name)) for name in names)))

    return asyncio.run(main())


def flytekits(endpoint: str, names: list[str]) -> list[float]:
    """Wait with flytekit, in a thread each; returns the delay of each completion."""
    from flytekit.configuration import Config as TheirConfig
    from flytekit.remote import FlyteRemote as TheirRemote

    remote = TheirRemote(TheirConfig.for_endpoint(endpoint, insecure=True), PROJECT, DOMAIN)

    def one(name: str) -> float:
        execution = remote.fetch_execution(name=name)
        execution = remote.wait(execution, poll_interval=timedelta(seconds=1), sync_nodes=False)
        seen = delay(execution.closure.updated_at.replace(tzinfo=UTC))
        assert execution.outputs.get("o0", float) > 0
        return seen

    with ThreadPoolExecutor(len(names)) as pool:
        return list(pool.map(one, names))


CLIENTS = {"flyteasync": ours, "flytekit": flytekits}


def child(client: str, endpoint: str) -> None:
    """Wait for the executions named on standard input, and print what it took."""
    names = json.loads(sys.stdin.readline())
    began = time.process_time()
    delays = CLIENTS[client](endpoint, names)
    spent = time.process_time() - began
    print(
        json.dumps(
            {
                "cpu_s": round(spent, 2),
                "delay_p50_s": round(statistics.median(delays), 3),
                "delay_p95_s": round(sorted(delays)[int(0.95 * (len(delays) - 1))], 3),
            }
        )
    )


async def measure(client: str, executions: int, over: float) -> dict[str, Any]:
    """Have one client wait, in a process of its own, on a server of its own."""
    async with await Environment.start("benchmarks.support.tasks:HANDLERS") as environment:
        names = await launch(environment.endpoint, executions, over)
        await environment.stats(reset=True)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.wait", "--child", client, "--endpoint", environment.endpoint),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        out, _ = await process.communicate(json.dumps(names).encode() + b"\n")
        if process.returncode:
            sys.exit(f"the {client} process ended with status {process.returncode}")
        stats = await environment.stats()
        rpcs = {method: sum(by_status.values()) for method, by_status in stats["calls"].items()}
        return {**json.loads(out.splitlines()[-1]), "rpcs": sum(rpcs.values()), "by_method": rpcs}


async def compare(executions: int, over: float) -> dict[str, Any]:
    """Measure both clients, one after the other."""
    result = {client: await measure(client, executions, over) for client in CLIENTS}
    us, them = result["flyteasync"], result["flytekit"]
    return {
        "executions": executions,
        "over_s": over,
        **result,
        "times_fewer_rpcs": round(them["rpcs"] / us["rpcs"], 1),
        "times_less_cpu": round(them["cpu_s"] / us["cpu_s"], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Waiting: flyteasync against flytekit with threads.")
    parser.add_argument("--executions", type=int, default=1000)
    parser.add_argument("--over", type=float, default=60.0, help="seconds over which the executions end")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", choices=CLIENTS, help=argparse.SUPPRESS)
    parser.add_argument("--endpoint", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child, options.endpoint)
        return
    result = asyncio.run(compare(options.executions, options.over))
    if options.json:
        print(json.dumps(result))
        return
    print(f"{result['executions']} executions that end over {result['over_s']:g} s")
    for client in CLIENTS:
        figures = result[client]
        print(
            f"  {client:<10} {figures['rpcs']:>7} RPCs {figures['cpu_s']:>7} CPU s, outputs after the end: "
            f"{figures['delay_p50_s']} s p50, {figures['delay_p95_s']} s p95"
        )
    print(f"  {result['times_fewer_rpcs']} times fewer RPCs, {result['times_less_cpu']} times less CPU")


if __name__ == "__main__":
    main()
