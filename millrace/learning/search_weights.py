"""Evaluates and tunes the search for similar tickets on files, with the real store in a temporary folder."""

import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np

from millrace.ingest.fields import normal
from millrace.ingest.table_files import TableFile
from millrace.learning.labelled_files import slice_columns
from shared.errors import Fatal
from shared.records import Point, Vector
from shared.search.similar import TERMS_VECTOR
from shared.search.tuning.weights import ScoreTable, Weights, choose_weights, split_queries, tuning_report
from shared.slices import column_slices, length_slices
from shared.text.language import detect_language
from shared.vectorstore.edge.store import EdgeStore
from shared.vectorstore.port import VERSION_FIELD, Candidate, Collection, CollectionSpec, HybridQuery, Query
from shared.vectorstore.terms import Terms

Row = dict[str, Any]
"""Normalised name of a column -> value."""

TEXT, RESOLUTION = "text", "resolution"
ASKED_AT_ONCE = 64
UPSERTED_AT_ONCE = 512
SHOWN_UNKNOWN = 5
COLUMNS = ("id", "text", "label", "relevant", "resolution")
"""The columns that the two files may have, besides those of the slices."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """The texts that are searched; a resolution is empty if a text has none."""

    ids: Sequence[str]
    texts: Sequence[str]
    labels: Sequence[str | None]
    resolutions: Sequence[str]


@dataclass(frozen=True, slots=True)
class Queries:
    """The query texts, each with its relevant corpus texts.

    Attributes:
        texts: The query texts.
        ids: The id of each query's own text in the corpus, which is not counted as a hit; None if it has no id.
        relevant: The positions in the corpus of each query's relevant texts.
        columns: Name of a column that forms slices -> its value in each query; `language (detected)` if the file has no
            column `language`.
        unknown: Relevant ids that the corpus does not contain.
        unanswerable: Number of queries that were left out because nothing in the corpus is relevant to them.
    """

    texts: Sequence[str]
    ids: Sequence[str | None]
    relevant: Sequence[frozenset[int]]
    columns: Mapping[str, Sequence[str | None]]
    unknown: Sequence[str] = field(default_factory=tuple)
    unanswerable: int = 0


def read_corpus(path: Path, prepare: Callable[[str], str]) -> Corpus:
    """Read a corpus file with the columns `id` and `text`, and optionally `label` and `resolution`.

    Raises:
        Fatal: the file cannot be read, a column is missing, or an id occurs twice.
    """
    rows = _rows(path, ("id", "text"))
    ids = [str(row["id"]) for row in rows]
    twice = [name for name, count in Counter(ids).items() if count > 1]
    if twice:
        raise Fatal(f"{path}: id {twice[0]} occurs more than once; give each text its own id")
    resolutions = [prepare(_cell(row, "resolution") or "") for row in rows]
    return Corpus(ids, _prepared(path, rows, prepare), [_cell(row, "label") for row in rows], resolutions)


def read_queries(path: Path, corpus: Corpus, prepare: Callable[[str], str], slices: Sequence[str] = ()) -> Queries:
    """Read a query file: `text`, either `relevant` (ids separated by blanks) or `label`, and optionally `id`.

    Args:
        path: The file.
        corpus: The texts that are searched.
        prepare: Prepares a text as the worker does.
        slices: Columns, or names in a column `attributes`, that form slices besides `SLICED`.

    Raises:
        Fatal: the file cannot be read, a column is missing, or no query has anything relevant in the corpus.
    """
    rows = _rows(path, ("text",))
    by_id = {name: place for place, name in enumerate(corpus.ids)}
    by_label: dict[str, set[int]] = {}
    for place, label in enumerate(corpus.labels):
        by_label.setdefault(label or "", set()).add(place)
    if "relevant" not in rows[0] and "label" not in rows[0]:
        raise Fatal(f"{path}: column relevant or label is missing; the columns are {', '.join(rows[0])}")
    if "relevant" not in rows[0] and set(by_label) == {""}:
        raise Fatal(f"{path} names labels, but the corpus has no labels: add a column label to the corpus")
    named = [_names(row.get("relevant")) for row in rows]
    unknown = tuple(dict.fromkeys(name for names in named for name in names if name not in by_id))
    relevant = []
    for row, names in zip(rows, named, strict=True):
        label = _cell(row, "label") if "relevant" not in row else None
        places = {by_id[name] for name in names if name in by_id} | (by_label.get(label, set()) if label else set())
        relevant.append(frozenset(places - {by_id.get(_cell(row, "id") or "", -1)}))
    kept = [(row, places) for row, places in zip(rows, relevant, strict=True) if places]
    if not kept:
        raise Fatal(f"{path}: nothing in the corpus is relevant to any of its {len(rows)} queries")
    texts = _prepared(path, [row for row, _ in kept], prepare)
    columns = slice_columns(path, tuple(kept[0][0]), slices, lambda name: _values([row for row, _ in kept], name))
    if "language" not in columns:
        columns["language (detected)"] = [detect_language(text) for text in texts]
    return Queries(
        texts=texts,
        ids=[_cell(row, "id") for row, _ in kept],
        relevant=[places for _, places in kept],
        columns=columns,
        unknown=unknown,
        unanswerable=len(rows) - len(kept),
    )


def distinct_texts(corpus: Corpus, queries: Queries) -> list[str]:
    """Return every distinct text and resolution once, for the progress bar and the model."""
    return list(dict.fromkeys([*corpus.texts, *filter(None, corpus.resolutions), *queries.texts]))


def build_table(corpus: Corpus, queries: Queries, vectors: dict[str, Vector], candidates: int) -> ScoreTable:
    """Index the corpus, run every query, and return the hits with all scores.

    Args:
        corpus: The texts to index.
        queries: The queries to run.
        vectors: Text -> vector.
        candidates: Number of hits by each vector, and number of hits by BM25.
    """
    terms = Terms()
    dim = next(iter(vectors.values())).shape[0]
    named = {TEXT: dim} | ({RESOLUTION: dim} if any(corpus.resolutions) else {})
    spec = CollectionSpec(alias="corpus", name="corpus", vectors=named, sparse=(TERMS_VECTOR,))
    with tempfile.TemporaryDirectory(prefix="millrace-retrieval-") as folder, closing(EdgeStore(Path(folder))) as store:
        collection = store.open(spec)
        for start in range(0, len(corpus.ids), UPSERTED_AT_ONCE):
            places = range(start, min(start + UPSERTED_AT_ONCE, len(corpus.ids)))
            collection.upsert([_point(place, corpus, vectors, terms) for place in places])
        second = RESOLUTION if RESOLUTION in named else None
        asked = [
            HybridQuery(Query(vectors[text], TEXT, candidates + 1), terms.of_query(text), TERMS_VECTOR, second)
            for text in queries.texts
        ]
        found = _without_themselves(corpus, queries, _ask(collection, asked))
    return _table(queries, found, [query.terms.indices.size for query in asked])


def evaluate_search(table: ScoreTable, corpus: Corpus, queries: Queries, weights: Weights) -> dict[str, Any]:
    """Return the metrics of the fused ranking and of each of its parts alone, as the command prints them."""
    return {**_counts(corpus, queries), **_named(table, weights), **tuning_report(table, weights)}


def tune_search(table: ScoreTable, corpus: Corpus, queries: Queries) -> dict[str, Any]:
    """Choose weights on one half of the queries and measure them on the other; then choose some on all, for use.

    Raises:
        Fatal: there is only one query.
    """
    if len(queries.texts) == 1:
        raise Fatal(
            "one query cannot be split into two halves: give more queries with something relevant in the corpus"
        )
    one, other = split_queries(table)
    chosen = choose_weights(one).weights
    held_out = {**_named(other, chosen), "queries": len(other.wanted), **tuning_report(other, chosen)}
    choice = choose_weights(table)
    return {
        **evaluate_search(table, corpus, queries, choice.weights),
        "never_below": choice.never_below,
        "alone": choice.alone,
        "held_out": held_out,
    }


def _named(table: ScoreTable, weights: Weights) -> dict[str, float | None]:
    """Return the weights by the names of their settings: None for resolutions that the corpus does not have."""
    resolution = weights.resolution if "resolution" in table.parts else None
    return {"bm25_weight": weights.bm25, "resolution_weight": resolution}


def _values(rows: Sequence[Row], name: str) -> list[str | None]:
    """Return the value of a column, or of an attribute of that name, in each row."""
    cells = [row if normal(name) in row else _attributes(row) for row in rows]
    return [_cell(each, normal(name) if normal(name) in each else name) for each in cells]


def _attributes(row: Row) -> Row:
    found = row.get("attributes")
    return found if isinstance(found, dict) else {}


def _rows(path: Path, needed: Sequence[str]) -> list[Row]:
    found = list(TableFile.open(path).sound_rows(COLUMNS))
    if not found:
        raise Fatal(f"{path} holds no rows")
    rows = [{normal(column): value for column, value in row.cells.items()} for row in found]
    for row, named in zip(found, rows, strict=True):
        missing = [name for name in needed if named.get(name) is None or not str(named[name]).strip()]
        if missing and missing[0] in named:
            raise Fatal(f"{path}, {row.name}: the column {missing[0]} is empty")
        if missing:
            raise Fatal(f"{path}, {row.name}: column {missing[0]} is missing; the columns are {', '.join(row.cells)}")
    return rows


def _prepared(path: Path, rows: Sequence[Row], prepare: Callable[[str], str]) -> list[str]:
    texts = [prepare(str(row["text"])) for row in rows]
    if not any(texts):
        raise Fatal(
            f"{path}: preparation removed all content from all {len(texts)} texts, so none can be embedded; "
            "`millrace prepare` shows what is cut from a text"
        )
    return texts


def _names(value: object) -> list[str]:
    """Return the ids of a cell: separated by blanks, or a JSON list."""
    return [str(each) for each in value] if isinstance(value, list) else str(value or "").split()


def _cell(row: Row, name: str) -> str | None:
    value = row.get(name)
    return None if value is None or value == "" else str(value)


def _point(place: int, corpus: Corpus, vectors: dict[str, Vector], terms: Terms) -> Point:
    text, resolution = corpus.texts[place], corpus.resolutions[place]
    named = {TEXT: vectors[text]} | ({RESOLUTION: vectors[resolution]} if resolution else {})
    return Point(UUID(int=place), 1, named, {VERSION_FIELD: 1}, {TERMS_VECTOR: terms.of_document(text)})


def _ask(collection: Collection, asked: Sequence[HybridQuery]) -> list[list[Candidate]]:
    found: list[list[Candidate]] = []
    for start in range(0, len(asked), ASKED_AT_ONCE):
        found += collection.candidates(asked[start : start + ASKED_AT_ONCE])
    return found


def _without_themselves(
    corpus: Corpus, queries: Queries, found: Sequence[Sequence[Candidate]]
) -> list[list[Candidate]]:
    by_id = {name: UUID(int=place) for place, name in enumerate(corpus.ids)}
    own = [by_id.get(name or "") for name in queries.ids]
    return [[hit for hit in hits if hit.id != itself] for hits, itself in zip(found, own, strict=True)]


def _table(queries: Queries, found: Sequence[Sequence[Candidate]], terms: Sequence[int]) -> ScoreTable:
    shape = (len(found), max(1, *(len(hits) for hits in found)))
    dense, bm25, resolution = np.zeros(shape), np.zeros(shape), np.full(shape, np.nan)
    relevant, is_hit = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
    for row, hits in enumerate(found):
        here = slice(0, len(hits))
        dense[row, here] = [hit.dense for hit in hits]
        bm25[row, here] = [hit.bm25 for hit in hits]
        resolution[row, here] = [np.nan if hit.second is None else hit.second for hit in hits]
        relevant[row, here] = [hit.id.int in queries.relevant[row] for hit in hits]
        is_hit[row, here] = True
    wanted = np.array([len(places) for places in queries.relevant], np.int64)
    slices = {**length_slices(queries.texts), **column_slices(queries.columns)}
    return ScoreTable(dense, bm25, resolution, relevant, is_hit, wanted, np.array(terms, np.int64), slices)


def _counts(corpus: Corpus, queries: Queries) -> dict[str, Any]:
    return {
        "queries": len(queries.texts),
        "corpus": len(corpus.ids),
        "unanswerable": queries.unanswerable,
        "unknown_relevant": len(queries.unknown),
        "unknown_examples": list(queries.unknown[:SHOWN_UNKNOWN]),
    }
