"""What a worker publishes of each settled batch for the watch for drift: its sums, and its outliers.

They are sent with the results of the batch, so they are as durable as these. A batch that is settled again after a
crash publishes its results again, but does not count its items a second time, because they are repeats then. Only its dead
letters, which leave nothing in the store, count twice, as they stand twice in their queue.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from hmac import digest
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.drift import BatchSums, Example, Outlier, Traffic, packed, packed_half
from schemas.failures import FailureHeader, count_of
from schemas.outcomes import Outcome
from schemas.topics import outliers_topic, sums_topic
from shared.backfill_marks import mark_of
from shared.drift.keys import Keys
from shared.drift.reference import Nearest, Reference, Subject
from shared.drift.terms import characteristic_terms
from shared.drift.traits import counted_by
from shared.facts import Facts
from shared.records import Message, Record, Settled, Vector, header_texts

MOST_EXAMPLES = 12
OUTLIER_TERMS = 8
CUSTOMER_HEX_DIGITS = 16
"""64 bits: among 10^6 customers, the probability that any two share a digest is below 10^-7."""


@dataclass(frozen=True, slots=True)
class Provides:
    """What a worker brings to its sums.

    Attributes:
        stream: The stream.
        models: The fingerprint of the model of each input on which results depend, by the input's name.
        dims: The length of its vectors, by the same name.
        head: Fingerprint of its head; None without one.
        keys: Which key an item belongs to.
        customer_key: Key of the digests of customers.
        live_within_s: An event that happened longer ago counts as backfilled.
        backfills: Whether everything counts as backfilled, because the worker is that of a backfill.
    """

    stream: str
    models: Mapping[str, str]
    dims: Mapping[str, int]
    head: str | None
    keys: Keys
    customer_key: bytes
    live_within_s: float
    backfills: bool = False


class Share(NamedTuple):
    """The part of a batch that belongs to one key and one kind of traffic."""

    key: str
    traffic: Traffic


@dataclass(slots=True)
class _Part:
    """The records of a batch that belong to one `Share`."""

    routed: list[tuple[Facts, Settled]] = field(default_factory=list)
    failed: int = 0
    agreed: int = 0
    overridden: int = 0


class BatchSummer:
    """Builds the messages of one stream's worker.

    Args:
        provides: What the worker brings.
        reference_of: Returns the reference of a subject; None without one.
    """

    def __init__(self, provides: Provides, reference_of: Callable[[Subject], Reference | None]) -> None:
        self._provides, self._reference_of = provides, reference_of

    def messages(self, settled: Sequence[Settled], now: datetime) -> list[Message]:
        """Return the sums and the outliers of a batch.

        Args:
            settled: The outcomes of its records, after the second look at the store.
            now: When it is settled.
        """
        messages: list[Message] = []
        for share, part in self._parts(settled, now).items():
            for name in self._provides.models:
                messages += self._of_input(name, share, part, now)
        return messages

    def _parts(self, settled: Sequence[Settled], now: datetime) -> dict[Share, _Part]:
        parts: defaultdict[Share, _Part] = defaultdict(_Part)
        least = now - timedelta(seconds=self._provides.live_within_s)
        keys = self._provides.keys
        for each in settled:
            facts = each.facts
            oldest = datetime.max.replace(tzinfo=now.tzinfo) if self._is_backfilled(each.record) else least
            if each.outcome is Outcome.DEAD_LETTERED:
                parts[Share(keys.of_record(each.record), traffic_of(each.record, None, oldest))].failed += 1
            elif facts is not None and each.outcome is not Outcome.SUPERSEDED:
                traffic = traffic_of(each.record, facts.occurred_at, oldest)
                if facts.judged is not None:
                    part = parts[Share(keys.of(facts.tenant_id, facts.judged.queue), traffic)]
                    part.agreed += facts.judged.agrees
                    part.overridden += not facts.judged.agrees
                if facts.is_published and each.results and each.point is not None:
                    queue = None if facts.decision is None else facts.decision.queue
                    parts[Share(keys.of(facts.tenant_id, queue), traffic)].routed.append((facts, each))
        return parts

    def _is_backfilled(self, record: Record) -> bool:
        return self._provides.backfills or mark_of(record, self._provides.stream) is not None

    def _of_input(self, name: str, share: Share, part: _Part, now: datetime) -> list[Message]:
        """Return the sums of one vector of a part, and its outliers."""
        provides = self._provides
        rows = [
            Row(facts, settled, vector)
            for facts, settled in part.routed
            if (vector := _vector_of(settled, name)) is not None
        ]
        subject = Subject(provides.stream, name, provides.models[name], share.key)
        dim = provides.dims[name]
        vectors = np.stack([row.vector for row in rows]) if rows else np.zeros((0, dim), np.float32)
        reference = self._reference_of(subject)
        nearest = None
        if reference is not None and reference.centroids.shape[1] == dim:
            nearest = reference.nearest(vectors)
        sums = BatchSums(
            **subject._asdict(),
            **({} if nearest is None or reference is None else _located(nearest, reference)),
            **_counted(rows),
            traffic=share.traffic,
            head=provides.head,
            policy=next((row.facts.decision.policy for row in reversed(rows) if row.facts.decision is not None), None),
            settled_at=now,
            items=len(rows),
            vector_sum=packed(vectors.sum(axis=0, dtype=np.float64)),
            squared_norms=float(np.square(vectors, dtype=np.float64).sum()),
            failed=part.failed,
            agreed=part.agreed,
            overridden=part.overridden,
            examples=_examples(rows, nearest),
        )
        value = sums.model_dump_json(exclude_defaults=True).encode()
        messages = [Message(sums_topic(provides.stream), str(subject).encode(), value)]
        if reference is not None and nearest is not None and share.traffic == "live":
            messages += self._outliers(subject, reference, rows, nearest, now)
        return messages

    def _outliers(
        self, subject: Subject, reference: Reference, rows: Sequence["Row"], nearest: Nearest, now: datetime
    ) -> Iterable[Message]:
        topic, key = outliers_topic(subject.stream), str(subject).encode()
        for at in np.flatnonzero(nearest.is_outlier).tolist():
            facts, settled, vector = rows[at]
            traits = facts.measures.traits
            outlier = Outlier(
                **subject._asdict(),
                reference=reference.reference_id,
                tenant_id=facts.tenant_id,
                item_id=facts.source_id,
                event_version=settled.version or 1,
                customer=None if traits.customer_id is None else self._digest(facts.tenant_id, traits.customer_id),
                occurred_at=facts.occurred_at,
                settled_at=now,
                vector=packed_half(vector),
                centroid=int(nearest.centroids[at]),
                cosine=float(nearest.cosines[at]),
                label=None if facts.decision is None else facts.decision.label,
                terms=characteristic_terms(traits.text, OUTLIER_TERMS),
            )
            yield Message(topic, key, outlier.model_dump_json(exclude_defaults=True).encode())

    def _digest(self, tenant_id: str, customer_id: str) -> str:
        """Return the digest of a customer, HMAC-SHA-256 (RFC 2104), which differs between tenants."""
        name = f"{tenant_id}:{customer_id}".encode()
        return digest(self._provides.customer_key, name, sha256).hex()[:CUSTOMER_HEX_DIGITS]


class Row(NamedTuple):
    """One item of a part, with its vector."""

    facts: Facts
    settled: Settled
    vector: Vector


def traffic_of(record: Record, occurred_at: datetime | None, oldest: datetime) -> Traffic:
    """Return whether a record is live, comes back from the dead-letter queue, or is older than `oldest`.

    A record that could not be read has no time of its own; then the time of its message counts.
    """
    if record.headers and count_of(header_texts(record.headers).get(FailureHeader.REPLAYS)):
        return "replayed"
    if occurred_at is not None:
        return "live" if occurred_at >= oldest else "backfilled"
    return "live" if record.timestamp_ms < 0 or record.timestamp_ms / 1000 >= oldest.timestamp() else "backfilled"


def _vector_of(settled: Settled, name: str) -> Vector | None:
    return None if settled.point is None else settled.point.vectors.get(name)


def _located(nearest: Nearest, reference: Reference) -> dict[str, Any]:
    """Return the fields of `BatchSums` that say where the items lie."""
    return {
        "reference": reference.reference_id,
        "cosines": float(nearest.cosines.sum(dtype=np.float64)),
        "centroids": _numbered(nearest.centroids),
        "far": _numbered(nearest.centroids[nearest.is_far]),
        "outliers": int(nearest.is_outlier.sum()),
    }


def _numbered(centroids: NDArray[np.int64]) -> dict[str, int]:
    return {str(number): count for number, count in sorted(Counter(centroids.tolist()).items())}


def _counted(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the fields of `BatchSums` that count items by class."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        for name, found in counted_by(row.facts.decision, row.facts.measures.traits).items():
            counts[name][found] += 1
    return {**counts, "empty": sum(row.facts.measures.is_empty for row in rows)}


def _examples(rows: Sequence[Row], nearest: Nearest | None) -> tuple[Example, ...]:
    """Return some items, evenly spread over the batch."""
    step = max(1.0, len(rows) / MOST_EXAMPLES)
    return tuple(_example(rows[at], nearest, at) for at in map(int, np.arange(0, len(rows), step)))


def _example(row: Row, nearest: Nearest | None, at: int) -> Example:
    facts = row.facts
    classes = counted_by(facts.decision, facts.measures.traits)
    return Example(
        item_id=facts.source_id,
        tenant_id=facts.tenant_id,
        centroid=None if nearest is None else int(nearest.centroids[at]),
        is_far=nearest is not None and bool(nearest.is_far[at]),
        is_empty=facts.measures.is_empty,
        label=classes.get("labels"),
        action=classes.get("actions"),
        confidence=classes.get("confidences"),
        language=classes["languages"],
        channel=classes.get("channels"),
        length=classes["lengths"],
    )
