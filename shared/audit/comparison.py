"""The audit: "did we lose anything?" It compares the input, the ledger, the results, the dead letters and the points.

It reads the input records and does not count offsets, because compaction, transactions and retention leave gaps that
are not a loss.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from schemas.outcomes import Outcome
from schemas.points import PointSchema
from schemas.topics import input_topic, redo_topic, retry_topics
from shared.audit.attached import AttachedAudit
from shared.audit.audited_backfill import AuditedBackfill
from shared.audit.evidence import Evidence, gather_evidence
from shared.backfill_marks import mark_of, sender_of
from shared.broker.port import Reader
from shared.engine.snapshots import PUBLISHED_FIELD
from shared.engine.stream import Stream
from shared.errors import NewerSchema, Rejected
from shared.records import Record, RecordPosition, TopicPartition
from shared.retry.lane import read_waiting
from shared.vectorstore.port import VERSION_FIELD, Collection, is_version

SettledVersions = dict[UUID, dict[int, bool]]
"""The settled versions of each id, and whether a record of that version was routed."""

EXAMPLES = 5
FINAL = (Outcome.ROUTED, Outcome.INDEXED, Outcome.DELETED)


class StoredPoint(NamedTuple):
    """The fields of a point that the audit compares; another program may have written any value there."""

    version: object
    published: object


@dataclass(slots=True)
class AuditReport:
    """The counts of an audit. Clean: `missing`, `stale`, `conflicting`, `unread_lost` and `unreadable` are all zero.

    Attributes:
        settled: Input records for which the ledger contains an outcome.
        missing: Records that are committed but not in the ledger, or whose result, dead letter, point or follow-up is
            missing.
        stale: Points that are older than the newest settled version of their id, and pictures whose item does not list
            them.
        conflicting: Records with two outcomes that exclude each other, and versions with two results that differ.
        unread_lost: Offsets that the input lost before anybody had read them, for example by its retention. Gaps within
            the part of the log that still exists, for example after compaction, are not counted.
        repeated: Records whose outcome, result or dead letter was written more than once: harmless, after a crash.
        unreadable: Messages in the ledger, the results or the dead-letter queue that Millrace did not write.
        pending: Input records after the committed offsets, which are not settled yet, and records that wait in the retry
            lane.
        open_transaction: Records in the stream's topics that nobody can read yet, because they are behind an open
            transaction; they are not counted as pending.
        open_transaction_oldest_age_s: Age of the oldest of these records in seconds; None if unknown or if there is no
            such record.
        below_retention: Settled records that the input topic no longer holds.
        former: Records that were settled for an earlier topic of the input's name, which was deleted and created again.
        foreign: Points that another program wrote or has overwritten; only points of settled ids are compared.
        purged: Records that cannot be compared, because a purge or retention removed their dead letter or result from
            its topic. There are at most as many as the topic has lost messages from the beginning of its partitions.
    """

    settled: int = 0
    missing: int = 0
    stale: int = 0
    conflicting: int = 0
    unread_lost: int = 0
    repeated: int = 0
    unreadable: int = 0
    pending: int = 0
    open_transaction: int = 0
    open_transaction_oldest_age_s: float | None = None
    below_retention: int = 0
    former: int = 0
    purged: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    points: int = 0
    foreign: int = 0
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @property
    def clean(self) -> bool:
        """Whether nothing is missing, stale, conflicting or lost unread, and every message could be read."""
        return not (self.missing or self.stale or self.conflicting or self.unread_lost or self.unreadable)

    def note(self, kind: str, what: str, count: int = 1) -> None:
        """Count a finding and keep the first few as examples."""
        if not count:
            return
        setattr(self, kind, getattr(self, kind) + count)
        if len(self.examples[kind]) < EXAMPLES:
            self.examples[kind].append(what)

    def line(self) -> str:
        """Return the summary in one line."""
        counts = {name: getattr(self, name) for name in ("missing", "stale", "conflicting", "repeated")}
        rare = {"lost unread": self.unread_lost, "unreadable": self.unreadable}
        counts |= {name: count for name, count in rare.items() if count}
        return "audit: " + ", ".join(f"{name} {count}" for name, count in counts.items())


def audit(
    reader: Reader,
    stream: Stream[Any, Any],
    collection: Collection | None,
    redrive: Reader | None = None,
    backfill: AuditedBackfill | None = None,
) -> AuditReport:
    """Compare everything that is known about a stream.

    Args:
        reader: Reads the topics; its consumer group is that of the stream's workers.
        stream: The stream.
        collection: The collection with the points; None checks only the topics.
        redrive: Knows what the redrive has committed; None counts each deferred record that has not come back as pending.
        backfill: The backfill to audit; the group of `reader` is then its group. None for the stream's workers.

    Raises:
        Unavailable: the broker or the store cannot be read.
    """
    topics = [input_topic(stream.name), redo_topic(stream.name)]
    committed = reader.committed(topics)  # first: the ledger, read later, has all that is committed now
    report = AuditReport()
    evidence = gather_evidence(reader, stream, None if backfill is None else backfill.group)
    redriven = _redriven(stream.name, evidence, redrive)  # before the redo topic, which then has all of it
    report.former = evidence.former
    settled: SettledVersions = defaultdict(dict)
    seen: set[RecordPosition] = set()
    attached = _attached_audit(stream) if backfill is None else None
    for topic in topics:
        for record in reader.read(topic):
            position = record.position
            seen.add(position)
            _remember_continued(stream.name, record, evidence)
            if backfill is not None and not backfill.has(position):
                continue
            _check_record(position, evidence, committed.get(record.topic_partition, 0), report)
            outcomes = set(evidence.outcomes.get(position, ()))
            is_final = bool(outcomes & {*FINAL, Outcome.SUPERSEDED})
            if is_final:
                mark = mark_of(record, stream.name)
                is_indexed_only = position in evidence.indexed_only or (mark is not None and mark.index_only)
                _remember_version(stream, record, Outcome.ROUTED in outcomes or is_indexed_only, settled)
            if attached is not None:
                is_committed = position.offset < committed.get(record.topic_partition, 0)
                attached.take_record(record, is_final and is_committed)
    _check_lane(evidence, redriven, report)
    report.below_retention = sum(position not in seen for position in evidence.outcomes)
    lows = {where: marks.low for topic in topics for where, marks in reader.watermarks(topic).items()}
    if backfill is not None:
        lows = backfill.clipped(lows)
        for position in backfill.outside(evidence.outcomes):
            report.note("conflicting", f"{position} was settled, but lies outside the bounds of {backfill.group}")
    _note_unread(evidence, committed, lows, report)
    _note_messages(evidence, report)
    if collection is not None:
        points = _read_points(collection, stream.points, settled, report, attached)
        _check_points(points, settled, _published(stream, evidence), evidence, report)
        for kind, what in [] if attached is None else attached.findings(evidence):
            report.note(kind, what)
    return report


def _redriven(stream: str, evidence: Evidence, redrive: Reader | None) -> Mapping[TopicPartition, int]:
    return {} if redrive is None or not evidence.deferred else redrive.committed(retry_topics(stream))


def _attached_audit(stream: Stream[Any, Any]) -> AttachedAudit | None:
    return AttachedAudit(stream, stream.attached) if stream.follows and stream.attached is not None else None


def _published(stream: Stream[Any, Any], evidence: Evidence) -> set[tuple[UUID, int]]:
    """Return the published versions by point id, because another program cannot overwrite the id."""
    found = evidence.says.keys() | evidence.published_by_others
    return {(stream.point_id(tenant, source), version) for tenant, source, version in found}


def _note_unread(
    evidence: Evidence,
    committed: Mapping[TopicPartition, int],
    lows: Mapping[TopicPartition, int],
    report: AuditReport,
) -> None:
    for (topic, partition, first), count in evidence.unread_lost(committed, lows).items():
        what = f"{topic}/{partition}: {count} offsets from {first} on were lost before anybody had read them"
        report.note("unread_lost", what, count)


def _note_messages(evidence: Evidence, report: AuditReport) -> None:
    for example in evidence.unreadable:
        report.note("unreadable", example)
    for tenant, source, version in evidence.contradicted:
        report.note("conflicting", f"two results of {tenant}:{source} version {version} differ")


def _check_record(position: RecordPosition, evidence: Evidence, committed: int, report: AuditReport) -> None:
    outcomes = evidence.outcomes.get(position, [])
    if position.offset >= committed:
        report.pending += 1
        return
    if not outcomes:
        report.note("missing", f"{position} is committed, but no ledger message contains it")
        return
    report.settled += 1
    kinds = set(outcomes)
    report.outcomes[outcomes[0].value] += 1
    # Settled again after a crash, when a newer version was stored: no result or dead letter is required.
    overtaken = Outcome.SUPERSEDED in kinds
    if Outcome.ROUTED in kinds and not overtaken and not evidence.results.get(position):
        report.note(evidence.absence("result"), f"{position} was routed but has no result")
    if Outcome.DEAD_LETTERED in kinds and not overtaken and not evidence.dead_letters.get(position):
        report.note(evidence.absence("dead letter"), f"{position} was dead-lettered but is not in the queue")
    if Outcome.DEFERRED in kinds and not (evidence.deferred.get(position) or evidence.dead_letters.get(position)):
        report.note(evidence.absence("deferred record"), f"{position} was deferred but is not in the retry lane")
    if len(kinds - {Outcome.SUPERSEDED, Outcome.DEFERRED}) > 1:
        report.note("conflicting", f"{position} has conflicting outcomes: {', '.join(sorted(kinds))}")
    dead_letters, results = evidence.dead_letters.get(position, 0), evidence.results.get(position, 0)
    counts = {"was settled {} times": len(outcomes), "has {} results": results, "has {} dead letters": dead_letters}
    repeated = [text.format(count) for text, count in counts.items() if count > 1]
    if repeated:
        report.note("repeated", f"{position} {' and '.join(repeated)}")


def _remember_continued(stream: str, record: Record, evidence: Evidence) -> None:
    """Count a record of the redo topic for the deferred record that it continues."""
    waiting = read_waiting(record)
    if waiting is None or sender_of(record, waiting.deferred.origin.topic, stream) != evidence.backfill:
        return
    if not evidence.is_of_another(waiting.deferred.origin.topic, waiting.deferred.topic_id):
        evidence.redriven[waiting.deferred.origin] += 1


def _check_lane(evidence: Evidence, redriven: Mapping[TopicPartition, int], report: AuditReport) -> None:
    """Check that each deferred record waits in the lane, or has come back once."""
    for origin, places in evidence.deferred.items():
        back = evidence.redriven.get(origin, 0)
        sent = [place for place in places if place.offset < redriven.get(place.topic_partition, 0)]
        report.pending += len(places) - max(len(sent), min(back, len(places)))
        if sent and not back:
            what = f"{origin} was deferred and redriven from {sent[0]}, but is not in the redo topic"
            report.note(evidence.absence("deferred record"), what)
        if max(len(places), back) > 1:
            report.note(
                "repeated", f"{origin} is {len(places)} times in the retry lane and {back} times in the redo topic"
            )


def _remember_version(stream: Stream[Any, Any], record: Record, routed: bool, settled: SettledVersions) -> None:
    try:
        item = stream.decode(record)
    except (Rejected, NewerSchema):  # a worker with another schema settled it, so its version is unknown here
        return
    versions = settled[item.point_id]
    versions[item.version] = routed or versions.get(item.version, False)


def _check_points(
    stored: dict[UUID, StoredPoint],
    settled: SettledVersions,
    published: set[tuple[UUID, int]],
    evidence: Evidence,
    report: AuditReport,
) -> None:
    """Compare the point of every settled id with the settled versions; tombstones are points too.

    A point holds the version whose result was published last. If no record of that version was routed and no result
    has it, that result was lost between two versions. The point of a settled id is Millrace's, whatever its payload is.
    """
    for which, versions in settled.items():
        newest = max(versions)
        if which not in stored:
            report.note("missing", f"point {which} is not stored, but version {newest} was settled")
            continue
        point = stored[which]
        if not is_version(point.version):
            what = f"point {which} has no valid {VERSION_FIELD}, but version {newest} was settled"
            report.note("missing", f"{what}: another program wrote it; remove it and send the item again")
            continue
        if point.version < newest:
            report.note("stale", f"point {which} holds version {point.version}, but version {newest} was settled")
        decided = point.published
        if not is_version(decided) or versions.get(decided) is not False:
            continue
        if (which, decided) not in published:
            what = f"point {which}: the result of version {decided} was not published"
            report.note(evidence.absence("result"), what)


def _read_points(
    collection: Collection,
    schema: PointSchema,
    settled: SettledVersions,
    report: AuditReport,
    attached: AttachedAudit | None = None,
) -> dict[UUID, StoredPoint]:
    """Read all points, count the foreign ones, and return the fields to compare for the settled ids."""
    stored: dict[UUID, StoredPoint] = {}
    for which, payload in collection.scroll_all(schema.fields):
        reason = schema.foreign_reason(which, payload)
        if reason is None:
            report.points += 1
            if attached is not None and isinstance(which, UUID):
                attached.take_point(which, payload)
        else:
            report.note("foreign", f"point {which}: {reason}")
        if isinstance(which, UUID) and which in settled:
            stored[which] = StoredPoint(payload.get(VERSION_FIELD), payload.get(PUBLISHED_FIELD))
    return stored


def audit_json(report: AuditReport) -> str:
    """Return the report as one JSON object."""
    names = (
        "settled",
        "missing",
        "stale",
        "conflicting",
        "unread_lost",
        "repeated",
        "unreadable",
        "pending",
        "open_transaction",
        "open_transaction_oldest_age_s",
        "below_retention",
        "former",
        "purged",
        "points",
        "foreign",
    )
    counts = {name: getattr(report, name) for name in names}
    return json.dumps(
        {"clean": report.clean, **counts, "outcomes": dict(report.outcomes), "examples": dict(report.examples)}
    )
