"""One collection of a federated search: finds candidates, and measures what chance gives in it.

A score is the weighted sum of the cosines of at most two comparisons, as they are, plus what shared words add. It is
comparable within one method only; `chance.py` makes scores comparable.
"""

from collections.abc import Collection as Ids
from collections.abc import Mapping, Sequence
from itertools import islice
from math import isfinite

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from schemas.found import FoundPart
from shared.embedding.port import Matrix
from shared.records import SparseVector, Vector
from shared.search.federated.attached import with_owners
from shared.search.federated.background import Background
from shared.search.federated.findable import Card, Facet
from shared.search.federated.parts import Asked, Kind, Scored, SourceParts, View
from shared.search.ranking import lexical
from shared.search.similar import TERMS_VECTOR
from shared.vectorstore.conditions import Condition
from shared.vectorstore.port import VERSION_FIELD, Candidate, HybridQuery, Query, is_unit, is_version
from shared.vectorstore.terms import Terms
from shared.vectorstore.widening import ask_for_ours

NO_TERMS = SparseVector(np.zeros(0, np.uint32), np.zeros(0, np.float32))
BM25_WEIGHT = 0.04
"""See `shared.search.ranking.Ranking.bm25_weight`. Questions to a search are short: .04 separates those that fit
from others better than the .018 of whole tickets; docs/decisions/0029-one-search.md has the figures."""

AT_ONCE = 32
"""Questions of the background in one call: Qdrant Edge holds the interpreter's lock during a call."""

BEST_OF = 5
"""Candidates of each comparison among which the best score for a question of the background is looked for."""

SAMPLED = 256
"""Pictures whose pairs show what chance gives; 32,640 pairs."""

SCANNED = 20_000
"""Points among which they are looked for. Ids of points are digests, so the first ones are a random sample that stays."""


class Source:
    """One collection.

    Args:
        parts: What it is made of.
        picture_weight: Weight of the picture's cosine where a text is compared too, 0 to 1; the text has the rest.
        candidates: The least number of candidates that each comparison finds.
    """

    def __init__(self, parts: SourceParts, picture_weight: float, candidates: int) -> None:
        self._parts, self._picture_weight, self._candidates = parts, picture_weight, candidates
        average = parts.findable.average_terms
        self._terms = None if average is None else Terms(average)

    @property
    def stream(self) -> str:
        """The name of its stream."""
        return self._parts.stream

    @property
    def image_space(self) -> str | None:
        """Fingerprint of the model of pictures, if its pictures can be compared; else None."""
        return self._parts.image_space if self.can("picture", ("picture",)) else None

    def can(self, kind: Kind, asked: Ids[str]) -> bool:
        """Return whether it can be asked a question of a kind, of which vectors are known as these."""
        return bool(self._facets(kind, asked))

    def find(self, kind: Kind, asked: Asked, limit: int) -> list[Scored]:
        """Return the best items, in no particular order: at least `limit` of them, if the collection holds enough.

        Raises:
            Unavailable: the store cannot be read.
        """
        most = max(self._candidates, limit)
        query = self._query(kind, asked, most, self._fields)
        needs_text = kind == "text" and self._terms is not None
        [candidates] = ask_for_ours(
            [query], self._parts.collection.candidates, lambda _, each: self._read(each, needs_text) is not None
        )
        found = [
            Scored(
                str(candidate.payload[self._parts.id_field]),
                card,
                self._views(kind, asked, candidate, query.terms.indices.size),
            )
            for candidate in candidates
            if (card := self._read(candidate, needs_text)) is not None
        ]
        return with_owners(self._parts, asked.tenant_id, found)

    def best_of_each(
        self, background: Background, tenant_id: str, where: tuple[Condition, ...]
    ) -> Mapping[str, NDArray[np.float64]]:
        """Return the best score for each question of the background by method, shape (questions,); NaN without a hit.

        Args:
            background: The questions that fit nothing.
            tenant_id: Only this tenant's items are compared.
            where: Only items that meet these conditions are compared.

        Raises:
            Unavailable: the store cannot be read.
        """
        asked = [
            Asked(tenant_id, {name: rows[at] for name, rows in background.vectors.items()}, text, where)
            for at, text in enumerate(background.texts)
        ]
        best: dict[str, NDArray[np.float64]] = {}
        for begin in range(0, len(asked), AT_ONCE):
            for at, highest in enumerate(self._best(asked[begin : begin + AT_ONCE]), begin):
                for method, score in highest.items():
                    best.setdefault(method, np.full(len(asked), np.nan))[at] = score
        return best

    def pictures(self, tenant_id: str) -> Matrix:
        """Return vectors of up to `SAMPLED` random pictures of a tenant, shape (n, dim), float32, unit rows.

        Raises:
            Unavailable: the store cannot be read.
        """
        parts = self._parts
        using = parts.findable.by_picture[0].using
        points = islice(parts.collection.scroll(("tenant_id", parts.id_field, VERSION_FIELD)), SCANNED)
        own = (
            which
            for which, payload in points
            if payload.get("tenant_id") == tenant_id
            and parts.is_ours(which, payload)
            and is_version(payload.get(VERSION_FIELD))
        )
        found: list[Vector] = []
        while len(found) < SAMPLED and (ids := list(islice(own, SAMPLED))):
            stored = parts.collection.lookup(ids)
            held = (stored[which].vectors.get(using) for which in ids if which in stored)
            found += [each for each in held if each is not None and is_unit(each)]  # others were damaged
        return np.array(found[:SAMPLED], np.float32)

    def shared_terms(self, text: str, found: Sequence[Scored]) -> list[tuple[str, ...]]:
        """Return for each hit the words that it shares with a text."""
        terms = self._terms or Terms()
        return terms.shared(text, [each.text for each in found])

    @property
    def _fields(self) -> tuple[str, ...]:
        return ("tenant_id", self._parts.id_field, *self._parts.findable.fields)

    def _facets(self, kind: Kind, asked: Ids[str]) -> tuple[Facet, ...]:
        findable = self._parts.findable
        every = findable.by_text if kind == "text" else findable.by_picture
        return tuple(each for each in every if each.using in self._parts.vectors and each.asked in asked)[:2]

    def _query(self, kind: Kind, asked: Asked, limit: int, payload: tuple[str, ...]) -> HybridQuery:
        first, *others = self._facets(kind, asked.vectors)
        nearest = Query(
            vector=asked.vectors[first.asked],
            using=first.using,
            limit=limit,
            equals={"tenant_id": asked.tenant_id},
            where=asked.where,
            payload=payload,
        )
        terms = NO_TERMS if self._terms is None or not asked.text else self._terms.of_query(asked.text)
        if not others:
            return HybridQuery(nearest, terms, TERMS_VECTOR)
        return HybridQuery(nearest, terms, TERMS_VECTOR, others[0].using, asked.vectors[others[0].asked])

    def _best(self, asked: Sequence[Asked]) -> list[dict[str, float]]:
        """Return the best score of each question by method."""
        payload = ("tenant_id", self._parts.id_field)
        queries = [self._query("text", each, BEST_OF, payload) for each in asked]
        answers = ask_for_ours(queries, self._parts.collection.candidates, lambda _, each: self._is_ours(each))
        found: list[dict[str, float]] = []
        for each, query, candidates in zip(asked, queries, answers, strict=True):
            best: dict[str, float] = {}
            for candidate in candidates:
                for view in self._views("text", each, candidate, query.terms.indices.size):
                    best[view.method] = max(view.score, best.get(view.method, -np.inf))
            found.append(best)
        return found

    def _views(self, kind: Kind, asked: Asked, candidate: Candidate, terms: int) -> tuple[View, ...]:
        """Return the scores of a candidate, for a question with this number of terms."""
        facets = self._facets(kind, asked.vectors)
        cosines = (candidate.dense, candidate.second)
        held = [(facet, cosine) for facet, cosine in zip(facets, cosines, strict=False) if cosine is not None]
        words: NDArray[np.float64] = np.array([[max(0.0, candidate.bm25)]])
        added = float(lexical(words, np.array([terms]), BM25_WEIGHT)[0, 0])
        texts = [(facet, cosine) for facet, cosine in held if not facet.is_picture]
        return tuple(self._view(kind, each, added) for each in ((held, texts) if len(held) > 1 else (held,)))

    def _view(self, kind: Kind, held: Sequence[tuple[Facet, float]], added: float) -> View:
        parts = tuple(
            FoundPart(method=facet.method, cosine=min(1.0, cosine), weight=self._weight(facet, len(held)))
            for facet, cosine in held
        )
        methods = [part.method for part in parts] + (["terms"] if self._terms is not None and kind == "text" else [])
        return View("+".join(methods), parts, added)

    def _weight(self, facet: Facet, count: int) -> float:
        if count == 1:
            return 1.0
        return self._picture_weight if facet.is_picture else 1 - self._picture_weight

    def _read(self, candidate: Candidate, needs_text: bool) -> Card | None:
        """Return what is shown of a candidate; None if another program wrote it, or has overwritten a field.

        Args:
            candidate: The candidate.
            needs_text: Whether an item without a text, such as a call without speech, is left out.
        """
        if not self._is_ours(candidate):
            return None
        try:
            card = self._parts.findable.read(candidate.payload)
        except ValidationError:
            return None
        return card if card.text.strip() or not needs_text else None

    def _is_ours(self, candidate: Candidate) -> bool:
        """Return whether Millrace wrote a candidate, and its vectors are not damaged."""
        is_sound = isfinite(candidate.dense + candidate.bm25 + (candidate.second or 0.0))
        return is_sound and self._parts.is_ours(candidate.id, candidate.payload)
