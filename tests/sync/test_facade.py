"""The blocking facade: the same verbs without an event loop."""

from __future__ import annotations

import gc
import logging
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import flyteasync
from flyteasync import Config
from flyteasync.errors import (
    FlyteAssertion,
    FlyteEntityAlreadyExistsException,
    FlyteEntityNotExistException,
    FlyteInvalidInputException,
    FlyteRemoteClosed,
    FlyteTimeout,
    FlyteUsageError,
    FlyteValueException,
    Status,
)
from flyteasync.idl import core
from flyteasync.server import Fault
from flyteasync.server.host import Host
from flyteasync.sync import FlyteRemote, FlyteWorkflowExecution
from flyteasync.sync.portal import portal
from tests.support.backend import DOMAIN, FAST, LONG_TEXT, PROJECT
from tests.sync.conftest import Misbehave, calls, stats, wait_until

Phase = core.WorkflowExecutionPhase
INPUTS = {"n": 3, "name": "x"}
OUTPUTS = {"text": "hello x: 3 squares", "total": 5, "roots": [0, 1, 4]}


def open_connections() -> int:
    """How many remotes of this process are connected."""
    gc.collect()
    return sum(isinstance(one, flyteasync.FlyteRemote) and one.connected for one in gc.get_objects())


# The verbs ...


@pytest.mark.parametrize("kind", ["launch_plan", "workflow", "task"])
def test_an_entity_is_fetched_launched_and_awaited(remote: FlyteRemote, kind: str) -> None:
    entity = getattr(remote, f"fetch_{kind}")(name="nothing")
    execution = remote.execute(entity, wait=True)
    assert type(execution) is FlyteWorkflowExecution
    assert execution.is_successful
    assert dict(execution.outputs) == {}


def test_execute_and_wait_loads_values_and_nodes(remote: FlyteRemote) -> None:
    execution = remote.execute(remote.fetch_launch_plan(name="demo.report"), INPUTS, wait=True)
    assert dict(execution.outputs) == OUTPUTS
    assert dict(execution.inputs) == INPUTS
    assert dict(execution.node_executions["n1"].outputs) == {"o0": "hello x"}
    assert execution.outputs.get("total", float) == 5.0


def test_an_execution_is_watched_to_its_end(remote: FlyteRemote) -> None:
    execution = remote.execute(remote.fetch_launch_plan(name="demo.report"), INPUTS)
    events = list(execution.watch(nodes=True, poll_interval=0))
    assert events[-1].phase == Phase.SUCCEEDED
    assert execution.is_done
    nodes = {event.node_id for event in events if isinstance(event, flyteasync.NodeEvent)}
    assert {"start-node", "n0", "end-node"} <= nodes
    assert list(execution.watch(since=events[-1])) == []


@pytest.mark.parametrize("leave", ["break", "block", "close in another thread", "drop"])
def test_a_watch_that_is_left_stops_the_poller(remote: FlyteRemote, leave: str) -> None:
    execution = remote.execute(remote.fetch_launch_plan(name="hold"), {"name": "x"})
    watch = execution.watch()
    next(watch)
    if leave == "break":
        for _ in execution.watch():
            break
    elif leave == "block":
        with execution.watch() as other:
            next(other)
    elif leave == "close in another thread":
        threading.Timer(0.1, watch.close).start()
        assert all(event.phase != Phase.SUCCEEDED for event in watch)
    if leave != "drop":
        watch.close()
    del watch
    wait_until(lambda: portal().run(waiting(remote)) == 0)
    execution.terminate("enough")


async def waiting(remote: FlyteRemote) -> int:
    """How many executions the connection's poller asks for."""
    return remote.aio.watcher.waiting


def test_a_launch_shows_how_far_it_is_at_once(remote: FlyteRemote) -> None:
    execution = remote.execute(remote.fetch_launch_plan(name="hold"), {"name": "x"})
    assert execution.closure.created_at is not None
    assert dict(execution.inputs) == {"name": "x"}
    assert not execution.is_done
    with pytest.raises(FlyteAssertion, match="in progress"):
        _ = execution.outputs
    execution.terminate("enough")
    assert execution.wait().closure.phase == Phase.ABORTED
    assert execution.error is not None
    assert execution.error.message == "enough"


def test_a_wait_syncs_the_nodes_unless_told_otherwise(remote: FlyteRemote) -> None:
    for verb in (lambda e, **o: e.wait(**o), lambda e, **o: remote.wait(e, **o)):
        execution = remote.execution("finished")
        assert verb(execution, sync_nodes=False) is execution
        assert dict(execution.outputs) == OUTPUTS
        assert not execution.node_executions
        verb(execution)
        assert "n0" in execution.node_executions


def test_a_sync_reads_the_nodes_only_when_told(remote: FlyteRemote) -> None:
    execution = remote.execution("finished")
    assert execution.sync() is execution
    assert execution.is_successful
    assert not execution.node_executions
    assert remote.sync(execution, sync_nodes=True) is execution
    assert execution.node_executions


def test_positional_arguments_go_where_they_belong(remote: FlyteRemote) -> None:
    execution = remote.execution("finished")
    execution.wait(None, 1, False)
    assert not execution.node_executions
    execution.wait(60, None, True)
    assert execution.node_executions


def test_remotes_terminate_and_handles_are_the_same_as_fetched_ones(remote: FlyteRemote) -> None:
    execution = remote.execute(remote.fetch_launch_plan(name="hold"), {"name": "x"})
    fetched = remote.fetch_execution(name=execution.id.name)
    assert fetched == execution == remote.execution(execution.id.name)
    assert hash(fetched) == hash(execution)
    remote.terminate(fetched, "enough")
    assert remote.wait(execution).error is not None
    assert execution.execution_url.endswith(f"/executions/{execution.id.name}")
    assert execution.id.name in repr(execution)


def test_a_failed_execution_does_not_raise_and_tells_its_whole_error(remote: FlyteRemote) -> None:
    execution = remote.execution("failed").wait()
    assert not execution.is_successful
    assert execution.error is not None
    assert execution.error.message.endswith(LONG_TEXT)
    assert execution.node_executions["n0"].error is not None


def test_execute_adopts_what_has_the_name_already(
    remote: FlyteRemote, host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    plan = remote.fetch_launch_plan(name="nothing")
    stats(host, reset=True)
    with caplog.at_level(logging.WARNING, "flyteasync"):
        execution = remote.execute(plan, execution_name="finished")
    assert execution.is_successful
    assert "ListNodeExecutions" not in calls(host), "nodes come with a wait, as in flytekit"
    assert "adopted execution flytesnacks/development/finished" in caplog.text
    assert dict(execution.outputs) == OUTPUTS
    with pytest.raises(FlyteEntityAlreadyExistsException, match="differs"):
        remote.execute(plan, execution_name="finished", on_conflict="same")


def test_errors_are_those_of_the_async_package(remote: FlyteRemote, host: Host) -> None:
    with pytest.raises(FlyteEntityNotExistException, match="nowhere"):
        remote.fetch_execution(name="nowhere")
    with pytest.raises(FlyteEntityNotExistException):
        remote.execution("nowhere").wait()
    with pytest.raises(FlyteTimeout, match="running"):
        remote.execution("running").wait(timeout=0.1)
    with pytest.raises(FlyteTimeout):
        remote.execution("running").wait(timeout=0)
    plan = remote.fetch_launch_plan(name="demo.report")
    stats(host, reset=True)
    with pytest.raises(FlyteValueException, match="nmae"):
        remote.execute(plan, {"nmae": 1})
    with pytest.raises(FlyteInvalidInputException, match="timeout"):
        remote.execution("running").wait(timeout=-1)
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        remote.execution("running").wait(time_out=1)  # type: ignore[call-arg]
    assert calls(host) == {}


def test_a_launch_is_not_lost_because_a_look_at_it_failed(
    remote: FlyteRemote, misbehave: Misbehave, caplog: pytest.LogCaptureFixture
) -> None:
    """An error would make the caller launch it again."""
    plan = remote.fetch_launch_plan(name="nothing")
    misbehave(Fault(method="GetExecution", status=Status.INTERNAL))
    with caplog.at_level(logging.WARNING, "flyteasync"):
        execution = remote.execute(plan)
    assert "launched flytesnacks/development/" in caplog.text
    assert caplog.records[-1].__dict__["execution"] == f"flytesnacks/development/{execution.id.name}"
    misbehave()
    assert execution.wait().is_successful


def test_views_share_the_connection_and_have_their_own_options(remote: FlyteRemote) -> None:
    view = remote.with_options(timeout=5, metadata={"x-tenant": "blue"})
    assert type(view) is FlyteRemote
    assert view.ping().version == remote.ping().version
    assert view.stats is remote.stats
    assert view.stats.attempts["GetVersion"] == 2
    assert (view.default_project, view.default_domain, view.config) == (PROJECT, DOMAIN, remote.config)


def test_a_closed_remote_says_so(config: Config) -> None:
    remote = FlyteRemote(config, PROJECT, DOMAIN)
    execution = remote.fetch_execution(name="finished")
    assert remote.health
    remote.close()
    remote.aclose()
    assert not remote.health
    for call in (remote.ping, execution.sync, lambda: remote.fetch_task(name="nothing")):
        with pytest.raises(FlyteRemoteClosed):
            call()


def test_making_a_remote_does_nothing(config: Config) -> None:
    before = open_connections()
    remote = FlyteRemote(config, PROJECT, DOMAIN)
    assert repr(remote) == f"<FlyteRemote {config.platform.endpoint} {PROJECT}/{DOMAIN}>"
    assert open_connections() == before


# Where it may be called ...


async def test_it_works_inside_of_a_running_loop(config: Config) -> None:
    """It blocks the loop, as it must."""
    with FlyteRemote(config, PROJECT, DOMAIN) as remote:
        assert remote.execution("finished").wait().is_successful


def test_called_in_its_own_loop_it_raises_instead_of_hanging(remote: FlyteRemote) -> None:
    async def misuse() -> None:
        remote.ping()

    with pytest.raises(FlyteUsageError, match=r"use flyteasync\.FlyteRemote there"):
        portal().run(misuse())


def test_many_threads_may_use_one_remote(remote: FlyteRemote) -> None:
    plan = remote.fetch_launch_plan(name="demo.report")

    def run(index: int) -> Any:
        return dict(remote.execute(plan, {"n": index, "name": "x"}, wait=True).outputs)["roots"]

    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(run, range(32)))
    assert results == [[i * i for i in range(index)] for index in range(32)]


def test_waits_in_many_threads_share_one_poller(remote: FlyteRemote, host: Host) -> None:
    plan = remote.fetch_launch_plan(name="hold")
    executions = [remote.execute(plan, {"name": str(index)}) for index in range(10)]
    with ThreadPoolExecutor(10) as pool:
        waits = [pool.submit(execution.wait, sync_nodes=False) for execution in executions]
        for execution in executions:
            execution.terminate("enough")
        assert {future.result().closure.phase for future in waits} == {Phase.ABORTED}
    assert threading.active_count() < 30, "no thread for each wait"


def test_a_thread_that_ends_leaves_the_remote_usable(config: Config) -> None:
    remotes: list[FlyteRemote] = []

    def make() -> None:
        remote = FlyteRemote(config, PROJECT, DOMAIN)
        remote.ping()
        remotes.append(remote)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    assert remotes[0].ping().version
    remotes[0].close()


# Being dropped ...


def test_remotes_that_are_dropped_unclosed_close_their_connections(config: Config, host: Host) -> None:
    before = open_connections()
    connectors: list[weakref.ref[Any]] = []
    for _ in range(10):
        remote = FlyteRemote(config, PROJECT, DOMAIN, options=FAST)
        assert remote.execution("finished").wait().is_successful
        connectors.append(weakref.ref(remote.aio))
    del remote
    wait_until(lambda: open_connections() == before)
    assert [reference() for reference in connectors] == [None] * 10


def test_dropping_needs_no_garbage_collection(config: Config) -> None:
    gc.disable()
    try:
        remote = FlyteRemote(config, PROJECT, DOMAIN)
        execution = remote.execution("finished").sync()
        dropped = weakref.ref(remote.aio)
        del remote, execution
        assert dropped() is None
    finally:
        gc.enable()


def test_an_execution_keeps_the_connection_that_it_needs(config: Config) -> None:
    """A function that makes a remote, launches and returns the execution is common."""

    def launch() -> FlyteWorkflowExecution:
        remote = FlyteRemote(config, PROJECT, DOMAIN)
        return remote.execute(remote.fetch_launch_plan(name="nothing"))

    execution = launch()
    gc.collect()
    assert execution.wait().is_successful


def test_a_view_keeps_the_connection_that_it_needs(config: Config) -> None:
    remote = FlyteRemote(config, PROJECT, DOMAIN)
    remote.ping()
    view = remote.with_options(timeout=5)
    del remote
    gc.collect()
    assert view.ping().version
    assert view.execution("finished").wait().is_successful


def test_one_execution_has_one_facade(remote: FlyteRemote) -> None:
    execution = remote.execution("finished")
    assert execution.wait() is execution
    assert execution.sync() is execution
    assert remote.sync(execution) is execution
