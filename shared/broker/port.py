"""What the engine asks of a broker. The contract suite in `tests/contract` runs on the embedded broker and on Kafka."""

from collections.abc import Sequence
from typing import Protocol

from shared.records import Message, Record, Unread


class Source(Protocol):
    """The consuming side: a member of a consumer group that never stops polling, also while paused."""

    def take(self, limit: int, wait_s: float) -> list[Record]:
        """Return up to `limit` records in the order they were read; empty when none came within `wait_s`.

        Raises:
            Fatal: consuming has failed for good.
        """
        ...

    def hold(self, records: Sequence[Record]) -> list[Record]:
        """Declare these records to be in hand and return those whose partition is still this worker's.

        While records are in hand, giving up their partitions waits, within its deadline, for `commit` or `release`.
        """
        ...

    def ours(self, records: Sequence[Record]) -> list[Record]:
        """Return the records whose partition is still this worker's; one that is about to go still is."""
        ...

    def unread(self) -> list[Unread]:
        """Return what the log was found to have lost before it was read, until it is `reported`.

        It is there before any record behind it is handed out.
        """
        ...

    def reported(self, spans: Sequence[Unread]) -> None:
        """Forget these spans: they are in the ledger."""
        ...

    def commit(self, records: Sequence[Record]) -> int:
        """Commit past these records, confirmed, and let go of them; return how many were lost to another worker.

        Raises:
            Unavailable: the broker did not confirm in time.
        """
        ...

    def release(self) -> None:
        """Let go of the records in hand without committing."""
        ...

    def check(self) -> None:
        """Do nothing while records can still come: for who waits for something else.

        Raises:
            Fatal: consuming has failed for good.
        """
        ...

    def pause(self) -> None:
        """Stop fetching, keep polling; what is in hand will not be waited for."""
        ...

    def resume(self) -> None:
        """Fetch again."""
        ...

    def close(self) -> None:
        """Leave the group."""
        ...


class Sink(Protocol):
    """The producing side. Used by one thread.

    Attributes:
        last_error: Why the last message that was given up could not be delivered; empty where none was.
    """

    last_error: str

    def produce(self, messages: Sequence[Message]) -> None:
        """Hand messages over for delivery.

        Raises:
            Fatal: the producer has failed for good.
        """
        ...

    def flush(self) -> list[Message]:
        """Wait until every message handed over is delivered or given up; return those given up, to be produced again."""
        ...

    def close(self) -> None:
        """Flush and let go."""
        ...
