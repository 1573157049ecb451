"""A release with a new field of tickets is rolled out and back under load, on a real Kafka, in worker processes.

The next release is this code with the edits of docs/schema-evolution.md. Green shows that the documented order loses,
repeats and dead-letters nothing, and that a change in another order is noticed. It does not show a release that differs
in more than one field, nor another stream; `benchmarks/faults/rolling_upgrade.py` changes ten times.
"""

from pathlib import Path

import pytest

from shared.settings import StoreSettings
from shared.vectorstore.qdrant.store import connect
from tests.support.kafka.server import KafkaServer
from tests.support.next_release import FIELD, next_release
from tests.support.rolling_upgrade import Group, group_under_load
from tests.support.waiting import wait_until

PARTITIONS = 4
RECORDS_PER_S = 50
TIMEOUT_S = 60.0


def assert_whole(group: Group) -> None:
    """Assert that everything was settled once, and nothing is missing, stale, conflicting or dead-lettered."""
    found = group.audit()
    names = ("missing", "stale", "conflicting", "repeated", "unreadable", "unread_lost", "pending")
    assert {name: found[name] for name in names} == dict.fromkeys(names, 0), found
    assert found["settled"] == group.load.sent.total()
    assert group.dead_letters() == {}


@pytest.mark.timeout(600)
def test_up_down_and_up_in_the_wrong_order_loses_and_dead_letters_nothing(
    own_kafka: KafkaServer, tmp_path: Path
) -> None:
    with group_under_load(own_kafka, next_release(tmp_path), PARTITIONS, 2, RECORDS_PER_S) as group:
        for change in (group.upgrade(), group.roll_back()):
            assert change.by_old > 0, "no old worker settled anything beside a new one"
            assert change.by_new > 0, "no new worker settled anything beside an old one"
        group.send_the_field()  # too early
        wait_until(lambda: all("schema" in (each.faults() or ()) for each in group.members), TIMEOUT_S, "old ones wait")
        assert group.dead_letters() == {}
        group.roll(group.next_root)
        group.finish()
        assert_whole(group)
        assert group.load.sent[2] > 0
        assert stored_fields(group) > 0


def test_a_field_without_a_new_version_is_dead_lettered_by_old_workers(own_kafka: KafkaServer, tmp_path: Path) -> None:
    root = next_release(tmp_path, raises_the_version=False)
    with group_under_load(own_kafka, root, PARTITIONS, 1, RECORDS_PER_S) as group:
        group.send_the_field()
        wait_until(lambda: group.dead_letters()["unknown_field"] > 0, TIMEOUT_S, "a dead letter")
        assert group.members[0].faults() == {}
        group.finish()
        with pytest.raises(AssertionError):
            assert_whole(group)


def stored_fields(group: Group) -> int:
    """Return the number of tickets that are stored with the new field."""
    store = connect(StoreSettings(url=group.plan.store))
    try:
        collection = store.open_alias("tickets")
        assert collection is not None
        return sum(payload.get(FIELD) is not None for _, payload in collection.scroll_all((FIELD,)))
    finally:
        store.close()
