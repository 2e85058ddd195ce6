"""The same API for programs without an event loop: every name blocks until it is done.

from flyteasync.sync import FlyteRemote  # was: from flytekit.remote import FlyteRemote
"""

from .executions import FlyteWorkflowExecution
from .remote import FlyteRemote

__all__ = ["FlyteRemote", "FlyteWorkflowExecution"]
