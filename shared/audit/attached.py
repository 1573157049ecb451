"""The audit of what follows items, such as pictures of tickets: whether each was sent, and none was left behind."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from schemas.topics import redo_topic
from shared.audit.evidence import Evidence
from shared.engine.stream import Attached, Owing, Stream
from shared.errors import NewerSchema, Rejected
from shared.records import Record
from shared.vectorstore.port import VERSION_FIELD, is_version


@dataclass(frozen=True, slots=True)
class _Owed:
    """What the point of an item lists of what follows it."""

    item: UUID
    point: UUID
    said: Owing


class AttachedAudit:
    """Compares what the points of items list with what was sent to the redo topic, and with the points of that.

    Only versions whose records are committed and still in their topic are compared: what they owe was sent before.

    Args:
        stream: The stream, as its settings configure it.
        attached: What follows its items.
    """

    def __init__(self, stream: Stream[Any, Any], attached: Attached) -> None:
        self._stream, self._attached = stream, attached
        self._redo = redo_topic(stream.name)
        self._sent: dict[UUID, set[int]] = {}
        self._committed: set[tuple[UUID, int]] = set()
        self._versions: dict[UUID, int] = {}
        self._alive: dict[UUID, UUID] = {}
        self._tombstones: set[UUID] = set()
        self._owed: list[_Owed] = []

    def take_record(self, record: Record, is_committed: bool) -> None:
        """Note a record of the input or the redo topic.

        Args:
            record: The record.
            is_committed: Whether it is settled and committed, without being dead-lettered or deferred.
        """
        try:
            item = self._stream.decode(record)
        except (Rejected, NewerSchema):
            return
        if is_committed:
            self._committed.add((item.point_id, item.version))
        if record.topic == self._redo:
            self._sent.setdefault(item.point_id, set()).add(item.version)

    def take_point(self, which: UUID, payload: Mapping[str, object]) -> None:
        """Note a point that Millrace wrote."""
        version, tenant = payload.get(VERSION_FIELD), str(payload.get("tenant_id"))
        if not is_version(version):
            return
        self._versions[which] = version
        if payload.get("deleted") is True:
            self._tombstones.add(which)
        owner = self._attached.owner(payload)
        if owner is not None:
            self._alive[which] = self._stream.point_id(tenant, owner)
        for said in self._attached.owed(payload):
            self._owed.append(_Owed(which, self._stream.point_id(tenant, said.source_id), said))

    def findings(self, evidence: Evidence) -> list[tuple[str, str]]:
        """Return what was found, once all records and points are noted: the kind of each finding, and its words."""
        return [*self._unsent(evidence), *self._left(), *self._removed()]

    def _unsent(self, evidence: Evidence) -> list[tuple[str, str]]:
        found = list[tuple[str, str]]()
        for each in self._owed:
            version = each.said.version
            is_due = (each.item, version) in self._committed
            if is_due and self._versions.get(each.point, 0) < version and version not in self._sent.get(each.point, ()):
                what = f"point {each.item} lists what its version {version} attached or removed, but it was not sent"
                found.append((evidence.absence("follow-up"), what))
        return found

    def _left(self) -> list[tuple[str, str]]:
        """Return the points whose item does not list them: two workers had two of its versions at the same moment."""
        listed = {each.point for each in self._owed if not each.said.is_removed}
        what = "point {} is attached to point {}, which does not list it"
        left = [(which, item) for which, item in self._alive.items() if which not in listed]
        return [("stale", what.format(which, item)) for which, item in left if self._is_final(which, item)]

    def _removed(self) -> list[tuple[str, str]]:
        """Return the tombstones that an item lists as attached, for the same reason."""
        what = "point {} is a tombstone, but point {} lists it"
        listed = [each for each in self._owed if not each.said.is_removed and each.point in self._tombstones]
        removed = [each for each in listed if self._versions[each.point] >= each.said.version]
        return [
            ("stale", what.format(each.point, each.item)) for each in removed if self._is_final(each.point, each.item)
        ]

    def _is_final(self, which: UUID, item: UUID) -> bool:
        """Return whether nothing is on its way to a point: its item is committed, and nothing newer was sent."""
        is_on_its_way = any(sent > self._versions[which] for sent in self._sent.get(which, ()))
        return not is_on_its_way and (item, self._versions.get(item)) in self._committed
