"""Reads, counts and replays the dead letters of a stream. Memory does not grow with the queue."""

import heapq
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.topics import dlq_topic, quarantine_topic
from shared.broker.delivery import deliver
from shared.broker.group_offsets import Offsets
from shared.broker.port import Reader, Sink
from shared.broker.reader import TopicReader
from shared.broker.security import Address
from shared.clock import Clock
from shared.deadletters.duplicates import SeenRecords
from shared.deadletters.envelope import DeadLetter, WithoutEnvelope, read_dead_letter
from shared.deadletters.histogram import Histogram
from shared.deadletters.replay_message import replay_from_quarantine, replay_message
from shared.deadletters.selection import Selection
from shared.errors import Fatal
from shared.records import Message, Record, RecordPosition, TopicPartition

READ_AT_ONCE = 100
READ_AHEAD_BYTES = 2 << 20
CHUNK_DEAD_LETTERS = 500
"""Number of dead letters that are confirmed together; at most these are sent twice if a replay is killed."""

CHUNK_BYTES = 8 << 20
"""A chunk ends once it holds this many bytes; the largest dead letters have a few MiB."""

REPLAY_GROUPS = ("millrace-*-dlq-replay-*", "millrace-*-quarantine-replay-*")
"""Patterns of the names that `replay_group` gives."""

AnyDeadLetter = DeadLetter | WithoutEnvelope


def dead_letter_reader(address: Address) -> TopicReader:
    """Return a reader that keeps only a few dead letters in memory, however many the topic holds."""
    return TopicReader(address, at_once=READ_AT_ONCE, ahead_bytes=READ_AHEAD_BYTES)


def dead_letter_topic(stream: str, quarantine: bool) -> str:
    """Return the topic from which dead letters are read: the dead-letter queue or the quarantine."""
    return (quarantine_topic if quarantine else dlq_topic)(stream)


def replay_group(stream: str, selection: Selection, quarantine: bool = False) -> str:
    """Return the consumer group that stores how far a selection was replayed; each selection of a topic has its own."""
    return f"millrace-{stream}-{'quarantine' if quarantine else 'dlq'}-replay-{selection.criteria.digest()}"


def means_replay_groups(pattern: str) -> bool:
    """Return whether a pattern of group names is about replay groups; `millrace-*` only happens to match them."""
    return any(each.split("*")[1] in pattern for each in REPLAY_GROUPS)


def selected_dead_letters(reader: Reader, topic: str, selection: Selection) -> Iterator[AnyDeadLetter]:
    """Yield the selected dead letters that a topic holds now, in order within each partition."""
    for record in reader.read(topic):
        letter = read_dead_letter(record)
        if selection.matches(letter):
            yield letter


def newest(
    found: Iterable[AnyDeadLetter], limit: int, histogram: Histogram, render: Callable[[AnyDeadLetter], str]
) -> list[str]:
    """Count every dead letter and return the `limit` newest as lines, the newest last; memory holds only these."""
    kept: list[tuple[int, int, str]] = []
    for number, letter in enumerate(found):
        histogram.add(letter)
        written_ms = letter.record.timestamp_ms
        if len(kept) < limit:
            heapq.heappush(kept, (written_ms, number, render(letter)))
        elif kept and kept[0][0] < written_ms:
            heapq.heapreplace(kept, (written_ms, number, render(letter)))
    return [line for _, _, line in sorted(kept)]


def find_dead_letters(
    reader: Reader, stream: str, position: RecordPosition, quarantine: bool = False
) -> list[AnyDeadLetter]:
    """Return the dead letter at a position, or every dead letter of the record at that position.

    Args:
        reader: Reads the dead letters.
        stream: The stream.
        position: The position of the dead letter in the queue or the quarantine, or the position of its origin.
        quarantine: Search for an origin in the quarantine instead of the queue.

    Raises:
        Fatal: no dead letter was found.
    """
    if position.topic in (dlq_topic(stream), quarantine_topic(stream)):
        start = {position.topic_partition: position.offset}
        first = next(reader.read(position.topic, start), None)
        found = [read_dead_letter(first)] if first is not None and first.offset == position.offset else []
    else:
        all_dead_letters = map(read_dead_letter, reader.read(dead_letter_topic(stream, quarantine)))
        found = [letter for letter in all_dead_letters if isinstance(letter, DeadLetter) and letter.origin == position]
    if not found:
        raise Fatal(
            f"no dead letter is at {position}, and none comes from a record there; `millrace dlq list` "
            "shows the positions"
        )
    return found


@dataclass(frozen=True, slots=True)
class Plan:
    """What to replay, and how.

    Attributes:
        stream: The stream whose dead letters are replayed.
        selection: Which of them.
        max_replays: A dead letter that was replayed this many times goes to the quarantine instead; has no effect when
            the quarantine itself is replayed.
        limit: Stop after this many dead letters; None replays all.
        rate_per_s: Highest number of dead letters per second; None sends as fast as the broker confirms.
        dry_run: Only count; nothing is produced or committed.
        quarantine: Replay the quarantine instead of the queue; the replay counts then start again.
    """

    stream: str
    selection: Selection
    max_replays: int = 3
    limit: int | None = None
    rate_per_s: float | None = None
    dry_run: bool = False
    quarantine: bool = False

    @property
    def topic(self) -> str:
        """The topic that is read."""
        return dead_letter_topic(self.stream, self.quarantine)


class Span(NamedTuple):
    """The part of a partition that a replay reads.

    Attributes:
        first: The first offset.
        end: The offset after the last one: the first that is left to the next run.
        resumed: Whether the group had a position there; without one, the replay begins with the oldest dead letter.
    """

    first: int
    end: int
    resumed: bool

    @property
    def records(self) -> int:
        """Number of offsets in it; gaps are counted."""
        return self.end - self.first


@dataclass(slots=True)
class Replayed:
    """The counts of a replay, in dead letters.

    Attributes:
        replayed: Sent to the redo topic.
        quarantined: Sent to the quarantine, because they were replayed too often.
        skipped: Skipped because the selection leaves them out.
        repeated: Skipped because this run has already sent another dead letter of the same record.
        unreadable: Skipped because they have no valid envelope.
        cut: Skipped because they hold only a part of their record; the whole record is only at its origin.
    """

    replayed: int = 0
    quarantined: int = 0
    skipped: int = 0
    repeated: int = 0
    unreadable: int = 0
    cut: int = 0

    @property
    def sent(self) -> int:
        """Number of dead letters that were sent, to redo or to the quarantine."""
        return self.replayed + self.quarantined


@dataclass(slots=True)
class Chunk:
    """Dead letters that are confirmed together, and the offsets to commit after that."""

    messages: list[Message] = field(default_factory=list)
    offsets: dict[TopicPartition, int] = field(default_factory=dict)
    records: int = 0
    bytes: int = 0

    def full(self, most: int) -> bool:
        """Return whether the chunk must be confirmed before another dead letter is read."""
        return len(self.messages) >= most or self.records >= 10 * CHUNK_DEAD_LETTERS or self.bytes >= CHUNK_BYTES


class Replay:
    """One pass over the dead-letter queue or the quarantine: from the group's position to the present end of the topic.

    Each time a record fails again, it gets another dead letter. Of several with the same key and bytes, one is sent.

    Args:
        reader: Reads the dead letters.
        sink: Sends the messages.
        offsets: The offsets of the selection's own group.
        clock: Measures the rate and the waits between attempts.
    """

    def __init__(self, reader: Reader, sink: Sink, offsets: Offsets, clock: Clock) -> None:
        self._reader, self._sink, self._offsets, self._clock = reader, sink, offsets, clock

    def begin(self, plan: Plan, restart: bool) -> dict[TopicPartition, Span]:
        """Return for each partition where the replay begins and where it ends.

        A restart commits the beginning of every partition at once. Otherwise, if a restart is killed, the next run
        would continue at the old offsets in the partitions that the restart had not reached.
        """
        marks = self._reader.watermarks(plan.topic)
        if restart:
            committed: Mapping[TopicPartition, int] = {}
            if not plan.dry_run:
                self._offsets.commit({where: low for where, (low, _) in marks.items()})
        else:
            committed = self._offsets.committed(list(marks))
        return {
            where: Span(max(low, committed.get(where, low)), high, where in committed)
            for where, (low, high) in marks.items()
        }

    def run(self, plan: Plan, spans: Mapping[TopicPartition, Span], advance: Callable[[int], None]) -> Replayed:
        """Send the selected dead letters; offsets are committed only after the messages are confirmed.

        Args:
            plan: What to send.
            spans: The spans that `begin` returned.
            advance: Called after each chunk with the number of records passed.

        Raises:
            Unavailable: the broker does not confirm; the same command continues where this one stopped.
        """
        done, start_s = Replayed(), self._clock.monotonic_s()
        for chunk in self._chunks(plan, spans, done):
            if not plan.dry_run:
                deliver(chunk.messages, self._sink, self._clock)
                self._offsets.commit(chunk.offsets)
            advance(chunk.records)
            if plan.rate_per_s is not None and not plan.dry_run:
                ahead_s = start_s + done.sent / plan.rate_per_s - self._clock.monotonic_s()
                self._clock.wait(threading.Event(), max(0.0, ahead_s))
        return done

    def _chunks(self, plan: Plan, spans: Mapping[TopicPartition, Span], done: Replayed) -> Iterator[Chunk]:
        most = CHUNK_DEAD_LETTERS if plan.rate_per_s is None else min(CHUNK_DEAD_LETTERS, max(1, int(plan.rate_per_s)))
        chunk, met = Chunk(), SeenRecords()
        for record in self._within(plan, spans):
            chunk.records += 1
            chunk.offsets[record.topic_partition] = record.offset + 1
            letter = self._chosen(plan, record, met, done)
            if letter is not None:
                self._take(plan, letter, chunk, done)
            reached = plan.limit is not None and done.sent >= plan.limit
            if reached or chunk.full(most):
                yield chunk
                chunk = Chunk()
            if reached:
                return
        if chunk.records:
            yield chunk

    def _within(self, plan: Plan, spans: Mapping[TopicPartition, Span]) -> Iterator[Record]:
        """Yield the records in the spans; a partition ends at the first dead letter written at `until` or later.

        Later dead letters are not skipped, because a committed offset could not go back to them in a later run.
        """
        open_ = {where for where, span in spans.items() if span.records > 0}
        start = {where: spans[where].first for where in open_}
        for record in self._reader.read(plan.topic, start) if start else ():
            where, end = record.topic_partition, spans[record.topic_partition].end
            if where in open_ and record.offset < end and not plan.selection.is_later(record):
                yield record
                if record.offset + 1 < end:
                    continue
            open_.discard(where)
            if not open_:
                return

    def _chosen(self, plan: Plan, record: Record, met: SeenRecords, done: Replayed) -> DeadLetter | None:
        """Return the dead letter if it is to be sent; otherwise count why it is skipped, and return None."""
        letter = read_dead_letter(record)
        if isinstance(letter, WithoutEnvelope):
            done.unreadable += 1
        elif not plan.selection.matches(letter):
            done.skipped += 1
        elif letter.is_cut:
            done.cut += 1
        elif met.meet(letter):
            done.repeated += 1
        else:
            return letter
        return None

    def _take(self, plan: Plan, letter: DeadLetter, chunk: Chunk, done: Replayed) -> None:
        over = letter.replays >= plan.max_replays and not plan.quarantine
        done.quarantined += over
        done.replayed += not over
        if not plan.dry_run:
            sent = (
                replay_from_quarantine(letter, plan.stream)
                if plan.quarantine
                else replay_message(letter, plan.stream, plan.max_replays)
            )
            chunk.messages.append(sent)
            chunk.bytes += len(sent.value or b"") + sum(len(value or b"") for _, value in sent.headers)
