"""The examples of docs/launching.md run, one after the other, as they stand there."""

from __future__ import annotations

import ast
import inspect
import re
import types
from pathlib import Path
from typing import Any

import pytest

from flyteasync import FlyteWorkflowExecution
from tests.support.backend import Backend

PAGE = Path(__file__).parents[2] / "docs" / "launching.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)


async def run(source: str, names: dict[str, Any]) -> None:
    """Run a block, at whose top level there may be `await`."""
    code = compile(source, str(PAGE), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    function = types.FunctionType(code, names)
    if inspect.iscoroutinefunction(function):
        await function()
    else:
        function()


async def test_the_examples_run(backend: Backend, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {"remote": backend.remote}
    traced = 0
    for block in BLOCKS:
        if "otel" in block:
            pytest.importorskip("opentelemetry")
            traced += 1
        await run(block, names)
    assert (len(BLOCKS), traced) == (8, 1)
    shown = capsys.readouterr().out
    assert shown.startswith("hello you: 3 squares\n")
    assert sum(line.endswith(" True") for line in shown.splitlines()) == 10
    assert len(names["results"]) == 10
    assert all(isinstance(run, FlyteWorkflowExecution) and run.is_successful for run in names["results"].values())
    assert not names["traced"].connected
