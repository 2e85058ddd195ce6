"""Flyte's messages as betterproto2 generates and codes them, without this package's codec."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent


def generate(folder: Path) -> None:
    """Write the messages below a folder, as the package `stock_idl`, and have them found."""
    spec = importlib.util.spec_from_file_location("generate_idl", ROOT / "tools" / "generate_idl.py")
    assert spec is not None
    assert spec.loader is not None
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    package = folder / "stock_idl"
    package.mkdir()
    with _quiet():
        generator.compile_messages(generator.descriptor_set(), "flyteidl/", package)
    find(folder)


def find(folder: Path) -> None:
    """Have the messages found that are already written below a folder."""
    sys.path.insert(0, str(folder))


def twin(ours: type[Any]) -> Any:
    """The class of a message of ours."""
    module = importlib.import_module(f"stock_idl.flyteidl.{ours.__module__.rpartition('.')[2]}")
    return getattr(module, ours.__name__)


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    """The compiler, another process, talks to standard error."""
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
