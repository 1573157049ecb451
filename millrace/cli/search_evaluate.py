"""`millrace search evaluate`: how well one search over several streams ranks, and how often nothing matches."""

import json as jsonlib
from pathlib import Path
from typing import Annotated

import typer

from millrace.cli.options import Json, load_settings, quiet
from millrace.cli.search import FALSE_RATE, SEARCHED, chosen_streams, open_chosen
from millrace.evaluation_display import print_evaluation
from millrace.federated import SearchModels, federation_of
from millrace.learning.found_evaluation import Asking, ask_queries, encode_queries, report_found
from millrace.learning.found_queries import find_relevant, read_found_queries
from millrace.resources import existing_store
from millrace.search_answers import only_tenant
from schemas.found import FOUND_LIMIT


def evaluate(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="CSV",
            help="File of queries, .csv, .xlsx or .jsonl. Columns: `query` (words) or `image` (path of a picture, relative "
            "to the file); `relevant`: ids separated by blanks, each an id of any stream or `stream:id`, empty if nothing "
            "fits; optional: `language`, which otherwise is detected.",
        ),
    ],
    stream: Annotated[
        str, typer.Option("--stream", help="What is searched: one or more of these names, separated by commas.")
    ] = ",".join(SEARCHED),
    tenant: Annotated[
        str | None, typer.Option("--tenant", help="Tenant whose items to search; optional if the store has only one.")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=10, max=FOUND_LIMIT, help="Hits of each list that are measured: the depth of MAP.")
    ] = FOUND_LIMIT,
    false_rate: Annotated[
        float,
        typer.Option(
            min=0.001, max=0.5, help="How often a query that fits nothing may get a match, as in `millrace search`."
        ),
    ] = FALSE_RATE,
    json: Json = False,
) -> None:
    """Measure the search in the configured store on queries with known relevant items, with 95 % intervals.

    Over the queries that something fits: recall at 1, 5 and 10 (relevant hits among the first k, divided by the smaller
    of k and the number of relevant items), precision at 5, MRR and nDCG over the first 10, and MAP over the first
    `--limit` hits, whether they match or not. The same for each stream, by its hits alone, and for each language.

    Then how often nothing matches: the share of fitting queries that are lost, the share of queries without anything
    relevant that get a match, and what would be lost if exactly the stated rate of them got one.
    """
    quiet()
    queries, settings, streams = read_found_queries(file), load_settings(), chosen_streams(stream)
    with existing_store(settings) as store:
        sources, left_out = open_chosen(store, streams, is_chosen=stream != ",".join(SEARCHED))
        asking = Asking(tenant or only_tenant([(each.stream, each.collection) for each in sources]), limit, false_rate)
        relevance = find_relevant(queries, sources, asking.tenant_id)
        models = SearchModels()
        encoded = encode_queries(relevance.queries, sources, models, settings)
        answers = ask_queries(federation_of(sources, models), relevance, encoded, asking)
    report = report_found(relevance, answers, false_rate)
    report |= {
        "tenant_id": asking.tenant_id,
        "limit": limit,
        "searched": [each.stream.name for each in sources],
        "left_out": left_out,
    }
    if json:
        typer.echo(jsonlib.dumps(report))
    print_evaluation(report, only_notes=json)
