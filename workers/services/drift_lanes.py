"""What the drift application is connected to, and what Faust logs."""

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from typing_extensions import override

from shared.broker.security import Address
from shared.clock import Clock
from shared.drift.keeper import Keeper
from shared.errors import Fatal, MillraceError, Unavailable
from shared.logs import get_logger
from shared.records import Record, TopicPartition

APPLICATION = "millrace-drift"
"""The consumer group, and the beginning of the names of the changelogs."""

MOST_CHARS = 200
"""Length to which a line of Faust is cut."""

LINE_EVERY_S = 10.0

REFUSALS = ("AuthorizationFailed", "SaslAuthentication", "UnsupportedSasl", "PartitionsMismatch", "InvalidReplication")
"""Parts of the names of the errors that waiting does not fix."""

log = get_logger("drift")


def changelog_topic(table: str) -> str:
    """Return the name of a table's changelog, as Faust makes it."""
    return f"{APPLICATION}-{table}-changelog"


@dataclass(frozen=True, slots=True)
class Lane:
    """One topic, and what is kept of it in a table.

    Attributes:
        keeper: What is kept.
        topic_id: The id that the brokers gave the topic; None if they give none.
        partitions: The number of its partitions, and of those of the changelog.
    """

    keeper: Keeper
    topic_id: str | None
    partitions: int

    @property
    def changelog(self) -> str:
        """The name of its changelog."""
        return changelog_topic(self.keeper.table)


@dataclass(frozen=True, slots=True)
class Wiring:
    """What the application is connected to.

    Attributes:
        address: The brokers.
        session_timeout_s: After this time without a heartbeat, its partitions move to another instance.
        lanes: What it reads.
        missing: Topics that it would read if they existed.
        recent_keys: Returns the keys of the last messages of a topic. It is called on another thread, as are the next two.
        between: Returns the messages of a partition from one offset to before another.
        starts: Returns the committed offsets of a topic by partition; where nothing is committed, the first offset.
        unreadable: Counts unreadable messages by topic.
        clock: Gives the time.
    """

    address: Address
    session_timeout_s: float
    lanes: tuple[Lane, ...]
    missing: tuple[str, ...]
    recent_keys: Callable[[str], frozenset[bytes]]
    between: Callable[[TopicPartition, int, int], list[Record]]
    starts: Callable[[str], dict[int, int]]
    unreadable: Counter[str]
    clock: Clock


def failure_of(error: BaseException) -> MillraceError:
    """Return the error that the service acts on: `Fatal` if waiting does not fix it, otherwise `Unavailable`."""
    if isinstance(error, MillraceError):
        return error
    name = type(error).__name__
    if any(part in name for part in REFUSALS):
        return Fatal(
            f"the brokers refuse this user, or the topics do not fit: {name}; see docs/security.md, docs/drift.md"
        )
    if "Codec" in name:
        return Fatal(f"a topic is compressed in a way that cannot be read: {name}; pip install 'millrace[drift]'")
    return Unavailable("broker", name)


class _Forwarder(logging.Handler):
    """Writes the warnings of Faust and its client as log lines of Millrace, without the messages that they quote.

    In an outage the client repeats itself dozens of times a second, so each of its loggers gets a line every ten seconds.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._last_s: dict[str, float] = {}
        self._left_out: Counter[str] = Counter()

    @override
    def emit(self, record: logging.LogRecord) -> None:
        if 0 <= record.created - self._last_s.get(record.name, 0.0) < LINE_EVERY_S:
            self._left_out[record.name] += 1
            return
        self._last_s[record.name] = record.created
        text = record.getMessage().partition(" message <")[0].partition("\n")[0]
        error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        left_out = self._left_out.pop(record.name, 0)
        log.warning("from Faust", logger=record.name, text=text[:MOST_CHARS], error=error, left_out=left_out)


def forward_logs() -> None:
    """Write what Faust and its client log, from warnings on, as log lines of Millrace."""
    for name in ("faust", "mode", "aiokafka"):
        logger = logging.getLogger(name)
        if not any(isinstance(each, _Forwarder) for each in logger.handlers):
            logger.addHandler(_Forwarder())
        logger.propagate = False
