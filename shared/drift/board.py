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

from pydantic import ValidationError
from typing_extensions import override

from schemas.drift import Answer, BatchSums, DriftAlert, unpacked
from schemas.topics import DRIFT_ALERTS, sums_topic
from shared.drift.alerting import Finding, alert_due, alert_of, closed_of
from shared.drift.frames import Place
from shared.drift.keeper import Keeper, Outgoing, Taken
from shared.drift.reference import Reference, Subject
from shared.drift.watched import Watched, newest
from shared.drift.window import Window
from shared.logs import get_logger

WINDOWS = "windows"

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
    """What has been counted since the process started, in all streams."""

    windows: Counter[tuple[Subject, Answer]] = field(default_factory=Counter)
    alerts: Counter[Subject] = field(default_factory=Counter)
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)
    unreadable: Counter[str] = field(default_factory=Counter)
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
    def take(self, value: bytes, place: Place, offset: int) -> Taken:
        sums, subject, length = _read(value, self.stream)
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
            alert = None
            if watched.window is not None and _ends_with(watched.window, sums, length):
                alert = self._close(watched, watched.window)
            watched.add(sums, offset)
            watched.last_batch = max(watched.last_batch or sums.settled_at, sums.settled_at)
        self._on_live(sums, place.partition)
        return Taken((subject,), _outgoing(alert))

    @override
    def tick(self, now: datetime, is_quiet: Callable[[int], bool]) -> Taken:
        taken = Taken()
        for watched in self:
            if watched.window is not None and watched.window.closes_at(now) and is_quiet(watched.place.partition):
                with self.lock:
                    alert = self._close(watched, watched.window)
                taken = Taken((*taken.changed, watched.subject), (*taken.outgoing, *_outgoing(alert)))
        return taken

    @override
    def written(self, subject: Subject) -> tuple[int, bytes] | None:
        watched = self._subjects.get(subject)
        return None if watched is None else (watched.place.partition, watched.to_bytes())

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
            self._subjects = {}

    def _close(self, watched: Watched, window: Window) -> DriftAlert | None:
        """Judge the open window and close it; return the alert that it raises."""
        level, reference = self._rules.level(), self._references.of(watched.subject)
        found = self._rules.judge(window, reference, level)
        is_drift = found.answer == "drift" and found.p_value is not None and found.p_value <= level
        beyond = is_drift and found.effect >= self._rules.effect_gate and bool(found.causes)
        closing, alert = closed_of(window, found, beyond), None
        if reference is not None and alert_due(watched, closing):
            alert = alert_of(watched, closing, found, reference.reference_id, level)
        if found.answer == "no_reference":
            self._explain(watched.subject, reference, window)
        watched.keep(closing)
        if alert is not None:
            watched.alerted = True
            self._tallies.alerts[watched.subject] += 1
        self._tallies.windows[watched.subject, closing.answer] += 1
        log.info("window closed", subject=str(watched.subject), items=closing.items, answer=closing.answer)
        return alert

    def _explain(self, subject: Subject, reference: Reference | None, window: Window) -> None:
        """Say why a window has no reference, if that is a fault: a changed model, or other files than the workers have."""
        if reference is not None:
            why = "the workers use another reference than this application: give both the same files"
            log.warning("not judged", subject=str(subject), reason=why, reference=window.reference)
            return
        before = {each.subject.model for each in self._references.every() if _is_other_model(each.subject, subject)}
        if before:
            log.warning(
                "not judged: the model changed; build its reference", subject=str(subject), before=sorted(before)
            )


def _read(value: bytes, stream: str) -> tuple[BatchSums, Subject, int]:
    """Return a batch, its subject and the length of its vectors.

    Raises:
        ValueError: it cannot be read; the text contains nothing of it.
    """
    try:
        sums = BatchSums.model_validate_json(value)
        length = len(unpacked(sums.vector_sum))
    except (ValidationError, ValueError) as error:
        raise ValueError(f"not the sums of a batch: {type(error).__name__}") from None
    if sums.stream != stream:
        raise ValueError("the sums of another stream")
    return sums, Subject(sums.stream, sums.input, sums.model, sums.key), length


def _moved(watched: Watched | None, subject: Subject, place: Place) -> Watched:
    """Return the state at a new place, where offsets mean something else: the sums stay."""
    if watched is None:
        return Watched(subject, place)
    log.warning("the batches come from another topic or partition now", subject=str(subject), partition=place.partition)
    watched.place, watched.offset = place, -1
    return watched


def _ends_with(window: Window, sums: BatchSums, length: int) -> bool:
    """Return whether a window ends before a batch: its hour has passed, or the batch cannot be added to it."""
    return window.closes_at(sums.settled_at) or sums.reference != window.reference or length != len(window.vector_sum)


def _is_other_model(one: Subject, other: Subject) -> bool:
    return one.model != other.model and one._replace(model=other.model) == other


def _outgoing(alert: DriftAlert | None) -> tuple[Outgoing, ...]:
    if alert is None:
        return ()
    return (Outgoing(DRIFT_ALERTS.name, alert.alert_id.encode(), alert.model_dump_json().encode(), once=True),)
