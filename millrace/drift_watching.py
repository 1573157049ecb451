"""Watching for drift as the settings say: which streams, which references, and what the Faust application needs."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, takewhile
from math import sqrt

from schemas.topics import DRIFT_ALERTS
from shared.broker.changelogs import ensure_changelogs
from shared.broker.provision import create_topics
from shared.broker.reader import TopicReader
from shared.broker.security import Address
from shared.clock import Clock, SystemClock
from shared.drift.board import Board, KnownReferences, Rules, Tallies
from shared.drift.export import board_samples, spike_samples, tally_samples
from shared.drift.judging import LEAST_LEVEL, WINDOWS_PER_MONTH, judge, level_for
from shared.drift.keeper import Keeper
from shared.drift.references import References
from shared.drift.spike_board import SpikeBoard
from shared.drift.spikes import SpikeRules
from shared.drift.watched import Watched
from shared.drift_settings import DriftSettings
from shared.engine.loop import FailurePolicies
from shared.errors import Unavailable
from shared.logs import get_logger
from shared.metrics.drift_metrics import DRIFT_METRICS
from shared.metrics.registry import Registry, Sample
from shared.operation.lifecycle import Lifecycle
from shared.records import Record, TopicPartition
from shared.settings import Settings
from workers.services.drift_lanes import APPLICATION, Lane, Wiring, changelog_topic
from workers.services.drift_watch import DriftWatch

RECENT_ALERTS = 1_000
"""Alerts that are searched for one that a crash may have left sent, but not noted."""

log = get_logger("drift")


class Watching:
    """What the drift application keeps of some streams, and the metrics of it.

    Args:
        streams: The streams.
        references: The references.
        rules: How windows are judged.
        spike_rules: When a spike opens and closes.
        clock: Gives the time.

    Attributes:
        tallies: What has been counted.
    """

    def __init__(
        self, streams: Sequence[str], references: KnownReferences, rules: Rules, spike_rules: SpikeRules, clock: Clock
    ) -> None:
        self.tallies = Tallies()
        self._references, self._rules, self._clock = references, rules, clock
        self._spikes = [SpikeBoard(stream, references, spike_rules, self.tallies) for stream in streams]
        self._boards = [
            Board(each.stream, references, rules, self.tallies, on_live=each.add_traffic) for each in self._spikes
        ]

    @property
    def keepers(self) -> list[Keeper]:
        """What has a table of its own."""
        return [*self._boards, *self._spikes]

    def watched(self) -> Iterator[Watched]:
        """Yield what is kept of each subject."""
        return chain.from_iterable(self._boards)

    def export(self, registry: Registry, service: DriftWatch) -> None:
        """Add the metrics to a registry."""
        registry.compute([metric.name for metric in DRIFT_METRICS], partial(self._samples, service))

    def _samples(self, service: DriftWatch) -> Iterator[Sample]:
        owned = service.owned()
        yield Sample("millrace_drift_up", (), float(service.is_up))
        yield Sample("millrace_drift_level", (), self._rules.level())
        for board in self._boards:
            yield from board_samples(board, self._references, owned, self._clock.now())
        for spikes in self._spikes:
            yield from spike_samples(spikes, self.tallies)
        yield from tally_samples(self.tallies)


def connected(address: Address, session_timeout_s: float, watching: Watching, clock: Clock) -> Wiring:
    """Look up the topics, make missing changelogs, and return what the application needs.

    Raises:
        Unavailable: the brokers do not answer, or none of the topics exists yet.
        Fatal: the brokers refuse this user.
    """
    keepers = watching.keepers
    sizes = ensure_changelogs(address, {changelog_topic(each.table): each.topic for each in keepers})
    if not sizes:
        raise Unavailable("broker", f"no topic to watch: create {', '.join(each.topic for each in keepers)}")
    reader = TopicReader(address, APPLICATION)
    ids = reader.topic_ids([*sizes, DRIFT_ALERTS.name])
    if DRIFT_ALERTS.name not in ids:
        create_topics(address, [DRIFT_ALERTS], max(each.replicas for each in sizes.values()))
    lanes = tuple(
        Lane(each, ids.get(each.topic), sizes[each.topic].partitions) for each in keepers if each.topic in sizes
    )
    missing = tuple(each.topic for each in keepers if each.topic not in sizes)
    return Wiring(
        address,
        session_timeout_s,
        lanes,
        missing,
        partial(recent_keys, reader),
        partial(between, reader),
        partial(starts, reader),
        watching.tallies.unreadable,
        clock,
    )


def recent_keys(reader: TopicReader, topic: str) -> frozenset[bytes]:
    """Return the keys of the last messages of a topic.

    Raises:
        Unavailable: the brokers do not answer.
    """
    start: dict[TopicPartition, int] = {
        place: max(marks.low, marks.high - RECENT_ALERTS) for place, marks in reader.watermarks(topic).items()
    }
    return frozenset(record.key for record in reader.read(topic, start) if record.key is not None)


def between(reader: TopicReader, place: TopicPartition, first: int, end: int) -> list[Record]:
    """Return the messages of a partition from one offset to before another.

    Raises:
        Unavailable: the brokers do not answer.
    """
    return list(takewhile(lambda each: each.offset < end, reader.read(place.topic, {place: first})))


def starts(reader: TopicReader, topic: str) -> dict[int, int]:
    """Return where reading a topic goes on, by partition.

    Raises:
        Unavailable: the brokers do not answer.
    """
    committed, marks = reader.committed([topic]), reader.watermarks(topic)
    return {place.partition: max(each.low, committed.get(place, each.low)) for place, each in marks.items()}


def drift_watch(settings: Settings, streams: Iterable[str], address: Address, registry: Registry) -> DriftWatch:
    """Return the service that watches streams for drift.

    Raises:
        Fatal: a reference is damaged.
    """
    clock, drift = SystemClock(), settings.drift
    references = References(drift.references)
    states: list[Callable[[], Iterable[Watched]]] = []
    level = Level(drift.false_alarms_per_month, references, lambda: chain.from_iterable(each() for each in states))
    rules = Rules(judge, level, drift.effect_gate)
    watching = Watching(list(streams), references, rules, spike_rules_of(drift), clock)
    states.append(watching.watched)
    service = DriftWatch(
        partial(connected, address, settings.broker.session_timeout_s, watching, clock),
        TopicReader(address),
        Lifecycle(clock, settings.operation.stuck_after_s),
        FailurePolicies(),
        clock,
        references.refresh,
    )
    watching.export(registry, service)
    return service


class Level:
    """The level of significance: it follows from the wanted rate of false alarms and the number of what is watched.

    Args:
        rate_per_month: The wanted number of false alarms a month.
        references: The references.
        watched: Returns what is kept of each subject.
    """

    def __init__(
        self, rate_per_month: float, references: KnownReferences, watched: Callable[[], Iterable[Watched]]
    ) -> None:
        self._rate_per_month, self._references, self._watched = rate_per_month, references, watched
        self._has_warned = False

    def __call__(self) -> float:
        """Return the level."""
        subjects = watched_count(self._references, self._watched())
        if not self._has_warned and sqrt(self._rate_per_month / (WINDOWS_PER_MONTH * max(subjects, 1))) < LEAST_LEVEL:
            self._has_warned = True
            most = LEAST_LEVEL**2 * WINDOWS_PER_MONTH * subjects
            log.warning(
                "more false alarms than wanted: the resamples of a reference resolve no smaller level",
                wanted_per_month=self._rate_per_month, at_most_per_month=round(most, 4), subjects=subjects,
            )  # fmt: skip
        return level_for(self._rate_per_month, subjects)


def watched_count(references: KnownReferences, watched: Iterable[Watched]) -> int:
    """Return how many streams, inputs and keys have an open window, or a reference of the model that is used now."""
    live = sorted(
        (each for each in watched if each.window is not None and each.last_batch is not None),
        key=lambda each: each.last_batch.timestamp() if each.last_batch else 0.0,
    )
    models = {(each.subject.stream, each.subject.input): each.subject.model for each in live}  # of the newest batch
    subjects = [each.subject for each in live]
    subjects += [
        subject
        for subject in (each.subject for each in references.every())
        if models.get((subject.stream, subject.input), subject.model) == subject.model
    ]
    return len({(each.stream, each.input, each.key) for each in subjects})


def spike_rules_of(drift: DriftSettings) -> SpikeRules:
    """Return when a spike opens and closes."""
    return SpikeRules(drift.spike_window_s, drift.spike_customers)
