"""What it takes to sync an execution with all its nodes: flyteasync against flytekit, over a distance of 20 ms.

    python -m benchmarks.tree_sync [--nodes 500] [--delay 0.02] [--flytekit PYTHON] [--json] [--check]

One embedded server runs a workflow of so many task nodes, each with an input and an output, and then answers every call
as late as over a distance. Both clients sync the same execution, one after the other, each in a process of its own. The
RPCs are the server's count; `--check` fails if a target is missed.

flytekit may be in another environment: `--flytekit`, or the environment variable FLYTEKIT_PYTHON, is the interpreter
that has it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.support.tasks import double_registration, wide_registration
from flyteasync import Config, FlyteRemote
from flyteasync.server import ServerConfig
from flyteasync.testing import Environment, Fault

PROJECT, DOMAIN, NAME = "flytesnacks", "development", "wide"

MOST_RPCS_A_NODE = 3 * 1.02
LEAST_TIMES_FASTER = 15.0
MOST_RPCS_OF_THE_SECOND_SYNC = 2

THEIRS = Path(__file__).parent / "support" / "flytekit_sync.py"


async def prepare(endpoint: str, nodes: int) -> None:
    """Have the server run the workflow."""
    async with FlyteRemote(Config.for_endpoint(endpoint, insecure=True), PROJECT, DOMAIN) as remote:
        await remote.admin.create_task(double_registration(PROJECT, DOMAIN))
        workflow, plan = wide_registration(PROJECT, DOMAIN, nodes)
        await remote.admin.create_workflow(workflow)
        await remote.admin.create_launch_plan(plan)
        launch_plan = await remote.fetch_launch_plan(name=plan.id.name if plan.id is not None else "")
        execution = await remote.execute(launch_plan, execution_name=NAME, wait=True)
        if not execution.is_successful:
            sys.exit(f"the workflow failed: {execution.error}")


async def ours(endpoint: str) -> dict[str, Any]:
    """Sync with flyteasync, twice."""
    async with FlyteRemote(Config.for_endpoint(endpoint, insecure=True), PROJECT, DOMAIN) as remote:
        execution = remote.execution(NAME)
        await remote.ping()  # flytekit has its connection when its time begins, too
        before, began = remote.stats.attempts.total(), time.monotonic()
        await execution.sync(sync_nodes=True)
        seconds, first = time.monotonic() - began, remote.stats.attempts.total() - before
        await execution.sync(sync_nodes=True)
        outputs = {
            name: node.outputs["o0"]
            for name, node in execution.node_executions.items()
            if name not in ("start-node", "end-node")
        }
        second = remote.stats.attempts.total() - before - first
        return {"seconds": seconds, "rpcs": first, "second_rpcs": second, "outputs": outputs}


def run(*command: str) -> dict[str, Any]:
    """What a client process prints."""
    process = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with status {process.returncode}")
    return json.loads(process.stdout.splitlines()[-1])


async def counted(environment: Environment, *command: str) -> tuple[dict[str, Any], dict[str, int]]:
    """Run a client, and count its RPCs."""
    await environment.stats(reset=True)
    result = await asyncio.to_thread(run, *command)
    stats = await environment.stats()
    return result, {method: sum(by_status.values()) for method, by_status in stats["calls"].items()}


async def compare(nodes: int, delay: float, flytekit: str) -> dict[str, Any]:
    """Measure both clients on the same execution."""
    settings = ServerConfig(max_workflow_nodes=0, max_parallelism=0)
    async with await Environment.start("benchmarks.support.tasks:HANDLERS", server=settings) as environment:
        endpoint = environment.endpoint
        await prepare(endpoint, nodes)
        await environment.set_faults([Fault(method="*", kind="delay", delay=delay)])
        us, our_rpcs = await counted(
            environment, sys.executable, "-m", "benchmarks.tree_sync", "--child", "--endpoint", endpoint
        )
        them, their_rpcs = await counted(environment, flytekit, str(THEIRS), endpoint, PROJECT, DOMAIN, NAME)
    expected = {f"n{index}": 2 * index for index in range(nodes)}
    for client, result in (("flyteasync", us), ("flytekit", them)):
        if result.pop("outputs") != expected:
            sys.exit(f"{client} read other outputs than the nodes have")
    return {
        "nodes": nodes,
        "delay_s": delay,
        "flyteasync": {**us, "by_method": our_rpcs},
        "flytekit": {**them, "rpcs": sum(their_rpcs.values()), "by_method": their_rpcs},
        "rpcs_a_node": round(us["rpcs"] / nodes, 3),
        "times_faster": round(them["seconds"] / us["seconds"], 1),
        "second_sync_rpcs": us["second_rpcs"],
    }


def missed(result: dict[str, Any]) -> list[str]:
    """The targets that were missed."""
    bounds = {
        "RPCs a node": (result["rpcs_a_node"], "most", MOST_RPCS_A_NODE),
        "times faster than flytekit": (result["times_faster"], "least", LEAST_TIMES_FASTER),
        "RPCs of the second sync": (result["second_sync_rpcs"], "most", MOST_RPCS_OF_THE_SECOND_SYNC),
    }
    return [
        f"{name}: {value}, target {word} {bound:g}"
        for name, (value, word, bound) in bounds.items()
        if (value > bound if word == "most" else value < bound)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="Syncing a node tree: flyteasync against flytekit.")
    parser.add_argument("--nodes", type=int, default=500)
    parser.add_argument("--delay", type=float, default=0.02, help="seconds that every call takes longer")
    parser.add_argument(
        "--flytekit", default=os.environ.get("FLYTEKIT_PYTHON", sys.executable), help="the Python that has flytekit"
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--check", action="store_true", help="fail if a target is missed")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--endpoint", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(asyncio.run(ours(options.endpoint))))
        return
    result = asyncio.run(compare(options.nodes, options.delay, options.flytekit))
    if options.json:
        print(json.dumps(result))
    else:
        print(f"a tree of {result['nodes']} task nodes, {1000 * result['delay_s']:g} ms added to every call")
        for client in ("flyteasync", "flytekit"):
            figures = result[client]
            print(f"  {client:<10} {figures['seconds']:>7.2f} s {figures['rpcs']:>6} RPCs")
        print(
            f"  {result['rpcs_a_node']} RPCs a node, {result['times_faster']} times faster, "
            f"{result['second_sync_rpcs']} RPCs for a second sync"
        )
    if options.check and (failures := missed(result)):
        sys.exit("\n".join(failures))


if __name__ == "__main__":
    main()
