"""Reading whole topics without a consumer group, for the audit, the demo and tests."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing

from confluent_kafka import Consumer, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as KafkaPartition
from typing_extensions import override

from shared.broker.bounds import Commit, bounds_in
from shared.broker.client import FETCH_LIMIT_BYTES, client_config, to_record
from shared.broker.consumer import UNKNOWN_TOPIC_CODES
from shared.broker.port import Reader
from shared.broker.security import Address, ClientErrors, failure, group_failure, opened, reach
from shared.broker.start_offsets import is_of_another
from shared.broker.topic_ids import TopicIds
from shared.broker.unreadable import UNREADABLE_CODES, unreadable_records
from shared.errors import Unavailable
from shared.records import Record, TopicPartition, Watermarks

TIMEOUT_S = 15.0
READ_AT_ONCE = 1_000
READ_AHEAD_BYTES = 16 << 20
FETCHED_PARTITIONS = 8
"""One fetch response may hold the data of this many partitions before the client notices that it has read far enough
ahead."""

CONSUME_S = 0.05
COORDINATOR_ATTEMPTS = 20
COORDINATOR_WAIT_S = 0.5
COORDINATOR_MOVES = frozenset(
    {KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS}
)

IGNORED_CODES = frozenset({KafkaError.GROUP_AUTHORIZATION_FAILED})
"""Errors to ignore: the client looks up its group even if partitions are assigned manually, which needs no group
rights."""

LEADER_MOVES = frozenset({KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE})


class TopicReader(Reader):
    """Reads the records that a topic holds at the time of the call; joins no group and commits nothing.

    Args:
        bootstrap: Addresses of the brokers.
        group: The group whose committed offsets `committed` returns.
        at_once: Maximum number of records to take from the client in one call.
        ahead_bytes: Approximate size of the client's read-ahead; a smaller value needs less memory but more requests.
    """

    def __init__(
        self,
        bootstrap: Address,
        group: str = "millrace-reader",
        at_once: int = READ_AT_ONCE,
        ahead_bytes: int = READ_AHEAD_BYTES,
    ) -> None:
        self._bootstrap, self._at_once = bootstrap, at_once
        self._client_errors = ClientErrors()
        self._config = client_config(bootstrap, self._client_errors) | {
            "group.id": group,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",  # only records deleted during the read are skipped
            "fetch.max.bytes": FETCH_LIMIT_BYTES,
            "fetch.message.max.bytes": min(FETCH_LIMIT_BYTES, ahead_bytes // FETCHED_PARTITIONS),
            "queued.max.messages.kbytes": ahead_bytes >> 10,
            "fetch.queue.backoff.ms": 10,  # with the default, 1 s, the queue would be empty for most of the wait
        }

    @override
    def watermarks(self, topic: str) -> dict[TopicPartition, Watermarks]:
        with closing(self._open()) as consumer:
            return self._watermarks(consumer, topic)

    @override
    def committed(self, topics: Sequence[str]) -> dict[TopicPartition, int]:
        return {place: each.offset for place, each in self.commits(topics).items()}

    def commits(self, topics: Sequence[str]) -> dict[TopicPartition, Commit]:
        """Return what `committed` returns, with the bounds of a backfill; it raises the same."""
        ids = self.topic_ids(topics)
        with closing(self._open()) as consumer:
            partitions = [
                KafkaPartition(t.topic, t.partition) for topic in topics for t in self._watermarks(consumer, topic)
            ]
            answers = self._committed(consumer, partitions)
        return {
            TopicPartition(p.topic, p.partition): Commit(p.offset, bounds_in(p.metadata))
            for p in answers
            if p.offset >= 0 and not is_of_another(p.metadata, ids.get(p.topic))
        }

    def offsets_at(self, topic: str, at_ms: int) -> dict[TopicPartition, int]:
        """Return the offset of each partition's first record at this time or later; one without such a record is missing.

        Raises:
            Unavailable: the broker does not answer, or the topic does not exist.
            Fatal: the broker refuses this user.
        """
        with closing(self._open()) as consumer:
            asked = [KafkaPartition(*place, at_ms) for place in self._watermarks(consumer, topic)]
            try:
                found = consumer.offsets_for_times(asked, timeout=TIMEOUT_S)
            except KafkaException as error:
                raise failure(error.args[0], f"topic {topic}", f"Read on topic {topic}") from error
        failed = next((each.error for each in found if each.error is not None), None)
        if failed is not None:
            raise failure(failed, f"topic {topic}", f"Read on topic {topic}")
        return {TopicPartition(each.topic, each.partition): each.offset for each in found if each.offset >= 0}

    @override
    def topic_ids(self, topics: Sequence[str]) -> dict[str, str]:
        ids = TopicIds(self._bootstrap, topics)
        ids.look()
        return ids.known

    @override
    def read(self, topic: str, start: Mapping[TopicPartition, int] | None = None) -> Iterator[Record]:
        """Yield every record that the topic holds now, in order within each partition.

        Args:
            topic: The topic to read.
            start: Read only these partitions, each from its offset on.

        Raises:
            Unavailable: the broker does not answer, or the topic does not exist.
            Fatal: the broker refuses this user.
        """
        with closing(self._open()) as consumer:
            marks = self._watermarks(consumer, topic)
            lows = {where: max(low, (start or {}).get(where, 0)) for where, (low, _) in marks.items()}
            wanted = [where for where in marks if start is None or where in start]
            ends = {where: marks[where].high for where in wanted if marks[where].high > lows[where]}
            consumer.assign([KafkaPartition(w.topic, w.partition, lows[w]) for w in ends])
            silent_s = 0.0
            while ends:
                messages = consumer.consume(self._at_once, CONSUME_S)
                silent_s = 0.0 if messages else silent_s + CONSUME_S
                if silent_s > TIMEOUT_S:
                    raise Unavailable("broker", f"topic {topic}: no data arrived for {TIMEOUT_S:.0f} s")
                moved: set[TopicPartition] = set()
                for message in messages:
                    error, place = message.error(), TopicPartition(message.topic() or "", message.partition() or 0)
                    if place in moved:
                        continue  # reading of this partition continues at another offset
                    if error is None:
                        record = to_record(message)
                        if record.offset < ends.get(record.topic_partition, 0):
                            yield record
                        if record.offset + 1 >= ends.get(record.topic_partition, 0):
                            ends.pop(record.topic_partition, None)
                    elif error.code() in UNREADABLE_CODES:
                        moved.add(place)
                        yield from self._skip_unreadable(consumer, message, lows, ends)
                    elif error.code() == KafkaError._PARTITION_EOF:
                        ends.pop(place, None)
                    elif error.code() not in IGNORED_CODES:
                        raise failure(error, f"topic {topic}", f"Read on topic {topic}")

    def _skip_unreadable(
        self, consumer: Consumer, message: Message, starts: dict[TopicPartition, int], ends: dict[TopicPartition, int]
    ) -> list[Record]:
        """Return the records of an unreadable batch, without their bytes, and continue after it."""
        place = TopicPartition(message.topic() or "", message.partition() or 0)
        if place not in ends:
            return []
        first = max(message.offset() or 0, starts[place])
        found = unreadable_records(self._bootstrap, place, first)
        starts[place] = after = first + len(found)
        partition = KafkaPartition(place.topic, place.partition, after)
        consumer.incremental_unassign([partition])
        consumer.incremental_assign([partition])
        if after >= ends[place]:
            del ends[place]
        return found

    def _open(self) -> Consumer:
        return opened(Consumer, self._config)

    def _committed(self, consumer: Consumer, partitions: list[KafkaPartition]) -> list[KafkaPartition]:
        """Return the committed offsets; retry while the group's coordinator is being found or moved."""
        for attempt in range(COORDINATOR_ATTEMPTS):
            try:
                return consumer.committed(partitions, timeout=TIMEOUT_S)
            except KafkaException as error:
                if error.args[0].code() not in COORDINATOR_MOVES or attempt == COORDINATOR_ATTEMPTS - 1:
                    raise group_failure(consumer, error.args[0], self._config["group.id"]) from error
                consumer.poll(COORDINATOR_WAIT_S)  # nothing is assigned: this only waits
        raise AssertionError("unreachable")

    def _watermarks(self, consumer: Consumer, topic: str) -> dict[TopicPartition, Watermarks]:
        try:
            found = reach(consumer, self._client_errors, topic, TIMEOUT_S).topics[topic]
            if found.error is not None:
                hint = (
                    " (create it with `millrace topics create --replication 3`)"
                    if found.error.code() in UNKNOWN_TOPIC_CODES
                    else ""
                )
                raise failure(found.error, f"topic {topic}{hint}", f"Read on topic {topic}")
            places = [TopicPartition(topic, number) for number in found.partitions]
            return {place: marks_of(consumer, place) for place in places}
        except KafkaException as error:
            raise failure(error.args[0], f"topic {topic}", f"Read on topic {topic}") from error


def marks_of(consumer: Consumer, place: TopicPartition) -> Watermarks:
    """Return a partition's watermarks; retry while its leader is being elected: a new topic has none at first."""
    asked = KafkaPartition(*place)
    for _ in range(COORDINATOR_ATTEMPTS):
        try:
            return Watermarks(*consumer.get_watermark_offsets(asked, timeout=TIMEOUT_S, cached=False))
        except KafkaException as error:
            if error.args[0].code() not in LEADER_MOVES:
                raise
        consumer.poll(COORDINATOR_WAIT_S)  # nothing is assigned: this only waits
    return Watermarks(*consumer.get_watermark_offsets(asked, timeout=TIMEOUT_S, cached=False))
