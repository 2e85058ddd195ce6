"""A server in a thread, and blocking remotes of it."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from flyteasync import Config
from flyteasync.server import Fault
from flyteasync.server.host import Host
from flyteasync.sync import FlyteRemote
from flyteasync.sync.portal import portal
from tests.support.backend import DOMAIN, FAST, PROJECT, TRANSPORT
from tests.support.threaded import prepared_server

Misbehave = Callable[..., None]


@pytest.fixture(scope="package")
def host() -> Iterator[Host]:
    with prepared_server() as started:
        yield started


@pytest.fixture
def config(host: Host) -> Config:
    return Config.for_endpoint(host.endpoint, insecure=True)


@pytest.fixture
def remote(config: Config) -> Iterator[FlyteRemote]:
    with FlyteRemote(config, PROJECT, DOMAIN, options=FAST, transport=TRANSPORT) as made:
        yield made


@pytest.fixture
def misbehave(host: Host) -> Iterator[Misbehave]:
    """Replace the server's faults; there are none after the test."""

    def replace(*faults: Fault) -> None:
        asyncio.run(host.set_faults(faults))
        stats(host, reset=True)

    yield replace
    replace()


def wait_until(condition: Callable[[], object]) -> None:
    """Return when a condition holds that comes true through I/O; fails after five seconds."""
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end, "the condition did not come true"
        portal().run(asyncio.sleep(0))


def stats(host: Host, *, reset: bool = False) -> dict[str, Any]:
    """What the server counted."""
    return asyncio.run(host.stats(reset=reset))


def calls(host: Host) -> dict[str, int]:
    """How many RPCs of each method have ended since the counters were reset."""
    return {method: sum(ended.values()) for method, ended in stats(host)["calls"].items()}


@contextmanager
def ctrl_c_when(condition: Callable[[], object]) -> Iterator[None]:
    """Send this thread a real SIGINT as soon as a condition holds."""
    target = threading.get_ident()

    def watch() -> None:
        end = time.monotonic() + 5
        while not condition() and time.monotonic() < end:
            time.sleep(0.001)
        signal.pthread_kill(target, signal.SIGINT)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        thread.join()
