"""Prints the evaluation of one search over several streams; notes on what was left out go to standard error."""

from collections.abc import Mapping
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shared.search.tuning.measures import MORE_METRICS

PIPED_COLUMNS = 120
TITLES = {
    "recall_at_1": "recall@1",
    "recall_at_5": "recall@5",
    "recall_at_10": "recall@10",
    "precision_at_5": "precision@5",
    "mrr": "MRR@10",
    "ndcg_at_10": "nDCG@10",
}
"""The metrics as they are shown; the title of MAP depends on the depth."""


def print_evaluation(report: Mapping[str, Any], only_notes: bool) -> None:
    """Print an evaluation.

    Args:
        report: The report of `millrace.learning.found_evaluation.report_found`, with the fields of the command.
        only_notes: Whether only the notes are printed, because the report itself is printed as JSON.
    """
    for note in _notes(report):
        typer.echo(note, err=True)
    if only_notes:
        return
    console = Console(highlight=False, emoji=False)
    if not console.is_terminal:
        console = Console(highlight=False, emoji=False, width=PIPED_COLUMNS)
    if report["ranking"] is None:
        console.print("No query has anything relevant, so that no ranking can be measured.")
    else:
        console.print(_table(report))
    for kind, part in report["no_match"].items():
        _print_no_match(console, kind, part)


def _notes(report: Mapping[str, Any]) -> list[str]:
    notes = [f"{name} were not searched: {reason}" for name, reason in report["left_out"].items()]
    if report["unknown_relevant"]:
        names = ", ".join(report["unknown_examples"])
        notes.append(
            f"{report['unknown_relevant']} relevant ids are not in the store for tenant {report['tenant_id']}: {names}"
        )
    if report["unsearched_relevant"]:
        notes.append(f"{report['unsearched_relevant']} relevant ids are of streams that are not searched")
    if report["unanswerable"]:
        notes.append(f"left out {report['unanswerable']} queries: none of their relevant items can be found")
    return notes


def _table(report: Mapping[str, Any]) -> Table:
    searched = ", ".join(report["searched"])
    title = f"{report['queries']} queries over {searched} of tenant {escape(report['tenant_id'])}; 95 % intervals"
    table = Table(title=title, title_justify="left")
    table.add_column("queries that something fits")
    for metric in MORE_METRICS:
        table.add_column(TITLES.get(metric, f"MAP@{report['limit']}"), no_wrap=True, justify="right")
    parts = {"all": report["ranking"], **report["streams"], **report["slices"]}
    for name, part in parts.items():
        table.add_row(f"{escape(name)} ({part['queries']})", *(_cell(part, metric) for metric in MORE_METRICS))
    return table


def _print_no_match(console: Console, kind: str, part: Mapping[str, Any]) -> None:
    console.print(f"Nothing matches, {kind}, at --false-rate {part['stated_false_rate']:g}:")
    if part["fitting"]:
        console.print(
            f"  lost: nothing matches {_share(part, 'lost')} of {part['fitting']} queries that something fits"
        )
        console.print(f"  what matches is not relevant to {_share(part, 'only_others_match')} of them")
    if not part["unfitting"]:
        console.print("  the false rate is not measured: no query has an empty cell `relevant`", markup=False)
        return
    above = part["false_matches_interval"][0] > part["stated_false_rate"]
    console.print(
        f"  false matches: {_share(part, 'false_matches')} of {part['unfitting']} queries that nothing fits"
        + (", more than stated" if above else "")
    )
    exact = part["at_false_rate"]
    if exact is not None:
        console.print(
            f"  with {exact['false_matches']:.1%} false matches on these queries: {_share(exact, 'lost')} lost"
        )


def _cell(part: Mapping[str, Any], metric: str) -> str:
    low, high = part[f"{metric}_interval"]
    return f"{part[metric]:.3f}\n{low:.3f}-{high:.3f}"


def _share(part: Mapping[str, Any], name: str) -> str:
    low, high = part[f"{name}_interval"]
    return f"{part[name]:.1%} ({low:.1%}-{high:.1%})"
