"""`flyteasync.testing.Environment`: the same object over a server of its own and over one that runs already."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from flyteasync import Config, FlyteRemote, sync
from flyteasync.errors import (
    FlyteInvalidInputException,
    FlyteSystemUnavailableException,
    FlyteUsageError,
    Status,
)
from flyteasync.idl import admin
from flyteasync.remote.remote import RemoteOptions
from flyteasync.testing import Environment, Fault, Outage, RelayConfig, ServerConfig
from flyteasync.testing.environment import make_host
from tests.server import build
from tests.server.engine.nodes import sleep_gate
from tests.support.backend import FAST, register, single
from tests.support.wire import Wire, refuse


def double(n: int) -> int:
    return 2 * n


HANDLERS = {"double": double}


@pytest.fixture(params=["started", "connected"])
async def environment(request: pytest.FixtureRequest) -> AsyncGenerator[Environment]:
    async with await Environment.start(HANDLERS, where="thread", relay=True) as started:
        if request.param == "started":
            yield started
            return
        async with Environment.connect(started.endpoint) as connected:
            yield connected


def remote_of(environment: Environment) -> FlyteRemote:
    return environment.remote(default_project=build.PROJECT, default_domain=build.DOMAIN, options=FAST)


async def test_workflows_run(environment: Environment) -> None:
    remote = remote_of(environment)
    await register(remote, *single("double", {"n": int}, int))
    execution = await remote.execute(await remote.fetch_launch_plan(name="double"), {"n": 21}, wait=True)
    assert dict(execution.outputs) == {"o0": 42}


async def test_a_task_is_registered_with_a_workflow_and_a_launch_plan(environment: Environment) -> None:
    where: dict[str, Any] = {"project": build.PROJECT, "domain": build.DOMAIN}
    for _ in range(2):
        await environment.register("double", {"n": int}, {"o0": int}, **where)
    remote = remote_of(environment)
    for fetch in (remote.fetch_task, remote.fetch_workflow, remote.fetch_launch_plan):
        execution = await remote.execute(await fetch(name="double"), {"n": 4}, wait=True)
        assert dict(execution.outputs) == {"o0": 8}
    with pytest.raises(FlyteInvalidInputException, match="different structure"):
        await environment.register("double", {"n": str}, {"o0": int}, **where)


async def test_a_registration_needs_to_know_where() -> None:
    with pytest.raises(FlyteUsageError, match="name the project and the domain to register double in"):
        await Environment.connect("localhost:1").register("double")


async def test_remotes_have_the_scope_of_a_server_that_was_started_here() -> None:
    server = ServerConfig(projects=("mine", "yours"), domains=("staging",))
    async with await Environment.start(where="thread", server=server) as environment:
        assert (environment.project, environment.domain) == ("mine", "staging")
        for remote in (environment.remote(), environment.sync_remote()):
            assert (remote.default_project, remote.default_domain) == ("mine", "staging")
        for remote in (environment.remote("yours", "d"), environment.sync_remote(default_project="yours")):
            assert remote.default_project == "yours"
        wrong: Any = {"nonsense": 1}
        for make in (environment.remote, environment.sync_remote):
            with pytest.raises(TypeError, match="unexpected keyword argument 'nonsense'"):
                make(**wrong)
    connected = Environment.connect("localhost:1")
    assert (connected.project, connected.domain) == (None, None)
    assert connected.remote().default_project is None


def test_a_blocking_remote_reaches_the_server() -> None:
    host, config = make_host(HANDLERS, where="thread")
    with host:
        environment = Environment.of(host, config)
        asyncio.run(environment.register("double", {"n": int}, {"o0": int}))
        with environment.sync_remote(options=FAST) as remote:
            assert type(remote) is sync.FlyteRemote
            plan = remote.fetch_launch_plan(name="double")
            assert remote.execute(plan, {"n": 21}, wait=True).outputs["o0"] == 42


def test_what_passes_options_of_a_remote_on_knows_all_of_them() -> None:
    parameters = inspect.signature(FlyteRemote).parameters.values()
    named = {parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}
    assert named == RemoteOptions.__optional_keys__


async def test_faults_are_set_and_counted(environment: Environment) -> None:
    remote = remote_of(environment)
    await environment.set_faults([Fault(method="GetVersion", status=Status.INTERNAL)])
    with pytest.raises(Exception, match="injected fault"):
        await remote.ping()
    stats = await environment.stats(reset=True)
    assert stats["calls"] == {"GetVersion": {"INTERNAL": 1}}
    assert (stats["hits"], stats["connections"], stats["duplicates"]) == ({"GetVersion": 1}, 1, 0)
    assert stats["relay"]["open"] == 1
    assert stats["relay"]["bytes_in"] > stats["bytes_in"]
    await environment.set_faults()
    assert (await remote.ping()).version
    with pytest.raises(FlyteInvalidInputException, match="did you mean GetVersion"):
        await environment.set_faults([Fault(method="GetVersoin")])


async def test_time_is_skipped_inside_of_a_block(environment: Environment) -> None:
    remote = remote_of(environment)
    template = build.workflow("nap", [sleep_gate("n0", 86_400)])
    plan_id = await register(remote, template, [])
    plan = await remote.fetch_launch_plan(name=plan_id.name)
    execution = await remote.execute(plan)
    async with environment.skipping():
        await execution.wait(20)
    assert execution.closure.duration is not None
    assert 86_400 <= execution.closure.duration.total_seconds() < 86_500
    again = await remote.execute(plan)
    assert not (await again.sync()).is_done


async def test_time_is_moved_on_by_hand(environment: Environment) -> None:
    remote = remote_of(environment)
    await register(remote, build.workflow("nap", [sleep_gate("n0", 3600)]), [])
    execution = await remote.execute(await remote.fetch_launch_plan(name="nap"))
    before = await environment.now()
    assert (await environment.advance(3700) - before).total_seconds() >= 3700
    assert (await execution.sync()).is_successful


@pytest.mark.parametrize("mode", ["down", "stall", "refuse"])
async def test_an_outage_lasts_as_long_as_its_block(environment: Environment, mode: Any) -> None:
    remote = remote_of(environment).with_options(timeout=0.3)
    async with environment.outage(mode):
        with pytest.raises((FlyteSystemUnavailableException, TimeoutError)):
            await remote.ping()
        assert (await environment.stats())["calls"] == {}
    assert (await remote.with_options(timeout=10).admin.get_version(admin.GetVersionRequest())).control_plane_version


async def test_an_outage_ends_though_its_block_fails(environment: Environment) -> None:
    with pytest.raises(ZeroDivisionError):
        async with environment.outage():
            raise ZeroDivisionError
    assert (await remote_of(environment).ping()).version


async def test_outages_are_planned(environment: Environment) -> None:
    await environment.plan_outages(Outage(after=3600, seconds=1), Outage(seconds=3600))
    remote = remote_of(environment)
    with pytest.raises(FlyteSystemUnavailableException):
        await remote.ping()
    await environment.set_relay("open")
    await remote.admin.get_version(admin.GetVersionRequest())
    assert (await environment.stats())["relay"]["refused"] > 0


async def test_connections_are_killed_and_made_again(environment: Environment) -> None:
    remote = remote_of(environment)
    await remote.ping()
    assert await environment.kill_connections(0) == 0
    assert await environment.kill_connections() == 1
    await remote.admin.get_version(admin.GetVersionRequest())
    assert (await environment.stats())["relay"]["killed"] == 1


async def test_a_restarted_server_has_its_port_and_its_state(environment: Environment) -> None:
    remote = remote_of(environment)
    await register(remote, *single("double", {"n": int}, int))
    plan = await remote.fetch_launch_plan(name="double")
    execution = await remote.execute(plan, {"n": 4}, wait=True)
    await environment.restart(downtime=0.05)
    again = await remote.fetch_execution(name=execution.id.name)
    assert again.is_successful
    assert (await environment.stats())["restarts"] == 1


async def test_a_server_without_a_relay_says_what_it_lacks() -> None:
    async with await Environment.start(where="thread") as environment:
        with pytest.raises(FlyteUsageError, match="this server has no relay: start it with one"):
            async with environment.outage():
                pass
        with pytest.raises(FlyteUsageError, match="this server has no relay"):
            await environment.kill_connections()
        await environment.restart()


@pytest.mark.parametrize("status", [Status.UNIMPLEMENTED, Status.UNAUTHENTICATED])
async def test_a_cluster_cannot_be_told_what_to_do(status: Status) -> None:
    async with Wire(refuse(status)) as wire, Environment.connect(wire.endpoint) as environment:
        with pytest.raises(FlyteUsageError, match="is no embedded server"):
            await environment.set_faults()


def test_an_endpoint_that_cannot_be_is_refused() -> None:
    with pytest.raises(FlyteInvalidInputException, match="grpc://localhost"):
        Environment.connect("grpc://localhost")


async def test_a_cluster_behind_tls_cannot_be_told_what_to_do() -> None:
    environment = Environment.connect(Config.for_endpoint("flyte.example.com"))
    with pytest.raises(FlyteUsageError, match=r"flyte\.example\.com is no embedded server"):
        await environment.restart()


async def test_faults_and_relay_are_arguments_of_the_start() -> None:
    fault = Fault(method="GetVersion", details="mine", times=1)
    settings = ServerConfig(faults=(Fault(method="GetVersion", details="theirs", times=1),), projects=("p",))
    async with await Environment.start(
        where="thread", server=settings, faults=[fault], relay=RelayConfig(outages=(Outage(seconds=0.05),))
    ) as environment:
        remote = environment.remote(options=FAST)
        await remote.admin.get_version(admin.GetVersionRequest())
        assert (await environment.stats())["hits"] == {"GetVersion": 2}
        assert repr(remote).endswith(" p/development>")


async def test_a_server_in_a_process_takes_all_of_it_too() -> None:
    reason = admin.EventFailureReason(incompatible_cluster=admin.EventErrorIncompatibleCluster(cluster="c"))
    fault = Fault(method="GetVersion", status=Status.FAILED_PRECONDITION, messages=(reason,))
    async with await Environment.start(faults=[fault], relay=RelayConfig(kill_every=3600)) as environment:
        with pytest.raises(Exception, match="injected fault") as caught:
            await remote_of(environment).ping()
        assert getattr(caught.value, "details", None) == (reason,)
        async with environment.outage():
            with pytest.raises(FlyteSystemUnavailableException):
                await remote_of(environment).ping()
        await environment.set_faults()
        await environment.restart(grace=1, downtime=0.01)
        await remote_of(environment).admin.get_version(admin.GetVersionRequest())
        assert (await environment.stats())["restarts"] == 1


async def test_remotes_are_closed_with_their_environment() -> None:
    async with await Environment.start(where="thread") as environment:
        remote = environment.remote()
        await remote.ping()
    assert not remote.health


async def test_an_unknown_place_is_refused() -> None:
    with pytest.raises(FlyteInvalidInputException, match="in a 'process' or a 'thread', not in 'cloud'"):
        await Environment.start(where="cloud")  # pyright: ignore[reportArgumentType]
