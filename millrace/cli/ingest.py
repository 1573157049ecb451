"""`millrace ingest`."""

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from millrace.bars import bar
from millrace.cli.ingest_media import MediaJob, ingest_media, refuse_options
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
from millrace.ingest.delimited import DELIMITERS
from millrace.ingest.events import EventMaker
from millrace.ingest.file_survey import survey_file
from millrace.ingest.mapping import ColumnMatch, MappingOptions, match_columns
from millrace.ingest.report import ImportReport, Job, mapping_lines, match_warnings, ticket_lines
from millrace.ingest.sending import Deliver, ImportProgress, send
from millrace.ingest.table_files import FileOptions, TableFile
from millrace.ingest.times import TimeReading, check_format, zone_of
from millrace.streams import DEFAULT
from schemas.topics import input_topic
from shared.broker.delivery import deliver
from shared.broker.producer import KafkaSink
from shared.broker.reader import TopicReader
from shared.broker.security import Brokers
from shared.clock import SystemClock
from shared.decoding import printable
from shared.errors import Rejected
from shared.settings import Settings
from shared.stream_settings import StreamSettings

SHOWN_TICKETS = 3

File = Annotated[
    Path, typer.Argument(help="A .csv or .tsv file with a header, a .jsonl file, or an .xlsx workbook; or a folder.")
]
Tenant = Annotated[
    str,
    typer.Option(
        help="Tenant of all rows without a tenant_id of their own: the name of your organisation or customer, 1 to 64 "
        "letters, digits, dots, dashes or underscores. Searches never mix tenants."
    ),
]
Maps = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="COLUMN=FIELD",
        help="Map a column to a field, or to an attribute with `attributes.NAME`; `COLUMN=` leaves the column out. "
        "Needed only if --dry-run shows a wrong mapping. Repeatable.",
    ),
]
Constants = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="Give a field the same value in every row, such as channel=email; it replaces the column's value. Repeatable.",
    ),
]
Values = Annotated[
    list[str] | None,
    typer.Option(
        "--value",
        metavar="FIELD:FOUND=VALUE",
        help="Replace a value in the file by one that the field allows: priority:Critical=urgent. `body:NULL=` leaves "
        "the value out. Repeatable.",
    ),
]
IdColumn = Annotated[
    str | None,
    typer.Option(
        help="Column with the ticket's id. Default: the column ticket_id, or the id column of a known export. "
        "If neither exists, ids are computed from the file and the row."
    ),
]
Encoding = Annotated[
    str | None,
    typer.Option(
        help="Encoding of a text file: cp1252 for most files written on Windows that are not UTF-8. Default: the one that "
        "the byte order mark shows, or UTF-8."
    ),
]
Delimiter = Annotated[
    str | None,
    typer.Option(
        help=f"Delimiter between cells: {', '.join(DELIMITERS)}, or any single character. Default: detected; give it "
        "if --dry-run shows only one column."
    ),
]
Sheet = Annotated[
    str | None, typer.Option(help="Name of a workbook's sheet. Default: the only visible one that is not empty.")
]
Zone = Annotated[
    str | None,
    typer.Option(
        help="Time zone of times without a UTC offset: UTC, a name such as Europe/Berlin, or an offset such as +02:00. "
        "Default: UTC in a known export; in other files such times are refused."
    ),
]
TimeFormats = Annotated[
    list[str] | None,
    typer.Option(
        help="Format of times in the file, for Python's strptime, such as '%d/%m/%Y %H:%M'. Needed for times that are "
        "not ISO 8601. If repeated, the formats are tried in order."
    ),
]
SkipBad = Annotated[
    bool,
    typer.Option(
        "--skip-bad",
        help="Exit with 0 even if rows were refused, as long as at least one ticket with a subject or a body was sent.",
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Check the whole file and show three tickets; nothing is sent, no broker is needed."
    ),
]
Restart = Annotated[
    bool,
    typer.Option(
        "--restart", help="Send from the first row, even if rows were sent before; sending again does no harm."
    ),
]


def ingest(
    file: File,
    tenant: Tenant,
    bootstrap: Bootstrap = None,
    map: Maps = None,  # noqa: A002  (the option is --map)
    set: Constants = None,  # noqa: A002  (the option is --set)
    value: Values = None,
    id_column: IdColumn = None,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    sheet: Sheet = None,
    timezone: Zone = None,
    time_format: TimeFormats = None,
    skip_bad: SkipBad = False,
    dry_run: DryRun = False,
    restart: Restart = False,
    stream: StreamName = DEFAULT.name,
    json: Json = False,
) -> None:
    """Send a file of tickets, or a folder of recordings or pictures, to the input topic.

    Try it with --dry-run first: it shows which column maps to which field, and
    how three tickets would be sent. Columns with the name of a field (subject,
    body, ticket_id, ...) need no --map, nor do exports of Zendesk, Freshdesk and
    Jira. After an interruption, run the same command again: it continues where it
    stopped.

    Sending a file again does no harm: every row gets the same ids as before. Rows
    without occurred_at get the file's modification time; for copies of the file,
    give the same --set occurred_at=2026-05-01T12:00:00Z each time.

    With --stream calls or products, FILE is a folder of recordings or pictures, or a
    manifest: a CSV file with a column `file` and columns with the names of fields;
    other columns become attributes. In a folder, the ids of an item are the path of
    its file without the ending. A file of more than 512 KiB is uploaded to
    MILLRACE_MEDIA__UPLOAD_TO first.

    Exit code 1: a row was refused (but see --skip-bad), or no ticket has a text; 3:
    a broker is unavailable.
    """
    quiet()
    settings = load_settings(bootstrap)
    address = None if dry_run else require_bootstrap(settings)
    if require_stream(stream) is not DEFAULT:
        given = {"--map": map, "--value": value, "--id-column": id_column, "--encoding": encoding, "--sheet": sheet}
        refuse_options({**given, "--delimiter": delimiter, "--timezone": timezone, "--time-format": time_format})
        job = MediaJob(require_stream(stream), file, tenant, _pairs(set, "--set"), dry_run, skip_bad)
        with _destination(address, settings) as deliver:
            ingest_media(job, settings, deliver, json)
        return
    times = TimeReading(
        zone_of(timezone) if timezone else None, tuple(check_format(each) for each in time_format or ())
    )
    options = MappingOptions(tenant, _pairs(map, "--map"), _pairs(set, "--set"), _values(value), id_column, times)
    source = TableFile.open(file, FileOptions(encoding, _delimiter(delimiter), sheet))
    failure = _ingest_table(source, options, address, settings, Manner(dry_run, skip_bad, restart, json))
    raise typer.Exit(0 if failure is None else 1)


@dataclass(frozen=True, slots=True)
class Manner:
    """How a table is sent: the switches of the command."""

    dry_run: bool
    skip_bad: bool
    restart: bool
    json: bool


def _ingest_table(
    source: TableFile, options: MappingOptions, address: Brokers | None, settings: Settings, manner: Manner
) -> str | None:
    """Check a table, send it and report; return why the import failed, or None."""
    held = 0 if address is None else _records_ever(address)  # a missing broker or topic shows before the long check
    with bar(f"check {source.path.name}", None) as advance:
        survey = survey_file(source, advance)
    match = match_columns(source.path, survey.columns, options, source.table.columns is not None)
    if not manner.json:
        typer.echo("\n".join(mapping_lines(source, match, survey.rows)))
    for warning in match_warnings(match):
        sys.stderr.write(f"warning: {warning}\n")
    if manner.dry_run and not manner.json:
        _show(source, match)
    with _destination(address, settings) as deliver:
        progress = ImportProgress()
        if address is not None:
            progress = ImportProgress.load(settings.operation.state_dir, source, match.mapped, str(address))
            _restart_if_needed(progress, held, manner.restart)
        report = _send(Job(source, match, survey.rows, manner.dry_run, manner.skip_bad), deliver, progress)
    _print(report, load_stream_settings(DEFAULT), manner.json)
    return report.failure


def _send(job: Job, deliver: Deliver, progress: ImportProgress) -> ImportReport:
    clock = SystemClock()
    start_s, before = clock.monotonic_s(), progress.counts.sent
    title = f"{'check' if job.dry_run else 'ingest'} {job.source.path.name}"
    with bar(title, job.rows) as advance:
        advance(progress.rows)
        identities = send(job.source, job.match.mapped, deliver, progress, advance)
    return ImportReport(job, before, progress.counts, identities.shared, clock.monotonic_s() - start_s)


@contextmanager
def _destination(address: Brokers | None, settings: Settings) -> Iterator[Deliver]:
    """Yield the function that sends records; without an address it drops them."""
    if address is None:
        yield lambda messages: None
        return
    with closing(KafkaSink(address, settings.broker)) as sink:
        yield partial(deliver, sink=sink, clock=SystemClock())


def _records_ever(address: Brokers) -> int:
    """Return the largest number of records that the input topic can ever have held."""
    return sum(marks.high for marks in TopicReader(address).watermarks(input_topic(DEFAULT.name)).values())


def _restart_if_needed(progress: ImportProgress, held: int, restart: bool) -> None:
    """Start again at row 0 if requested, or if the topic is a new one: it never held as many records as were sent."""
    is_other = progress.counts.sent > held
    if is_other and not restart:
        topic = input_topic(DEFAULT.name)
        what = f"{progress.counts.sent} rows were sent before, but {topic} has never held more than {held} records"
        sys.stderr.write(f"warning: {what}: it is a different topic now, so every row is sent\n")
    if is_other or restart:
        progress.restart()


def _show(source: TableFile, match: ColumnMatch) -> None:
    """Print the first tickets as they would be sent."""
    maker, shown = EventMaker(source, match.mapped), 0
    for row in source.rows():
        try:
            made = maker.make(row)
        except Rejected:
            continue
        typer.echo(f"\n{row.name}, key {printable((made.message.key or b'').decode())}:")
        typer.echo("\n".join(ticket_lines(made)))
        shown += 1
        if shown == SHOWN_TICKETS:
            break
    typer.echo("")


def _print(report: ImportReport, own: StreamSettings, json: bool) -> None:
    if json:
        typer.echo(report.as_json(own.search))
        return
    typer.echo("\n".join(report.lines()))
    warning = report.warning(own.search)
    if warning is not None:
        sys.stderr.write(f"warning: {warning}\n")
    if report.failure is not None:
        sys.stderr.write(f"error: {report.failure}\n")


def _pairs(given: list[str] | None, option: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for each in given or []:
        name, equals, value = each.rpartition("=") if option == "--map" else each.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{option} {each}: expected NAME=VALUE")
        if name in pairs:
            raise typer.BadParameter(f"{option} {name}: given twice")
        pairs[name] = value
    return pairs


def _values(given: list[str] | None) -> dict[str, dict[str, str]]:
    values: dict[str, dict[str, str]] = {}
    for each in given or []:
        name, colon, pair = each.partition(":")
        found, equals, target = pair.rpartition("=")
        if not colon or not equals or not name or not found:
            raise typer.BadParameter(f"--value {each}: expected FIELD:FOUND=VALUE, such as priority:Critical=urgent")
        if found in values.setdefault(name, {}):
            raise typer.BadParameter(f"--value {name}:{found}: given twice")
        values[name][found] = target
    return values


def _delimiter(given: str | None) -> str | None:
    if given is None:
        return None
    character = DELIMITERS.get(given.lower(), "\t" if given == "\\t" else given)
    if len(character) != 1 or character in '\r\n"':
        raise typer.BadParameter(f"--delimiter {given}: expected {', '.join(DELIMITERS)}, or a single character")
    return character
