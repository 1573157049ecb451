"""Opening a file of rows in any format. Ids use its digest, not its name, so a renamed file counts as the same file."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from millrace.ingest.delimited import DelimitedFile
from millrace.ingest.fields import normal
from millrace.ingest.json_lines import JsonLinesFile
from millrace.ingest.rows import Row
from millrace.ingest.workbook import WorkbookFile
from shared.errors import Fatal

DELIMITED, LINES, WORKBOOKS = (".csv", ".tsv", ".tab"), (".jsonl", ".ndjson"), (".xlsx", ".xlsm")
EXPECTED = "expected a file that ends in .csv or .jsonl (or in .tsv, .ndjson, .xlsx)"
ADVICE = {
    ".json": "; a .jsonl file has one object per line: convert a list with `jq -c '.[]'`",
    ".xls": "; save the sheet as .xlsx, or as CSV UTF-8",
    ".gz": "; decompress it first",
    ".zip": "; unpack it first",
}
DISGUISES = {
    b"pk\x03\x04": "a workbook or another .zip archive",
    b"\xd0\xcf\x11\xe0": "an old Excel file (.xls)",
    b"\x1f\x8b": "compressed (.gz)",
    b"%pdf": "a PDF",
    b"<!doctype": "a web page",
    b"<html": "a web page",
    b"{\\rtf": "an RTF document",
}
"""The first bytes of files of other kinds, in lower case."""


@dataclass(frozen=True, slots=True)
class FileOptions:
    """What the user states about a file because the file itself does not show it.

    Attributes:
        encoding: Encoding of a text file; None stands for UTF-8, unless a byte order mark shows another one.
        delimiter: Delimiter of a delimited file; with None it is detected.
        sheet: Sheet of a workbook; None stands for the only one that is not empty.
    """

    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None


class TableContent(Protocol):
    """The content of a file, in any format."""

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The header, in order; None if each row names its own columns."""
        ...

    @property
    def described(self) -> str:
        """The format of the file, in words."""
        ...

    def rows(self) -> Iterator[Row]:
        """Yield the rows in order."""
        ...


@dataclass(frozen=True, slots=True)
class TableFile:
    """A file of rows.

    Attributes:
        path: Path of the file.
        digest: SHA-256 of its bytes, in hex.
        modified_at: When it was last changed.
        table: Its content.
    """

    path: Path
    digest: str
    modified_at: datetime
    table: TableContent

    @classmethod
    def open(cls, path: Path, options: FileOptions | None = None) -> "TableFile":
        """Open a file, and compute its digest.

        Raises:
            Fatal: the file cannot be read, or its format is not known.
        """
        try:
            table = _table(path, options or FileOptions())
            with path.open("rb") as opened:
                digest = sha256()
                while block := opened.read(1 << 20):
                    digest.update(block)
            modified_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        except OSError as error:
            raise Fatal(f"{path} cannot be read: {error.strerror or error}") from error
        return cls(path, digest.hexdigest(), modified_at, table)

    def rows(self) -> Iterator[Row]:
        """Yield the rows in order, including those that cannot be used.

        Raises:
            Fatal: the content does not match the file's format; the error names the line.
        """
        return self.table.rows()

    def sound_rows(self, used: Sequence[str]) -> Iterator[Row]:
        """Yield the rows in order, for callers that need every row to be usable.

        Args:
            used: The columns that the caller uses.

        Raises:
            Fatal: a row cannot be used, a used column appears twice, or the content does not match the file's format.
        """
        self.check_columns(used)
        for row in self.table.rows():
            if row.fault is not None:
                raise Fatal(f"{self.path}, {row.name}: {row.fault.detail}")
            yield row

    def check_columns(self, used: Sequence[str]) -> None:
        """Check that no used column appears twice.

        Raises:
            Fatal: one does.
        """
        names = Counter(normal(column) for column in self.table.columns or ())
        for column in used:
            if names[normal(column)] > 1:
                raise Fatal(
                    f"{self.path}: the column {column} appears {names[normal(column)]} times; rename all but one of them"
                )


def _table(path: Path, options: FileOptions) -> TableContent:
    ending = path.suffix.lower()
    _refuse_unused_options(path, ending, options)
    if path.exists() and not path.is_file():
        raise Fatal(f"{path} cannot be read: it is not a file")
    if ending in DELIMITED + LINES:
        _refuse_disguised(path)
    if ending in DELIMITED:
        return DelimitedFile(path, options.encoding, options.delimiter)
    if ending in LINES:
        return JsonLinesFile(path, options.encoding)
    if ending in WORKBOOKS:
        return WorkbookFile(path, options.sheet)
    raise Fatal(f"{path}: {EXPECTED}{ADVICE.get(ending, '')}")


def _refuse_disguised(path: Path) -> None:
    """Refuse a file that has the name of a text file, but the first bytes of another kind of file."""
    with path.open("rb") as opened:
        head = opened.read(64).lstrip()
    for beginning, what in DISGUISES.items():
        if head[: len(beginning)].lower() == beginning:
            raise Fatal(f"{path} is {what}, although its name ends in {path.suffix}: export it as {path.suffix}")


def _refuse_unused_options(path: Path, ending: str, options: FileOptions) -> None:
    """Refuse an option that does not apply to this kind of file."""
    kinds = {"--encoding": (options.encoding, DELIMITED + LINES), "--delimiter": (options.delimiter, DELIMITED)}
    kinds["--sheet"] = (options.sheet, WORKBOOKS)
    for option, (value, endings) in kinds.items():
        if value is not None and ending not in endings:
            raise Fatal(f"{path}: {option} is for files that end in {', '.join(endings)}")
