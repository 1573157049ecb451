"""The Kafka producer. The consumer is in `source.py` and `poller.py`, and what all clients share in `client.py`.

`docs/decisions/0004-one-thread-owns-the-consumer.md` records the client's observed behaviour and the reasons for this
design.
"""

from collections.abc import Sequence
from functools import partial
from operator import methodcaller
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as KafkaMessage
from confluent_kafka.admin import AdminClient
from typing_extensions import override

from shared.broker.client import client_config
from shared.broker.port import Sink
from shared.broker.replicas import survey_replicas
from shared.broker.security import REFUSED_CODES, Address, ClientErrors, failure, opened
from shared.errors import Fatal, MillraceError
from shared.logs import get_logger
from shared.records import Message
from shared.settings import BrokerSettings

CLIENT_MESSAGE_LIMIT_BYTES = 45_000_000
"""The client limits a message before compression, a broker after it: a value of many megabytes may have fitted into the
input topic, and its dead letter must be writable too. So this limit is far above any input. It is also below half of
what a reading client can always decompress: that client doubles its buffer up to 100 MB
(`receive.message.max.bytes`)."""

COMPRESSION = "zstd"
"""A topic's size limit counts compressed bytes. A record that fitted into the input topic when compressed must fit into
the dead-letter queue too. lz4 does not shrink base64; zstd compresses 1.4 MB of it to 1.06 MB."""

GET_CODE = methodcaller("code")
"""For a call that may return normally with an exception set: after a plain call, the interpreter may notice it only
later."""

TIMEOUT_CODES = frozenset(
    {
        KafkaError._MSG_TIMED_OUT,
        KafkaError._PURGE_QUEUE,
        KafkaError._PURGE_INFLIGHT,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.NOT_ENOUGH_REPLICAS,
        KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    }
)
"""Error codes of a write that the brokers refused because too few replicas are in sync; they have other causes too."""

REPLICAS_TIMEOUT_S = 1.5
"""Timeout of each of the two requests about replicas, which are sent only after a write timed out."""

log = get_logger("broker")


class KafkaSink(Sink):
    """An idempotent producer. It is used by one thread at a time.

    Attributes:
        last_error: Why the last failed message could not be delivered; empty if no message has failed.
    """

    def __init__(self, bootstrap: Address, settings: BrokerSettings) -> None:
        self._bootstrap, self._flush_timeout_s = bootstrap, settings.delivery_timeout_s + 5
        self._failed: list[Message] = []
        self._timed_out: set[str] = set()
        self._admin: AdminClient | None = None
        self._too_large: list[Message] = []
        self._fatal: MillraceError | None = None
        self.last_error = ""
        self._client_errors = ClientErrors()
        config = client_config(bootstrap, self._client_errors) | {
            "acks": "all",
            "enable.idempotence": True,
            "linger.ms": 5,
            "compression.type": COMPRESSION,
            "message.max.bytes": CLIENT_MESSAGE_LIMIT_BYTES,
            "delivery.timeout.ms": int(settings.delivery_timeout_s * 1000),
            "queue.buffering.max.messages": 1_000_000,
        }
        self._config = config
        self._producer = opened(Producer, config)

    @override
    def produce(self, messages: Sequence[Message]) -> None:
        for message in messages:
            try:
                self._enqueue(message)
            except BufferError:  # the local queue is full because the broker is slow: this message is retried later
                self._failed.append(message)
                self.last_error = f"{message.topic}: the client's local queue is full because the broker is slow"
            except KafkaException as error:  # refused by the client itself, for example because of its size
                if error.args[0].code() == KafkaError._FATAL:
                    self._wait(0)  # this reports the reason
                self._delivered(message, error.args[0], None)
        self._raise_if_fatal()

    @override
    def flush(self) -> list[Message]:
        """Wait until every message is delivered or has failed; return the failed ones."""
        self._wait_or_purge()
        while self._too_large:
            self._send_alone(self._too_large.pop(0))
        self._raise_if_fatal()
        if self._timed_out:
            self._explain_timeouts()
            self._renew()
        failed, self._failed = self._failed, []
        if not failed:
            self._client_errors.forget()
        return failed

    @override
    def close(self) -> None:
        """Flush within the delivery timeout."""
        self._wait(self._flush_timeout_s)

    def _enqueue(self, message: Message) -> None:
        headers: Any = list(message.headers)
        self._producer.produce(
            message.topic,
            key=message.key,
            value=message.value,
            headers=headers,
            on_delivery=partial(self._delivered, message),
        )

    def _wait_or_purge(self) -> None:
        """Wait for all deliveries, and drop the messages that are not delivered in time."""
        if self._wait(self._flush_timeout_s):
            self._producer.purge()
            self._wait(1)

    def _send_alone(self, message: Message) -> None:
        """Send one message by itself after it was refused as too large; if refused again, send its smaller form or fail.

        The client sends messages in batches, and the broker refuses a whole batch because of one message.
        """
        others, self._too_large = self._too_large, []
        self.produce([message])
        self._wait_or_purge()
        refused, self._too_large = self._too_large, others
        if not refused:
            return
        if message.instead is None:
            self._failed.append(message)
            self.last_error = (
                f"topic {message.topic} does not accept a message of {_size_bytes(message)} bytes; "
                "raise the topic's max.message.bytes"
            )
            return
        log.warning(
            "dead letter is too large for its topic: sending it with only a part of the value",
            topic=message.topic,
            bytes=_size_bytes(message),
        )
        self._too_large.insert(0, message.instead)

    def _wait(self, seconds: float) -> int:
        """Wait for deliveries and return how many are still outstanding."""
        try:
            return self._producer.flush(seconds)
        except (KafkaException, SystemError) as error:
            self._keep_failure(error)
            return 0

    def _delivered(self, message: Message, error: KafkaError | None, _: KafkaMessage | None) -> None:
        if error is None:
            return
        try:
            code = GET_CODE(error)
        except SystemError as ended:
            self._keep_failure(ended)
            return
        if code == KafkaError.MSG_SIZE_TOO_LARGE:
            self._too_large.append(message)
            return
        log.warning("delivery failed", topic=message.topic, error=error.str())
        self._failed.append(message)
        if code in TIMEOUT_CODES:
            self._timed_out.add(message.topic)
        cause = f" ({self._client_errors.reason})" if self._client_errors.reason else ""
        self.last_error = f"{message.topic}: {error.str()}{cause}"
        if self._fatal is None and (code in REFUSED_CODES or code == KafkaError._FATAL or error.fatal()):
            self._fatal = _permanent_failure(error, f"topic {message.topic}")

    def _renew(self) -> None:
        """Replace the client: the old one keeps outdated metadata of a re-created topic and cannot write to it."""
        try:
            self._producer = opened(Producer, self._config)
        except MillraceError as error:  # a key file may be missing while secrets rotate
            log.debug("could not create a new producer", why=type(error).__name__)

    def _explain_timeouts(self) -> None:
        """Check whether the topics whose messages timed out lack in-sync replicas; the client does not report that."""
        topics, self._timed_out = sorted(self._timed_out), set()
        try:
            if self._admin is None:
                self._admin = opened(AdminClient, client_config(self._bootstrap) | {"allow.auto.create.topics": False})
            shortage = survey_replicas(self._admin, topics, REPLICAS_TIMEOUT_S).shortage()
        except (KafkaException, MillraceError) as error:  # no broker answers, which explains the time-out
            log.debug("could not check the in-sync replicas", why=type(error).__name__)
            return
        if shortage:
            log.warning("too few in-sync replicas to write; start the brokers that are down", found=shortage)
            self.last_error = f"{shortage} ({self.last_error})"

    def _keep_failure(self, error: KafkaException | SystemError) -> None:
        """Keep the reason why the client has failed for good; the client only raises it, even inside a callback."""
        cause: BaseException | None = error
        while isinstance(cause, SystemError):
            cause = cause.__cause__
        if self._fatal is None and isinstance(cause, KafkaException):
            self._fatal = _permanent_failure(cause.args[0], "the topics that it writes to")
        self._fatal = self._fatal or Fatal("the Kafka producer has failed for good; restart the worker")

    def _raise_if_fatal(self) -> None:
        if self._client_errors.refusal is not None:
            raise self._client_errors.refusal
        if self._fatal is not None:
            raise self._fatal


def _size_bytes(message: Message) -> int:
    headers = sum(len(name) + len(value or b"") for name, value in message.headers)
    return len(message.key or b"") + len(message.value or b"") + headers


def _permanent_failure(error: KafkaError, what: str) -> MillraceError:
    if error.code() in REFUSED_CODES:
        return failure(error, what, f"Write on {what}")
    return Fatal(f"the Kafka producer has failed for good: {error.str()}; restart the worker")
