"""A server that says goodbye: which calls go on, which are repeated, and which are connection loss."""

from __future__ import annotations

import asyncio

import pytest
from h2.errors import ErrorCodes
from hyperframe.frame import DataFrame, GoAwayFrame, HeadersFrame

from flyteasync import CallOptions, Config, FlyteRemote, RetryPolicy
from flyteasync.errors import FlyteSystemUnavailableException, Status
from flyteasync.idl import admin
from flyteasync.transport import Transport, TransportError, TransportName, TransportOptions
from flyteasync.transport.grpclib import GrpclibTransport
from tests.support.http2 import Peer, Request, message
from tests.transport.conftest import Connect

PATH = "/flyteidl.service.AdminService/GetVersion"
FAST = CallOptions(timeout=10, retry=RetryPolicy(initial_backoff=0.001, max_backoff=0.01))
EVERY_STREAM = 2**31 - 1


def start(transport: Transport, request: bytes = b"request", timeout: float | None = 10.0) -> asyncio.Task[bytes]:
    return asyncio.create_task(transport.unary(PATH, request, timeout=timeout, metadata=()))


async def failure_of(task: asyncio.Task[bytes]) -> TransportError:
    with pytest.raises(TransportError) as caught:
        await task
    return caught.value


async def two_calls(peer: Peer, transport: Transport) -> tuple[asyncio.Task[bytes], asyncio.Task[bytes], list[Request]]:
    """Two calls under way over one connection, the lower stream first."""
    first, second = start(transport, b"first"), start(transport, b"second")
    requests = sorted([await peer.request(), await peer.request()], key=lambda request: request.stream)
    if requests[0].payload == b"second":
        first, second = second, first
    return first, second, requests


async def test_calls_that_the_server_still_answers_get_their_replies(connect: Connect) -> None:
    async with Peer() as peer:
        first, second, requests = await two_calls(peer, connect(peer.endpoint))
        requests[0].connection.go_away(requests[1].stream)
        requests[0].reply(b"one")
        assert await first == b"one"
        requests[1].reply(b"two")
        assert await second == b"two"
        await requests[0].connection.lost.wait()


async def test_a_goodbye_in_two_steps_ends_no_call(connect: Connect) -> None:
    """grpc-go says first that it will take no more, and then how far it has come."""
    async with Peer() as peer:
        first, second, requests = await two_calls(peer, connect(peer.endpoint))
        connection = requests[0].connection
        connection.go_away(EVERY_STREAM)
        requests[0].reply(b"one")
        connection.go_away(requests[1].stream)
        requests[1].reply(b"two")
        assert (await first, await second) == (b"one", b"two")


async def test_calls_after_a_goodbye_go_over_another_connection(connect: Connect) -> None:
    async with Peer() as peer:
        transport = connect(peer.endpoint)
        first = start(transport)
        request = await peer.request()
        request.connection.go_away(request.stream)
        request.reply(b"one")
        assert await first == b"one"
        second = start(transport)
        again = await peer.request()
        assert again.connection is not request.connection
        again.reply(b"two")
        assert await second == b"two"


async def test_calls_that_the_server_did_not_look_at_are_safe_to_repeat(
    connect: Connect, transport_name: TransportName
) -> None:
    async with Peer() as peer:
        first, second, requests = await two_calls(peer, connect(peer.endpoint))
        requests[0].connection.go_away(requests[0].stream)
        requests[0].reply(b"one")
        assert await first == b"one"
        if transport_name == "grpc_aio":  # which repeats them itself
            again = await peer.request()
            assert again.connection is not requests[0].connection
            again.reply(b"two")
            assert await second == b"two"
        else:
            error = await failure_of(second)
            assert error.status is Status.UNAVAILABLE
            assert error.unprocessed


async def test_calls_that_were_begun_when_the_connection_ends_are_connection_loss(connect: Connect) -> None:
    async with Peer() as peer:
        task = start(connect(peer.endpoint))
        request = await peer.request()
        request.connection.go_away(request.stream, ErrorCodes.ENHANCE_YOUR_CALM, b"too_many_pings")
        request.connection.transport.close()
        error = await failure_of(task)
        assert error.status is Status.UNAVAILABLE
        assert not error.unprocessed
        assert "too_many_pings" in error.text


async def test_a_launch_that_the_server_did_not_look_at_is_made_again(transport_name: TransportName) -> None:
    """Even one that must never be made twice, since it was not made once."""
    async with Peer() as peer:
        config = Config.for_endpoint(peer.endpoint, insecure=True)
        async with FlyteRemote(config, transport=transport_name, options=FAST) as remote:
            version = asyncio.create_task(remote.admin.get_version(admin.GetVersionRequest()))
            known = await peer.request()
            launch = asyncio.create_task(remote.admin.create_execution(admin.ExecutionCreateRequest(name="f1")))
            unseen = await peer.request()
            known.connection.go_away(known.stream)
            known.reply(b"")
            await version
            again = await peer.request()
            assert again.connection is not known.connection
            assert again.body == unseen.body
            again.reply(b"")
            assert await launch == admin.ExecutionCreateResponse()


async def test_a_launch_that_the_server_may_have_seen_is_not_made_again(transport_name: TransportName) -> None:
    async with Peer() as peer:
        config = Config.for_endpoint(peer.endpoint, insecure=True)
        async with FlyteRemote(config, transport=transport_name, options=FAST) as remote:
            launch = asyncio.create_task(remote.admin.create_execution(admin.ExecutionCreateRequest(name="f1")))
            request = await peer.request()
            request.connection.go_away(request.stream)
            request.connection.transport.close()
            with pytest.raises(FlyteSystemUnavailableException):
                await launch
            assert peer.requests.empty()


async def test_frames_that_arrive_together_with_a_goodbye_are_not_lost() -> None:
    async with Peer() as peer:
        transport = GrpclibTransport(TransportOptions(peer.endpoint, insecure=True))
        first, second, requests = await two_calls(peer, transport)
        connection = requests[0].connection
        encoder = connection.http2.encoder
        stream = requests[0].stream
        headers = HeadersFrame(stream, encoder.encode([(":status", "200")]), flags=["END_HEADERS"])
        data = DataFrame(stream, message(b"one"))
        trailers = HeadersFrame(stream, encoder.encode([("grpc-status", "0")]), flags=["END_HEADERS", "END_STREAM"])
        connection.send_frames(headers, GoAwayFrame(0, last_stream_id=stream), data, trailers)
        assert await first == b"one"
        assert (await failure_of(second)).unprocessed
        await connection.lost.wait()
        await transport.aclose(0)


async def test_a_goodbye_to_all_while_connecting_is_no_connection() -> None:
    async with Peer(silent=True) as peer:
        transport = GrpclibTransport(TransportOptions(peer.endpoint, insecure=True))
        task = start(transport)
        (await peer.arrivals.get()).go_away(0, ErrorCodes.ENHANCE_YOUR_CALM, b"full")
        error = await failure_of(task)
        assert error.status is Status.UNAVAILABLE
        assert error.unprocessed
        assert "full" in error.text
        await transport.aclose(0)
