"""The examples of a page of the documentation, to be run as they stand there."""

from __future__ import annotations

import ast
import inspect
import re
import types
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str) -> list[str]:
    """The Python blocks of a page, from the first to the last."""
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), flags=re.DOTALL)


async def run(source: str, names: dict[str, Any]) -> None:
    """Run a block, at whose top level there may be `await`."""
    code = compile(source, "<block>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    function = types.FunctionType(code, names)
    if inspect.iscoroutinefunction(function):
        await function()
    else:
        function()
