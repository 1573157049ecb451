"""What is asked of a broker: consuming, producing and reading. The contract suite runs on the embedded broker and on Kafka.

Each method of a source says which thread calls it and whether it may block. The engine has two threads: the *gathering* one
prepares the next batch, the *working* one settles the batch in hand.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from shared.records import Message, Record, TopicPartition, UnreadOffsets, Watermarks


class Source(Protocol):
    """The consuming side: a member of a consumer group that never stops polling, also while paused."""

    @property
    def last_poll_s(self) -> float:
        """When the consumer was last polled, in seconds of the monotonic clock. Any thread asks; it never blocks.

        It moves on also while the source is paused. Where it stands still, the group will soon take the partitions away.
        """
        ...

    @property
    def fault(self) -> str | None:
        """What keeps this worker from consuming now, in words; None if nothing does. Any thread asks; it never blocks.

        A fault may go away by itself, as when brokers come back or a missing topic is made. What does not go away is
        raised by `check`.
        """
        ...

    @property
    def assigned(self) -> int:
        """How many partitions this worker owns now. Any thread asks; it never blocks."""
        ...

    def take(self, limit: int, wait_s: float) -> list[Record]:
        """Return up to `limit` records in the order they were read; empty when none came within `wait_s`.

        The engine's gathering thread calls it; it blocks for `wait_s` at most.

        Raises:
            Fatal: consuming has failed for good.
        """
        ...

    def hold(self, records: Sequence[Record]) -> list[Record]:
        """Declare these records to be in hand and return those whose partition is still this worker's.

        While records are in hand, giving up their partitions waits, within its deadline, for `commit` or `release`.
        The engine's working thread calls it; it does not wait for the broker.

        Raises:
            Fatal: consuming has failed for good.
        """
        ...

    def ours(self, records: Sequence[Record]) -> list[Record]:
        """Return the records whose partition is still this worker's; one that is about to go still is.

        The engine's working thread calls it; it does not wait for the broker.

        Raises:
            Fatal: consuming has failed for good.
        """
        ...

    def unread(self) -> list[UnreadOffsets]:
        """Return what the log was found to have lost before it was read, until it is `reported`.

        It is there before any record behind it is handed out. The engine's working thread calls it; it does not wait for
        the broker.
        """
        ...

    def reported(self, spans: Sequence[UnreadOffsets]) -> None:
        """Forget these spans: they are in the ledger.

        The engine's working thread calls it; it does not wait for the broker.
        """
        ...

    def commit(self, records: Sequence[Record]) -> int:
        """Commit past these records, confirmed, and let go of them; return how many were lost to another worker.

        The engine's working thread calls it; it blocks until the broker confirms, within the time-out of a commit.

        Raises:
            Unavailable: the broker did not confirm in time; the records stay in hand, and the commit can be repeated.
            Fatal: consuming has failed for good, or the brokers refuse this user.
        """
        ...

    def release(self) -> None:
        """Let go of the records in hand without committing.

        The engine's working thread calls it; it does not wait for the broker.
        """
        ...

    def check(self) -> None:
        """Do nothing while records can still come: for who waits for something else.

        The engine's working thread calls it; it never blocks.

        Raises:
            Fatal: consuming has failed for good.
        """
        ...

    def pause(self) -> None:
        """Stop fetching, keep polling; what is in hand will not be waited for.

        The engine's working thread calls it; it never blocks: the poll thread follows at its next turn.
        """
        ...

    def resume(self) -> None:
        """Fetch again.

        The engine's working thread calls it; it never blocks: the poll thread follows at its next turn.
        """
        ...

    def close(self) -> None:
        """Leave the group, and let go of the records in hand without committing.

        Whoever made the source calls it, last and from any thread; it blocks until the group is left, within the time-out
        of a commit.
        """
        ...


class Sink(Protocol):
    """The producing side. Used by one thread at a time: of the engine, the working one.

    Attributes:
        last_error: Why the last message that was given up could not be delivered; empty where none was.
    """

    last_error: str

    def produce(self, messages: Sequence[Message]) -> None:
        """Hand messages over for delivery; it does not wait for the broker.

        Raises:
            Fatal: the producer has failed for good.
        """
        ...

    def flush(self) -> list[Message]:
        """Return the messages that were given up, to be produced again, once every other one is delivered.

        It blocks until then; the time-out of a delivery bounds it.

        Raises:
            Fatal: the producer has failed for good.
        """
        ...

    def close(self) -> None:
        """Flush and let go; it blocks as `flush` does."""
        ...


class Reader(Protocol):
    """Reads what topics hold at the moment of asking; it joins no group and commits nothing.

    Each call stands for itself, so any thread may call, also several at once. Each asks the brokers and blocks until they
    answer, within a time-out of some seconds a question.
    """

    def read(self, topic: str, start: Mapping[TopicPartition, int] | None = None) -> Iterator[Record]:
        """Yield every record that the topic holds now, in order within each partition.

        Nothing is asked before the first record is; each step may block. One thread uses one iterator.

        Args:
            topic: What to read.
            start: Read these partitions only, each from this offset on; None reads all of them from their beginnings.

        Raises:
            Unavailable: the broker does not answer or has no such topic.
            Fatal: it refuses this user.
        """
        ...

    def watermarks(self, topic: str) -> dict[TopicPartition, Watermarks]:
        """Return for each partition its lowest offset and the offset that the next record will get.

        Raises:
            Unavailable: the broker does not answer or has no such topic.
            Fatal: it refuses this user.
        """
        ...

    def committed(self, topics: Sequence[str]) -> dict[TopicPartition, int]:
        """Return the committed offset of each partition of these topics that has one, in the reader's own group.

        An offset that was committed for an earlier topic of the same name counts as none.

        Raises:
            Unavailable: the broker does not answer or has no such topic.
            Fatal: it refuses this user.
        """
        ...

    def topic_ids(self, topics: Sequence[str]) -> dict[str, str]:
        """Return the broker's ids of these topics; one that has none, or is not there, is left out.

        Where the broker does not answer, nothing is known and nothing is returned.
        """
        ...
