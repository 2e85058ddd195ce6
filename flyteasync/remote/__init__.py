"""`FlyteRemote`: everything that a program asks of a Flyte backend."""

from .completions import Outcome
from .names import execution_name
from .options import Options
from .remote import FlyteRemote

__all__ = ["FlyteRemote", "Options", "Outcome", "execution_name"]
