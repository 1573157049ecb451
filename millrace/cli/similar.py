"""`millrace similar`: ask, evaluate, tune."""

import json as jsonlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from millrace.bars import bar
from millrace.cli.options import DEFAULT_STREAM, Json, load_settings, load_stream_settings, quiet, require_stream
from millrace.cli.where import Where, read_where_of
from millrace.configured import collection_spec, model_card
from millrace.customer_key import customer_key
from millrace.learning.labelled_files import embed
from millrace.learning.search_weights import (
    Corpus,
    Queries,
    build_table,
    distinct_texts,
    evaluate_search,
    read_corpus,
    read_queries,
    tune_search,
)
from millrace.resources import load_text_model, open_collection
from millrace.search_answers import TextAsked, ask, only_tenant, print_found, print_metrics, searching
from millrace.sound_answers import SoundAsked, find_sounding_alike, print_sounding_alike
from millrace.streams import DEFAULT, STREAMS
from schemas.search import SIMILAR_LIMIT, SimilarItem
from shared.engine.stream import Stream
from shared.search.tuning.weights import ScoreTable, Weights
from shared.settings import variable
from shared.stream_settings import StreamSettings
from shared.text.customers import CustomerIds
from shared.text.preparation import Preparer

PIPED_COLUMNS = 140


class By(StrEnum):
    """What is compared."""

    TEXT = "text"
    SOUND = "sound"


SOUNDING = [name for name, stream in STREAMS.items() if stream.sound is not None]
SEARCHED = [name for name, stream in STREAMS.items() if stream.searchable is not None]

CorpusFile = Annotated[
    Path,
    typer.Option("--corpus", help="File to search, .csv or .jsonl: columns id and text; optional: label, resolution."),
]
QueriesFile = Annotated[
    Path,
    typer.Option(
        "--queries",
        help="File of queries: columns text and either relevant (ids separated by blanks) or label; optional: id, the "
        "query's id in the corpus, if it is there too: that text does not count as a hit.",
    ),
]
Slices = Annotated[
    list[str] | None,
    typer.Option(
        "--slice",
        metavar="COLUMN",
        help="Column of the queries, or attribute in a column attributes, whose values are measured separately; may be "
        "repeated. Length, tenant, channel and language (detected if there is no such column) always are.",
    ),
]

app = typer.Typer(
    rich_markup_mode="markdown",
    help="Similar solved tickets and calls: search the store, or evaluate and tune the ranking on labelled files.",
)


@dataclass(frozen=True, slots=True)
class Labelled:
    """The corpus and the queries from two files, and the hits of the queries in the corpus."""

    own: StreamSettings
    corpus: Corpus
    queries: Queries
    table: ScoreTable


@app.callback(invoke_without_command=True)
def similar(
    context: typer.Context,
    text: Annotated[
        str | None, typer.Option("--text", help="The text of a new ticket or a call; similar items are shown.")
    ] = None,
    stream: Annotated[
        str | None,
        typer.Option(
            "--stream",
            help=f"What is searched: {', '.join(SEARCHED)} (solved tickets, finished calls). Default: {DEFAULT_STREAM}; by "
            f"sound: {SOUNDING[0]}.",
        ),
    ] = None,
    by: Annotated[
        By,
        typer.Option(
            help="What is compared: `text` finds what is about the same, `sound` recordings of similar voices and lines."
        ),
    ] = By.TEXT,
    file: Annotated[
        Path | None, typer.Option("--file", help="With --by sound: the recording that others are compared with.")
    ] = None,
    tenant: Annotated[
        str | None, typer.Option("--tenant", help="Tenant whose items to search; optional if the store has only one.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1, max=SIMILAR_LIMIT, help="Maximum number of hits; by default that of the setting search.limit."
        ),
    ] = None,
    where: Where = None,
    customer: Annotated[
        str | None, typer.Option(help="The customer who asks; hits of the same customer are marked.")
    ] = None,
    json: Json = False,
) -> None:
    """Find solved tickets, with a reply quoted from their resolutions, or finished calls: by a text or by sound."""
    quiet()
    if context.invoked_subcommand is not None:
        return
    if (text is None) is (by is By.TEXT) or (file is None) is (by is By.SOUND):
        given = "with --by sound, give --file and no --text"
        raise typer.BadParameter(f"give --text, or use one of the commands evaluate and tune; {given}")
    if customer is not None and by is By.SOUND:
        raise typer.BadParameter("--customer needs --text")
    searched = require_stream(stream or (DEFAULT_STREAM if by is By.TEXT else SOUNDING[0]))
    own = load_stream_settings(searched)
    conditions = read_where_of(where, searched.name, own)
    if text is not None:
        _answer_by_text(searched, own, TextAsked(tenant, text, customer, conditions, limit), json)
    elif file is not None:
        _answer_by_sound(searched, own, SoundAsked(file, tenant, conditions, limit), json)


def _answer_by_text(searched: Stream[Any, Any], own: StreamSettings, given: TextAsked, json: bool) -> None:
    """Search and print; text, customer and tenant are as they were given."""
    settings = load_settings()
    with open_collection(settings, searched.name, collection_spec(own, searched).name) as collection:
        whose = given.tenant_id or only_tenant([(searched, collection)])
        customers = CustomerIds(customer_key(settings), _region(own))
        known = None if given.customer_id is None else customers.stored(whose, given.customer_id)
        asked = replace(given, tenant_id=whose, text=_prepare(own)(given.text), customer_id=known)
        found = ask(searching(searched, collection, own.search), load_text_model(own), asked)
    if json:
        reply = None if found.reply is None else found.reply.model_dump(mode="json")
        left_out = None if found.left_out is None else found.left_out.model_dump()
        _echo_hits(whose, found.similar, similar_left_out=left_out, suggested_reply=reply)
    else:
        print_found(Console(highlight=False), found, own.search, asked, searched)


def _answer_by_sound(searched: Stream[Any, Any], own: StreamSettings, asked: SoundAsked, json: bool) -> None:
    whose, hits = find_sounding_alike(searched, own, load_settings(), asked)
    if json:
        _echo_hits(whose, hits, without=frozenset({"parts", "shared_terms", "other_language", "same_customer"}))
    else:
        print_sounding_alike(Console(highlight=False), hits)


def _echo_hits(
    tenant_id: str, hits: Sequence[SimilarItem], without: frozenset[str] = frozenset(), **more: object
) -> None:
    shown = [hit.model_dump(mode="json", exclude=set(without)) for hit in hits]
    typer.echo(jsonlib.dumps({"tenant_id": tenant_id, "similar": shown, **more}))


@app.command("evaluate")
def run_evaluate(corpus: CorpusFile, queries: QueriesFile, slices: Slices = None, json: Json = False) -> None:
    """Compare the configured ranking with each of its parts alone, with 95 % intervals, overall and for each slice.

    Age is ignored, and duplicates are not merged. Recall at k is the number of relevant texts among the first k hits,
    divided by the smaller of k and the number of relevant texts. A slice is named as worse if its MRR is lower than
    that of random queries by more than chance explains: permutation test at 5 %, with Holm's correction.
    """
    labelled = _read(corpus, queries, slices or ())
    weights = Weights(labelled.own.search.bm25_weight, labelled.own.search.resolution_weight)
    _print(evaluate_search(labelled.table, labelled.corpus, labelled.queries, weights), json)


@app.command("tune")
def run_tune(corpus: CorpusFile, queries: QueriesFile, slices: Slices = None, json: Json = False) -> None:
    """Find the weights of BM25 and resolutions with the best nDCG among those that are never worse than a part alone.

    Parts are the text's cosine, BM25 and the resolution's cosine. If each ranking falls more than 0.002 below one of
    them, overall or on a slice of 50 queries or more, the best part alone is chosen. First, weights are chosen on one
    half of the queries and measured on the other half; then some are chosen on all queries.
    """
    labelled = _read(corpus, queries, slices or ())
    found = tune_search(labelled.table, labelled.corpus, labelled.queries)
    _print(found, json)
    if not json:
        held_out = found["held_out"]
        title = f"{_weights(held_out)}: chosen on one half of the queries, measured on the other half"
        print_metrics(_console(), held_out, title)
        if found["alone"] is not None:
            typer.echo(f"Every fused ranking falls more than 0.002 below a part alone. {found['alone']} alone is used:")
        elif not found["never_below"]:
            typer.echo("No weights are at least as good as each part alone on every metric. These lose at most 0.002:")
        for name in ("bm25_weight", "resolution_weight"):
            if found[name] is not None:
                typer.echo(f"{variable(DEFAULT.name, 'search', name)}={found[name]:g}")


def _weights(found: dict[str, Any]) -> str:
    resolution = found["resolution_weight"]
    beside = ", no resolutions" if resolution is None else f", of resolutions {resolution:g}"
    return f"weight of BM25 {found['bm25_weight']:g}{beside}"


def _read(corpus_file: Path, queries_file: Path, slices: Sequence[str]) -> Labelled:
    own = load_stream_settings(DEFAULT)
    prepare = _prepare(own)
    corpus = read_corpus(corpus_file, prepare)
    queries = read_queries(queries_file, corpus, prepare, slices)
    model = load_text_model(own)
    texts = distinct_texts(corpus, queries)
    with bar("embedding", len(texts)) as advance:
        vectors = embed(model, texts, advance)
    table = build_table(corpus, queries, vectors, own.search.candidates)
    return Labelled(own, corpus, queries, table)


def _region(own: StreamSettings) -> str:
    return model_card(own).preparation.phone_region


def _prepare(own: StreamSettings) -> Callable[[str], str]:
    """Return a function that prepares a text as the worker does."""
    preparer = Preparer(model_card(own).preparation)
    return lambda text: preparer.embedded("", text)


def _print(found: dict[str, Any], json: bool) -> None:
    if found["unknown_relevant"]:
        names = ", ".join(found["unknown_examples"])
        typer.echo(f"{found['unknown_relevant']} relevant ids are not in the corpus: {names}", err=True)
    if found["unanswerable"]:
        typer.echo(f"left out {found['unanswerable']} queries: nothing in the corpus is relevant to them", err=True)
    if json:
        typer.echo(jsonlib.dumps(found))
    else:
        title = f"{found['queries']} queries, {found['corpus']} texts, {_weights(found)}"
        print_metrics(_console(), found, title)


def _console() -> Console:
    """Return a console that is wide enough for the table even if the output is piped."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PIPED_COLUMNS)
