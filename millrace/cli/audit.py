"""`millrace audit`."""

from typing import Annotated

import typer

from millrace.audit import as_json
from millrace.audit import audit as run_audit
from millrace.cli.options import Bootstrap, Json, Stream, load_settings, quiet, require_bootstrap, require_stream
from millrace.wiring import group_of, open_store
from shared.broker.reader import TopicReader
from shared.errors import Fatal


def audit(
    bootstrap: Bootstrap = None,
    stream: Stream = "tickets",
    points: Annotated[
        bool, typer.Option("--points/--no-points", help="Compare the stored points too; needs the store to be free.")
    ] = True,
    json: Json = False,
) -> None:
    """Answer "did we lose anything?"; exit 0 only when missing, stale and conflicting are all zero.

    Merges the input, the ledger, the results, the dead letters and the points by topic, partition and offset.
    """
    quiet()
    settings = load_settings(bootstrap)
    reader = TopicReader(require_bootstrap(settings), group_of(settings, require_stream(stream)))
    if points:
        if not settings.store.path.exists():
            raise Fatal(f"there is no store at {settings.store.path}; set MILLRACE_STORE__PATH, or give --no-points")
        with open_store(settings) as store:
            collection = store.open_alias(stream)
            if collection is None:
                raise Fatal(
                    f"{settings.store.path} holds no collection of {stream}; --no-points checks the topics alone"
                )
            findings = run_audit(reader, stream, collection)
    else:
        findings = run_audit(reader, stream, None)
    if json:
        typer.echo(as_json(findings))
    else:
        outcomes = ", ".join(f"{name} {count}" for name, count in sorted(findings.outcomes.items())) or "none"
        typer.echo(f"settled {findings.settled} ({outcomes}); pending {findings.pending}; points {findings.points}")
        typer.echo(f"below retention {findings.below_retention}; dead letters purged {findings.purged}")
        for kind, examples in findings.examples.items():
            for example in examples:
                typer.echo(f"  {kind}: {example}")
        typer.echo(findings.line())
    raise typer.Exit(0 if findings.clean else 1)
