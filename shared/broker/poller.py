"""The poll thread, which owns the consumer: it polls all the time, and only this thread calls the consumer.

Other threads communicate with it through flags, `Leases` and `Commits`. The reasons for this design are in
`docs/decisions/0004-one-thread-owns-the-consumer.md`.
"""

import threading
from collections.abc import Iterable

from confluent_kafka import Consumer, KafkaError
from confluent_kafka import Message as KafkaMessage
from confluent_kafka import TopicPartition as KafkaPartition

from shared.broker.client import to_record
from shared.broker.commits import Commits
from shared.broker.consumer import FATAL_CODES, NEEDS, Membership, consumer_config
from shared.broker.faults import ConsumerFaults
from shared.broker.leases import Lease, Leases
from shared.broker.progress import ReadProgress
from shared.broker.room import BufferFullness
from shared.broker.security import REFUSED_CODES, failure, opened
from shared.broker.start_offsets import reset, set_starts
from shared.broker.topic_ids import TopicIds
from shared.broker.unreadable import UNREADABLE_CODES, unreadable_records
from shared.clock import Clock
from shared.errors import Fatal, Unavailable
from shared.logs import get_logger
from shared.records import Record, TopicPartition

POLL_S = 0.02
"""How long one poll blocks, and so the longest time before a requested commit is sent."""

READ_AT_ONCE = 500
"""The buffer exceeds its limits by at most one read: what the client has prefetched (`consumer_config`), 16 MiB and a
fetch."""

PAUSE_AFTER_S = 2.0
"""How long the poll thread waits for a full buffer before it pauses the partitions; pausing discards prefetched
records."""

REVOKE_SHARE = 0.2
"""Share of `max.poll.interval` within which the records in hand of a revoked partition must be settled."""

log = get_logger("source")


class Poller:
    """Polls for one member of a group. It starts no thread: the thread that calls `run` becomes the poll thread.

    Args:
        member: The group and the topics that it reads.
        leases: Takes the records that were read, and tracks the owned partitions; shared with the engine.
        commits: Takes commit requests; shared with the engine.
        ids: Knows when a topic was re-created; shared with the thread that watches the topics.
        clock: For the deadlines.

    Attributes:
        last_poll_s: When the last turn began, in seconds of the monotonic clock. Any thread may read it.

    Raises:
        Fatal: the settings cannot be used.
    """

    def __init__(self, member: Membership, leases: Leases, commits: Commits, ids: TopicIds, clock: Clock) -> None:
        self._member, self._leases, self._commits, self._ids, self._clock = member, leases, commits, ids, clock
        self._room = BufferFullness(leases, member.settings, clock)
        self._faults = ConsumerFaults(ids, clock.monotonic_s())
        callbacks = {"on_commit": self._on_commit, "error_cb": self._faults.on_error}
        self._config = consumer_config(member) | callbacks
        self._consumer = opened(Consumer, self._config)
        self._outage = False
        self._paused = False
        self._ends = ReadProgress(leases, commits)
        self._seen_ids: dict[str, str] = {}
        self._moved: set[TopicPartition] = set()
        self._finished: set[TopicPartition] = set()
        self.last_poll_s = self._read_s = clock.monotonic_s()

    # --- from any thread; none of these blocks ---

    @property
    def fault(self) -> str | None:
        """The reason why this worker cannot consume: unreachable brokers or a missing topic; None if it can."""
        return self._faults.text

    def pause(self) -> None:
        """Make the poll thread stop fetching and not wait for records in hand; it keeps polling."""
        self._outage = True

    def resume(self) -> None:
        """Make the poll thread fetch again."""
        self._outage = False

    # --- on the poll thread: from here on, everything ---

    def run(self, closing: threading.Event) -> None:
        """Stay a member of the group until closing. The poll thread calls this once; it leaves the group and returns.

        It raises nothing: a failure is raised in the threads that take records or wait for a commit instead.
        """
        try:
            while not closing.is_set():
                self._consume(closing)
        except BaseException as error:  # whatever the error is, the waiting threads must get it
            log.error("the poll thread has failed", error=str(error), exc_info=not isinstance(error, Fatal))
            self._leases.fail(error)
            self._commits.fail(error)

    def _consume(self, closing: threading.Event) -> None:
        """Stay a member of the group until closing, or until a topic was deleted and created again.

        A client keeps its metadata of the old topic, especially the leader epoch, and then reads nothing: only a new
        client reads the new topic reliably.
        """
        self._consumer.subscribe(
            list(self._member.topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )
        while not closing.is_set() and not self._has_recreated_topic():
            self._turn()
        self._commits.send(self._consumer, 0)
        self._consumer.close()
        if not closing.is_set():
            self._seen_ids, self._finished = {}, set()
            self._consumer = opened(Consumer, self._config)

    def _has_recreated_topic(self) -> bool:
        known = self._ids.known
        recreated = [topic for topic, seen in self._seen_ids.items() if known.get(topic, seen) != seen]
        for topic in recreated:
            log.error(
                "the topic was deleted and created again: reading it from its beginning",
                topic=topic,
                topic_id=known[topic],
            )
        return bool(recreated)

    def _turn(self) -> None:
        """Poll once, or wait for room in the buffer, but for at most `PAUSE_AFTER_S` without polling."""
        self.last_poll_s = self._clock.monotonic_s()
        if self._faults.client_errors.refusal is not None:
            raise self._faults.client_errors.refusal
        self._faults.look(self._consumer, self._member.topics[0], self._leases.count(), self.last_poll_s)
        self._ends.commit()
        full = self._room.full_for_s(self._paused)
        self._set_paused(self._outage or full > PAUSE_AFTER_S)
        if full == 0 or self._paused:
            self._commits.send(self._consumer, 0)
            self._read(READ_AT_ONCE, POLL_S)
        else:
            self._commits.send(self._consumer, POLL_S)
            if self._commits.is_unconfirmed:
                self._read(1, 0)  # confirmations arrive by polling; a record that the poll returns must be kept

    def _on_commit(self, error: KafkaError | None, partitions: list[KafkaPartition]) -> None:
        self._commits.on_commit(error, partitions)

    def _set_paused(self, paused: bool) -> None:
        if paused != self._paused:
            partitions = [each for each in self._consumer.assignment() if _place(each) not in self._finished]
            (self._consumer.pause if paused else self._consumer.resume)(partitions)
            self._paused = paused

    def _read(self, limit: int, wait_s: float) -> None:
        first = self._consumer.poll(wait_s)
        if first is None:
            return
        messages = [first] + (self._consumer.consume(limit - 1, 0) if limit > 1 else [])
        self._moved.clear()
        self._read_s = self._clock.monotonic_s()
        self._leases.put([record for message in messages for record in self._accept(message)])

    def _accept(self, message: KafkaMessage) -> list[Record]:
        """Return the record of a message, or the records that a client error represents."""
        error = message.error()
        place = TopicPartition(message.topic() or "", message.partition() or 0)
        lease = self._leases.lease_of(place)
        if (
            place in self._moved
        ):  # reading continues at another offset: the rest of this partition's messages will come again
            return []
        if error is None:
            return [] if lease is None else self._note_read(place, lease, [to_record(message, lease, self._read_s)])
        if lease is not None and error.code() == KafkaError._PARTITION_EOF:
            self._note_end(place, lease, message.offset() or 0)
        elif lease is not None and error.code() == KafkaError._AUTO_OFFSET_RESET:
            self._continue_after_reset(place, lease, message.offset())
        elif error.code() != KafkaError._PARTITION_EOF:
            log.warning("the Kafka client reported an error", code=error.name(), error=error.str())
            if lease is not None and error.code() in UNREADABLE_CODES:
                return self._skip_unreadable(place, lease, message.offset() or 0)
            if error.code() in REFUSED_CODES:
                raise failure(error, needs=NEEDS)
            if error.code() in FATAL_CODES or error.fatal():
                raise Fatal(error.str())
        return []

    def _note_read(self, place: TopicPartition, lease: Lease, records: list[Record]) -> list[Record]:
        """Note how far a partition was read, and return the records that are within its bounds."""
        within = [each for each in records if lease.bounds is None or each.offset < lease.bounds.end]
        if within:
            self._ends.read(place, within[-1].offset + 1)
        if lease.bounds is not None and records and records[-1].offset + 1 >= lease.bounds.end:
            self._note_end(place, lease, lease.bounds.end)
        return within

    def _note_end(self, place: TopicPartition, lease: Lease, offset: int) -> None:
        """Note that no record lies before this offset; a partition that has reached its bound is read no further."""
        end = offset if lease.bounds is None else min(offset, lease.bounds.end)
        self._ends.reached(place, end)
        if lease.bounds is not None and end >= lease.bounds.end:
            self._finish(place)

    def _finish(self, place: TopicPartition) -> None:
        if place not in self._finished:
            self._finished.add(place)
            self._consumer.pause([KafkaPartition(*place)])

    def _continue_after_reset(self, place: TopicPartition, lease: Lease, wanted: int | None) -> None:
        """Continue at the beginning of the log and note the lost offsets; a repeated client report is ignored."""
        if wanted is not None and wanted < self._ends.position(place):
            return
        found = reset(self._consumer, place, lease, wanted)
        if found.unread is not None:
            self._leases.put_unread(found.unread)
        self._read_from(place, found.offset)
        if found.unread is not None:
            self._note_end(place, lease, found.offset)

    def _skip_unreadable(self, place: TopicPartition, lease: Lease, batch: int) -> list[Record]:
        """Return the records of an unreadable batch, without their bytes, and continue after it."""
        first = max(batch, self._ends.position(place))
        try:
            records = unreadable_records(self._member.bootstrap, place, first, lease)
        except Unavailable as outage:
            log.warning("could not find the end of an unreadable batch; trying again", detail=outage.detail)
            return []  # the client reports the batch again
        self._read_from(place, first + len(records))
        return self._note_read(place, lease, records)

    def _read_from(self, place: TopicPartition, offset: int) -> None:
        """Continue a partition at an offset, by assigning it again: the client cannot seek while it is not fetching."""
        partition = KafkaPartition(place.topic, place.partition, offset)
        self._consumer.incremental_unassign([partition])
        self._consumer.incremental_assign([partition])
        if self._paused or place in self._finished:
            self._consumer.pause([partition])
        self._moved.add(place)
        self._ends.moved(place, offset)

    # --- rebalance callbacks, on the poll thread ---

    def _on_assign(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        self._ids.look()
        known = {
            partition.topic: self._ids.known[partition.topic]
            for partition in partitions
            if partition.topic in self._ids.known
        }
        self._seen_ids = known | self._seen_ids
        bounds = set_starts(consumer, partitions, known, bounded=self._member.bounded)
        self._leases.grant(_topic_partitions(partitions), known, bounds)
        for place, partition in zip(_topic_partitions(partitions), partitions, strict=True):
            self._ends.begin(place, partition.offset)
        consumer.incremental_assign(partitions)
        if self._paused:
            consumer.pause(partitions)
        for place, partition in zip(_topic_partitions(partitions), partitions, strict=True):
            if place in bounds and max(0, partition.offset) >= bounds[place].end:
                self._finish(place)
        self._set_paused(self._paused or self._outage)  # an outage may have begun during the requests above
        log.info("partitions assigned", partitions=_names(partitions), assigned=self._leases.count())

    def _on_revoke(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        """Wait, up to a deadline, until the records in hand are settled and committed; then release the partitions."""
        leaving = _places(partitions)
        self._leases.begin_revoke(leaving)
        self._commits.send_again()
        deadline_s = self._clock.monotonic_s() + REVOKE_SHARE * self._member.settings.max_poll_interval_s
        finished = self._leases.wait_released(leaving, 0)
        while not finished and not self._outage and self._clock.monotonic_s() < deadline_s:
            self._commits.send_now(consumer)
            finished = self._leases.wait_released(leaving, POLL_S)
        self._leases.give_up(leaving)
        self._unassign(consumer, partitions)
        log.info(
            "partitions revoked", partitions=_names(partitions), assigned=self._leases.count(), abandoned=not finished
        )

    def _on_lost(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        """Release the partitions without committing: another worker may own them already."""
        self._leases.give_up(_places(partitions))
        self._unassign(consumer, partitions)
        log.warning("partitions lost", partitions=_names(partitions), assigned=self._leases.count())

    def _unassign(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        """Unassign partitions, and resume them first: the client keeps a pause and would read nothing later."""
        stopped = [each for each in partitions if self._paused or _place(each) in self._finished]
        if stopped:
            consumer.resume(stopped)
        self._finished -= _places(partitions)
        consumer.incremental_unassign(partitions)


def _topic_partitions(partitions: Iterable[KafkaPartition]) -> list[TopicPartition]:
    return [TopicPartition(partition.topic, partition.partition) for partition in partitions]


def _place(partition: KafkaPartition) -> TopicPartition:
    return TopicPartition(partition.topic, partition.partition)


def _places(partitions: list[KafkaPartition]) -> set[TopicPartition]:
    return set(_topic_partitions(partitions))


def _names(partitions: list[KafkaPartition]) -> list[str]:
    return [f"{partition.topic}/{partition.partition}" for partition in partitions]
