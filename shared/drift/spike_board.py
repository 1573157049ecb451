"""The spikes of a stream: the outliers of its subjects, as far as this application owns their partitions."""

import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from typing_extensions import override

from schemas.drift import BatchSums, Spike
from schemas.topics import outliers_topic, spikes_topic
from shared.drift.board import KnownReferences, Tallies
from shared.drift.frames import Place, framed, unframed
from shared.drift.keeper import Keeper, Outgoing, Taken
from shared.drift.reading import Unreadable, check_fits, read_outlier
from shared.drift.reference import Subject
from shared.drift.spikes import SpikeRules, SpikeWatch
from shared.logs import get_logger

log = get_logger("drift")


@dataclass(slots=True)
class _Watching:
    watch: SpikeWatch
    place: Place
    offset: int = -1


class SpikeBoard(Keeper):
    """The open spikes of a stream, and the outliers of the last minutes.

    One thread changes it; `lock` is held meanwhile, so that another one can read it.

    Args:
        stream: The stream.
        references: The references: how near two items must be comes from them.
        rules: When a spike opens and closes.
        tallies: Where it counts.

    Attributes:
        stream: The stream.
        lock: Held while a subject changes.
    """

    def __init__(self, stream: str, references: KnownReferences, rules: SpikeRules, tallies: Tallies) -> None:
        self._references, self._rules, self._tallies = references, rules, tallies
        self._subjects: dict[Subject, _Watching] = {}
        self.stream = stream
        self.lock = threading.Lock()

    @property
    @override
    def table(self) -> str:
        return f"{self.stream}.spikes"

    @property
    @override
    def topic(self) -> str:
        return outliers_topic(self.stream)

    @property
    def open_count(self) -> int:
        """The number of open spikes."""
        with self.lock:
            return sum(each.watch.open_count for each in self._subjects.values())

    def add_traffic(self, sums: BatchSums, partition: int) -> None:
        """Count the items of a batch, usual ones too; they are written when an outlier comes."""
        subject = Subject.of(sums)
        with self.lock:
            watching = self._of(subject, Place(None, partition))
            if watching is not None:
                watching.watch.add_traffic(sums)

    @override
    def take(self, value: bytes, place: Place, offset: int, arrived: datetime | None = None) -> Taken:
        outlier, subject, length = read_outlier(value, arrived)
        if subject.stream != self.stream:
            raise Unreadable("an outlier of another stream")
        reference = self._references.of(subject)
        if reference is not None and outlier.reference != reference.reference_id:
            return Taken()  # its item is counted as left out with its batch
        if reference is not None:
            check_fits(reference, length, lambda: outlier.centroid)
        with self.lock:
            watching = self._of(subject, place)
            if watching is None or (watching.place == place and offset <= watching.offset):
                return Taken()
            open_before = watching.watch.open_count
            watching.place, watching.offset = place, offset
            try:
                said = watching.watch.add(outlier)
            except Exception:
                self._tallies.failures[self.stream] += 1
                log.exception("an outlier was passed over", subject=str(subject), offset=offset)
                return Taken((subject,))
            closed = sum(each.state == "closed" for each in said)
            self._tallies.spikes[self.stream] += watching.watch.open_count - open_before + closed
        return Taken((subject,), self._outgoing(said))

    @override
    def tick(self, now: datetime, is_quiet: Callable[[int], bool]) -> Taken:
        taken = Taken()
        for subject, watching in list(self._subjects.items()):
            if watching.watch.open_count:
                is_over = is_quiet(watching.place.partition)
                with self.lock:
                    said = watching.watch.tick(now) if is_over else watching.watch.news(now)
                if said:
                    taken = Taken((*taken.changed, subject), (*taken.outgoing, *self._outgoing(said)))
        return taken

    @override
    def written(self, subject: Subject) -> tuple[int, bytes | None] | None:
        watching = self._subjects.get(subject)
        if watching is None:
            return None
        state = {"subject": subject, "watch": watching.watch.to_json()}
        return watching.place.partition, framed(watching.place, watching.offset, state)

    @override
    def restore(self, values: Iterable[bytes], partitions: Collection[int], topic_id: str | None) -> None:
        with self.lock:
            for value in values:
                place, offset, state = unframed(value)
                try:
                    self._put_back(Subject(*state["subject"]), place, offset, state["watch"], topic_id)
                except (LookupError, TypeError) as error:
                    raise ValueError(f"not the state of a subject: {type(error).__name__}") from error
            self._subjects = {name: each for name, each in self._subjects.items() if each.place.partition in partitions}

    @override
    def forget(self) -> None:
        with self.lock:
            self._subjects = {}

    def _of(self, subject: Subject, place: Place) -> _Watching | None:
        """Return what is kept of a subject, new if it is not known; None if it never had a reference."""
        known, reference = self._subjects.get(subject), self._references.of(subject)
        if reference is None:
            return known
        if known is None:
            known = self._subjects[subject] = _Watching(SpikeWatch(subject, self._rules, reference), place)
        known.watch.use(reference)
        return known

    def _put_back(
        self, subject: Subject, place: Place, offset: int, state: dict[str, object], topic_id: str | None
    ) -> None:
        known, reference = self._subjects.get(subject), self._references.of(subject)
        if reference is None or (known is not None and known.place.topic_id == topic_id and known.offset >= offset):
            return
        watch = SpikeWatch.from_json(subject, self._rules, reference, state)
        self._subjects[subject] = _Watching(watch, place, offset)

    def _outgoing(self, spikes: Iterable[Spike]) -> tuple[Outgoing, ...]:
        topic = spikes_topic(self.stream)
        return tuple(Outgoing(topic, each.spike_id.encode(), each.model_dump_json().encode()) for each in spikes)
