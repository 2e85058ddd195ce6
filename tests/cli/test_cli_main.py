"""The command line as such: help, version, what is not installed."""

import subprocess
import sys

import pytest

from tests.support.command import LIMIT, environment, run

SCRIPT = "import sys; {before}; sys.argv[0] = 'flyteasync'; from flyteasync.cli import main; main()"


def run_after(before: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process that does something else first."""
    return subprocess.run(
        [sys.executable, "-c", SCRIPT.format(before=before), *arguments],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        env=environment(),
    )


def test_help_lists_the_commands() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert "demo " in done.stdout
    assert "serve " in done.stdout


@pytest.mark.parametrize("arguments", [["--help"], ["demo", "--help"], ["serve", "--help"]], ids=" ".join)
def test_help_imports_neither_grpc_nor_messages(arguments: list[str]) -> None:
    report = "import atexit; atexit.register(lambda: print(*sys.modules))"
    done = run_after(report, *arguments)
    assert done.returncode == 0
    imported = done.stdout.split()
    assert "click" in imported
    assert not {"grpc", "betterproto2", "flyteasync.idl", "asyncio"} & set(imported)


def test_the_command_needs_no_more_than_a_package_without_extras_to_say_what_it_lacks() -> None:
    done = run_after("sys.modules['click'] = None", "--help")
    assert done.returncode == 1
    assert done.stderr == "the flyteasync command needs click: pip install 'flyteasync[cli]'\n"


def test_the_demo_says_what_it_lacks() -> None:
    done = run_after("sys.modules['rich'] = None", "demo")
    assert done.returncode == 1
    assert done.stderr == "the flyteasync command needs rich: pip install 'flyteasync[cli]'\n"


def test_a_defect_in_an_import_of_ours_is_not_mistaken_for_a_missing_extra() -> None:
    done = run_after("sys.modules['grpc'] = None", "serve")
    assert done.returncode == 1
    assert "ModuleNotFoundError" in done.stderr
    assert "pip install" not in done.stderr


def test_an_unknown_command_is_a_usage_error() -> None:
    done = run("dance")
    assert done.returncode == 2
    assert "No such command 'dance'" in done.stderr
