"""The examples of docs/launching.md run, one after the other, as they stand there."""

from __future__ import annotations

from typing import Any

import pytest

from flyteasync import FlyteWorkflowExecution
from tests.support.backend import Backend
from tests.support.pages import blocks, run

BLOCKS = blocks("launching.md")


async def test_the_examples_run(backend: Backend, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {"remote": backend.remote}
    traced = 0
    for block in BLOCKS:
        if "otel" in block:
            pytest.importorskip("opentelemetry")
            traced += 1
        await run(block, names)
    assert (len(BLOCKS), traced) == (10, 1)
    shown = capsys.readouterr().out
    assert shown.startswith("hello you: 3 squares\n")
    assert sum(line.endswith(" True") for line in shown.splitlines()) == 10
    assert len(names["results"]) == 10
    assert all(isinstance(run, FlyteWorkflowExecution) and run.is_successful for run in names["results"].values())
    assert names["failed"] == names["still_failed"] == []
    assert not names["traced"].connected
