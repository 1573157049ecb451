"""Reads the queries that a search over several streams is evaluated with, and looks up what is relevant to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from millrace.federated import OpenSource
from millrace.ingest.fields import normal
from millrace.ingest.rows import Row
from millrace.ingest.table_files import TableFile
from millrace.streams import STREAMS
from schemas.points import point_id
from shared.errors import Fatal
from shared.text.language import detect_language

QUERY, IMAGE, RELEVANT, LANGUAGE = "query", "image", "relevant", "language"
COLUMNS = (QUERY, IMAGE, RELEVANT, LANGUAGE)
LOOKED_UP_AT_ONCE = 1_000

Item = tuple[str, str]
"""The stream of an item, and its id in its source system."""


@dataclass(frozen=True, slots=True)
class FoundQuery:
    """One query.

    Attributes:
        name: The file and the row, for errors.
        text: The words; empty for a picture.
        image: The picture; None for words.
        relevant: What is relevant: ids, or `stream:id`. Empty if nothing fits.
        language: The stated language, or else the one that is detected; None if it is uncertain, and for a picture.
    """

    name: str
    text: str
    image: Path | None
    relevant: tuple[str, ...]
    language: str | None


@dataclass(frozen=True, slots=True)
class Relevance:
    """What the searched collections hold of the relevant items.

    Attributes:
        queries: The queries that are measured.
        items: The items that are relevant to each of them; empty if nothing fits.
        unknown: Relevant ids that no searched collection holds for this tenant, in the order of the file.
        unsearched: Relevant ids of streams that are not searched.
        unanswerable: Number of queries that are left out, because none of their relevant items can be found.
    """

    queries: tuple[FoundQuery, ...]
    items: tuple[frozenset[Item], ...]
    unknown: tuple[str, ...]
    unsearched: tuple[str, ...]
    unanswerable: int


def read_found_queries(path: Path) -> list[FoundQuery]:
    """Read a file with the columns `relevant`, and `query` or `image` or both; `language` is optional.

    Raises:
        Fatal: the file cannot be read, a column is missing, or a row has no query or two of them.
    """
    rows = list(TableFile.open(path).sound_rows(COLUMNS))
    if not rows:
        raise Fatal(f"{path} holds no rows")
    return [_query(path, row) for row in rows]


def _query(path: Path, row: Row) -> FoundQuery:
    cells = {normal(column): value for column, value in row.cells.items()}
    name = f"{path}, {row.name}"
    if QUERY not in cells and IMAGE not in cells:
        raise Fatal(f"{name}: column {QUERY} or {IMAGE} is missing; the columns are {', '.join(row.cells)}")
    if RELEVANT not in cells:
        raise Fatal(f"{name}: column {RELEVANT} is missing; the columns are {', '.join(row.cells)}")
    if RELEVANT in map(normal, row.missing):
        raise Fatal(f"{name}: it ends before the column {RELEVANT}; if nothing fits, leave that cell empty")
    text, image = _cell(cells, QUERY), _cell(cells, IMAGE)
    if not text and not image:
        raise Fatal(f"{name}: the query is empty")
    if text and image:
        raise Fatal(f"{name}: it has both a {QUERY} and an {IMAGE}; give each a row of its own")
    language = _cell(cells, LANGUAGE) or (detect_language(text) if text else None)
    return FoundQuery(name, text, path.parent / image if image else None, _names(cells[RELEVANT]), language)


def find_relevant(queries: Sequence[FoundQuery], sources: Sequence[OpenSource], tenant_id: str) -> Relevance:
    """Look up the relevant items in the store. An id without a stream stands for the items of all streams that have it.

    Raises:
        Fatal: there is no query left to measure.
        Unavailable: the store cannot be read.
    """
    names = dict.fromkeys(name for query in queries for name in query.relevant)
    split = {name: _split(name) for name in names}
    held = {each.stream.name: _held(each, split.values(), tenant_id) for each in sources}
    found = {
        name: frozenset((own, source_id) for own in held if stream in (own, None) and source_id in held[own])
        for name, (stream, source_id) in split.items()
    }
    unsearched = tuple(name for name, (stream, _) in split.items() if stream is not None and stream not in held)
    items = [frozenset[Item]().union(*(found[name] for name in query.relevant)) for query in queries]
    kept = [at for at, query in enumerate(queries) if items[at] or not query.relevant]
    if not kept:
        raise Fatal(f"none of the {len(queries)} queries can be measured: the store holds none of their relevant items")
    return Relevance(
        queries=tuple(queries[at] for at in kept),
        items=tuple(items[at] for at in kept),
        unknown=tuple(name for name in names if not found[name] and name not in unsearched),
        unsearched=unsearched,
        unanswerable=len(queries) - len(kept),
    )


def _held(source: OpenSource, split: Any, tenant_id: str) -> frozenset[str]:
    """Return those of the ids whose items the collection of a stream holds; deleted ones are not held."""
    stream = source.stream
    wanted = {
        point_id(tenant_id, stream.points.stream, source_id): source_id
        for named, source_id in split
        if named in (stream.name, None)
    }
    ids, held = list(wanted), set[str]()
    fields = ("tenant_id", stream.id_field, "deleted")
    for begin in range(0, len(ids), LOOKED_UP_AT_ONCE):
        payloads = source.collection.payloads(ids[begin : begin + LOOKED_UP_AT_ONCE], fields)
        held |= {
            wanted[which]
            for which, payload in payloads.items()
            if stream.points.is_ours(which, payload) and payload.get("deleted") is not True
        }
    return frozenset(held)


def _split(name: str) -> tuple[str | None, str]:
    """Return the stream of `stream:id`, None if no stream is named, and the id."""
    stream, colon, source_id = name.partition(":")
    return (stream, source_id) if colon and stream in STREAMS else (None, name)


def _names(value: object) -> tuple[str, ...]:
    """Return the ids of a cell: separated by blanks, or a JSON list."""
    if isinstance(value, list):
        return tuple(str(each) for each in value)
    return () if value is None else tuple(str(value).split())


def _cell(cells: Mapping[str, Any], name: str) -> str:
    value = cells.get(name)
    return "" if value is None else str(value).strip()
