"""`millrace similar`: ask, evaluate, tune."""

import json as jsonlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from millrace.bars import bar
from millrace.cli.options import Json, load_settings, load_stream_settings, quiet
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
from millrace.resources import load_text_model, model_card, open_collection
from millrace.search_answers import ask, only_tenant, print_found, print_metrics, searching
from millrace.streams import DEFAULT
from shared.search.tuning.weights import ScoreTable
from shared.settings import variable
from shared.stream_settings import StreamSettings
from shared.text.preparation import Preparer

PIPED_COLUMNS = 140

CorpusFile = Annotated[
    Path, typer.Option("--corpus", help="File to search, .csv or .jsonl: columns id and text, optionally label.")
]
QueriesFile = Annotated[
    Path,
    typer.Option(
        "--queries",
        help="File of queries: columns text and either relevant (ids separated by blanks) or label; optional "
        "columns: language; id, the query's id in the corpus, if it is there too: that text does not count as a hit.",
    ),
]

app = typer.Typer(
    rich_markup_mode="markdown",
    help="Similar solved tickets: search the store, or evaluate and tune the ranking on labelled files.",
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
        str | None, typer.Option("--text", help="The text of a new ticket; similar solved tickets are shown.")
    ] = None,
    tenant: Annotated[
        str | None, typer.Option("--tenant", help="Tenant whose tickets to search; optional if the store has only one.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, max=5, help="Maximum number of tickets.")] = None,
    json: Json = False,
) -> None:
    """Find solved tickets similar to a text, with the parts of their scores and a reply quoted from resolutions."""
    quiet()
    if context.invoked_subcommand is not None:
        return
    if text is None:
        raise typer.BadParameter("give --text, or use one of the commands evaluate and tune")
    settings, own = load_settings(), load_stream_settings(DEFAULT)
    wanted = own.search if limit is None else own.search.model_copy(update={"limit": limit})
    with open_collection(settings, DEFAULT.name) as collection:
        whose = tenant or only_tenant(DEFAULT, collection)
        search = searching(DEFAULT, collection, wanted)
        found = ask(search, load_text_model(own), whose, _prepare(own)(text))
    if json:
        reply = None if found.reply is None else found.reply.model_dump(mode="json")
        hits = [ticket.model_dump(mode="json") for ticket in found.similar]
        left_out = None if found.solved is None else found.solved.left_out.model_dump()
        answer = {"tenant_id": whose, "similar": hits, "similar_left_out": left_out, "suggested_reply": reply}
        typer.echo(jsonlib.dumps(answer))
    else:
        print_found(Console(highlight=False), found, wanted, whose)


@app.command("evaluate")
def run_evaluate(corpus: CorpusFile, queries: QueriesFile, json: Json = False) -> None:
    """Compare the configured ranking with cosine alone and BM25 alone, with 95 % intervals, by length and language.

    Age is ignored, and duplicates are not merged. Recall at k is the number of relevant texts among the first k hits,
    divided by the smaller of k and the number of relevant texts.
    """
    labelled = _read(corpus, queries)
    found = evaluate_search(labelled.table, labelled.corpus, labelled.queries, labelled.own.search.bm25_weight)
    _print(found, json)


@app.command("tune")
def run_tune(corpus: CorpusFile, queries: QueriesFile, json: Json = False) -> None:
    """Find the weight of BM25 with the best nDCG that is on no metric worse than cosine alone or BM25 alone.

    First, a weight is chosen on one half of the queries and measured on the other half; then one is chosen on all
    queries.
    """
    labelled = _read(corpus, queries)
    found = tune_search(labelled.table, labelled.corpus, labelled.queries)
    _print(found, json)
    if not json:
        held_out = found["held_out"]
        title = f"weight {held_out['bm25_weight']:g}: chosen on one half of the queries, measured on the other half"
        print_metrics(_console(), held_out, title)
        if not found["never_below"]:
            typer.echo(
                "No weight is at least as good as cosine alone and BM25 alone on every metric. This one loses least:"
            )
        typer.echo(f"{variable(DEFAULT.name, 'search', 'bm25_weight')}={found['bm25_weight']:g}")


def _read(corpus_file: Path, queries_file: Path) -> Labelled:
    own = load_stream_settings(DEFAULT)
    prepare = _prepare(own)
    corpus = read_corpus(corpus_file, prepare)
    queries = read_queries(queries_file, corpus, prepare)
    model = load_text_model(own)
    texts = distinct_texts(corpus, queries)
    with bar("embedding", len(texts)) as advance:
        vectors = embed(model, texts, advance)
    table = build_table(corpus, queries, vectors, own.search.candidates)
    return Labelled(own, corpus, queries, table)


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
        title = f"{found['queries']} queries, {found['corpus']} texts, weight of BM25 {found['bm25_weight']:g}"
        print_metrics(_console(), found, title)


def _console() -> Console:
    """Return a console that is wide enough for the table even if the output is piped."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PIPED_COLUMNS)
