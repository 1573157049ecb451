"""The ids of topics: a topic that is deleted and created again keeps its name but gets a new id from the broker."""

import threading
from collections.abc import Sequence

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from shared.broker.client import client_config
from shared.broker.consumer import UNKNOWN_TOPIC_CODES
from shared.broker.embedded import CLUSTER
from shared.broker.security import Address, opened
from shared.clock import Clock
from shared.logs import get_logger

LOOK_EVERY_S = 2.0
TIMEOUT_S = 2.0

NO_ID = "AAAAAAAAAAAAAAAAAAAAAA"
"""The id reported for a broker without topic ids (before Kafka 2.8): sixteen zero bytes in Base64."""

log = get_logger("source")


class TopicIds:
    """The ids of some topics as of the last lookup, and which of them are missing. Any thread may call `look`.

    Args:
        bootstrap: Addresses of the brokers.
        topics: Their names.

    Attributes:
        known: The last known id of each topic; a topic that is missing now keeps its last id.
        missing: The topics that do not exist.
    """

    def __init__(self, bootstrap: Address, topics: Sequence[str]) -> None:
        self._topics = list(topics)
        self._admin = opened(AdminClient, client_config(bootstrap) | {"allow.auto.create.topics": False})
        self._embedded: bool | None = None
        self.known: dict[str, str] = {}
        self.missing: tuple[str, ...] = ()

    def look(self) -> None:
        """Query the brokers and update both attributes; if the brokers do not answer, nothing changes."""
        try:
            if self._embedded is None:
                self._embedded = str(self._admin.list_topics(timeout=TIMEOUT_S).cluster_id).startswith(CLUSTER)
            missing = self._missing_of_embedded() if self._embedded else self._describe()
        except KafkaException as error:
            log.debug("could not look up the topics", error=error.args[0].str())
            return
        self.missing = tuple(missing)

    def watch(self, clock: Clock, closing: threading.Event) -> None:
        """Look up the topics every `LOOK_EVERY_S` seconds until closing."""
        while not clock.wait(closing, LOOK_EVERY_S):
            self.look()

    def _missing_of_embedded(self) -> list[str]:
        found = self._admin.list_topics(timeout=TIMEOUT_S).topics
        return [topic for topic in self._topics if topic not in found or found[topic].error is not None]

    def _describe(self) -> list[str]:
        """Store the ids of the topics that exist, and return the topics that do not exist."""
        missing = []
        wanted = self._admin.describe_topics(TopicCollection(self._topics), request_timeout=TIMEOUT_S)
        for topic, future in wanted.items():
            try:
                found = str(future.result().topic_id)  # limited by the request's own timeout
            except KafkaException as error:
                if error.args[0].code() in UNKNOWN_TOPIC_CODES:
                    missing.append(topic)
                continue  # refused or not answered: nothing new is known about this topic
            if found != NO_ID:
                self.known[topic] = found
        return missing


def topic_id(bootstrap: Address, topic: str) -> str | None:
    """Return a topic's id; None if it is not known."""
    ids = TopicIds(bootstrap, [topic])
    ids.look()
    return ids.known.get(topic)
