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


def run(script: str, endpoint: str, transport: TransportName, *, closes: bool = True) -> None:
    """Run a script to its end; fails with what it printed.

    One that does not close its remote gets Python's own warning of that, and one that forks while it has threads, too.
    """
    warnings = ["-W", "error", "-W", "ignore:This process:DeprecationWarning"]
    if not closes:
        warnings += ["-W", "ignore::ResourceWarning"]
    done = subprocess.run(
        [sys.executable, "-X", "dev", *warnings, "-c", PRELUDE + textwrap.dedent(script), endpoint, transport],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        env=environment(),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
