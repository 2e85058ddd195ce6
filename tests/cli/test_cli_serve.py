"""`flyteasync serve`, as a user runs it."""

import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from flyteasync import Config, FlyteRemote
from flyteasync.errors import FlytePermissionDenied, FlyteSystemException, FlyteSystemUnavailableException
from flyteasync.idl import admin
from flyteasync.testing import Environment
from tests.support.command import FLYTEASYNC, Terminal, end, run, started

PROMPT = 5.0
"""Seconds within which a server that was told to ends; it takes a fraction of one."""


@contextmanager
def serving(*arguments: str) -> Generator[tuple[subprocess.Popen[str], str]]:
    """A server's process, with the endpoint that it printed."""
    with started(*FLYTEASYNC, "serve", "--port", "0", *arguments) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("flyteasync server listening on 127.0.0.1:"), line
        yield process, line.rpartition(" ")[2].strip()


async def test_the_printed_endpoint_answers() -> None:
    with serving() as (_, endpoint):
        async with FlyteRemote(Config.for_endpoint(endpoint, insecure=True)) as remote:
            assert (await remote.ping()).version


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_ends_it_at_once_with_status_0(number: signal.Signals) -> None:
    with serving() as (process, _):
        took, out, errors = end(process, number)
    assert (process.returncode, out, errors) == (0, "", "")
    assert took < PROMPT


def test_ctrl_c_in_a_terminal_ends_it_with_status_0() -> None:
    with Terminal("serve", "--port", "0") as terminal:
        terminal.read_until("listening on 127.0.0.1:")
        terminal.press_ctrl_c()
        assert terminal.finish() == 0
    assert "Traceback" not in terminal.seen


async def test_a_client_that_is_connected_does_not_delay_the_end() -> None:
    with serving() as (process, endpoint):
        async with FlyteRemote(Config.for_endpoint(endpoint, insecure=True)) as remote:
            await remote.ping()
            took, _, errors = end(process, signal.SIGTERM)
    assert (process.returncode, errors) == (0, "")
    assert took < PROMPT


def test_a_port_in_use_is_a_clear_error() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = run("serve", "--port", str(port))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"Error: cannot listen on 127.0.0.1:{port}: Address already in use\n"


@pytest.mark.parametrize(
    ("handlers", "complaint"),
    [
        ("nosuch:HANDLERS", "cannot load nosuch:HANDLERS: No module named 'nosuch'"),
        ("string:digits", "string:digits must be a mapping of handlers by task name"),
    ],
)
def test_handlers_that_cannot_be_loaded_are_named(handlers: str, complaint: str) -> None:
    done = run("serve", "--port", "0", "--handlers", handlers)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"Error: {complaint}")
    assert done.stderr.count("\n") == 1


def test_handlers_are_found_in_the_current_directory_by_the_installed_command(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("HANDLERS = ['not a mapping']\n")
    # As the console script does, which puts its own folder, not the current one, on the path.
    script = "import sys; sys.path = [p for p in sys.path if p]; from flyteasync.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, "serve", "--port", "0", "--handlers", "mine:HANDLERS"],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert "mine:HANDLERS must be a mapping of handlers by task name" in done.stderr


def test_a_port_that_cannot_be_is_a_usage_error() -> None:
    done = run("serve", "--port", "65536")
    assert done.returncode == 2
    assert "--port" in done.stderr


async def test_projects_latency_and_faults_are_as_asked_for() -> None:
    faults = '[{"method": "GetVersion", "status": "PERMISSION_DENIED", "details": "not today", "times": 1}]'
    options = ("--seed-project", "one", "--seed-project", "two", "--latency", "0.2", "--faults", faults)
    with serving(*options) as (_, endpoint):
        async with FlyteRemote(Config.for_endpoint(endpoint, insecure=True)) as remote:
            with pytest.raises(FlytePermissionDenied, match="not today"):
                await remote.ping()
            assert (await remote.ping()).latency > 0.2
            listed = await remote.admin.list_projects(admin.ProjectListRequest(limit=10))
            assert sorted(project.id for project in listed.projects) == ["one", "two"]


async def test_faults_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "faults.json"
    file.write_text('{"method": "GetVersion", "status": "INTERNAL", "details": "from a file"}')
    with serving("--faults", str(file)) as (_, endpoint):
        async with FlyteRemote(Config.for_endpoint(endpoint, insecure=True)) as remote:
            with pytest.raises(FlyteSystemException, match="from a file"):
                await remote.ping()


@pytest.mark.parametrize(
    ("faults", "complaint"),
    [
        (
            "nosuch.json",
            "--faults takes JSON, which begins with '[' or '{', or a file: cannot read nosuch.json: No such",
        ),
        ("[{]", "--faults is not JSON: Expecting property name"),
        ("[5]", """--faults, fault 1: expected an object such as {"method": "GetExecution"}, got 5"""),
        ('[{"method": "GetVersion"}, {"kind": "hang"}]', "--faults, fault 2: a fault has the keys calls, "),
        (
            '{"method": "GetVersion", "status": "BAD"}',
            "--faults, fault 1: status of a fault must be one of OK, CANCELLED",
        ),
        (
            '{"method": "GetVersoin"}',
            "method of a fault must be the name of an RPC such as 'CreateExecution', or '*', go",
        ),
    ],
)
def test_faults_that_make_no_sense_are_named(faults: str, complaint: str) -> None:
    done = run("serve", "--port", "0", "--faults", faults)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"Error: {complaint}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [("--latency", "-1"), ("--latency", "fast"), ("--log-level", "loud"), ("--seed-project",)],
    ids=" ".join,
)
def test_options_that_cannot_be_are_usage_errors(arguments: tuple[str, ...]) -> None:
    done = run("serve", "--port", "0", *arguments)
    assert done.returncode == 2
    assert arguments[0] in done.stderr


async def test_the_health_check_is_served_over_http_where_the_second_line_says() -> None:
    with serving("--http-port", "0") as (process, _):
        assert process.stdout is not None
        line = process.stdout.readline()
        url = line.rpartition(" ")[2].strip()
        assert url.endswith("/healthcheck")
        async with httpx2.AsyncClient() as client:
            assert (await client.get(url)).status_code == 200


async def test_what_is_logged_is_as_asked_for() -> None:
    fault = '{"method": "GetVersion", "kind": "unknown_field"}'
    with serving("--log-level", "debug", "--faults", fault) as (process, endpoint):
        async with FlyteRemote(Config.for_endpoint(endpoint, insecure=True)) as remote:
            await remote.ping()
        _, _, errors = end(process, signal.SIGTERM)
    assert "DEBUG flyteasync.server: GetVersion: OK" in errors
    assert "DEBUG flyteasync.server: GetVersion is hit by a fault: unknown_field" in errors


async def test_a_server_with_a_relay_can_be_cut_off() -> None:
    with serving("--relay") as (_, endpoint):
        async with Environment.connect(endpoint) as environment:
            async with environment.outage():
                with pytest.raises(FlyteSystemUnavailableException):
                    await environment.remote().ping()
            assert await environment.kill_connections() == 0


def test_the_extra_of_the_command_brings_all_that_serve_needs() -> None:
    extras = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    assert "flyteasync[server]" in extras["cli"]
    assert any(requirement.startswith("uvicorn") for requirement in extras["server"])
