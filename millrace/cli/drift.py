"""`millrace drift`: references and reports."""

import json as jsonlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from millrace.cli.dlq_options import TIME_HELP
from millrace.cli.drift_options import DEFAULT_LIMIT, From, FromTopic, Limit, Out, References, To, moment_of
from millrace.cli.options import (
    Bootstrap,
    Json,
    StreamName,
    load_settings,
    load_stream_settings,
    quiet,
    require_bootstrap,
    require_stream,
)
from millrace.drift.stored import Period
from millrace.drift.survey import facts_of, find_reference, line_of, print_reference, survey
from millrace.streams import STREAMS
from shared.clock import SystemClock
from shared.errors import Fatal

app = typer.Typer(
    rich_markup_mode="markdown",
    help="Drift: build the references that `millrace run drift` compares with, look at them, and report what has changed.",
    no_args_is_help=True,
)
reference = typer.Typer(
    rich_markup_mode="markdown",
    help="What the items of a stream are like when all is well.",
    no_args_is_help=True,
)
app.add_typer(reference, name="reference")


@reference.command("build")
def build(
    stream: StreamName,
    from_topic: FromTopic = False,
    since: From = None,
    until: To = None,
    limit: Limit = DEFAULT_LIMIT,
    out: Out = None,
    bootstrap: Bootstrap = None,
    json: Json = False,
) -> None:
    """Build the references of a stream: one for each vector that affects results, and for each configured key.

    It reads decided items of the store or, with --from-topic, decides records of the input topic again, with the configured
    models, head and policy; nothing is published or stored. Choose a time in which all was well, of at least one full week,
    because hours of the week differ. A reference needs 1,000 items; 5,000 or more find smaller changes.
    """
    quiet()
    wanted, now = require_stream(stream), SystemClock().now()
    settings, own = load_settings(bootstrap), load_stream_settings(wanted)
    period = Period(moment_of(since, now), moment_of(until, now), limit)
    if period.since is not None and period.until is not None and period.since >= period.until:
        raise typer.BadParameter("--from must be before --to")
    brokers = require_bootstrap(settings) if from_topic else None
    from millrace.drift.building import build_references
    from millrace.drift.gathering import Asked

    asked = Asked(wanted, own, settings, period)
    outcome = build_references(asked, brokers, out or settings.drift.references, now)
    for warning in outcome.warnings:
        sys.stderr.write(f"warning: {warning}\n")
    if json:
        typer.echo(jsonlib.dumps(outcome.as_json(), ensure_ascii=False))
    else:
        for each in outcome.written:
            typer.echo(line_of(each.reference, each.file))
    if not outcome.written:
        raise Fatal(outcome.why_none())


@reference.command("list")
def list_(references: References = None, json: Json = False) -> None:
    """List the references of a folder. A file that is damaged is named, and the exit code is 1."""
    quiet()
    folder = references or load_settings().drift.references
    found = survey(folder)
    if not found:
        sys.stderr.write(f"{folder} holds no reference: build one with `millrace drift reference build`\n")
    if json:
        typer.echo(jsonlib.dumps({"references": [each.as_json() for each in found]}, ensure_ascii=False))
    else:
        for each in found:
            typer.echo(each.line())
    if any(each.fault for each in found):
        raise typer.Exit(1)


@reference.command("show")
def show(
    which: Annotated[
        str,
        typer.Argument(
            metavar="FILE|SUBJECT",
            help="A file, or a subject: `stream|input|model|key`, of which the last parts may be left out if one reference "
            "fits, such as `tickets`.",
        ),
    ],
    references: References = None,
    json: Json = False,
) -> None:
    """Show a reference: its items and period, its centroids with their names and shares, hours of the week, thresholds."""
    quiet()
    found = find_reference(which, references or load_settings().drift.references)
    if json:
        typer.echo(jsonlib.dumps(facts_of(found), ensure_ascii=False))
    else:
        print_reference(found)


@app.command("report")
def report(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="Folder for `report.html` and its PNGs: a new one, or that of an earlier report."
        ),
    ],
    stream: Annotated[
        list[str] | None,
        typer.Option("--stream", help=f"Stream to report on, repeatable: {', '.join(STREAMS)}. Default: all."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="TIME",
            help=f"Leave out windows, outliers and alerts from before. {TIME_HELP} Sums are kept for a week.",
            show_default=False,
        ),
    ] = None,
    references: References = None,
    bootstrap: Bootstrap = None,
    json: Json = False,
) -> None:
    """Report what has drifted: one page of HTML and PNGs of the windows over time, what has grown, outliers and alerts.

    It reads the sums, outliers and alerts from Kafka, joins no group and changes nothing. Windows are cut and compared as
    `millrace run drift` does it. With a store that can be opened, each outlier stands beside the most similar items;
    the page then holds short masked texts of customers: store it like them.
    """
    quiet()
    wanted = [require_stream(name) for name in dict.fromkeys(stream or STREAMS)]
    now, settings = SystemClock().now(), load_settings(bootstrap)
    brokers = require_bootstrap(settings)
    begun = moment_of(since, now)
    from millrace.bulk.plotting import require_matplotlib
    from millrace.drift.report.making import Wanted, make_report

    require_matplotlib()
    streams = [(each, load_stream_settings(each)) for each in wanted]
    known = references or settings.drift.references
    made = make_report(Wanted(streams, bool(stream), settings, known, begun, folder, now), brokers)
    if json:
        typer.echo(jsonlib.dumps(made.as_json(), ensure_ascii=False))
        return
    for note in made.notes:
        sys.stderr.write(f"note: {note}\n")
    for line in made.lines():
        typer.echo(line)
