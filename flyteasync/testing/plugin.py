"""The plug-in for pytest: the fixture `flyte_env`, the marker `flyte`, and two settings.

Every run of pytest in an environment that has flyteasync imports this module, so it imports nothing of the package
until a test asks for the fixture.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

import pytest

if TYPE_CHECKING:
    from .environment import Environment

SCOPES = ("function", "class", "module", "package", "session")

OPTIONS = ("handlers", "where", "server", "faults", "relay")

DEFAULTS: Mapping[str, Any] = {"where": "thread", "relay": True}
"""What differs from `Environment.start`: tests have closures, and want to pull the plug."""

_MARKER = (
    "flyte(handlers=None, where='thread', server=None, faults=(), relay=True): "
    "what the server of the fixture flyte_env is started with"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the settings."""
    parser.addini("flyte_scope", f"how long a server of flyte_env lives: {', '.join(SCOPES)}", default="function")
    parser.addini("flyte_handlers", "module:attribute of the handlers of tests that name none", default="")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line("markers", _MARKER)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuse a marker that would be ignored."""
    if "flyte_env" not in getattr(item, "fixturenames", ()):
        return
    scope = cast("str", item.config.getini("flyte_scope"))
    own = [marker for marker in item.own_markers if marker.name == "flyte"]
    if own and scope != "function":
        raise pytest.UsageError(
            f"{item.nodeid}: the marker flyte of a test needs a server of the test's own, but flyte_scope is {scope}"
        )


def _scope(fixture_name: str, config: pytest.Config) -> Any:
    scope = config.getini("flyte_scope")
    if scope not in SCOPES:
        raise pytest.UsageError(f"flyte_scope must be one of {', '.join(SCOPES)}, got {scope!r}")
    return scope


@pytest.fixture(scope=_scope)
def flyte_env(request: pytest.FixtureRequest) -> Iterator[Environment]:
    """An embedded flyteadmin with nothing registered: a `flyteasync.testing.Environment`."""
    from .environment import Environment, make_host

    host, config = make_host(**_options(request))
    with host:
        yield Environment.of(host, config)


def _options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The settings of the server: those of the nearest marker that has them."""
    options = dict(DEFAULTS)
    handlers = cast("str", request.config.getini("flyte_handlers"))
    if handlers:
        options["handlers"] = handlers
    for marker in reversed(list(cast("Iterator[pytest.Mark]", request.node.iter_markers("flyte")))):
        unknown = sorted(set(marker.kwargs) - set(OPTIONS))
        if unknown or marker.args:
            what = f"unknown {', '.join(unknown)}" if unknown else "they have to be named"
            raise pytest.UsageError(f"the marker flyte has the arguments {', '.join(OPTIONS)}; {what}")
        options |= marker.kwargs
    return options
