"""The consuming side: one thread owns the consumer and never stops polling; the engine talks to it through here."""

import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import Message as KafkaMessage
from confluent_kafka import TopicPartition as KafkaPartition

from shared.broker.consumer import FATAL_CODES, LOST_CODES, UNKNOWN_TOPIC_CODES, consumer_config
from shared.broker.kafka import to_record
from shared.broker.leases import Leases
from shared.broker.security import REFUSED_CODES, Address, Heard, failure, opened
from shared.clock import Clock
from shared.errors import Fatal, Unavailable
from shared.logs import get_logger
from shared.records import Record, TopicPartition, next_offsets
from shared.settings import BrokerSettings

POLL_S = 0.02
"""How long one poll blocks; a commit waits at most so long to be sent."""

READ_AT_ONCE = 500
"""Beyond a full buffer lies one read at most: what the client has prefetched (`consumer_config`), 16 MiB and a fetch."""

PAUSE_AFTER_S = 2.0
"""A full buffer holds the poll thread up for so long before it pauses the partitions: pausing discards the prefetch."""

REVOKE_SHARE = 0.2
"""Share of `max.poll.interval` within which the records in hand of a revoked partition must be settled."""

REFUSED_ATTEMPTS = 10
REFUSED_WAIT_S = 0.1
"""A refused commit is tried again for a second, as long as the leases hold: a cooperative rebalance takes not all."""

LOOK_EVERY_S = 5.0
LOOK_TIMEOUT_S = 1.0
NEEDS = "Read on its topics and its group"

log = get_logger("source")
Offsets = dict[TopicPartition, int]
Commit = tuple[Offsets, "Future[None]"]


class KafkaSource:
    """A member of a consumer group.

    Args:
        bootstrap: Addresses of the brokers.
        topics: What to subscribe to.
        group: The consumer group.
        settings: The broker's settings.
        clock: For the deadlines.
    """

    def __init__(
        self, bootstrap: Address, topics: Sequence[str], group: str, settings: BrokerSettings, clock: Clock
    ) -> None:
        self._topics, self._settings, self._clock = list(topics), settings, clock
        config = consumer_config(bootstrap, group, settings)
        self._consumer = opened(Consumer, config | {"on_commit": self._on_commit, "error_cb": self._on_error})
        self._heard = Heard()
        self._leases = Leases()
        self._commits: queue.SimpleQueue[Commit] = queue.SimpleQueue()
        self._unconfirmed: list[Commit] = []
        self._outage = False
        self._paused = False
        self._full_since_s: float | None = None
        self._closing = threading.Event()
        self._fault: str | None = None
        self._next_look_s = clock.monotonic_s() + LOOK_EVERY_S
        self.last_poll_s = clock.monotonic_s()
        self._thread = threading.Thread(target=self._run, name="poll", daemon=True)
        self._thread.start()

    # --- what the engine calls, from its own threads ---

    def take(self, limit: int, wait_s: float) -> list[Record]:
        """Return up to `limit` records, empty when none came within `wait_s`."""
        return self._leases.take(limit, wait_s)

    def hold(self, records: Sequence[Record]) -> list[Record]:
        """Declare records to be in hand and return those still ours."""
        return self._leases.hold(records)

    def commit(self, records: Sequence[Record]) -> int:
        """Commit past these records and let go of them; return how many were lost."""
        for _ in range(REFUSED_ATTEMPTS):
            ours = self._leases.ours(records)
            if not ours or self._confirmed(next_offsets(ours)):
                break
            # A refusal may only mean that the group has moved on a step.
            self._clock.wait(self._closing, REFUSED_WAIT_S)
        else:
            ours = []
        self._leases.release()
        return len(records) - len(ours)

    def release(self) -> None:
        """Let go of the records in hand."""
        self._leases.release()

    def check(self) -> None:
        """Raise what the poll thread has failed with, if it has."""
        self._leases.check()

    def pause(self) -> None:
        """Stop fetching, keep polling."""
        self._outage = True

    def resume(self) -> None:
        """Fetch again."""
        self._outage = False

    def close(self) -> None:
        """Leave the group and wait for the poll thread to end."""
        self._closing.set()
        self._leases.release()
        self._thread.join(self._settings.commit_timeout_s)

    @property
    def fault(self) -> str | None:
        """What keeps this worker from consuming: the brokers cannot be reached, or a topic does not exist."""
        return self._fault

    @property
    def assigned(self) -> int:
        """How many partitions this worker owns now."""
        return self._leases.count()

    def _confirmed(self, offsets: Offsets) -> bool:
        """Have the poll thread commit; return False where the group refuses because the partitions are another's."""
        future: Future[None] = Future()
        self._commits.put((offsets, future))
        try:
            future.result(self._settings.commit_timeout_s)
        except FutureTimeoutError:
            raise Unavailable("broker", f"no commit confirmed in {self._settings.commit_timeout_s} s") from None
        except KafkaException as error:
            code = error.args[0].code()
            if code in LOST_CODES:
                return False
            raise failure(error.args[0], "commit failed", NEEDS) from error
        return True

    # --- what runs on the poll thread ---

    def _run(self) -> None:
        try:
            self._consumer.subscribe(
                self._topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
            )
            while not self._closing.is_set():
                self._turn()
            self._send_commits(0)
            self._consumer.close()
        except BaseException as error:  # whatever it is, the waiting threads must learn of it
            log.error("poll thread failed", error=str(error), exc_info=not isinstance(error, Fatal))
            self._leases.fail(error)
            self._send_again()
            while not self._commits.empty():
                self._commits.get()[1].set_exception(Fatal(f"consuming has failed: {error}"))

    def _turn(self) -> None:
        """Poll once, or wait for room in the buffer; never for longer than `PAUSE_AFTER_S` without polling."""
        self.last_poll_s = self._clock.monotonic_s()
        if self._heard.refusal is not None:
            raise self._heard.refusal
        if (self._fault is not None or self.assigned == 0) and self.last_poll_s >= self._next_look_s:
            self._look_for_fault()
        full = self._full_for_s()
        self._set_paused(self._outage or full > PAUSE_AFTER_S)
        if full == 0 or self._paused:
            self._send_commits(0)
            self._read(READ_AT_ONCE, POLL_S)
        else:
            self._send_commits(POLL_S)
            if self._unconfirmed:  # confirmations arrive by polling; a poll may bring a record, never to be dropped
                self._read(1, 0)

    def _on_error(self, error: KafkaError) -> None:
        self._heard(error)
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._fault = self._heard.reason or error.str()

    def _look_for_fault(self) -> None:
        """Ask the brokers: no event tells when a fault is gone or, under the new protocol, that a topic is missing."""
        self._next_look_s = self.last_poll_s + LOOK_EVERY_S
        try:
            found = self._consumer.list_topics(timeout=LOOK_TIMEOUT_S).topics
        except KafkaException as error:
            self._fault = self._heard.reason or error.args[0].str()
            return
        self._heard.forget()
        gone = [topic for topic in self._topics if topic not in found or found[topic].error is not None]
        self._fault = f"there is no topic {', '.join(gone)}: `millrace topics create` makes it" if gone else None

    def _full_for_s(self) -> float:
        """Return for how many seconds the buffer has been full; when paused for that, until it is half empty."""
        parts = 2 if self._paused else 1
        records, size_bytes = self._settings.buffered_records // parts, (self._settings.buffered_mib << 20) // parts
        if self._leases.waiting() < max(1, records) and self._leases.waiting_bytes() < size_bytes:
            self._full_since_s = None
            return 0.0
        now = self._clock.monotonic_s()
        self._full_since_s = now if self._full_since_s is None else self._full_since_s
        return max(1e-9, now - self._full_since_s)

    def _set_paused(self, paused: bool) -> None:
        if paused != self._paused:
            (self._consumer.pause if paused else self._consumer.resume)(self._consumer.assignment())
            self._paused = paused

    def _read(self, limit: int, wait_s: float) -> None:
        first = self._consumer.poll(wait_s)
        if first is None:
            return
        messages = [first] + (self._consumer.consume(limit - 1, 0) if limit > 1 else [])
        self._leases.put([record for record in map(self._accept, messages) if record is not None])

    def _accept(self, message: KafkaMessage) -> Record | None:
        error = message.error()
        if error is not None:
            log.warning("consumer error", code=error.name(), error=error.str())
            if error.code() in UNKNOWN_TOPIC_CODES:
                self._fault = error.str()
            if error.code() in REFUSED_CODES:
                raise failure(error, needs=NEEDS)
            if error.code() in FATAL_CODES or error.fatal():
                raise Fatal(error.str())
            return None
        lease = self._leases.lease_of(TopicPartition(message.topic() or "", message.partition() or 0))
        return None if lease is None else to_record(message, lease)

    def _send_commits(self, wait_s: float) -> None:
        """Send the commits that wait, asynchronously; wait a while for a first one."""
        while True:
            try:
                offsets, future = self._commits.get(timeout=wait_s) if wait_s else self._commits.get_nowait()
            except queue.Empty:
                return
            wait_s = 0
            ours = {where: offset for where, offset in offsets.items() if self._leases.lease_of(where) is not None}
            if not ours:  # given up while the commit waited: its offsets are the new owner's to say
                future.set_result(None)
                continue
            try:
                self._consumer.commit(offsets=_to_kafka(ours), asynchronous=True)
                self._unconfirmed.append((ours, future))
            except KafkaException as error:
                future.set_exception(error)

    def _on_commit(self, error: KafkaError | None, partitions: list[KafkaPartition]) -> None:
        offsets = {TopicPartition(p.topic, p.partition): p.offset for p in partitions}
        failure = error or next((p.error for p in partitions if p.error is not None), None)
        for pending in [pending for pending in self._unconfirmed if pending[0] == offsets]:
            self._unconfirmed.remove(pending)
            if failure is None:
                pending[1].set_result(None)
            else:
                pending[1].set_exception(KafkaException(failure))

    # --- rebalance callbacks, on the poll thread ---

    def _on_assign(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        self._leases.grant(_places(partitions))
        consumer.incremental_assign(partitions)
        if self._paused:
            consumer.pause(partitions)
        log.info("partitions assigned", partitions=_names(partitions), assigned=self.assigned)

    def _on_revoke(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        """Let the records in hand be settled and committed, within a deadline; then give the partitions up."""
        leaving = _places(partitions)
        self._leases.begin_revoke(leaving)
        self._send_again()
        deadline_s = self._clock.monotonic_s() + REVOKE_SHARE * self._settings.max_poll_interval_s
        finished = self._leases.wait_released(leaving, 0)
        while not finished and not self._outage and self._clock.monotonic_s() < deadline_s:
            self._commit_now(consumer)
            finished = self._leases.wait_released(leaving, POLL_S)
        self._leases.give_up(leaving)
        self._unassign(consumer, partitions)
        log.info("partitions revoked", partitions=_names(partitions), assigned=self.assigned, abandoned=not finished)

    def _on_lost(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        """Another worker may own them already: commit nothing."""
        self._leases.give_up(_places(partitions))
        self._unassign(consumer, partitions)
        log.warning("partitions lost", partitions=_names(partitions), assigned=self.assigned)

    def _unassign(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        """Give partitions up, and not as paused: the client would keep that, and read nothing when they come back."""
        if self._paused:
            consumer.resume(partitions)
        consumer.incremental_unassign(partitions)

    def _send_again(self) -> None:
        """Queue the commits that are on their way once more: no poll will run to hear that they arrived."""
        waiting, self._unconfirmed = self._unconfirmed, []
        while not self._commits.empty():
            waiting.append(self._commits.get())
        for commit in waiting:
            self._commits.put(commit)

    def _commit_now(self, consumer: Consumer) -> None:
        """Serve one commit while a rebalance waits: synchronously, since no poll will run to confirm it."""
        try:
            offsets, future = self._commits.get_nowait()
        except queue.Empty:
            return
        try:
            consumer.commit(offsets=_to_kafka(offsets), asynchronous=False)
            future.set_result(None)
        except KafkaException as error:
            future.set_exception(error)


def _to_kafka(offsets: Offsets) -> list[KafkaPartition]:
    return [KafkaPartition(where.topic, where.partition, offset) for where, offset in offsets.items()]


def _places(partitions: list[KafkaPartition]) -> set[TopicPartition]:
    return {TopicPartition(partition.topic, partition.partition) for partition in partitions}


def _names(partitions: list[KafkaPartition]) -> list[str]:
    return [f"{partition.topic}/{partition.partition}" for partition in partitions]
