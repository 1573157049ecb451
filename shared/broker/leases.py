"""The state that the poll thread and the engine share: records read ahead, owned partitions, and the records in hand.

A *lease* numbers one assignment of one partition to this worker. A record is *in hand* from `hold` to `release`.
"""

import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from shared.broker.bounds import Bounds
from shared.errors import Fatal
from shared.records import Record, TopicPartition, UnreadOffsets

Partitions = set[TopicPartition]


class Lease(NamedTuple):
    """One assignment of one partition; its number is never used again.

    Attributes:
        number: Counted up from 1 within this process.
        topic_id: The broker's id of the topic at that time; None if the broker has no topic ids.
        bounds: The bounds of a backfill; None for a worker of live traffic.
    """

    number: int
    topic_id: str | None
    bounds: Bounds | None = None


NO_LEASE = Lease(0, None)
"""The lease of records that are read outside any group."""


class Leases:
    """The leases of one worker, the buffer of records read ahead, and the records in hand. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._buffer: deque[Record] = deque()
        self._buffered_bytes = 0
        self._leases: dict[TopicPartition, Lease] = {}
        self._given = 0
        self._in_hand: Partitions = set()
        self._revoking: Partitions = set()
        self._unread: list[UnreadOffsets] = []
        self._failure: BaseException | None = None

    # --- for the engine ---

    def take(self, limit: int, wait_s: float) -> list[Record]:
        """Return up to `limit` records that were read ahead; empty if none arrives within `wait_s`.

        Raises:
            Fatal: the poll thread has failed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._buffer or self._failure, timeout=wait_s)
            self.check()
            taken = [self._buffer.popleft() for _ in range(min(limit, len(self._buffer)))]
            self._buffered_bytes -= sum(record.size_bytes for record in taken)
            return taken

    def hold(self, records: Sequence[Record]) -> list[Record]:
        """Mark records as in hand and return them; those whose partition has moved or is being revoked are left out.

        Raises:
            Fatal: the poll thread has failed.
        """
        with self._changed:
            self.check()
            held = [record for record in records if self._is_owned(record) and not self._is_being_revoked(record)]
            self._in_hand = {record.topic_partition for record in held}
            return held

    def still_owned(self, records: Sequence[Record]) -> list[Record]:
        """Return the records whose partition this worker still owns; a partition being revoked still counts.

        Raises:
            Fatal: the poll thread has failed.
        """
        with self._changed:
            self.check()
            return [record for record in records if self._is_owned(record)]

    def check(self) -> None:
        """Raise if the poll thread has failed.

        Raises:
            Fatal: the poll thread has failed.
        """
        if self._failure is not None:
            raise Fatal(f"consuming has failed: {self._failure}") from self._failure

    def release(self) -> None:
        """Release the records in hand."""
        with self._changed:
            self._in_hand = set()
            self._changed.notify_all()

    def unread(self) -> list[UnreadOffsets]:
        """Return the spans of lost offsets that were found and are not forgotten yet."""
        with self._changed:
            return list(self._unread)

    def forget_unread(self, spans: Sequence[UnreadOffsets]) -> None:
        """Forget these spans because they were reported."""
        with self._changed:
            self._unread = [span for span in self._unread if span not in spans]

    # --- for the poll thread ---

    def grant(
        self,
        partitions: Iterable[TopicPartition],
        topic_ids: Mapping[str, str],
        bounds: Mapping[TopicPartition, Bounds] | None = None,
    ) -> None:
        """Start a lease for each partition; topics without an id are missing from `topic_ids`."""
        with self._changed:
            for partition in partitions:
                self._given += 1
                self._leases[partition] = Lease(
                    self._given, topic_ids.get(partition.topic), (bounds or {}).get(partition)
                )

    def lease_of(self, partition: TopicPartition) -> Lease | None:
        """Return the current lease of a partition; None if this worker does not own it."""
        return self._leases.get(partition)

    def put_unread(self, unread: UnreadOffsets) -> None:
        """Add offsets that the log lost before they were read."""
        with self._changed:
            self._unread.append(unread)

    def put(self, records: Sequence[Record]) -> None:
        """Add records to the buffer."""
        with self._changed:
            self._buffer.extend(records)
            self._buffered_bytes += sum(record.size_bytes for record in records)
            self._changed.notify_all()

    def waiting(self) -> int:
        """Return the number of records read ahead."""
        return len(self._buffer)

    def waiting_bytes(self) -> int:
        """Return the size in bytes of the records read ahead."""
        return self._buffered_bytes

    def count(self) -> int:
        """Return the number of partitions that this worker owns."""
        return len(self._leases)

    def begin_revoke(self, leaving: Partitions) -> None:
        """Stop accepting records of these partitions as in hand."""
        with self._changed:
            self._revoking = set(leaving)

    def wait_released(self, leaving: Partitions, wait_s: float) -> bool:
        """Wait up to `wait_s` until no record of these partitions is in hand; return whether that is so."""
        with self._changed:
            return bool(self._changed.wait_for(lambda: not self._in_hand & leaving, timeout=wait_s))

    def give_up(self, leaving: Partitions) -> None:
        """End these leases and drop their buffered records and lost offsets; the next owner will find both again."""
        with self._changed:
            self._revoking = set()
            for partition in leaving:
                self._leases.pop(partition, None)
            self._buffer = deque(record for record in self._buffer if record.topic_partition not in leaving)
            self._unread = [span for span in self._unread if span.topic_partition not in leaving]
            self._buffered_bytes = sum(record.size_bytes for record in self._buffer)

    def fail(self, error: BaseException) -> None:
        """Record that the poll thread ended with an error, so that no thread waits for it."""
        with self._changed:
            self._failure = error
            self._changed.notify_all()

    def _is_owned(self, record: Record) -> bool:
        lease = self._leases.get(record.topic_partition)
        return lease is not None and lease.number == record.lease

    def _is_being_revoked(self, record: Record) -> bool:
        return record.topic_partition in self._revoking
