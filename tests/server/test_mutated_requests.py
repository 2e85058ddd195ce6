"""Requests that are wrong in every way, and clients that vanish: the server outlives them, and forgets them."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import struct
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import pytest

from flyteasync import codec
from flyteasync.errors import Status
from flyteasync.idl import admin, methods
from flyteasync.server import Fault, Server, ServerConfig
from flyteasync.server.engine import records
from flyteasync.server.validation import TERMINAL
from tests.server.build import PROJECT, execution_id
from tests.server.client import Client, RpcFailed
from tests.server.mutation import Mutator, record

AT_A_TIME = 32
ANSWERS = {
    Status.OK,
    Status.INVALID_ARGUMENT,
    Status.NOT_FOUND,
    Status.ALREADY_EXISTS,
    Status.FAILED_PRECONDITION,
    Status.RESOURCE_EXHAUSTED,
    Status.INTERNAL,
    Status.UNKNOWN,
}
"""What flyteadmin answers by itself."""


def descriptors() -> Counter[str]:
    """What this process has open, but for what is numbered."""
    return Counter(target.partition(":")[0] for target in _open_files())


def _open_files() -> list[str]:
    found: list[str] = []
    for path in Path("/proc/self/fd").iterdir():
        try:
            found.append(os.readlink(path))
        except OSError:  # the one that lists them
            continue
    return found


async def until(condition: Callable[[], bool], what: Callable[[], object]) -> None:
    try:
        async with asyncio.timeout(20):
            while True:
                if condition():
                    return
                await asyncio.sleep(0.01)
    except TimeoutError:
        pytest.fail(f"left behind: {what()}")


@asynccontextmanager
async def leaving_nothing() -> AsyncGenerator[None]:
    """Fail unless the tasks and descriptors are those of before, in the end."""
    gc.collect()
    tasks, files = len(asyncio.all_tasks()), descriptors()
    yield
    await until(lambda: len(asyncio.all_tasks()) <= tasks, lambda: asyncio.all_tasks())
    await until(lambda: not descriptors() - files, lambda: descriptors() - files)


async def answers_right(endpoint: str) -> None:
    client = Client(endpoint)
    project = await client.call(methods.GET_PROJECT, admin.ProjectGetRequest(id=PROJECT))
    assert [domain.id for domain in project.domains] == ["development", "staging", "production"]
    await client.aclose()


async def bombard(server: Server, mutator: Mutator, number: int) -> Counter[Status]:
    """Send that many mutated requests; return how they were answered."""
    client = Client(server.endpoint)
    answers: Counter[Status] = Counter()
    left = iter(range(number))

    async def one_after_another() -> None:
        for _ in left:
            path, payload = mutator.next()
            status, text = Status.OK, ""
            try:
                await client.raw(path, payload)
            except RpcFailed as failure:
                status, text = failure.status, failure.text
            assert status in ANSWERS, (path, status, text, payload)
            # What flyteadmin answers a panic with.
            assert (status, text) != (Status.INTERNAL, ""), (path, payload)
            answers[status] += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_A_TIME):
            group.create_task(one_after_another())
    await client.aclose()
    return answers


async def survive(number: int, seed: int) -> None:
    async with Server() as first:
        # What grpc opens once, and keeps.
        await answers_right(first.endpoint)
    async with leaving_nothing(), Server(ServerConfig(unregistered="echo")) as server:
        mutator = Mutator(await record(server.endpoint), seed)
        async with leaving_nothing():
            answers = await bombard(server, mutator, number)
            await end_all(server)
        await answers_right(server.endpoint)
    assert answers.total() == number
    # Neither all right nor all wrong: both sides of the checks were reached.
    assert all(answers[status] > number / 100 for status in (Status.OK, Status.INVALID_ARGUMENT, Status.NOT_FOUND))


async def end_all(server: Server) -> None:
    """End the executions that wait for what does not come."""
    client = Client(server.endpoint)
    for row in list(server.store.executions.rows()):
        if row.closure.phase not in TERMINAL:
            request = admin.ExecutionTerminateRequest(id=records.execution_id(row), cause="over")
            await client.call(methods.TERMINATE_EXECUTION, request)
    await client.aclose()


async def test_the_server_survives_mutated_requests() -> None:
    await survive(3000, 1)


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_the_server_survives_a_hundred_thousand_mutated_requests() -> None:
    await survive(100_000, 2)


# Clients that vanish...


def half_a_call(endpoint: str, path: str, payload: bytes, cut: int | None = None) -> socket.socket:
    """A connection over which a request was sent, or that many bytes of it, and whose reply nobody reads."""
    host, _, port = endpoint.rpartition(":")
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    connection.initiate_connection()
    headers = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", endpoint),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ]
    connection.send_headers(1, headers)
    connection.send_data(1, b"\0" + struct.pack(">I", len(payload)) + payload, end_stream=True)
    raw = socket.create_connection((host, int(port)))
    raw.sendall(connection.data_to_send()[:cut])
    return raw


def reset(raw: socket.socket) -> None:
    """End a connection by RST."""
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raw.close()


async def vanish(server: Server, client: Client, end: Callable[[socket.socket], Any], number: int) -> None:
    """Have clients ask what is not answered, and go."""
    payload = codec.encode(admin.WorkflowExecutionGetRequest(id=execution_id("e1")))
    raws = [half_a_call(server.endpoint, methods.GET_EXECUTION.path, payload) for _ in range(number)]
    await client.in_flight(number)
    for raw in raws:
        end(raw)
    await client.in_flight(0)


@pytest.mark.parametrize("end", [socket.socket.close, reset], ids=["closes", "resets"])
async def test_a_client_that_vanishes_in_a_call_leaves_nothing(end: Callable[[socket.socket], Any]) -> None:
    async with Server(ServerConfig(faults=(Fault(method="GetExecution", kind="hang"),))) as server:
        client = Client(server.endpoint)
        await client.in_flight(0)
        async with leaving_nothing():
            await vanish(server, client, end, 50)
        assert server.stats.calls["GetExecution"] == {"CANCELLED": 50}
        await answers_right(server.endpoint)
        await client.aclose()


@pytest.mark.parametrize("end", [socket.socket.close, reset], ids=["closes", "resets"])
async def test_a_client_that_vanishes_in_its_request_leaves_nothing(end: Callable[[socket.socket], Any]) -> None:
    async with Server() as server:
        await answers_right(server.endpoint)
        async with leaving_nothing():
            for cut in range(1, 120):
                end(half_a_call(server.endpoint, methods.GET_PROJECT.path, b"\x0a\x0bflytesnacks", cut))
        await answers_right(server.endpoint)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_ten_thousand_clients_vanish() -> None:
    async with Server(ServerConfig(faults=(Fault(method="GetExecution", kind="hang"),))) as server:
        client = Client(server.endpoint)
        await client.in_flight(0)
        async with leaving_nothing():
            for index in range(100):
                await vanish(server, client, reset if index % 2 else socket.socket.close, 100)
        await answers_right(server.endpoint)
        await client.aclose()
