"""Spans by OpenTelemetry. Only this module imports it; `docs/tracing.md` lists the spans and their attributes.

A record is traced if the context in its headers is sampled, or if it has none and is drawn to begin a trace. A batch has a
span, in a trace of its own, if one of its records is traced. Nothing of what a record says ever enters a span.
"""

import logging
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    Link,
    Span,
    SpanKind,
    Status,
    StatusCode,
    format_trace_id,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace import Tracer as LibraryTracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from typing_extensions import override

from shared.clock import Clock
from shared.observers import Observer
from shared.records import Record, Settled
from shared.tracing.port import NOT_TRACED, TRACE_HEADERS, VALUE_BYTES, BatchTrace, Begun, Tracer, Tracing
from shared.tracing.sending import Sender
from shared.tracing_settings import TracingSettings

SCOPE = "millrace"
MOST_HEADERS = 1_000
"""A record with more headers is not traced: its headers are not worth searching."""

MOST_LINKS = 1 << 20
"""The library keeps 128 links of a span by default, and a batch has one for each of its records."""

ABANDONED = "abandoned"
REASON_CHARS = 400
WITHOUT_CAUSE = ("due to timeout, max retries or shutdown", "Shutdown in progress", "already shutdown")
"""Parts of the exporter's messages that name no cause."""

PROPAGATOR = TraceContextTextMapPropagator()


class _Batch(BatchTrace):
    """The spans of a batch.

    Args:
        span: The span of the batch.
        begun_ns: When it began, since the Unix epoch.
        spans: The traced records, each with its span.
        tracer: The tracer that made them.
    """

    def __init__(self, span: Span, begun_ns: int, spans: Sequence[tuple[Record, Span]], tracer: "StreamTracer") -> None:
        self.span, self.begun_ns, self._spans, self._tracer = span, begun_ns, spans, tracer
        self.context = set_span_in_context(span, Context())
        self.trace_id = format_trace_id(span.get_span_context().trace_id)

    @override
    def end(self, settled: Sequence[Settled]) -> None:
        self._tracer.forget(self)
        at_ns = self._tracer.now_ns()
        outcomes = {id(each.record): each for each in settled}
        for record, span in self._spans:
            _set_outcome(span, outcomes.get(id(record)))
            span.end(at_ns)
        self.span.end(at_ns)


CURRENT: ContextVar[_Batch | None] = ContextVar("millrace_batch_trace", default=None)
"""The trace of the batch that the calling thread works on."""


class StreamTracer(Tracer):
    """Makes the spans of one worker.

    Args:
        stream: The stream.
        group: Its consumer group.
        library: Makes the library's spans.
        share: The share of the records without a context that begin a trace.
        clock: Gives the time.
    """

    def __init__(self, stream: str, group: str, library: LibraryTracer, share: float, clock: Clock) -> None:
        self._stream, self._group, self._library, self._share, self._clock = stream, group, library, share, clock
        self._random = random.Random()  # noqa: S311  (no secret)
        self._open: set[_Batch] = set()
        self.observers = (_StageSpans(self),)

    @override
    def begin(self, number: int, records: Sequence[Record]) -> Begun:
        at_ns = self.now_ns()
        kept: list[Record] = []
        spans: list[tuple[Record, Span]] = []
        for record in records:
            parent = self._parent_of(record)
            if parent is None:
                kept.append(record)
            else:
                span = self._start(record, parent, at_ns)
                kept.append(_within(record, span))
                spans.append((kept[-1], span))
        if not spans:
            return Begun(records, NOT_TRACED)
        attributes: dict[str, str | int] = {
            "millrace.stream": self._stream,
            "millrace.batch": number,
            "messaging.batch.message_count": len(records),
        }
        links = [Link(span.get_span_context()) for _, span in spans]
        root = self._library.start_span(
            f"batch {self._stream}", Context(), attributes=attributes, links=links, start_time=at_ns
        )
        if not root.get_span_context().is_valid:  # OTEL_SDK_DISABLED makes the library's spans empty
            return Begun(records, NOT_TRACED)
        trace = _Batch(root, at_ns, spans, self)
        self._open.add(trace)
        return Begun(kept, trace)

    @override
    @contextmanager
    def working_on(self, trace: BatchTrace) -> Iterator[None]:
        token = CURRENT.set(trace if isinstance(trace, _Batch) else None)
        try:
            yield
        finally:
            CURRENT.reset(token)

    @override
    def close(self) -> None:
        for trace in list(self._open):
            trace.end(())

    def stage(self, name: str, records: int, wall_s: float, cpu_s: float) -> None:
        """Add a span of a stage that has just ended, as a child of the batch in hand."""
        trace = CURRENT.get()
        if trace is None:
            return
        end_ns = self.now_ns()
        start_ns = min(end_ns, max(trace.begun_ns, end_ns - int(wall_s * 1e9)))
        attributes = {"millrace.records": records, "millrace.cpu_seconds": cpu_s}
        span = self._library.start_span(name, trace.context, attributes=attributes, start_time=start_ns)
        span.end(end_ns)

    def event(self, name: str, dependency: str) -> None:
        """Add an event to the span of the batch in hand."""
        trace = CURRENT.get()
        if trace is not None:
            trace.span.add_event(name, {"millrace.dependency": dependency}, self.now_ns())

    def forget(self, trace: _Batch) -> None:
        """Count a batch as ended."""
        self._open.discard(trace)

    def now_ns(self) -> int:
        """Return the nanoseconds since the Unix epoch."""
        return int(self._clock.now().timestamp() * 1e9)

    def _parent_of(self, record: Record) -> Context | None:
        """Return the context that a record's span belongs to, empty if it begins a trace; None if it is not traced."""
        if len(record.headers) > MOST_HEADERS:
            return None
        carrier = {name: value or b"" for name, value in record.headers if name in TRACE_HEADERS}
        if not carrier:
            return Context() if self._random.random() < self._share else None
        texts = {name: value.decode("utf-8", "replace") for name, value in carrier.items() if len(value) <= VALUE_BYTES}
        context = PROPAGATOR.extract(texts, Context())
        found = get_current_span(context).get_span_context()
        return context if found.is_valid and found.trace_flags.sampled else None

    def _start(self, record: Record, parent: Context, at_ns: int) -> Span:
        attributes: dict[str, str | int] = {
            "messaging.system": "kafka",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": record.topic,
            "messaging.destination.partition.id": str(record.partition),
            "messaging.kafka.offset": record.offset,
            "messaging.consumer.group.name": self._group,
        }
        name = f"process {record.topic}"
        return self._library.start_span(name, parent, SpanKind.CONSUMER, attributes, start_time=at_ns)


class _StageSpans(Observer):
    """Makes spans of the stages of a batch, and events of its pauses."""

    def __init__(self, tracer: StreamTracer) -> None:
        self._tracer = tracer

    @override
    def stage_done(self, stage: str, records: int, wall_s: float, cpu_s: float) -> None:
        self._tracer.stage(stage, records, wall_s, cpu_s)

    @override
    def paused(self, dependency: str) -> None:
        self._tracer.event("paused", dependency)

    @override
    def resumed(self, dependency: str, paused_s: float) -> None:
        self._tracer.event("resumed", dependency)


class OtelTracing(Tracing):
    """Makes tracers whose spans go to one processor of the library.

    Args:
        settings: The settings of tracing.
        processor: Receives the spans that have ended.
        clock: Gives the time of all spans.
    """

    def __init__(self, settings: TracingSettings, processor: SpanProcessor, clock: Clock) -> None:
        self._settings, self._processor, self._clock = settings, processor, clock
        self._provider = TracerProvider(
            sampler=ALWAYS_ON,  # what is sampled is decided before a span is made
            resource=Resource.create({"service.name": settings.service}),
            span_limits=SpanLimits(max_links=MOST_LINKS),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(processor)

    @override
    def tracer(self, stream: str, group: str) -> StreamTracer:
        return StreamTracer(stream, group, self._provider.get_tracer(SCOPE), self._settings.share, self._clock)

    @override
    def close(self) -> None:
        self._processor.shutdown()


class Exporting(SpanProcessor):
    """Sends spans that have ended to the configured collector.

    Args:
        settings: The settings of tracing.
        clock: Measures when to send.
    """

    def __init__(self, settings: TracingSettings, clock: Clock) -> None:
        self._reason = _LastReason()
        self._exporter = OTLPSpanExporter(endpoint=settings.traces_url)
        self.sender: Sender[ReadableSpan] = Sender(self._send, self._interrupt, lambda: self._reason.text, clock)

    @override
    def on_end(self, span: ReadableSpan) -> None:
        self.sender.put(span)

    @override
    def shutdown(self) -> None:
        self.sender.close()

    def _interrupt(self) -> None:
        self._reason.close()
        self._exporter.shutdown()

    def _send(self, spans: Sequence[ReadableSpan]) -> bool:
        self._reason.begin()
        return self._exporter.export(spans) is SpanExportResult.SUCCESS


class _LastReason(logging.Handler):
    """Keeps why the exporter failed last; no other message of the library is shown, because it may quote a record's header.

    The last message of an attempt often says only that no time is left; the one before it names the cause.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.text, self._begun, self._closing = "", True, False
        for name, handler in (("opentelemetry", logging.NullHandler()), (OTLPSpanExporter.__module__, self)):
            logger = logging.getLogger(name)
            logger.handlers, logger.propagate = [handler], False

    def begin(self) -> None:
        """Begin an attempt: its first message replaces those of the attempt before, unless it is interrupted."""
        self._begun = not self._closing

    def close(self) -> None:
        """Expect no other causes: what fails from now on may fail because it is interrupted."""
        self._begun, self._closing = False, True

    @override
    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if not self.text or self._begun or not any(each in message for each in WITHOUT_CAUSE):
            self.text, self._begun = message[:REASON_CHARS], False


def open_tracing(settings: TracingSettings, clock: Clock) -> OtelTracing:
    """Return tracing that sends its spans to the configured collector.

    Raises:
        ValueError: the library refuses one of the variables `OTEL_*`.
    """
    return OtelTracing(settings, Exporting(settings, clock), clock)


def _within(record: Record, span: Span) -> Record:
    """Return a record with the context of its own span in its headers, instead of the one that it came with."""
    carrier: dict[str, str] = {}
    PROPAGATOR.inject(carrier, set_span_in_context(span, Context()))
    others = tuple(each for each in record.headers if each[0] not in TRACE_HEADERS)
    return replace(record, headers=(*others, *((name, text.encode()) for name, text in carrier.items())))


def _set_outcome(span: Span, settled: Settled | None) -> None:
    """Note what became of a record; None: this worker has abandoned it."""
    span.set_attribute("millrace.outcome", ABANDONED if settled is None else settled.outcome.value)
    if settled is not None and settled.deferral is not None:
        span.set_attribute("millrace.reason", settled.deferral.failure.reason.value)
        span.set_attribute("millrace.retry.tier", settled.deferral.tier)
    if settled is not None and settled.failure is not None:
        reason = settled.failure.reason.value
        span.set_attribute("error.type", reason)
        span.set_attribute("millrace.reason", reason)
        span.set_status(Status(StatusCode.ERROR, reason))
