"""Servers in a process of their own, for the benchmark of the server.

    python -m benchmarks.support.hosts

Prints the endpoints of the embedded server and of a bare grpc.aio server as a JSON list. Answers every line on standard
input with what the process has used, and ends with standard input.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time

import grpc
import grpc.aio

from benchmarks.support.tasks import NOTHING, nothing
from flyteasync.server import Server
from flyteasync.server.collecting import collect_rarely


class Same(grpc.GenericRpcHandler):
    """Answers every call with the last body that was told to `Learn`."""

    def __init__(self) -> None:
        self._body = b""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        handle = self.learn if handler_call_details.method.endswith("/Learn") else self.answer
        return grpc.unary_unary_rpc_method_handler(handle)

    async def learn(self, payload: bytes, context: object) -> bytes:
        self._body = payload
        return b""

    async def answer(self, payload: bytes, context: object) -> bytes:
        return self._body


def used() -> dict[str, float]:
    """CPU seconds until now, and the most bytes of memory that the process has had."""
    unit = 1 if sys.platform == "darwin" else 1024
    return {"cpu_s": time.process_time(), "bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}


async def main() -> None:
    bare = grpc.aio.server()
    bare.add_generic_rpc_handlers((Same(),))
    port = bare.add_insecure_port("127.0.0.1:0")
    await bare.start()
    collect_rarely()
    async with Server(handlers={NOTHING: nothing}) as server:
        print(json.dumps([server.endpoint, f"127.0.0.1:{port}"]), flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(used()), flush=True)
    await bare.stop(None)


if __name__ == "__main__":
    asyncio.run(main())
