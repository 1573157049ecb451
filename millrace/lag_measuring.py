"""Measuring lag as the settings say: which groups and topics, and which groups start at the beginning."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from millrace.resources import group_of
from schemas.topics import retry_topics
from shared.broker.group_lag import KafkaLagReader, Selection
from shared.broker.security import Address
from shared.clock import SystemClock
from shared.deadletters.replay import REPLAY_GROUPS, means_replay_groups
from shared.engine.loop import FailurePolicies
from shared.engine.stream import Stream
from shared.lag.meter import LagMeter
from shared.lag.states import LagReport
from shared.lag_settings import LagSettings
from shared.metrics.registry import Registry
from shared.operation.lifecycle import Lifecycle
from shared.retry.survey import REDRIVE_GROUP
from shared.settings import Settings
from shared.stream_settings import StreamSettings
from workers.services.drift_lanes import APPLICATION
from workers.services.lag import LagExporter

ALL = ("*",)


@dataclass(frozen=True, slots=True)
class Measured:
    """What lag is measured of.

    Attributes:
        selection: The groups and topics.
        expected: Groups that are reported as left if they do not exist.
        on_purpose: The topics of the retry lane, where records wait on purpose.
        topics: Topics that must exist.
    """

    selection: Selection
    expected: tuple[str, ...] = ()
    on_purpose: frozenset[str] = frozenset()
    topics: tuple[str, ...] = ()

    def missing_topics(self, report: LagReport) -> list[str]:
        """Return the topics that must exist and that a look has not seen."""
        seen = {place.topic for place in report.ends} | {each.topic for each in report.topics}
        return [each for each in self.topics if each not in seen]


def measured(
    lag: LagSettings,
    streams: Mapping[str, Stream[Any, Any]],
    own: Mapping[str, StreamSettings],
    groups: Sequence[str] = (),
    topics: Sequence[str] = (),
) -> Measured:
    """Return what lag is measured of: what a command names, else what the settings name.

    The groups of `millrace dlq replay` count only if a pattern is about them. They rest at the end of a replay until
    somebody replays again, so the next dead letter would make them stalled, and a purge would look like lost data.

    Args:
        lag: The settings.
        streams: The streams of Millrace.
        own: The settings of each of them.
        groups: Patterns of group names that were given to the command.
        topics: Patterns of topic names that were given to the command; if only groups were given, all topics count.
    """
    ours = [topic.name for stream in streams.values() for topic in stream.topics()]
    chosen = topics or (ALL if groups else lag.topic_patterns or ours)
    from_beginning = frozenset({REDRIVE_GROUP, APPLICATION, *(group_of(own[name], name) for name in streams)})
    readers = groups or lag.group_patterns or ALL
    left_out = () if any(means_replay_groups(each) for each in readers) else REPLAY_GROUPS
    selection = Selection(readers, chosen, from_beginning, left_out)
    lanes = frozenset(topic for stream in streams for topic in retry_topics(stream))
    return Measured(selection, _names(groups), lanes, _names(topics))


def _names(patterns: Sequence[str]) -> tuple[str, ...]:
    """Return the patterns that match one name only."""
    return tuple(each for each in patterns if not set(each) & set("*?["))


def lag_meter(what: Measured, lag: LagSettings, address: Address, interval_s: float) -> LagMeter:
    """Return a measurement that looks about every `interval_s`.

    Raises:
        Fatal: the settings of the brokers cannot be used.
    """
    clock = SystemClock()
    reader = KafkaLagReader(address, what.selection, lag.timeout_s, clock)
    return LagMeter(reader, clock, interval_s, lag.stuck_after_s, what.expected, what.on_purpose)


def lag_exporter(what: Measured, settings: Settings, address: Address, registry: Registry) -> LagExporter:
    """Return the service that measures lag and exports it."""
    clock, lag = SystemClock(), settings.lag
    exporter = LagExporter(
        lambda: lag_meter(what, lag, address, lag.interval_s),
        Lifecycle(clock, settings.operation.stuck_after_s),
        FailurePolicies(),
        clock,
        lag,
    )
    exporter.export(registry)
    return exporter
