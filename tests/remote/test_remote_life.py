"""The life of a remote: making it, one loop at a time, and its end."""

from __future__ import annotations

import asyncio
import gc
import math
import threading
from typing import Any

import anyio
import pytest

from flyteasync import CallOptions, Config, FlyteRemote, RetryPolicy
from flyteasync.errors import (
    FlyteInvalidInputException,
    FlyteRemoteClosed,
    FlyteSystemUnavailableException,
    FlyteWrongLoop,
)
from flyteasync.idl import admin
from flyteasync.server import Fault
from flyteasync.server.host import serve_in_thread
from tests.support.backend import FAST, TRANSPORT, Backend, remote_of
from tests.support.loop import eventually, settle

outlives_its_loop = pytest.mark.skipif(
    TRANSPORT != "grpc_aio", reason="asyncio warns of sockets that a closed loop leaves open"
)

NOWHERE = Config.for_endpoint("localhost:1", insecure=True)


# Making it ...


def test_making_a_remote_does_nothing() -> None:
    before = threading.active_count()
    remote = FlyteRemote(NOWHERE, "p", "d")
    view = remote.with_options(timeout=5)
    assert not remote.connected
    assert remote.health
    assert threading.active_count() == before
    assert (view.default_project, view.default_domain) == ("p", "d")
    assert repr(remote) == "<FlyteRemote localhost:1 p/d>"
    del remote, view
    gc.collect()  # nothing warns about what was never opened


def test_a_remote_needs_a_loop_to_do_anything() -> None:
    remote = FlyteRemote(NOWHERE)
    with pytest.raises(RuntimeError, match="no running event loop"):
        _ = remote.admin
    assert not remote.connected


@pytest.mark.parametrize("endpoint", ["", "http://", "host:port:1", "host:99999"], ids=repr)
def test_an_endpoint_that_cannot_be_is_refused(endpoint: str) -> None:
    with pytest.raises(FlyteInvalidInputException, match="endpoint"):
        FlyteRemote(Config.for_endpoint(endpoint, insecure=True))


def test_an_unknown_transport_is_refused() -> None:
    transport: Any = "carrier pigeon"
    with pytest.raises(FlyteInvalidInputException, match="carrier pigeon"):
        FlyteRemote(NOWHERE, transport=transport)


async def test_it_works_without_a_with_block(bare: Backend) -> None:
    remote = remote_of(bare.server.endpoint)
    assert (await remote.ping()).version
    assert remote.connected
    await remote.aclose()


async def test_ping_tells_version_and_latency(bare: Backend) -> None:
    answer = await bare.remote.ping()
    assert answer.version
    assert 0 < answer.latency < 5
    assert bare.calls() == 1


async def test_ping_of_a_server_that_is_gone_is_an_error_to_pass_on() -> None:
    async with remote_of("127.0.0.1:1") as remote:
        with pytest.raises(FlyteSystemUnavailableException) as caught:
            await remote.ping()
        assert caught.value.http_status == 503
        assert remote.health, "whether it can be used is another question"


# One loop at a time ...


async def test_a_remote_that_another_loop_uses_refuses_and_says_why(bare: Backend) -> None:
    await bare.remote.ping()

    def elsewhere() -> BaseException | None:
        async def ping() -> None:
            await bare.remote.ping()

        try:
            asyncio.run(ping())
        except FlyteWrongLoop as error:
            return error
        return None

    error = await asyncio.to_thread(elsewhere)
    assert isinstance(error, FlyteWrongLoop)
    assert "one remote a loop" in str(error)
    await bare.remote.ping()


async def test_a_remote_is_closed_in_its_own_loop(bare: Backend) -> None:
    await bare.remote.ping()

    def elsewhere() -> bool:
        try:
            asyncio.run(bare.remote.aclose())
        except FlyteWrongLoop:
            return True
        return False

    assert await asyncio.to_thread(elsewhere)
    assert bare.remote.health
    await bare.remote.ping()


@outlives_its_loop
def test_a_remote_may_be_used_again_when_its_loop_is_closed() -> None:
    with serve_in_thread() as host:
        remote = remote_of(host.endpoint)
        for _ in range(3):
            assert asyncio.run(remote.ping()).version
        assert remote.stats.attempts["GetVersion"] == 3
        asyncio.run(remote.aclose())
        with pytest.raises(FlyteRemoteClosed):
            asyncio.run(remote.ping())
    gc.collect()


@outlives_its_loop
def test_a_remote_whose_loop_is_gone_is_closed_without_it() -> None:
    with serve_in_thread() as host:
        remote = remote_of(host.endpoint)
        asyncio.run(remote.ping())
        asyncio.run(remote.aclose())
    assert not remote.health


# The end ...


async def test_closing_twice_is_no_error(bare: Backend) -> None:
    await bare.remote.ping()
    await bare.remote.aclose()
    await bare.remote.aclose()
    await asyncio.gather(bare.remote.aclose(), bare.remote.aclose())
    assert not bare.remote.health
    assert not bare.remote.connected


async def test_closing_what_was_never_used_is_no_error() -> None:
    remote = FlyteRemote(NOWHERE)
    await remote.aclose()
    assert not remote.health


async def test_a_closed_remote_says_so_and_so_do_its_views_and_executions(backend: Backend) -> None:
    remote = backend.remote
    view = remote.with_options(timeout=5)
    plan = await remote.fetch_launch_plan(name="nothing")
    execution = await remote.execute(plan)
    await view.aclose()
    for call in (
        remote.ping(),
        view.ping(),
        remote.execute(plan),
        remote.fetch_task(name="nothing"),
        execution.sync(),
        execution.wait(),
        execution.wait(timeout=0),
        execution.terminate("x"),
    ):
        with pytest.raises(FlyteRemoteClosed, match="closed"):
            await call
    assert not view.health


async def test_calls_under_way_may_end_within_the_grace(backend: Backend) -> None:
    backend.misbehave(Fault(method="GetVersion", kind="delay", delay=0.1))
    task = asyncio.ensure_future(backend.remote.ping())
    await eventually(lambda: backend.server.stats.in_flight)
    await backend.remote.aclose(grace=5)
    assert (await task).version


async def test_after_the_grace_calls_under_way_fail_and_are_not_cancelled(bare: Backend) -> None:
    bare.misbehave(Fault(method="*", kind="hang"))
    task = asyncio.ensure_future(bare.remote.ping())
    await eventually(lambda: bare.server.stats.in_flight)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await bare.remote.aclose(grace=0.1)
    assert 0.09 < loop.time() - began < 1
    with pytest.raises(FlyteRemoteClosed, match="GetVersion"):
        await task


async def test_calls_that_queue_or_pause_fail_too(bare: Backend) -> None:
    bare.misbehave(Fault(method="GetVersion", kind="hang"), Fault(method="GetDomains"))
    options = CallOptions(retry=RetryPolicy(initial_backoff=0.2, max_backoff=0.2))
    remote = remote_of(bare.server.endpoint, max_concurrent_rpcs=9, options=options)
    pausing = asyncio.ensure_future(remote.admin.get_domains(admin.GetDomainRequest()))
    await eventually(lambda: bare.calls("GetDomains"))
    hanging = asyncio.ensure_future(remote.ping())
    await eventually(lambda: bare.server.stats.in_flight)
    queueing = asyncio.ensure_future(remote.ping())
    await settle()
    await remote.aclose(0)
    for task in (pausing, hanging, queueing):
        with pytest.raises(FlyteRemoteClosed):
            await task


@pytest.mark.parametrize("grace", [-1, math.nan, "5"], ids=repr)
async def test_a_grace_that_makes_no_sense_is_refused_and_nothing_is_closed(bare: Backend, grace: Any) -> None:
    with pytest.raises(FlyteInvalidInputException, match="grace"):
        await bare.remote.aclose(grace)
    await bare.remote.ping()


async def test_leaving_a_block_closes_and_an_error_in_it_does_not_wait(bare: Backend) -> None:
    bare.misbehave(Fault(method="*", kind="hang"))
    loop = asyncio.get_running_loop()
    began = loop.time()
    remote = remote_of(bare.server.endpoint)

    async def fail() -> None:
        async with remote:
            task = asyncio.ensure_future(remote.ping())
            tasks.append(task)
            await eventually(lambda: bare.server.stats.in_flight)
            raise ZeroDivisionError

    tasks: list[asyncio.Task[Any]] = []
    with pytest.raises(ZeroDivisionError):
        await fail()
    assert loop.time() - began < 0.9
    with pytest.raises(FlyteRemoteClosed):
        await tasks[0]


async def test_a_cancelled_block_is_closed_all_the_same(bare: Backend) -> None:
    remote = remote_of(bare.server.endpoint)
    with anyio.move_on_after(0.05) as scope:
        async with remote:
            await remote.ping()
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert not remote.health


async def test_a_cancelled_close_has_closed(bare: Backend) -> None:
    bare.misbehave(Fault(method="*", kind="hang"))
    remote = remote_of(bare.server.endpoint)
    hanging = asyncio.ensure_future(remote.ping())
    await eventually(lambda: bare.server.stats.in_flight)
    closing = asyncio.ensure_future(remote.aclose(grace=100))
    await settle()
    closing.cancel()
    await asyncio.wait([closing])
    assert closing.cancelled()
    async with asyncio.timeout(1):
        with pytest.raises(FlyteRemoteClosed):
            await hanging
    await eventually(lambda: not bare.server.stats.in_flight)


async def test_a_close_that_a_scope_ends_has_closed(bare: Backend) -> None:
    bare.misbehave(Fault(method="*", kind="hang"))
    remote = remote_of(bare.server.endpoint)
    hanging = asyncio.ensure_future(remote.ping())
    await eventually(lambda: bare.server.stats.in_flight)
    with anyio.move_on_after(0.05) as scope:
        await remote.aclose(grace=100)
    assert scope.cancelled_caught
    async with asyncio.timeout(1):
        with pytest.raises(FlyteRemoteClosed):
            await hanging


async def test_a_remote_that_is_dropped_unclosed_says_nothing(bare: Backend) -> None:
    remote = remote_of(bare.server.endpoint, options=FAST)
    await remote.ping()
    del remote
    gc.collect()
    await settle()
