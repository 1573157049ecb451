"""`millrace policy check`."""

import json as jsonlib
import sys
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from millrace.cli.options import Json, load_stream_settings, quiet
from millrace.learning.labelled_files import Reading, read_labelled
from millrace.streams import DEFAULT
from schemas.decisions import Action
from shared.routing.policy import POLICY_FILE, Policy
from shared.wording import counted

app = typer.Typer(rich_markup_mode="markdown", help="Test the routing policy on labelled texts.", no_args_is_help=True)


@app.callback()
def policy() -> None:
    """The routing policy: test it before you use it."""


@app.command("check")
def check(
    file: Annotated[Path, typer.Argument(help="Labelled texts: a .csv file with a header, or a .jsonl file.")],
    model: Annotated[Path, typer.Option("--model", help="Folder of the head that `router train` wrote.")],
    text_column: Annotated[str, typer.Option(help="Column of the texts.")] = "text",
    label_column: Annotated[str, typer.Option(help="Column of the labels.")] = "label",
    routing: Annotated[
        Path | None, typer.Option(help="The routing.toml to test; default: the one beside the head.")
    ] = None,
    tenant: Annotated[
        str | None, typer.Option(help="Tenant whose rules to test; default: the rules for all tenants.")
    ] = None,
    by_label: Annotated[
        bool,
        typer.Option("--by-label", help="Also show the figures for each first label of the head."),
    ] = False,
    json: Json = False,
) -> None:
    """Show the share of auto, review and abstain on a labelled file, and how often each is right.

    Use texts that the head was not trained on; on its training texts, the head is too certain. The first
    label of a text is its most probable one. Precision is the share of texts whose first label is the label in the
    file. For abstain, precision shows how often the first label would have been right.
    """
    from millrace.learning.policy_check import (  # the libraries of a head take seconds to import
        answers,
        check_known,
        policy_report,
        warnings,
    )
    from shared.routing.head_files import load_head

    quiet()
    head = load_head(model)
    tried = Policy.load(routing or model / POLICY_FILE)
    tried.check_labels(head.labels)
    labelled = read_labelled(file, text_column, label_column)
    check_known(head, labelled.labels)
    reading = Reading(load_stream_settings(DEFAULT))
    head.check_model(reading.fingerprints)
    prepared = reading.prepare_file(labelled)
    predictions = head.predict(prepared, reading.embed(prepared))
    reported = policy_report(answers(predictions, prepared, labelled.labels, head, tried, tenant), by_label)
    warned = list(warnings(head, tried, labelled.labels, tenant))
    if json:
        of = {"head": head.fingerprint, "policy": tried.sha256, "tenant": tenant, "skipped": labelled.skipped}
        typer.echo(jsonlib.dumps(reported | of | {"warnings": warned}, ensure_ascii=False))
        return
    typer.echo(
        f"{counted(reported['texts'], 'text')}, head {head.fingerprint}, policy {tried.source} {tried.sha256[:8]}"
    )
    if labelled.skipped:
        typer.echo(f"left out: {counted(labelled.skipped, 'row')} without text or label")
    _report(reported["actions"])
    typer.echo("reasons: " + ", ".join(f"{reason} {texts}" for reason, texts in reported["reasons"].items()))
    if by_label:
        _report_labels(reported["labels"])
    for each in warned:
        sys.stderr.write(f"warning: {each}\n")


def _report(figures: dict[str, Any]) -> None:
    table = _table("action", "texts", "share", "precision")
    for action in get_args(Action):
        each = figures[action]
        table.add_row(action, str(each["texts"]), f"{each['share']:.1%}", _precision(each))
    Console(highlight=False).print(table)


def _report_labels(labels: dict[str, Any]) -> None:
    table = _table("first label", *(column for action in get_args(Action) for column in (action, "precision")))
    for label, figures in labels.items():
        cells = (
            cell for action in get_args(Action) for cell in (str(figures[action]["texts"]), _precision(figures[action]))
        )
        table.add_row(escape(" ".join(label.split())), *cells)
    Console(highlight=False).print(table)


def _table(first: str, *others: str) -> Table:
    table = Table(box=None)
    table.add_column(first, overflow="fold")
    for column in others:
        table.add_column(column, justify="right")
    return table


def _precision(figures: dict[str, Any]) -> str:
    return "" if figures["precision"] is None else f"{figures['precision']:.1%}"
