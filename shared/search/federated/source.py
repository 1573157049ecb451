"""One collection of a federated search: finds candidates, and measures what chance gives in it.

A score is the weighted sum of the cosines of at most two comparisons, as they are, plus what shared words add. It is
comparable within one method only; `chance.py` makes scores comparable.
"""

from collections.abc import Collection as Ids
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from math import isfinite

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from schemas.base import SourceId
from schemas.found import FoundPart
from shared.embedding.port import Matrix
from shared.records import SparseVector, Vector
from shared.search.federated.attached import IS_ATTACHED, is_own_point, with_owners
from shared.search.federated.background import Background
from shared.search.federated.findable import PICTURE_FACET, AttachedCard, Card, Facet
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

WIDER, MOST_CANDIDATES = 4, 512
"""By how much, and up to what number, more candidates are asked for if too few items are among them."""

SAME_COSINE = 0.9999
"""Vectors with a higher cosine are of the same picture."""

SOURCE_ID: TypeAdapter[str] = TypeAdapter(SourceId)

SAMPLED = 256
"""Pictures whose pairs show what chance gives; 32,640 pairs."""

SCANNED = 100_000
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
        while True:
            found, is_cut = self._found(kind, asked, most)
            if len({each.source_id for each in found}) >= limit or not is_cut or most >= MOST_CANDIDATES:
                return found
            most *= WIDER  # several pictures of one item, or pictures that are not shown, have displaced others

    def _found(self, kind: Kind, asked: Asked, most: int) -> tuple[list[Scored], bool]:
        """Return the hits among `most` candidates of each comparison, and whether there may be others."""
        own = self._scored(kind, asked, most)
        may_have_pictures = self._parts.findable.has_attached and PICTURE_FACET.using in self._parts.vectors
        if not (asked.where and may_have_pictures):
            return with_owners(self._parts, asked.tenant_id, own, ()), len(own) >= most
        items = [each for each in own if not isinstance(each.card, AttachedCard)]
        pictures = self._scored(kind, replace(asked, where=(IS_ATTACHED,)), most)
        shown = with_owners(self._parts, asked.tenant_id, pictures, asked.where)
        return [*items, *shown], max(len(own), len(pictures)) >= most

    def _scored(self, kind: Kind, asked: Asked, most: int) -> list[Scored]:
        """Return the candidates that can be shown, among `most` of each comparison."""
        query = self._query(kind, asked, most, self._fields)
        needs_text = kind == "text" and self._terms is not None
        [candidates] = ask_for_ours(
            [query], self._parts.collection.candidates, lambda _, each: self._read(each, needs_text) is not None
        )
        return [
            Scored(
                str(candidate.payload[self._parts.id_field]),
                card,
                self._views(kind, asked, candidate, query.terms.indices.size),
            )
            for candidate in candidates
            if (card := self._read(candidate, needs_text)) is not None
        ]

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
        return _distinct(np.array(found[:SAMPLED], np.float32))

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
                for view in self._views("text", each, candidate, query.terms.indices.size, is_measured=True):
                    best[view.method] = max(view.score, best.get(view.method, -np.inf))
            found.append(best)
        return found

    def _views(
        self, kind: Kind, asked: Asked, candidate: Candidate, terms: int, is_measured: bool = False
    ) -> tuple[View, ...]:
        """Return the scores of a candidate, for a question with this number of terms.

        What chance gives is measured for the picture alone too, of all items: by it, an item without a text is judged.
        """
        facets = self._facets(kind, asked.vectors)
        cosines = (candidate.dense, candidate.second)
        held = [(facet, cosine) for facet, cosine in zip(facets, cosines, strict=False) if cosine is not None]
        words: NDArray[np.float64] = np.array([[max(0.0, candidate.bm25)]])
        added = float(lexical(words, np.array([terms]), BM25_WEIGHT)[0, 0])
        if len(held) < 2:
            return (self._view(kind, held, added),)
        texts = [each for each in held if not each[0].is_picture]
        pictures = [each for each in held if each[0].is_picture]
        return tuple(
            self._view(kind, each, added) for each in ((held, texts, pictures) if is_measured else (held, texts))
        )

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
            if not isinstance(card, AttachedCard):
                SOURCE_ID.validate_python(candidate.payload[self._parts.id_field])
        except ValidationError:
            return None
        if isinstance(card, AttachedCard) and not is_own_point(self._parts, candidate.id, card):
            return None
        return card if card.text.strip() or not needs_text else None

    def _is_ours(self, candidate: Candidate) -> bool:
        """Return whether Millrace wrote a candidate, and its vectors are not damaged."""
        is_sound = isfinite(candidate.dense + candidate.bm25 + (candidate.second or 0.0))
        return is_sound and self._parts.is_ours(candidate.id, candidate.payload)


def _distinct(rows: Matrix) -> Matrix:
    """Return the pictures without repetitions: a catalogue may have the same placeholder many times."""
    kept: list[int] = []
    for at, row in enumerate(rows):
        if not kept or float((rows[kept] @ row).max()) < SAME_COSINE:
            kept.append(at)
    return rows[kept]
