"""The embedded broker: librdkafka's own mock cluster, over TCP, for demos and tests. It is not Kafka.

Four partitions a topic whatever is asked, 5 MiB a partition and older records vanish, no admin calls, transactions in name
only; everything is gone when the process that holds it ends.
"""

from collections.abc import Iterable

from confluent_kafka import Producer

CLUSTER = "mockCluster"
"""What librdkafka calls its mock cluster. It gives topics no ids, leaves most questions of an admin client unanswered, and
answers every question for a time with "the end"."""

PARTITIONS = 4
START_TIMEOUT_S = 10.0


class EmbeddedBroker:
    """Holds a mock cluster for as long as it is open. Connect to `bootstrap` from any process."""

    def __init__(self) -> None:
        self._holder = Producer({"test.mock.num.brokers": 1, "log_level": 0})
        brokers = self._holder.list_topics(timeout=START_TIMEOUT_S).brokers.values()
        self.bootstrap = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)

    def create(self, topics: Iterable[str]) -> None:
        """Create topics: a producer's question for their metadata makes them."""
        for topic in topics:
            self._holder.list_topics(topic, timeout=START_TIMEOUT_S)

    def close(self) -> None:
        """End the cluster; everything in it is gone."""
        self._holder.close()

    def __enter__(self) -> "EmbeddedBroker":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()
