"""Reading topics from end to end, outside any group: for the audit, the demo and tests."""

from collections.abc import Iterator, Sequence
from contextlib import closing

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from shared.broker.kafka import FETCH_LIMIT_BYTES, client_config, to_record
from shared.errors import Unavailable
from shared.records import Record, TopicPartition

TIMEOUT_S = 15.0
READ_AT_ONCE = 1_000
CONSUME_S = 0.05
COORDINATOR_ATTEMPTS = 20
COORDINATOR_WAIT_S = 0.5
COORDINATOR_MOVES = frozenset(
    {KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS}
)


class TopicReader:
    """Reads what a topic holds at the moment of asking; joins no group and commits nothing.

    Args:
        bootstrap: Addresses of the brokers.
        group: The group whose committed offsets `committed` tells.
    """

    def __init__(self, bootstrap: str, group: str = "millrace-reader") -> None:
        self._config = client_config(bootstrap) | {
            "group.id": group,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.message.max.bytes": FETCH_LIMIT_BYTES,
            "queued.max.messages.kbytes": 16_384,
        }

    def watermarks(self, topic: str) -> dict[TopicPartition, tuple[int, int]]:
        """Return for each partition its lowest offset and the offset that the next record will get.

        Raises:
            Unavailable: the broker does not answer or has no such topic.
        """
        with closing(Consumer(self._config)) as consumer:
            return self._watermarks(consumer, topic)

    def committed(self, topics: Sequence[str]) -> dict[TopicPartition, int]:
        """Return the group's committed offset of each partition; 0 where nothing is committed."""
        with closing(Consumer(self._config)) as consumer:
            partitions = [
                KafkaPartition(t.topic, t.partition) for topic in topics for t in self._watermarks(consumer, topic)
            ]
            answers = self._committed(consumer, partitions)
            return {TopicPartition(p.topic, p.partition): max(0, p.offset) for p in answers}

    def read(self, topic: str) -> Iterator[Record]:
        """Yield every record that the topic holds now, in order within each partition.

        Raises:
            Unavailable: the broker does not answer or has no such topic.
        """
        with closing(Consumer(self._config)) as consumer:
            marks = self._watermarks(consumer, topic)
            lows = {where: low for where, (low, _) in marks.items()}
            ends = {where: high for where, (low, high) in marks.items() if high > low}
            consumer.assign([KafkaPartition(w.topic, w.partition, lows[w]) for w in ends])
            silent_s = 0.0
            while ends:
                messages = consumer.consume(READ_AT_ONCE, CONSUME_S)
                silent_s = 0.0 if messages else silent_s + CONSUME_S
                if silent_s > TIMEOUT_S:
                    raise Unavailable("broker", f"topic {topic}: nothing came for {TIMEOUT_S:.0f} s")
                for message in messages:
                    error = message.error()
                    if error is None:
                        record = to_record(message)
                        if record.offset < ends.get(record.topic_partition, 0):
                            yield record
                        if record.offset + 1 >= ends.get(record.topic_partition, 0):
                            ends.pop(record.topic_partition, None)
                    elif error.code() == KafkaError._PARTITION_EOF:
                        ends.pop(TopicPartition(message.topic() or "", message.partition() or 0), None)
                    else:
                        raise Unavailable("broker", error.str())

    def _committed(self, consumer: Consumer, partitions: list[KafkaPartition]) -> list[KafkaPartition]:
        """Ask, and ask again while the group's coordinator is being found or moved."""
        for attempt in range(COORDINATOR_ATTEMPTS):
            try:
                return consumer.committed(partitions, timeout=TIMEOUT_S)
            except KafkaException as error:
                if error.args[0].code() not in COORDINATOR_MOVES or attempt == COORDINATOR_ATTEMPTS - 1:
                    raise Unavailable("broker", error.args[0].str()) from error
                consumer.poll(COORDINATOR_WAIT_S)  # nothing is assigned: this only waits
        raise AssertionError("unreachable")

    def _watermarks(self, consumer: Consumer, topic: str) -> dict[TopicPartition, tuple[int, int]]:
        try:
            found = consumer.list_topics(topic, timeout=TIMEOUT_S).topics[topic]
            if found.error is not None:
                raise Unavailable("broker", f"topic {topic}: {found.error.str()} (`millrace topics create` makes it)")
            places = [TopicPartition(topic, number) for number in found.partitions]
            return {
                place: consumer.get_watermark_offsets(KafkaPartition(*place), timeout=TIMEOUT_S, cached=False)
                for place in places
            }
        except KafkaException as error:
            raise Unavailable("broker", error.args[0].str()) from error
