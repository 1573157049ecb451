"""The windows of the subjects of a stream: adding batches, closing windows, raising alerts.

Windows are closed by the times in the messages, so reading the same messages again builds the same windows. The clock
closes a window only if nothing has come for a while.
"""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from typing_extensions import override

from schemas.drift import Answer, BatchSums, DriftAlert
from schemas.topics import DRIFT_ALERTS, sums_topic
from shared.drift.alerting import Finding, alert_due, alert_of, closed_of
from shared.drift.frames import Place
from shared.drift.keeper import Keeper, Outgoing, Taken
from shared.drift.reading import Unreadable, check_fits, read_sums
from shared.drift.reference import Reference, Subject
from shared.drift.watched import Closed, Watched, newest
from shared.drift.window import Window
from shared.logs import get_logger

WINDOWS = "windows"
OTHER_REFERENCE = "other_reference"
"""Stands beside the kinds of traffic for batches that were summed with another reference than this application has."""

log = get_logger("drift")


class KnownReferences(Protocol):
    """The references, as `shared.drift.references` reads them from a folder."""

    def of(self, subject: Subject) -> Reference | None:
        """Return the reference of a subject."""
        ...

    def every(self) -> Collection[Reference]:
        """Return all references."""
        ...


@dataclass(frozen=True, slots=True)
class Rules:
    """How windows are judged.

    Attributes:
        judge: Compares a window with a reference at a level of significance.
        level: Returns the level.
        effect_gate: The least effect that counts for an alert.
    """

    judge: Callable[[Window, Reference | None, float], Finding]
    level: Callable[[], float]
    effect_gate: float


@dataclass(slots=True)
class Tallies:
    """What has been counted since the process started, in all streams.

    Attributes:
        windows: Closed windows.
        alerts: Alerts.
        left_out: Items left out, by stream and reason.
        unreadable: Skipped messages, by topic.
        failures: Windows, batches and outliers whose judging failed, by stream.
        spikes: Opened spikes.
    """

    windows: Counter[tuple[Subject, Answer]] = field(default_factory=Counter)
    alerts: Counter[Subject] = field(default_factory=Counter)
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)
    unreadable: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    spikes: Counter[str] = field(default_factory=Counter)


class Board(Keeper):
    """The windows of a stream, in the partitions that this application owns.

    One thread changes it; `lock` is held meanwhile, so that another one can read it.

    Args:
        stream: The stream.
        references: The references.
        rules: How windows are judged.
        tallies: Where it counts.
        on_live: Called with each batch of live traffic that is added, and its partition.

    Attributes:
        stream: The stream.
        lock: Held while a subject changes.
    """

    def __init__(
        self,
        stream: str,
        references: KnownReferences,
        rules: Rules,
        tallies: Tallies,
        on_live: Callable[[BatchSums, int], None] = lambda _, __: None,
    ) -> None:
        self._references, self._rules, self._tallies, self._on_live = references, rules, tallies, on_live
        self._subjects: dict[Subject, Watched] = {}
        self._forgotten: dict[Subject, int] = {}
        self._others_named: set[tuple[Subject, str | None]] = set()
        self.stream = stream
        self.lock = threading.Lock()

    @property
    @override
    def table(self) -> str:
        return f"{self.stream}.{WINDOWS}"

    @property
    @override
    def topic(self) -> str:
        return sums_topic(self.stream)

    def __iter__(self) -> Iterator[Watched]:
        """Yield what is kept of each subject."""
        return iter(list(self._subjects.values()))

    @override
    def take(self, value: bytes, place: Place, offset: int, arrived: datetime | None = None) -> Taken:
        sums, subject, length = read_sums(value, arrived)
        if sums.stream != self.stream:
            raise Unreadable("the sums of another stream")
        reference = self._references.of(subject)
        is_own = reference is None or sums.reference == reference.reference_id
        if reference is not None and is_own:
            check_fits(reference, length, lambda: max(map(int, sums.centroids), default=0))
        with self.lock:
            watched = self._subjects.get(subject)
            if watched is None or watched.place != place:
                watched = self._subjects[subject] = _moved(watched, subject, place)
            if offset <= watched.offset:
                return Taken()
            watched.offset = offset
            if sums.traffic != "live":
                self._tallies.left_out[sums.stream, sums.traffic] += sums.items
                return Taken()
            watched.last_batch = max(watched.last_batch or sums.settled_at, sums.settled_at)
            if not is_own:
                self._leave_out(watched, sums)
                return Taken()
            alert = None
            if watched.window is not None and watched.window.ends_before(sums):
                alert = self._close(watched, watched.window)
            watched.add(sums, offset)
            watched.others = 0
        try:
            self._on_live(sums, place.partition)
        except Exception:
            self._tallies.failures[self.stream] += 1
            log.exception("the traffic of a batch was not counted", subject=str(subject))
        return Taken((subject,), _outgoing(alert))

    @override
    def tick(self, now: datetime, is_quiet: Callable[[int], bool]) -> Taken:
        taken, read_to = Taken(), self._read_to()
        for watched in self:
            partition, last_batch = watched.place.partition, watched.last_batch
            if watched.window is not None and watched.window.closes_at(now) and is_quiet(partition):
                with self.lock:
                    alert = self._close(watched, watched.window)
                taken = Taken((*taken.changed, watched.subject), (*taken.outgoing, *_outgoing(alert)))
            elif last_batch is not None and watched.is_forgotten(now if is_quiet(partition) else read_to[partition]):
                self._forget(watched)
                taken = Taken((*taken.changed, watched.subject), taken.outgoing)
        return taken

    @override
    def written(self, subject: Subject) -> tuple[int, bytes | None] | None:
        watched = self._subjects.get(subject)
        if watched is not None:
            return watched.place.partition, watched.to_bytes()
        partition = self._forgotten.pop(subject, None)
        return None if partition is None else (partition, None)

    @override
    def restore(self, values: Iterable[bytes], partitions: Collection[int], topic_id: str | None) -> None:
        states = [Watched.from_bytes(each) for each in values]
        with self.lock:
            for state in states:
                known = self._subjects.get(state.subject)
                self._subjects[state.subject] = newest([state] if known is None else [known, state], topic_id)
            self._subjects = {name: each for name, each in self._subjects.items() if each.place.partition in partitions}

    @override
    def forget(self) -> None:
        with self.lock:
            self._subjects, self._forgotten = {}, {}

    def _read_to(self) -> dict[int, datetime]:
        """Return when the newest batch of each partition was settled."""
        found: dict[int, datetime] = {}
        for each in self._subjects.values():
            if each.last_batch is not None:
                partition = each.place.partition
                found[partition] = max(found.get(partition, each.last_batch), each.last_batch)
        return found

    def _forget(self, watched: Watched) -> None:
        """Watch a subject no longer: without batches, its last answer would be exported for ever."""
        with self.lock:
            self._forgotten[watched.subject] = watched.place.partition
            del self._subjects[watched.subject]
        log.info("no longer watched, for lack of batches", subject=str(watched.subject))

    def _leave_out(self, watched: Watched, sums: BatchSums) -> None:
        """Count a batch that another reference summed; while a reference is replaced, that is usual for some seconds."""
        watched.others += sums.items
        self._tallies.left_out[sums.stream, OTHER_REFERENCE] += sums.items
        if (watched.subject, sums.reference) not in self._others_named:
            self._others_named.add((watched.subject, sums.reference))
            why = "the worker has another reference than this application; if it remains so, give both the same files"
            log.warning("batches are left out", subject=str(watched.subject), reason=why, reference=sums.reference)

    def _close(self, watched: Watched, window: Window) -> DriftAlert | None:
        """Judge the open window and close it; return the alert that it raises.

        If judging fails, the window is closed as one without a reference: judging it again would fail again.
        """
        reference = self._references.of(watched.subject)
        try:
            closing, alert = self._judged(watched, window, reference)
        except Exception:
            closing, alert = Closed(window.start, window.end, window.items, "no_reference"), None
            self._tallies.failures[self.stream] += 1
            log.exception("a window was closed without being judged", subject=str(watched.subject))
        else:
            if closing.answer == "no_reference":
                self._explain(watched.subject, reference, window)
        watched.keep(closing)
        if alert is not None:
            watched.alerted = True
            self._tallies.alerts[watched.subject] += 1
        self._tallies.windows[watched.subject, closing.answer] += 1
        log.info("window closed", subject=str(watched.subject), items=closing.items, answer=closing.answer)
        return alert

    def _judged(
        self, watched: Watched, window: Window, reference: Reference | None
    ) -> tuple[Closed, DriftAlert | None]:
        level = self._rules.level()
        found = self._rules.judge(window, reference, level)
        is_drift = found.answer == "drift" and found.p_value is not None and found.p_value <= level
        beyond = is_drift and found.effect >= self._rules.effect_gate and bool(found.causes)
        closing = closed_of(window, found, beyond)
        if reference is not None and alert_due(watched, closing):
            return closing, alert_of(watched, closing, found, reference.reference_id, level)
        return closing, None

    def _explain(self, subject: Subject, reference: Reference | None, window: Window) -> None:
        """Say why a window has no reference: its reference was replaced, or the model changed."""
        if reference is not None:
            log.info("not judged: its reference was replaced", subject=str(subject), reference=window.reference)
            return
        before = {each.subject.model for each in self._references.every() if _is_other_model(each.subject, subject)}
        if before:
            log.warning(
                "not judged: the model changed; build its reference", subject=str(subject), before=sorted(before)
            )


def _moved(watched: Watched | None, subject: Subject, place: Place) -> Watched:
    """Return the state at a new place, where offsets mean something else: the sums stay."""
    if watched is None:
        return Watched(subject, place)
    log.warning("the batches come from another topic or partition now", subject=str(subject), partition=place.partition)
    watched.place, watched.offset = place, -1
    return watched


def _is_other_model(one: Subject, other: Subject) -> bool:
    return one.model != other.model and one._replace(model=other.model) == other


def _outgoing(alert: DriftAlert | None) -> tuple[Outgoing, ...]:
    if alert is None:
        return ()
    return (Outgoing(DRIFT_ALERTS.name, alert.alert_id.encode(), alert.model_dump_json().encode(), once=True),)
