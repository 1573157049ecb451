"""The audit over topics held in memory: clean after a clean run, and not clean after each single kind of loss.

The topics were written by the real settling code and then damaged. A green run does not prove that the real reader
returns every record: the tests on brokers check that.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from schemas.failures import FailureHeader
from schemas.outcomes import Outcome
from shared.audit.comparison import AuditReport, audit_json
from shared.deadletters.envelope import DeadLetter, read_dead_letter
from shared.deadletters.replay_message import replay_message
from shared.records import Message, Point, Record, TopicPartition, Watermarks
from tests.support.audited import World, counts
from tests.support.streams import KINDS

LEDGER, RESULTS, DLQ = "ledger", "results", "dlq"
"""Topic names of a stream, named as the fields of `Kind`."""


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def empty(request: pytest.FixtureRequest) -> World:
    """Yield each stream in turn, without a record."""
    return World(request.param)


@pytest.fixture
def world(empty: World) -> World:
    """Yield a stream of four records: routed, dead-lettered, deleted, indexed."""
    kind = empty.kind
    empty.settle(kind.record(kind.event(), 0), kind.record({"nonsense": 1}, 1), kind.record(kind.deleted("T-2"), 2))
    empty.settle(kind.record(kind.event(version=2, reason="solved"), 3))
    return empty


def test_a_clean_run_is_clean(world: World) -> None:
    findings = world.audit()
    assert findings.clean
    assert counts(findings) == {}
    assert (findings.settled, findings.points) == (4, 2)
    assert findings.outcomes == {"routed": 1, "dead_lettered": 1, "deleted": 1, "indexed": 1}
    assert findings.line() == "audit: missing 0, stale 0, conflicting 0, repeated 0"


def test_an_empty_stream_is_clean(empty: World) -> None:
    findings = empty.audit()
    assert findings.clean
    assert findings.settled == 0


def test_a_missing_ledger_message_is_missing(world: World) -> None:
    world.held(LEDGER).pop()
    findings = world.audit()
    assert not findings.clean
    assert counts(findings) == {"missing": 1}
    assert findings.examples["missing"] == [f"{world.kind.name}/0@3 is committed, but no ledger message contains it"]


def test_a_missing_result_is_missing(world: World) -> None:
    world.held(RESULTS).clear()
    findings = world.audit()
    assert not findings.clean
    assert findings.examples["missing"] == [f"{world.kind.name}/0@0 was routed but has no result"]


def test_a_result_for_another_record_does_not_replace_a_missing_one(world: World) -> None:
    [result] = world.held(RESULTS)
    fields = json.loads(result.value or b"")
    fields["source"]["offset"] = 3
    world.held(RESULTS)[:] = [replace(result, value=json.dumps(fields).encode())]
    assert counts(world.audit()) == {"missing": 1}


def test_a_missing_dead_letter_is_missing(world: World) -> None:
    world.held(DLQ).clear()
    findings = world.audit()
    assert not findings.clean
    assert findings.examples["missing"] == [f"{world.kind.name}/0@1 was dead-lettered but is not in the queue"]


def test_a_result_lost_between_two_versions_is_missing(empty: World) -> None:
    """Version 1 was stored and superseded before its result was published; version 2 had nothing to publish."""
    world = empty
    world.settle(world.kind.record(world.kind.event(), 0))
    world.settle(world.kind.record(world.kind.event(version=2, reason="updated"), 1))
    assert world.audit().clean
    world.held(RESULTS).clear()
    world.held(LEDGER).clear()
    world.entry(Outcome.SUPERSEDED, 0)
    world.entry(Outcome.INDEXED, 1)
    assert counts(world.audit()) == {"missing": 1}
    assert "result of version 1 was not published" in world.audit().examples["missing"][0]


def test_a_dead_letter_of_another_record_does_not_replace_a_missing_one(world: World) -> None:
    [letter] = world.held(DLQ)
    headers = dict(letter.headers) | {FailureHeader.ORIGIN_OFFSET.value: b"3"}
    world.held(DLQ)[:] = [replace(letter, headers=tuple(headers.items()))]
    assert counts(world.audit()) == {"missing": 1}


@pytest.mark.parametrize("source_id", ["T-1", "T-2"])
def test_a_missing_point_and_a_missing_tombstone_are_missing(world: World, source_id: str) -> None:
    point = world.kind.point_id(source_id)
    del world.parts.collection.points[point]
    findings = world.audit()
    assert not findings.clean
    assert counts(findings) == {"missing": 1}
    assert str(point) in findings.examples["missing"][0]


def test_a_stale_point_is_stale(world: World) -> None:
    one = world.kind.point_id()
    stored = world.parts.collection.points[one]
    world.parts.collection.points[one] = Point(one, 1, {}, {**stored.payload, "event_version": 1})
    findings = world.audit()
    assert not findings.clean
    assert counts(findings) == {"stale": 1}
    assert findings.examples["stale"] == [f"point {one} holds version 1, but version 2 was settled"]


def test_a_point_newer_than_the_settled_version_is_no_finding(world: World) -> None:
    one = world.kind.point_id()
    stored = world.parts.collection.points[one]
    world.parts.collection.points[one] = Point(one, 9, {}, {**stored.payload, "event_version": 9})
    assert counts(world.audit()) == {}


def test_a_superseded_version_must_be_covered_by_its_point_too(empty: World) -> None:
    world = empty
    world.settle(world.kind.record(world.kind.event(version=2), 0), world.kind.record(world.kind.event(version=1), 1))
    assert counts(world.audit()) == {}
    world.parts.collection.points.clear()
    assert counts(world.audit()) == {"missing": 1}


@pytest.mark.parametrize("other", [Outcome.ROUTED, Outcome.INDEXED, Outcome.DELETED])
def test_another_outcome_beside_dead_lettered_is_a_conflict(world: World, other: Outcome) -> None:
    world.entry(other, 1)
    findings = world.audit(points=False)
    assert not findings.clean
    assert findings.conflicting == 1
    assert "dead_lettered" in findings.examples["conflicting"][0]


def test_routed_and_deleted_is_a_conflict(world: World) -> None:
    world.entry(Outcome.DELETED, 0)
    assert counts(world.audit()) == {"conflicting": 1, "repeated": 1}


@pytest.mark.parametrize("offset", [0, 1], ids=["routed", "dead-lettered"])
def test_superseded_when_read_again_is_no_conflict(world: World, offset: int) -> None:
    world.entry(Outcome.SUPERSEDED, offset)
    findings = world.audit()
    assert findings.clean
    assert counts(findings) == {"repeated": 1}


def test_two_different_results_of_one_version_are_a_conflict(world: World) -> None:
    [result] = world.held(RESULTS)
    world.held(RESULTS).append(replace(result, offset=1, value=world.kind.contradicted(result.value)))
    findings = world.audit()
    assert not findings.clean
    assert findings.conflicting == 1
    assert findings.examples["conflicting"] == ["two results of acme:T-1 version 1 differ"]


def test_records_settled_again_after_a_crash_are_repeated_and_clean(empty: World) -> None:
    world = empty
    batch = [world.kind.record(world.kind.event(), 0), world.kind.record({"nonsense": 1}, 1)]
    world.settle(*batch)
    world.settle(*batch)
    findings = world.audit()
    assert findings.clean
    assert counts(findings) == {"repeated": 2}
    assert findings.examples["repeated"] == [
        f"{world.kind.name}/0@0 was settled 2 times and has 2 results",
        f"{world.kind.name}/0@1 was settled 2 times and has 2 dead letters",
    ]
    assert len(world.held(RESULTS)) == 2


@pytest.mark.parametrize(("topic", "reported"), [(RESULTS, "/0@0 has 3 results"), (DLQ, "/0@1 has 3 dead letters")])
def test_a_message_that_occurs_more_than_once_is_repeated_and_named(world: World, topic: str, reported: str) -> None:
    world.held(topic).extend(world.held(topic) * 2)
    findings = world.audit()
    assert findings.clean
    assert counts(findings) == {"repeated": 1}
    assert findings.examples["repeated"] == [f"{world.kind.name}{reported}"]


def test_a_record_that_is_in_the_ledger_twice_was_settled_2_times(world: World) -> None:
    world.entry(Outcome.ROUTED, 0)
    assert world.audit().examples["repeated"] == [f"{world.kind.name}/0@0 was settled 2 times"]


def test_a_record_that_is_not_committed_yet_is_pending(world: World) -> None:
    world.reader.topics[world.kind.name].append(world.kind.record(world.kind.event("T-9"), 4))
    findings = world.audit()
    assert findings.clean
    assert counts(findings) == {"pending": 1}


def test_a_record_settled_but_not_committed_is_pending_and_not_missing(world: World) -> None:
    world.reader.offsets[TopicPartition(world.kind.name, 0)] = 3
    findings = world.audit()
    assert findings.clean
    assert (findings.pending, findings.settled) == (1, 3)


def test_without_any_commit_everything_is_pending(world: World) -> None:
    world.reader.offsets.clear()
    findings = world.audit()
    assert (findings.pending, findings.settled, findings.clean) == (4, 0, True)


def test_records_that_the_input_no_longer_holds_are_below_retention(world: World) -> None:
    del world.reader.topics[world.kind.name][:2]
    findings = world.audit()
    assert findings.clean
    assert counts(findings) == {"below_retention": 2}


@pytest.mark.parametrize(("topic", "changes"), [(DLQ, {"nonsense": 1}), (RESULTS, {})])
def test_removed_dead_letters_and_results_are_purged_up_to_the_number_that_was_removed(
    empty: World, topic: str, changes: dict[str, Any]
) -> None:
    world = empty
    world.settle(*[world.kind.record(world.kind.event(f"T-{at}", **changes), at) for at in range(3)])
    world.held(topic).clear()
    world.reader.marks[TopicPartition(getattr(world.kind, topic), 0)] = Watermarks(2, 2)
    findings = world.audit()
    assert not findings.clean
    assert counts(findings) == {"purged": 2, "missing": 1}
    world.reader.marks[TopicPartition(getattr(world.kind, topic), 0)] = Watermarks(3, 3)
    assert world.audit().clean


def test_a_dead_letter_that_was_replayed_is_a_record_of_its_own(world: World) -> None:
    """It is settled once in the input, as a dead letter, and once in redo, with the outcome that it has there."""
    letter = read_dead_letter(world.held(DLQ)[0])
    assert isinstance(letter, DeadLetter)
    again = replay_message(letter, world.kind.name, 3)
    for offset in range(2):
        world.settle(Record(again.topic, 0, offset, 0, again.key, again.value, again.headers))
    findings = world.audit()
    assert findings.clean
    assert counts(findings) == {}
    assert findings.outcomes["dead_lettered"] == 3
    assert len(world.held(DLQ)) == 3


def test_a_gap_in_the_offsets_is_no_loss(empty: World) -> None:
    world = empty
    world.settle(world.kind.record(world.kind.event(), 0))
    world.settle(world.kind.record(world.kind.event("T-2"), 7))
    assert counts(world.audit()) == {}


def test_the_redo_topic_is_part_of_the_input(world: World) -> None:
    again = world.kind.record(world.kind.event("T-5"), 0, topic=world.kind.redo)
    world.settle(again)
    assert world.audit().settled == 5
    world.held(LEDGER).pop()
    assert world.audit().examples["missing"] == [
        f"{world.kind.redo}/0@0 is committed, but no ledger message contains it"
    ]


def test_without_a_collection_the_points_are_left_out(world: World) -> None:
    world.parts.collection.points.clear()
    findings = world.audit(points=False)
    assert findings.clean
    assert findings.points == 0


def test_a_good_record_settled_under_another_schema_is_no_finding(world: World) -> None:
    unreadable = world.kind.record(world.kind.event("T-9", schema_version=2), 4)
    world.reader.topics[world.kind.name].append(unreadable)
    world.reader.offsets[TopicPartition(world.kind.name, 0)] = 5
    world.entry(Outcome.INDEXED, 4)
    assert counts(world.audit()) == {}


def test_the_json_form_holds_the_same_findings(world: World) -> None:
    world.held(RESULTS).clear()
    reported: dict[str, Any] = json.loads(audit_json(world.audit()))
    assert (reported["clean"], reported["missing"], reported["settled"], reported["points"]) == (False, 1, 4, 2)
    assert reported["outcomes"]["routed"] == 1
    assert len(reported["examples"]["missing"]) == 1


def test_only_a_few_examples_are_kept() -> None:
    findings = AuditReport()
    for number in range(20):
        findings.note("missing", str(number))
    assert findings.missing == 20
    assert findings.examples["missing"] == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("damage", ["ledger", "result", "dead letter", "point"])
def test_each_single_loss_makes_the_audit_fail(world: World, damage: str) -> None:
    losses: dict[str, Callable[[], object]] = {
        "ledger": world.held(LEDGER).pop,
        "result": world.held(RESULTS).pop,
        "dead letter": world.held(DLQ).pop,
        "point": world.parts.collection.points.popitem,
    }
    assert world.audit().clean
    losses[damage]()
    assert not world.audit().clean


@pytest.mark.parametrize("header", [FailureHeader.ORIGIN_PARTITION, FailureHeader.ORIGIN_OFFSET, FailureHeader.REASON])
def test_a_dead_letter_without_a_valid_envelope_is_unreadable_and_names_the_header(
    world: World, header: FailureHeader
) -> None:
    [letter] = world.held(DLQ)
    broken = tuple((name, b"" if name == header else value) for name, value in letter.headers)
    world.held(DLQ).append(replace(letter, offset=letter.offset + 1, headers=broken))
    findings = world.audit()
    assert (counts(findings), findings.unreadable) == ({}, 1)
    assert findings.examples["unreadable"] == [f"{letter.topic}/0@{letter.offset + 1}: no {header}"]


@pytest.mark.parametrize("topic", [LEDGER, RESULTS, DLQ])
def test_a_message_that_millrace_did_not_write_is_unreadable_and_not_clean(world: World, topic: str) -> None:
    world.reader.write(Message(getattr(world.kind, topic), b"k", b"foreign"))
    findings = world.audit()
    assert (findings.clean, findings.unreadable) == (False, 1)
    assert findings.examples["unreadable"][0].startswith(f"{getattr(world.kind, topic)}/0@")
    assert (findings.missing, findings.stale, findings.conflicting) == (0, 0, 0)
