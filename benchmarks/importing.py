"""Rows per second of an import, and its memory: the file is checked, mapped and validated; nothing is sent.

Each format is read in a process of its own, once with a number of rows and once with four times as many: the memory of
the two differs by 8 bytes a row (the ids that are compared), unless data is kept that should not be.
"""

import csv
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from openpyxl import Workbook

from benchmarks.memory import own_mib
from millrace.ingest.file_survey import survey_file
from millrace.ingest.mapping import MappingOptions, match_columns
from millrace.ingest.sending import ImportProgress, send
from millrace.ingest.table_files import TableFile
from shared.clock import SystemClock

COLUMNS = ("ticket_id", "subject", "body", "priority", "reason", "satisfaction", "occurred_at")
WORDS = ("parcel", "refund", "order", "late", "broken", "lamp", "login", "invoice", "card", "please", "help", "thanks")
WORKBOOK_SHARE = 10
"""A workbook is read some six times as slowly, so it gets a tenth of the rows."""


def rows(count: int) -> Iterator[list[str]]:
    """Yield made-up tickets, the same ones each time: some 500 bytes each."""
    draw = random.Random(1)  # noqa: S311  (texts, no secrets)
    for number in range(count):
        yield [
            f"T-{number}", " ".join(draw.choices(WORDS, k=5)), " ".join(draw.choices(WORDS, k=60)),
            draw.choice(("low", "normal", "high")), "solved", str(draw.randint(1, 5)), "2026-03-05T09:14:33Z",
        ]  # fmt: skip


def write(path: Path, count: int) -> None:
    """Write a file of made-up tickets in the format of its extension."""
    if path.suffix == ".xlsx":
        book = Workbook(write_only=True)
        sheet = book.create_sheet()
        for row in chain([list(COLUMNS)], rows(count)):
            sheet.append(row)
        book.save(path)
        return
    with path.open("w", encoding="utf-8", newline="") as opened:
        if path.suffix == ".csv":
            csv.writer(opened).writerows(chain([COLUMNS], rows(count)))
        else:
            opened.writelines(json.dumps(dict(zip(COLUMNS, row, strict=True))) + "\n" for row in rows(count))


def measure(path: Path) -> dict[str, float]:
    """Import a file in this process without sending; return seconds, rows and the peak of memory in MiB."""
    clock = SystemClock()
    start_s = clock.monotonic_s()
    source = TableFile.open(path)
    looked = survey_file(source, lambda _: None)
    mapped = match_columns(path, looked.columns, MappingOptions("acme"), source.table.columns is not None).mapped
    progress = ImportProgress()
    send(source, mapped, lambda _: None, progress, lambda _: None)
    return {"seconds": clock.monotonic_s() - start_s, "rows": progress.counts.sent, "peak_mib": own_mib("VmHWM")}


def report(count: int) -> None:
    """Print the figures of each format.

    Args:
        count: Number of rows of the smaller file.
    """
    print(f"\nimport: rows per second and peak memory, {count} and {4 * count} rows (a workbook: a tenth of that)")
    with tempfile.TemporaryDirectory() as folder:
        for ending in ("csv", "jsonl", "xlsx"):
            fewer = WORKBOOK_SHARE if ending == "xlsx" else 1
            found = []
            for times in (1, 4):
                path = Path(folder) / f"{times}.{ending}"
                write(path, times * count // fewer)
                command = [sys.executable, "-m", "benchmarks.importing", str(path)]
                ended = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603  (ourselves)
                found.append(json.loads(ended.stdout))
            rates = ", ".join(f"{each['rows'] / each['seconds']:,.0f}" for each in found)
            peaks = ", ".join(f"{each['peak_mib']:.0f}" for each in found)
            print(f"  {ending:<6} {rates} rows/s; {peaks} MiB")


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]))))
