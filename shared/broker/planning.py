"""The first start of a backfill: its bounds are computed and committed. Later starts find them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from shared.broker.bounds import Bounds, Wanted, write_metadata
from shared.broker.group_offsets import GroupOffsets
from shared.broker.reader import TopicReader
from shared.broker.security import Address
from shared.clock import Clock
from shared.errors import Fatal
from shared.logs import get_logger
from shared.records import TopicPartition

log = get_logger("backfill")

Plan = Mapping[TopicPartition, Bounds]


@dataclass(frozen=True, slots=True)
class Groups:
    """The group of a backfill, and that of the stream's workers, which it must not overtake."""

    own: str
    live: str


def planned(address: Address, topic: str, groups: Groups, wanted: Wanted, clock: Clock) -> Plan:
    """Return the bounds of a backfill, by partition; the first call commits them.

    Raises:
        Fatal: the group has other bounds, is no backfill's group, or no record lies within the times.
        Unavailable: the brokers do not answer.
    """
    reader = TopicReader(address, groups.own)
    found = _stored(reader, topic, groups.own, wanted)
    if found:
        return found
    plan = _computed(reader, TopicReader(address, groups.live), topic, wanted)
    if all(bounds.first >= bounds.end for bounds in plan.values()):
        raise Fatal(
            f"topic {topic} holds no record between these times that the workers of group {groups.live} have settled; the "
            "times are those of the records in Kafka, not those of the events in them"
        )
    ids = reader.topic_ids([topic])
    offsets = GroupOffsets(address, groups.own, clock)
    try:
        metadata = {place: write_metadata(ids.get(topic), bounds) for place, bounds in plan.items()}
        offsets.commit({place: bounds.first for place, bounds in plan.items()}, metadata)
    except Fatal:
        if not _stored(reader, topic, groups.own, wanted):  # else another process has started at the same time
            raise
    finally:
        offsets.close()
    return _stored(reader, topic, groups.own, wanted)


def _stored(reader: TopicReader, topic: str, group: str, wanted: Wanted) -> dict[TopicPartition, Bounds]:
    """Return the bounds that the group has committed; empty if it has committed nothing.

    Raises:
        Fatal: the group has other bounds, or is no backfill's group.
    """
    commits = reader.commits([topic])
    found = {place: each.bounds for place, each in commits.items() if each.bounds is not None}
    if commits and not found:
        raise Fatal(
            f"group {group} has read topic {topic} without bounds, so it is no backfill's group: choose another"
        )
    for bounds in found.values():
        if not wanted.agrees_with(bounds.wanted):
            raise Fatal(
                f"group {group} belongs to a backfill with other bounds ({described(bounds.wanted)}): "
                "repeat these, or choose another group"
            )
    return found


def _computed(reader: TopicReader, live: TopicReader, topic: str, wanted: Wanted) -> dict[TopicPartition, Bounds]:
    marks = reader.watermarks(topic)
    firsts, ends = reader.offsets_at(topic, wanted.from_ms), reader.offsets_at(topic, wanted.until_ms)
    settled = live.committed([topic])
    plan = {}
    for place, (low, high) in marks.items():
        end = min(high, ends.get(place, high), settled.get(place, low) if settled else high)
        first = min(max(low, firsts.get(place, high)), max(low, end))
        plan[place] = Bounds(first, max(first, end), wanted)
        left = min(high, ends.get(place, high)) - plan[place].end
        if left > 0 and settled:
            log.info("left to the workers of live traffic", partition=f"{place.topic}/{place.partition}", offsets=left)
    return plan


def described(wanted: Wanted) -> str:
    """Return in words what a backfill was asked for."""
    first = datetime.fromtimestamp(wanted.from_ms / 1000, UTC)
    end = datetime.fromtimestamp(wanted.until_ms / 1000, UTC)
    until = f"now, which was {end:%Y-%m-%dT%H:%M:%SZ}" if wanted.is_now else f"{end:%Y-%m-%dT%H:%M:%SZ}"
    only = ", --index-only" if wanted.index_only else ""
    return f"--from {first:%Y-%m-%dT%H:%M:%SZ} --until {until}{only}"
