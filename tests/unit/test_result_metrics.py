"""What the metrics show of results: decisions by names from the policy, times, sizes, and people's labels.

A green run does not prove that an alert or a dashboard reads these series rightly; `tests/repo/test_monitoring.py` does.
"""

import itertools
import json
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from millrace.wiring import named_in
from schemas.failures import RetryHeader
from schemas.outcomes import Outcome
from shared.metrics.observer import Metrics
from shared.metrics.registry import Registry, Tally
from shared.metrics.results import SINCE, Named
from shared.metrics_settings import MetricsSettings
from shared.records import Record, Settled
from shared.routing.decider import Routing
from shared.routing.policy import Policy
from tests.support.assembly import Assembly
from tests.support.calls import SPOKEN_CALLS, spoken
from tests.support.product_worker import Products
from tests.support.tickets import event, record

SENT_AT = datetime(2026, 5, 1, 10, 0, 5, tzinfo=UTC)
NOW_S = SENT_AT.timestamp() + 3.0
MONOTONIC_S = 100.0
PEOPLE = "millrace_person_labels_total"


def sent(offset: int = 0, **changes: Any) -> Record:
    """Return a ticket that was sent 5 s after its event, and read half a second before `MONOTONIC_S`."""
    made = record(event(**changes), offset, timestamp_ms=int(SENT_AT.timestamp() * 1000))
    return replace(made, read_s=MONOTONIC_S - 0.5)


def samples(settled: Sequence[Settled], named: Named | None = None, stream: str = "tickets") -> dict[str, float]:
    """Return the samples of decision metrics after a batch, without the label of the stream."""
    registry = Registry()
    Metrics(stream, registry, named).results_settled(settled, NOW_S, MONOTONIC_S)
    lines = [
        line for line in registry.render().decode().splitlines() if line and "_created" not in line and line[0] != "#"
    ]
    pairs = [line.rsplit(" ", 1) for line in lines]
    strip = [
        (name.replace(f'stream="{stream}",', "").replace(f',stream="{stream}"', ""), value) for name, value in pairs
    ]
    return {name.replace(f'{{stream="{stream}"}}', ""): float(value) for name, value in strip}


def test_a_result_is_counted_by_its_decision() -> None:
    found = samples(Assembly().settle(sent()))
    name = 'millrace_decisions_total{action="abstain",label="",queue="",reason="no_labelled_neighbours"}'
    assert found[name] == 1
    assert found['millrace_similar_searches_total{result="none"}'] == 1
    assert found["millrace_empty_inputs_total"] == 0
    assert found["millrace_input_characters_count"] == 1
    assert found["millrace_input_characters_sum"] == len("Where is my parcel?\n\nIt should have been here on Monday.")


def test_each_time_counts_from_its_own_start() -> None:
    found = samples(Assembly().settle(sent()))
    sums = {since: found[f'millrace_result_seconds_sum{{since="{since}"}}'] for since in SINCE}
    assert sums == {"occurred_at": 8.0, "record": 3.0, "reading": 0.5}
    assert found['millrace_result_seconds_bucket{le="2.0",since="record"}'] == 0
    assert found['millrace_result_seconds_bucket{le="5.0",since="record"}'] == 1
    assert found['millrace_result_seconds_bucket{le="+Inf",since="record"}'] == 1


def test_a_record_of_the_retry_lane_counts_from_its_first_attempt() -> None:
    deferred = datetime.fromtimestamp(NOW_S - 130, UTC).isoformat().encode()
    redone = replace(sent(), topic="tickets.redo", headers=((RetryHeader.DEFERRED_SINCE.value, deferred),))
    assert samples(Assembly().settle(redone))['millrace_result_seconds_sum{since="record"}'] == 130
    forged = replace(sent(), headers=((RetryHeader.DEFERRED_SINCE.value, deferred),))
    assert samples(Assembly().settle(forged))['millrace_result_seconds_sum{since="record"}'] == 3


def test_a_time_that_is_not_known_is_not_counted_and_one_in_the_future_is_zero() -> None:
    unknown = replace(sent(occurred_at="2031-01-01T00:00:00Z"), timestamp_ms=-1, read_s=-1.0)
    found = samples(Assembly().settle(unknown))
    assert found['millrace_result_seconds_count{since="record"}'] == 0
    assert found['millrace_result_seconds_count{since="reading"}'] == 0
    assert found['millrace_result_seconds_sum{since="occurred_at"}'] == 0


def test_only_named_queues_labels_and_tenants_are_values_of_labels() -> None:
    parts = Assembly()
    for number in range(3):
        solved = sent(number, ticket_id=f"S-{number}", reason="solved", agent_label="refund", resolution="We paid.")
        parts.settle(solved)
    settled = parts.settle(sent(9), sent(10, tenant_id="other-tenant", ticket_id="T-2"))
    assert settled[0].facts is not None
    assert settled[0].facts.decision is not None
    assert settled[0].facts.decision.label == "refund"
    unnamed = samples(settled)
    assert [name for name in unnamed if "millrace_decisions_total" in name and 'label="other",queue="other"' in name]
    assert not [name for name in unnamed if "refund" in name or "millrace_tenant" in name]
    named = samples(settled, Named(frozenset({"refund"}), frozenset({"refund"}), frozenset({"acme"})))
    assert [name for name in named if 'label="refund",queue="refund"' in name]
    tenants = {name: value for name, value in named.items() if "millrace_tenant" in name}
    assert {name.split('tenant="')[1].split('"')[0]: value for name, value in tenants.items()} == {
        "acme": 1,
        "other": 1,
    }


def test_names_come_from_the_top_of_the_policy(tmp_path: Path) -> None:
    path = tmp_path / "routing.toml"
    rows = [f'[labels."label {number}"]\nqueue = "queue {number // 2}"\n' for number in range(9)]
    path.write_text("\n".join(["[default]\nauto_at = 0.9\nreview_at = 0.5\n", *rows]))
    named = named_in(Routing(Policy.load(path)), MetricsSettings(named=4, tenants=("acme",)))
    assert named.labels == {f"label {number}" for number in range(4)}
    assert named.queues == {f"queue {number}" for number in range(4)}
    assert named.tenants == {"acme"}


def decided(parts: Assembly) -> None:
    """Store a ticket that was decided by the vote for `refund`."""
    for number in range(3):
        parts.settle(
            sent(number, ticket_id=f"S-{number}", reason="solved", agent_label="refund", resolution="We paid.")
        )
    parts.settle(sent(5, ticket_id="T-7"))


@pytest.mark.parametrize(("label", "agrees"), [("refund", "yes"), ("complaint", "no")])
def test_a_label_of_a_person_is_compared_with_the_decision_once(label: str, agrees: str) -> None:
    parts = Assembly()
    decided(parts)
    changed = {"ticket_id": "T-7", "agent_label": label}
    first = samples(parts.settle(sent(6, event_version=2, reason="updated", **changed)))
    again = samples(parts.settle(sent(7, event_version=3, reason="rated", satisfaction=5, **changed)))
    other = "no" if agrees == "yes" else "yes"
    assert (
        first[f'{PEOPLE}{{action="auto",agrees="{agrees}"}}'],
        first[f'{PEOPLE}{{action="auto",agrees="{other}"}}'],
    ) == (1, 0)
    assert (again[f'{PEOPLE}{{action="auto",agrees="yes"}}'], again[f'{PEOPLE}{{action="auto",agrees="no"}}']) == (0, 0)


def test_a_label_without_an_earlier_decision_is_not_compared() -> None:
    found = samples(Assembly().settle(sent(agent_label="refund")))
    assert (found[f'{PEOPLE}{{action="auto",agrees="yes"}}'], found[f'{PEOPLE}{{action="auto",agrees="no"}}']) == (0, 0)


def test_what_is_not_published_is_not_counted() -> None:
    parts = Assembly()
    [solved] = parts.settle(sent(reason="solved", resolution="We paid."))
    [superseded] = parts.settle(sent(1, ticket_id="T-8"))
    superseded = replace(superseded, outcome=Outcome.SUPERSEDED, results=())
    [refused] = parts.settle(replace(sent(2), value=b"{"))
    found = samples([solved, superseded, refused])
    assert not [name for name in found if name.startswith("millrace_decisions_total{")]
    assert found['millrace_result_seconds_count{since="record"}'] == 0


def test_a_result_that_is_published_again_counts_once() -> None:
    parts = Assembly()
    parts.settle(sent())
    [again] = parts.settle(sent(1))
    assert again.results
    found = samples([again])
    assert not [name for name in found if name.startswith("millrace_decisions_total{")]
    assert found['millrace_result_seconds_count{since="record"}'] == 0


def test_an_empty_ticket_is_counted() -> None:
    found = samples(Assembly().settle(sent(subject="", body=" ")))
    assert found["millrace_empty_inputs_total"] == 1
    assert found['millrace_input_characters_bucket{le="0.0"}'] == 1


def test_a_call_has_sound_speech_and_coverage() -> None:
    fields = {
        "schema_version": 1, "event_id": "e", "tenant_id": "acme", "event_version": 1, "reason": "recorded",
        "occurred_at": "2026-05-01T10:00:00Z", "call_id": "C-1", "audio": spoken("I want my money back"),
    }  # fmt: skip
    made = Record("calls", 0, 0, int(SENT_AT.timestamp() * 1000), b"acme:C-1", json.dumps(fields).encode())
    found = samples(Assembly(stream=SPOKEN_CALLS).settle(made), stream="calls")
    assert found["millrace_call_sound_seconds_sum"] == 1.0
    assert found["millrace_call_speech_share_sum"] == 1.0
    assert found["millrace_call_coverage_count"] == 1
    assert found["millrace_picture_pixels_count"] == 0


def test_an_image_has_pixels_and_near_duplicates() -> None:
    worker = Products()
    settled = worker.parts.settle(worker.image("I-1"), worker.image("I-2"))
    found = samples(settled, stream="products")
    assert found["millrace_picture_pixels_count"] == 2
    assert found['millrace_near_duplicates_total{tier="same_picture"}'] == 1
    assert found['millrace_similar_searches_total{result="none"}'] == 0  # most images have no near-duplicate
    assert found["millrace_best_similarity_sum"] == pytest.approx(1.0)


def test_a_scrape_in_the_middle_of_a_batch_sees_a_whole_series() -> None:
    registry, stop = Registry(), threading.Event()
    tally = registry.tallies["millrace_decision_confidence"]

    def update() -> None:
        for number in itertools.count():
            tally.observe(("tickets", f"action {number % 50}"), [1.0])
            if stop.is_set():
                return

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread = threading.Thread(target=update)
    thread.start()
    try:
        for _ in range(200):
            for family in tally.collect():
                counts = {s.labels["action"]: s.value for s in family.samples if s.name.endswith("_count")}
                sums = {s.labels["action"]: s.value for s in family.samples if s.name.endswith("_sum")}
                assert counts == sums
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(before)


def test_a_tally_counts_a_value_at_a_limit_in_the_bucket_of_this_limit() -> None:
    registry = Registry()
    tally: Tally = registry.tallies["millrace_decision_confidence"]
    tally.observe(("tickets", "auto"), [0.05, 0.051, 0.99, 0.995])
    text = registry.render().decode()
    counts = [float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if "confidence_bucket" in line]
    assert counts == [1, *[2] * 10, 3, 4]
