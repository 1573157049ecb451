"""Stand-ins for Kafka's own clients, below the adapter that measures lag: they answer at once, with the library's types.

Each request gets new objects, as those of the library do; a consumer hands out the first record at each place that it
is assigned.
"""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from confluent_kafka import ConsumerGroupState, ConsumerGroupTopicPartitions, Message, Node
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka import admin as kafka_admin

library: Any = kafka_admin  # its type stubs do not name its results

SETTINGS = {"cleanup.policy": "delete", "retention.ms": "604800000"}
HOST = Node(1, "localhost", 9092, None)
ResultT = TypeVar("ResultT")


@dataclass
class WideCluster:
    """Topics whose partitions all have the same number of records, and groups that lag in all of them.

    Attributes:
        topics: The number of partitions of each topic.
        end: The end of each partition, which begins at 0.
        written_ms: When each record was written, in ms since the epoch.
        committed: The offset that each group has committed in each partition of the topics.
        read: The number of places that a consumer was assigned to.
    """

    topics: Mapping[str, int]
    end: int
    written_ms: int
    committed: dict[str, dict[tuple[str, int], int]] = field(default_factory=dict)
    read: int = 0

    @property
    def places(self) -> list[tuple[str, int]]:
        """All partitions."""
        return [(name, number) for name, count in self.topics.items() for number in range(count)]


def done(result: ResultT) -> Future[ResultT]:
    """Return a future that has its result."""
    future: Future[ResultT] = Future()
    future.set_result(result)
    return future


class WideAdmin:
    """Answers as `AdminClient` does. The names of the arguments are those of the library."""

    def __init__(self, cluster: WideCluster) -> None:
        self._cluster = cluster

    def list_topics(self, topic: str | None = None, timeout: float = -1) -> Any:
        """Return the topics and the leaders of their partitions."""
        found = library.ClusterMetadata()
        found.topics = {name: _topic(name, count) for name, count in self._cluster.topics.items()}
        return found

    def list_offsets(
        self, topic_partition_offsets: Mapping[KafkaPartition, Any], **_: object
    ) -> dict[KafkaPartition, Future[Any]]:
        """Return the first offset or the end of each partition."""
        return {
            place: done(library.ListOffsetsResultInfo(self._offset(spec), -1, 0))
            for place, spec in topic_partition_offsets.items()
        }

    def describe_configs(self, resources: Iterable[Any], **_: object) -> dict[Any, Future[dict[str, Any]]]:
        """Return the settings of topics."""
        return {
            each: done({name: library.ConfigEntry(name, value) for name, value in SETTINGS.items()})
            for each in resources
        }

    def list_consumer_groups(self, **_: object) -> Future[Any]:
        """Return the names of the groups."""
        listed = [
            library.ConsumerGroupListing(name, False, ConsumerGroupState.STABLE) for name in self._cluster.committed
        ]
        return done(library.ListConsumerGroupsResult(listed, []))

    def describe_consumer_groups(self, group_ids: Sequence[str], **_: object) -> dict[str, Future[Any]]:
        """Return the only member of each group, to which all partitions are assigned."""
        return {name: done(self._group(name)) for name in group_ids}

    def list_consumer_group_offsets(
        self, list_consumer_group_offsets_request: Sequence[ConsumerGroupTopicPartitions], **_: object
    ) -> dict[str, Future[ConsumerGroupTopicPartitions]]:
        """Return the committed offsets of one group."""
        [request] = list_consumer_group_offsets_request
        name = request.group_id
        committed = [KafkaPartition(*place, offset) for place, offset in self._cluster.committed[name].items()]
        return {name: done(ConsumerGroupTopicPartitions(name, committed))}

    def _offset(self, spec: Any) -> int:
        return 0 if spec is library.OffsetSpec.earliest() else self._cluster.end

    def _group(self, name: str) -> Any:
        assigned = library.MemberAssignment([KafkaPartition(*place) for place in self._cluster.places])
        member = library.MemberDescription("member", "client", "host", assigned)
        return library.ConsumerGroupDescription(name, False, [member], "range", ConsumerGroupState.STABLE, HOST)


class WideConsumer:
    """Reads as `Consumer` does: from the assigned places on, as many messages as are asked for."""

    def __init__(self, cluster: WideCluster) -> None:
        self._cluster = cluster
        self._next: dict[tuple[str, int], int] = {}

    def assign(self, partitions: Iterable[KafkaPartition]) -> None:
        """Begin at the offsets that are given."""
        self._next = {(each.topic, each.partition): each.offset for each in partitions}
        self._cluster.read += len(self._next)

    def consume(self, num_messages: int = 1, timeout: float = -1) -> list[Message]:
        """Return the next message of each place."""
        chosen = list(self._next.items())[:num_messages]
        self._next.update((place, offset + 1) for place, offset in chosen)
        return [self._message(*place, offset) for place, offset in chosen]

    def incremental_unassign(self, partitions: Iterable[KafkaPartition]) -> None:
        """Read no more at some places."""
        for each in partitions:
            del self._next[(each.topic, each.partition)]

    def unassign(self) -> None:
        """Read no more."""
        self._next = {}

    def close(self) -> None:
        """Do nothing."""

    def _message(self, topic: str, partition: int, offset: int) -> Message:
        return Message(topic, partition, offset, b"key", b"{}", timestamp=(1, self._cluster.written_ms))


def _topic(name: str, count: int) -> Any:
    found = library.TopicMetadata()
    found.topic = name
    for number in range(count):
        partition = library.PartitionMetadata()
        partition.id, partition.leader = number, 1
        found.partitions[number] = partition
    return found
