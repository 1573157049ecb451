"""Creating topics on a real broker."""

from collections.abc import Sequence

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from schemas.topics import Topic
from shared.broker.kafka import client_config
from shared.broker.security import Address, Heard, reach, refused_settings
from shared.errors import Unavailable

TIMEOUT_S = 20.0


def create_topics(bootstrap: Address, topics: Sequence[Topic], replication: int) -> list[str]:
    """Create the topics that are missing and return their names; existing ones are left as they are.

    Raises:
        Unavailable: the broker did not answer, or refused.
        Fatal: the broker does not know this user.
    """
    heard = Heard()
    try:
        admin = AdminClient(client_config(bootstrap, heard))
    except KafkaException as error:
        raise refused_settings(error) from error
    reach(admin, heard, None, TIMEOUT_S)
    wanted = [
        NewTopic(
            topic.name,
            num_partitions=topic.partitions,
            replication_factor=replication,
            config={"retention.ms": str(topic.retention_ms), "max.message.bytes": str(topic.message_limit_bytes)},
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
                raise Unavailable("broker", f"topic {name} was not created: {error.args[0].str()}") from error
    return created
