"""How far each partition was read, and commits past what holds no record: markers of transactions, gaps, and losses.

Without them an idle partition that ends in markers would stand committed before its end for ever, and look like a loss once
retention has removed them; and a partition that had nothing yet would have no offset that a loss could show against.
"""

from dataclasses import dataclass

from shared.broker.commits import Commits, Reached
from shared.broker.leases import Leases
from shared.records import TopicPartition

NOTHING = -1


@dataclass(slots=True)
class PartitionProgress:
    """How far one partition was read under its running lease.

    Attributes:
        position: The next offset to be read.
        handed_out: The offset behind the last record that was handed out; `NOTHING`: none was.
        end: The log holds no record between the position and this offset, which is not committed yet; `NOTHING`: unknown.
        committed: What was committed at the beginning, or was asked to be committed here; `NOTHING`: nothing.
    """

    position: int
    handed_out: int = NOTHING
    end: int = NOTHING
    committed: int = NOTHING


class Ends:
    """Used by the poll thread alone.

    Args:
        leases: What is ours, and what was found lost and is not reported yet.
        commits: Where commits are asked for, and were confirmed.
    """

    def __init__(self, leases: Leases, commits: Commits) -> None:
        self._leases, self._commits = leases, commits
        self._progress: dict[TopicPartition, PartitionProgress] = {}

    def begin(self, place: TopicPartition, offset: int) -> None:
        """Begin a partition at a committed offset, or at one of the client's negative words for where to begin."""
        self._progress[place] = PartitionProgress(max(0, offset), committed=offset if offset >= 0 else NOTHING)

    def position(self, place: TopicPartition) -> int:
        """Return the next offset to be read."""
        return self._progress[place].position if place in self._progress else 0

    def read(self, place: TopicPartition, offset: int) -> None:
        """Note that the records before an offset were handed out."""
        progress = self._progress.setdefault(place, PartitionProgress(0))
        progress.position = progress.handed_out = offset
        progress.end = NOTHING  # what was known of it lies before these records

    def moved(self, place: TopicPartition, offset: int) -> None:
        """Note that a partition is read from an offset on, or from where one of the client's negative words says."""
        self._progress.setdefault(place, PartitionProgress(0)).position = max(0, offset)

    def reached(self, place: TopicPartition, offset: int) -> None:
        """Note that no record stands between the last one read and this offset."""
        self._progress.setdefault(place, PartitionProgress(0)).end = offset

    def commit(self) -> None:
        """Ask for commits up to the ends of partitions of which every record that was handed out is committed.

        What was lost is committed past only once it is reported: until then the committed offset is what shows it.
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
