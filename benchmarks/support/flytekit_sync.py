"""Syncs an execution with its nodes by flytekit and prints what it took; imports flytekit and nothing of ours.

python benchmarks/support/flytekit_sync.py ENDPOINT PROJECT DOMAIN NAME
"""

import json
import sys
import time

from flytekit.configuration import Config
from flytekit.remote import FlyteRemote


def main() -> None:
    endpoint, project, domain, name = sys.argv[1:]
    remote = FlyteRemote(Config.for_endpoint(endpoint, insecure=True), project, domain)
    execution = remote.fetch_execution(name=name)
    began = time.monotonic()
    execution = remote.sync_execution(execution, sync_nodes=True, rpc_timeout=None)
    seconds = time.monotonic() - began
    outputs = {key: node.outputs["o0"] for key, node in execution.node_executions.items() if not key.endswith("-node")}
    print(json.dumps({"seconds": seconds, "outputs": outputs}))


if __name__ == "__main__":
    main()
