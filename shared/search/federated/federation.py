"""Asks every source, and merges the answers into one list, in which "nothing matches" is an answer.

Scores of different methods are not comparable. Each is therefore replaced by how often chance alone gives it: for words,
how often a question that fits nothing finds an item with such a score; for a picture, the share of pairs of random
stored pictures that are as alike.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from schemas.found import FoundItem
from shared.clock import Clock, SystemClock
from shared.records import Vector
from shared.search.federated.background import Background, EncodeTexts, encoded
from shared.search.federated.chance import ByChance, any_of, effective_count, fit_best, fit_pairs
from shared.search.federated.findable import PICTURE_FACET, PICTURE_METHODS
from shared.search.federated.parts import Asked, Kind, Scored, View
from shared.search.federated.reasons import reasons_of
from shared.search.federated.source import Source
from shared.vectorstore.conditions import Condition

CHANCE_HOLDS_S = 600.0
"""What chance gives is measured again after this time, because collections grow."""

CHANCES_KEPT = 64
"""For how many combinations of source, tenant and conditions it is kept."""

SHOWN_TERMS = 12


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A question to all sources.

    Attributes:
        tenant_id: Only this tenant's items are found.
        vectors: The vectors of the question for each source, by stream, each by `Facet.asked`. A stream without vectors is
            not asked.
        text: The prepared text; empty for a picture.
        where: Conditions that each hit meets, by stream.
        limit: The largest number of hits.
        false_rate: The highest `FoundItem.chance` with which a hit matches.
    """

    tenant_id: str
    vectors: Mapping[str, Mapping[str, Vector]]
    text: str = ""
    where: Mapping[str, tuple[Condition, ...]] = field(default_factory=dict)
    limit: int = 10
    false_rate: float = 0.05

    @property
    def kind(self) -> Kind:
        """The kind of the question."""
        return "text" if self.text else "picture"


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer.

    Attributes:
        hits: The hits, by the share of chance; those without one come last. All are shown, also those that do not match.
        asked: The streams that were asked.
    """

    hits: tuple[FoundItem, ...]
    asked: tuple[str, ...]

    @property
    def matching(self) -> tuple[FoundItem, ...]:
        """The hits that match; empty if nothing does."""
        return tuple(hit for hit in self.hits if hit.matches)


class Federation:
    """Searches several collections at once. It is used by one thread at a time.

    Args:
        sources: The collections.
        encoders: Return the vectors of texts for each source, by stream, with which what chance gives is measured.
        clock: Measures how long that is kept; None uses the system's clock.
    """

    def __init__(
        self, sources: Sequence[Source], encoders: Mapping[str, EncodeTexts], clock: Clock | None = None
    ) -> None:
        self._sources, self._encoders, self._clock = sources, encoders, clock or SystemClock()
        self._backgrounds: dict[str, Background] = {}
        self._kept: dict[object, tuple[float, _Measured]] = {}

    def find(self, question: Question) -> Answer:
        """Answer a question.

        Raises:
            Unavailable: the store cannot be read.
        """
        ranked = self.rank(question)
        return Answer(ranked.hits[: question.limit], ranked.asked)

    def find_like(self, questions: Sequence[Question], itself: tuple[str, str]) -> Answer:
        """Answer several questions about one stored item by one list: each hit counts by its best chance (late fusion).

        Args:
            questions: The questions, at least one: by its text, and by each of its pictures.
            itself: The stream and the source id of the item, which is not a hit.

        Raises:
            Unavailable: the store cannot be read.
        """
        answers = [self.rank(each) for each in questions]
        hits = sorted((hit for answer in answers for hit in answer.hits), key=_by_chance)
        others = [hit for hit in _each_once(hits) if (hit.stream, hit.source_id) != itself]
        asked = dict.fromkeys(name for answer in answers for name in answer.asked)
        return Answer(tuple(others[: questions[0].limit]), tuple(asked))

    def rank(self, question: Question) -> Answer:
        """Return all candidates of all sources, from each of them at least `question.limit` if it holds enough.

        Raises:
            Unavailable: the store cannot be read.
        """
        kind = question.kind
        asked = [each for each in self._sources if each.can(kind, question.vectors.get(each.stream, {}))]
        chances = self._chances_of(asked, question)
        hits: list[FoundItem] = []
        for source in asked:
            where = question.where.get(source.stream, ())
            own = Asked(question.tenant_id, question.vectors[source.stream], question.text, where)
            found = source.find(kind, own, question.limit)
            terms = source.shared_terms(question.text, found)
            for each, shared in zip(found, terms, strict=True):
                view, share = chances.of(source.stream, each)
                hits.append(_hit(source.stream, each, view, share, shared[:SHOWN_TERMS], question))
        hits.sort(key=_by_chance)
        return Answer(_each_once(hits), tuple(each.stream for each in asked))

    def _chances_of(self, asked: Sequence[Source], question: Question) -> "_Chances":
        """Return what chance gives for each source."""
        if question.kind == "picture":
            spaces: dict[str | None, list[Source]] = {}
            for each in asked:
                spaces.setdefault(each.image_space, []).append(each)
            pairs = {
                space: self._held(
                    ("picture", question.tenant_id, space, tuple(each.stream for each in own)),
                    partial(_of_pictures, own, question.tenant_id),
                )
                for space, own in spaces.items()
            }
            return _Chances({each.stream: pairs[each.image_space].fitted for each in asked}, 1.0)
        measured = {each.stream: self._of_texts(each, question) for each in asked}
        lowest = [each.lowest_shares() for each in measured.values() if each.fitted]
        count = effective_count(np.min(lowest, axis=0)) if lowest else 1.0
        return _Chances({name: each.fitted for name, each in measured.items()}, count)

    def _of_texts(self, source: Source, question: Question) -> "_Measured":
        where = question.where.get(source.stream, ())

        def measure() -> _Measured:
            if source.stream not in self._backgrounds:
                self._backgrounds[source.stream] = encoded(self._encoders[source.stream])
            best = source.best_of_each(self._backgrounds[source.stream], question.tenant_id, where)
            fitted = {name: fit_best(scores[np.isfinite(scores)]) for name, scores in best.items()}
            return _Measured({name: each for name, each in fitted.items() if each is not None}, best)

        return self._held(("text", question.tenant_id, source.stream, where), measure)

    def _held(self, key: object, measure: Callable[[], "_Measured"]) -> "_Measured":
        """Return what was measured less than `CHANCE_HOLDS_S` ago, or measure it."""
        now_s = self._clock.monotonic_s()
        held = self._kept.get(key)
        if held is None or held[0] <= now_s:
            held = (now_s + CHANCE_HOLDS_S, measure())
            while len(self._kept) >= CHANCES_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = held
        return held[1]


@dataclass(frozen=True, slots=True, eq=False)
class _Measured:
    """What chance gives in one source, or in all with the same model of pictures.

    Attributes:
        fitted: The distributions by method.
        best: For texts, the scores that they are fitted to, by method; see `Source.best_of_each`.
    """

    fitted: Mapping[str, ByChance]
    best: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def lowest_shares(self) -> NDArray[np.float64]:
        """Return the lowest share of chance of any method for each question of the background, shape (questions,)."""
        parts = {part for name in self.fitted for part in name.split("+") if "+" in name and part in PICTURE_METHODS}
        shares = [
            [1.0 if np.isnan(score) else chance.share(score) for score in self.best[name].tolist()]
            for name, chance in self.fitted.items()
            if name not in parts  # nearly all items are judged by it together with their text
        ]
        lowest: NDArray[np.float64] = np.array(shares, np.float64).min(axis=0)
        return lowest


@dataclass(frozen=True, slots=True, eq=False)
class _Chances:
    """What chance gives in the sources that are asked.

    Attributes:
        fitted: The distributions by stream and method.
        count: The number of independent methods that are compared; see `effective_count`.
    """

    fitted: Mapping[str, Mapping[str, ByChance]]
    count: float

    def of(self, stream: str, found: Scored) -> tuple[View, float | None]:
        """Return the view of a hit that chance gives least often, and how often; None if that is not known."""
        judged = [
            (any_of(chance.share(view.score), self.count), at)
            for at, view in enumerate(found.views)
            if (chance := self.fitted[stream].get(view.method)) is not None
        ]
        if not judged:
            return found.views[0], None
        share, at = min(judged)
        return found.views[at], share


def _of_pictures(sources: Sequence[Source], tenant_id: str) -> _Measured:
    """Return what chance gives for pictures, from pairs of stored pictures of all sources with the same model."""
    found = [rows for each in sources if (rows := each.pictures(tenant_id)).size]
    if not found:
        return _Measured({})
    rows = np.concatenate(found)
    cosines = (rows @ rows.T).astype(np.float64)
    fitted = fit_pairs(cosines[np.triu_indices(len(rows), 1)])
    return _Measured({} if fitted is None else {PICTURE_FACET.method: fitted})


def _by_chance(hit: FoundItem) -> tuple[bool, float, float, str, str]:
    """Return what hits are ordered by: those whose chance is not known come last."""
    return (hit.chance is None, hit.chance or 0.0, -hit.score, hit.stream, hit.source_id)


def _each_once(hits: Sequence[FoundItem]) -> tuple[FoundItem, ...]:
    """Return the best hit of each item: an item may be found by itself and by its pictures."""
    best: dict[tuple[str, str], FoundItem] = {}
    for hit in hits:
        best.setdefault((hit.stream, hit.source_id), hit)
    return tuple(best.values())


def _hit(
    stream: str, found: Scored, view: View, chance: float | None, shared: tuple[str, ...], question: Question
) -> FoundItem:
    card = found.card
    return FoundItem(
        stream=stream,
        source_id=found.source_id,
        title=card.title,
        score=view.score,
        method=view.method,
        parts=view.parts,
        lexical=view.lexical,
        chance=chance,
        matches=chance is not None and chance <= question.false_rate,
        shared_terms=shared,
        reasons=reasons_of(found, view, chance, shared),
        label=card.label,
        language=card.known_language,
        occurred_at=card.occurred_at,
        image_id=None if found.attached is None else found.attached.image_id,
        details=card.details if found.attached is None else {**card.details, "read_text": found.attached.read_text},
    )
