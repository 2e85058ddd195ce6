"""What is wrong with a template."""

from __future__ import annotations

from collections.abc import Iterable


class CompileError(Exception):
    """A template that cannot run; the text lists every reason as the propeller's compiler does."""

    def __init__(self, errors: Iterable[str]) -> None:
        ordered = sorted(set(errors))
        lines = (f"\tError {index}: {error}\n" for index, error in enumerate(ordered))
        super().__init__(f"Collected Errors: {len(ordered)}\n" + "".join(lines))


def report(errors: list[str], code: str, node_id: str, description: str) -> None:
    """Add a reason."""
    errors.append(f"Code: {code}, Node Id: {node_id}, Description: {description}")
