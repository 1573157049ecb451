"""A backfill: a worker of its own group that reads to bounds, shows its progress, and ends by itself."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime

from typing_extensions import override

from millrace.bars import bar
from schemas.outcomes import Outcome
from schemas.topics import input_topic
from shared.broker.bounds import NO_BOUNDS, Wanted
from shared.broker.planning import Plan
from shared.broker.reader import TopicReader
from shared.clock import Clock
from shared.deadletters.selection import RELATIVE, parse_time
from shared.errors import Fatal, Unavailable
from shared.logs import get_logger
from shared.observers import Observer
from shared.operation.lifecycle import Lifecycle

LOOK_EVERY_S = 1.0
LOG_EVERY_S = 30.0
NOW = "now"

log = get_logger("backfill")


def wanted_of(first: str, until: str, index_only: bool, now: datetime) -> Wanted:
    """Return what a backfill is asked for.

    Args:
        first: Time of the first record.
        until: The time that ends it, or `now`.
        index_only: Whether no results are published.
        now: The time.

    Raises:
        Fatal: a time cannot be read, or the two enclose no time that has passed.
    """
    from_ms, until_ms = (_ms(name, text, now) for name, text in (("--from", first), ("--until", until)))
    if until_ms > _ms("", NOW, now):
        raise Fatal(
            f"--until {until} lies in the future: a backfill ends at records that exist; give a past time or now"
        )
    if until_ms <= from_ms:
        raise Fatal(f"--until {until} is not after --from {first}")
    return Wanted(from_ms, until_ms, until == NOW, index_only)


def _ms(name: str, text: str, now: datetime) -> int:
    if text == NOW:
        return int(now.timestamp() * 1000)
    if RELATIVE.fullmatch(text):
        raise Fatal(
            f"{name} {text}: an age is another time when the command is repeated; give a date, such as 2026-01-01"
        )
    try:
        return max(0, int(parse_time(text, now).timestamp() * 1000))
    except ValueError as error:
        raise Fatal(f"{name} {error}") from error


class Counted(Observer):
    """Counts the outcomes of this process."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()

    @override
    def batch_settled(self, outcomes: dict[Outcome, int], oldest_timestamp_ms: int) -> None:
        self.outcomes.update({outcome.value: count for outcome, count in outcomes.items()})


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the whole group is; gaps between records count as records.

    Attributes:
        done: Number of offsets whose records are settled and committed.
        total: Number of offsets within the bounds.
    """

    done: int
    total: int

    @property
    def is_finished(self) -> bool:
        """Whether everything within the bounds is committed."""
        return self.done >= self.total


def progress_of(reader: TopicReader, stream: str, plan: Plan) -> Progress:
    """Read from the brokers how far the group of a reader is.

    The bounds beside a commit count, not those of the plan: of two processes that start first at the same moment, the
    later one replaces what the other has planned.

    Raises:
        Unavailable: the brokers do not answer.
        Fatal: the group has lost its bounds.
    """
    commits = reader.commits([input_topic(stream)])
    known = [(commits[place].offset, commits[place].bounds or NO_BOUNDS) for place in plan if place in commits]
    if len(known) < len(plan):
        raise Fatal(
            f"the commits of the backfill in topic {stream} were deleted, by someone or with the topic: run the command "
            "again to begin with new bounds"
        )
    done = sum(min(max(at, bounds.first), bounds.end) - bounds.first for at, bounds in known)
    return Progress(done, sum(bounds.end - bounds.first for _, bounds in known))


class Ending:
    """Watches the progress of a backfill, shows it, and stops the worker when the whole group has finished.

    Args:
        measure: Returns the progress; it may raise `Unavailable`.
        lifecycle: The state of the worker.
        clock: For the times between two looks.

    Attributes:
        finished: Whether the whole group has finished.
        total: Number of offsets within the bounds, as they were read last.
        failure: Why the progress cannot be read any more; None if it can.
    """

    def __init__(self, measure: Callable[[], Progress], lifecycle: Lifecycle, clock: Clock) -> None:
        self._measure, self._lifecycle, self._clock = measure, lifecycle, clock
        self.finished, self.total = False, 0
        self.failure: Fatal | None = None

    def watch(self) -> None:
        """Watch until it has finished, or until the worker is asked to stop; on a failure, stop the worker."""
        try:
            self._watch()
        except Fatal as error:
            self.failure = error
            self._lifecycle.stop()

    def _watch(self) -> None:
        last, logged_s = self._measured(), self._clock.monotonic_s()
        with bar("backfill", None if last is None else last.total) as advance:
            advance(0 if last is None else last.done)
            while not self._lifecycle.stopping.is_set():
                found = self._measured()
                if found is not None:
                    advance(found.done - (0 if last is None else last.done))
                    last = found
                    if self._clock.monotonic_s() - logged_s >= LOG_EVERY_S:
                        logged_s = self._clock.monotonic_s()
                        log.info("progress", done=found.done, total=found.total)
                    if found.is_finished:
                        self.finished = True
                        self._lifecycle.stop()
                        return
                self._clock.wait(self._lifecycle.stopping, LOOK_EVERY_S)

    def _measured(self) -> Progress | None:
        with suppress(Unavailable):
            found = self._measure()
            self.total = found.total
            return found
        return None


@contextmanager
def watched(ending: Ending) -> Iterator[None]:
    """Watch the progress on a thread of its own."""
    thread = threading.Thread(target=ending.watch, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join(LOOK_EVERY_S)
