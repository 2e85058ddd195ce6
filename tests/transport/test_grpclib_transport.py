"""The transport over grpclib where its clock, its connections and its peer can be played with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from hypothesis import given, settings
from hypothesis import strategies as st

from flyteasync.errors import Status
from flyteasync.transport import TransportError, TransportOptions
from flyteasync.transport.grpclib import GrpclibTransport
from tests.support.http2 import Peer, unused_port
from tests.support.loop import clock, eventually, settle

PATH = "/flyteidl.service.AdminService/GetVersion"
EMPTY_SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"


def start(
    transport: GrpclibTransport, request: bytes = b"request", timeout: float | None = 10.0
) -> asyncio.Task[bytes]:
    return asyncio.create_task(transport.unary(PATH, request, timeout=timeout, metadata=()))


async def failure_of(task: asyncio.Task[bytes]) -> TransportError:
    with pytest.raises(TransportError) as caught:
        await task
    return caught.value


def make(peer: Peer, **options: Any) -> GrpclibTransport:
    return GrpclibTransport(TransportOptions(peer.endpoint, insecure=True, **options))


@pytest.fixture
async def peer() -> AsyncGenerator[Peer]:
    async with Peer() as listening:
        yield listening


@pytest.fixture
async def transport(peer: Peer) -> AsyncGenerator[GrpclibTransport]:
    made = make(peer)
    yield made
    await made.aclose(0)


async def exchange(peer: Peer, transport: GrpclibTransport) -> None:
    task = start(transport)
    (await peer.request()).reply(b"reply")
    assert await task == b"reply"


# Time ...


async def test_the_time_limit_goes_by_the_loops_clock(peer: Peer, transport: GrpclibTransport) -> None:
    task = start(transport, timeout=3600)
    request = await peer.request()
    await clock().advance(3599)
    assert not task.done()
    await clock().advance(1)
    error = await failure_of(task)
    assert error.status is Status.DEADLINE_EXCEEDED
    assert not error.unprocessed
    assert error.text == "no reply within 3600 s"
    assert await request.connection.resets.get() == (request.stream, ErrorCodes.CANCEL)


async def test_what_is_left_of_the_time_is_what_travels(peer: Peer) -> None:
    """Connecting counts."""
    peer.silent = True
    transport = make(peer)
    task = start(transport, timeout=10)
    connection = await peer.arrivals.get()
    await clock().advance(4)
    peer.silent = False
    connection.greet()
    request = await peer.request()
    assert 5000 < int(request.headers["grpc-timeout"].removesuffix("m")) <= 6000
    request.reply(b"")
    await task
    await transport.aclose(0)


async def test_a_limit_of_no_time_sends_nothing(peer: Peer, transport: GrpclibTransport) -> None:
    await exchange(peer, transport)
    error = await failure_of(start(transport, timeout=0))
    assert error.status is Status.DEADLINE_EXCEEDED
    assert error.unprocessed
    assert peer.beginnings.qsize() == 1


async def test_a_call_that_never_got_a_connection_or_room_was_not_processed() -> None:
    async with Peer(settings={SettingCodes.MAX_CONCURRENT_STREAMS: 1}) as peer:
        transport = make(peer)
        await exchange(peer, transport)
        first, second = start(transport, timeout=20), start(transport, timeout=10)
        request = await peer.request()
        await clock().advance(10)
        assert (await failure_of(second)).unprocessed
        request.connection.transport.abort()
        assert not (await failure_of(first)).unprocessed
        await transport.aclose(0)


async def test_a_cancelled_task_may_go_on_to_be_cancelled_again(peer: Peer, transport: GrpclibTransport) -> None:
    """A call that ends for reasons of its own leaves no trace on its task."""
    task = asyncio.current_task()
    assert task is not None
    for ending in ("time", "reset", "loss"):
        call = transport.unary(PATH, b"", timeout=5, metadata=())
        answering = asyncio.create_task(spoil(peer, ending))
        with pytest.raises(TransportError):
            await call
        await answering
        assert task.cancelling() == 0


async def spoil(peer: Peer, ending: str) -> None:
    request = await peer.request()
    if ending == "time":
        await clock().advance(5)
    elif ending == "reset":
        request.reset(ErrorCodes.CANCEL)
    else:
        request.connection.transport.abort()


# Connecting ...


async def test_after_a_failure_connecting_pauses_and_calls_fail_at_once(peer: Peer) -> None:
    peer.silent = True
    transport = make(peer)
    for _ in range(8):
        task = start(transport)
        (await peer.arrivals.get()).transport.abort()
        error = await failure_of(task)
        assert error.status is Status.UNAVAILABLE
        assert error.unprocessed
        for _ in range(3):
            assert (await failure_of(start(transport))).text == error.text
        assert peer.arrivals.empty()
        await clock().advance(2.0)  # no pause is longer
    peer.silent = False
    await exchange(peer, transport)
    await transport.aclose(0)


async def test_pauses_begin_short_and_double(peer: Peer) -> None:
    peer.silent = True
    transport = make(peer)
    for longest in (0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0):
        task = start(transport)
        (await peer.arrivals.get()).transport.abort()
        await failure_of(task)
        await clock().advance(longest / 2 - 0.05)
        await failure_of(start(transport))
        await clock().advance(longest / 2 + 0.05)
    assert len(peer.connections) == 7
    await transport.aclose(0)


async def test_the_failure_names_endpoint_and_reason() -> None:
    endpoint = f"127.0.0.1:{unused_port()}"
    transport = GrpclibTransport(TransportOptions(endpoint, insecure=True))
    text = (await failure_of(start(transport))).text
    assert text.startswith(f"cannot connect to {endpoint}: ")
    assert "refused" in text.lower()
    await transport.aclose(0)


@pytest.mark.parametrize("host", ["no such host.invalid", "x" * 64 + ".invalid", "a..b"])
async def test_a_host_that_cannot_be_is_unavailable(host: str) -> None:
    transport = GrpclibTransport(TransportOptions(f"{host}:80", insecure=True))
    assert (await failure_of(start(transport))).status is Status.UNAVAILABLE
    await transport.aclose(0)


async def test_calls_that_come_together_wait_for_one_connection(peer: Peer, transport: GrpclibTransport) -> None:
    tasks = [start(transport) for _ in range(20)]
    for _ in tasks:
        (await peer.request()).reply(b"reply")
    assert [await task for task in tasks] == [b"reply"] * 20
    assert len(peer.connections) == 1


async def test_a_call_that_gives_up_does_not_end_the_connecting_for_others(peer: Peer) -> None:
    peer.silent = True
    transport = make(peer)
    first, second = start(transport), start(transport)
    connection = await peer.arrivals.get()
    first.cancel()
    await settle()
    peer.silent = False
    connection.greet()
    (await peer.request()).reply(b"reply")
    assert await second == b"reply"
    assert first.cancelled()
    await transport.aclose(0)


async def test_a_connection_that_hangs_while_it_is_made_does_not_hold_up_the_next(peer: Peer) -> None:
    peer.silent = True
    transport = make(peer)
    first = start(transport)
    await peer.arrivals.get()
    await clock().advance(2.5)
    peer.silent = False
    second = start(transport)
    for _ in range(2):
        (await peer.request()).reply(b"reply")
    assert await second == b"reply"
    assert await first == b"reply"
    await transport.aclose(0)


async def test_connecting_is_given_up_in_the_end(peer: Peer) -> None:
    peer.silent = True
    transport = make(peer)
    task = start(transport, timeout=None)
    connection = await peer.arrivals.get()
    await eventually(lambda: connection.seen)
    await clock().advance(20)
    error = await failure_of(task)
    assert error.status is Status.UNAVAILABLE
    assert "no answer in 20 s" in error.text
    await connection.lost.wait()
    await transport.aclose(0)


async def test_a_connection_that_was_silent_for_all_of_a_calls_time_is_not_used_again(
    peer: Peer, transport: GrpclibTransport
) -> None:
    """The network may have swallowed it; TCP would take a quarter of an hour to tell."""
    await exchange(peer, transport)
    task = start(transport)
    dead = (await peer.request()).connection
    await clock().advance(10)
    await failure_of(task)
    await exchange(peer, transport)
    assert len(peer.connections) == 2
    await dead.lost.wait()


async def test_a_connection_over_which_others_got_replies_is_used_again(
    peer: Peer, transport: GrpclibTransport
) -> None:
    task = start(transport)
    await peer.request()
    await exchange(peer, transport)
    await clock().advance(10)
    await failure_of(task)
    await exchange(peer, transport)
    assert len(peer.connections) == 1


# Keepalive ...


async def test_pings_go_out_while_calls_are_under_way_and_not_more_often_than_flyteadmin_allows(
    peer: Peer, transport: GrpclibTransport
) -> None:
    task = start(transport, timeout=None)
    request = await peer.request()
    for number in range(1, 4):
        await clock().advance(299)
        await settle()
        assert request.connection.pings == number - 1
        await clock().advance(31)
        await eventually(lambda: request.connection.pings == number)  # noqa: B023
        await settle(100)
    request.reply(b"late")
    assert await task == b"late"


async def test_an_idle_connection_is_not_pinged(peer: Peer, transport: GrpclibTransport) -> None:
    await exchange(peer, transport)
    for _ in range(5):
        await clock().advance(1000)
    await exchange(peer, transport)
    assert peer.connections[0].pings == 0
    assert len(peer.connections) == 1


async def test_a_server_that_does_not_answer_pings_is_gone(peer: Peer, transport: GrpclibTransport) -> None:
    task = start(transport, timeout=None)
    request = await peer.request()
    request.connection.transport.pause_reading()
    await clock().advance(330)
    await clock().advance(19)
    assert not task.done()
    await clock().advance(1)
    error = await failure_of(task)
    assert error.status is Status.UNAVAILABLE
    assert "keepalive" in error.text
    await exchange(peer, transport)


# Whatever the server sends ...

FRAMES = st.builds(
    lambda kind, flags, stream, payload: (
        len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload
    ),
    st.integers(0, 10),
    st.integers(0, 255),
    st.sampled_from([0, 1, 1, 1, 3, 2, 2**31 - 1]),
    st.binary(max_size=40),
)


@given(garbage=st.one_of(st.binary(max_size=200), st.lists(FRAMES, max_size=6).map(b"".join)))
@settings(max_examples=200)
async def test_garbage_is_an_error_of_the_call_and_of_nothing_else(garbage: bytes) -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    async with Peer(silent=True) as peer:
        transport = make(peer)
        task = start(transport)
        connection = await peer.arrivals.get()
        connection.transport.write(EMPTY_SETTINGS)
        await eventually(lambda: task.done() or connection.seen > 100)
        connection.transport.write(garbage)
        connection.transport.close()
        await connection.lost.wait()
        await failure_of(task)
        await transport.aclose(0)
    assert complaints == []
    asyncio.get_running_loop().set_exception_handler(None)


async def test_a_header_list_without_end_is_refused(peer: Peer, transport: GrpclibTransport) -> None:
    task = start(transport)
    (await peer.request()).send_headers((":status", "200"), *((f"x-{number}", "y" * 10_000) for number in range(40)))
    error = await failure_of(task)
    assert error.status is Status.UNAVAILABLE
    await exchange(peer, transport)


async def test_a_body_without_end_is_refused(peer: Peer) -> None:
    transport = make(peer, max_receive_bytes=1000)
    task = start(transport)
    request = await peer.request()
    request.send_headers((":status", "200"), ("content-type", "text/plain"))
    request.send_data(b"x" * 2000)
    assert (await failure_of(task)).status is Status.RESOURCE_EXHAUSTED
    await exchange(peer, transport)
    await transport.aclose(0)


# Closing ...


async def test_closing_while_connecting_ends_both(peer: Peer) -> None:
    peer.silent = True
    transport = make(peer)
    task = start(transport)
    connection = await peer.arrivals.get()
    await eventually(lambda: connection.seen)
    await transport.aclose(0)
    assert (await failure_of(task)).closed
    await connection.lost.wait()


async def test_closing_says_goodbye(peer: Peer) -> None:
    transport = make(peer)
    await exchange(peer, transport)
    await transport.aclose(1)
    await eventually(lambda: peer.connections[0].farewell)


async def test_closing_a_transport_that_was_never_used_is_nothing() -> None:
    await GrpclibTransport(TransportOptions("localhost:1", insecure=True)).aclose(10)


async def test_closing_that_is_cancelled_ends_the_calls_all_the_same(peer: Peer) -> None:
    transport = make(peer)
    task = start(transport, timeout=None)
    request = await peer.request()
    closing = asyncio.create_task(transport.aclose(3600))
    await settle()
    closing.cancel()
    await asyncio.wait([closing])
    assert (await failure_of(task)).closed
    await request.connection.lost.wait()
