"""Scans partitions for the first record that a reader of committed records would get, and counts small spans.

Little is read: the fetches are small, and a partition is dropped as soon as its answer is known.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as KafkaPartition

from shared.broker.client import client_config
from shared.broker.reader import IGNORED_CODES
from shared.broker.security import REFUSED_CODES, Address, opened
from shared.broker.unreadable import UNREADABLE_CODES
from shared.clock import Clock
from shared.lag.fronts import COUNTED_OFFSETS
from shared.lag.port import Scan, Span
from shared.records import TopicPartition

CONSUME_S = 0.05
AT_ONCE = 256
"""Partitions that are read at the same time; with `FETCH_BYTES` this bounds what the client holds."""

FETCH_BYTES = 32_768
"""Bytes of a partition in one answer; a first record that is larger is sent whole."""

COUNTED_BYTES = 262_144
"""Counting the records of a partition ends after this number of bytes; the next look continues."""

FETCH_WAIT_MS = 10
"""How long a broker may hold back an answer that has no record. The client sends the fetches for its next partitions only
after this answer, so where more groups than one lag in a partition, each of them waits for it."""

SILENT_SHARE = 0.4
"""After this share of the time without any message, the other partitions get theirs: one leader may not answer."""

NOT_READ = "the first unread record could not be read in time"


@dataclass(slots=True)
class _Progress:
    span: Span
    read_to: int
    first: int | None = None
    first_ms: int | None = None
    records: int = 0
    size_bytes: int = 0

    @property
    def result(self) -> Scan:
        return Scan(self.first, self.first_ms, self.read_to, self.records)

    def add(self, offset: int, timestamp_ms: int | None, size_bytes: int) -> bool:
        """Add a record; return whether enough is known."""
        if self.first is None:
            self.first, self.first_ms = offset, timestamp_ms
        end = self.span.end
        if offset >= end:
            self.read_to = max(end, self.first) if self.records else offset
            return True
        self.records, self.read_to, self.size_bytes = self.records + 1, offset + 1, self.size_bytes + size_bytes
        return self.read_to >= end or end - self.first > COUNTED_OFFSETS or self.size_bytes > COUNTED_BYTES

    def end(self, offset: int) -> None:
        """Add that the partition holds no more records up to an offset."""
        self.read_to = max(self.read_to, offset)


class FirstRecords:
    """Scans partitions; repeated scans use one connection. Used by one thread.

    Args:
        bootstrap: Addresses of the brokers.
        timeout_s: For one scan of all spans.
        clock: For the time limit.

    Raises:
        Fatal: the settings cannot be used.
    """

    def __init__(self, bootstrap: Address, timeout_s: float, clock: Clock) -> None:
        self._timeout_s, self._clock, self._first = timeout_s, clock, 0
        config = {
            "group.id": "millrace-reader",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "fetch.message.max.bytes": FETCH_BYTES,
            "fetch.max.bytes": AT_ONCE * FETCH_BYTES,
            "fetch.wait.max.ms": FETCH_WAIT_MS,
            "queued.max.messages.kbytes": AT_ONCE * FETCH_BYTES >> 10,
        }
        self._consumer = opened(Consumer, client_config(bootstrap) | config)

    def scan(self, spans: Sequence[Span]) -> dict[Span, Scan]:
        """Return what each span holds; those that were not read in time have a fault, and the next scan begins there."""
        until_s = self._clock.monotonic_s() + self._timeout_s
        found: dict[Span, Scan] = {}
        first = self._first % max(1, len(spans))
        waiting = [*spans[first:], *spans[:first]]
        while waiting and self._clock.monotonic_s() < until_s:
            chosen: dict[TopicPartition, Span] = {}
            for span in waiting:  # the client reads a partition at one place only: other groups' places follow
                if len(chosen) < AT_ONCE:
                    chosen.setdefault(span.place, span)
            found |= self._read(chosen, until_s)
            waiting = [span for span in waiting if span not in found]
        self._first = spans.index(waiting[0]) if waiting else 0
        return found | {span: Scan(None, None, span.start, 0, NOT_READ) for span in waiting}

    def close(self) -> None:
        """Close the connection."""
        self._consumer.close()

    def _read(self, chosen: dict[TopicPartition, Span], until_s: float) -> dict[Span, Scan]:
        left = {place: _Progress(span, span.start) for place, span in chosen.items()}
        found: dict[Span, Scan] = {}
        self._consumer.assign([KafkaPartition(*place, each.read_to) for place, each in left.items()])
        silent_until_s = self._clock.monotonic_s() + self._timeout_s * SILENT_SHARE
        try:
            while left and self._clock.monotonic_s() < min(until_s, silent_until_s):
                messages = self._consumer.consume(AT_ONCE, CONSUME_S)
                if messages:
                    silent_until_s = self._clock.monotonic_s() + self._timeout_s * SILENT_SHARE
                done = self._turn(messages, left)
                found |= done
                if done:
                    self._consumer.incremental_unassign([KafkaPartition(*span.place) for span in done])
        except KafkaException as error:
            fault = error.args[0].str()
            found |= {each.span: Scan(None, None, each.span.start, 0, fault) for each in left.values()}
        finally:
            self._consumer.unassign()
        return found | {
            # What has a first record has an answer, even if its records were not all counted in time.
            each.span: each.result if each.first is not None else Scan(None, None, each.span.start, 0, NOT_READ)
            for each in left.values()
            if each.span not in found
        }

    def _turn(self, messages: Iterable[Message], left: dict[TopicPartition, _Progress]) -> dict[Span, Scan]:
        done = {}
        for message in messages:
            place = TopicPartition(message.topic() or "", message.partition() or 0)
            if place in left and (scan := _step(message, left[place])) is not None:
                done[left.pop(place).span] = scan
        return done


def _step(message: Message, progress: _Progress) -> Scan | None:
    """Add a message or an event of the client; return the answer once it is known."""
    error, offset = message.error(), message.offset() or 0
    if error is None:
        kind, timestamp_ms = message.timestamp()
        known_ms = timestamp_ms if kind and timestamp_ms >= 0 else None
        return progress.result if progress.add(offset, known_ms, len(message)) else None
    if error.code() == KafkaError._PARTITION_EOF:
        progress.end(offset)
        return progress.result
    if error.code() in UNREADABLE_CODES:  # a record is there, but neither its timestamp nor those after it can be read
        progress.first = progress.read_to if progress.first is None else progress.first
        return progress.result
    if error.code() in REFUSED_CODES - IGNORED_CODES:
        fault = f"this user may not read topic {progress.span.place.topic}: it needs Read, see docs/security.md"
        return Scan(None, None, progress.span.start, 0, fault)
    return None
