"""Names of a package that are imported when they are first asked for, so that programs pay for what they use."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def on_demand(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """The `__getattr__` and `__dir__` of a package.

    Args:
        package: its full name.
        homes: by public name, the module inside the package that has it.
    """
    namespace = vars(sys.modules[package])

    def find(name: str) -> object:
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = namespace[name] = getattr(import_module(f".{home}", package), name)
        return value

    def names() -> list[str]:
        return sorted({*namespace, *homes})

    return find, names
