"""Looks at a group on a real Kafka, for tests that know the truth."""

import time
from collections.abc import Callable

from shared.broker.group_lag import KafkaLagReader, Selection
from shared.clock import SystemClock
from shared.lag.export import report_samples
from shared.lag.meter import LagMeter
from shared.lag.states import LagReport, PartitionLag, TopicLag
from tests.support.lag_truth import TIMEOUT_S, now_ms

TOLERANCE_S = 2.0
STUCK_AFTER_S = 1.0
LOOK_EVERY_S = 0.25


class Looks:
    """Looks at one group and one topic, again and again.

    Args:
        bootstrap: Address of the broker.
        group: The group.
        topic: The topic, or a pattern.
        is_ours: Whether the group starts at the beginning.
        stuck_after_s: When it counts as stuck.
        timeout_s: For each request.
    """

    def __init__(
        self,
        bootstrap: str,
        group: str,
        topic: str,
        is_ours: bool = False,
        stuck_after_s: float = STUCK_AFTER_S,
        timeout_s: float = 10,
    ) -> None:
        clock, from_beginning = SystemClock(), frozenset({group} if is_ours else ())
        reader = KafkaLagReader(bootstrap, Selection([group], [topic], from_beginning), timeout_s, clock)
        self._meter = LagMeter(reader, clock, LOOK_EVERY_S, stuck_after_s, [group])
        self.report = LagReport(0, 0.0, (), (), {}, {})

    def topic(self) -> TopicLag:
        """Look, and return the lag in the topic."""
        self.report = self._meter.measure()
        [found] = self.report.topics
        return found

    def topics(self) -> set[str]:
        """Look, and return the topics that the group reads."""
        self.report = self._meter.measure()
        return {each.topic for each in self.report.topics}

    def one(self) -> PartitionLag:
        """Look, and return the lag in the only partition."""
        [found] = self.topic().partitions
        return found

    def until(self, holds: Callable[[PartitionLag], bool], what: str) -> PartitionLag:
        """Look until something holds."""
        end_s = time.monotonic() + TIMEOUT_S
        while True:
            found = self.one()
            if holds(found):
                return found
            assert time.monotonic() < end_s, f"{what}: {found}"
            time.sleep(LOOK_EVERY_S)

    def names(self) -> set[str]:
        """Return the names of the groups and topics that have series."""
        samples = report_samples(self.report, "c", self.report.at_ms)
        return {label for sample in samples if "group" in sample.name for label in sample.labels[1:3]}

    def close(self) -> None:
        """Close the connections."""
        self._meter.close()


def aged(found: PartitionLag, expected_s: float) -> bool:
    """Return whether an age is right now."""
    return abs(found.age_s(now_ms()) - expected_s) <= TOLERANCE_S
