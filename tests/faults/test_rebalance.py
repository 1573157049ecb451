"""Two workers of one group on a real Kafka: one joins in the middle, the other leaves, and nothing is told twice.

Both write to one Qdrant Edge, each from its own thread, so that their writes really meet. Green does not show a member that
is evicted: that is a lost partition, shown by the kill tests and by the contract suite of the broker.
"""

from pathlib import Path

import pytest

from millrace.audit import audit
from schemas.topics import topics_of
from shared.broker.provision import create_topics
from shared.broker.reader import TopicReader
from shared.settings import BatchSettings, BrokerSettings, Settings, StoreSettings
from shared.vectorstore.edge import EdgeStore
from tests.crashes import TICKETS, VERSIONS, produce_tickets
from tests.fakes import FakeModel
from tests.flow.in_process import Seen, running_worker
from tests.kafka.server import KafkaServer
from tests.waiting import wait_until

GROUP = "millrace-tickets"
PARTITIONS = 4
TIMEOUT_S = 60.0


@pytest.fixture
def bootstrap(own_kafka: KafkaServer) -> str:
    """Give a Kafka of its own with topics of four partitions."""
    create_topics(own_kafka.bootstrap, topics_of("tickets", PARTITIONS), replication=1)
    return own_kafka.bootstrap


@pytest.mark.parametrize("protocol", ["consumer", "classic"])
def test_joining_and_leaving_repeats_nothing(bootstrap: str, tmp_path: Path, protocol: str) -> None:
    settings = Settings(
        broker=BrokerSettings(
            bootstrap=bootstrap, group=GROUP, group_protocol="classic" if protocol == "classic" else "consumer"
        ),
        batch=BatchSettings(max_records=5),
        store=StoreSettings(path=tmp_path / "store"),
    )
    store, first, second = EdgeStore(tmp_path / "store"), Seen(), Seen()
    total = TICKETS * VERSIONS
    with running_worker(settings, bootstrap, store, FakeModel(), [first]) as staying:
        wait_until(lambda: staying.source.assigned == 2 * PARTITIONS, TIMEOUT_S, "all partitions with the first")
        produce_tickets(bootstrap)
        first.wait_settled(1)
        with running_worker(settings, bootstrap, store, FakeModel(), [second]) as joining:
            wait_until(
                lambda: joining.source.assigned == PARTITIONS, TIMEOUT_S, "half of the partitions with the second"
            )
            produce_tickets(bootstrap)
            wait_until(lambda: len(second.outcomes) > 0, TIMEOUT_S, "something settled by the second")
        wait_until(lambda: len(first.outcomes) + len(second.outcomes) >= 2 * total, TIMEOUT_S, "all settled")
    findings = audit(TopicReader(bootstrap, GROUP), "tickets", store.open_alias("tickets"))
    store.close()
    assert findings.clean, findings
    assert (findings.settled, findings.points, findings.pending, findings.repeated) == (2 * total, TICKETS, 0, 0)
