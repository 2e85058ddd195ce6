"""What may look on while calls are made and executions are awaited."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from ..errors import FlyteError
from ..transport import Metadata


class Instrumentation(Protocol):
    """Observes calls and waits; `flyteasync.rpc.otel.OpenTelemetry` is one. Without one, nothing of it costs anything.

    Whatever its methods raise, the call raises.
    """

    def call(self, path: str, endpoint: str, target: str | None) -> AbstractContextManager[object]:
        """Spans an RPC with all its attempts.

        Args:
            path: `/flyteidl.service.AdminService/GetExecution`.
            endpoint: `host:port`.
            target: what the call is about, as `project/domain/name`; None if it is about no one thing.
        """
        ...

    def headers(self) -> Metadata:
        """Metadata to send with the attempt that is made now, such as a trace's identifiers."""
        ...

    def retried(self, number: int, error: FlyteError) -> None:
        """Another attempt is made, the second one being number 2, since the one before it failed."""
        ...

    def wait(self, execution: str) -> AbstractContextManager[object]:
        """Spans the wait for an execution, given as `project/domain/name`."""
        ...
