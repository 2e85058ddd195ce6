"""The same API for programs without an event loop: every name blocks until it is done.

from flyteasync.sync import FlyteRemote  # was: from flytekit.remote import FlyteRemote
"""

from typing import TYPE_CHECKING

from ..entities import FlyteLaunchPlan, FlyteTask, FlyteWorkflow, TypedInterface
from ..executions import RemoteExecutionBase
from .executions import FlyteNodeExecution, FlyteTaskExecution, FlyteWorkflowExecution
from .many import Outcome
from .remote import FlyteRemote

if TYPE_CHECKING:
    from ..literals import LiteralsResolver as LiteralsResolver

__all__ = [
    "FlyteLaunchPlan",
    "FlyteNodeExecution",
    "FlyteRemote",
    "FlyteTask",
    "FlyteTaskExecution",
    "FlyteWorkflow",
    "FlyteWorkflowExecution",
    "LiteralsResolver",
    "Outcome",
    "RemoteExecutionBase",
    "TypedInterface",
]


def __getattr__(name: str) -> object:
    if name != "LiteralsResolver":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ..literals import LiteralsResolver  # a program that reads no values does not pay for it

    return LiteralsResolver
