"""Creating topics on a real broker."""

from collections.abc import Sequence

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from schemas.topics import Topic
from shared.broker.client import client_config
from shared.broker.security import Address, ClientErrors, failure, opened, reach

TIMEOUT_S = 20.0
SAFE_REPLICAS = 3
"""From this number of replicas on, a write needs the confirmation of at least two replicas, and one broker may be down."""


def create_topics(bootstrap: Address, topics: Sequence[Topic], replication: int) -> list[str]:
    """Create the missing topics and return their names; existing topics are not changed.

    Raises:
        Unavailable: the broker did not answer.
        Fatal: the brokers refuse this user, or there are fewer brokers than requested replicas.
    """
    client_errors = ClientErrors()
    admin = opened(AdminClient, client_config(bootstrap, client_errors))
    reach(admin, client_errors, None, TIMEOUT_S)
    in_sync = {"min.insync.replicas": "2"} if replication >= SAFE_REPLICAS else {}
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
            future.result()  # limited by the client's own timeouts
            created.append(name)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise failure(error.args[0], f"topic {name} was not created", f"Create on topic {name}") from error
    return created
