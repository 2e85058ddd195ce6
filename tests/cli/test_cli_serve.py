"""`flyteasync serve`, as a user runs it."""

import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flyteasync import Config, FlyteRemote
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
