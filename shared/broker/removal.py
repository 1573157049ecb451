"""Removing the oldest records of a topic. Kafka can only remove the records before an offset, not single records."""

from collections.abc import Mapping
from contextlib import closing
from datetime import datetime

from confluent_kafka import Consumer, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import AdminClient

from shared.broker.client import client_config
from shared.broker.embedded import CLUSTER
from shared.broker.reader import TopicReader
from shared.broker.security import Address, failure, opened
from shared.errors import Fatal
from shared.records import TopicPartition, Watermarks

TIMEOUT_S = 20.0


class Remover:
    """Removes records from the beginning of a topic's partitions.

    Args:
        bootstrap: Addresses of the brokers.
    """

    def __init__(self, bootstrap: Address) -> None:
        self._bootstrap = bootstrap

    def beginning(self, topic: str, until: datetime | None) -> dict[TopicPartition, Watermarks]:
        """Return for each partition which records to remove: those from offset `low` up to, but without, `high`.

        Args:
            topic: The topic.
            until: Records written before this time are to be removed; None means all records that the topic holds now.

        Raises:
            Unavailable: the broker does not answer, or the topic does not exist.
            Fatal: this broker cannot remove records, or refuses this user.
        """
        marks = TopicReader(self._bootstrap).watermarks(topic)
        config = client_config(self._bootstrap) | {"group.id": "millrace-reader"}
        with closing(opened(Consumer, config)) as consumer:
            try:
                if str(consumer.list_topics(topic, timeout=TIMEOUT_S).cluster_id).startswith(CLUSTER):
                    raise Fatal("the embedded broker cannot delete records; stopping its process deletes all of them")
                if until is None:
                    return marks
                wanted = int(until.timestamp() * 1000)
                asked = [KafkaPartition(where.topic, where.partition, wanted) for where in marks]
                found = consumer.offsets_for_times(asked, timeout=TIMEOUT_S)
            except KafkaException as error:
                raise failure(error.args[0], f"topic {topic}", f"Describe on topic {topic}") from error
        for each in found:
            if each.error is not None:  # a missing answer must never be treated as "all records"
                raise failure(each.error, f"{topic}/{each.partition}", f"Describe on topic {topic}")
        firsts = {TopicPartition(each.topic, each.partition): each.offset for each in found}
        return {
            where: Watermarks(low, firsts[where] if firsts[where] >= 0 else high)
            for where, (low, high) in marks.items()
        }

    def remove(self, before: Mapping[TopicPartition, int]) -> None:
        """Remove all records before these offsets.

        Raises:
            Unavailable: the broker did not answer.
            Fatal: the broker refuses this user.
        """
        if not before:
            return
        admin = opened(AdminClient, client_config(self._bootstrap))
        wanted = [KafkaPartition(where.topic, where.partition, offset) for where, offset in before.items()]
        for where, future in admin.delete_records(wanted, request_timeout=TIMEOUT_S).items():
            try:
                future.result()  # limited by the client's own timeouts
            except KafkaException as error:
                context = f"{where.topic}/{where.partition} was not purged"
                raise failure(error.args[0], context, f"Delete on topic {where.topic}") from error
