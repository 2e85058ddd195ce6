"""What importing costs, as a ratio to the libraries that a client of Flyte cannot do without.

    python -m benchmarks.imports [--json] [--check]

CPU time of whole processes, user and system, in turns: figures are the medians of the rounds, less what an interpreter
costs that does nothing. Bytecode is compiled before. `--check` fails if a target is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys

ROUNDS = 15

LIBRARIES = "import anyio, asyncio, grpc.aio, betterproto2\nasyncio.run(asyncio.sleep(0))"

READY = """
import asyncio
from flyteasync import Config, FlyteRemote

async def main():
    from flyteasync.idl import admin, core
    from flyteasync.codec import encode

    remote = FlyteRemote(Config.for_endpoint("127.0.0.1:1", insecure=True))
    name = core.WorkflowExecutionIdentifier(project="flytesnacks", domain="development", name="f" * 20)
    assert remote.admin and encode(admin.WorkflowExecutionGetRequest(id=name))

asyncio.run(main())
"""

PROGRAMS = {
    "an interpreter": "",
    "import flyteasync": "import flyteasync",
    "anyio, grpc.aio, betterproto2": LIBRARIES,
    "FlyteRemote, ready to send": READY,
}
REPORT = "\nimport resource\nused = resource.getrusage(resource.RUSAGE_SELF)\nprint(used.ru_utime + used.ru_stime)"

IMPORT_MS = 30.0
READY_RATIO = 1.6


def cost(program: str) -> float:
    """CPU milliseconds of one process."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", program + REPORT], check=True, capture_output=True, text=True, env=environment
    )
    return float(done.stdout) * 1000


def measure(rounds: int) -> dict[str, float]:
    """Milliseconds of each program, those of the bare interpreter taken off the others."""
    for program in PROGRAMS.values():
        cost(program)
    costs: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for _ in range(rounds):
        for name, program in PROGRAMS.items():
            costs[name].append(cost(program))
    bare = statistics.median(costs["an interpreter"])
    return {
        name: statistics.median(values) - (0 if name == "an interpreter" else bare) for name, values in costs.items()
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--check", action="store_true", help="fail if a target is missed")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    figures = measure(arguments.rounds)
    plain, ready = figures["import flyteasync"], figures["FlyteRemote, ready to send"]
    ratio = ready / figures["anyio, grpc.aio, betterproto2"]
    if arguments.json:
        print(json.dumps({"cpu_ms": figures, "ready_to_libraries": ratio}))
    else:
        for name, value in figures.items():
            print(f"{name:32} {value:7.1f} ms")
        print(f"import flyteasync: {plain:.1f} ms (<= {IMPORT_MS:g})")
        print(f"ready to send, to the libraries: {ratio:.2f} (<= {READY_RATIO:g})")
    return int(arguments.check and (plain > IMPORT_MS or ratio > READY_RATIO))


if __name__ == "__main__":
    sys.exit(main())
