"""Tracks how far each partition was read, and commits beyond offsets without a record (markers, gaps, lost records).

Some partitions end in transaction markers. Without these commits, the committed offset of an idle partition would stay
before the partition's end. Once retention had deleted the markers, this would look like lost records. A partition that
never had a record would have no committed offset at all, so a later loss could not be detected.
"""

from dataclasses import dataclass

from shared.broker.commits import Commits, Reached
from shared.broker.leases import Leases
from shared.records import TopicPartition

NOTHING = -1


@dataclass(slots=True)
class PartitionProgress:
    """How far one partition was read under its current lease.

    Attributes:
        position: The next offset to be read.
        handed_out: The offset after the last record that was handed out; `NOTHING` if no record was handed out.
        end: No record exists between `position` and this offset; `NOTHING` if not known, or if it is committed.
        committed: The offset committed at the start of the lease, or requested here since; `NOTHING` if there is no
            commit.
    """

    position: int
    handed_out: int = NOTHING
    end: int = NOTHING
    committed: int = NOTHING


class ReadProgress:
    """Tracks the progress of all assigned partitions. Only the poll thread uses it.

    Args:
        leases: This worker's partitions, and the lost offsets that are not reported yet.
        commits: Takes the commit requests, and holds the confirmed commits.
    """

    def __init__(self, leases: Leases, commits: Commits) -> None:
        self._leases, self._commits = leases, commits
        self._progress: dict[TopicPartition, PartitionProgress] = {}

    def begin(self, place: TopicPartition, offset: int) -> None:
        """Start tracking a partition at a committed offset, or at one of the client's special negative offsets."""
        self._progress[place] = PartitionProgress(max(0, offset), committed=offset if offset >= 0 else NOTHING)

    def position(self, place: TopicPartition) -> int:
        """Return the next offset to be read."""
        return self._progress[place].position if place in self._progress else 0

    def read(self, place: TopicPartition, offset: int) -> None:
        """Note that the records before an offset were handed out."""
        progress = self._progress.setdefault(place, PartitionProgress(0))
        progress.position = progress.handed_out = offset
        progress.end = NOTHING  # the end known so far lies before these records

    def moved(self, place: TopicPartition, offset: int) -> None:
        """Note that reading continues at an offset, which may be one of the client's special negative offsets."""
        self._progress.setdefault(place, PartitionProgress(0)).position = max(0, offset)

    def reached(self, place: TopicPartition, offset: int) -> None:
        """Note that no record exists between the last one read and this offset."""
        self._progress.setdefault(place, PartitionProgress(0)).end = offset

    def commit(self) -> None:
        """Request commits up to the ends of the partitions whose handed-out records are all committed.

        A commit passes lost offsets only after they were reported. Until then, the committed offset is what shows the
        loss.
        """
        lost = {span.topic_partition for span in self._leases.unread()}
        for place, progress in self._progress.items():
            if progress.end <= progress.committed or progress.end < progress.position or place in lost:
                continue
            lease = self._leases.lease_of(place)
            if lease is None:
                progress.end = NOTHING
            elif self._is_settled(place, progress, lease.number):
                progress.committed = progress.end
                self._commits.ask({place: Reached(progress.end, lease.number)})

    def _is_settled(self, place: TopicPartition, progress: PartitionProgress, lease: int) -> bool:
        if progress.handed_out == NOTHING:
            return True
        offset, number = self._commits.confirmed.get(place, Reached(NOTHING, NOTHING))
        return number == lease and offset == progress.handed_out
