"""What a worker publishes of a batch for the watch for drift. It does not prove that settling sends it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import numpy as np
import pytest

from schemas.decisions import Decision
from schemas.drift import BatchSums, Outlier, unpacked
from schemas.failures import FailureHeader, FailureReason
from schemas.outcomes import Outcome
from shared.drift.keys import Keys
from shared.drift.reference import Reference, Subject
from shared.drift.summing import BatchSummer, Provides
from shared.errors import Rejected
from shared.facts import Facts, Judged, Measures, Traits
from shared.records import Message, Point, Record, Settled

NOW = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)
DIM = 4
SUBJECT = Subject("tickets", "text", "0a1b2c3d", "all")
REFERENCE = Reference(
    subject=SUBJECT,
    reference_id="5eedf00d",
    made_at=NOW,
    first_at=NOW,
    last_at=NOW,
    centroids=np.eye(DIM, dtype=np.float32)[:2],
    names=("parcel late", "card declined"),
    far_below=np.array([0.9, 0.9], np.float32),
    outlier_below=0.5,
    head=None,
    policy=None,
)


def unit(*numbers: float) -> np.ndarray:
    vector = np.array(numbers, np.float32)
    return vector / np.linalg.norm(vector)


def decision(label: str = "delivery", queue: str = "parcels") -> Decision:
    return Decision(action="auto", action_reason="confident", label=label, queue=queue, priority="normal",
                    confidence=0.93, policy="0" * 64)  # fmt: skip


def routed(number: int, vector: np.ndarray | None = None, tenant: str = "acme", text: str = "where is it") -> Settled:
    """Return a settled ticket."""
    point = Point(uuid4(), 3, {} if vector is None else {"text": vector}, {})
    traits = Traits("en", "email", len(text), f"C-{number}", text)
    facts = Facts(tenant, f"T-{number}", NOW, -1, True, decision(), None, Measures(traits=traits))
    result = Message("tickets.routed", b"", b"")
    record = Record("tickets", 0, number, 1_000, f"{tenant}:T-{number}".encode(), b"{}")
    return Settled(record, Outcome.ROUTED, point.id, 3, point, (result,), facts=facts)


def summer(keys: Keys = Keys(), reference: Reference | None = REFERENCE) -> BatchSummer:  # noqa: B008
    provides = Provides("tickets", {"text": "0a1b2c3d"}, {"text": DIM}, None, keys, b"key", 86_400)
    return BatchSummer(provides, lambda subject: reference if subject == SUBJECT else None)


def sums_of(messages: Sequence[Message]) -> list[BatchSums]:
    return [BatchSums.model_validate_json(each.value or b"") for each in messages if each.topic == "tickets.sums"]


def outliers_of(messages: Sequence[Message]) -> list[Outlier]:
    return [Outlier.model_validate_json(each.value or b"") for each in messages if each.topic == "tickets.outliers"]


def test_sums_and_counts() -> None:
    vectors = [unit(1, 0, 0, 0), unit(1, 0.1, 0, 0), unit(0, 1, 0.9, 0)]
    messages = summer().messages([routed(number, each) for number, each in enumerate(vectors)], NOW)
    (sums,) = sums_of(messages)
    assert messages[0].key == b"tickets|text|0a1b2c3d|all"
    assert sums.items == 3
    assert unpacked(sums.vector_sum) == pytest.approx(np.sum(vectors, axis=0))
    assert sums.squared_norms == pytest.approx(3)
    assert sums.centroids == {"0": 2, "1": 1}
    assert sums.far == {"1": 1}
    assert sums.cosines == pytest.approx(sum(max(each[0], each[1]) for each in vectors))
    assert (sums.labels, sums.actions, sums.confidences) == ({"delivery": 3}, {"auto": 3}, {"0.9": 3})
    assert (sums.languages, sums.channels, sums.lengths) == ({"en": 3}, {"email": 3}, {"1-15": 3})
    assert [each.item_id for each in sums.examples] == ["T-0", "T-1", "T-2"]
    assert (sums.traffic, sums.reference, sums.outliers) == ("live", "5eedf00d", 0)


def test_an_outlier_is_published_with_a_digest_of_its_customer() -> None:
    messages = summer().messages([routed(1, unit(0.1, 0, 1, 0), text="white screen after update")], NOW)
    (found,) = outliers_of(messages)
    assert (found.item_id, found.event_version, found.centroid) == ("T-1", 3, 0)
    assert found.terms == ("white", "screen", "update")
    assert found.customer is not None
    assert "C-1" not in found.model_dump_json()
    assert sums_of(messages)[0].outliers == 1


def test_two_tenants_never_share_the_digest_of_a_customer() -> None:
    far = unit(0, 0, 1, 0)
    messages = summer().messages([routed(1, far), routed(1, far, tenant="globex")], NOW)
    one, other = outliers_of(messages)
    assert one.customer != other.customer


def test_without_a_reference_nothing_is_located() -> None:
    messages = summer(reference=None).messages([routed(1, unit(0, 0, 1, 0))], NOW)
    (sums,) = sums_of(messages)
    assert (sums.reference, sums.centroids, sums.outliers, len(messages)) == (None, {}, 0, 1)


def test_named_tenants_have_sums_of_their_own() -> None:
    keys = Keys("tenant", frozenset({"acme"}))
    batch = [routed(1, unit(1, 0, 0, 0)), routed(2, unit(1, 0, 0, 0), tenant="initech"), _failed(b"acme:T-3")]
    found = {each.key: each for each in sums_of(summer(keys).messages(batch, NOW))}
    assert {key: (each.items, each.failed) for key, each in found.items()} == {"tenant:acme": (1, 1), "other": (1, 0)}


def test_named_queues_have_sums_of_their_own() -> None:
    batch = [routed(1, unit(1, 0, 0, 0)), _failed(b"acme:T-3")]
    found = {each.key: each for each in sums_of(summer(Keys("queue", frozenset({"parcels"}))).messages(batch, NOW))}
    assert {key: (each.items, each.failed) for key, each in found.items()} == {"queue:parcels": (1, 0), "other": (0, 1)}


def test_replayed_and_old_records_are_marked() -> None:
    live, old, again = routed(1, unit(1, 0, 0, 0)), routed(2, unit(1, 0, 0, 0)), routed(3, unit(0, 0, 1, 0))
    assert old.facts is not None
    old = replace(old, facts=replace(old.facts, occurred_at=NOW - timedelta(days=2)))
    headers = ((FailureHeader.REPLAYS.value, b"1"),)
    again = replace(again, record=replace(again.record, topic="tickets.redo", headers=headers))
    messages = summer().messages([live, old, again], NOW)
    assert {each.traffic: each.items for each in sums_of(messages)} == {"live": 1, "backfilled": 1, "replayed": 1}
    assert outliers_of(messages) == []


def test_a_record_that_waited_in_the_retry_lane_is_live() -> None:
    waited = routed(1, unit(1, 0, 0, 0))
    headers = ((FailureHeader.REPLAYS.value, b"0"), ("millrace-retry-tier", b"1"))
    waited = replace(waited, record=replace(waited.record, topic="tickets.redo", headers=headers))
    assert [each.traffic for each in sums_of(summer().messages([waited], NOW))] == ["live"]


def test_repeats_and_superseded_items_are_not_counted() -> None:
    first = routed(1, unit(1, 0, 0, 0))
    assert first.facts is not None
    repeat = replace(first, point=None, facts=replace(first.facts, is_published=False))
    superseded = replace(first, outcome=Outcome.SUPERSEDED, results=())
    assert summer().messages([repeat, superseded], NOW) == []


def test_what_people_did_is_counted() -> None:
    solved = routed(1)
    assert solved.facts is not None
    batch = [
        replace(solved, outcome=Outcome.INDEXED, results=(),
                facts=replace(solved.facts, is_published=False, judged=Judged("auto", agrees, "parcels")))
        for agrees in (True, False, False)
    ]  # fmt: skip
    (sums,) = sums_of(summer().messages(batch, NOW))
    assert (sums.items, sums.agreed, sums.overridden) == (0, 1, 2)


def _failed(key: bytes) -> Settled:
    rejected = Rejected(FailureReason.INVALID_JSON, "value", "not JSON", "decode")
    return Settled(Record("tickets", 0, 9, 1_777_896_000_000, key, b"{"), Outcome.DEAD_LETTERED, failure=rejected)
