"""The trace of a ticket on a real Kafka, from its producer to its result and through a retry, to an OTLP receiver.

Green does not show a collector of another vendor, nor TLS towards it. The embedded store and a stand-in for the model are
used, because they add no spans.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from millrace.resources import open_tracing
from shared.broker.producer import KafkaSink
from shared.broker.provision import create_topics
from shared.broker.reader import TopicReader
from shared.clock import SystemClock
from shared.errors import Fatal
from shared.records import Headers, Message, Record
from shared.settings import BrokerSettings, Settings, StoreSettings
from shared.stream_settings import RetrySettings
from shared.tracing import sending
from shared.tracing.port import NOT_TRACED, Tracing
from shared.tracing_settings import TracingSettings
from shared.vectorstore.edge.store import EdgeStore
from tests.support.kafka.server import KafkaServer
from tests.support.otlp import Received, Receiver, otlp_receiver
from tests.support.pictured import OWN, PICTURED, Studio, images, inline, ticket
from tests.support.ports import free_ports
from tests.support.tickets import record
from tests.support.traces import PARENT_ID, SAMPLED, TRACE_ID, context_in, traced
from tests.support.waiting import wait_until

TIMEOUT_S = 60.0
SECRET = "the secret token"  # noqa: S105  (of the test)
WORDS = "the customer's own words"
OTHER_ID = "00f067aa0ba902b7"
OTHER: Headers = (("traceparent", f"00-{TRACE_ID}-{OTHER_ID}-01".encode()),)
"""The context of another span in the same trace."""

WORK = {"decode", "media", "prepare", "lookup", "embed", "decide", "build", "store", "produce", "commit"}

AHEAD = "embed_ahead"
"""The first batch may be prepared before the model was looked at, and then it is not embedded ahead."""


@dataclass
class Desk:
    """Tickets at work on a real Kafka."""

    studio: Studio

    def send(self, event: dict[str, Any], headers: Headers = ()) -> None:
        """Send a ticket under its own key."""
        made = record(event)
        with closing(KafkaSink(self.studio.bootstrap, BrokerSettings())) as sink:
            sink.produce([Message("tickets", made.key, made.value, headers)])
            assert sink.flush() == []

    def read(self, topic: str) -> list[Record]:
        """Return the records of a topic."""
        return list(TopicReader(self.studio.bootstrap).read(topic))


@contextmanager
def desk_on(server: KafkaServer, folder: Path, tracing: TracingSettings | None = None) -> Iterator[Desk]:
    """Run a worker and a redrive; at the end, everything is settled and all spans are sent."""
    create_topics(server.bootstrap, PICTURED.topics(1), 1)
    settings = Settings(
        broker=BrokerSettings(bootstrap=server.bootstrap),
        store=StoreSettings(path=folder),
        tracing=tracing or TracingSettings(),
    )
    own = OWN.model_copy(update={"retry": RetrySettings(tiers_s=(1.0, 1.0, 1.0), attempts_per_tier=1)})
    with ExitStack() as held:
        spans: Tracing = held.enter_context(open_tracing(settings, SystemClock()))
        store = held.enter_context(closing(EdgeStore(folder)))
        desk = Desk(Studio(server.bootstrap, store, settings, own=own, tracing=spans))
        held.enter_context(desk.studio.working())
        yield desk
        desk.studio.settle()


def chain(receiver: Receiver, parent_id: str) -> list[Received]:
    """Return the spans below a producer's, each the child of the one before."""
    found = list[Received]()
    while below := [span for span in receiver.spans if span.parent_id == parent_id]:
        [span] = below
        found.append(span)
        parent_id = span.span_id
    return found


def test_the_trace_of_a_ticket_goes_through_its_result_and_a_retry_of_its_picture(
    own_kafka: KafkaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ticket is routed at once; its picture is a follow-up, which waits once because it is not read yet."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"authorization={SECRET}")
    with otlp_receiver() as receiver:
        with desk_on(own_kafka, tmp_path, TracingSettings(endpoint=receiver.url, share=0, service="desk")) as desk:
            desk.send(ticket(ticket_id="T-2", priority=WORDS), OTHER)
            wait_until(lambda: len(desk.read("tickets.dlq")) == 1, TIMEOUT_S, "a dead letter")
            desk.send(ticket(ticket_id="T-3", body=WORDS))
            [dead_letter] = desk.read("tickets.dlq")
            desk.send(ticket(images=images(a=inline("error 4711"))), SAMPLED)
            wait_until(lambda: desk.studio.point("a") is not None, TIMEOUT_S, "the picture is stored")
            results = {(each.key or b"").decode(): each.headers for each in desk.read("tickets.routed")}
            [waiting, *_] = desk.read("tickets.retry.1")
        check_dead_letter(receiver, dead_letter)
        check_ticket(receiver, results, waiting)
        check_batches(receiver)
        assert {path for path, _ in receiver.requests} == {"/v1/traces"}
        assert {headers["authorization"] for _, headers in receiver.requests} == {SECRET}
        assert {span.service for span in receiver.spans} == {"desk"}
        shown = "".join(span.body for span in receiver.spans)
        assert all(private not in shown for private in (WORDS, "acme", "error 4711", "T-1", SECRET))


def check_dead_letter(receiver: Receiver, dead_letter: Record) -> None:
    """Check the span of the invalid ticket, and the context in its dead letter."""
    [span] = chain(receiver, OTHER_ID)
    assert (span.trace_id, span.error) == (TRACE_ID, "invalid_value")
    assert context_in(dead_letter.headers) == (TRACE_ID, span.span_id)


def check_ticket(receiver: Receiver, results: dict[str, Headers], waiting: Record) -> None:
    """Check the chain from the ticket over its follow-up and its attempts, and the context in each message."""
    routed, *attempts = chain(receiver, PARENT_ID)
    assert (routed.name, routed.trace_id) == ("process tickets", TRACE_ID)
    assert routed.attributes["millrace.outcome"] == "routed"
    assert context_in(results["acme:T-1"]) == (TRACE_ID, routed.span_id)
    assert results["acme:T-3"] == ()
    assert {span.name for span in attempts} == {"process tickets.redo"}
    outcomes = [span.attributes["millrace.outcome"] for span in attempts]
    assert outcomes[-1] == "indexed"
    assert set(outcomes[:-1]) == {"deferred"}
    assert context_in(waiting.headers) == (TRACE_ID, attempts[0].span_id)


def check_batches(receiver: Receiver) -> None:
    """Check that each span of a record is linked from one batch, and each batch has its stages."""
    batches = receiver.named("batch tickets")
    records = [span for span in receiver.spans if span.name.startswith("process ")]
    assert sorted(link for batch in batches for link in batch.links) == sorted(span.span_id for span in records)
    assert {batch.parent_id for batch in batches} == {""}
    for batch in batches:
        stages = [span for span in receiver.spans if span.parent_id == batch.span_id]
        assert {span.name for span in stages} - {AHEAD} == WORK
        assert {span.trace_id for span in stages} == {batch.trace_id} != {TRACE_ID}
        assert all(0 <= span.took_ns <= batch.took_ns + 1_000_000 for span in stages)


def test_without_tracing_the_context_passes_through_result_retry_and_redo(
    own_kafka: KafkaServer, tmp_path: Path
) -> None:
    with desk_on(own_kafka, tmp_path) as desk:
        desk.send(ticket(images=images(a=inline("error 4711"))), SAMPLED)
        desk.send(ticket(ticket_id="T-2"))
        wait_until(lambda: desk.studio.point("a") is not None, TIMEOUT_S, "the picture is stored")
        assert sorted(each.headers for each in desk.read("tickets.routed")) == [(), SAMPLED]
        assert {each.headers[:2] for topic in ("tickets.retry.1", "tickets.redo") for each in desk.read(topic)} == {
            SAMPLED
        }


def spans_sent(url: str, spans: int) -> tuple[float, float, list[Any]]:
    """Make spans for a collector; return how long making and closing took, in seconds, and the log lines."""
    settings = Settings(tracing=TracingSettings(endpoint=url, share=1))
    odd: Headers = (OTHER[0], ("tracestate", f"{WORDS}=;".encode()))
    records = [traced(record(ticket(), offset), odd if offset == 0 else ()) for offset in range(100)]
    with structlog.testing.capture_logs() as lines, open_tracing(settings, SystemClock()) as tracing:
        tracer = tracing.tracer("tickets", "g")
        began_s = time.monotonic()
        for number in range(spans // len(records)):
            tracer.begin(number, records).trace.end(())
        made_s = time.monotonic()
    return made_s - began_s, time.monotonic() - made_s, lines


@pytest.mark.parametrize(
    ("kind", "detail"), [("hangs", ""), ("refuses", "Service Unavailable"), ("is away", "Connection refused")]
)
def test_a_collector_that_does_not_take_spans_slows_nothing_the_end_is_bounded_and_the_log_names_the_cause(
    kind: str, detail: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A malformed context makes the library warn; its warning quotes the header and is shown nowhere."""
    monkeypatch.setattr(sending, "CLOSE_S", 1.0)
    with otlp_receiver(status=503 if kind == "refuses" else 200, hangs=kind == "hangs") as receiver:
        url = f"http://127.0.0.1:{free_ports(1)[0]}" if kind == "is away" else receiver.url
        made_s, closed_s, lines = spans_sent(url, 20_000)
        assert made_s < 10, "20,000 spans take about a second"
        assert closed_s < 5
        assert lines
        assert lines[-1]["dropped_in_all"] + lines[-1]["not_sent_in_all"] + sending.SENT_AT_ONCE >= 20_200
        assert {line["event"] for line in lines} == {"spans were lost; the work is not affected"}
        assert detail in lines[-1]["detail"]
        assert all(WORDS not in shown for shown in (str(lines), *capfd.readouterr()))


def test_a_batch_is_lost_for_want_of_time_and_its_log_line_still_names_the_cause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The exporter's last message says only that no time is left."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "3")
    monkeypatch.setattr(sending, "CLOSE_S", 10.0)
    _, _, lines = spans_sent(f"http://127.0.0.1:{free_ports(1)[0]}", 100)
    assert "Connection refused" in lines[-1]["detail"]


def test_a_variable_that_the_library_refuses_is_an_error_of_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SPAN_EVENT_COUNT_LIMIT", "x")
    settings = Settings(tracing=TracingSettings(endpoint="http://127.0.0.1:1"))
    with pytest.raises(Fatal, match="OTEL_SPAN_EVENT_COUNT_LIMIT"), open_tracing(settings, SystemClock()):
        pass


def test_a_library_that_is_switched_off_traces_nothing_and_changes_no_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    settings = Settings(tracing=TracingSettings(endpoint="http://127.0.0.1:1", share=1))
    records = [traced(record(ticket()), SAMPLED), record(ticket(), 1)]
    with open_tracing(settings, SystemClock()) as tracing:
        begun = tracing.tracer("tickets", "g").begin(1, records)
    assert (begun.records, begun.trace) == (records, NOT_TRACED)
