"""A single Kafka broker killed and started again on its data while records keep arriving.

Green shows that the worker continues by itself and that nothing is missing. It does not show how soon
(`benchmarks/faults/brokers.py` measures that), nor a machine that loses data it had not written to its disk.
"""

from pathlib import Path

from schemas.outcomes import Outcome
from tests.support.kafka.server import KafkaServer
from tests.support.outage import trial

RESTARTS = 2


def test_a_broker_that_is_killed_and_restarted_costs_only_time(own_kafka: KafkaServer, tmp_path: Path) -> None:
    with trial(own_kafka, tmp_path, partitions=3, records_per_s=50) as on:
        for _ in range(RESTARTS):
            on.restart(outage_s=1.0)
        findings = on.finish()
        assert findings.clean, findings
        assert (findings.settled, findings.pending) == (on.load.sent, 0)
        assert Outcome.DEAD_LETTERED not in findings.outcomes
