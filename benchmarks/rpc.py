"""What an RPC costs the client, as ratios to a bare grpc.aio call and to betterproto2's own stubs on grpclib.

    python -m benchmarks.rpc [--json] [--check]

A server in another process answers every call with the same frames, so that the client is what is measured: CPU time
of this process, C threads included, and the calls a second. The ways to call are measured in turns, and a ratio is the
median of the ratios of the rounds. `--check` fails if a target is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import grpc.aio
from betterproto2.grpclib.grpclib_client import ServiceStub
from grpclib.client import Channel, UnaryUnaryMethod
from grpclib.encoding.base import CodecBase

from benchmarks.support import messages, stock
from flyteasync import codec
from flyteasync.idl import admin, core, methods
from flyteasync.idl.services import AdminService
from flyteasync.rpc import RpcCaller
from flyteasync.transport import Transport, TransportName, TransportOptions, make_transport

PATH = methods.GET_EXECUTION.path
CONCURRENCIES = (1, 32)
TIMEOUT = 10.0
TOKEN = "t" * 800
BEARER = (("authorization", f"Bearer {TOKEN}"),)

Call = Callable[[], Awaitable[object]]

BARE = "grpc.aio, bare bytes"
DECODED = "grpc.aio, decoded, with retry layer"
WHOLE = "grpc.aio, whole path"
GRPCLIB = "grpclib, whole path"
STUB = "grpclib, betterproto2's stub"


class Target(NamedTuple):
    """A bound on a ratio at a concurrency of 32."""

    name: str
    call: str
    to: str
    measure: str
    most: float | None = None
    least: float | None = None


TARGETS = (
    Target("CPU of decoding and the retry layer", DECODED, BARE, "cpu", most=1.35),
    Target("CPU of the whole path", WHOLE, BARE, "cpu", most=1.7),
    Target("rate over grpclib", GRPCLIB, STUB, "rate", least=2.0),
)


class Tokens:
    """A source that always has the same token."""

    async def token(self) -> str | None:
        return TOKEN

    async def refresh(self, rejected: str | None) -> bool:
        return False


class Bytes(CodecBase):
    """Bytes as they are, for grpclib's own client."""

    __content_subtype__ = "proto"

    def encode(self, message: Any, message_type: Any) -> bytes:
        return message

    def decode(self, data: bytes, message_type: Any) -> Any:
        return data


@contextlib.contextmanager
def canned_server(folder: Path, reply: bytes) -> Iterator[str]:
    """A process that answers every call with the same message."""
    body = folder / "reply"
    body.write_bytes(reply)
    command = [sys.executable, "-m", "benchmarks.support.canned", str(body)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield f"127.0.0.1:{int(process.stdout.readline())}"
        assert process.stdin is not None
        process.stdin.close()


def ask() -> admin.WorkflowExecutionGetRequest:
    identifier = core.WorkflowExecutionIdentifier(project="flytesnacks", domain="development", name="f" * 20)
    return admin.WorkflowExecutionGetRequest(id=identifier)


def whole_path(transport: Transport) -> Call:
    """Everything that a remote's call does, up to reading the phase."""
    service, request = AdminService(RpcCaller(transport, tokens=Tokens())), ask()

    async def call() -> object:
        closure = (await service.get_execution(request)).closure
        return closure is not None and closure.phase

    return call


def decoded(transport: Transport) -> Call:
    """A call of bytes with what is done to its reply."""
    payload = codec.encode(ask())
    caller = RpcCaller(transport)

    async def call() -> object:
        reply = await transport.unary(PATH, payload, timeout=TIMEOUT, metadata=())
        caller.budget.succeeded()
        closure = codec.decode(admin.Execution, reply).closure
        return closure is not None and closure.phase

    return call


def stub(channel: Channel) -> Call:
    """What betterproto2 generates, with its own codec."""

    class Stub(ServiceStub):
        async def get_execution(self, request: Any) -> Any:
            return await self._unary_unary(PATH, request, reply, timeout=TIMEOUT, metadata=BEARER)

    service, reply = Stub(channel), stock.twin(admin.Execution)
    request = stock.twin(admin.WorkflowExecutionGetRequest).parse(codec.encode(ask()))

    async def call() -> object:
        return (await service.get_execution(request)).closure.phase

    return call


@contextlib.asynccontextmanager
async def calls(endpoint: str) -> AsyncGenerator[dict[str, Call]]:
    """The ways to call, by name."""
    payload = codec.encode(ask())

    def ours(name: TransportName) -> Transport:
        return make_transport(name, TransportOptions(endpoint, insecure=True))

    def over(transport: Transport) -> Call:
        return lambda: transport.unary(PATH, payload, timeout=TIMEOUT, metadata=BEARER)

    bare = grpc.aio.insecure_channel(endpoint)
    method: Any = bare.unary_unary(PATH)
    host, _, port = endpoint.rpartition(":")
    bytes_channel, stub_channel = Channel(host, int(port), codec=Bytes()), Channel(host, int(port))
    bytes_method = UnaryUnaryMethod(bytes_channel, PATH, bytes, bytes)
    aio, lib = ours("grpc_aio"), ours("grpclib")
    yield {
        BARE: lambda: method(payload, timeout=TIMEOUT),
        "grpc.aio, our transport": over(aio),
        DECODED: decoded(aio),
        WHOLE: whole_path(aio),
        "grpclib, its own client, bytes": lambda: bytes_method(payload, timeout=TIMEOUT, metadata=BEARER),
        "grpclib, our transport": over(lib),
        GRPCLIB: whole_path(lib),
        STUB: stub(stub_channel),
    }
    await asyncio.gather(aio.aclose(1), lib.aclose(1), bare.close(1))
    bytes_channel.close()
    stub_channel.close()


class Sample(NamedTuple):
    """What calling cost in one round: microseconds of CPU a call, and calls a second."""

    cpu: float
    rate: float


async def sample(call: Call, concurrency: int, number: int) -> Sample:
    async def one_after_another() -> None:
        for _ in range(number // concurrency):
            await call()

    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(one_after_another() for _ in range(concurrency)))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    made = number // concurrency * concurrency
    return Sample(cpu / made * 1e6, made / wall)


async def measure(endpoint: str, rounds: int, number: int) -> dict[int, dict[str, list[Sample]]]:
    """The samples by concurrency and name."""
    async with calls(endpoint) as ways:
        for call in ways.values():
            await sample(call, 1, 20)
        taken: dict[int, dict[str, list[Sample]]] = {each: {name: [] for name in ways} for each in CONCURRENCIES}
        for _ in range(rounds):
            for concurrency in CONCURRENCIES:
                for name, call in ways.items():
                    taken[concurrency][name].append(await sample(call, concurrency, number))
        return taken


def ratio(samples: dict[str, list[Sample]], target: Target) -> float:
    """The median of the rounds' ratios."""
    pairs = zip(samples[target.call], samples[target.to], strict=True)
    return statistics.median(getattr(mine, target.measure) / getattr(theirs, target.measure) for mine, theirs in pairs)


def report(taken: dict[int, dict[str, list[Sample]]]) -> dict[str, Any]:
    """Medians of the samples, and what became of the targets."""
    results = [
        {
            "call": name,
            "concurrency": concurrency,
            "cpu_us": round(statistics.median(each.cpu for each in samples), 1),
            "calls_per_s": round(statistics.median(each.rate for each in samples)),
            "cpu_to_bare": round(ratio(by_name, Target("", name, BARE, "cpu")), 2),
        }
        for concurrency, by_name in taken.items()
        for name, samples in by_name.items()
    ]
    targets: list[dict[str, Any]] = []
    for target in TARGETS:
        value = ratio(taken[32], target)
        met = value <= (target.most or value) and value >= (target.least or value)
        targets.append({**target._asdict(), "value": round(value, 2), "met": met})
    return {"results": results, "targets": targets}


def show(found: dict[str, Any]) -> None:
    """Print a table."""
    print(f"{'':36}{'at a time':>10}{'CPU us':>9}{'calls/s':>9}{'CPU/bare':>10}")
    for row in found["results"]:
        print(
            f"{row['call']:36}{row['concurrency']:10}{row['cpu_us']:9.0f}{row['calls_per_s']:9}{row['cpu_to_bare']:10.2f}"
        )
    for target in found["targets"]:
        bound = f"<= {target['most']:g}" if target["most"] else f">= {target['least']:g}"
        print(f"{target['name']}: {target['value']:.2f} ({bound}){'' if target['met'] else '  MISSED'}")


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description="Measure what an RPC costs the client.")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument("--check", action="store_true", help="fail if a target is missed")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--number", type=int, default=1000, help="calls a round and way to call")
    options = parser.parse_args()
    warnings.simplefilter("ignore", DeprecationWarning)  # betterproto2's own messages warn of what the server set
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stock.generate(folder)
        with canned_server(folder, messages.execution().SerializeToString()) as endpoint:
            found = report(asyncio.run(measure(endpoint, options.rounds, options.number)))
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        show(found)
    if options.check and not all(target["met"] for target in found["targets"]):
        sys.exit(1)


if __name__ == "__main__":
    main()
