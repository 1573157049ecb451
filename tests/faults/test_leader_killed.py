"""Three Kafka brokers, of which the leader of a partition is killed while records keep arriving.

Green shows that the worker follows the leader by itself and that nothing is missing. It does not show how soon
(`benchmarks/faults/brokers.py` measures that), nor brokers that cannot reach each other.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.outcomes import Outcome
from tests.support.kafka.server import KafkaServer, why_unavailable
from tests.support.outage import trial
from tests.support.services import missing


@pytest.fixture
def three_brokers() -> Iterator[KafkaServer]:
    """Yield three brokers."""
    if reason := why_unavailable():
        missing(reason)
    with KafkaServer(nodes=3) as server:
        yield server


def test_a_moved_leader_costs_only_time(three_brokers: KafkaServer, tmp_path: Path) -> None:
    with trial(three_brokers, tmp_path, partitions=3, records_per_s=50) as on:
        on.move_leader(partition=0)
        findings = on.finish()
        assert findings.clean, findings
        assert (findings.settled, findings.pending) == (on.load.sent, 0)
        assert Outcome.DEAD_LETTERED not in findings.outcomes
