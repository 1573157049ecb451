"""What the audit of a backfill knows of it: its group and its bounds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shared.broker.bounds import NO_BOUNDS, Bounds
from shared.records import RecordPosition, TopicPartition


@dataclass(frozen=True, slots=True)
class AuditedBackfill:
    """The backfill that is audited.

    Attributes:
        group: Its consumer group.
        bounds: Its bounds, by partition of the input topic.
    """

    group: str
    bounds: Mapping[TopicPartition, Bounds]

    def has(self, position: RecordPosition) -> bool:
        """Return whether a record lies within the bounds."""
        bounds = self.bounds.get(position.topic_partition, NO_BOUNDS)
        return bounds.first <= position.offset < bounds.end

    def outside(self, positions: Iterable[RecordPosition]) -> list[RecordPosition]:
        """Return the positions that lie outside the bounds."""
        return [position for position in positions if not self.has(position)]

    def clipped(self, lows: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """Return the lowest offsets of the logs, each at most the end of its bounds: what is after it is not missed."""
        return {where: min(lows.get(where, 0), each.end) for where, each in self.bounds.items()}
