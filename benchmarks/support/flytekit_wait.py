"""flytekit's client of `benchmarks.wait`: waits in a thread for each execution. Imports nothing but flytekit.

python -m benchmarks.support.flytekit_wait ENDPOINT

Reads from standard input what to wait for, and prints what it took.
"""

# flytekit is in another environment than the one that types are checked in.
# pyright: basic, reportMissingImports=false, reportMissingTypeStubs=false

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

from flytekit.configuration import Config
from flytekit.remote import FlyteRemote


def main(endpoint: str) -> None:
    order = json.loads(sys.stdin.readline())
    remote: Any = FlyteRemote(Config.for_endpoint(endpoint, insecure=True), order["project"], order["domain"])

    def one(name: str) -> float:
        execution = remote.fetch_execution(name=name)
        execution = remote.wait(execution, poll_interval=timedelta(seconds=1), sync_nodes=False)
        seen = datetime.now(UTC) - execution.closure.updated_at.replace(tzinfo=UTC)
        assert execution.is_successful
        assert execution.outputs.get("o0", float) > 0
        return seen.total_seconds()

    time.sleep(max(0.0, order["begin"] - time.time()))
    spent, began = time.process_time(), time.monotonic()
    with ThreadPoolExecutor(len(order["names"])) as pool:
        delays = list(pool.map(one, order["names"]))
    took = {"cpu_s": time.process_time() - spent, "wall_s": time.monotonic() - began}
    print(json.dumps({**took, "delays": delays, "failed": 0}))


if __name__ == "__main__":
    main(sys.argv[1])
