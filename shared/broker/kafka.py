"""The producing side of confluent-kafka, and what both sides share. The consuming side is in `source.py` and `poller.py`.

What the client was seen to do, and why it is driven as it is: `docs/decisions/0004-one-thread-owns-the-consumer.md`.
"""

from collections.abc import Sequence
from functools import partial
from operator import methodcaller
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as KafkaMessage
from confluent_kafka.admin import AdminClient
from typing_extensions import override

from shared.broker.leases import NO_LEASE, Lease
from shared.broker.port import Sink
from shared.broker.replicas import survey_replicas
from shared.broker.security import REFUSED_CODES, Address, Heard, failure, opened, security_config
from shared.errors import Fatal, MillraceError
from shared.logs import get_logger
from shared.records import Headers, Message, Record
from shared.settings import BrokerSettings

CLIENT_MESSAGE_LIMIT_BYTES = 45_000_000
"""The client bounds a message before compression, a broker after: a value of many megabytes may have fitted the input, and
its dead letter must go out again. So this is far above any input, and below half of what a reading client is sure to
decompress: it doubles its buffer, up to 100 MB (`receive.message.max.bytes`)."""

COMPRESSION = "zstd"
"""A topic's limit counts compressed bytes. What a producer compressed into the input has to fit the dead-letter queue too,
and lz4 leaves base64 as large as it is: 1.4 MB of it take 1.06 MB under zstd."""

FETCH_LIMIT_BYTES = 2 << 20
"""Of one answer, whatever it holds beside its first record: it has to arrive whole within `ANSWER_TIMEOUT_MS`, else it is
asked for again. With the client's own 50 MiB, a slow way was seen to deliver nothing at all."""

ANSWER_TIMEOUT_MS = 15_000
"""A request without an answer for so long ends its connection. The client's own minute is how long a connection that a
router has forgotten would otherwise keep a worker from reading (`tests/faults/test_broker_outage.py`)."""

ASK_HEADERS, ASK_CODE = methodcaller("headers"), methodcaller("code")
"""For calls that may return and leave an error behind: in a plain call the interpreter may overlook it for a while."""

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
"""A write ends with one of these, among other causes, where the brokers refuse it for want of in-sync copies."""

REPLICAS_TIMEOUT_S = 1.5
"""For each of two questions about copies, after a time-out alone."""

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


def to_record(message: KafkaMessage, lease: Lease = NO_LEASE) -> Record:
    """Return a consumed message as a record, whatever its headers are."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    if topic is None or partition is None or offset is None:
        raise ValueError("an event of the client, not a message")
    headers = _headers(message)
    return Record(
        topic=topic,
        partition=partition,
        offset=offset,
        timestamp_ms=message.timestamp()[1],
        key=message.key(),
        value=message.value(),
        headers=headers or (),
        lease=lease.number,
        topic_id=lease.topic_id,
        unreadable="headers" if headers is None else None,
    )


def _headers(message: KafkaMessage) -> Headers | None:
    """Return a message's headers; None where the name of one is not UTF-8, for which the client has no room.

    They are asked for once: after the error the client returns a list with holes, and looking at it ends the process.
    """
    try:
        found: Any = ASK_HEADERS(message)
    except (SystemError, UnicodeDecodeError):  # the first is how the client raises the second
        return None
    return tuple(found) if found else ()


class KafkaSink(Sink):
    """An idempotent producer. It is used by one thread at a time.

    Attributes:
        last_error: Why the last message that was given up could not be delivered; empty where none was.
    """

    def __init__(self, bootstrap: Address, settings: BrokerSettings) -> None:
        self._bootstrap, self._flush_timeout_s = bootstrap, settings.delivery_timeout_s + 5
        self._failed: list[Message] = []
        self._timed_out: set[str] = set()
        self._admin: AdminClient | None = None
        self._too_large: list[Message] = []
        self._fatal: MillraceError | None = None
        self.last_error = ""
        self._heard = Heard()
        config = client_config(bootstrap, self._heard) | {
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
                self._hand_over(message)
            except BufferError:  # the local queue is full, so the broker is slow: this one is tried again later
                self._failed.append(message)
                self.last_error = f"{message.topic}: the client's own queue is full"
            except KafkaException as error:  # refused by the client itself, as beyond its size limit
                if error.args[0].code() == KafkaError._FATAL:
                    self._wait(0)  # which tells why
                self._delivered(message, error.args[0], None)
        self._raise_if_fatal()

    @override
    def flush(self) -> list[Message]:
        """Wait until every message is delivered or given up; return those given up."""
        self._wait_or_purge()
        while self._too_large:
            self._send_alone(self._too_large.pop(0))
        self._raise_if_fatal()
        if self._timed_out:
            self._explain_timeouts()
            self._renew()
        failed, self._failed = self._failed, []
        if not failed:
            self._heard.forget()
        return failed

    @override
    def close(self) -> None:
        """Flush within the delivery timeout."""
        self._wait(self._flush_timeout_s)

    def _hand_over(self, message: Message) -> None:
        headers: Any = list(message.headers)
        self._producer.produce(
            message.topic,
            key=message.key,
            value=message.value,
            headers=headers,
            on_delivery=partial(self._delivered, message),
        )

    def _wait_or_purge(self) -> None:
        """Wait for every delivery, and give up those that do not come."""
        if self._wait(self._flush_timeout_s):
            self._producer.purge()
            self._wait(1)

    def _send_alone(self, message: Message) -> None:
        """Send by itself what was refused as too large; what is refused again is sent in its smaller form, or given up.

        The client sends messages together, and the broker refuses a whole batch because of one of them.
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
                f"{message.topic}: {_size_bytes(message)} bytes are more than it takes; raise its max.message.bytes"
            )
            return
        log.warning("too large: sent in a smaller form", topic=message.topic, bytes=_size_bytes(message))
        self._too_large.insert(0, message.instead)

    def _wait(self, seconds: float) -> int:
        """Let deliveries come in and return how many are still out."""
        try:
            return self._producer.flush(seconds)
        except (KafkaException, SystemError) as error:
            self._end(error)
            return 0

    def _delivered(self, message: Message, error: KafkaError | None, _: KafkaMessage | None) -> None:
        if error is None:
            return
        try:
            code = ASK_CODE(error)
        except SystemError as ended:
            self._end(ended)
            return
        if code == KafkaError.MSG_SIZE_TOO_LARGE:
            self._too_large.append(message)
            return
        log.warning("delivery failed", topic=message.topic, error=error.str())
        self._failed.append(message)
        if code in TIMEOUT_CODES:
            self._timed_out.add(message.topic)
        behind = f" ({self._heard.reason})" if self._heard.reason else ""
        self.last_error = f"{message.topic}: {error.str()}{behind}"
        if self._fatal is None and (code in REFUSED_CODES or code == KafkaError._FATAL or error.fatal()):
            self._fatal = _failed_for_good(error, f"topic {message.topic}")

    def _renew(self) -> None:
        """Take a new client: the old one keeps what it knew of a topic that was made again, and writes nothing to it."""
        try:
            self._producer = opened(Producer, self._config)
        except MillraceError as error:  # a key file may be missing while secrets rotate
            log.debug("no new client could be made", why=type(error).__name__)

    def _explain_timeouts(self) -> None:
        """Look whether the topics whose messages timed out lack in-sync copies: the client does not report that."""
        topics, self._timed_out = sorted(self._timed_out), set()
        try:
            if self._admin is None:
                self._admin = opened(AdminClient, client_config(self._bootstrap) | {"allow.auto.create.topics": False})
            shortage = survey_replicas(self._admin, topics, REPLICAS_TIMEOUT_S).shortage()
        except (KafkaException, MillraceError) as error:  # no broker answers, which is what the time-out itself says
            log.debug("copies could not be looked at", why=type(error).__name__)
            return
        if shortage:
            log.warning("topics lack in-sync copies", found=shortage)
            self.last_error = f"{shortage} ({self.last_error})"

    def _end(self, error: KafkaException | SystemError) -> None:
        """Keep why the client has failed for good: it does not tell then but raises, also right into a callback."""
        cause: BaseException | None = error
        while isinstance(cause, SystemError):
            cause = cause.__cause__
        if self._fatal is None and isinstance(cause, KafkaException):
            self._fatal = _failed_for_good(cause.args[0], "the topics that it writes to")
        self._fatal = self._fatal or Fatal("the producer has failed; restart the worker")

    def _raise_if_fatal(self) -> None:
        if self._heard.refusal is not None:
            raise self._heard.refusal
        if self._fatal is not None:
            raise self._fatal


def _size_bytes(message: Message) -> int:
    headers = sum(len(name) + len(value or b"") for name, value in message.headers)
    return len(message.key or b"") + len(message.value or b"") + headers


def _failed_for_good(error: KafkaError, what: str) -> MillraceError:
    if error.code() in REFUSED_CODES:
        return failure(error, what, f"Write on {what}")
    return Fatal(f"the producer has failed: {error.str()}; restart the worker")


class _Quiet:
    """Swallows the client's own log lines: what matters of them arrives at `error_cb` as well."""

    def log(self, *_: object) -> None:
        """Drop a line."""
