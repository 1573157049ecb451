"""Similar solved tickets: one hybrid query for each question of a batch, ranked, explained, with a suggested reply.

The worker and the commands both use it, so that they give the same answers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from schemas.points import IsOurs
from schemas.search import ScoreParts, SimilarTicket, SuggestedReply
from shared.clock import Clock, SystemClock
from shared.errors import Unavailable
from shared.records import SparseVector, Vector
from shared.search.left_out import SolvedTickets, count_solved
from shared.search.ranking import RANKED_FIELDS, Asked, Ranked, Ranking, rank
from shared.search.reply import Resolution, suggest
from shared.search.shown import SHOWN_FIELDS, ShownTicket, is_rankable, read_shown
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
"""A tenant's solved tickets are not counted again for this time, in seconds: counting a thousand takes Qdrant Edge 0.5
ms."""

NOTHING_HOLDS_S = 2.0
"""The same for a tenant that has no solved tickets, in seconds: that count is fast, and may soon change."""

COUNTED_AT_ONCE = 16
"""The maximum number of tenants that are counted for one batch; the others are counted for a later batch."""

NOT_COUNTED = (0.0, None)


@dataclass(frozen=True, slots=True)
class Question:
    """A text to find similar tickets for.

    Attributes:
        tenant_id: Only this tenant's tickets are offered.
        text: The prepared text.
        vector: Its vector, shape (dim,), unit length.
        occurred_at: Time of the question; the age of a hit is counted from it.
        itself: Id of the asking ticket's own point; None if it has no point.
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
    language: str | None = None
    customer_id: str | None = None
    where: tuple[Condition, ...] = ()
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to a question.

    Attributes:
        similar: The similar tickets, best first.
        reply: The suggested reply; None if no resolution can be quoted.
        solved: If no ticket is similar, the counts of the tenant's solved tickets; None if a ticket is similar, or if
            they were not counted.
    """

    similar: tuple[SimilarTicket, ...] = ()
    reply: SuggestedReply | None = None
    solved: SolvedTickets | None = None


class Compared(NamedTuple):
    """The names of the vectors that a question's vector is compared with; None if there is no vector of resolutions."""

    text: str
    resolution: str | None = None


class SimilarSearch:
    """Finds similar solved tickets in one collection.

    Args:
        collection: The collection that is searched.
        using: Names of the vectors that are compared: that of the text and that of the resolution.
        settings: The number of tickets, the filters and the ranking.
        is_ours: Returns whether Millrace wrote a point.
        clock: Measures how long counts of solved tickets are kept; None uses the system's clock.
    """

    def __init__(
        self,
        collection: Collection,
        using: Compared,
        settings: SearchSettings,
        is_ours: IsOurs,
        clock: Clock | None = None,
    ) -> None:
        self._collection, self._using, self._settings, self._is_ours = collection, using, settings, is_ours
        self._clock = clock or SystemClock()
        self._solved: dict[str, tuple[float, SolvedTickets | None]] = {}
        self._terms = Terms()
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

    def find(self, questions: Sequence[Question]) -> list[Found]:
        """Answer a batch of questions.

        This takes two calls to the store: one finds hits, one reads the shown fields of the best. If a best hit has
        invalid fields or another program wrote it, its question is asked again alone, and each candidate is checked.
        For each tenant with a question that found nothing, up to three more calls count the tickets that the rules
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
        payloads = self._collection.payloads(ids, SHOWN_FIELDS)
        found = [
            self._show(question, hits, payloads) or self._find_checked(question)
            for question, hits in zip(questions, best, strict=True)
        ]
        return self._explain_nothing(questions, found)

    def _find_checked(self, question: Question) -> Found:
        """Answer one question from candidates that Millrace wrote.

        This reads the shown fields of every candidate, not only of the best.
        """
        query = self._query(question, (*RANKED_FIELDS, *SHOWN_FIELDS))
        [candidates] = ask_for_ours(
            [query], self._collection.candidates, lambda _, candidate: self._may_be_shown(candidate)
        )
        hits = self._rank(question, query, candidates)
        return self._show(question, hits, {each.id: each.payload for each in candidates}) or Found()

    def _explain_nothing(self, questions: Sequence[Question], found: Sequence[Found]) -> list[Found]:
        pairs = list(zip(questions, found, strict=True))
        tenants = list(dict.fromkeys(question.tenant_id for question, each in pairs if not each.similar))
        self._count_solved(tenants)
        return [
            each if each.similar else replace(each, solved=self._solved.get(question.tenant_id, NOT_COUNTED)[1])
            for question, each in pairs
        ]

    def _count_solved(self, tenants: Sequence[str]) -> None:
        """Count the solved tickets of some tenants, unless a recent count exists.

        The counts only explain an empty result, so a store that is unavailable does not raise an error here.
        """
        now_s = self._clock.monotonic_s()
        self._solved = {tenant: held for tenant, held in self._solved.items() if held[0] > now_s}
        for tenant in [tenant for tenant in tenants if tenant not in self._solved][:COUNTED_AT_ONCE]:
            try:
                solved = count_solved(self._collection, self._settings, tenant)
            except Unavailable:
                solved = None
            nothing_yet = solved is not None and not solved.total
            self._solved[tenant] = (now_s + (NOTHING_HOLDS_S if nothing_yet else COUNTS_HOLD_S), solved)

    def _query(self, question: Question, payload: tuple[str, ...]) -> HybridQuery:
        settings = self._settings
        nearest = Query(
            vector=question.vector,
            using=self._using.text,
            limit=max(settings.candidates, self._limit(question)) + 1,  # the question's own point may be among them
            equals={"tenant_id": question.tenant_id, "flags": "solved"},
            at_least={"satisfaction": settings.min_satisfaction},
            may_lack=("satisfaction",) if settings.include_unrated else (),
            where=question.where,
            payload=payload,
        )
        resolutions = self._using.resolution if settings.resolution_weight else None
        return HybridQuery(nearest, self._terms.of_query(question.text), TERMS_VECTOR, resolutions)

    def _limit(self, question: Question) -> int:
        return self._settings.limit if question.limit is None else question.limit

    def _rank(self, question: Question, query: HybridQuery, candidates: Sequence[Candidate]) -> list[Ranked]:
        asked = Asked(query.terms.indices.size, question.occurred_at, question.itself, question.language)
        return rank(candidates, asked, self._ranking, self._limit(question))

    def _show(
        self, question: Question, hits: Sequence[Ranked], payloads: Mapping[UUID, Mapping[str, object]]
    ) -> Found | None:
        """Return the answer with the hits that still exist; None if one has invalid fields or is another program's."""
        hits = [hit for hit in hits if "occurred_at" in payloads.get(hit.candidate.id, {})]  # else deleted meanwhile
        shown: list[ShownTicket] = []
        for hit in hits:
            ticket = read_shown(hit.candidate.id, payloads[hit.candidate.id], self._is_ours)
            if ticket is None:
                return None
            shown.append(ticket)
        shared = self._terms.shared(question.text, [ticket.embedded_text for ticket in shown])
        similar = tuple(
            _similar_ticket(hit, ticket, terms, question)
            for hit, ticket, terms in zip(hits, shown, shared, strict=True)
        )
        quotable = [
            Resolution(ticket.ticket_id, ticket.embedded_resolution, each.score)
            for ticket, each in zip(shown, similar, strict=True)
            if ticket.resolution
            and each.parts.dense >= self._settings.reply_at
            and not differ(ticket.answer_language, question.language)
        ]
        return Found(similar, suggest(quotable))

    def _may_be_shown(self, candidate: Candidate) -> bool:
        return is_rankable(candidate) and read_shown(candidate.id, candidate.payload, self._is_ours) is not None


def _similar_ticket(hit: Ranked, ticket: ShownTicket, terms: tuple[str, ...], question: Question) -> SimilarTicket:
    candidate = hit.candidate
    return SimilarTicket(
        ticket_id=ticket.ticket_id,
        score=hit.score,
        parts=ScoreParts(
            dense=min(1.0, candidate.dense),
            bm25=max(0.0, candidate.bm25),
            lexical=max(0.0, hit.lexical),
            resolution_cosine=None if candidate.second is None else min(1.0, candidate.second),
            resolution=hit.resolution,
            decay=hit.decay,
            language=hit.language,
        ),
        shared_terms=terms[:SHOWN_TERMS],
        label=ticket.label,
        subject=ticket.subject,
        resolution=ticket.resolution,
        satisfaction=ticket.satisfaction,
        language=ticket.known_language,
        other_language=differ(ticket.known_language, question.language),
        same_customer=question.customer_id is not None and ticket.customer_id == question.customer_id,
        occurred_at=ticket.occurred_at,
    )
