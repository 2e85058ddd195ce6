"""A module imports only from rows above its own, or from its own package; function-level imports count."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "flyteasync"

ROWS = {
    "on_demand": 0,
    "errors": 0,
    "cleanup": 1,
    "deadline": 1,
    "codec": 2,
    "config": 2,
    "idl": 3,
    "transport": 4,
    "literals": 4,
    "storage": 4,
    "interop": 4,
    "rpc": 5,
    "server": 5,
    "auth": 6,
    "entities": 7,
    "watcher": 8,
    "executions": 9,
    "remote": 10,
    "sync": 11,
    "testing": 12,
    "cli": 13,
}

SERVER_IS_KNOWN_TO = {"testing", "cli", "server"}
"""Client and server meet on the wire."""

SERVER_MAY_KNOW = 4
"""The last row that the server imports from; client and server share messages and values, not behaviour."""


def place_of(path: Path) -> str:
    """The name in ROWS that a file belongs to."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """Line number and place of every import of the package in a file, except those for type checkers alone."""
    package = ("flyteasync", *path.relative_to(ROOT).parts[:-1])
    tree = ast.parse(path.read_text())
    unseen = {id(node) for block in ast.walk(tree) if is_for_type_checkers(block) for node in ast.walk(block)}
    for node in ast.walk(tree):
        if id(node) in unseen:
            continue
        match node:
            case ast.ImportFrom(level=0, module=module) if module:
                targets = [(*module.split("."), alias.name) for alias in node.names]
            case ast.ImportFrom():
                base = package[: len(package) - node.level + 1]
                inner = tuple(node.module.split(".")) if node.module else ()
                targets = [(*base, *inner, alias.name) for alias in node.names]
            case ast.Import():
                targets = [tuple(alias.name.split(".")) for alias in node.names]
            case _:
                continue
        for target in targets:
            if target[0] == "flyteasync" and len(target) > 1 and target[1] in ROWS:
                yield node.lineno, target[1]


def is_for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def modules() -> list[Path]:
    return sorted(
        path for path in ROOT.rglob("*.py") if path.parent != ROOT or path.stem not in ("__init__", "__main__")
    )


def violations(path: Path) -> list[str]:
    here = place_of(path)
    found = []
    for line, there in imports_of(path):
        too_low = there != here and ROWS[there] >= ROWS[here]
        if here == "server" and there != here:
            too_low = ROWS[there] > SERVER_MAY_KNOW
        if too_low or (there == "server" and here not in SERVER_IS_KNOWN_TO):
            found.append(
                f"{path.relative_to(ROOT)}:{line}: {here} (row {ROWS[here]}) imports {there} (row {ROWS[there]})"
            )
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_module_imports_only_from_rows_above(path: Path) -> None:
    assert not violations(path)


def test_every_module_has_a_row() -> None:
    assert {place_of(path) for path in modules()} <= ROWS.keys()


def test_the_check_passes_over_what_only_type_checkers_import() -> None:
    path = ROOT / "errors.py"
    assert "TYPE_CHECKING" in path.read_text()
    assert not list(imports_of(path))


def test_the_check_sees_relative_absolute_and_nested_imports() -> None:
    path = ROOT / "rpc" / "call.py"
    assert {"codec", "deadline", "errors", "idl", "transport"} <= {there for _, there in imports_of(path)}
