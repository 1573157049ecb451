"""Every topic of a stream: name, key, partitions, retention and message size. Tests compare Compose with it."""

from collections.abc import Sequence
from dataclasses import dataclass

PARTITIONS = 12
DAY_MS = 24 * 60 * 60 * 1000
MESSAGE_LIMIT_BYTES = 1_048_576
"""The largest accepted input value; it is Kafka's default limit for a message."""

RETRY_TIERS = 3
"""Number of tiers of the retry lane; how long records wait in each is a setting."""

ENVELOPE_LIMIT_BYTES = 65_536
"""Additional size for headers, on top of a value."""

DEAD_LETTER_LIMIT_BYTES = 16 << 20
"""Size limit of a dead letter. A topic's limit counts compressed bytes: if the source's producer compresses better, a
record that fits into the input needs more bytes in the dead-letter queue. A record that exceeds this limit too is cut
(`CutHeader`)."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic and its settings at creation. `retention_ms` is in milliseconds; sizes are in bytes."""

    name: str
    key: str
    partitions: int
    retention_ms: int
    message_limit_bytes: int = MESSAGE_LIMIT_BYTES


def input_topic(stream: str) -> str:
    """Return the name of the topic on which a stream's events arrive."""
    return stream


def redo_topic(stream: str) -> str:
    """Return the name of the topic for records that come back from the retry lane or the dead-letter queue."""
    return f"{stream}.redo"


def retry_topics(stream: str) -> tuple[str, ...]:
    """Return the names of the topics in which records wait for another attempt: one for each tier."""
    return tuple(f"{stream}.retry.{tier}" for tier in range(1, RETRY_TIERS + 1))


def ledger_topic(stream: str) -> str:
    """Return the name of the topic that holds the ledger."""
    return f"{stream}.outcomes"


def dlq_topic(stream: str) -> str:
    """Return the name of the dead-letter queue's topic."""
    return f"{stream}.dlq"


def quarantine_topic(stream: str) -> str:
    """Return the name of the topic for dead letters with too many replays; no worker reads it automatically."""
    return f"{stream}.quarantine"


def sums_topic(stream: str) -> str:
    """Return the name of the topic for the sums of batches, by which drift is judged."""
    return f"{stream}.sums"


def outliers_topic(stream: str) -> str:
    """Return the name of the topic for items that lie far from the reference."""
    return f"{stream}.outliers"


def spikes_topic(stream: str) -> str:
    """Return the name of the topic on which new problems of several customers are announced."""
    return f"{stream}.spikes"


DRIFT_ALERTS = Topic("drift.alerts", "alert_id", 1, 365 * DAY_MS)
"""Alerts of drift in any stream. It has one partition, so that its last messages can be found."""


def topics_of(stream: str, key: str, results: Sequence[str], partitions: int | None = None) -> tuple[Topic, ...]:
    """Return every topic of a stream, the input first.

    Args:
        stream: The stream.
        key: The key of its records, in words.
        results: Names of the topics on which its results are published.
        partitions: Number of partitions of every topic; None means 12.
    """
    count = partitions or PARTITIONS
    room = MESSAGE_LIMIT_BYTES + ENVELOPE_LIMIT_BYTES
    return (
        Topic(input_topic(stream), key, count, 7 * DAY_MS, room),
        Topic(redo_topic(stream), key, count, 7 * DAY_MS, DEAD_LETTER_LIMIT_BYTES + ENVELOPE_LIMIT_BYTES),
        *(
            Topic(retry, "the original key", count, 7 * DAY_MS, DEAD_LETTER_LIMIT_BYTES + ENVELOPE_LIMIT_BYTES)
            for retry in retry_topics(stream)
        ),
        # Results are kept longer than the input, because the audit compares the two.
        *(Topic(result, key, count, 30 * DAY_MS) for result in results),
        Topic(ledger_topic(stream), "topic:partition", count, 30 * DAY_MS),
        Topic(dlq_topic(stream), "the original key", count, 30 * DAY_MS, DEAD_LETTER_LIMIT_BYTES),
        Topic(sums_topic(stream), "stream|input|model|key", count, 7 * DAY_MS),
        Topic(outliers_topic(stream), "stream|input|model|key", count, 7 * DAY_MS),
        Topic(spikes_topic(stream), "spike_id", count, 30 * DAY_MS),
        Topic(quarantine_topic(stream), "the original key", count, 30 * DAY_MS, DEAD_LETTER_LIMIT_BYTES),
    )
