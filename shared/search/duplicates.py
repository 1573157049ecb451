"""Near-duplicates of pictures in two tiers: the same picture by its vector and its hash, the same product by its vector.

A batch is answered as if its events came one after another: each picture also finds those before it, which the store does
not have yet, but none that was deleted before it. What people said about two images overrides what is measured.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Annotated, NamedTuple, get_args
from uuid import UUID

import numpy as np
from pydantic import ConfigDict, Field, ValidationError

from schemas.base import Frozen, SourceId
from schemas.duplicates import DUPLICATES_LIMIT, HASH_PATTERN, NearDuplicate, Tier, Verdict, pair_id
from schemas.points import IsOurs
from shared.media.perceptual import PictureHashes, distance_bits
from shared.records import Vector
from shared.stream_settings import DuplicateSettings
from shared.vectorstore.port import Collection, Hit, Query
from shared.vectorstore.widening import search_ours

FIELDS = ("tenant_id", "image_id", "product_id", "picture_hash")
MOST_HITS = 512
"""The limit to which a question is widened: with this many nearer pictures of its own product, or of other programs, those
of other products are not found."""

VERDICT_FIELD = "verdict"
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A picture, and whether its near-duplicates are asked for.

    Attributes:
        tenant_id: Only this tenant's pictures are found.
        image_id: The picture's source id.
        product_id: Its product, whose other pictures are not found.
        point_id: Id of its own point.
        vector: Its vector, shape (dim,), float32, unit length.
        hashes: Its perceptual hashes.
        asks: Whether its near-duplicates are asked for.
        is_written: Whether its batch stores it, so that pictures after it find it; false for a repeat.
    """

    tenant_id: str
    image_id: str
    product_id: str
    point_id: UUID
    vector: Vector
    hashes: PictureHashes
    asks: bool = True
    is_written: bool = True


@dataclass(frozen=True, slots=True)
class Removed:
    """A picture that its batch deletes: pictures after it do not find it.

    Attributes:
        point_id: Id of its point.
    """

    point_id: UUID


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict that its batch stores: it holds for pictures after it.

    Attributes:
        point_id: Id of its point.
        verdict: What a person said; None if that is withdrawn.
    """

    point_id: UUID
    verdict: Verdict | None


BatchEvent = Question | Removed | Judged
"""What an event of a batch means for the pictures after it."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """What a stream's collection holds of pictures.

    Attributes:
        using: Name of the vector of pictures.
        is_ours: Returns whether Millrace wrote a point.
        verdict_id: Returns the id of a verdict's point, given the tenant and `schemas.duplicates.pair_id`.
    """

    using: str
    is_ours: IsOurs
    verdict_id: Callable[[str, str], UUID]


class Alike(NamedTuple):
    """How two near-duplicates are alike; see `schemas.duplicates.NearDuplicate`."""

    tier: Tier
    distance_bits: int
    mirrored: bool


def compare(hashes: PictureHashes, other_hash: str, cosine: float, settings: DuplicateSettings) -> Alike | None:
    """Return how a picture and another one are alike; None if they are not.

    Args:
        hashes: The hashes of the picture.
        other_hash: The plain hash of the other one.
        cosine: Cosine similarity of their vectors.
        settings: The thresholds.
    """
    plain, turned = (distance_bits(each, other_hash) for each in hashes)
    mirrored = turned < plain and turned <= settings.max_distance_bits
    bits = turned if mirrored else plain
    if bits <= settings.max_distance_bits and cosine >= settings.same_picture_at:
        return Alike("same_picture", bits, mirrored)
    return Alike("same_product", bits, mirrored) if cosine >= settings.same_product_at else None


class DuplicateSearch:
    """Finds near-duplicates in one collection.

    Args:
        collection: The collection that holds the pictures and the verdicts.
        pictures: What the stream stores of them.
        settings: The thresholds, and the number of hits.
    """

    def __init__(self, collection: Collection, pictures: Pictures, settings: DuplicateSettings) -> None:
        self._collection, self._pictures, self._settings = collection, pictures, settings
        self._lowest = min(settings.same_picture_at, settings.same_product_at)

    def find(self, batch: Sequence[BatchEvent]) -> list[tuple[NearDuplicate, ...]]:
        """Return the near-duplicates of each picture that asks, in the order of `_ranked`, at most `DUPLICATES_LIMIT`.

        This takes two calls to the store: one finds pictures, one reads the verdicts on them, if any were found. A
        question is asked again for more hits if there are more near ones than `candidates`, and some of them are of its
        own product or of other programs.

        Args:
            batch: The pictures, deletions and verdicts of a batch, in their order.

        Raises:
            Unavailable: the store cannot be read.
        """
        questions = [each for each in batch if isinstance(each, Question) and each.asks]
        if not questions:
            return []
        found = [
            (judged, [(self._verdict_id(question, each), each) for each in self._compared(question, nearby)])
            for question, nearby, judged in self._nearby(batch, self._stored(questions))
        ]
        verdicts = self._verdicts({which for _, every in found for which, _ in every})
        return [
            _ranked((each, judged.get(which, verdicts.get(which))) for which, each in every) for judged, every in found
        ]

    def _nearby(
        self, batch: Sequence[BatchEvent], stored: Sequence[list["_Near"]]
    ) -> Iterator[tuple[Question, list["_Near"], Mapping[UUID, Verdict | None]]]:
        """Yield each question with the near pictures of other products, and the verdicts of the batch before it."""
        before, answers = _Before(batch), iter(stored)
        for each in batch:
            if isinstance(each, Question) and each.asks:
                hits = [hit for hit in next(answers) if hit.point_id not in before.places]
                near = [*before.near(each, self._lowest, self._settings.candidates), *hits]
                yield each, near, dict(before.verdicts)
            before.add(each)

    def _stored(self, questions: Sequence[Question]) -> list[list["_Near"]]:
        queries = [self._query(question) for question in questions]
        asking = {id(query): question for query, question in zip(queries, questions, strict=True)}

        def keep(query: Query, hit: Hit) -> bool:
            question = asking[id(query)]
            return hit.id == question.point_id or self._read(question, hit) is not None

        answers = search_ours(queries, self._ask, keep, MOST_HITS)
        return [
            [near for hit in hits if (near := self._read(question, hit)) is not None]
            for question, hits in zip(questions, answers, strict=True)
        ]

    def _query(self, question: Question) -> Query:
        return Query(
            vector=question.vector,
            using=self._pictures.using,
            limit=self._settings.candidates + 1,  # the picture's own point may be among them
            equals={"tenant_id": question.tenant_id},
            payload=FIELDS,
        )

    def _ask(self, queries: Sequence[Query]) -> list[list[Hit]]:
        """Return the hits that are near enough. An answer that ends with farther ones is shorter than its limit."""
        return [[hit for hit in hits if not hit.score < self._lowest] for hits in self._collection.search(queries)]

    def _read(self, question: Question, hit: Hit) -> "_Near | None":
        """Return a hit; None if it is not a picture of another product that Millrace wrote."""
        if not (isfinite(hit.score) and self._pictures.is_ours(hit.id, hit.payload)):
            return None
        try:
            stored = _Stored.model_validate(hit.payload)
        except ValidationError:
            return None
        if not _may_be_duplicate(question, stored):
            return None
        return _Near(hit.id, stored.image_id, stored.product_id, stored.picture_hash, _cosine(hit.score))

    def _compared(self, question: Question, nearby: Iterable["_Near"]) -> Iterator[NearDuplicate]:
        for near in nearby:
            found = compare(question.hashes, near.picture_hash, near.cosine, self._settings)
            if found is not None:
                yield NearDuplicate(
                    image_id=near.image_id,
                    product_id=near.product_id,
                    tier=found.tier,
                    cosine=near.cosine,
                    distance_bits=found.distance_bits,
                    mirrored=found.mirrored,
                )

    def _verdict_id(self, question: Question, other: NearDuplicate) -> UUID:
        return self._pictures.verdict_id(question.tenant_id, pair_id(question.image_id, other.image_id))

    def _verdicts(self, ids: set[UUID]) -> Mapping[UUID, Verdict]:
        """Return the verdicts that stand in these points; withdrawn ones, and values that are not valid, are left out."""
        held = self._collection.payloads(ids, (VERDICT_FIELD,)) if ids else {}
        return {
            which: verdict
            for which, payload in held.items()
            for verdict in VERDICTS
            if payload.get(VERDICT_FIELD) == verdict
        }


class _Near(NamedTuple):
    """Another picture, with its cosine similarity."""

    point_id: UUID
    image_id: str
    product_id: str
    picture_hash: str
    cosine: float


class _Before:
    """What the events of a batch that came before a picture have stored, deleted and judged.

    Attributes:
        places: The points that they have written, each with the place of its picture; None if it is deleted.
        verdicts: Their verdicts by point id; None for one that is withdrawn.
    """

    def __init__(self, batch: Sequence[BatchEvent]) -> None:
        self._pictures = [each for each in batch if isinstance(each, Question) and each.is_written]
        self._vectors = np.array([each.vector for each in self._pictures], np.float32)
        self._count = 0
        self.places: dict[UUID, int | None] = {}
        self.verdicts: dict[UUID, Verdict | None] = {}

    def add(self, event: BatchEvent) -> None:
        """Note an event: the pictures after it come later."""
        if isinstance(event, Judged):
            self.verdicts[event.point_id] = event.verdict
        elif isinstance(event, Removed):
            self.places[event.point_id] = None
        elif event.is_written:
            self.places[event.point_id] = self._count
            self._count += 1

    def near(self, question: Question, lowest: float, most: int) -> Iterator["_Near"]:
        """Yield the nearest pictures of other products.

        Args:
            question: The picture.
            lowest: The lowest cosine similarity of a near one.
            most: The largest number of near ones.
        """
        if not self._count:
            return
        cosines = self._vectors[: self._count] @ question.vector
        for place in np.argsort(-cosines, kind="stable").tolist():
            if cosines[place] < lowest or not most:
                return
            other = self._pictures[place]
            if self.places[other.point_id] == place and _may_be_duplicate(question, other):
                most -= 1
                cosine = _cosine(cosines[place])
                yield _Near(other.point_id, other.image_id, other.product_id, other.hashes.plain, cosine)


class _Stored(Frozen):
    """The fields of a stored picture that a near-duplicate shows or is compared by."""

    model_config = ConfigDict(extra="ignore")

    tenant_id: str
    image_id: SourceId
    product_id: SourceId
    picture_hash: Annotated[str, Field(pattern=HASH_PATTERN)]


def _may_be_duplicate(question: Question, other: "Question | _Stored") -> bool:
    """Return whether another picture is of the same tenant, but of another product."""
    is_other = other.image_id != question.image_id and other.product_id != question.product_id
    return is_other and other.tenant_id == question.tenant_id


def _cosine(measured: float) -> float:
    """Return a cosine without what rounding adds beyond 1."""
    return min(1.0, float(measured))


def _ranked(judged: Iterable[tuple[NearDuplicate, Verdict | None]]) -> tuple[NearDuplicate, ...]:
    """Return the near-duplicates as people judged them, without those that they called different.

    First come those that people called the same, then the same pictures; within each, the nearest.
    """
    kept = [
        each if verdict is None else each.model_copy(update={"tier": verdict, "verdict": verdict})
        for each, verdict in judged
        if verdict != "different"
    ]
    return tuple(sorted(kept, key=_order)[:DUPLICATES_LIMIT])


def _order(duplicate: NearDuplicate) -> tuple[bool, bool, float, str]:
    """Return what near-duplicates are sorted by: many that look alike must not displace the same picture."""
    is_other = duplicate.tier != "same_picture"
    return duplicate.verdict is None, is_other, -duplicate.cosine, duplicate.image_id
