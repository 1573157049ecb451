"""`millrace audit`."""

from typing import Annotated

import typer

from millrace.audit import as_json
from millrace.audit import audit as run_audit
from millrace.cli.options import Bootstrap, Json, Stream, load_settings, quiet, require_bootstrap, require_stream
from millrace.wiring import group_of, open_collection
from shared.broker.reader import TopicReader


def audit(
    bootstrap: Bootstrap = None,
    stream: Stream = "tickets",
    points: Annotated[
        bool, typer.Option("--points/--no-points", help="Compare the stored points too, or the topics alone.")
    ] = True,
    json: Json = False,
) -> None:
    """Answer "did we lose anything?"; exit 0 only when nothing is missing, stale, conflicting, or lost unread.

    Merges the input, the ledger, the results, the dead letters and the points by topic, partition and offset.
    """
    quiet()
    settings = load_settings(bootstrap)
    reader = TopicReader(require_bootstrap(settings), group_of(settings, require_stream(stream)))
    if points:
        with open_collection(settings, stream) as collection:
            findings = run_audit(reader, stream, collection)
    else:
        findings = run_audit(reader, stream, None)
    if json:
        typer.echo(as_json(findings))
    else:
        outcomes = ", ".join(f"{name} {count}" for name, count in sorted(findings.outcomes.items())) or "none"
        typer.echo(f"settled {findings.settled} ({outcomes}); pending {findings.pending}; points {findings.points}")
        if findings.foreign:
            typer.echo(f"foreign points {findings.foreign}, not compared: `millrace doctor` says what to do about them")
        typer.echo(f"below retention {findings.below_retention}; letters and results removed {findings.purged}")
        if findings.former:
            typer.echo(f"settled for an earlier topic of that name, and not compared: {findings.former}")
        for kind, examples in findings.examples.items():
            for example in examples:
                typer.echo(f"  {kind}: {example}")
        typer.echo(findings.line())
    raise typer.Exit(0 if findings.clean else 1)
