"""What all Kafka clients share: their configuration, and how a consumed message becomes a record."""

from operator import methodcaller
from typing import Any

from confluent_kafka import Message as KafkaMessage

from shared.broker.leases import NO_LEASE, Lease
from shared.broker.security import Address, ClientErrors, security_config
from shared.records import Headers, Record

FETCH_LIMIT_BYTES = 2 << 20
"""Size limit of one fetch response; its first record may exceed it. A response that does not arrive completely within
`ANSWER_TIMEOUT_MS` is requested again. With the client's default of 50 MiB, a slow network delivered nothing at all."""

ANSWER_TIMEOUT_MS = 15_000
"""A connection is closed if a request on it has no answer for this long. With the client's default of one minute, a
connection that a router has dropped would keep a worker from reading for that long
(`tests/faults/test_broker_outage.py`)."""

GET_HEADERS = methodcaller("headers")
"""For a call that may return normally with an exception set: after a plain call, the interpreter may notice it only
later."""


def client_config(bootstrap: Address, client_errors: ClientErrors | None = None) -> dict[str, Any]:
    """Return the configuration that all clients share; `client_errors` receives the client's errors."""
    return security_config(bootstrap) | {
        "client.id": "millrace",
        "error_cb": client_errors or ClientErrors(),
        "logger": _NullLogger(),
        "reconnect.backoff.max.ms": 2_000,
        "socket.timeout.ms": ANSWER_TIMEOUT_MS,
        "socket.keepalive.enable": True,
    }


def to_record(message: KafkaMessage, lease: Lease = NO_LEASE, read_s: float = -1.0) -> Record:
    """Return a consumed message as a record, even if its headers cannot be read; `read_s` as in `Record`."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    if topic is None or partition is None or offset is None:
        raise ValueError("this is an event of the Kafka client, not a message: it has no topic, partition or offset")
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
        read_s=read_s,
        topic_id=lease.topic_id,
        unreadable="headers" if headers is None else None,
    )


def _headers(message: KafkaMessage) -> Headers | None:
    """Return a message's headers; None if a header name is not UTF-8, which the client cannot represent.

    They are read only once: after the error, the client returns an incomplete list, and reading that list crashes the
    process.
    """
    try:
        found: Any = GET_HEADERS(message)
    except (SystemError, UnicodeDecodeError):  # the client wraps the second in the first
        return None
    return tuple(found) if found else ()


class _NullLogger:
    """Drops the client's own log lines: the relevant ones reach `error_cb` too."""

    def log(self, *_: object) -> None:
        """Drop a log line."""
