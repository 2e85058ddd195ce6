"""OpenTelemetry's spans of calls and waits."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

import pytest

pytest.importorskip("opentelemetry.sdk")
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from flyteasync.errors import FlyteEntityNotExistException
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
