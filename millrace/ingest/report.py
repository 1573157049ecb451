"""The printed report of an import: before it, the mapping; after it, what became of every row."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from millrace.ingest.counts import Counts
from millrace.ingest.events import RowEvent
from millrace.ingest.exports import OTHERS
from millrace.ingest.mapping import ColumnMatch
from millrace.ingest.table_files import TableFile
from millrace.streams import DEFAULT
from shared.decoding import printable
from shared.settings import variable
from shared.stream_settings import SearchSettings
from shared.wording import counted

UNUSED_SHOWN = 30
VALUES_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Job:
    """An import to be done.

    Attributes:
        source: The file.
        match: Its columns, and the fields that they map to.
        rows: Number of its rows.
        dry_run: Whether to check only, and send nothing.
        skip_bad: Whether an import with refused rows still succeeds.
    """

    source: TableFile
    match: ColumnMatch
    rows: int
    dry_run: bool
    skip_bad: bool


@dataclass(frozen=True, slots=True)
class ImportReport:
    """The result of an import that has ended.

    Attributes:
        job: The import.
        sent_before: Number of rows that earlier runs sent.
        counts: What became of all rows, including those sent before.
        shared: Number of rows that share id and version with an earlier one.
        seconds: Duration of the import.
    """

    job: Job
    sent_before: int
    counts: Counts
    shared: int
    seconds: float

    @property
    def failure(self) -> str | None:
        """Why the import failed; None if it succeeded."""
        counts = self.counts
        if not counts.sent:
            return "no row could be used"
        if counts.textless == counts.sent:
            return "no ticket has a subject or a body"
        if counts.rows_refused and not self.job.skip_bad:
            return f"refused {counted(counts.rows_refused, 'row')}; correct the file, or accept this with --skip-bad"
        return None

    def lines(self) -> Iterator[str]:
        """Yield the lines of the report on the rows."""
        counts, now = self.counts, self.counts.sent - self.sent_before
        verb = "would send" if self.job.dry_run else "sent"
        again = f"; {self.sent_before} were sent before (--restart sends them again)" if self.sent_before else ""
        refused = f"refused {counts.rows_refused} of {counted(self.job.rows, 'row')}"
        yield f"{verb} {counted(now, 'ticket')} in {self.seconds:.1f} s, {refused}{again}"
        for name, each in sorted(counts.refused.items(), key=lambda pair: -pair[1].rows):
            yield f"  {each.rows} refused, {name}"
            for example in each.examples:
                yield f"    {example}"
        if counts.deletions:
            yield f"  {counted(counts.deletions, 'deletion')}"
        if counts.textless:
            yield f"  {counted(counts.textless, 'ticket')} had neither subject nor body"
        if self.shared:
            yield (
                f"  {counted(self.shared, 'row')} with the id and version of an earlier row: only the first of "
                "each is kept"
            )
        if counts.short:
            yield f"  {counted(counts.short, 'row')} had fewer cells than the header: the missing cells were read as empty"

    def warning(self, settings: SearchSettings) -> str | None:
        """Return a warning if solved tickets can never be offered as similar, else None."""
        counts = self.counts
        if not counts.unrated or settings.include_unrated:
            return None
        return (
            f"{counts.unrated} of {counts.solved} solved tickets have no rating (`satisfaction`), so they are never "
            f"offered as similar: set {variable(DEFAULT.name, 'search', 'include_unrated')}=true, or send ratings"
        )

    def as_json(self, settings: SearchSettings) -> str:
        """Return the report as one JSON object."""
        mapped, export = self.job.match.mapped, self.job.match.export
        report: dict[str, Any] = {
            "file": str(self.job.source.path),
            "format": self.job.source.table.described,
            "export": None if export is None else export.title,
            "columns": dict(mapped.columns),
            "unused_columns": list(self.job.match.unused),
            "dry_run": self.job.dry_run,
            "rows": self.job.rows,
            "sent": self.counts.sent - self.sent_before,
            "sent_before": self.sent_before,
            "rows_refused": self.counts.rows_refused,
            "refused": {name: asdict(each) for name, each in self.counts.refused.items()},
            "deletions": self.counts.deletions,
            "without_text": self.counts.textless,
            "shared_ids": self.shared,
            "short_rows": self.counts.short,
            "solved": self.counts.solved,
            "solved_without_rating": self.counts.unrated,
            "seconds": round(self.seconds, 3),
            "failure": self.failure,
            "warning": self.warning(settings),
        }
        return json.dumps(report, ensure_ascii=False)


def mapping_lines(source: TableFile, match: ColumnMatch, rows: int) -> Iterator[str]:
    """Yield lines that show how a file is read and which column maps to which field."""
    mapped, export = match.mapped, match.export
    known = "" if export is None else f"; recognised as {export.title}"
    yield f"{source.path.name}: {source.table.described}, {counted(rows, 'row')}{known}"
    width = max((len(printable(column, 40)) for column in mapped.columns), default=0)
    for column, name in mapped.columns.items():
        yield f"  {printable(column, 40):<{width}} -> {name}{_how(match, name)}".rstrip()
    for name, value in mapped.constants.items():
        yield f"  {printable(name, 40)} = {printable(value, 60)} for every row"
    unused = [
        f"{printable(column, 40).strip() or '(without a name)'}{_perhaps(match, column)}" for column in match.unused
    ]
    if unused:
        more = f" and {len(unused) - UNUSED_SHOWN} more" if len(unused) > UNUSED_SHOWN else ""
        yield f"  not used: {', '.join(unused[:UNUSED_SHOWN])}{more}"


def match_warnings(match: ColumnMatch) -> Iterator[str]:
    """Yield a warning for each field that is filled in for rows although a column seems to contain it."""
    filled_in = {
        DEFAULT.id_field: "ids are computed from file and row",
        "occurred_at": "the file's modification time is used",
    }
    for column, name in match.suggested.items():
        if name in filled_in:
            shown = printable(column, 40)
            yield (
                f"{shown} looks like {name} but is not used; instead, {filled_in[name]}. To use the column, "
                f"give --map '{shown}={name}'"
            )


def ticket_lines(made: RowEvent) -> list[str]:
    """Return a ticket as it would be sent, in JSON without control characters for the terminal."""
    shown = json.dumps(json.loads(made.message.value or b""), ensure_ascii=False, indent=2)
    return [printable(line, 2_000) for line in shown.splitlines()]


def _how(match: ColumnMatch, name: str) -> str:
    """Return how the values of a field are read, "" if they are used as they are."""
    values = match.mapped.values.get(name, {})
    if values:
        pairs = [
            f"{printable(value, 40)} = {target or 'none'}"
            for value, target in values.items()
            if value not in (OTHERS, target)
        ]
        more = [f"{len(pairs) - VALUES_SHOWN} more"] if len(pairs) > VALUES_SHOWN else []
        others = [f"any other = {values[OTHERS] or 'none'}"] if OTHERS in values else []
        return f"  ({', '.join([*pairs[:VALUES_SHOWN], *more, *others])})"
    if name == "occurred_at" and match.mapped.times.zone is not None:
        return f"  (without an offset: {match.mapped.times.zone})"
    return ""


def _perhaps(match: ColumnMatch, column: str) -> str:
    name = match.suggested.get(column)
    return "" if name is None else f" (perhaps --map '{printable(column, 40)}={name}')"
