"""flytekit's classes of files and datasets, recognised without importing flytekit.

A dataclass that a caller shares with its tasks is annotated with them, and callers of flytekit give values of them.
"""

from __future__ import annotations

from typing import Any


def is_foreign(python_type: Any, name: str) -> bool:
    """Whether the type is flytekit's of that name, or a subclass of it."""
    if not isinstance(python_type, type):
        return False
    return any(base.__name__ == name and base.__module__.startswith("flytekit.types.") for base in python_type.__mro__)
