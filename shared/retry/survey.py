"""What waits in the retry lane: counts, ages and due times of each tier, and the records themselves."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from schemas.topics import retry_topics
from shared.broker.port import Reader
from shared.records import Record, TopicPartition
from shared.retry.lane import Waiting, read_waiting

REDRIVE_GROUP = "millrace-redrive"
"""The consumer group of the redrive: its committed offsets say what was sent."""


@dataclass(frozen=True, slots=True)
class TierState:
    """The state of one tier.

    Attributes:
        tier: The tier, from 1.
        records: Number of records that wait in it, computed from offsets, so gaps are counted too.
        oldest_ms: When the record that waits longest was written, in ms since the epoch; None if no record waits.
        next_due_ms: When the first record at the front of a partition is due; None if no record waits.
    """

    tier: int
    records: int
    oldest_ms: int | None
    next_due_ms: int | None


class RetrySurvey:
    """Looks at the retry lane of one stream.

    Args:
        reader: Reads the topics; its group is that of the redrive.
        stream: The stream.
    """

    def __init__(self, reader: Reader, stream: str) -> None:
        self._reader, self._topics = reader, retry_topics(stream)

    def states(self) -> list[TierState]:
        """Return the state of each tier; of each partition only the first waiting record is read.

        Raises:
            Unavailable: the broker does not answer, or a topic does not exist.
        """
        return [self._state(tier, topic) for tier, topic in enumerate(self._topics, 1)]

    def waiting(self) -> Iterator[Waiting | Record]:
        """Yield every record that waits, tier by tier; a record that Millrace did not write as it is.

        Raises:
            Unavailable: the broker does not answer, or a topic does not exist.
        """
        for topic in self._topics:
            for record in self._reader.read(topic, self._starts(topic)):
                yield read_waiting(record) or record

    def _state(self, tier: int, topic: str) -> TierState:
        starts, marks = self._starts(topic), self._reader.watermarks(topic)
        counts = {place: marks[place].high - start for place, start in starts.items() if marks[place].high > start}
        fronts = [next(self._reader.read(topic, {place: starts[place]}), None) for place in counts]
        found = [record for record in fronts if record is not None]
        due_ms = [0 if waiting is None else waiting.due_at_ms for waiting in map(read_waiting, found)]
        oldest_ms = min((record.timestamp_ms for record in found), default=None)
        return TierState(tier, sum(counts.values()), oldest_ms, min(due_ms, default=None))

    def _starts(self, topic: str) -> Mapping[TopicPartition, int]:
        """Return the offset of the first waiting record of each partition."""
        committed = self._reader.committed([topic])
        return {
            place: max(marks.low, committed.get(place, 0)) for place, marks in self._reader.watermarks(topic).items()
        }
