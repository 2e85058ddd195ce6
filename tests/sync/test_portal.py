"""The loop thread: results, errors, Ctrl-C, and the end."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator

import pytest

from flyteasync.errors import FlyteUsageError
from flyteasync.server import Fault
from flyteasync.server.host import Host
from flyteasync.sync import FlyteRemote
from flyteasync.sync.portal import Portal, portal
from tests.sync.conftest import Misbehave, ctrl_c_when, stats, wait_until


@pytest.fixture
def own() -> Iterator[Portal]:
    """A portal of the test's own."""
    made = Portal()
    yield made
    made.close()


def test_there_is_one_thread_for_the_process() -> None:
    assert portal() is portal()
    names = {portal().run(_thread_name()) for _ in range(3)}
    assert names == {"flyteasync"}
    assert sum(thread.name == "flyteasync" for thread in threading.enumerate()) == 1


async def _thread_name() -> str:
    return threading.current_thread().name


def test_results_and_errors_come_back(own: Portal) -> None:
    async def fail() -> None:
        raise ZeroDivisionError("no")

    assert own.run(asyncio.sleep(0, "result")) == "result"
    with pytest.raises(ZeroDivisionError, match="no") as caught:
        own.run(fail())
    assert [entry.name for entry in caught.traceback][-1] == "fail", "the traceback reaches where it was raised"


def test_an_error_is_freed_with_its_handler(own: Portal) -> None:
    class Marked(Exception):
        pass

    async def fail() -> None:
        raise Marked

    gc.disable()
    try:
        try:
            own.run(fail())
        except Marked as error:
            reference = weakref.ref(error)
        own.run(asyncio.sleep(0))  # the loop lets go of what it ran last
        assert reference() is None, "no cycle keeps it and its frames"
    finally:
        gc.enable()


def test_context_variables_are_those_of_the_caller(own: Portal) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")

    async def read() -> str:
        return variable.get()

    variable.set("callers")
    assert own.run(read()) == "callers"


def test_ctrl_c_cancels_the_call_and_waits_until_it_has_cleaned_up(own: Portal) -> None:
    began, cleaned = threading.Event(), threading.Event()

    async def work() -> None:
        try:
            began.set()
            await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.sleep(0.05)
            cleaned.set()

    with ctrl_c_when(began.is_set), pytest.raises(KeyboardInterrupt):
        own.run(work())
    assert cleaned.is_set()


def test_ctrl_c_while_the_server_hangs_ends_the_call_and_the_remote_stays_usable(
    remote: FlyteRemote, host: Host, misbehave: Misbehave
) -> None:
    execution = remote.execution("running")
    for call in (remote.ping, execution.sync, execution.wait, lambda: remote.fetch_task(name="nothing")):
        misbehave(Fault(method="*", kind="hang"))
        began = time.monotonic()
        with ctrl_c_when(lambda: stats(host)["hits"]), pytest.raises(KeyboardInterrupt):
            call()
        assert time.monotonic() - began < 3
        wait_until(lambda: stats(host)["in_flight"] == 0)  # the RPC is cancelled at the server, too
        misbehave()
        assert remote.ping().version


def test_ctrl_c_ends_a_wait_and_not_the_execution(remote: FlyteRemote, host: Host) -> None:
    execution = remote.execution("running")
    stats(host, reset=True)
    with ctrl_c_when(lambda: stats(host)["calls"].get("GetExecution")), pytest.raises(KeyboardInterrupt):
        execution.wait()
    assert not execution.sync().is_done
    assert "TerminateExecution" not in stats(host)["calls"]


def test_a_call_in_the_loop_thread_raises_and_leaves_nothing_unawaited(own: Portal) -> None:
    async def misuse() -> None:
        own.run(asyncio.sleep(0))

    with pytest.raises(FlyteUsageError, match="its own event loop"):
        own.run(misuse())


def test_a_call_after_the_end_is_refused(own: Portal) -> None:
    own.close()
    own.close()
    with pytest.raises(FlyteUsageError, match="had ended"):
        own.run(asyncio.sleep(0))
    own.submit(asyncio.sleep(0))


def test_a_call_that_is_cancelled_from_inside_is_an_error(own: Portal) -> None:
    async def give_up() -> None:
        raise asyncio.CancelledError

    with pytest.raises(FlyteUsageError, match="was cancelled"):
        own.run(give_up())


SCRIPT = """
import sys, threading
from flyteasync import Config
from flyteasync.sync import FlyteRemote
remote = FlyteRemote(Config.for_endpoint(sys.argv[1], insecure=True), "flytesnacks", "development")
remote.ping()
execution = remote.execution("running")
threading.Thread(target=execution.wait, daemon=True).start()
remote.execution("finished").wait()
print("done")
"""


def test_a_process_that_closes_nothing_ends_by_itself_and_quietly(host: Host) -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT, host.endpoint], capture_output=True, text=True, timeout=30
    )
    assert ended.stdout == "done\n"
    assert ended.returncode == 0
    assert "Traceback" not in ended.stderr, ended.stderr
