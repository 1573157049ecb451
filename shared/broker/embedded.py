"""The embedded broker: librdkafka's own mock cluster, over TCP, for demos and tests. It is not Kafka.

Its limits: every topic has four partitions, whatever number is requested; a partition keeps the newest 5 MiB and drops
older records; admin calls are not supported; transactions have no effect; all data is lost when the process that runs
it ends.
"""

from collections.abc import Iterable

from confluent_kafka import Producer

CLUSTER = "mockCluster"
"""The cluster id of librdkafka's mock cluster. The mock gives topics no ids, does not answer most requests of an admin
client, and answers every lookup of an offset by time with the end of the partition."""

PARTITIONS = 4
START_TIMEOUT_S = 10.0


class EmbeddedBroker:
    """Runs a mock cluster until it is closed. Any process can connect to `bootstrap`."""

    def __init__(self) -> None:
        self._holder = Producer({"test.mock.num.brokers": 1, "log_level": 0})
        brokers = self._holder.list_topics(timeout=START_TIMEOUT_S).brokers.values()
        self.bootstrap = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)

    def create(self, topics: Iterable[str]) -> None:
        """Create topics; a producer's request for their metadata creates them."""
        for topic in topics:
            self._holder.list_topics(topic, timeout=START_TIMEOUT_S)

    def close(self) -> None:
        """Stop the cluster; all its data is lost."""
        self._holder.close()

    def __enter__(self) -> "EmbeddedBroker":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()
