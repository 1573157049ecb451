"""Asks the queries of an evaluation, and measures the list of all hits, the hits of each stream, and what matches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from millrace.bars import bar
from millrace.federated import OpenSource, SearchModels, encode_pictures, encode_texts, prepared
from millrace.learning.found_queries import FoundQuery, Item, Relevance
from schemas.found import FoundItem
from shared.errors import Fatal
from shared.records import Vector
from shared.search.federated.federation import Federation, Question
from shared.search.tuning.measures import measure_more, summarise
from shared.search.tuning.no_match import Judged, measure_no_match
from shared.settings import Settings
from shared.slices import Flags, column_slices

TEXTS_AT_ONCE = 64
"""Queries in one call of a model."""

SHOWN_UNKNOWN = 5
KINDS = ("words", "pictures")

Vectors = dict[str, dict[str, Vector]]
"""The vectors of one query for each stream, each by how it is asked; see `Question.vectors`."""


@dataclass(frozen=True, slots=True)
class Asking:
    """How queries are asked.

    Attributes:
        tenant_id: The tenant whose items are searched.
        limit: The number of hits of each list that are measured.
        false_rate: How often a query that fits nothing may get a match.
    """

    tenant_id: str
    limit: int
    false_rate: float


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What was found for some queries; lists of hits that are shorter than the limit are padded with False.

    Attributes:
        relevant: Shape (queries, limit): whether the hit at each rank is relevant.
        by_stream: The same for the hits of each stream alone.
        judged: What was judged of each query.
    """

    relevant: Flags
    by_stream: Mapping[str, Flags]
    judged: Judged


@dataclass(frozen=True, slots=True)
class Encoded:
    """Queries with their vectors, in order.

    Attributes:
        texts: The prepared texts; empty for pictures.
        vectors: The vectors.
    """

    texts: list[str] = field(default_factory=list)
    vectors: list[Vectors] = field(default_factory=list)


def encode_queries(
    queries: Sequence[FoundQuery], sources: Sequence[OpenSource], models: SearchModels, settings: Settings
) -> Encoded:
    """Return the vectors of queries, with a progress bar.

    Raises:
        Fatal: a picture cannot be read, preparation leaves nothing of a text, or a model cannot be loaded.
    """
    worded = [at for at, query in enumerate(queries) if query.image is None]
    files = {query.name: query.image for query in queries if query.image is not None}
    encoded = Encoded([""] * len(queries), [{} for _ in queries])
    for at in worded:
        encoded.texts[at] = prepared(sources[0], queries[at].text)
        if not encoded.texts[at]:
            raise Fatal(f"{queries[at].name}: preparation removes all of the query")
    with bar("embedding queries", len(queries)) as advance:
        for begin in range(0, len(worded), TEXTS_AT_ONCE):
            batch = worded[begin : begin + TEXTS_AT_ONCE]
            for source in sources:
                rows = encode_texts(source, models, [queries[at].text for at in batch])
                for place, at in enumerate(batch):
                    encoded.vectors[at][source.stream.name] = {asked: each[place] for asked, each in rows.items()}
            advance(len(batch))
        pictures = encode_pictures(sources, models, files, settings, advance) if files else {}
    for at, query in enumerate(queries):
        if query.name in pictures:
            if not pictures[query.name]:
                raise Fatal(f"{query.name}: {_named(sources)} have no vectors of pictures")
            encoded.vectors[at] = {stream: {"picture": each} for stream, each in pictures[query.name].items()}
    return encoded


def ask_queries(federation: Federation, relevance: Relevance, encoded: Encoded, asking: Asking) -> Answers:
    """Ask all queries, with a progress bar.

    Raises:
        Unavailable: the store cannot be read.
    """
    count, streams = len(relevance.queries), {stream for items in relevance.items for stream, _ in items}
    relevant = np.zeros((count, asking.limit), np.bool_)
    by_stream = {stream: np.zeros((count, asking.limit), np.bool_) for stream in sorted(streams)}
    lowest, found = np.full(count, np.inf), np.zeros(count, np.bool_)
    with bar("searching", count) as advance:
        for at, items in enumerate(relevance.items):
            question = Question(
                asking.tenant_id,
                encoded.vectors[at],
                encoded.texts[at],
                limit=asking.limit,
                false_rate=asking.false_rate,
            )
            hits = list(federation.rank(question).hits)
            if hits and hits[0].chance is not None:
                lowest[at] = hits[0].chance
            _mark(relevant[at], hits, items)
            for stream, rows in by_stream.items():
                _mark(rows[at], [hit for hit in hits if hit.stream == stream], items)
            found[at] = any(hit.matches and _item(hit) in items for hit in hits[: asking.limit])
            advance(1)
    fits = np.array([bool(items) for items in relevance.items], np.bool_)
    return Answers(relevant, by_stream, Judged(lowest, fits, found))


def report_found(relevance: Relevance, answers: Answers, false_rate: float) -> dict[str, Any]:
    """Return all figures by name: those of the ranking, of each stream and slice, and how often nothing matches.

    The ranking is measured on the queries that something fits, a stream on those with a relevant item in it, by the hits
    of that stream alone. See `measure_more` for the metrics, and `measure_no_match` for what matches.
    """
    queries, fits = relevance.queries, answers.judged.fits
    wanted = np.array([len(items) for items in relevance.items], np.int64)
    kinds = {kind: np.array([_kind(query) == kind for query in queries], np.bool_) for kind in KINDS}
    slices = column_slices({"language": [query.language for query in queries]})
    if all(inside.any() for inside in kinds.values()):
        slices |= kinds
    measured = {name: _ranking(answers.relevant, wanted, inside & fits) for name, inside in slices.items()}
    return {
        "queries": len(queries),
        "unanswerable": relevance.unanswerable,
        "unknown_relevant": len(relevance.unknown),
        "unknown_examples": list(relevance.unknown[:SHOWN_UNKNOWN]),
        "unsearched_relevant": len(relevance.unsearched),
        "ranking": _ranking(answers.relevant, wanted, fits),
        "streams": {name: _of_stream(name, rows, relevance) for name, rows in answers.by_stream.items()},
        "slices": {name: found for name, found in measured.items() if found is not None},
        "no_match": {
            kind: measure_no_match(answers.judged.part(inside), false_rate)
            for kind, inside in kinds.items()
            if inside.any()
        },
    }


def _of_stream(stream: str, rows: Flags, relevance: Relevance) -> dict[str, Any] | None:
    wanted = np.array([sum(own == stream for own, _ in items) for items in relevance.items], np.int64)
    return _ranking(rows, wanted, wanted > 0)


def _ranking(relevant: Flags, wanted: NDArray[np.int64], inside: Flags) -> dict[str, Any] | None:
    """Return the metrics of some queries, to each of which something is relevant; None without such a query."""
    if not inside.any():
        return None
    return {"queries": int(inside.sum()), **summarise(measure_more(relevant[inside], wanted[inside]))}


def _mark(row: Flags, hits: Sequence[FoundItem], items: frozenset[Item]) -> None:
    for rank, hit in enumerate(hits[: len(row)]):
        row[rank] = _item(hit) in items


def _item(hit: FoundItem) -> Item:
    return hit.stream, hit.source_id


def _kind(query: FoundQuery) -> str:
    return KINDS[0] if query.image is None else KINDS[1]


def _named(sources: Sequence[OpenSource]) -> str:
    return ", ".join(each.stream.name for each in sources)
