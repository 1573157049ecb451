"""Spans of batches and records, and the context in messages, over stand-ins for store and broker.

Green does not show that spans reach a collector, nor that headers survive Kafka: `tests/flow/test_tracing.py` does.
"""

from collections.abc import Callable, Sequence

import pytest

from schemas.outcomes import Outcome
from shared.errors import Fatal, Unavailable
from shared.records import Headers, Record
from shared.stream_settings import BatchSettings
from tests.support.assembly import Assembly
from tests.support.fakes import FakeSource, ManualClock
from tests.support.media import PIXEL
from tests.support.streams import NOTE_KIND
from tests.support.tickets import event, record
from tests.support.traces import (
    PARENT_ID,
    SAMPLED,
    TRACE_ID,
    UNSAMPLED,
    Traces,
    attribute,
    context_in,
    ids_of,
    parent_of,
    traced,
)

PROCESS = "process tickets"
BATCH = "batch tickets"


class Script(FakeSource):
    """Hands out its records, and stops the worker when all of them are committed or lost."""

    stop: Callable[[], None]
    expected: int

    def commit(self, records: Sequence[Record]) -> int:
        lost = super().commit(records)
        if len(self.committed) >= self.expected:
            self.stop()
        return lost


def worker_of(
    *records: Record, share: float = 0.0, batch: int = 256, expected: int | None = None
) -> tuple[Assembly, Traces]:
    """Return the parts of a worker over these records, which stops once `expected` of them are committed."""
    clock = ManualClock()
    traces, source = Traces(clock, share), Script(waiting=list(records))
    parts = Assembly(source=source, clock=clock, tracer=traces.tracer, batch=BatchSettings(max_records=batch))
    source.expected, source.stop = len(records) if expected is None else expected, parts.lifecycle.stop
    return parts, traces


def ticket(offset: int, headers: Headers = SAMPLED, **changes: object) -> Record:
    return traced(record(event(**({"ticket_id": f"T-{offset}", "body": f"Text {offset}."} | changes)), offset), headers)


def test_a_traced_record_has_one_span_below_its_producer_and_its_result_carries_it() -> None:
    parts, traces = worker_of(ticket(7))
    parts.worker().run()
    [span] = traces.named(PROCESS)
    assert (ids_of(span)[0], parent_of(span)) == (TRACE_ID, PARENT_ID)
    assert span.attributes == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "tickets",
        "messaging.destination.partition.id": "0",
        "messaging.kafka.offset": 7,
        "messaging.consumer.group.name": "millrace-tickets",
        "millrace.outcome": "routed",
    }
    [result] = parts.delivered("tickets.routed")
    assert context_in(result.headers) == ids_of(span)
    assert dict(result.headers)["tracestate"] == b"shop=1"


def test_a_batch_has_a_span_linked_to_its_records_with_a_child_for_each_stage() -> None:
    parts, traces = worker_of(*[ticket(offset) for offset in range(200)])
    parts.worker().run()
    [batch] = traces.named(BATCH)
    assert {f"{link.context.span_id:016x}" for link in batch.links} == {
        ids_of(span)[1] for span in traces.named(PROCESS)
    }
    assert (len(batch.links), batch.dropped_links, batch.parent) == (200, 0, None)
    assert (attribute(batch, "messaging.batch.message_count"), attribute(batch, "millrace.batch")) == (200, 1)
    stages = [span for span in traces.spans if parent_of(span) == ids_of(batch)[1]]
    names = ["decode", "prepare", "embed_ahead", "lookup", "embed", "decide", "build", "store", "produce", "commit"]
    assert [span.name for span in stages] == names
    assert {ids_of(span)[0] for span in stages} == {ids_of(batch)[0]}
    assert ids_of(batch)[0] != TRACE_ID


@pytest.mark.parametrize("share", [0.0, 1.0])
@pytest.mark.parametrize(
    "headers",
    [
        UNSAMPLED,
        (("traceparent", b"00-not a trace-01"), ("tracestate", b"a=1")),
        (("traceparent", b"\xff\xfe"),),
        (("traceparent", f"ff-{TRACE_ID}-{PARENT_ID}-01".encode()),),
        (("traceparent", f"00-{'0' * 32}-{PARENT_ID}-01".encode()),),
    ],
)
def test_an_unsampled_or_malformed_context_is_passed_on_as_it_was(headers: Headers, share: float) -> None:
    parts, traces = worker_of(ticket(0, headers), share=share)
    parts.worker().run()
    assert traces.spans == ()
    [result] = parts.delivered("tickets.routed")
    assert result.headers == headers


@pytest.mark.parametrize(("share", "spans"), [(0.0, 0), (1.0, 1)])
def test_a_record_without_a_context_begins_a_trace_if_it_is_drawn(share: float, spans: int) -> None:
    parts, traces = worker_of(ticket(0, ()), share=share)
    parts.worker().run()
    assert len(traces.named(PROCESS)) == len(traces.named(BATCH)) == spans
    [result] = parts.delivered("tickets.routed")
    assert (
        [context_in(result.headers)] == [ids_of(span) for span in traces.named(PROCESS)]
        if spans
        else (result.headers == ())
    )


def test_about_the_share_is_drawn() -> None:
    parts, traces = worker_of(*[ticket(offset, ()) for offset in range(256)], share=0.25)
    parts.worker().run()
    assert 30 < len(traces.named(PROCESS)) < 100


def test_copies_of_a_record_and_an_older_version_have_spans_of_their_own() -> None:
    records = [ticket(0, ticket_id="T"), ticket(1, ticket_id="T"), ticket(2, ticket_id="T", event_version=2)]
    parts, traces = worker_of(*records, ticket(3, ()))
    parts.worker().run()
    spans = traces.named(PROCESS)
    assert [attribute(span, "messaging.kafka.offset") for span in spans] == [0, 1, 2]
    assert [attribute(span, "millrace.outcome") for span in spans] == ["superseded", "superseded", "routed"]
    assert len({ids_of(span)[1] for span in spans}) == 3
    assert len(parts.source.committed) == 4


def test_a_dead_letter_ends_its_span_with_an_error_and_keeps_bytes_and_other_headers() -> None:
    bad = traced(record(event(priority="secret words"), 4), (("origin", b"shop"), *SAMPLED, ("a", None)))
    parts, traces = worker_of(bad)
    parts.worker().run()
    [span] = traces.named(PROCESS)
    assert span.status.is_ok is False
    assert span.status.description == "invalid_value"
    assert attribute(span, "error.type") == "invalid_value"
    assert attribute(span, "millrace.outcome") == "dead_lettered"
    assert "secret" not in "".join(each.to_json() for each in traces.spans)
    [letter] = parts.delivered("tickets.dlq")
    assert (letter.key, letter.value) == (bad.key, bad.value)
    assert letter.headers[:2] == (("origin", b"shop"), ("a", None))
    assert context_in(letter.headers) == ids_of(span)


def test_the_second_attempt_is_a_child_of_the_first() -> None:
    clock = ManualClock()
    traces = Traces(clock, stream="notes")
    parts = Assembly(stream=NOTE_KIND.stream, clock=clock, tracer=traces.tracer)
    uri = "https://media.example/1.png"
    first = traces.tracer.begin(1, [traced(NOTE_KIND.record(NOTE_KIND.referring(uri), 3))])
    first.trace.end(parts.settle(*first.records))
    [waiting] = parts.delivered("notes.retry.1")
    parts.fetcher.contents[uri] = PIXEL
    again = Record("notes.redo", 0, 0, 0, waiting.key, waiting.value, waiting.headers)
    second = traces.tracer.begin(2, [again])
    second.trace.end(parts.settle(*second.records))
    [deferred], [done] = traces.named("process notes"), traces.named("process notes.redo")
    assert attribute(deferred, "millrace.outcome") == Outcome.DEFERRED
    assert (attribute(deferred, "millrace.reason"), attribute(deferred, "millrace.retry.tier")) == (
        "media_not_found",
        1,
    )
    assert (ids_of(done)[0], parent_of(done)) == ids_of(deferred)
    assert attribute(done, "millrace.outcome") == "routed"
    [result] = parts.delivered(NOTE_KIND.results)
    assert context_in(result.headers) == ids_of(done)


def test_without_tracing_the_context_of_the_source_is_passed_on() -> None:
    parts = Assembly(stream=NOTE_KIND.stream)
    bare = NOTE_KIND.record(NOTE_KIND.event("T-2"), 1)
    parts.settle(traced(NOTE_KIND.record(NOTE_KIND.event("T-1")), (("x", b"1"), *SAMPLED)), bare)
    assert [each.headers for each in parts.delivered(NOTE_KIND.results)] == [SAMPLED, ()]
    parts.settle(traced(NOTE_KIND.record(NOTE_KIND.referring("https://x/1", "T-3"))))
    [waiting] = parts.delivered("notes.retry.1")
    assert waiting.headers[:2] == SAMPLED


def test_an_outage_ends_each_span_once_and_shows_the_pause() -> None:
    parts, traces = worker_of(ticket(0), ticket(1))
    parts.collection.failures = [Unavailable("store", "away")] * 2
    parts.source.failures = [Unavailable("broker", "away")]
    parts.sink.undelivered = 1
    parts.worker().run()
    assert [attribute(span, "millrace.outcome") for span in traces.named(PROCESS)] == ["routed", "routed"]
    [batch] = traces.named(BATCH)
    assert [each.name for each in batch.events].count("paused") >= 2
    assert len(traces.named("commit")) == 1
    assert len({ids_of(span) for span in traces.spans}) == len(traces.spans)


def test_abandoned_records_end_their_spans_and_the_others_are_settled() -> None:
    parts, traces = worker_of(*[ticket(offset) for offset in range(4)], expected=2)
    parts.source.lost = {1, 2}
    parts.worker().run()
    outcomes = [attribute(span, "millrace.outcome") for span in traces.named(PROCESS)]
    assert outcomes == ["routed", "abandoned", "abandoned", "routed"]


def test_records_lost_while_they_are_settled_end_their_spans() -> None:
    parts, traces = worker_of(ticket(0), ticket(1), expected=1)
    parts.reported.when("inputs_embedded", lambda: parts.source.lost.add(0))
    parts.worker().run()
    assert [attribute(span, "millrace.outcome") for span in traces.named(PROCESS)] == ["abandoned", "routed"]


def test_a_worker_that_fails_ends_the_spans_of_the_batch_in_hand_and_of_the_next() -> None:
    parts, traces = worker_of(*[ticket(offset) for offset in range(4)], batch=2)
    parts.model.dead = Fatal("wrong configuration")
    with pytest.raises(Fatal):
        parts.worker().run()
    spans = traces.named(PROCESS)
    assert {attribute(span, "millrace.outcome") for span in spans} == {"abandoned"}
    assert {attribute(span, "messaging.kafka.offset") for span in spans} >= {0, 1}
    assert len(traces.named(BATCH)) * 2 == len(spans)


def test_a_batch_that_was_begun_and_never_taken_in_hand_ends_its_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    parts, traces = worker_of(ticket(0))

    def prepare(_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(parts.pipeline, "prepare", prepare)
    with pytest.raises(ZeroDivisionError):
        parts.worker().run()
    [span] = traces.named(PROCESS)
    assert attribute(span, "millrace.outcome") == "abandoned"
    assert len(traces.named(BATCH)) == 1


def test_only_the_traced_records_of_a_batch_are_replaced() -> None:
    traces = Traces(ManualClock())
    records = [ticket(0, ()), ticket(1), ticket(2, UNSAMPLED)]
    begun = traces.tracer.begin(1, records)
    assert [now is before for now, before in zip(begun.records, records, strict=True)] == [True, False, True]
    assert [each.position for each in begun.records] == [each.position for each in records]
    untraced = traces.tracer.begin(2, records[:1])
    assert untraced.records[0] is records[0]
    begun.trace.end(())
    untraced.trace.end(())
    assert [span.name for span in traces.spans] == [PROCESS, BATCH]


def test_a_header_too_long_to_pass_on_is_left_out() -> None:
    long: Headers = (SAMPLED[0], ("tracestate", b"a=" + b"x" * 2_000))
    parts = Assembly()
    parts.settle(ticket(0, long))
    [result] = parts.delivered("tickets.routed")
    assert result.headers == SAMPLED[:1]


def test_a_trace_state_too_long_to_pass_on_is_in_no_span_either() -> None:
    long = b",".join(b"member%d=" % number + b"x" * 200 for number in range(10))
    traces = Traces(ManualClock())
    traces.tracer.begin(1, [ticket(0, (SAMPLED[0], ("tracestate", long)))]).trace.end(())
    [span] = traces.named(PROCESS)
    context = span.get_span_context()
    assert context is not None
    assert (parent_of(span), len(context.trace_state)) == (PARENT_ID, 0)
