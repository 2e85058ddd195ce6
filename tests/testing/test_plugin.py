"""The plug-in for pytest, in suites of its own processes."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.command import environment

pytest_plugins = ["pytester"]

Run = Callable[..., pytest.RunResult]

# Named here, and nothing else loaded: so it is the same whether the package is installed or only importable.
PLUGINS = ("-p", "anyio", "-p", "flyteasync.testing.plugin", "-W", "error")


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a suite with the plug-in."""
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(source: str, *arguments: str, ini: str = "") -> pytest.RunResult:
        pytester.makeini(f"[pytest]\nanyio_mode = auto\naddopts = --strict-markers --strict-config\n{ini}")
        pytester.makepyfile(source)
        return pytester.runpytest_subprocess(*PLUGINS, *arguments, timeout=50)

    return run


def test_every_test_has_a_server_of_its_own(run: Run) -> None:
    result = run(
        """
        import pytest

        seen = []

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        def test_sync(flyte_env):
            from flyteasync.sync import FlyteRemote
            assert FlyteRemote(flyte_env.config).ping().version
            seen.append(flyte_env.endpoint)

        @pytest.mark.parametrize("n", [1, 2])
        async def test_async(flyte_env, n):
            async with flyte_env.remote() as remote:
                assert (await remote.ping()).version
            assert (await flyte_env.stats())["calls"] == {"GetVersion": {"OK": 1}}
            seen.append(flyte_env.endpoint)

        def test_apart():
            assert len(set(seen)) == 3
        """
    )
    result.assert_outcomes(passed=4)


def test_sync_tests_tell_the_server_what_to_do_too(run: Run) -> None:
    result = run(
        """
        import asyncio
        import pytest
        from flyteasync.sync import FlyteRemote
        from flyteasync.testing import Fault

        @pytest.mark.flyte(handlers={"double": lambda n: 2 * n})
        def test_it(flyte_env):
            asyncio.run(flyte_env.register("double", {"n": int}, {"o0": int}))
            asyncio.run(flyte_env.set_faults([Fault(method="CreateExecution", kind="lost_reply", times=1)]))
            remote = FlyteRemote(flyte_env.config, "flytesnacks", "development")
            plan = remote.fetch_launch_plan(name="double")
            execution = remote.execute(plan, inputs={"n": 4}, wait=True)
            assert execution.outputs.get("o0", int) == 8
            assert asyncio.run(flyte_env.stats())["executions"] == 1
        """
    )
    result.assert_outcomes(passed=1)


def test_a_remote_that_nobody_closed_is_no_error(run: Run) -> None:
    result = run(
        """
        import gc, pytest

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        @pytest.mark.parametrize("transport", ["grpc_aio", "grpclib"])
        async def test_open(flyte_env, transport):
            await flyte_env.remote(transport=transport).ping()

        def test_collected():
            gc.collect()
        """
    )
    result.assert_outcomes(passed=3)


def test_the_marker_says_what_the_server_is_started_with(run: Run) -> None:
    result = run(
        """
        import pytest
        from flyteasync.errors import FlyteUsageError, Status
        from flyteasync.testing import Fault, ServerConfig

        pytestmark = pytest.mark.flyte(server=ServerConfig(projects=("mine",)))

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        @pytest.mark.flyte(faults=[Fault(method="GetVersion", status=Status.PERMISSION_DENIED, times=1)])
        async def test_faults(flyte_env):
            remote = flyte_env.remote()
            with pytest.raises(Exception, match="injected fault"):
                await remote.ping()
            await remote.ping()
            assert "mine/" in repr(remote)
            async with flyte_env.outage():
                with pytest.raises(Exception):
                    await remote.ping()
            await remote.aclose()

        @pytest.mark.flyte(relay=False)
        class TestClass:
            @pytest.mark.flyte(where="process")
            async def test_relay(self, flyte_env):
                with pytest.raises(FlyteUsageError, match="no relay"):
                    await flyte_env.kill_connections()
                assert "mine/" in repr(flyte_env.remote())
        """
    )
    result.assert_outcomes(passed=2)


SHARED = """
import pytest

seen = []

def test_one(flyte_env):
    seen.append(flyte_env.endpoint)

def test_two(flyte_env):
    assert seen == [flyte_env.endpoint]
"""


@pytest.mark.parametrize("scope", ["module", "session"])
def test_a_server_may_live_longer(run: Run, scope: str) -> None:
    run(SHARED, ini=f"flyte_scope = {scope}").assert_outcomes(passed=2)


def test_a_marker_that_would_be_ignored_is_refused(run: Run) -> None:
    marked = SHARED + "\n@pytest.mark.flyte(relay=False)\ndef test_marked(flyte_env): pass\n"
    result = run(marked, ini="flyte_scope = module")
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(
        ["*the marker flyte of a test needs a server of the test's own, but flyte_scope is mod*"]
    )


def test_handlers_may_be_named_in_the_settings(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(mine="HANDLERS = 5")
    result = run("def test_it(flyte_env): pass", ini="flyte_handlers = mine:HANDLERS\npythonpath = .")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*mine:HANDLERS must be a mapping of handlers by task name*"])


@pytest.mark.parametrize(
    ("marker", "complaint"),
    [
        ("handler={}", "unknown handler"),
        ("{}", "they have to be named"),
        ("where='cloud'", "in a 'process' or a 'thread', not in 'cloud'"),
    ],
)
def test_a_marker_that_makes_no_sense_is_refused(run: Run, marker: str, complaint: str) -> None:
    result = run(f"import pytest\n\n@pytest.mark.flyte({marker})\ndef test_it(flyte_env): pass")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*{complaint}*"])


def test_a_scope_that_does_not_exist_is_refused(run: Run) -> None:
    result = run("def test_it(flyte_env): pass", ini="flyte_scope = forever")
    assert result.ret != 0
    assert "flyte_scope must be one of function, class, module, package, session, got 'forever'" in (
        result.stdout.str() + result.stderr.str()
    )


def test_a_suite_that_does_not_use_it_pays_nothing(run: Run) -> None:
    result = run(
        """
        import sys

        def test_imports():
            ours = {name.partition(".")[2] for name in sys.modules if name.split(".")[0] == "flyteasync"}
            assert ours == {"", "on_demand", "testing", "testing.plugin"}
            assert not {"grpc", "betterproto2", "grpclib", "tenacity"} & sys.modules.keys()
        """
    )
    result.assert_outcomes(passed=1)


def test_marker_and_settings_are_documented(run: Run) -> None:
    shown = run("", "--markers").stdout.str() + run("", "--help").stdout.str()
    assert "@pytest.mark.flyte(handlers=None, where='thread'" in shown
    assert "flyte_scope (string):" in shown
    assert "flyte_handlers (string):" in shown


def test_the_package_brings_the_plug_in() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"flyteasync": "flyteasync.testing.plugin"}
