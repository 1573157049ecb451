"""Creating the changelogs of tables on a real broker: compacted topics with as many partitions as their source."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic

from shared.broker.client import client_config
from shared.broker.embedded import CLUSTER
from shared.broker.provision import SAFE_REPLICAS, TIMEOUT_S
from shared.broker.security import Address, ClientErrors, failure, opened, reach
from shared.errors import Fatal, Unavailable

CONFIG = {
    "cleanup.policy": "compact",
    "min.cleanable.dirty.ratio": "0.1",
    "segment.ms": "3600000",
    "segment.bytes": str(64 << 20),
    "max.message.bytes": str(4 << 20),
}
"""Small segments that are compacted early: an instance reads the whole changelog when it starts."""


class Size(NamedTuple):
    """The number of partitions of a topic, and of the replicas of each."""

    partitions: int
    replicas: int


def ensure_changelogs(address: Address, sources: Mapping[str, str]) -> dict[str, Size]:
    """Create missing changelogs like their sources, and add the partitions that these have got since.

    Args:
        address: The brokers.
        sources: The name of the source of each changelog. If the source is missing, so may be the changelog.

    Returns:
        The size of each source that exists.

    Raises:
        Unavailable: the broker did not answer.
        Fatal: the brokers refuse this user, or are no Kafka.
    """
    client_errors = ClientErrors()
    admin = opened(AdminClient, client_config(address, client_errors))
    cluster = reach(admin, client_errors, None, TIMEOUT_S)
    if str(cluster.cluster_id).startswith(CLUSTER):
        raise Fatal(f"{address} is an embedded broker, which has no changelogs: a Kafka is needed (--bootstrap)")
    known = cluster.topics
    sizes = {source: _size(source, known[source].partitions) for source in sources.values() if source in known}
    missing, grown = [], []
    for name, source in sources.items():
        size = sizes.get(source)
        if size is not None and name not in known:
            in_sync = {"min.insync.replicas": "2"} if size.replicas >= SAFE_REPLICAS else {}
            missing.append(NewTopic(name, size.partitions, size.replicas, config=CONFIG | in_sync))
        elif size is not None and len(known[name].partitions) < size.partitions:
            grown.append(NewPartitions(name, size.partitions))
    futures = admin.create_topics(missing, request_timeout=TIMEOUT_S, operation_timeout=TIMEOUT_S) if missing else {}
    futures |= admin.create_partitions(grown, request_timeout=TIMEOUT_S) if grown else {}
    for name, future in futures.items():
        try:
            future.result()  # limited by the client's own timeouts
        except KafkaException as error:
            if error.args[0].code() not in (KafkaError.TOPIC_ALREADY_EXISTS, KafkaError.INVALID_PARTITIONS):
                raise failure(error.args[0], f"topic {name}", f"Create and Alter on topic {name}") from error
    return sizes


def _size(topic: str, partitions: Mapping[int, Any]) -> Size:
    if 0 not in partitions:
        raise Unavailable("broker", f"topic {topic} has no partitions yet")
    return Size(len(partitions), len(partitions[0].replicas))
