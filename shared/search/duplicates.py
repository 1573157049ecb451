"""Near-duplicates of pictures in two tiers: the same picture by its vector and its hash, the same product by its vector.

A batch is answered as if its questions came one after another: each also finds those before it, which the store does not
have yet. What people said about two images overrides what is measured.
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
VERDICT_FIELD = "verdict"
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A picture to find near-duplicates of.

    Attributes:
        tenant_id: Only this tenant's pictures are found.
        image_id: The picture's source id.
        product_id: Its product, whose other pictures are not found.
        point_id: Id of its own point.
        vector: Its vector, shape (dim,), float32, unit length.
        picture_hash: Its perceptual hash, as `shared.media.perceptual.hash_picture` returns it.
        mirrored_hash: The hash of its mirror image.
    """

    tenant_id: str
    image_id: str
    product_id: str
    point_id: UUID
    vector: Vector
    picture_hash: str
    mirrored_hash: str

    @property
    def hashes(self) -> PictureHashes:
        """Both hashes."""
        return PictureHashes(self.picture_hash, self.mirrored_hash)


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

    def find(self, questions: Sequence[Question]) -> list[tuple[NearDuplicate, ...]]:
        """Return the near-duplicates of each picture, nearest first, at most `DUPLICATES_LIMIT`.

        This takes two calls to the store: one finds pictures, one reads the verdicts on them, if any were found. A
        question is asked again for more hits if there are more near ones than `candidates`, and some of them are of its
        own product or of other programs.

        Raises:
            Unavailable: the store cannot be read.
        """
        if not questions:
            return []
        found = [
            (question, [each for near in nearby if (each := self._compare(question, near)) is not None])
            for question, nearby in zip(questions, self._nearby(questions), strict=True)
        ]
        verdicts = self._verdicts({self._verdict_id(question, each) for question, every in found for each in every})
        return [
            _ranked((each, verdicts.get(self._verdict_id(question, each))) for each in every)
            for question, every in found
        ]

    def _nearby(self, questions: Sequence[Question]) -> Iterator[list["_Near"]]:
        """Yield the near pictures of other products for each question: those of the batch before it, and stored ones."""
        vectors = np.stack([question.vector for question in questions])
        newest: dict[UUID, int] = {}
        for place, hits in enumerate(self._stored(questions)):
            question = questions[place]
            cosines = vectors[:place] @ question.vector
            earlier = [
                _Near(other.point_id, other.image_id, other.product_id, other.picture_hash, _cosine(cosines[at]))
                for at in np.flatnonzero(cosines >= self._lowest).tolist()
                if newest[(other := questions[at]).point_id] == at and _may_be_duplicate(question, other)
            ]
            yield earlier + [hit for hit in hits if hit.point_id not in newest]
            newest[question.point_id] = place

    def _stored(self, questions: Sequence[Question]) -> list[list["_Near"]]:
        queries = [self._query(question) for question in questions]
        asking = {id(query): question for query, question in zip(queries, questions, strict=True)}

        def keep(query: Query, hit: Hit) -> bool:
            question = asking[id(query)]
            return hit.id == question.point_id or self._read(question, hit) is not None

        answers = search_ours(queries, self._ask, keep)
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

    def _compare(self, question: Question, near: "_Near") -> NearDuplicate | None:
        found = compare(question.hashes, near.picture_hash, near.cosine, self._settings)
        if found is None:
            return None
        return NearDuplicate(
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
    """Return the near-duplicates as people judged them, nearest first, without those that they called different."""
    kept = [
        each if verdict is None else each.model_copy(update={"tier": verdict, "verdict": verdict})
        for each, verdict in judged
        if verdict != "different"
    ]
    return tuple(sorted(kept, key=lambda each: (-each.cosine, each.image_id))[:DUPLICATES_LIMIT])
