"""The windows of the subjects whose batches an application reads: adding batches, closing windows, raising alerts.

Windows are closed by the times in the messages, so reading the same messages again builds the same windows. The clock
closes a window only if nothing has come for a while.
"""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from schemas.drift import Answer, BatchSums, DriftAlert, unpacked
from shared.drift.alerting import Finding, alert_due, alert_of, closed_of
from shared.drift.reference import Reference, Subject
from shared.drift.watched import Closed, Place, Watched, newest
from shared.drift.window import LEAST_ITEMS, Window
from shared.logs import get_logger

log = get_logger("drift")


class KnownReferences(Protocol):
    """The references, as `shared.drift.reference_files` reads them from a folder."""

    def of(self, subject: Subject) -> Reference | None:
        """Return the reference of a subject."""
        ...

    def others(self, subject: Subject) -> Collection[Subject]:
        """Return the subjects with a reference that differ only in the model."""
        ...


Judge = Callable[[Window, Reference, float], Finding]


@dataclass(frozen=True, slots=True)
class Rules:
    """How windows are judged.

    Attributes:
        judge: Compares a window with a reference at a level of significance.
        level: The level.
        effect_gate: The least effect that counts for an alert.
    """

    judge: Judge
    level: float
    effect_gate: float


@dataclass(slots=True)
class Tallies:
    """What has been counted since the application started."""

    windows: Counter[tuple[Subject, Answer]] = field(default_factory=Counter)
    alerts: Counter[Subject] = field(default_factory=Counter)
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)
    unreadable: Counter[str] = field(default_factory=Counter)


class Board:
    """The subjects of the partitions that this application owns.

    One thread changes it; `lock` is held meanwhile, so that another one can read it.

    Args:
        references: The references.
        rules: How windows are judged.

    Attributes:
        lock: Held while a subject changes.
        tallies: What has been counted.
    """

    def __init__(self, references: KnownReferences, rules: Rules) -> None:
        self._references, self._rules = references, rules
        self._subjects: dict[Subject, Watched] = {}
        self.lock = threading.Lock()
        self.tallies = Tallies()

    @property
    def level(self) -> float:
        """The level of significance."""
        return self._rules.level

    def __iter__(self) -> Iterator[Watched]:
        """Yield what is kept of each subject."""
        return iter(list(self._subjects.values()))

    def get(self, subject: Subject) -> Watched | None:
        """Return what is kept of a subject."""
        return self._subjects.get(subject)

    def take(self, sums: BatchSums, place: Place, offset: int) -> tuple[Watched | None, DriftAlert | None]:
        """Add a batch.

        Returns:
            What is kept of its subject now, None if nothing has to be written, because the batch is known or left out;
            and the alert of the window that the batch closed.

        Raises:
            ValueError: the vector is damaged.
        """
        subject, length = Subject(sums.stream, sums.input, sums.model, sums.key), len(unpacked(sums.vector_sum))
        with self.lock:
            watched = self._subjects.get(subject)
            if watched is None or watched.place != place:
                watched = self._subjects[subject] = self._moved(watched, subject, place)
            if offset <= watched.offset:
                return None, None
            watched.offset = offset
            if sums.traffic != "live":
                self.tallies.left_out[sums.stream, sums.traffic] += sums.items
                return None, None
            alert: DriftAlert | None = None
            if watched.window is not None and _ends_with(watched.window, sums, length):
                alert = self._close(watched, watched.window)
            watched.add(sums, offset)
            watched.last_batch = max(watched.last_batch or sums.settled_at, sums.settled_at)
            return watched, alert

    def close_quiet(
        self, now: datetime, is_quiet: Callable[[Watched], bool]
    ) -> list[tuple[Watched, DriftAlert | None]]:
        """Close the windows whose hour has passed by the clock, of subjects whose partition has been quiet."""
        closed = []
        for watched in self:
            if watched.window is not None and watched.window.closes_at(now) and is_quiet(watched):
                with self.lock:
                    closed.append((watched, self._close(watched, watched.window)))
        return closed

    def forget(self) -> None:
        """Drop all subjects: the changelog is read again."""
        with self.lock:
            self._subjects = {}

    def restore(self, states: Iterable[Watched], owned: Callable[[Watched], bool], topic_id: str | None) -> None:
        """Take over states from a changelog, and drop the subjects of partitions that are no longer owned."""
        with self.lock:
            for state in states:
                known = self._subjects.get(state.subject)
                self._subjects[state.subject] = newest([state] if known is None else [known, state], topic_id)
            self._subjects = {each.subject: each for each in self._subjects.values() if owned(each)}

    def _moved(self, watched: Watched | None, subject: Subject, place: Place) -> Watched:
        """Return the state at a new place, where offsets mean something else: the sums stay."""
        if watched is None:
            return Watched(subject, place)
        log.warning("read from another topic or partition now", subject=str(subject), partition=place.partition)
        watched.place, watched.offset = place, -1
        return watched

    def _close(self, watched: Watched, window: Window) -> DriftAlert | None:
        reference = self._references.of(watched.subject)
        is_judged = reference is not None and reference.reference_id == window.reference
        if window.items < LEAST_ITEMS or not is_judged or reference is None:
            answer: Answer = "too_few" if window.items < LEAST_ITEMS and is_judged else "no_reference"
            closing, alert = Closed(window.start, window.end, window.items, answer), None
            if answer == "no_reference":
                self._explain(watched.subject, reference, window)
        else:
            found = self._rules.judge(window, reference, self._rules.level)
            beyond = (
                found.p_value is not None
                and found.p_value <= self._rules.level
                and found.effect >= self._rules.effect_gate
                and bool(found.causes)
            )
            closing, alert = closed_of(window, found, beyond), None
            if alert_due(watched, closing):
                alert = alert_of(watched, closing, found, reference.reference_id, self._rules.level)
        self.tallies.windows[watched.subject, closing.answer] += 1
        watched.keep(closing)
        if alert is not None:
            watched.alerted = True
            self.tallies.alerts[watched.subject] += 1
        log.info("window closed", subject=str(watched.subject), items=closing.items, answer=closing.answer)
        return alert

    def _explain(self, subject: Subject, reference: Reference | None, window: Window) -> None:
        if reference is not None:
            why = "the workers use another reference than this application: give both the same files"
            log.warning("not judged", subject=str(subject), reason=why, reference=window.reference)
        elif others := self._references.others(subject):
            models = sorted({each.model for each in others})
            log.warning(
                "not judged: the model changed",
                subject=str(subject),
                models_before=models,
                remedy="build its reference",
            )


def _ends_with(window: Window, sums: BatchSums, length: int) -> bool:
    """Return whether a window ends before a batch: its hour has passed, or the batch cannot be added to it."""
    return window.closes_at(sums.settled_at) or sums.reference != window.reference or length != len(window.vector_sum)
