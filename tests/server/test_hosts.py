"""Servers in threads, in processes and in the foreground."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import httpx2
import pytest

from flyteasync.errors import FlyteInvalidInputException, FlyteSystemUnavailableException, FlyteUsageError, Status
from flyteasync.idl import admin, core, methods
from flyteasync.server import Fault, ServerConfig
from flyteasync.server.control_client import ControlClient
from flyteasync.server.host import Host, serve_in_process, serve_in_thread
from flyteasync.server.process import ProcessHost
from flyteasync.server.references import refer
from tests.server import handlers_for_processes
from tests.server.build import execution_id, node, promise, task, workflow
from tests.server.client import Client, RpcFailed

MODULE = "tests.server.handlers_for_processes"
ROOT = Path(__file__).parents[2]
E1 = execution_id("e1")


async def run_double(client: Client, name: str = "double") -> Any:
    """Run one task over a connection and return its output."""
    plan = await client.register(
        workflow("wf", [node("n0", name, {"x": promise("x")})], {"x": int}, {"o0": (int, promise("n0.o0"))}),
        [task(name, {"x": int}, {"o0": int})],
    )
    await client.finish(await client.launch(plan, "e1", {"x": 21}))
    return (await client.outputs(E1))["o0"]


async def start_task(client: Client, name: str) -> None:
    """Launch a task without inputs and outputs, and wait until it runs."""
    plan = await client.register(workflow("wf", [node("n0", name)]), [task(name)])
    await client.launch(plan, "e1")
    await client.node(E1, "n0", core.NodeExecutionPhase.RUNNING)


def alive(pid: int) -> bool:
    """Whether a process is there; one that has ended and waits to be asked for is not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def gone(pid: int) -> None:
    async with asyncio.timeout(15):
        while alive(pid):  # noqa: ASYNC110 # another process tells nobody
            await asyncio.sleep(0.02)


async def test_a_server_in_a_thread_takes_closures() -> None:
    factor = 2
    async with serve_in_thread(handlers={"double": lambda x: factor * x}) as host:
        client = Client(host.endpoint)
        assert await run_double(client) == 42
        await client.aclose()


async def test_only_a_process_that_does_nothing_else_collects_garbage_rarely() -> None:
    before = gc.get_freeze_count()
    for serve, differs in ((serve_in_thread, False), (serve_in_process, True)):
        async with serve(handlers={"frozen": handlers_for_processes.frozen}) as host:
            client = Client(host.endpoint)
            plan = await client.register(
                workflow("wf", [node("n0", "frozen")], {}, {"o0": (int, promise("n0.o0"))}),
                [task("frozen", {}, {"o0": int})],
            )
            await client.finish(await client.launch(plan, "e1"))
            frozen = (await client.outputs(E1))["o0"]
            assert (frozen > 10_000) if differs else (frozen == before)
            await client.aclose()


async def test_an_async_handler_runs_in_the_threads_own_loop() -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    async def double(x: int) -> int:
        loops.append(asyncio.get_running_loop())
        return 2 * x

    async with serve_in_thread(handlers={"double": double}) as host:
        client = Client(host.endpoint)
        assert await run_double(client) == 42
        await client.aclose()
    assert loops != [asyncio.get_running_loop()]


def test_a_server_in_a_thread_is_started_and_stopped_from_sync_code() -> None:
    with serve_in_thread() as host:
        assert re.fullmatch(r"127\.0\.0\.1:\d+", host.endpoint)
        names = [thread.name for thread in threading.enumerate()]
        assert "flyteasync server" in names
    assert "flyteasync server" not in [thread.name for thread in threading.enumerate() if thread.is_alive()]


@pytest.mark.parametrize("serve", [serve_in_thread, serve_in_process])
def test_a_host_is_started_once_and_may_be_stopped_often(serve: Any) -> None:
    host: Host = serve()
    host.start()
    with pytest.raises(FlyteUsageError, match="started before"):
        host._begin()  # pyright: ignore[reportPrivateUsage]
    host.stop()
    host.stop()
    with pytest.raises(FlyteUsageError):
        host.start()
    never: Host = serve()
    never.stop()
    with pytest.raises(FlyteUsageError):
        never.start()


@pytest.mark.parametrize("serve", [serve_in_thread, serve_in_process])
def test_an_address_that_is_taken_cannot_be_served_on(serve: Any) -> None:
    with serve_in_thread() as first:
        port = int(first.endpoint.rpartition(":")[2])
        host: Host = serve(ServerConfig(port=port))
        with pytest.raises(FlyteSystemUnavailableException, match=f"cannot listen on 127.0.0.1:{port}"):
            host.start()
        host.stop()


@pytest.mark.parametrize("serve", [serve_in_thread, serve_in_process])
async def test_faults_and_counters_of_a_host_can_be_reached(serve: Any) -> None:
    async with serve(ServerConfig(projects=("p",))) as host:
        await host.set_faults([Fault(method="GetVersion", status=Status.INTERNAL)])
        client = Client(host.endpoint)
        failure = await client.fails(methods.GET_VERSION, admin.GetVersionRequest())
        assert failure.status == Status.INTERNAL
        assert (await host.stats(reset=True))["hits"] == {"GetVersion": 1}
        assert (await host.stats())["hits"] == {}
        await client.aclose()


async def test_starting_and_stopping_do_not_block_the_loop() -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.01)

    ticker = asyncio.ensure_future(tick())
    async with serve_in_process() as host:
        assert ticks > 3
        before = ticks
        client = Client(host.endpoint)
        await client.call(methods.GET_VERSION, admin.GetVersionRequest())
        await client.aclose()
    assert ticks > before
    ticker.cancel()


async def test_a_cancelled_start_ends_the_process() -> None:
    host = ProcessHost(ServerConfig(), None)
    starting = asyncio.ensure_future(host.start_async())
    await asyncio.sleep(0)
    assert host.pid is not None
    starting.cancel()
    await asyncio.wait([starting])
    assert starting.cancelled()
    await gone(host.pid)
    await host.stop_async()


async def test_a_server_in_a_process_runs_importable_functions() -> None:
    handlers = {"double": handlers_for_processes.double, "pid": f"{MODULE}:process_id"}
    async with serve_in_process(handlers=handlers) as host:
        client = Client(host.endpoint)
        assert await run_double(client) == 42
        assert isinstance(host, ProcessHost)
        assert host.pid not in (None, os.getpid())
        await client.aclose()


@pytest.mark.parametrize(
    ("serve", "path"),
    [
        (serve_in_thread, f"{MODULE}:HANDLERS"),
        (serve_in_thread, f"{MODULE}:make_handlers"),
        (serve_in_process, f"{MODULE}:make_handlers"),
    ],
)
async def test_handlers_are_a_mapping_or_made_by_a_function(serve: Any, path: str) -> None:
    async with serve(handlers=path) as host:
        client = Client(host.endpoint)
        assert await run_double(client) == 42
        await client.aclose()


def local_handler() -> Any:
    def inner() -> None:
        return None

    return inner


renamed = handlers_for_processes.double


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (lambda: None, "it is a lambda or is defined inside of another function"),
        (local_handler(), "it is a lambda or is defined inside of another function"),
        (json.JSONDecoder(), "it is not a function with a name"),
    ],
)
def test_a_function_that_cannot_be_imported_is_rejected_for_a_process(handler: Any, reason: str) -> None:
    with pytest.raises(FlyteInvalidInputException) as caught:
        serve_in_process(handlers={"t": handler})
    assert str(caught.value) == (
        f"the handler of task 't' cannot be loaded by another process: {reason}. Name an importable one as "
        "'module:attribute', or run the server in a thread with serve_in_thread()"
    )


def test_a_function_under_another_name_is_found_where_it_was_defined() -> None:
    assert refer({"t": renamed}) == {"t": f"{MODULE}:double"}


@pytest.mark.parametrize(
    ("handlers", "text"),
    [
        ("no colon", "handlers are named as 'module:attribute', got 'no colon'"),
        ("nope.nope:x", "cannot load nope.nope:x: No module named 'nope'"),
        (f"{MODULE}:nope", f"cannot load {MODULE}:nope: module '{MODULE}' has no attribute 'nope'"),
        (f"{MODULE}:NOT_HANDLERS", f"{MODULE}:NOT_HANDLERS must be a mapping of handlers by task name"),
        ({"t": f"{MODULE}:NOT_HANDLERS"}, "the handler of task 't' must be a function, got int"),
    ],
)
def test_a_reference_to_nothing_is_rejected(handlers: Any, text: str) -> None:
    with pytest.raises(FlyteInvalidInputException) as caught:
        serve_in_thread(handlers=handlers)
    assert text in str(caught.value)


def test_a_reference_to_nothing_is_rejected_by_the_child() -> None:
    host = serve_in_process(handlers={"t": f"{MODULE}:NOT_HANDLERS"})
    with pytest.raises(FlyteInvalidInputException, match="the handler of task 't' must be a function, got int"):
        host.start()


def test_what_a_module_raises_in_the_child_is_told() -> None:
    host = serve_in_process(handlers=f"{MODULE}:fail_to_make")
    with pytest.raises(FlyteSystemUnavailableException, match="the server's process failed: cannot be made"):
        host.start()


def test_a_child_that_dies_before_it_listens_leaves_its_last_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = tmp_path / "python"
    fake.write_text("#!/bin/sh\necho 'out of order' >&2\nexit 3\n")
    fake.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(fake))
    with pytest.raises(FlyteSystemUnavailableException) as caught:
        serve_in_process().start()
    assert "exit code 3" in str(caught.value)
    assert "out of order" in str(caught.value)


def test_a_child_that_cannot_be_started_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nope"))
    host = serve_in_process()
    with pytest.raises(FlyteSystemUnavailableException, match=r"the server's process cannot be started: .*nope"):
        host.start()
    host.stop()


def test_a_child_that_never_listens_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = tmp_path / "python"
    fake.write_text("#!/bin/sh\nexec sleep 60\n")
    fake.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(fake))
    monkeypatch.setattr("flyteasync.server.process.START_TIMEOUT", 0.1)
    with pytest.raises(FlyteSystemUnavailableException, match=r"did not within 0\.1 seconds"):
        serve_in_process().start()


async def test_what_the_child_writes_is_passed_on_and_never_blocks_it(capfd: pytest.CaptureFixture[str]) -> None:
    async with serve_in_process(handlers={"talk": handlers_for_processes.talk}) as host:
        client = Client(host.endpoint)
        plan = await client.register(workflow("wf", [node("n0", "talk")]), [task("talk")])
        execution = await client.finish(await client.launch(plan, "e1"))
        assert execution.closure.phase == core.WorkflowExecutionPhase.SUCCEEDED
        await client.aclose()
    errors = capfd.readouterr().err
    assert "a word from the child" in errors
    assert errors.count("out\n") == 40_000


@pytest.mark.parametrize("handler", ["block", "block_the_loop"])
async def test_a_handler_that_never_returns_does_not_keep_the_process(handler: str) -> None:
    host = serve_in_process(handlers={"t": f"{MODULE}:{handler}"})
    await host.start_async()
    assert isinstance(host, ProcessHost)
    assert host.pid is not None
    client = Client(host.endpoint)
    plan = await client.register(workflow("wf", [node("n0", "t")]), [task("t")])
    await client.launch(plan, "e1")
    await client.aclose()
    await host.stop_async()
    assert not alive(host.pid)


PARENT = """
import sys, time
from flyteasync.server.host import serve_in_process
host = serve_in_process()
host.start()
print(host.pid, host.endpoint, flush=True)
{then}
"""


def parent(then: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PARENT).format(then=then)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.mark.parametrize(
    ("then", "kill"),
    [("sys.exit(0)", None), ("import os; os._exit(1)", None), ("time.sleep(60)", signal.SIGKILL)],
)
async def test_a_process_does_not_outlive_its_parent(then: str, kill: int | None) -> None:
    process = parent(then)
    assert process.stdout is not None
    pid = int((await asyncio.to_thread(process.stdout.readline)).split()[0])
    if kill is not None:
        assert alive(pid)
        process.send_signal(kill)
    await asyncio.to_thread(process.wait)
    process.stdout.close()
    await gone(pid)


async def test_a_fork_that_holds_the_pipe_does_not_keep_the_process() -> None:
    process = parent("import os; os.fork() or time.sleep(8); os._exit(0)")
    assert process.stdout is not None
    pid = int((await asyncio.to_thread(process.stdout.readline)).split()[0])
    await asyncio.to_thread(process.wait)
    await gone(pid)
    process.stdout.close()


def serve_command(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "flyteasync.server", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_command_serves_until_a_signal_ends_it(number: int) -> None:
    process = serve_command("--handlers", f"{MODULE}:HANDLERS")
    assert process.stdout is not None
    line = await asyncio.to_thread(process.stdout.readline)
    client = Client(line.rpartition(" ")[2].strip())
    assert await run_double(client) == 42
    async with ControlClient(client.endpoint) as control:
        await control.set_faults([Fault(method="GetVersion", kind="hang")])
    hanging = asyncio.ensure_future(client.call(methods.GET_VERSION, admin.GetVersionRequest()))
    await asyncio.sleep(0.01)
    process.send_signal(number)
    out, errors = await asyncio.to_thread(process.communicate, timeout=15)
    assert (process.returncode, out, errors) == (0, "", "")
    with pytest.raises(RpcFailed):
        await hanging
    await client.aclose()


async def test_the_command_answers_health_checks_and_ends_all_the_same() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    process = serve_command("--http-port", str(port))
    assert process.stdout is not None
    lines = [await asyncio.to_thread(process.stdout.readline) for _ in range(2)]
    assert lines[1] == f"signed URLs and health on http://127.0.0.1:{port}/healthcheck\n"
    async with httpx2.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"http://127.0.0.1:{port}/healthcheck")).status_code == 200
    process.send_signal(signal.SIGTERM)
    out, errors = await asyncio.to_thread(process.communicate, timeout=15)
    assert (process.returncode, out, errors) == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--http-port", "-1"], "http_port must be None or from 0 to 65535, got -1"),
        (["--handlers", "nope:x"], "cannot load nope:x: No module named 'nope'"),
        (["--port", "70000"], "port must be from 0 to 65535, got 70000"),
    ],
)
def test_the_command_says_what_is_wrong(arguments: list[str], text: str) -> None:
    process = serve_command(*arguments)
    _, errors = process.communicate(timeout=15)
    assert (process.returncode, errors) == (1, text + "\n")


async def test_a_server_that_is_not_there_is_told_by_the_control_client() -> None:
    with serve_in_thread() as host:
        endpoint = host.endpoint
    async with ControlClient(endpoint) as control:
        with pytest.raises(FlyteSystemUnavailableException, match=f"Ping on {endpoint}: UNAVAILABLE"):
            await control.ping()
