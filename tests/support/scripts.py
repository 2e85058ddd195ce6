"""Scripts that use a remote, in processes of their own, with a time limit."""

import subprocess
import sys
import textwrap

from flyteasync.transport import TransportName
from tests.support.command import environment

LIMIT = 20.0

PRELUDE = """
import asyncio, os, sys, traceback
from flyteasync import Config, FlyteRemote
from flyteasync.errors import FlyteUsageError, FlyteWrongLoop

ENDPOINT, TRANSPORT = sys.argv[1:]

def make(transport=TRANSPORT):
    return FlyteRemote(Config.for_endpoint(ENDPOINT, insecure=True), transport=transport)

async def ask(remote):
    return (await remote.ping()).version

def in_child(work):
    '''Run a function in a fork; returns whether it succeeded.'''
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
"""


def run(script: str, endpoint: str, transport: TransportName) -> None:
    """Run a script to its end; fails with what it printed.

    Warnings are errors, but for Python's own of forks in processes that have threads.
    """
    warnings = ("-W", "error", "-W", "ignore:This process:DeprecationWarning")
    done = subprocess.run(
        [sys.executable, "-X", "dev", *warnings, "-c", PRELUDE + textwrap.dedent(script), endpoint, transport],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        env=environment(),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    assert "Warning" not in done.stderr, done.stderr
