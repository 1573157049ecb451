"""Creating topics on a real broker."""

from collections.abc import Sequence

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from schemas.topics import Topic
from shared.broker.kafka import client_config
from shared.broker.security import Address, Heard, failure, opened, reach

TIMEOUT_S = 20.0
SAFE_COPIES = 3
"""From so many on a write is confirmed by two copies at least, and one broker may still be down."""


def create_topics(bootstrap: Address, topics: Sequence[Topic], replication: int) -> list[str]:
    """Create the topics that are missing and return their names; existing ones are left as they are.

    Raises:
        Unavailable: the broker did not answer.
        Fatal: the brokers refuse this user, or are fewer than the copies asked for.
    """
    heard = Heard()
    admin = opened(AdminClient, client_config(bootstrap, heard))
    reach(admin, heard, None, TIMEOUT_S)
    in_sync = {"min.insync.replicas": "2"} if replication >= SAFE_COPIES else {}
    wanted = [
        NewTopic(
            topic.name,
            num_partitions=topic.partitions,
            replication_factor=replication,
            config={
                "retention.ms": str(topic.retention_ms),
                "max.message.bytes": str(topic.message_limit_bytes),
                **in_sync,
            },
        )
        for topic in topics
    ]
    created: list[str] = []
    for name, future in admin.create_topics(wanted, request_timeout=TIMEOUT_S, operation_timeout=TIMEOUT_S).items():
        try:
            future.result()  # bounded by the client's own time-outs
            created.append(name)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise failure(error.args[0], f"topic {name} was not created", f"Create on topic {name}") from error
    return created
