"""What keeps a member of a group from consuming: brokers that cannot be reached, or a topic that is not there."""

from confluent_kafka import Consumer, KafkaError, KafkaException

from shared.broker.security import Heard
from shared.broker.topic_ids import TopicIds

LOOK_EVERY_S = 5.0
LOOK_TIMEOUT_S = 1.0


class Faults:
    """Heard from the client, and asked for: no event says when a fault is gone.

    Args:
        ids: Know which topics are missing.
        now_s: The time on the clock of the poll thread, in seconds.

    Attributes:
        heard: What the client has reported.
    """

    def __init__(self, ids: TopicIds, now_s: float) -> None:
        self._ids, self.heard = ids, Heard()
        self._brokers: str | None = None
        self._next_look_s = now_s + LOOK_EVERY_S

    def on_error(self, error: KafkaError) -> None:
        """Take what the client reports: its callback."""
        self.heard(error)
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._brokers = self.heard.reason or error.str()

    def look(self, consumer: Consumer, topic: str, assigned: int, now_s: float) -> None:
        """Ask whether the brokers can be reached, if it is time and they may not be; on the poll thread."""
        if (self._brokers is None and assigned) or now_s < self._next_look_s:
            return
        self._next_look_s = now_s + LOOK_EVERY_S
        try:
            consumer.list_topics(topic, timeout=LOOK_TIMEOUT_S)
        except KafkaException as error:
            self._brokers = self.heard.reason or error.args[0].str()
            return
        self.heard.forget()
        self._brokers = None

    @property
    def text(self) -> str | None:
        """The fault in words; None if there is none."""
        if self._brokers is None and self._ids.missing:
            return f"there is no topic {', '.join(self._ids.missing)}: `millrace topics create` makes it"
        return self._brokers
