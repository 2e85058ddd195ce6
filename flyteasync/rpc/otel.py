"""OpenTelemetry spans of calls and waits; needs the extra `otel`, and is imported by nothing of the package."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager

from opentelemetry import propagate, trace

from ..errors import FlyteError, Status
from ..transport import Metadata

_SCOPE = "flyteasync"


class OpenTelemetry:
    """Makes a span for each RPC, and one for each execution that is awaited.

        remote = FlyteRemote(config, instrumentation=OpenTelemetry())

    An RPC's span, of kind CLIENT, has the attributes of OpenTelemetry's conventions for gRPC (`rpc.system`,
    `rpc.service`, `rpc.method`, `rpc.grpc.status_code`, `server.address`, `server.port`), the name of what it is about
    as `flyte.target`, and an event `retry` for each further attempt. The trace goes on in the server, if that reads the
    metadata that the global propagator writes. A wait's span is named `flyteasync wait`, with `flyte.execution`. The
    poller's RPCs belong to no wait, and have spans without a parent. A span of what failed has the status ERROR, and
    the class of the error as `error.type`; texts of errors are in no span, and neither are tokens, metadata and values.
    """

    def __init__(self, tracer_provider: trace.TracerProvider | None = None) -> None:
        """Make one.

        Args:
            tracer_provider: where spans go; the global provider if not given.
        """
        self._tracer = trace.get_tracer(_SCOPE, tracer_provider=tracer_provider)

    def call(self, path: str, endpoint: str, target: str | None) -> AbstractContextManager[object]:
        """Span an RPC with all its attempts."""
        service, _, method = path.strip("/").partition("/")
        host, _, port = endpoint.rpartition(":")
        attributes: dict[str, str | int] = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": method}
        attributes |= {"server.address": host, "server.port": int(port)} if port.isdecimal() else {}
        attributes |= {"flyte.target": target} if target else {}
        return self._span(f"{service}/{method}", attributes, trace.SpanKind.CLIENT, status=True)

    def headers(self) -> Metadata:
        """What carries the trace to the server."""
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        return tuple((name.lower(), value) for name, value in carrier.items())

    def retried(self, number: int, error: FlyteError) -> None:
        """Note in the call's span that it is attempted again."""
        status = error.status.name if error.status is not None else type(error).__name__
        trace.get_current_span().add_event("retry", {"attempt": number, "status": status})

    def wait(self, execution: str) -> AbstractContextManager[object]:
        """Span the wait for an execution."""
        return self._span("flyteasync wait", {"flyte.execution": execution}, trace.SpanKind.INTERNAL, status=False)

    @contextmanager
    def _span(
        self, name: str, attributes: dict[str, str | int], kind: trace.SpanKind, *, status: bool
    ) -> Generator[None]:
        # The texts and causes of errors hold the words of servers and of sources of tokens, which may be secret.
        with self._tracer.start_as_current_span(
            name, kind=kind, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except Exception as error:
                span.set_status(trace.StatusCode.ERROR)
                span.set_attribute("error.type", type(error).__name__)
                if status and isinstance(error, FlyteError) and error.status is not None:
                    span.set_attribute("rpc.grpc.status_code", int(error.status))
                raise
            if status:
                span.set_attribute("rpc.grpc.status_code", int(Status.OK))
