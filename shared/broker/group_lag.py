"""Positions of partitions and consumer groups, read from Kafka without changing anything.

A look sends a request for the topics, three for offsets (each split by broker), one for the list of groups, and two for
each group that matches. Settings of topics are asked for every few minutes only.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from confluent_kafka import ConsumerGroupState, ConsumerGroupTopicPartitions, IsolationLevel, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka import admin as kafka_admin
from confluent_kafka.admin import AdminClient
from typing_extensions import override

from shared.broker.bounds import bounds_in
from shared.broker.client import client_config
from shared.broker.first_records import FirstRecords
from shared.broker.retention import SILENT_CODES, Retention
from shared.broker.security import Address, ClientErrors, failure, opened, reach
from shared.clock import Clock
from shared.errors import Unavailable
from shared.lag.port import GroupLook, LagReader, PartitionLog, Positions, Scan, Span
from shared.records import TopicPartition

library: Any = kafka_admin  # its type stubs leave out `OffsetSpec` and `ConfigResource`

NO_LEADER = "the partition has no leader"
ENDS = (
    # The end is requested before the end for readers of committed records: what is written between the two requests
    # must not seem to be held back by a transaction.
    (library.OffsetSpec.latest(), IsolationLevel.READ_UNCOMMITTED),
    (library.OffsetSpec.latest(), IsolationLevel.READ_COMMITTED),
    (library.OffsetSpec.earliest(), IsolationLevel.READ_UNCOMMITTED),
)


@dataclass(frozen=True, slots=True)
class Selection:
    """What is measured.

    Attributes:
        groups: Patterns of group names.
        topics: Patterns of topic names; topics whose names begin with `__` are Kafka's own and never match.
        from_beginning: Groups whose members start a partition without a commit at its beginning.
        left_out: Patterns of group names that are not measured, although `groups` matches them.
    """

    groups: Sequence[str]
    topics: Sequence[str]
    from_beginning: frozenset[str] = frozenset()
    left_out: Sequence[str] = ()

    def has_topic(self, name: str) -> bool:
        """Return whether a topic is measured."""
        return not name.startswith("__") and any(fnmatchcase(name, each) for each in self.topics)

    def has_group(self, name: str) -> bool:
        """Return whether a group is measured."""
        is_left_out = any(fnmatchcase(name, each) for each in self.left_out)
        return not is_left_out and any(fnmatchcase(name, each) for each in self.groups)


class KafkaLagReader(LagReader):
    """Reads positions; repeated looks use the same connections. Used by one thread.

    Args:
        bootstrap: Addresses of the brokers.
        selection: What is measured.
        timeout_s: For each request, and for reading first records.
        clock: Gives the time of each look.

    Raises:
        Fatal: the settings cannot be used.
    """

    def __init__(self, bootstrap: Address, selection: Selection, timeout_s: float, clock: Clock) -> None:
        self._selection, self._timeout_s, self._clock = selection, timeout_s, clock
        self._bootstrap, self._is_stale, self._is_silent = bootstrap, False, False
        self._connect()
        self._first_records = FirstRecords(bootstrap, timeout_s, clock)
        self._retention = Retention(timeout_s, clock)

    @override
    def positions(self, beat: Callable[[], None]) -> Positions:
        if self._is_stale:
            self._connect()
        self._is_stale, self._is_silent = True, False
        try:
            found = self._positions(beat)
        except TimeoutError as error:
            raise Unavailable("broker", f"no answer within {self._timeout_s:g} s") from error
        self._is_stale = self._is_silent or not found.is_complete
        return found

    @override
    def scan(self, spans: Sequence[Span]) -> Mapping[Span, Scan]:
        return self._first_records.scan(spans)

    @override
    def close(self) -> None:
        self._first_records.close()

    def _connect(self) -> None:
        """Open a new client: after a restart of a broker, an old one never reaches the groups that it coordinates."""
        self._client_errors = ClientErrors()
        self._admin = opened(
            AdminClient, client_config(self._bootstrap, self._client_errors) | {"allow.auto.create.topics": False}
        )

    def _positions(self, beat: Callable[[], None]) -> Positions:
        found = reach(self._admin, self._client_errors, None, self._timeout_s).topics
        places = {
            TopicPartition(name, number): None if partition.leader >= 0 else NO_LEADER
            for name, topic in found.items()
            if topic.error is None and self._selection.has_topic(name)
            for number, partition in topic.partitions.items()
        }
        beat()
        self._retention.refresh(self._admin, {place.topic for place in places})
        logs = self._logs(places, beat)
        at_ms, at_s = round(self._clock.now().timestamp() * 1000), self._clock.monotonic_s()
        names, is_complete = self._group_names()
        return Positions(at_ms, at_s, logs, self._groups(names, places, beat), is_complete)

    def _logs(
        self, places: Mapping[TopicPartition, str | None], beat: Callable[[], None]
    ) -> dict[TopicPartition, PartitionLog]:
        """Return the offsets of each partition; one that does not answer does not spoil the others."""
        faults = {place: fault for place, fault in places.items() if fault is not None}
        ends = []
        for spec, level in ENDS:
            beat()
            ends.append(self._ends(spec, level, places.keys() - faults.keys(), faults))
        beat()
        logs = {}
        for place in places:
            if place in faults:
                logs[place] = PartitionLog(fault=faults[place])
                continue
            high, stable, low = (offsets[place] for offsets in ends)
            own = self._retention.of(place.topic)
            stable = max(low, stable)
            logs[place] = PartitionLog(low, stable, max(stable, high), own.retention_ms, own.is_compacted)
        return logs

    def _ends(
        self, spec: Any, level: IsolationLevel, places: Iterable[TopicPartition], faults: dict[TopicPartition, str]
    ) -> dict[TopicPartition, int]:
        """Return one kind of offset, and add the partitions that did not answer to `faults`."""
        asked = {KafkaPartition(*place): spec for place in places}
        if not asked:
            return {}
        answers = self._admin.list_offsets(asked, isolation_level=level, request_timeout=self._timeout_s)
        found, silent = {}, list[KafkaError]()
        for key, answer in answers.items():
            place = TopicPartition(key.topic, key.partition)
            try:
                found[place] = answer.result(self._timeout_s + 1).offset
            except KafkaException as error:
                faults[place] = error.args[0].str()
                silent += [error.args[0]] if error.args[0].code() in SILENT_CODES else []
        if len(silent) == len(asked):
            raise self._client_errors.failure(silent[0])
        return found

    def _group_names(self) -> tuple[list[str], bool]:
        """Return the names of the groups that match, and whether all brokers answered."""
        try:
            listed = self._admin.list_consumer_groups(request_timeout=self._timeout_s).result(self._timeout_s + 1)
        except KafkaException as error:
            raise failure(error.args[0], "list of groups", "Describe on the groups") from error
        names = [each.group_id for each in listed.valid if self._selection.has_group(each.group_id)]
        return names, not listed.errors

    def _groups(
        self, names: Sequence[str], places: Iterable[TopicPartition], beat: Callable[[], None]
    ) -> list[GroupLook]:
        """Return the groups that read one of the topics, or that could not be asked."""
        if not names:
            return []
        described = self._admin.describe_consumer_groups(list(names), request_timeout=self._timeout_s)
        committed = {  # the client accepts one group for each call; all requests are sent before the first is awaited
            name: self._admin.list_consumer_group_offsets(
                [ConsumerGroupTopicPartitions(name)], request_timeout=self._timeout_s
            )[name]
            for name in names
        }
        asked = frozenset(places)
        groups = []
        for name in names:
            beat()
            members, assigned = self._membership(described[name])
            try:
                answer = committed[name].result(self._timeout_s + 1).topic_partitions
            except KafkaException as error:
                self._is_silent |= error.args[0].code() in SILENT_CODES
                groups.append(GroupLook(name, members=members, fault=error.args[0].str()))
                continue
            if any(bounds_in(each.metadata) is not None for each in answer):
                continue  # a backfill is behind on purpose, and rests at its end
            offsets = {TopicPartition(each.topic, each.partition): each.offset for each in answer if each.offset >= 0}
            own = {place: offset for place, offset in offsets.items() if place in asked}
            groups.append(GroupLook(name, own, members, assigned, name in self._selection.from_beginning))
        return groups

    def _membership(self, answer: Any) -> tuple[int | None, frozenset[str] | None]:
        """Return the number of members, and the topics assigned to them; None for what is not known."""
        try:
            group = answer.result(self._timeout_s + 1)
        except KafkaException as error:
            self._is_silent |= error.args[0].code() in SILENT_CODES
            return None, None
        if group.state is not ConsumerGroupState.STABLE:
            return len(group.members), None
        assigned = {each.topic for member in group.members for each in member.assignment.topic_partitions}
        return len(group.members), frozenset(assigned)
