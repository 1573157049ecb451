"""Stand-ins for the ports, for tests without I/O. Effects go to one list, so that their order can be asserted.

What they do not show: anything about threads, networks, disks or the libraries behind the ports; the contract suite
runs on the real adapters for that.
"""

import math
import threading
from collections.abc import Collection as Ids
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

import numpy as np
from pydantic import SecretStr

from shared.embedding.port import Embeddings
from shared.errors import Fatal, Unavailable
from shared.records import Message, Point, Record, UnreadOffsets
from shared.settings import PrivacySettings
from shared.vectorstore.port import (
    Candidate,
    CollectionSpec,
    Hit,
    HybridQuery,
    Query,
    Stored,
    check_points,
    with_uuid,
)
from shared.vectorstore.widening import ask_for_ours, has_uuid, search_ours
from tests.support.matching import eligible, matches, weights_of

DIM = 8
PRIVACY = PrivacySettings(customer_key=SecretStr("a key that only the tests have, 32 bytes"))


class ManualClock:
    """A clock that moves only if it is set or if something waits."""

    def __init__(self) -> None:
        self.seconds = 1_000.0
        self.waits: list[float] = []

    def now(self) -> datetime:
        """Return a fixed day plus the seconds passed."""
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic_s(self) -> float:
        """Return the seconds."""
        return self.seconds

    def cpu_s(self) -> float:
        """Return the seconds."""
        return self.seconds

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Advance by the whole wait unless the event is set."""
        if not event.is_set():
            self.waits.append(timeout_s)
            self.seconds += timeout_s
        return event.is_set()


@dataclass
class FakeSource:
    """Hands out prepared records; every call is an effect."""

    effects: list[str] = field(default_factory=list)
    waiting: list[Record] = field(default_factory=list)
    lost: set[int] = field(default_factory=set)
    committed: list[Record] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    failed: Fatal | None = None
    gone: list[UnreadOffsets] = field(default_factory=list)
    last_poll_s: float = 0.0
    fault: str | None = None
    assigned: int = 1

    def take(self, limit: int, wait_s: float) -> list[Record]:
        """Return the next records."""
        taken, self.waiting = self.waiting[:limit], self.waiting[limit:]
        return taken

    def hold(self, records: Sequence[Record]) -> list[Record]:
        """Return the records whose offset is not lost."""
        return [record for record in records if record.offset not in self.lost]

    def still_owned(self, records: Sequence[Record]) -> list[Record]:
        """Return the records whose offset is not lost."""
        return self.hold(records)

    def unread(self) -> list[UnreadOffsets]:
        """Return the lost offsets."""
        return list(self.gone)

    def reported(self, spans: Sequence[UnreadOffsets]) -> None:
        """Forget the reported spans."""
        self.gone = [span for span in self.gone if span not in spans]

    def commit(self, records: Sequence[Record]) -> int:
        """Commit, or raise the prepared error."""
        if self.failures:
            raise self.failures.pop(0)
        self.effects.append(f"commit {len(records)}")
        self.committed += records
        return 0

    def release(self) -> None:
        """Do nothing."""

    def check(self) -> None:
        """Raise the prepared error, if any."""
        if self.failed is not None:
            raise self.failed

    def pause(self) -> None:
        """Record the call."""
        self.effects.append("pause")

    def resume(self) -> None:
        """Record the call."""
        self.effects.append("resume")

    def close(self) -> None:
        """Do nothing."""


@dataclass
class FakeSink:
    """Keeps the produced messages; the first `undelivered` flushes return all of them as undelivered."""

    effects: list[str] = field(default_factory=list)
    delivered: list[Message] = field(default_factory=list)
    undelivered: int = 0
    handed: list[Message] = field(default_factory=list)
    last_error: str = "away"

    def produce(self, messages: Sequence[Message]) -> None:
        """Record the messages."""
        self.effects.append("produce " + " ".join(message.topic for message in messages))
        self.handed = list(messages)

    def flush(self) -> list[Message]:
        """Deliver all, or return all as undelivered."""
        self.effects.append("flush")
        if self.undelivered:
            self.undelivered -= 1
            return self.handed
        self.delivered += self.handed
        return []

    def close(self) -> None:
        """Do nothing."""


@dataclass
class FakeCollection:
    """A collection in memory that keeps the guard. The next calls raise `failures`, in order.

    Tests put points of other programs into `points`; their id may be an integer.
    """

    effects: list[str] = field(default_factory=list)
    points: dict[UUID, Point] = field(default_factory=dict)
    failures: list[Unavailable] = field(default_factory=list)
    dimensions: Mapping[str, int] = field(default_factory=lambda: {"text": DIM, "resolution": DIM, "image": DIM})
    sparse: tuple[str, ...] = ("terms",)

    def lookup(self, ids: Ids[UUID]) -> dict[UUID, Stored]:
        """Return the stored points."""
        self._fail("lookup")
        found = {wanted: self.points[wanted] for wanted in ids if wanted in self.points}
        return {wanted: Stored(point.version, point.payload, point.vectors) for wanted, point in found.items()}

    def versions(self, ids: Ids[UUID]) -> dict[UUID, int]:
        """Return the stored versions; without ids no call is made, as in every adapter."""
        if ids:
            self._fail("versions")
        return {wanted: self.points[wanted].version for wanted in ids if wanted in self.points}

    def upsert(self, points: Sequence[Point]) -> None:
        """Write points that are newer."""
        check_points(points, self.dimensions, self.sparse)
        self._fail(f"upsert {len(points)}")
        for point in points:
            if point.id not in self.points or self.points[point.id].version < point.version:
                self.points[point.id] = point

    def search(self, queries: Sequence[Query]) -> list[list[Hit]]:
        """Compare with every point."""
        self._fail(f"search {len(queries)}")
        return search_ours(queries, lambda asked: [self._nearest(query) for query in asked], has_uuid)

    def candidates(self, queries: Sequence[HybridQuery]) -> list[list[Candidate]]:
        """Compare with every point, by vector and by terms."""
        self._fail(f"candidates {len(queries)}")
        return ask_for_ours(queries, lambda asked: [self._candidates(query) for query in asked], has_uuid)

    def payloads(self, ids: Ids[UUID], fields: tuple[str, ...]) -> dict[UUID, Mapping[str, object]]:
        """Return the requested fields of the payloads."""
        self._fail("payloads")
        return self._wanted(ids, fields)

    def read_back(self, ids: Ids[UUID], fields: tuple[str, ...]) -> dict[UUID, Mapping[str, object]]:
        """Return the same."""
        self._fail("read_back")
        return self._wanted(ids, fields)

    def _wanted(self, ids: Ids[UUID], fields: tuple[str, ...]) -> dict[UUID, Mapping[str, object]]:
        found = {wanted: self.points[wanted].payload for wanted in ids if wanted in self.points}
        return {wanted: {name: full[name] for name in fields if name in full} for wanted, full in found.items()}

    def count(self, equals: Mapping[str, str | int], at_least: Mapping[str, int]) -> int:
        """Compare with every point."""
        self._fail("count")
        return sum(matches(point.payload, equals, at_least) for point in self.points.values())

    def scroll(self, payload: tuple[str, ...]) -> Iterator[tuple[UUID, Mapping[str, object]]]:
        """Yield every point with a UUID."""
        return with_uuid(self.scroll_all(payload))

    def scroll_all(self, payload: tuple[str, ...]) -> Iterator[tuple[UUID | int, Mapping[str, object]]]:
        """Yield every point."""
        for point in self.points.values():
            yield point.id, {name: point.payload[name] for name in payload if name in point.payload}

    def _fail(self, effect: str) -> None:
        self.effects.append(effect)
        if self.failures:
            raise self.failures.pop(0)

    def _nearest(self, query: Query) -> list[Hit]:
        hits = [
            Hit(point.id, float(point.vectors[query.using] @ query.vector), point.payload)
            for point in self.points.values()
            if query.using in point.vectors and eligible(point, query)
        ]
        return sorted(hits, key=lambda hit: -hit.score)[: query.limit]

    def _candidates(self, query: HybridQuery) -> list[Candidate]:
        nearest, second = query.nearest, query.second_nearest
        bm25 = {which: score for which, score in self._bm25(query).items() if score}
        fitting = [which for which in bm25 if eligible(self.points[which], nearest)]
        like = sorted(fitting, key=lambda which: -bm25[which])[: query.limit]
        beside = [] if second is None else self._nearest(second)
        ids = {hit.id for hit in (*self._nearest(nearest), *beside)} | set(like)
        found = []
        for which in sorted(ids, key=str):
            point = self.points[which]
            if nearest.using in point.vectors:
                other = None if second is None else point.vectors.get(second.using)
                cosine = None if second is None or other is None else float(other @ second.vector)
                dense = float(point.vectors[nearest.using] @ nearest.vector)
                found.append(Candidate(which, dense, bm25.get(which, 0.0), point.payload, cosine))
        return found

    def _bm25(self, query: HybridQuery) -> dict[UUID, float]:
        """Multiply each term by its inverse document frequency, as Qdrant does; see `CollectionSpec.sparse`."""
        stored = {which: weights_of(point.sparse.get(query.terms_using)) for which, point in self.points.items()}
        total = sum(1 for weights in stored.values() if weights)
        scores = dict.fromkeys(stored, 0.0)
        for term, asked in weights_of(query.terms).items():
            having = [which for which, weights in stored.items() if term in weights]
            idf = math.log((total - len(having) + 0.5) / (len(having) + 0.5) + 1)
            for which in having:
                scores[which] += asked * stored[which][term] * idf
        return scores


class FakeStore:
    """A store of one collection in memory."""

    def __init__(self, collection: FakeCollection) -> None:
        self.collection = collection

    def open(self, spec: CollectionSpec) -> FakeCollection:
        """Return the collection."""
        return self.collection

    def open_alias(self, alias: str) -> FakeCollection | None:
        """Return the collection."""
        return self.collection

    def alias_target(self, alias: str) -> str | None:
        """Return nothing, as if it could not be seen."""
        return None

    def close(self) -> None:
        """Do nothing."""


class FakeModel:
    """Vectors derived from a text's digest: equal texts get equal vectors. Fails on texts that contain a poison word.

    Args:
        dim: Length of a vector.
        poison: Texts that contain it make the whole call fail, as a model does.
        nan: Texts that contain it get a vector of NaN.
    """

    any_thread = True
    fingerprint = "fa4e0000"

    def __init__(self, dim: int = DIM, poison: str = "POISON", nan: str = "NANVECTOR") -> None:
        self.dim, self._poison, self._nan = dim, poison, nan
        self.calls: list[list[str]] = []
        self.dead: Exception | None = None

    def embed(self, texts: Sequence[str]) -> Embeddings:
        """Embed the texts, or fail."""
        self.calls.append(list(texts))
        if self.dead is not None:
            raise self.dead
        if any(self._poison in text for text in texts):
            raise RuntimeError("the model failed")
        rows = [self._vector(text) for text in texts]
        vectors = np.array(rows, np.float32).reshape(len(texts), self.dim)
        return Embeddings(vectors, (1,) * len(texts), sum(len(text.split()) for text in texts))

    def probe(self) -> None:
        """Fail only if the device is dead."""
        if self.dead is not None:
            raise self.dead

    def _vector(self, text: str) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        if self._nan in text:
            return np.full(self.dim, np.nan, np.float32)
        seed = int.from_bytes(sha256(text.encode()).digest()[:8], "big")
        drawn = np.random.default_rng(seed).normal(size=self.dim).astype(np.float32)
        return np.asarray(drawn / np.linalg.norm(drawn), np.float32)
