"""Two workers of one group on a real Kafka: one joins in the middle, one leaves, and no result is published twice.

Both write to one Qdrant Edge, each from its own thread, so that their writes really overlap. Green does not show a
member that is evicted: that is a lost partition, which the kill tests and the contract suite of the broker show.
"""

from pathlib import Path

import pytest

from shared.audit.comparison import audit
from shared.broker.provision import create_topics
from shared.broker.reader import TopicReader
from shared.settings import BrokerSettings, Settings, StoreSettings
from shared.stream_settings import BatchSettings, StreamSettings
from shared.vectorstore.edge.store import EdgeStore
from tests.support.crashes import ITEMS, VERSIONS, produce_versions
from tests.support.fakes import FakeModel
from tests.support.in_process import Seen, process_of, running_worker
from tests.support.kafka.server import KafkaServer
from tests.support.waiting import wait_until
from workers.tickets.stages import TICKETS

GROUP = "millrace-tickets"
OWN = StreamSettings(batch=BatchSettings(max_records=5))
PARTITIONS = 4
TIMEOUT_S = 60.0


@pytest.fixture
def bootstrap(own_kafka: KafkaServer) -> str:
    """Return a Kafka of its own with topics of four partitions."""
    create_topics(own_kafka.bootstrap, TICKETS.topics(PARTITIONS), replication=1)
    return own_kafka.bootstrap


@pytest.mark.parametrize("protocol", ["consumer", "classic"])
def test_joining_and_leaving_repeats_nothing(bootstrap: str, tmp_path: Path, protocol: str) -> None:
    settings = Settings(
        broker=BrokerSettings(bootstrap=bootstrap, group_protocol="classic" if protocol == "classic" else "consumer"),
        store=StoreSettings(path=tmp_path / "store"),
    )
    store, first, second = EdgeStore(tmp_path / "store"), Seen(), Seen()
    total = ITEMS * VERSIONS
    with running_worker(process_of(settings, bootstrap, store), FakeModel(), [first], OWN) as staying:
        wait_until(lambda: staying.source.assigned == 2 * PARTITIONS, TIMEOUT_S, "all partitions with the first")
        produce_versions(bootstrap)
        first.wait_settled(1)
        with running_worker(process_of(settings, bootstrap, store), FakeModel(), [second], OWN) as joining:
            wait_until(
                lambda: joining.source.assigned == PARTITIONS, TIMEOUT_S, "half of the partitions with the second"
            )
            produce_versions(bootstrap)
            wait_until(lambda: len(second.outcomes) > 0, TIMEOUT_S, "something settled by the second")
        wait_until(lambda: len(first.outcomes) + len(second.outcomes) >= 2 * total, TIMEOUT_S, "all settled")
    findings = audit(TopicReader(bootstrap, GROUP), TICKETS, store.open_alias("tickets"))
    store.close()
    assert findings.clean, findings
    assert (findings.settled, findings.points, findings.pending, findings.repeated) == (2 * total, ITEMS, 0, 0)
