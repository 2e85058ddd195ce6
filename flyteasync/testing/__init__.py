"""A Flyte backend for tests: see docs/testing.md.

Names are imported when they are first asked for: pytest imports this package for its plug-in, in every run.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..server import Fault as Fault
    from ..server import Outage as Outage
    from ..server import RelayConfig as RelayConfig
    from ..server import ServerConfig as ServerConfig
    from ..server import TaskFailed as TaskFailed
    from .environment import Environment as Environment

__all__ = ["Environment", "Fault", "Outage", "RelayConfig", "ServerConfig", "TaskFailed"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = ".environment" if name == "Environment" else "..server"
    value = globals()[name] = getattr(importlib.import_module(home, __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
