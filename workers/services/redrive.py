"""The redrive: waits until the records of the retry lane are due, and sends them to the redo topics of their streams.

It keeps no state of its own: what is due stands in the records' headers, and the consumer group keeps what was sent.
Several redrives share the partitions. `docs/decisions/0021-retry-lane.md` explains why each record is sent once.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Protocol

from schemas.topics import retry_topics
from shared.clock import Clock
from shared.engine.loop import FailurePolicies
from shared.errors import Unavailable
from shared.logs import get_logger
from shared.observers import Observer
from shared.operation.lifecycle import OPERATOR, Lifecycle
from shared.records import Message, Record, TopicPartition
from shared.retry.lane import read_waiting, redo_message

POLL_S = 0.2
SENT_AT_ONCE = 500
SENT_BYTES = 8 << 20
"""Limits of one transaction, which takes about 0.1 s whatever its size."""

SERVICE = "redrive"

log = get_logger(SERVICE)


class Forwards(Protocol):
    """What the redrive needs of the broker; `shared.broker.forwarder.Forwarder` is the real one."""

    def poll(self, wait_s: float) -> list[Record]:
        """Return the next records, in order within each partition."""
        ...

    def take_revoked(self) -> set[TopicPartition]:
        """Return the partitions that were revoked since the last call."""
        ...

    def hold(self, places: set[TopicPartition]) -> None:
        """Fetch no more from these partitions, and fetch from all others again."""
        ...

    def forward(self, records: Sequence[Record], messages: Sequence[Message]) -> None:
        """Send messages, and commit the records that they replace."""
        ...

    def close(self) -> None:
        """Leave the group."""
        ...


class Redrive:
    """Sends due records until it is asked to stop.

    Args:
        connect: Opens the connection to the broker; called again after an outage.
        lifecycle: Its state for the probes, and the requests to stop and to send everything now.
        policies: How long to wait while the broker is unavailable.
        clock: Gives the time.
        observers: For each stream, is notified of the records sent; their names are those of the streams.
    """

    def __init__(
        self,
        connect: Callable[[], Forwards],
        lifecycle: Lifecycle,
        policies: FailurePolicies,
        clock: Clock,
        observers: Mapping[str, Observer],
    ) -> None:
        self._connect, self._policies, self._clock, self._observers = connect, policies, clock, observers
        self._lane = {
            topic: (stream, tier) for stream in observers for tier, topic in enumerate(retry_topics(stream), 1)
        }
        for stream, tier in self._lane.values():  # a rule sees the first increase only if there was a 0 before
            observers[stream].records_redriven(tier, 0)
        self._waiting: dict[TopicPartition, deque[tuple[int, Record]]] = {}
        self.lifecycle = lifecycle
        lifecycle.can_hurry = True

    @property
    def name(self) -> str:
        """The name of this service."""
        return SERVICE

    def run(self) -> None:
        """Send due records until asked to stop.

        Raises:
            Fatal: an error that waiting does not fix.
        """
        attempt = 0
        while not self.lifecycle.stopping.is_set():
            try:
                with closing(self._connect()) as forwarder:
                    self.lifecycle.set_ready("broker")
                    self.lifecycle.set_ready("worker")
                    while not self.lifecycle.stopping.is_set():
                        self._turn(forwarder)
                        attempt = 0
            except Unavailable as outage:
                self.lifecycle.set_not_ready(outage.dependency, outage.detail)
                log.warning("reconnecting", detail=outage.detail)
                self._wait(self._policies.backoff.delay_s(attempt, self._policies.random_source))
                attempt += 1
            finally:
                self._waiting.clear()

    def _turn(self, forwarder: Forwards) -> None:
        """Read records, keep those that are not due, and send the others in one transaction."""
        self.lifecycle.beat(SERVICE)
        records = forwarder.poll(POLL_S)
        for place in forwarder.take_revoked():
            self._waiting.pop(place, None)
            records = [record for record in records if record.topic_partition != place]
        for record in records:
            self._waiting.setdefault(record.topic_partition, deque()).append((self._due_at_ms(record), record))
        due = [] if self._is_paused() else self._take_due()
        if due:
            forwarder.forward(due, [redo_message(record, self._lane[record.topic][0]) for record in due])
            self._report(due)
        forwarder.hold(set(self._waiting))

    def _is_paused(self) -> bool:
        if not self.lifecycle.pause_wanted:
            self.lifecycle.set_ready(OPERATOR)
        elif self.lifecycle.paused is None:
            self.lifecycle.set_not_ready(OPERATOR, f"paused by hand since {self._clock.now():%Y-%m-%dT%H:%M:%SZ}")
        return self.lifecycle.pause_wanted

    def _due_at_ms(self, record: Record) -> int:
        """Return when a record is due; a record that Millrace did not write is due now, so that a worker judges it."""
        waiting = read_waiting(record)
        return 0 if waiting is None else waiting.due_at_ms

    def _take_due(self) -> list[Record]:
        """Take the due records off the front of each partition, within the limits of a transaction."""
        now_ms = self._clock.now().timestamp() * 1000
        due: list[Record] = []
        size_bytes = 0
        for place, queue in list(self._waiting.items()):
            while queue and len(due) < SENT_AT_ONCE and size_bytes < SENT_BYTES:
                due_at_ms, record = queue[0]
                if due_at_ms > now_ms and record.timestamp_ms > self.lifecycle.hurried_at_ms:
                    break
                due.append(record)
                size_bytes += record.size_bytes
                queue.popleft()
            if not queue:
                del self._waiting[place]
        return due

    def _report(self, sent: Sequence[Record]) -> None:
        counts: dict[str, Counter[int]] = defaultdict(Counter)
        for record in sent:
            stream, tier = self._lane[record.topic]
            counts[stream][tier] += 1
        for stream, by_tier in counts.items():
            for tier, count in by_tier.items():
                self._observers[stream].records_redriven(tier, count)

    def _wait(self, seconds: float) -> None:
        self.lifecycle.beat(SERVICE)
        self._clock.wait(self.lifecycle.stopping, seconds)
