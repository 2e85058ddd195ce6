"""What every transport does with replies, windows, room and time, against a peer that is scripted frame by frame."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import random
from collections.abc import Callable

import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes

from flyteasync.errors import FlyteInvalidInputException, Status
from flyteasync.transport import Transport, TransportError
from tests.support.http2 import Peer, Request, message
from tests.support.loop import eventually
from tests.transport.conftest import Connect

PATH = "/flyteidl.service.AdminService/GetVersion"
MiB = 1024 * 1024


def start(transport: Transport, request: bytes = b"request", timeout: float | None = 10.0) -> asyncio.Task[bytes]:
    return asyncio.create_task(transport.unary(PATH, request, timeout=timeout, metadata=()))


async def failure_of(task: asyncio.Task[bytes]) -> TransportError:
    with pytest.raises(TransportError) as caught:
        await task
    return caught.value


async def exchange(peer: Peer, transport: Transport) -> None:
    """Make a call that succeeds."""
    task = start(transport, b"ping")
    request = await peer.request()
    assert request.payload == b"ping"
    request.reply(b"pong")
    assert await task == b"pong"


async def answer_all(peer: Peer) -> None:
    """Answer what is asked, until cancelled."""
    while True:
        (await peer.request()).reply(b"reply")


# What is sent ...


async def test_a_request_is_grpc(connect: Connect) -> None:
    async with Peer() as peer:
        task = start(connect(peer.endpoint), b"payload", timeout=7.5)
        request = await peer.request()
        request.reply(b"")
        assert await task == b""
    sent = request.headers
    assert (sent[":method"], sent[":path"], sent[":scheme"]) == ("POST", PATH, "http")
    assert sent[":authority"] == peer.endpoint
    assert sent["te"] == "trailers"
    assert sent["content-type"] == "application/grpc"
    assert sent["user-agent"].startswith("flyteasync grpc-python")
    assert sent["grpc-timeout"].endswith("m")
    assert 7000 < int(sent["grpc-timeout"][:-1]) <= 7510
    assert bytes(request.body) == message(b"payload")


@pytest.mark.parametrize("timeout", [None, 1e12, float("inf")])
async def test_no_time_limit_travels_if_there_is_none(connect: Connect, timeout: float | None) -> None:
    async with Peer() as peer:
        task = start(connect(peer.endpoint), timeout=timeout)
        request = await peer.request()
        request.reply(b"")
        await task
        assert "grpc-timeout" not in request.headers


async def test_metadata_arrives_as_text_or_as_bytes(connect: Connect) -> None:
    async with Peer() as peer:
        metadata = (("x-tenant", "a b~"), ("x-tenant", "second"), ("x-trace-bin", b"\x00\xff"))
        task = asyncio.create_task(connect(peer.endpoint).unary(PATH, b"", timeout=5, metadata=metadata))
        request = await peer.request()
        request.reply(b"")
        await task
    assert request.headers["x-tenant"] in {"second", "a b~, second", "a b~,second"}
    assert base64.b64decode(request.headers["x-trace-bin"] + "==") == b"\x00\xff"


@pytest.mark.parametrize(
    ("name", "value"),
    [("authorization", "Bearer s3cret\n"), ("Upper Case", "s3cret"), ("x-y", "s3crét"), ("x-y-bin", "s3cret")],
)
async def test_metadata_that_cannot_be_sent_is_refused_without_showing_it(
    connect: Connect, name: str, value: str
) -> None:
    async with Peer() as peer:
        transport = connect(peer.endpoint)
        with pytest.raises(FlyteInvalidInputException, match=name) as caught:
            await transport.unary(PATH, b"", timeout=5, metadata=((name, value),))
        assert "s3cr" not in str(caught.value)
        await exchange(peer, transport)


# What comes back ...


async def test_an_error_has_status_text_and_details(connect: Connect) -> None:
    async with Peer() as peer:
        task = start(connect(peer.endpoint))
        details = base64.b64encode(b"\x08\x05\x12\x04n\xc3\xb6").decode().rstrip("=")
        (await peer.request()).fail(
            ("grpc-status", "5"), ("grpc-message", "n%C3%B6 %"), ("grpc-status-details-bin", details)
        )
        error = await failure_of(task)
    assert error.status is Status.NOT_FOUND
    assert error.text == "nö %"
    assert error.status_details == b"\x08\x05\x12\x04n\xc3\xb6"
    assert not error.closed
    assert not error.unprocessed


async def test_what_a_proxy_says_of_its_own_connections_does_not_pass_for_ours(connect: Connect) -> None:
    async with Peer() as peer:
        task = start(connect(peer.endpoint))
        text = "failed to connect to all addresses; last error: UNKNOWN: ipv4:10.0.0.1:81: Connection refused"
        (await peer.request()).fail(("grpc-status", "14"), ("grpc-message", text), ("server", "proxy"))
        error = await failure_of(task)
    assert (error.status, error.text) == (Status.UNAVAILABLE, text)
    assert not error.unprocessed


async def test_an_error_may_come_after_a_message(connect: Connect) -> None:
    async with Peer() as peer:
        task = start(connect(peer.endpoint))
        request = await peer.request()
        request.send_headers()
        request.send_data(message(b"half of it"))
        request.send_trailers(("grpc-status", "13"), ("grpc-message", "broke"))
        error = await failure_of(task)
        assert (error.status, error.text) == (Status.INTERNAL, "broke")


def html(request: Request) -> None:
    request.send_headers((":status", "200"), ("content-type", "text/html"))
    request.send_data(b"<html>not what was asked for</html>", end=True)


def unavailable(request: Request) -> None:
    request.send_headers((":status", "503"), ("content-type", "text/plain"))
    request.send_data(b"upstream connect error", end=True)


def no_status(request: Request) -> None:
    request.send_headers()
    request.send_data(message(b"reply"), end=True)


def no_message(request: Request) -> None:
    request.send_headers()
    request.send_trailers()


def half_a_message(request: Request) -> None:
    request.send_headers()
    request.send_data(message(b"reply")[:-2])
    request.send_trailers()


def compressed(request: Request) -> None:
    request.send_headers()
    request.send_data(message(b"reply", flag=1))
    request.send_trailers()


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (html, Status.UNKNOWN),
        (unavailable, Status.UNAVAILABLE),
        (no_status, Status.UNKNOWN),
        (no_message, Status.INTERNAL),
        (half_a_message, Status.INTERNAL),
        (compressed, Status.INTERNAL),
        (lambda request: request.fail(("grpc-status", "99")), Status.UNKNOWN),
        (lambda request: request.send_headers((":status", "404"), end=True), Status.UNIMPLEMENTED),
        (lambda request: request.send_headers((":status", "401"), end=True), Status.UNAUTHENTICATED),
    ],
    ids=["html", "503", "no status", "no message", "half", "compressed", "99", "404", "401"],
)
async def test_what_is_no_reply_is_an_error_and_the_connection_goes_on(
    connect: Connect, answer: Callable[[Request], None], status: Status
) -> None:
    async with Peer() as peer:
        transport = connect(peer.endpoint)
        task = start(transport)
        answer(await peer.request())
        assert (await failure_of(task)).status is status
        await exchange(peer, transport)
        assert len(peer.connections) == 1


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (ErrorCodes.NO_ERROR, Status.INTERNAL),
        (ErrorCodes.INTERNAL_ERROR, Status.INTERNAL),
        (ErrorCodes.REFUSED_STREAM, Status.UNAVAILABLE),
        (ErrorCodes.CANCEL, Status.CANCELLED),
        (ErrorCodes.ENHANCE_YOUR_CALM, Status.RESOURCE_EXHAUSTED),
        (ErrorCodes.INADEQUATE_SECURITY, Status.PERMISSION_DENIED),
    ],
)
async def test_a_stream_that_the_server_resets_has_the_status_that_grpc_gives_the_code(
    connect: Connect, code: ErrorCodes, status: Status
) -> None:
    async with Peer() as peer:
        transport = connect(peer.endpoint)
        task = start(transport)
        (await peer.request()).reset(code)
        assert (await failure_of(task)).status is status
        await exchange(peer, transport)
        assert len(peer.connections) == 1


async def test_a_reply_in_many_frames_is_put_together(connect: Connect) -> None:
    body = bytes(range(256)) * 4096 * 8
    async with Peer() as peer:
        task = start(connect(peer.endpoint))
        (await peer.request()).reply(body)
        assert await task == body


async def test_a_reply_that_is_too_large_is_refused_before_it_has_arrived(connect: Connect) -> None:
    async with Peer() as peer:
        transport = connect(peer.endpoint)
        task = start(transport, timeout=None)
        request = await peer.request()
        request.send_headers()
        request.send_data(message(b"x" * 21 * MiB)[: 64 * 1024])
        error = await failure_of(task)
        assert error.status is Status.RESOURCE_EXHAUSTED
        assert f"({21 * MiB} vs. {20 * MiB})" in error.text
        assert (await request.connection.resets.get())[0] == request.stream
        await exchange(peer, transport)
        assert len(peer.connections) == 1


# Windows and room ...


async def test_a_large_request_waits_for_the_servers_window(connect: Connect) -> None:
    body = b"0123456789abcdef" * 65536 * 4
    async with Peer() as peer:
        task = start(connect(peer.endpoint), body)
        request = await peer.request()
        assert request.payload == body
        request.reply(b"thanks")
        assert await task == b"thanks"


async def test_waiting_for_the_window_ends_with_the_time_limit_and_resets_the_stream(connect: Connect) -> None:
    async with Peer(reading=False) as peer:
        transport = connect(peer.endpoint)
        task = start(transport, b"x" * MiB, timeout=0.2)
        assert (await failure_of(task)).status is Status.DEADLINE_EXCEEDED
        stream, _ = await peer.connections[0].resets.get()
        assert stream == 1


async def test_waiting_for_the_window_can_be_cancelled(connect: Connect) -> None:
    async with Peer(reading=False) as peer:
        task = start(connect(peer.endpoint), b"x" * MiB, timeout=None)
        request = await peer.beginnings.get()
        await eventually(lambda: len(request.body) > 60_000)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await request.connection.resets.get() == (request.stream, ErrorCodes.CANCEL)


async def test_a_server_may_refuse_a_request_before_it_has_it(connect: Connect) -> None:
    async with Peer(reading=False) as peer:
        transport = connect(peer.endpoint)
        task = start(transport, b"x" * MiB, timeout=None)
        request = await peer.beginnings.get()
        await eventually(lambda: len(request.body) > 60_000)
        request.fail(("grpc-status", "8"), ("grpc-message", "grpc: received message larger than max"))
        request.reset(ErrorCodes.NO_ERROR)
        error = await failure_of(task)
        assert error.status is Status.RESOURCE_EXHAUSTED
        assert "larger than max" in error.text


async def test_a_connection_that_ends_ends_the_wait_for_the_window(connect: Connect) -> None:
    async with Peer(reading=False) as peer:
        task = start(connect(peer.endpoint), b"x" * MiB, timeout=None)
        request = await peer.beginnings.get()
        await eventually(lambda: len(request.body) > 60_000)
        request.connection.transport.abort()
        assert (await failure_of(task)).status is Status.UNAVAILABLE


async def test_calls_beyond_the_servers_limit_of_streams_wait_for_room(connect: Connect) -> None:
    async with Peer(settings={SettingCodes.MAX_CONCURRENT_STREAMS: 1}) as peer:
        transport = connect(peer.endpoint)
        await exchange(peer, transport)
        tasks = [start(transport, b"%d" % number) for number in range(3)]
        for _ in tasks:
            request = await peer.request()
            assert peer.requests.empty()
            request.reply(b"reply to " + request.payload)
        assert [await task for task in tasks] == [b"reply to 0", b"reply to 1", b"reply to 2"]


async def test_waiting_for_room_ends_with_the_time_limit_and_by_cancellation(connect: Connect) -> None:
    async with Peer(settings={SettingCodes.MAX_CONCURRENT_STREAMS: 1}) as peer:
        transport = connect(peer.endpoint)
        await exchange(peer, transport)
        first, late, cancelled = start(transport), start(transport, timeout=0.1), start(transport, timeout=None)
        request = await peer.request()
        assert (await failure_of(late)).status is Status.DEADLINE_EXCEEDED
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        request.reply(b"reply")
        assert await first == b"reply"
        await exchange(peer, transport)


async def test_a_connection_that_ends_ends_the_wait_for_room(connect: Connect) -> None:
    async with Peer(settings={SettingCodes.MAX_CONCURRENT_STREAMS: 1}) as peer:
        transport = connect(peer.endpoint)
        await exchange(peer, transport)
        first = start(transport)
        request = await peer.request()
        second = start(transport, b"second")
        request.connection.transport.abort()
        assert (await failure_of(first)).status is Status.UNAVAILABLE
        answering = asyncio.create_task(answer_all(peer))
        with contextlib.suppress(TransportError):  # grpc.aio may send the second call over a new connection by itself
            assert await second == b"reply"
        answering.cancel()
        await asyncio.wait([answering])


# Connections ...


async def test_a_peer_that_is_no_grpc_server_is_unavailable(connect: Connect) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        endpoint = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        error = await failure_of(start(connect(endpoint)))
        assert error.status is Status.UNAVAILABLE


async def test_frames_that_are_cut_off_are_connection_loss(connect: Connect) -> None:
    async with Peer() as peer:
        transport = connect(peer.endpoint)
        task = start(transport)
        request = await peer.request()
        request.send_headers()
        request.connection.transport.write(b"\x00\x10\x00\x00\x00\x00\x00\x00" + bytes([request.stream]) + b"\0\0\0")
        request.connection.transport.close()
        error = await failure_of(task)
        assert error.status is Status.UNAVAILABLE
        assert not error.unprocessed
        await exchange(peer, transport)


async def test_frames_that_break_the_protocol_are_an_error_and_the_next_call_connects_again(connect: Connect) -> None:
    async with Peer() as peer:
        transport = connect(peer.endpoint)
        task = start(transport)
        request = await peer.request()
        too_long_a_window_update = b"\x00\x00\x08\x08\x00\x00\x00\x00\x00" + bytes(8)
        request.connection.transport.write(too_long_a_window_update)
        error = await failure_of(task)
        assert error.status in {Status.UNAVAILABLE, Status.UNKNOWN}
        await exchange(peer, transport)


async def test_unknown_frames_and_settings_are_ignored(connect: Connect) -> None:
    async with Peer(settings={0x1A2A: 7}) as peer:
        transport = connect(peer.endpoint)
        task = start(transport)
        request = await peer.request()
        request.connection.transport.write(b"\x00\x00\x04\xfa\x00\x00\x00\x00\x00abcd")
        request.reply(b"reply")
        assert await task == b"reply"
        assert len(peer.connections) == 1


async def test_a_server_that_was_started_again_on_its_port_is_found(connect: Connect) -> None:
    async with Peer() as peer:
        transport = connect(peer.endpoint)
        await exchange(peer, transport)
    port = int(peer.endpoint.rpartition(":")[2])
    assert (await failure_of(start(transport))).status is Status.UNAVAILABLE
    async with Peer(port=port) as again, asyncio.timeout(5):
        answering = asyncio.create_task(answer_all(again))
        while True:
            try:
                assert await start(transport) == b"reply"
                break
            except TransportError:
                await asyncio.sleep(0.02)
        answering.cancel()
        await asyncio.wait([answering])


async def test_many_calls_share_one_connection(connect: Connect) -> None:
    async with Peer() as peer:
        transport = connect(peer.endpoint)
        tasks = [start(transport, b"%d" % number) for number in range(50)]
        requests = [await peer.request() for _ in tasks]
        for request in reversed(requests):
            request.reply(b"reply to " + request.payload)
        assert [await task for task in tasks] == [b"reply to %d" % number for number in range(50)]
        assert len(peer.connections) == 1


async def test_calls_that_end_in_every_way_at_once_leave_the_connection_usable(connect: Connect) -> None:
    choices = random.Random(7)

    async def misbehave(peer: Peer) -> None:
        while True:
            request = await peer.request()
            match choices.randrange(5):
                case 0:
                    request.reply(b"reply")
                case 1:
                    request.fail(("grpc-status", "5"))
                case 2:
                    request.reset(ErrorCodes.INTERNAL_ERROR)
                case 3:
                    request.send_headers()
                case _:
                    pass

    async with Peer(settings={SettingCodes.MAX_CONCURRENT_STREAMS: 20}) as peer:
        transport = connect(peer.endpoint)
        await exchange(peer, transport)
        server = asyncio.create_task(misbehave(peer))
        tasks = [start(transport, bytes(choices.randrange(100_000)), choices.uniform(0.01, 0.3)) for _ in range(200)]
        for task in choices.sample(tasks, 60):
            await asyncio.sleep(0.001)
            task.cancel()
        await asyncio.wait(tasks)
        assert {type(task.exception()) for task in tasks if not task.cancelled()} <= {TransportError, type(None)}
        server.cancel()
        await asyncio.wait([server])
        while not peer.requests.empty():
            peer.requests.get_nowait()
        await exchange(peer, transport)
        assert len(peer.connections) == 1


async def test_closing_does_not_wait_for_a_server_that_does_not_read(connect: Connect) -> None:
    async with Peer(settings={SettingCodes.INITIAL_WINDOW_SIZE: 2**30}) as peer:
        transport = connect(peer.endpoint)
        await exchange(peer, transport)
        peer.connections[0].transport.pause_reading()
        peer.connections[0].http2.increment_flow_control_window(2**30)
        peer.connections[0].flush()
        task = start(transport, b"x" * 16 * MiB, timeout=None)
        await asyncio.wait({task}, timeout=0.05)
        async with asyncio.timeout(3):
            await transport.aclose(0.1)
        assert (await failure_of(task)).closed
