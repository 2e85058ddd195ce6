"""What the contract tests compare: signatures as the stored surfaces of flytekit write them."""

from __future__ import annotations

import inspect
from pathlib import Path

Signature = list[list[str | None]]


def signature_of(cls: type, member: str) -> Signature:
    """Name, kind and default of each parameter, without those that are new here: keyword-only, with a default."""
    signature = inspect.signature(cls if member == "__init__" else getattr(cls, member))
    static = inspect.getattr_static(cls, member)
    bound = member == "__init__" or isinstance(static, classmethod | staticmethod)
    parameters = list(signature.parameters.values())[0 if bound else 1 :]
    return [
        [parameter.name, parameter.kind.name, None if empty(parameter) else default_text(parameter.default)]
        for parameter in parameters
        if empty(parameter) or parameter.kind is not parameter.KEYWORD_ONLY
    ]


def empty(parameter: inspect.Parameter) -> bool:
    return parameter.default is parameter.empty


def default_text(default: object) -> str:
    """The default as text; what only marks that nothing was given has none of its own."""
    return "<object>" if type(default) is object else repr(default)


def differences_told(page: str) -> list[tuple[str, ...]]:
    """The rows of a page's table of differences: what flytekit does, what is done here, and why."""
    text = (Path(__file__).parent.parent.parent / "docs" / page).read_text()
    table = text.partition("## Differences from flytekit")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("|")][2:]
    return [tuple(cell.strip() for cell in row.strip("|").split(" | ")) for row in rows]


def assert_reasoned(row: tuple[str, ...]) -> None:
    """Check that a row of a table of differences tells all three, the reason in more than a word."""
    flytekit, here, reason = row
    assert flytekit
    assert here
    assert len(reason.split()) > 1
