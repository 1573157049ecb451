"""Which topics each group reads, and which groups or topics have been left."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.lag.port import GroupLook, Positions
from shared.lag.states import TopicLag
from shared.records import TopicPartition

NO_GROUP = "the group has no offsets here and does not run: it never did, or its offsets were removed"
NO_OFFSETS = "the group has no offsets here any more, or the topic does not exist any more"
NOT_READ = "the group has members, but none of them reads this topic any more"
NOT_NAMED = "a broker did not answer which groups it has"

Places = Mapping[str, Sequence[TopicPartition]]
"""The partitions of each topic."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A group and the partitions of the topics that it reads; none if it cannot be asked and was not seen before."""

    group: GroupLook
    places: Places


class Presence:
    """Remembers what each group read at the last look: what it leaves is reported once, and one that cannot be asked stays.

    Args:
        expected: Groups of which everything that they have left is reported at each look, even if they never existed.
    """

    def __init__(self, expected: Sequence[str]) -> None:
        self._expected = frozenset(expected)
        self._read: dict[str, frozenset[str]] = {}

    def update(self, positions: Positions) -> tuple[list[Reading], list[TopicLag]]:
        """Return the groups that read something or could not be asked, and what has been left."""
        places: dict[str, list[TopicPartition]] = defaultdict(list)
        for place in sorted(positions.logs):
            places[place.topic].append(place)
        before, self._read = self._read, {}
        reading, left = [], []
        for group in self._present(positions, before):
            last = before.get(group.name)
            if group.fault is not None and last is None:
                reading.append(Reading(group, {}))
                continue
            topics = last or frozenset[str]() if group.fault is not None else _topics_of(group)
            unread = topics - group.assigned if group.members and group.assigned else frozenset[str]()
            self._read[group.name] = read = (topics - unread) & places.keys()
            reasons = dict.fromkeys((last or frozenset[str]()) - read, NO_OFFSETS)
            reasons |= dict.fromkeys(unread & (unread if group.name in self._expected else reasons.keys()), NOT_READ)
            left += [TopicLag(group.name, topic, group.members, (), reasons[topic]) for topic in sorted(reasons)]
            if read:
                reading.append(Reading(group, {topic: places[topic] for topic in sorted(read)}))
        return reading, left + self._missing(before, reading, left)

    def _missing(
        self, before: Mapping[str, frozenset[str]], reading: Sequence[Reading], left: Sequence[TopicLag]
    ) -> list[TopicLag]:
        """Return the groups that do not exist any more, and the expected ones that read nothing."""
        found = {each.group.name for each in reading} | {each.group for each in left}
        names = ((before.keys() - self._read.keys()) | self._expected) - found
        return [
            TopicLag(name, topic, None, (), NO_GROUP)
            for name in sorted(names)
            for topic in sorted(before.get(name, ())) or [""] * (name in self._expected)
        ]

    def _present(self, positions: Positions, before: Mapping[str, frozenset[str]]) -> list[GroupLook]:
        """Return the groups that exist; if not all brokers named theirs, also those of the last look and the expected."""
        found = {group.name: group for group in positions.groups}
        if not positions.is_complete:
            found = {name: GroupLook(name, fault=NOT_NAMED) for name in before.keys() | self._expected} | found
        return [found[name] for name in sorted(found)]


def _topics_of(group: GroupLook) -> frozenset[str]:
    return frozenset(place.topic for place in group.committed) | (group.assigned or frozenset())
