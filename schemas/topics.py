"""Every topic of a stream: its name, key, partitions, retention and message size. Compose and k8s are held against it."""

from collections.abc import Sequence
from dataclasses import dataclass

PARTITIONS = 12
DAY_MS = 24 * 60 * 60 * 1000
MESSAGE_LIMIT_BYTES = 1_048_576
"""The largest input value that is accepted; Kafka's own default for a message."""

ENVELOPE_LIMIT_BYTES = 65_536
"""Room that headers may take on top of a value."""

DEAD_LETTER_LIMIT_BYTES = 16 << 20
"""What a dead letter may take. A topic's limit counts compressed bytes: a producer with a stronger codec gets more into the
input than the same bytes take in the queue. What exceeds this too is cut (`CutHeader`)."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic and how it is created. `retention_ms` is in milliseconds, sizes are in bytes."""

    name: str
    key: str
    partitions: int
    retention_ms: int
    message_limit_bytes: int = MESSAGE_LIMIT_BYTES


def input_topic(stream: str) -> str:
    """Name of the topic that a stream's events arrive on."""
    return stream


def redo_topic(stream: str) -> str:
    """Name of the topic that brings records back from retry or from the dead-letter queue."""
    return f"{stream}.redo"


def ledger_topic(stream: str) -> str:
    """Name of the topic that holds the ledger."""
    return f"{stream}.outcomes"


def dlq_topic(stream: str) -> str:
    """Name of the dead-letter queue."""
    return f"{stream}.dlq"


def quarantine_topic(stream: str) -> str:
    """Name of the topic for dead letters that were replayed as often as is sensible; nothing reads it by itself."""
    return f"{stream}.quarantine"


def topics_of(stream: str, key: str, results: Sequence[str], partitions: int | None = None) -> tuple[Topic, ...]:
    """Return every topic of a stream, the input first.

    Args:
        stream: The stream.
        key: What its records are keyed by, in words.
        results: Names of the topics that its results are published on.
        partitions: Number of partitions of every topic; None stands for 12.
    """
    count = partitions or PARTITIONS
    room = MESSAGE_LIMIT_BYTES + ENVELOPE_LIMIT_BYTES
    return (
        Topic(input_topic(stream), key, count, 7 * DAY_MS, room),
        Topic(redo_topic(stream), key, count, 7 * DAY_MS, DEAD_LETTER_LIMIT_BYTES + ENVELOPE_LIMIT_BYTES),
        # Results are kept longer than the input, which the audit compares.
        *(Topic(result, key, count, 30 * DAY_MS) for result in results),
        Topic(ledger_topic(stream), "topic:partition", count, 30 * DAY_MS),
        Topic(dlq_topic(stream), "the original key", count, 30 * DAY_MS, DEAD_LETTER_LIMIT_BYTES),
        Topic(quarantine_topic(stream), "the original key", count, 30 * DAY_MS, DEAD_LETTER_LIMIT_BYTES),
    )
