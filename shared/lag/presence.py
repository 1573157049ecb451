"""Which topics each group reads, and which groups or topics have been left."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.lag.port import GroupLook, Positions
from shared.lag.states import TopicLag
from shared.records import TopicPartition

NO_GROUP = "the group has no offsets here and does not run: it never did, or its offsets were removed"
NOT_READ = "the group has members, but none of them reads this topic any more"
NOT_NAMED = "a broker did not answer which groups it has"

Places = Mapping[str, Sequence[TopicPartition]]
"""The partitions of each topic."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A group and the partitions of the topics that it reads."""

    group: GroupLook
    places: Places


class Presence:
    """Remembers the groups of the last look, so that one that leaves is reported once, and one that cannot be asked stays.

    Args:
        expected: Groups that are reported at each look, even if they do not exist.
    """

    def __init__(self, expected: Sequence[str]) -> None:
        self._expected = frozenset(expected)
        self._topics: dict[str, frozenset[str]] = {}

    def update(self, positions: Positions) -> tuple[list[Reading], list[TopicLag]]:
        """Return the groups that read something, and what has been left."""
        places: dict[str, list[TopicPartition]] = defaultdict(list)
        for place in sorted(positions.logs):
            places[place.topic].append(place)
        before, self._topics = self._topics, {}
        reading, left = [], []
        for group in _present(positions, before):
            topics = self._topics_of(group, before) & places.keys()
            unread = topics - group.assigned if group.members and group.assigned else frozenset[str]()
            left += [TopicLag(group.name, topic, group.members, (), NOT_READ) for topic in sorted(unread)]
            if topics:
                self._topics[group.name] = frozenset(topics)
            if topics - unread:
                reading.append(Reading(group, {topic: places[topic] for topic in sorted(topics - unread)}))
        for name in sorted((before.keys() | self._expected) - self._topics.keys()):
            left += [TopicLag(name, topic, None, (), NO_GROUP) for topic in sorted(before.get(name, {""}))]
        return reading, left

    def _topics_of(self, group: GroupLook, before: Mapping[str, frozenset[str]]) -> frozenset[str]:
        if group.fault is not None:
            return before.get(group.name, frozenset())
        return frozenset(place.topic for place in group.committed) | (group.assigned or frozenset())


def _present(positions: Positions, before: Mapping[str, frozenset[str]]) -> list[GroupLook]:
    """Return the groups that exist; if not all brokers named theirs, also those of the last look."""
    found = {group.name: group for group in positions.groups}
    if not positions.is_complete:
        found = {name: GroupLook(name, fault=NOT_NAMED) for name in before} | found
    return [found[name] for name in sorted(found)]
