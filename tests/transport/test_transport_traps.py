"""What a transport must not get wrong: cancellation, closing, connections that are slow, lost or impossible."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator
from typing import Any

import anyio
import pytest

from flyteasync.errors import FlyteInvalidInputException, Status
from flyteasync.transport import Transport, TransportError
from tests.support.loop import eventually, settle
from tests.support.wire import Call, Refusal, Wire, always, hang
from tests.transport.conftest import Connect

PATH = "/flyteidl.service.AdminService/GetVersion"
HANGING = "/flyteidl.service.AdminService/GetExecution"


async def answer(call: Call) -> bytes:
    """Echoes; GetExecution hangs."""
    return await hang(call) if call.path == HANGING else call.payload


@pytest.fixture
async def wire() -> AsyncGenerator[Wire]:
    async with Wire(answer) as listening:
        yield listening


@pytest.fixture
async def transport(wire: Wire, connect: Connect) -> Transport:
    return connect(wire.endpoint)


async def call(transport: Transport, path: str = PATH, timeout: float | None = 10.0) -> bytes:
    return await transport.unary(path, b"request", timeout=timeout, metadata=())


@pytest.mark.parametrize("payload", [b"", b"\x00\xff" * 100, b"\x07 not a message"], ids=["empty", "bytes", "garbage"])
async def test_bytes_cross_it_as_they_are(transport: Transport, payload: bytes) -> None:
    assert await transport.unary(PATH, payload, timeout=10.0, metadata=()) == payload


# The first trap: anyio's cancel scopes around a call ...


async def test_fail_after_around_a_hanging_call_is_a_timeout(transport: Transport, wire: Wire) -> None:
    with pytest.raises(TimeoutError):
        with anyio.fail_after(0.05):
            await call(transport, HANGING)
    assert await call(transport) == b"request"


async def test_move_on_after_around_a_hanging_call_moves_on(transport: Transport) -> None:
    with anyio.move_on_after(0.05) as scope:
        await call(transport, HANGING)
    assert scope.cancelled_caught
    assert await call(transport) == b"request"


async def test_a_cancelled_task_group_ends_its_calls_and_nothing_else(transport: Transport, wire: Wire) -> None:
    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(call, transport, HANGING)
        await eventually(lambda: len(wire.calls) == 5)
        group.cancel_scope.cancel()
    assert await call(transport) == b"request"


async def test_the_innermost_scope_that_was_cancelled_catches_the_cancellation(transport: Transport) -> None:
    with anyio.move_on_after(10) as outer:
        with anyio.move_on_after(0.05) as inner:
            await call(transport, HANGING)
        assert inner.cancelled_caught
        assert await call(transport) == b"request"
    assert not outer.cancelled_caught


async def test_asyncio_timeout_around_a_hanging_call_is_a_timeout(transport: Transport) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await call(transport, HANGING)
    assert await call(transport) == b"request"


async def test_a_shielded_call_goes_on(transport: Transport, wire: Wire) -> None:
    with anyio.move_on_after(0.01) as scope, anyio.CancelScope(shield=True):
        await anyio.sleep(0.02)
        assert await call(transport) == b"request"
    assert scope.cancel_called


async def test_a_cancelled_call_is_cancelled_at_the_server(wire: Wire, transport: Transport) -> None:
    ended = asyncio.Event()

    async def watched(_: Call) -> bytes:
        try:
            return await hang(_)
        finally:
            ended.set()

    wire.answer = watched
    task = asyncio.ensure_future(call(transport, HANGING, None))
    await eventually(lambda: wire.calls)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(5):
        await ended.wait()


async def test_a_cancelled_call_ends_within_a_few_turns_of_the_loop(wire: Wire, transport: Transport) -> None:
    task = asyncio.ensure_future(call(transport, HANGING, None))
    await eventually(lambda: wire.calls)
    task.cancel()
    await settle(5)
    assert task.cancelled()


# The end ...


async def test_closing_under_a_call_is_an_error_and_no_cancellation(transport: Transport, wire: Wire) -> None:
    tasks = [asyncio.ensure_future(call(transport, HANGING, None)) for _ in range(3)]
    await eventually(lambda: len(wire.calls) == 3)
    await transport.aclose(0)
    for task in tasks:
        with pytest.raises(TransportError) as caught:
            await task
        assert caught.value.closed


async def test_closing_gives_calls_under_way_time_to_end(transport: Transport, wire: Wire) -> None:
    release = asyncio.Event()

    async def when_released(call: Call) -> bytes:
        await release.wait()
        return b"reply"

    wire.answer = when_released
    task = asyncio.ensure_future(call(transport))
    await eventually(lambda: wire.calls)
    closing = asyncio.ensure_future(transport.aclose(5))
    await settle()
    release.set()
    await closing
    assert await task == b"reply"


async def test_a_closed_transport_sends_nothing_and_may_be_closed_again(transport: Transport, wire: Wire) -> None:
    await transport.aclose(0)
    await transport.aclose(0)
    with pytest.raises(TransportError) as caught:
        await call(transport)
    assert caught.value.closed
    assert wire.calls == []


async def test_a_task_that_was_cancelled_when_the_transport_closes_is_cancelled(
    transport: Transport, wire: Wire
) -> None:
    task = asyncio.ensure_future(call(transport, HANGING, None))
    await eventually(lambda: wire.calls)
    task.cancel()
    await transport.aclose(0)
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_that_is_over_does_not_turn_closing_into_one(transport: Transport, wire: Wire) -> None:
    """A task may make calls while it cleans up after its own cancellation."""

    async def clean_up() -> TransportError | None:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            try:
                await call(transport, HANGING, None)
            except TransportError as error:
                return error
        return None

    task = asyncio.ensure_future(clean_up())
    await settle()
    task.cancel()
    await eventually(lambda: wire.calls)
    await transport.aclose(0)
    error = await task
    assert error is not None
    assert error.closed


# Connections ...


async def test_an_endpoint_where_nobody_listens_is_unavailable_and_was_sent_nothing(connect: Connect) -> None:
    async with Wire(always(b"")) as gone:
        endpoint = gone.endpoint
    transport = connect(endpoint)
    with pytest.raises(TransportError) as caught:
        await call(transport)
    assert caught.value.status is Status.UNAVAILABLE
    assert not caught.value.closed
    assert caught.value.unprocessed
    await transport.aclose(0)


async def test_a_host_that_does_not_exist_was_sent_nothing(connect: Connect) -> None:
    transport = connect("nowhere.invalid:443")
    with pytest.raises(TransportError) as caught:
        await call(transport)
    assert caught.value.status is Status.UNAVAILABLE
    assert caught.value.unprocessed
    await transport.aclose(0)


async def test_an_endpoint_that_never_answers_ends_with_the_time_limit(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        transport = connect(f"127.0.0.1:{deaf.getsockname()[1]}")
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(TransportError) as caught:
            await call(transport, timeout=0.2)
        assert loop.time() - began < 0.4
        assert caught.value.status is Status.DEADLINE_EXCEEDED


async def test_a_connection_that_takes_long_to_make_is_waited_for(wire: Wire, connect: Connect) -> None:
    """Over TLS to another continent, it takes longer than the pauses between attempts to connect."""
    async with SlowRelay(wire.endpoint, 0.6) as relay:
        transport = connect(relay.endpoint)
        assert await call(transport, timeout=5) == b"request"


async def test_a_lost_connection_is_unavailable_and_the_next_call_connects_again(wire: Wire, connect: Connect) -> None:
    async with SlowRelay(wire.endpoint, 0) as relay:
        transport = connect(relay.endpoint)
        task = asyncio.ensure_future(call(transport, HANGING))
        await eventually(lambda: wire.calls)
        relay.cut()
        with pytest.raises(TransportError) as caught:
            await task
        assert caught.value.status is Status.UNAVAILABLE
        for _ in range(10):  # a call may still be sent over the connection before its loss is noticed
            with contextlib.suppress(TransportError):
                assert await call(transport) == b"request"
                break
        else:
            pytest.fail("there is no connection again")


# Sizes ...


async def test_a_reply_larger_than_allowed_is_resource_exhausted(wire: Wire, connect: Connect) -> None:
    transport = connect(wire.endpoint, max_receive_bytes=1000)
    with pytest.raises(TransportError) as caught:
        await transport.unary(PATH, b"x" * 1001, timeout=10, metadata=())
    assert caught.value.status is Status.RESOURCE_EXHAUSTED
    assert await transport.unary(PATH, b"x" * 1000, timeout=10, metadata=()) == b"x" * 1000


async def test_a_request_larger_than_allowed_is_resource_exhausted(wire: Wire, connect: Connect) -> None:
    transport = connect(wire.endpoint, max_send_bytes=1000)
    with pytest.raises(TransportError) as caught:
        await transport.unary(PATH, b"x" * 1001, timeout=10, metadata=())
    assert caught.value.status is Status.RESOURCE_EXHAUSTED
    assert wire.calls == []
    await transport.aclose(0)


async def test_the_longest_text_and_details_of_flyteadmin_arrive_whole(transport: Transport, wire: Wire) -> None:
    text, details = "x" * 16_000, b"\x12\x03abc" * 1000

    async def refuse(_: Call) -> bytes:
        raise Refusal(Status.INVALID_ARGUMENT, text, details)

    wire.answer = refuse
    with pytest.raises(TransportError) as caught:
        await call(transport)
    assert caught.value.text == text
    assert caught.value.status_details == details


async def test_a_certificate_file_that_is_not_there_is_named(connect: Connect) -> None:
    with pytest.raises(FlyteInvalidInputException, match=r"/nowhere/ca\.pem"):
        connect("localhost:1", insecure=False, ca_cert_file="/nowhere/ca.pem")


class SlowRelay:
    """Passes bytes on; what the server says first is held back for some seconds."""

    def __init__(self, target: str, delay: float) -> None:
        self.endpoint = ""
        self._host, _, port = target.rpartition(":")
        self._port = int(port)
        self._delay = delay
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._server: asyncio.Server

    def cut(self) -> None:
        """Cut all connections."""
        for writer in self._writers:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        far_reader, far_writer = await asyncio.open_connection(self._host, self._port)
        self._writers.add(far_writer)
        await asyncio.gather(self._pump(reader, far_writer, 0.0), self._pump(far_reader, writer, self._delay))
        for end in (writer, far_writer):
            with contextlib.suppress(ConnectionError):
                await end.wait_closed()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, delay: float) -> None:
        try:
            while data := await source.read(65536):
                await asyncio.sleep(delay)
                delay = 0.0
                sink.write(data)
        except ConnectionError:
            pass
        finally:
            sink.close()

    async def __aenter__(self) -> SlowRelay:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.endpoint = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._server.wait_closed()
