"""OpenTelemetry's spans of calls and waits."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

import pytest

pytest.importorskip("opentelemetry.sdk")
from opentelemetry import propagate, trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from flyteasync.errors import FlyteAuthenticationException, FlyteEntityNotExistException, Status
from flyteasync.idl import admin
from flyteasync.rpc.otel import OpenTelemetry
from flyteasync.server import Fault
from tests.support.backend import Backend, remote_of
from tests.support.loop import eventually
from tests.support.wire import Wire, always

VERSION = admin.GetVersionRequest()
SERVICE = "flyteidl.service.AdminService"


class Spans:
    """What was traced."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.instrumentation = OpenTelemetry(self.provider)

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.exporter.get_finished_spans() if span.name.endswith(name)]


@pytest.fixture
def spans() -> Generator[Spans]:
    made = Spans()
    yield made
    made.provider.shutdown()


async def test_a_call_is_a_span_with_what_it_was_and_what_became_of_it(bare: Backend, spans: Spans) -> None:
    async with remote_of(bare.server.endpoint, instrumentation=spans.instrumentation) as remote:
        await remote.admin.get_version(VERSION)
        with pytest.raises(FlyteEntityNotExistException):
            await remote.fetch_execution(name="nowhere")
    good, bad = spans.exporter.get_finished_spans()
    host, _, port = bare.server.endpoint.rpartition(":")
    assert good.name == f"{SERVICE}/GetVersion"
    assert good.kind is trace.SpanKind.CLIENT
    assert dict(good.attributes or {}) == {
        "rpc.system": "grpc",
        "rpc.service": SERVICE,
        "rpc.method": "GetVersion",
        "rpc.grpc.status_code": 0,
        "server.address": host,
        "server.port": int(port),
    }
    assert good.status.status_code is trace.StatusCode.UNSET
    assert bad.attributes is not None
    assert bad.attributes["rpc.grpc.status_code"] == 5
    assert bad.attributes["flyte.target"] == "flytesnacks/development/nowhere"
    assert bad.status.status_code is trace.StatusCode.ERROR


async def test_attempts_are_events_of_one_span(bare: Backend, spans: Spans) -> None:
    bare.misbehave(Fault(method="GetVersion", times=2))
    async with remote_of(bare.server.endpoint, instrumentation=spans.instrumentation) as remote:
        await remote.admin.get_version(VERSION)
    (span,) = spans.exporter.get_finished_spans()
    assert [(event.name, dict(event.attributes or {})) for event in span.events] == [
        ("retry", {"attempt": 2, "status": "UNAVAILABLE"}),
        ("retry", {"attempt": 3, "status": "UNAVAILABLE"}),
    ]


async def test_the_trace_goes_on_in_the_server(spans: Spans) -> None:
    async with (
        Wire(always(b"")) as wire,
        remote_of(wire.endpoint, instrumentation=spans.instrumentation) as remote,
    ):
        with spans.provider.get_tracer("test").start_as_current_span("request") as request:
            await remote.with_options(metadata={"x-a": "b"}, token="secret").admin.get_version(VERSION)
    (call,) = wire.calls
    span = spans.named("GetVersion")[0]
    context = span.context
    assert context is not None
    assert span.parent is not None
    assert span.parent.span_id == request.get_span_context().span_id
    assert str(call.metadata["traceparent"]).startswith(f"00-{context.trace_id:032x}-{context.span_id:016x}-")
    assert (call.metadata["x-a"], call.metadata["authorization"]) == ("b", "Bearer secret")
    assert "secret" not in span.to_json()


class Leaky:
    """A source of tokens whose failure tells what must not be seen."""

    async def token(self) -> str | None:
        raise RuntimeError("login failed for s3cr3t")

    async def refresh(self, rejected: str | None) -> bool:
        return False


async def test_texts_and_causes_of_errors_are_in_no_span(bare: Backend, spans: Spans) -> None:
    bare.misbehave(Fault(method="GetVersion", status=Status.NOT_FOUND, details="s3cr3t"))
    async with remote_of(bare.server.endpoint, instrumentation=spans.instrumentation, tokens=Leaky()) as remote:
        with pytest.raises(FlyteAuthenticationException):
            await remote.admin.get_version(VERSION)
        with pytest.raises(FlyteEntityNotExistException, match="s3cr3t"):
            await remote.with_options(token="users").admin.get_version(VERSION)
    tokenless, refused = spans.exporter.get_finished_spans()
    assert [span.attributes and span.attributes["error.type"] for span in (tokenless, refused)] == [
        "FlyteAuthenticationException",
        "FlyteEntityNotExistException",
    ]
    assert {span.status.status_code for span in (tokenless, refused)} == {trace.StatusCode.ERROR}
    assert "s3cr3t" not in tokenless.to_json() + refused.to_json()
    assert [*tokenless.events, *refused.events] == []


class Capitals(TraceContextTextMapPropagator):
    """A propagator that writes names as HTTP/1 does, as B3's does."""

    def inject(self, carrier: Any, context: Any = None, setter: Any = None) -> None:
        carrier["X-B3-TraceId"] = "17"


async def test_names_of_a_propagator_are_sent_in_lower_case(spans: Spans) -> None:
    before = propagate.get_global_textmap()
    propagate.set_global_textmap(Capitals())
    try:
        async with (
            Wire(always(b"")) as wire,
            remote_of(wire.endpoint, instrumentation=spans.instrumentation) as remote,
        ):
            await remote.admin.get_version(VERSION)
    finally:
        propagate.set_global_textmap(before)
    assert wire.calls[0].metadata["x-b3-traceid"] == "17"


async def test_a_wait_is_a_span_and_the_pollers_calls_belong_to_nobody(backend: Backend, spans: Spans) -> None:
    async with remote_of(backend.server.endpoint, instrumentation=spans.instrumentation) as remote:
        plan = await remote.fetch_launch_plan(name="hold")
        execution = await remote.execute(plan, {"name": "x"})
        with spans.provider.get_tracer("test").start_as_current_span("request") as request:
            waiting = asyncio.ensure_future(execution.wait(poll_interval=0))
            await eventually(lambda: remote.metrics()["polls"] > 1)
            backend.gate.set()
            await waiting
    (wait,) = spans.named("flyteasync wait")
    assert wait.parent is not None
    assert wait.parent.span_id == request.get_span_context().span_id
    assert dict(wait.attributes or {}) == {"flyte.execution": f"flytesnacks/development/{execution.id.name}"}
    polls = spans.named("GetExecution")
    assert len(polls) > 1
    assert all(span.parent is None for span in polls)
    (values,) = spans.named("GetExecutionData")
    assert values.parent is not None, "what the caller's own task asks belongs to the caller"


async def test_a_cancelled_call_ends_its_span(bare: Backend, spans: Spans) -> None:
    bare.misbehave(Fault(method="GetVersion", kind="hang"))
    async with remote_of(bare.server.endpoint, instrumentation=spans.instrumentation) as remote:
        task: asyncio.Task[Any] = asyncio.ensure_future(remote.admin.get_version(VERSION))
        await eventually(lambda: bare.server.stats.in_flight)
        task.cancel()
        await asyncio.wait([task])
    (span,) = spans.exporter.get_finished_spans()
    assert span.status.status_code is trace.StatusCode.UNSET


async def test_without_an_instrumentation_nothing_is_traced_or_sent() -> None:
    async with Wire(always(b"")) as wire, remote_of(wire.endpoint) as remote:
        await remote.admin.get_version(VERSION)
    assert "traceparent" not in wire.calls[0].metadata
