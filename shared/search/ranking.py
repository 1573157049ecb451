"""Combines the cosines of text and resolution, BM25 and age into one score, and ranks hits by it.

It is independent of the store and the stream. `docs/decisions/0009-hybrid-ranking.md` and
`docs/decisions/0020-resolutions-in-the-ranking.md` explain why the sum has this form.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from uuid import UUID

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shared.text.language import differ, known_language
from shared.vectorstore.port import Candidate

DAY = timedelta(days=1)
LEAST_TERMS = 8
USUAL_RESOLUTION = 0.6
"""A resolution raises a score by what its cosine exceeds this share of the text's cosine. A farther one changes nothing,
so that resolutions that say nothing about the problem do no harm."""

RANKED_FIELDS = ("occurred_at", "text_digest", "language", "detected_language")
"""The payload fields that ranking needs."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """The weights of the parts of a score.

    Attributes:
        bm25_weight: Amount added to the cosine for each unit of BM25 / sqrt(number of query terms); see `lexical`.
        resolution_weight: Amount added for each unit by which the resolution's cosine exceeds the usual; see `answered`.
        half_life_days: Age in days at which half of the part of a score above `age_floor` is lost.
        age_floor: Share of its score that an infinitely old hit keeps, 0 to 1.
        other_language_penalty: Share of its score that a hit in another language than the query loses, 0 to 1.
    """

    bm25_weight: float
    resolution_weight: float
    half_life_days: float
    age_floor: float
    other_language_penalty: float = 0.0

    def decay(self, age_days: ArrayLike) -> NDArray[np.float64]:
        """Return the share of the score that a hit keeps at each age: 1 up to age 0, and never below the floor."""
        halves = np.maximum(0.0, age_days) / self.half_life_days
        return np.asarray(self.age_floor + (1 - self.age_floor) * 0.5**halves, np.float64)


@dataclass(frozen=True, slots=True)
class Asked:
    """The query that hits are ranked for.

    Attributes:
        terms: Number of terms in the query.
        occurred_at: Time of the query's event; the age of a hit is counted from it, so that a replay gives the same
            ranking.
        itself: Id of the asking item's own point, which must not be a hit; None if it has no point.
        language: The query's language, a primary BCP 47 subtag; None if it is not known.
    """

    terms: int
    occurred_at: datetime
    itself: UUID | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Ranked:
    """A hit with its score and the parts of the score: score = (dense + lexical + resolution) * decay * language."""

    candidate: Candidate
    lexical: float
    resolution: float
    decay: float
    score: float
    language: float = 1.0


def read_time(stored: object) -> datetime | None:
    """Return a stored time; None if it is not a time with a zone."""
    return _parse_time(stored) if isinstance(stored, str) else None


def lexical(bm25: NDArray[np.float64], terms: NDArray[np.int64], weight: float) -> NDArray[np.float64]:
    """Return the amount that BM25 adds to the cosine: weight * BM25 / sqrt(max(8, number of query terms)).

    BM25 is a sum over the query's terms, so its random part grows with the square root of their number. Divided by that
    root, it can have one weight for short and long texts. The number is at least 8, because the one or two terms of a
    very short text are too weak evidence for a smaller divisor.

    Args:
        bm25: Shape (queries, hits), 0 or more.
        terms: Shape (queries,), the number of terms of each query.
        weight: See `Ranking.bm25_weight`.
    """
    return np.asarray(weight * bm25 / np.sqrt(np.maximum(LEAST_TERMS, terms))[:, None], np.float64)


def answered(dense: NDArray[np.float64], second: NDArray[np.float64], weight: float) -> NDArray[np.float64]:
    """Return the amount that a resolution adds to the cosine: weight * (second - 0.6 * dense), but at least 0.

    The text's cosine is subtracted at most once, so that with a very large weight the resolution alone decides. The
    amount is 0 for a hit without a resolution.

    Args:
        dense: Cosines of the texts, of any shape.
        second: Cosines of the resolutions, of the same shape; NaN for a hit without a resolution.
        weight: See `Ranking.resolution_weight`.
    """
    raised = weight * second - min(USUAL_RESOLUTION * weight, 1.0) * dense
    return np.where(np.isnan(second), 0.0, np.maximum(0.0, raised))


def rank(candidates: Sequence[Candidate], asked: Asked, ranking: Ranking, limit: int) -> list[Ranked]:
    """Return the best candidates, best first.

    Of several candidates with the same text, only the best is returned, and the asking item itself never is.
    Candidates without `occurred_at` are left out. On a tie, the lower id comes first.
    """
    timed = [(each, read_time(each.payload.get("occurred_at"))) for each in candidates]
    dated = [(each, when) for each, when in timed if when is not None]
    dense = np.array([candidate.dense for candidate, _ in dated], np.float64)
    bm25 = np.array([[candidate.bm25 for candidate, _ in dated]], np.float64)
    second = np.array([np.nan if candidate.second is None else candidate.second for candidate, _ in dated], np.float64)
    added = lexical(bm25, np.array([asked.terms]), ranking.bm25_weight)[0]
    raised = answered(dense, second, ranking.resolution_weight)
    decay = ranking.decay([(asked.occurred_at - when) / DAY for _, when in dated])
    language = _language_factors([candidate for candidate, _ in dated], asked.language, ranking.other_language_penalty)
    scores = ((dense + added + raised) * decay * language).tolist()
    found: dict[object, Ranked] = {}
    for at in sorted(range(len(dated)), key=lambda at: (-scores[at], dated[at][0].id)):
        if len(found) == limit:
            break
        candidate = dated[at][0]
        digest = candidate.payload.get("text_digest")
        if digest not in found and candidate.id != asked.itself:
            found[digest] = Ranked(
                candidate=candidate,
                lexical=float(added[at]),
                resolution=float(raised[at]),
                decay=float(decay[at]),
                score=scores[at],
                language=float(language[at]),
            )
    return list(found.values())


@lru_cache(maxsize=16_384)  # the queries of a batch often share their hits
def _parse_time(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if moment.tzinfo is None else moment


def _language_factors(candidates: Sequence[Candidate], asked: str | None, penalty: float) -> NDArray[np.float64]:
    factors = np.ones(len(candidates), np.float64)
    if asked is not None and penalty:
        others = [differ(_language_of(candidate.payload), asked) for candidate in candidates]
        factors[np.array(others, np.bool_)] -= penalty
    return factors


def _language_of(payload: Mapping[str, object]) -> str | None:
    detected, hint = payload.get("detected_language"), payload.get("language")
    if isinstance(detected, str):
        return detected
    return known_language(None, hint) if isinstance(hint, str) else None
