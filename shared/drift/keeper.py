"""What a table of the drift application keeps: the states of subjects, each with the offset up to which it has read."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.drift.frames import Place
from shared.drift.reference import Subject


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to be sent.

    Attributes:
        topic: Its topic.
        key: Its key.
        value: Its value.
        once: Whether the last messages of the topic are searched for its key first, so that a crash does not double it.
    """

    topic: str
    key: bytes
    value: bytes
    once: bool = False


@dataclass(frozen=True, slots=True)
class Taken:
    """What has changed.

    Attributes:
        changed: The subjects whose states have to be written.
        outgoing: What has to be sent before that.
    """

    changed: tuple[Subject, ...] = ()
    outgoing: tuple[Outgoing, ...] = ()


class Keeper(Protocol):
    """The states of the subjects of one topic, as far as this application owns its partitions."""

    @property
    def table(self) -> str:
        """The name of the table."""
        ...

    @property
    def topic(self) -> str:
        """The topic that is read."""
        ...

    def take(self, value: bytes, place: Place, offset: int, arrived: datetime | None = None) -> Taken:
        """Take a message. What fails after it was read is logged and counted, and never raised: reading goes on.

        Args:
            value: The message.
            place: Where it was read.
            offset: Its offset.
            arrived: When it arrived at the brokers.

        Raises:
            Unreadable: it cannot be read; nothing has changed.
        """
        ...

    def tick(self, now: datetime, is_quiet: Callable[[int], bool]) -> Taken:
        """Do what is due by the clock in partitions that are quiet: nothing came for a while, and nothing waits."""
        ...

    def written(self, subject: Subject) -> tuple[int, bytes | None] | None:
        """Return the partition and the value of the present state of a subject; None if another instance keeps it.

        A forgotten subject has the value None, which removes its state from the changelog.
        """
        ...

    def restore(self, values: Iterable[bytes], partitions: Collection[int], topic_id: str | None) -> None:
        """Take over values of the changelog, and drop the subjects of other partitions.

        Raises:
            ValueError: one cannot be read.
        """
        ...

    def forget(self) -> None:
        """Drop all subjects: the changelog is read again."""
        ...
