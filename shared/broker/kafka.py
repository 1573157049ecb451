"""The producing side of confluent-kafka, and what both sides share. The consuming side is in `source.py`.

What the client was seen to do, and why it is driven as it is: `docs/decisions/0004-one-thread-owns-the-consumer.md`.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as KafkaMessage

from shared.broker.security import Address, Heard, refused_settings, security_config
from shared.errors import Fatal
from shared.logs import get_logger
from shared.records import Message, Record
from shared.settings import BrokerSettings

CLIENT_MESSAGE_LIMIT_BYTES = 64 << 20
"""The client bounds a message before compression, a broker after: a value of many megabytes may have fitted the input, and
its dead letter must go out again. So this is far above any input, and the broker's answer is the one that counts."""

FETCH_LIMIT_BYTES = 2 << 20

ANSWER_TIMEOUT_MS = 15_000
"""A request without an answer for so long ends its connection. The client's own minute is how long a connection that a
router has forgotten would otherwise keep a worker from reading (`tests/faults/test_broker_outage.py`)."""

log = get_logger("broker")


def client_config(bootstrap: Address, heard: Heard | None = None) -> dict[str, Any]:
    """Return what every client is configured with; `heard` is told of its errors."""
    return security_config(bootstrap) | {
        "client.id": "millrace",
        "error_cb": heard or Heard(),
        "logger": _Quiet(),
        "reconnect.backoff.max.ms": 2_000,
        "socket.timeout.ms": ANSWER_TIMEOUT_MS,
        "socket.keepalive.enable": True,
    }


def to_record(message: KafkaMessage, lease: int = 0) -> Record:
    """Return a consumed message as a record."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    if topic is None or partition is None or offset is None:
        raise ValueError("an event of the client, not a message")
    headers: Any = message.headers() or ()
    return Record(
        topic=topic,
        partition=partition,
        offset=offset,
        timestamp_ms=message.timestamp()[1],
        key=message.key(),
        value=message.value(),
        headers=tuple((name, value or b"") for name, value in headers),
        lease=lease,
    )


class KafkaSink:
    """An idempotent producer. It is used by one thread at a time."""

    def __init__(self, bootstrap: Address, settings: BrokerSettings) -> None:
        self._flush_timeout_s = settings.delivery_timeout_s + 5
        self._failed: list[Message] = []
        self._fatal: KafkaError | None = None
        self._heard = Heard()
        config = client_config(bootstrap, self._heard) | {
            "acks": "all",
            "enable.idempotence": True,
            "linger.ms": 5,
            "compression.type": "lz4",
            "message.max.bytes": CLIENT_MESSAGE_LIMIT_BYTES,
            "delivery.timeout.ms": int(settings.delivery_timeout_s * 1000),
            "queue.buffering.max.messages": 1_000_000,
        }
        try:
            self._producer = Producer(config)
        except KafkaException as error:
            raise refused_settings(error) from error

    def produce(self, messages: Sequence[Message]) -> None:
        """Hand messages over for delivery."""
        for message in messages:
            try:
                self._hand_over(message)
            except BufferError:  # the local queue is full, so the broker is slow: this one is tried again later
                self._failed.append(message)
            except KafkaException as error:  # refused by the client itself, as beyond its size limit
                self._delivered(message, error.args[0], None)
        self._raise_if_fatal()

    def flush(self) -> list[Message]:
        """Wait until every message is delivered or given up; return those given up."""
        if self._producer.flush(self._flush_timeout_s):
            self._producer.purge()
            self._producer.flush(1)
        self._raise_if_fatal()
        failed, self._failed = self._failed, []
        return failed

    def close(self) -> None:
        """Flush within the delivery timeout."""
        self._producer.flush(self._flush_timeout_s)

    def _hand_over(self, message: Message) -> None:
        headers: Any = list(message.headers)
        self._producer.produce(
            message.topic,
            key=message.key,
            value=message.value,
            headers=headers,
            on_delivery=partial(self._delivered, message),
        )

    def _delivered(self, message: Message, error: KafkaError | None, _: KafkaMessage | None) -> None:
        if error is None:
            return
        log.warning("delivery failed", topic=message.topic, error=error.str())
        self._failed.append(message)
        if error.fatal():
            self._fatal = error

    def _raise_if_fatal(self) -> None:
        if self._heard.refusal is not None:
            raise self._heard.refusal
        if self._fatal is not None:
            raise Fatal(f"the producer has failed: {self._fatal.str()}; restart the worker")


class _Quiet:
    """Swallows the client's own log lines: what matters of them arrives at `error_cb` as well."""

    def log(self, *_: object) -> None:
        """Drop a line."""
