"""The drift application on a real Kafka: windows close once, an alert is sent once, and crashes lose and double nothing.

Two instances are killed and started again while batches arrive; then the sums in the changelog must equal, bit for bit,
those of the same batches added by one `Board`. Green does not show the statistics (a stand-in judges), several brokers,
nor a process that is frozen for longer than its session; `benchmarks/drift_killed.py` repeats the kills more often.
"""

from collections.abc import Iterator

import pytest

from tests.support.drift_crashes import Crashes, Outcome, crashed
from tests.support.kafka.config import SHORT_SESSION_TIMEOUT_S
from tests.support.kafka.server import KafkaServer, why_unavailable
from tests.support.services import missing


@pytest.fixture(scope="module")
def kafka() -> Iterator[KafkaServer]:
    """Yield a broker with short sessions for this module."""
    if reason := why_unavailable():
        missing(reason)
    with KafkaServer(session_timeout_s=SHORT_SESSION_TIMEOUT_S) as server:
        yield server


@pytest.fixture(scope="module")
def outcome(kafka: KafkaServer) -> Outcome:
    """Return what was found after a few kills."""
    return crashed(kafka.bootstrap, Crashes(times=3, seed=7))


def test_the_sums_equal_those_without_a_crash(outcome: Outcome) -> None:
    assert outcome.kills == 3
    assert outcome.differing == []
    assert outcome.subjects == outcome.expected_subjects


def test_each_alert_is_sent_once(outcome: Outcome) -> None:
    assert len(outcome.alerts) == len(set(outcome.alerts)) == outcome.expected_alerts > 0


def test_an_unreadable_message_is_counted_and_passed(outcome: Outcome) -> None:
    assert outcome.unreadable >= 1


def test_it_stops_within_seconds_and_has_committed_everything(outcome: Outcome) -> None:
    assert outcome.stopped_s < 10
    assert outcome.uncommitted == 0
