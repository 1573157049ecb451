"""Faults that keep a group member from consuming: brokers that cannot be reached, or a topic that does not exist."""

from confluent_kafka import Consumer, KafkaError, KafkaException

from shared.broker.security import ClientErrors
from shared.broker.topic_ids import TopicIds

LOOK_EVERY_S = 5.0
LOOK_TIMEOUT_S = 1.0


class ConsumerFaults:
    """Collects the faults that the client reports, and polls for their end, because no event reports it.

    Args:
        ids: Knows which topics are missing.
        now_s: The current time of the poll thread's monotonic clock, in seconds.

    Attributes:
        client_errors: The errors that the client has reported.
    """

    def __init__(self, ids: TopicIds, now_s: float) -> None:
        self._ids, self.client_errors = ids, ClientErrors()
        self._brokers: str | None = None
        self._next_look_s = now_s + LOOK_EVERY_S

    def on_error(self, error: KafkaError) -> None:
        """Record an error that the client reports; the client calls this."""
        self.client_errors(error)
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._brokers = self.client_errors.reason or error.str()

    def look(self, consumer: Consumer, topic: str, assigned: int, now_s: float) -> None:
        """Check whether the brokers can be reached, if a check is due and there is doubt. Called on the poll thread."""
        if (self._brokers is None and assigned) or now_s < self._next_look_s:
            return
        self._next_look_s = now_s + LOOK_EVERY_S
        try:
            consumer.list_topics(topic, timeout=LOOK_TIMEOUT_S)
        except KafkaException as error:
            self._brokers = self.client_errors.reason or error.args[0].str()
            return
        self.client_errors.forget()
        self._brokers = None

    @property
    def text(self) -> str | None:
        """The fault in words; None if no fault is known."""
        if self._brokers is None and self._ids.missing:
            names = ", ".join(self._ids.missing)
            return f"there is no topic {names}; create it with `millrace topics create --replication 3`"
        return self._brokers
