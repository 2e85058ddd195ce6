"""The examples of docs/executions.md run, one after the other, as they stand there."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.backend import Backend
from tests.support.pages import blocks, run


async def test_the_examples_run(backend: Backend, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {"remote": backend.remote}
    shown: list[list[str]] = []
    for block in blocks("executions.md"):
        await run(block, names)
        shown.append(capsys.readouterr().out.splitlines())
    result, failure, aborted, again, nodes, one = shown
    assert result == ["5.0"]
    assert failure[0] == "FAILED"
    assert failure[1].endswith("no luck")
    assert failure[2].startswith("RetriesExhausted|USER:ValueError flytesnacks/development/")
    assert aborted == ["ABORTED took too long"]
    assert again == []
    assert one == ["[0, 1, 4]"]
    assert [line.split()[:3] for line in nodes] == [
        ["n0", "demo.squares", "SUCCEEDED"],
        ["n1", "demo.greet", "SUCCEEDED"],
        ["n2", "demo.report_lines", "SUCCEEDED"],
    ]
