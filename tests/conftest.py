"""What all tests share: one event loop kind whose clock can be moved, and a look for tasks that were left behind."""

import asyncio
import inspect
from collections.abc import AsyncGenerator

import hypothesis
import pytest

from flyteasync import FlyteRemote
from tests.support.backend import Backend
from tests.support.loop import WarpLoop

# A change is judged by the same examples each time; the long suite explores.
hypothesis.settings.register_profile("default", derandomize=True, deadline=None)
hypothesis.settings.register_profile("long", deadline=None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--transport", choices=["grpc_aio", "grpclib"], help="what carries the calls of remotes that name no transport"
    )


def pytest_configure(config: pytest.Config) -> None:
    if transport := config.getoption("--transport"):
        FlyteRemote.__init__.__kwdefaults__["transport"] = transport
    hypothesis.settings.load_profile("long" if config.getoption("-m") == "long" else "default")


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "asyncio", {"loop_factory": WarpLoop}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.function):
            item.fixturenames.insert(0, "no_task_left_behind")


def runs_the_tests(task: asyncio.Task[object]) -> bool:
    """Whether a task belongs to anyio's plug-in."""
    return "TestRunner" in getattr(task.get_coro(), "__qualname__", "")


@pytest.fixture
async def no_task_left_behind() -> AsyncGenerator[None]:
    """Fail a test that leaves tasks running; what was cancelled a moment ago may take a moment to end."""
    yield
    for _ in range(100):
        left = {task for task in asyncio.all_tasks() if not runs_the_tests(task)}
        if not left:
            return
        await asyncio.wait(left, timeout=0.01)
    pytest.fail(f"tasks left behind: {left}")


@pytest.fixture
async def backend() -> AsyncGenerator[Backend]:
    """An embedded server in the test's loop, with workflows registered, and a remote."""
    async with Backend() as started:
        yield started


@pytest.fixture
async def bare() -> AsyncGenerator[Backend]:
    """An embedded server in the test's loop, with nothing registered, and a remote; ten times as quick to start."""
    async with Backend(registered=False) as started:
        yield started
