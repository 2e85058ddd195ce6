"""`FlyteRemote`: everything that a program asks of a Flyte backend."""

from typing import TYPE_CHECKING

from ..on_demand import on_demand

if TYPE_CHECKING:
    from .completions import Outcome
    from .names import execution_name
    from .options import Options
    from .remote import FlyteRemote

_HOMES = {
    "FlyteRemote": "remote",
    "Options": "options",
    "Outcome": "completions",
    "execution_name": "names",
}

__all__ = ["FlyteRemote", "Options", "Outcome", "execution_name"]

__getattr__, __dir__ = on_demand(__name__, _HOMES)
