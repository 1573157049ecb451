"""`millrace ingest`."""

import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress as Bar

from millrace.cli.options import Bootstrap, load_settings, quiet, require_bootstrap
from millrace.ingest import Mapped, TicketFile
from millrace.sending import Progress, send
from schemas.topics import input_topic
from shared.broker.kafka import KafkaSink
from shared.broker.reader import TopicReader
from shared.clock import SystemClock
from workers.tickets.prepare import STREAM


def ingest(
    file: Annotated[Path, typer.Argument(help="A .csv file with a header, or a .jsonl file.")],
    tenant: Annotated[str, typer.Option(help="The tenant of rows that name none.")],
    bootstrap: Bootstrap = None,
    map: Annotated[  # noqa: A002  (the option is --map)
        list[str] | None,
        typer.Option(
            "--map", metavar="COLUMN=FIELD", help="Which field a column is; `attributes.NAME` works. Repeatable."
        ),
    ] = None,
    set: Annotated[  # noqa: A002  (the option is --set)
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="A field's value for every row. Repeatable."),
    ] = None,
    id_column: Annotated[
        str | None, typer.Option(help="Column with the ticket's id; default: ticket_id, else a digest of file and row.")
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Send from the first row, whatever was sent before.")
    ] = False,
) -> None:
    """Send a file of tickets to the input topic.

    Columns named like a field (subject, body, reason, ...) need no --map. Ids depend on the file's content and the row
    alone, so sending again repeats nothing that matters; an interrupted run goes on with the same command. Rows without
    occurred_at take the file's modification time: where copies of a file are sent, give --set occurred_at=...
    """
    quiet()
    settings = load_settings(bootstrap)
    address = require_bootstrap(settings)
    mapped = Mapped(tenant, _pairs(map, "--map"), _pairs(set, "--set"), id_column)
    source = TicketFile.open(file)
    TopicReader(address).watermarks(input_topic(STREAM))  # a missing broker or topic shows before anything is sent
    progress = Progress.load(settings.operation.state_dir, source, mapped, str(address))
    if restart:
        progress.save(0)
    total = sum(1 for _ in source.rows())
    before = progress.rows
    clock = SystemClock()
    start_s = clock.monotonic_s()
    with closing(KafkaSink(address, settings.broker)) as sink, Bar(console=Console(stderr=True)) as bar:
        task = bar.add_task(f"ingest {file.name}", total=total, completed=before)
        sent = send(source, mapped, sink, progress, clock, lambda rows: bar.advance(task, rows))
    seconds = clock.monotonic_s() - start_s
    again = f", {before} were sent before (--restart sends them again)" if before else ""
    typer.echo(f"sent {sent.rows} tickets in {seconds:.1f} s, refused {progress.refused}{again}")
    for reason in sent.reasons:
        sys.stderr.write(f"  {reason}\n")
    raise typer.Exit(1 if progress.refused else 0)


def _pairs(given: list[str] | None, option: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for each in given or []:
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{option} {each}: expected NAME=VALUE")
        pairs[name] = value
    return pairs
