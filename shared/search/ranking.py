"""One score out of cosine, BM25 and age, and the best hits by it. Knows no store and no stream.

Why the sum has this form: `docs/decisions/0009-hybrid-ranking.md`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np
from numpy.typing import ArrayLike, NDArray

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

    def decay(self, age_days: ArrayLike) -> NDArray[np.float64]:
        """Return what is left of scores after so many days: 1 for today and for the future, never below the floor."""
        halves = np.maximum(0.0, age_days) / self.half_life_days
        return np.asarray(self.age_floor + (1 - self.age_floor) * 0.5**halves, np.float64)


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

    Candidates that are no tickets, without `occurred_at`, are left out. Ties go to the lower id.
    """
    tickets = [(each, when) for each in candidates if isinstance(when := each.payload.get("occurred_at"), str)]
    dense = np.array([candidate.dense for candidate, _ in tickets], np.float64)
    bm25 = np.array([[candidate.bm25 for candidate, _ in tickets]], np.float64)
    added = lexical(bm25, np.array([asked.terms]), ranking.bm25_weight)[0]
    decay = ranking.decay([(asked.occurred_at - datetime.fromisoformat(when)) / DAY for _, when in tickets])
    scores = ((dense + added) * decay).tolist()
    found: dict[object, Ranked] = {}
    for at in sorted(range(len(tickets)), key=lambda at: (-scores[at], tickets[at][0].id)):
        if len(found) == limit:
            break
        candidate = tickets[at][0]
        digest = candidate.payload.get("text_digest")
        if digest not in found and candidate.id != asked.itself:
            found[digest] = Ranked(candidate, float(added[at]), float(decay[at]), scores[at])
    return list(found.values())
