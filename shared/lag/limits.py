"""Whether a report is good enough: the exit code of `millrace lag`."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.lag.states import LagReport, State, TopicLag

WITHIN, BEYOND, UNCERTAIN = 0, 1, 3
BAD = frozenset({State.STUCK, State.STALLED, State.EXPIRED})


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a group may be behind.

    Attributes:
        age_s: The greatest age of the first record that it has not read, in seconds; None for no limit.
        records: The greatest number of records in a topic; None for no limit.
    """

    age_s: float | None = None
    records: int | None = None

    def are_exceeded(self, topic: TopicLag, now_ms: float) -> bool:
        """Return whether a group is further behind in a topic; never if records wait there on purpose."""
        if topic.on_purpose:
            return False
        is_old = self.age_s is not None and topic.age_s(now_ms) > self.age_s
        return is_old or (self.records is not None and topic.records > self.records)


def exit_code(report: LagReport, limits: Limits, expected: Sequence[str]) -> int:
    """Return 0 if all is within the limits, 1 if not or if a group is missing, 3 if something is not known.

    Args:
        report: The report.
        limits: The limits.
        expected: The groups that must exist.
    """
    topics = report.topics
    states = {each.state for topic in topics for each in topic.partitions}
    is_missing = not topics or not {topic.group for topic in topics}.issuperset(expected)
    if is_missing or states & BAD or any(limits.are_exceeded(each, report.at_ms) for each in topics):
        return BEYOND
    return UNCERTAIN if State.UNKNOWN in states else WITHIN
