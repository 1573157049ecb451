"""Files as other systems write them, each with the options of `millrace ingest` and the expected result.

`tests/flow/test_ingest_files.py` compares the output, and `docs/ingest.md` shows it.
"""

import io
import os
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from unittest.mock import patch

from openpyxl import Workbook

from millrace.cli import main

MODIFIED_AT_S = 1_780_000_000
SECONDS = re.compile(r"in \d+\.\d s")


@dataclass(frozen=True, slots=True)
class Case:
    """A file, the options it is imported with, and the expected result.

    Attributes:
        title: The special feature of the file.
        name: Name of the file.
        content: Its bytes.
        options: Options besides the file and --tenant.
        exit_code: Exit code of the command.
        sent: The ids of the tickets that reach the topic; None if each is a digest.
    """

    title: str
    name: str
    content: bytes
    options: tuple[str, ...] = ()
    exit_code: int = 0
    sent: tuple[str, ...] | None = ()

    @property
    def command(self) -> str:
        """The command as a user types it."""
        return shlex.join(["millrace", "ingest", self.name, "--tenant", "acme", *self.options])


def workbook() -> bytes:
    """Return a workbook as a spreadsheet program writes it: numbers and times are not stored as text."""
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.title = "Tickets"
    sheet.append(["ticket_id", "subject", "body", "satisfaction", "occurred_at"])
    sheet.append([1001, "Parcel", "Where is it?\nIt is late.", 5, datetime(2026, 3, 5, 9, 14, 33)])  # noqa: DTZ001
    sheet.append([1002, "Refund", "Please", 4.0, datetime(2026, 3, 6)])  # noqa: DTZ001
    book.create_sheet("Empty")
    kept = io.BytesIO()
    book.save(kept)
    return kept.getvalue()


ZENDESK = """\
Summation column,Id,Requester,Requester email,Subject,Description,Tags,Status,Priority,Via,Created at,Satisfaction Score
1,4711,Ann,ann@example.com,Parcel,Where is it?,late,Solved,High,Mail,2026-03-05 09:14:33 UTC,Good
1,4712,Bo,bo@example.com,Refund,"Please, refund me",,Open,-,Web form,2026-03-05 09:20,Unoffered
"""
FRESHDESK = """\
Ticket ID,Subject,Description,Status,Priority,Source,Type,Agent,Group,Created time,Survey results,Email
71,Parcel,Where is it?,Closed,Medium,Portal,Question,Cy,Shop,2026-03-05 09:14:33,Extremely happy,ann@example.com
72,Refund,Please,Waiting on Customer,Urgent,Email,Question,Cy,Shop,2026-03-05 09:20:00,,bo@example.com
"""
JIRA = """\
Summary,Issue key,Issue id,Issue Type,Status,Priority,Resolution,Reporter,Created,Labels,Labels,Description,Comment,Comment
Parcel,SUP-1,10001,Bug,Done,Highest,Fixed,ann,05/Mar/26 9:14 AM,late,eu,Where is it?,Found it,Sent
Refund,SUP-2,10002,Task,In Progress,Medium,,bo,06/Mar/26 4:02 PM,,,Please,,
"""
SUPPORT_SET = """\
Ticket ID,Customer Name,Customer Email,Ticket Type,Ticket Subject,Ticket Description,Ticket Status,Resolution,\
Ticket Priority,Ticket Channel,Customer Satisfaction Rating
1,Ann,ann@example.com,Refund request,Refund,I want my money back,Closed,It was sent.,Critical,Social media,4.0
2,Bo,bo@example.com,Technical issue,Lamp,It is dark,Open,,Medium,Chat,
"""
PLAIN = "ticket_id,subject,body\nT-1,Parcel,Where is it?\nT-2,Refund,Please\n"
TWO = ("T-1", "T-2")

CASES = (
    Case(
        "Names in any case, and other columns",
        "plain.csv",
        b"Ticket_ID, SUBJECT ,Body,Colour\nT-1,Parcel,Where is it?,red\nT-2,Refund,Please,blue\n",
        sent=TWO,
    ),
    Case("Zendesk", "zendesk.csv", ZENDESK.encode(), sent=("4711", "4712")),
    Case("Freshdesk", "freshdesk.csv", FRESHDESK.encode(), sent=("71", "72")),
    Case("Jira, with its repeated columns", "jira.csv", JIRA.encode(), sent=("SUP-1", "SUP-2")),
    Case("The public customer-support set", "customer_support_tickets.csv", SUPPORT_SET.encode(), sent=("1", "2")),
    Case("Semicolons, after Excel's hint", "excel.csv", b"sep=;\r\n" + PLAIN.replace(",", ";").encode(), sent=TWO),
    Case(
        "Semicolons, with commas in the texts",
        "semicolons.csv",
        b"ticket_id;subject;body\nT-1;Parcel, late;Where, please, is it?\nT-2;Refund;Please\n",
        sent=TWO,
    ),
    Case("Tabs", "tabs.csv", PLAIN.replace(",", "\t").encode(), sent=TWO),
    Case("Pipes", "pipes.csv", PLAIN.replace(",", "|").encode(), sent=TWO),
    Case("A byte order mark", "marked.csv", b"\xef\xbb\xbf" + PLAIN.encode(), sent=TWO),
    Case("Excel's Unicode text", "unicode.tsv", PLAIN.replace(",", "\t").encode("utf-16"), sent=TWO),
    Case("An ending in capitals", "EXPORT.CSV", PLAIN.encode(), sent=TWO),
    Case("An Excel workbook", "tickets.xlsx", workbook(), ("--timezone", "Europe/Berlin"), sent=("1001", "1002")),
    Case("Latin-1", "latin.csv", PLAIN.replace("Where", "Où").encode("latin-1"), exit_code=1),
    Case(
        "Latin-1, said so",
        "latin.csv",
        PLAIN.replace("Where", "Où").encode("latin-1"),
        ("--encoding", "latin-1"),
        sent=TWO,
    ),
    Case(
        "A cell of 140,000 characters",
        "long.csv",
        PLAIN.replace("Please", "x" * 140_000).encode(),
        exit_code=1,
        sent=("T-1",),
    ),
    Case("No header", "headless.csv", b"T-1,Parcel,Where is it? It should be here.\nT-2,Refund,Please\n", exit_code=1),
    Case("Columns that are no field", "german.csv", b"Nummer;Betreff;Nachricht\n1;Paket;Wo ist es?\n", exit_code=1),
    Case(
        "The same, mapped",
        "german.csv",
        b"Nummer;Betreff;Nachricht\n1;Paket;Wo ist es?\n",
        ("--map", "Nummer=ticket_id", "--map", "Betreff=subject", "--map", "Nachricht=body"),
        sent=("1",),
    ),
    Case(
        "No body, but a column that looks like it",
        "described.csv",
        b"ticket_id,subject,description\nT-1,Parcel,Where is it?\n",
        exit_code=1,
    ),
    Case("A typo in --map", "plain.csv", PLAIN.encode(), ("--map", "subjct=subject"), exit_code=1),
    Case(
        "A column that is there twice",
        "twice.csv",
        b"ticket_id,subject,body,body\nT-1,Parcel,Where is it?,Where?\n",
        exit_code=1,
    ),
    Case(
        "A row with more cells than the header",
        "extra.csv",
        b"ticket_id,subject,body\nT-1,Parcel,Where, please, is it?\nT-2,Refund,Please\n",
        exit_code=1,
        sent=("T-2",),
    ),
    Case(
        "The same, bad rows skipped",
        "extra.csv",
        b"ticket_id,subject,body\nT-1,Parcel,Where, please, is it?\nT-2,Refund,Please\n",
        ("--skip-bad",),
        sent=("T-2",),
    ),
    Case(
        "Repeated keys and broken lines in JSON Lines",
        "tickets.jsonl",
        b'{"ticket_id": "T-1", "subject": "Parcel", "subject": "Refund"}\n'
        b'{"ticket_id": "T-2", "subject": "Refund", "body": "Please"}\n{"ticket_id": "T-3", "subj\n',
        exit_code=1,
        sent=("T-2",),
    ),
    Case(
        "A value that is not known",
        "critical.csv",
        b"ticket_id,subject,body,priority\nT-1,Parcel,Where is it?,Critical\nT-2,Refund,Please,HIGH\n",
        exit_code=1,
        sent=("T-2",),
    ),
    Case(
        "The same, mapped",
        "critical.csv",
        b"ticket_id,subject,body,priority\nT-1,Parcel,Where is it?,Critical\nT-2,Refund,Please,HIGH\n",
        ("--value", "priority:Critical=urgent"),
        sent=TWO,
    ),
    Case(
        "Times that are no times",
        "times.csv",
        b"ticket_id,subject,body,occurred_at\nT-1,Parcel,Where is it?,20260904\nT-2,Refund,Please,2026-09-04 10:00\n"
        b"T-3,Lamp,Dark,2026-09-04T10:00:00+02:00\n",
        exit_code=1,
        sent=("T-3",),
    ),
    Case(
        "A quote that is never closed",
        "quote.csv",
        b'ticket_id,subject,body\nT-1,Parcel,"Where is it?\nT-2,Refund,Please\n',
        exit_code=1,
    ),
    Case("Nothing below the header", "nothing.csv", b"ticket_id,subject,body\n", exit_code=1),
    Case(
        "Shared ids, empty texts, short rows, no ratings",
        "doubtful.csv",
        b"ticket_id,subject,body,language\nT-1,Parcel,Where is it?,en\nT-1,Parcel,Here\nT-2,,,en\n",
        ("--set", "reason=solved"),
        sent=("T-1", "T-1", "T-2"),
    ),
    Case(
        "A line break that is not quoted",
        "broken.csv",
        b"ticket_id,subject,body\nT-1,Parcel,Where is it?\nI have waited for days.\nT-2,Refund,Please\n",
        exit_code=1,
        sent=TWO,
    ),
)


def run(case: Case, folder: Path, environment: Mapping[str, str], *more: str) -> tuple[int, str]:
    """Write the file, import it in this process, and return the exit code and the whole output."""
    (folder / case.name).write_bytes(case.content)
    os.utime(folder / case.name, (MODIFIED_AT_S, MODIFIED_AT_S))
    return millrace(["ingest", case.name, "--tenant", "acme", *case.options, *more], folder, environment)


def millrace(arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    """Run a command in this process; durations in its output are always 0.0 s."""
    printed = io.StringIO()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MILLRACE_")}
    settings = {**clean, "MILLRACE_OPERATION__STATE_DIR": str(folder / "state"), **environment}
    with (
        patch.dict(os.environ, settings, clear=True),
        patch.object(sys, "argv", ["millrace", *arguments]),
        chdir(folder),
        redirect_stdout(printed),
        redirect_stderr(printed),
    ):
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
    return code, SECONDS.sub("in 0.0 s", printed.getvalue())
