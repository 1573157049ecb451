"""Ledger messages as the engine writes them.

A green run does not prove that a broker accepts them; the contract suite checks that.
"""

from datetime import UTC, datetime

import pytest

from schemas.outcomes import LedgerEntry, Outcome
from shared.engine.ledger import Ledger
from shared.records import Provenance, Settled, TopicPartition, UnreadOffsets
from tests.support.tickets import event, record

NOW = datetime(2026, 5, 1, 10, tzinfo=UTC)
LEDGER = Ledger(Provenance("tickets", "3fa9c1d2"))


def test_the_ledger_has_one_message_per_partition() -> None:
    settled = [
        Settled(record(event(), 4), Outcome.ROUTED),
        Settled(record(event(), 0, partition=1), Outcome.INDEXED),
        Settled(record(event(), 5), Outcome.ROUTED),
        Settled(record(event(), 0, topic="tickets.redo"), Outcome.DELETED),
    ]
    messages = LEDGER.messages(settled, NOW)
    assert [message.key for message in messages] == [b"tickets:0", b"tickets:1", b"tickets.redo:0"]
    assert {message.topic for message in messages} == {"tickets.outcomes"}
    entry = LedgerEntry.model_validate_json(messages[0].value or b"")
    assert (entry.stream, entry.model, entry.settled_at) == ("tickets", "3fa9c1d2", NOW)
    assert [(span.first, span.last, span.outcome) for span in entry.ranges] == [(4, 5, Outcome.ROUTED)]


def test_no_settled_records_give_no_message() -> None:
    assert LEDGER.messages([], NOW) == []


def test_the_ids_of_topics_separate_ledger_messages() -> None:
    settled = [
        Settled(record(event(), 4, topic_id="old"), Outcome.ROUTED),
        Settled(record(event(), 0, topic_id="new"), Outcome.ROUTED),
    ]
    entries = [LedgerEntry.model_validate_json(message.value or b"") for message in LEDGER.messages(settled, NOW)]
    assert [(entry.topic_id, entry.ranges[0].first) for entry in entries] == [("old", 4), ("new", 0)]


def test_very_many_ranges_become_several_messages_that_fit_a_topic() -> None:
    outcomes = (Outcome.ROUTED, Outcome.DELETED)
    settled = [Settled(record(event(), at), outcomes[at % 2]) for at in range(12_000)]
    messages = LEDGER.messages(settled, NOW)
    assert [len(message.value or b"") < 1_000_000 for message in messages] == [True] * 3
    entries = [LedgerEntry.model_validate_json(message.value or b"") for message in messages]
    assert [span.first for entry in entries for span in entry.ranges] == list(range(12_000))


def test_records_that_nobody_has_read_are_reported_in_the_ledger() -> None:
    [message] = LEDGER.unread([UnreadOffsets(TopicPartition("tickets", 2), "an id", 5, 9)], NOW)
    entry = LedgerEntry.model_validate_json(message.value or b"")
    assert (message.topic, message.key, entry.topic_id, entry.partition) == (
        "tickets.outcomes",
        b"tickets:2",
        "an id",
        2,
    )
    assert (entry.ranges, [(span.first, span.last) for span in entry.unread]) == ((), [(5, 9)])


def test_an_empty_ledger_message_is_refused() -> None:
    with pytest.raises(ValueError, match="must have ranges or unread"):
        LedgerEntry(stream="tickets", topic="tickets", partition=0, model="x", settled_at=NOW)
