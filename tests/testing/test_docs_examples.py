"""The examples of docs/testing.md, run as whoever copies them runs them."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from tests.support.command import environment

pytest_plugins = ["pytester"]

PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text()


def blocks(text: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def files() -> dict[str, dict[str, str]]:
    """The files of each example, by the example's title."""
    found: dict[str, dict[str, str]] = {}
    for section in PAGE.split("\n## ")[1:]:
        for block in blocks(section):
            if name := re.match(r"# (\w+)\.py\n", block):
                found.setdefault(section.partition("\n")[0], {})[name[1]] = block
    return found


@pytest.fixture
def isolated(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return pytester


@pytest.mark.parametrize(
    ("title", "passed"),
    {"test a service": 3, "without an event loop": 3, "script the life": 2, "inject an outage": 2}.items(),
)
def test_an_example_passes(isolated: pytest.Pytester, title: str, passed: int) -> None:
    (example,) = (files for name, files in files().items() if title in name)
    isolated.makepyfile(**example)
    result = isolated.runpytest_subprocess(
        "-p", "anyio", "-p", "flyteasync.testing.plugin", "-W", "error", "--strict-markers", timeout=50
    )
    result.assert_outcomes(passed=passed)


def test_the_first_example_runs(isolated: pytest.Pytester) -> None:
    body = textwrap.indent(blocks(PAGE)[0], "    ")
    script = isolated.makepyfile(script=f"import asyncio\n\nasync def main():\n{body}\nasyncio.run(main())\n")
    result = isolated.runpython(script)
    assert (result.ret, result.stderr.str()) == (0, "")
