"""The broker ports: consuming, producing and reading. The contract suite runs on the embedded broker and on Kafka.

The docstring of each method of a source states which thread calls it and whether it may block. The engine has two
threads: the *prepare* thread prepares the next batch, and the *worker* thread settles the batch in hand.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from shared.records import Message, Record, TopicPartition, UnreadOffsets, Watermarks


class Source(Protocol):
    """The consuming side: a member of a consumer group that never stops polling, even while paused."""

    @property
    def last_poll_s(self) -> float:
        """When the consumer was last polled, in seconds of the monotonic clock. Any thread may read it; never blocks.

        It keeps advancing while the source is paused. If it stops, the group will soon revoke the partitions.
        """
        ...

    @property
    def fault(self) -> str | None:
        """Why this worker cannot consume now, in words; None if it can. Any thread may read it; it never blocks.

        A fault may end by itself, for example when brokers answer again or a missing topic is created. `check` raises
        the errors that waiting does not fix.
        """
        ...

    @property
    def assigned(self) -> int:
        """Number of partitions that this worker owns now. Any thread may read it; it never blocks."""
        ...

    def take(self, limit: int, wait_s: float) -> list[Record]:
        """Return up to `limit` records in the order they were read; empty if none arrives within `wait_s`.

        The engine's prepare thread calls it; it blocks for `wait_s` at most.

        Raises:
            Fatal: consuming has failed for good.
        """
        ...

    def hold(self, records: Sequence[Record]) -> list[Record]:
        """Mark records as in hand and return them; those whose partition has moved or is being revoked are left out.

        While records are in hand, the revocation of their partitions waits, up to its deadline, for `commit` or `release`.
        The engine's worker thread calls it; it does not wait for the broker.

        Raises:
            Fatal: consuming has failed for good.
        """
        ...

    def still_owned(self, records: Sequence[Record]) -> list[Record]:
        """Return the records whose partition this worker still owns; a partition being revoked still counts.

        The engine's worker thread calls it; it does not wait for the broker.

        Raises:
            Fatal: consuming has failed for good.
        """
        ...

    def unread(self) -> list[UnreadOffsets]:
        """Return the spans of offsets that the log lost before they were read and that are not `reported` yet.

        A span is returned before any record after it is handed out.
        The engine's worker thread calls it; it does not wait for the broker.
        """
        ...

    def reported(self, spans: Sequence[UnreadOffsets]) -> None:
        """Forget these spans because they are in the ledger now.

        The engine's worker thread calls it; it does not wait for the broker.
        """
        ...

    def commit(self, records: Sequence[Record]) -> int:
        """Commit past these records and release them; return the number of records that another worker owns by now.

        The engine's worker thread calls it; it blocks until the broker confirms, at most for the commit timeout.

        Raises:
            Unavailable: the broker did not confirm in time; the records stay in hand, and the commit can be repeated.
            Fatal: consuming has failed for good, or the brokers refuse this user.
        """
        ...

    def release(self) -> None:
        """Release the records in hand without committing.

        The engine's worker thread calls it; it does not wait for the broker.
        """
        ...

    def check(self) -> None:
        """Raise if consuming has failed for good; called while the engine waits for something else.

        The engine's worker thread calls it; it never blocks.

        Raises:
            Fatal: consuming has failed for good.
        """
        ...

    def pause(self) -> None:
        """Stop fetching but keep polling. A revocation then does not wait for the records in hand: an outage may be long.

        The engine's worker thread calls it; it never blocks: the poll thread follows at its next turn.
        """
        ...

    def resume(self) -> None:
        """Fetch again.

        The engine's worker thread calls it; it never blocks: the poll thread follows at its next turn.
        """
        ...

    def close(self) -> None:
        """Leave the group, and release the records in hand without committing.

        The creator of the source makes this its last call, from any thread; it blocks until the group is left, at most
        for the commit timeout.
        """
        ...


class Sink(Protocol):
    """The producing side. One thread at a time uses it; in the engine, that is the worker thread.

    Attributes:
        last_error: Why the last failed message could not be delivered; empty if no message has failed.
    """

    last_error: str

    def produce(self, messages: Sequence[Message]) -> None:
        """Queue messages for delivery; it does not wait for the broker.

        Raises:
            Fatal: the producer has failed for good.
        """
        ...

    def flush(self) -> list[Message]:
        """Wait until every message is delivered or has failed; return the failed ones, to be produced again.

        It blocks at most for about the delivery timeout.

        Raises:
            Fatal: the producer has failed for good.
        """
        ...

    def close(self) -> None:
        """Flush and close; it blocks as `flush` does."""
        ...


class Reader(Protocol):
    """Reads the records that topics hold at the time of the call; it joins no group and commits nothing.

    The calls are independent, so several threads may call at the same time. Each call blocks until the brokers answer,
    with a timeout of some seconds per request.
    """

    def read(self, topic: str, start: Mapping[TopicPartition, int] | None = None) -> Iterator[Record]:
        """Yield every record that the topic holds now, in order within each partition.

        The brokers are not contacted before the first record is requested; each step may block. An iterator belongs to
        one thread.

        Args:
            topic: The topic to read.
            start: Read only these partitions, each from its offset on; None reads all partitions from the beginning.

        Raises:
            Unavailable: the broker does not answer, or the topic does not exist.
            Fatal: the broker refuses this user.
        """
        ...

    def watermarks(self, topic: str) -> dict[TopicPartition, Watermarks]:
        """Return each partition's watermarks: its lowest offset and the offset that the next record will get.

        Raises:
            Unavailable: the broker does not answer, or the topic does not exist.
            Fatal: the broker refuses this user.
        """
        ...

    def committed(self, topics: Sequence[str]) -> dict[TopicPartition, int]:
        """Return the offsets that the reader's group has committed, for each partition of these topics that has one.

        An offset that was committed for an earlier topic with the same name is ignored.

        Raises:
            Unavailable: the broker does not answer, or a topic does not exist.
            Fatal: the broker refuses this user.
        """
        ...

    def topic_ids(self, topics: Sequence[str]) -> dict[str, str]:
        """Return the broker's ids of these topics; topics that have no id or do not exist are left out.

        If the broker does not answer, the result is empty.
        """
        ...
