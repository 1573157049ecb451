"""One score out of cosine, BM25 and age, and the best hits by it. Knows no store and no stream.

Why the sum has this form: `docs/decisions/0009-hybrid-ranking.md`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from shared.vectorstore.port import Candidate

DAY = timedelta(days=1)
LEAST_TERMS = 8
RANKED_FIELDS = ("occurred_at", "text_digest")
"""The payload fields that ranking needs."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """How the parts of a score are weighed.

    Attributes:
        bm25_weight: What one unit of BM25 over the root of the query's terms is worth in units of cosine; see `lexical`.
        half_life_days: After so many days half of what age can take is taken.
        age_floor: What is left of the score of an infinitely old hit, 0 to 1.
    """

    bm25_weight: float
    half_life_days: float
    age_floor: float

    def decay(self, age_days: float) -> float:
        """Return what is left of a score after so many days: 1 for today and for the future, never below the floor."""
        halves = max(0.0, age_days) / self.half_life_days
        return float(self.age_floor + (1 - self.age_floor) * 0.5**halves)


@dataclass(frozen=True, slots=True)
class Asked:
    """What hits are ranked for.

    Attributes:
        terms: How many terms the query has.
        occurred_at: When it happened; a hit's age is counted from there, so that a replay ranks alike.
        itself: The point of the ticket asked about, which is no answer to itself.
    """

    terms: int
    occurred_at: datetime
    itself: UUID | None = None


@dataclass(frozen=True, slots=True)
class Ranked:
    """A hit with its score and the parts: score = (dense + lexical) * decay."""

    candidate: Candidate
    lexical: float
    decay: float
    score: float


def lexical(bm25: NDArray[np.float64], terms: NDArray[np.int64], weight: float) -> NDArray[np.float64]:
    """Return what BM25 adds to the cosine: weight * BM25 / sqrt(terms of the query, 8 at least).

    BM25 is a sum over the query's terms, so its chance part grows with their root; divided by it, one weight holds for
    short and long texts alike. A term or two of a very short text say too little to be divided by less than the root of 8.

    Args:
        bm25: Shape (queries, hits), 0 or more.
        terms: Shape (queries,), how many terms each query has.
        weight: See `Ranking.bm25_weight`.
    """
    return np.asarray(weight * bm25 / np.sqrt(np.maximum(LEAST_TERMS, terms))[:, None], np.float64)


def rank(candidates: Sequence[Candidate], asked: Asked, ranking: Ranking, limit: int) -> list[Ranked]:
    """Return the best candidates, best first; of several with the same text only the best, and never the one asked about.

    Candidates that are no tickets, without the fields of `RANKED_FIELDS`, are left out. Ties go to the lower id.
    """
    bm25 = np.array([[candidate.bm25 for candidate in candidates]], np.float64)
    added = lexical(bm25, np.array([asked.terms]), ranking.bm25_weight)[0].tolist()
    scored = []
    for candidate, more in zip(candidates, added, strict=True):
        happened = candidate.payload.get("occurred_at")
        if candidate.id == asked.itself or not isinstance(happened, str):
            continue
        decay = ranking.decay((asked.occurred_at - datetime.fromisoformat(happened)) / DAY)
        scored.append(Ranked(candidate, more, decay, (candidate.dense + more) * decay))
    scored.sort(key=lambda hit: (-hit.score, hit.candidate.id))
    return list(_fold(scored))[:limit]


def _fold(scored: Iterable[Ranked]) -> Iterable[Ranked]:
    seen: set[object] = set()
    for hit in scored:
        digest = hit.candidate.payload.get("text_digest")
        if digest not in seen:
            seen.add(digest)
            yield hit
