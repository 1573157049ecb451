"""Similar items, such as solved tickets: one hybrid query for each question of a batch, ranked and explained.

The worker and the commands both use it, so that they give the same answers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Generic
from uuid import UUID

from schemas.points import IsOurs
from schemas.search import ScoreParts, SimilarLeftOut, SuggestedReply
from shared.clock import Clock, SystemClock
from shared.errors import Unavailable
from shared.records import SparseVector, Vector
from shared.search.left_out import Offerable, count_offerable
from shared.search.ranking import RANKED_FIELDS, Asked, Ranked, Ranking, rank
from shared.search.reply import Resolution, suggest
from shared.search.shown import HitT, Searchable, Shown, is_rankable
from shared.stream_settings import SearchSettings
from shared.text.language import differ
from shared.vectorstore.conditions import Condition
from shared.vectorstore.port import Candidate, Collection, HybridQuery, Query
from shared.vectorstore.terms import Terms
from shared.vectorstore.widening import ask_for_ours

TERMS_VECTOR = "terms"
"""The name of the sparse vector of a text's terms."""

SHOWN_TERMS = 12
COUNTS_HOLD_S = 30.0
"""What a tenant could be offered is not counted again for this time, in seconds: counting a thousand takes Qdrant Edge
0.5 ms."""

NOTHING_HOLDS_S = 2.0
"""The same for a tenant of whom nothing could be offered, in seconds: that count is fast, and may soon change."""

COUNTED_AT_ONCE = 16
"""The maximum number of tenants that are counted for one batch; the others are counted for a later batch."""

NOT_COUNTED = (0.0, None)


@dataclass(frozen=True, slots=True)
class Question:
    """A text to find similar items for.

    Attributes:
        tenant_id: Only this tenant's items are offered.
        text: The prepared text.
        vector: Its vector, shape (dim,), unit length.
        occurred_at: Time of the question; the age of a hit is counted from it.
        itself: Id of the asking item's own point; None if it has no point.
        stored: What that point holds; None if nothing is stored yet. It is not counted among what could be offered.
        language: Language of the text, a primary BCP 47 subtag: hits in another language are marked, rank lower and are
            not quoted. None if it is not known.
        customer_id: The customer who asks, as stored; hits of the same customer are marked. None if unknown.
        where: Conditions that each hit must meet, such as those of `shared.search.conditions.read_condition`.
        limit: Maximum number of hits, 1 to 10; None for the limit of the settings.
    """

    tenant_id: str
    text: str
    vector: Vector
    occurred_at: datetime
    itself: UUID | None = None
    stored: Mapping[str, object] | None = None
    language: str | None = None
    customer_id: str | None = None
    where: tuple[Condition, ...] = ()
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Found(Generic[HitT]):
    """The answer to a question.

    Attributes:
        similar: The similar items, best first.
        reply: The suggested reply; None if no resolution can be quoted.
        offerable: If nothing is similar, the counts of what the tenant could be offered; None if something is similar,
            or if they were not counted.
    """

    similar: tuple[HitT, ...] = ()
    reply: SuggestedReply | None = None
    offerable: Offerable | None = None

    @property
    def left_out(self) -> SimilarLeftOut | None:
        """How many items the rules exclude; None if something is similar, or if they were not counted."""
        return None if self.offerable is None else self.offerable.left_out


class SimilarSearch(Generic[HitT]):
    """Finds similar items in one collection.

    Args:
        collection: The collection that is searched.
        searchable: What is offered of it, and how it is compared and shown.
        settings: The number of items, the filters and the ranking.
        is_ours: Returns whether Millrace wrote a point.
        clock: Measures how long counts are kept; None uses the system's clock.
    """

    def __init__(
        self,
        collection: Collection,
        searchable: Searchable[HitT],
        settings: SearchSettings,
        is_ours: IsOurs,
        clock: Clock | None = None,
    ) -> None:
        self._collection, self._searchable, self._settings, self._is_ours = collection, searchable, settings, is_ours
        self._clock = clock or SystemClock()
        self._counted: dict[str, tuple[float, Offerable | None]] = {}
        self._terms = Terms(searchable.average_terms)
        self._ranking = Ranking(
            settings.bm25_weight,
            settings.resolution_weight,
            settings.half_life_days,
            settings.age_floor,
            settings.other_language_penalty,
        )

    def stored_terms(self, text: str) -> SparseVector:
        """Return the terms that a text can be found by; they are stored beside its vector."""
        return self._terms.of_document(text)

    def find(self, questions: Sequence[Question]) -> list[Found[HitT]]:
        """Answer a batch of questions.

        This takes two calls to the store: one finds hits, one reads the shown fields of the best. If a best hit has
        invalid fields or another program wrote it, its question is asked again alone, and each candidate is checked.
        For each tenant with a question that found nothing, up to three more calls count the items that the rules
        exclude.

        Raises:
            Unavailable: the store cannot be read.
        """
        if not any(map(self._limit, questions)):
            return [Found()] * len(questions)
        queries = [self._query(question, RANKED_FIELDS) for question in questions]
        answers = ask_for_ours(queries, self._collection.candidates, lambda _, candidate: is_rankable(candidate))
        best = [self._rank(*each) for each in zip(questions, queries, answers, strict=True)]
        ids = {hit.candidate.id for hits in best for hit in hits}
        payloads = self._collection.payloads(ids, self._searchable.fields)
        found = [
            self._show(question, hits, payloads) or self._find_checked(question)
            for question, hits in zip(questions, best, strict=True)
        ]
        return self._explain_nothing(questions, found)

    def _find_checked(self, question: Question) -> Found[HitT]:
        """Answer one question from candidates that Millrace wrote.

        This reads the shown fields of every candidate, not only of the best.
        """
        query = self._query(question, (*RANKED_FIELDS, *self._searchable.fields))
        [candidates] = ask_for_ours(
            [query], self._collection.candidates, lambda _, candidate: self._may_be_shown(candidate)
        )
        hits = self._rank(question, query, candidates)
        return self._show(question, hits, {each.id: each.payload for each in candidates}) or Found()

    def _explain_nothing(self, questions: Sequence[Question], found: Sequence[Found[HitT]]) -> list[Found[HitT]]:
        pairs = list(zip(questions, found, strict=True))
        tenants = list(dict.fromkeys(question.tenant_id for question, each in pairs if not each.similar))
        self._count(tenants)
        return [
            each if each.similar else replace(each, offerable=self._offerable(question)) for question, each in pairs
        ]

    def _offerable(self, question: Question) -> Offerable | None:
        counts = self._counted.get(question.tenant_id, NOT_COUNTED)[1]
        if counts is None or question.stored is None:
            return counts
        return counts.without(question.stored, self._searchable.flag, self._settings)

    def _count(self, tenants: Sequence[str]) -> None:
        """Count what some tenants could be offered, unless a recent count exists.

        The counts only explain an empty result, so a store that is unavailable does not raise an error here.
        """
        now_s = self._clock.monotonic_s()
        self._counted = {tenant: held for tenant, held in self._counted.items() if held[0] > now_s}
        for tenant in [tenant for tenant in tenants if tenant not in self._counted][:COUNTED_AT_ONCE]:
            try:
                counts = count_offerable(self._collection, self._searchable.flag, self._settings, tenant)
            except Unavailable:
                counts = None
            nothing_yet = counts is not None and not counts.total
            self._counted[tenant] = (now_s + (NOTHING_HOLDS_S if nothing_yet else COUNTS_HOLD_S), counts)

    def _query(self, question: Question, payload: tuple[str, ...]) -> HybridQuery:
        settings = self._settings
        nearest = Query(
            vector=question.vector,
            using=self._searchable.using.text,
            limit=max(settings.candidates, self._limit(question)) + 1,  # the question's own point may be among them
            equals={"tenant_id": question.tenant_id, "flags": self._searchable.flag},
            at_least={"satisfaction": settings.min_satisfaction},
            may_lack=("satisfaction",) if settings.include_unrated else (),
            where=question.where,
            payload=payload,
        )
        resolutions = self._searchable.using.resolution if settings.resolution_weight else None
        return HybridQuery(nearest, self._terms.of_query(question.text), TERMS_VECTOR, resolutions)

    def _limit(self, question: Question) -> int:
        return self._settings.limit if question.limit is None else question.limit

    def _rank(self, question: Question, query: HybridQuery, candidates: Sequence[Candidate]) -> list[Ranked]:
        asked = Asked(query.terms.indices.size, question.occurred_at, question.itself, question.language)
        return rank(candidates, asked, self._ranking, self._limit(question))

    def _show(
        self, question: Question, hits: Sequence[Ranked], payloads: Mapping[UUID, Mapping[str, object]]
    ) -> Found[HitT] | None:
        """Return the answer with the hits that still exist; None if one has invalid fields or is another program's."""
        hits = [hit for hit in hits if "occurred_at" in payloads.get(hit.candidate.id, {})]  # else deleted meanwhile
        shown: list[Shown] = []
        for hit in hits:
            item = self._searchable.read(hit.candidate.id, payloads[hit.candidate.id], self._is_ours)
            if item is None:
                return None
            shown.append(item)
        shared = self._terms.shared(question.text, [item.embedded_text for item in shown])
        similar = tuple(
            self._searchable.hit(item, **_common(hit, item, terms, question))
            for hit, item, terms in zip(hits, shown, shared, strict=True)
        )
        quotable = [(item.quotable, each) for item, each in zip(shown, similar, strict=True)]
        resolutions = [
            Resolution(quoted.ticket_id, quoted.text, each.score)
            for quoted, each in quotable
            if quoted is not None
            and each.parts.dense >= self._settings.reply_at
            and not differ(quoted.language, question.language)
        ]
        return Found(similar, suggest(resolutions))

    def _may_be_shown(self, candidate: Candidate) -> bool:
        return (
            is_rankable(candidate) and self._searchable.read(candidate.id, candidate.payload, self._is_ours) is not None
        )


def _common(hit: Ranked, item: Shown, terms: tuple[str, ...], question: Question) -> dict[str, Any]:
    """Return the fields of a hit that every stream has; see `schemas.search.SimilarItem`."""
    candidate = hit.candidate
    return {
        "score": hit.score,
        "parts": ScoreParts(
            dense=min(1.0, candidate.dense),
            bm25=max(0.0, candidate.bm25),
            lexical=max(0.0, hit.lexical),
            resolution_cosine=None if candidate.second is None else min(1.0, candidate.second),
            resolution=hit.resolution,
            decay=hit.decay,
            language=hit.language,
        ),
        "shared_terms": terms[:SHOWN_TERMS],
        "label": item.label,
        "satisfaction": item.satisfaction,
        "language": item.known_language,
        "other_language": differ(item.known_language, question.language),
        "same_customer": question.customer_id is not None and item.customer_id == question.customer_id,
        "occurred_at": item.occurred_at,
    }
