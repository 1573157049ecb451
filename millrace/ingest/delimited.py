"""Reading a delimited file with a header: comma, semicolon, tab or pipe."""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from millrace.ingest.encodings import encoding_of, opened_text
from millrace.ingest.rows import Row, extra_cells, trimmed
from schemas.failures import FailureReason
from shared.errors import Fatal, Rejected

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
NAMES = {delimiter: name for name, delimiter in DELIMITERS.items()}
EXCEL_HINT = re.compile(r'"?sep=(.)"?\s*\Z', re.IGNORECASE)
"""A first line that names the delimiter for Excel; it is not part of the table."""

TAB_ENDINGS = (".tsv", ".tab")
MARK = "\ufeff"
"""A byte order mark: it appears in the middle of a file if files with marks were joined."""

CELL_LIMIT_CHARS = 64 << 20
"""Longest cell. Without a limit, a quote that is never closed would put the rest of the file into one cell."""

LEAST_COLUMNS = 3
SWALLOWED = "a line within a quoted cell looks like a row of its own; perhaps a closing quote is missing before it"
SAMPLE_CHARS = 64 << 10
SAMPLE_ROWS = 50


class DelimitedFile:
    """A table in a text file.

    Args:
        path: Path of the file.
        encoding: Its encoding, unless a byte order mark shows it; None stands for UTF-8.
        delimiter: The character between its cells; with None it is detected.

    Raises:
        Fatal: the file is empty, it cannot be read as text, or the encoding does not exist.
    """

    def __init__(self, path: Path, encoding: str | None, delimiter: str | None) -> None:
        csv.field_size_limit(CELL_LIMIT_CHARS)
        self._path, self._encoding = path, encoding_of(path, encoding)
        with opened_text(path, self._encoding) as opened:
            hint = EXCEL_HINT.match(opened.readline())
        self._skipped_lines = 1 if hint else 0
        likely = hint[1] if hint else "\t" if path.suffix.lower() in TAB_ENDINGS else None
        self._delimiter = delimiter or self._recognised(likely)
        self._blanks = False
        header = next(self._records(), None)
        if header is None:
            raise Fatal(f"{path} is empty: it needs a header and at least one row")
        self._blanks = any(cell.startswith(" ") for cell in header[1])
        self._width = len(header[1])
        self.columns = trimmed(header[1])

    @property
    def described(self) -> str:
        """The format of the file, in words."""
        name = NAMES.get(self._delimiter, repr(self._delimiter))
        return f"{name}-separated, {self._encoding.removesuffix('-sig').upper()}"

    def rows(self) -> Iterator[Row]:
        """Yield the rows below the header.

        Raises:
            Fatal: a byte does not fit the encoding, or quotes do not match, so that the end of a row is unknown.
        """
        records = self._records()
        next(records, None)
        columns, width = self.columns, len(self.columns)
        for number, (line, cells, spans) in enumerate(records):
            found, missing = len(cells), columns[len(cells) :]
            fault = None
            if found > self._width or (found > width and any(cells[width:])):
                fault = extra_cells(found, width)
            elif spans and _holds_a_row(cells, self._delimiter):
                fault = Rejected(FailureReason.INVALID_VALUE, "row", SWALLOWED)
            if missing:
                cells.extend([""] * len(missing))
            yield Row(number, line, dict(zip(columns, cells, strict=False)), fault, missing)

    def _recognised(self, likely: str | None) -> str:
        """Return the delimiter: the likely one if the header contains it, else the one that fits best."""
        sample = _sample(self._path, self._encoding, self._skipped_lines)
        header = sample.lstrip().partition("\n")[0]
        found = recognise(sample)
        return likely if likely is not None and (likely in header or found not in header) else found

    def _records(self) -> Iterator[tuple[int, list[str], bool]]:
        """Yield the header and each row, with the line on which it begins and whether it has more lines.

        Records of empty cells are skipped, and so are repetitions of the header, which appear if files were joined.
        """
        with opened_text(self._path, self._encoding) as opened:
            for _ in range(self._skipped_lines):
                opened.readline()
            reader = csv.reader(opened, delimiter=self._delimiter, strict=True, skipinitialspace=self._blanks)
            ended = 0
            header: list[str] = []
            try:
                for cells in reader:
                    begun, ended = ended + 1, reader.line_num
                    if any(cells) and not (header and cells[0].lstrip(MARK) == header[0] and cells[1:] == header[1:]):
                        header = header or cells
                        yield begun + self._skipped_lines, cells, ended > begun
            except csv.Error as error:
                raise Fatal(self._broken(error, ended + 1, reader.line_num)) from error

    def _broken(self, error: csv.Error, begun: int, line: int) -> str:
        where = f"{self._path}, line {line + self._skipped_lines}"
        rule = "a quote within a quoted cell is written twice"
        if str(error).startswith("field larger"):
            return f"{where}: a cell is longer than {CELL_LIMIT_CHARS} characters, or a quote is never closed"
        if str(error).startswith("unexpected end"):
            return f"{where}: a quote that was opened in the row of line {begun + self._skipped_lines} is never closed"
        return f"{where}: {error} (the row begins on line {begun + self._skipped_lines}; {rule})"


def _holds_a_row(cells: list[str], delimiter: str) -> bool:
    """Return whether a line in a cell looks like a row: it has as many cells, and its first cell has the row's form."""
    form = _form(cells[0])
    if "9" not in form or len(cells) < LEAST_COLUMNS:
        return False
    lines = (line for cell in cells if "\n" in cell for line in cell.splitlines()[1:])
    return any(
        line.count(delimiter) == len(cells) - 1 and _form(line.partition(delimiter)[0]) == form for line in lines
    )


def _form(text: str) -> str:
    """Return a text with 9 for each sequence of digits and "a" for each word: the form of `T-17` is `a-9`."""
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "9", text.strip()))


def recognise(sample: str) -> str:
    """Return the delimiter for which most rows have the header's width; of equals, the one with more cells."""
    return max(DELIMITERS.values(), key=lambda delimiter: _fit(sample, delimiter))


def _sample(path: Path, encoding: str, skipped_lines: int) -> str:
    """Return the beginning of a file without the skipped lines, up to the end of a line."""
    with path.open(encoding=encoding, newline="", errors="replace") as opened:
        for _ in range(skipped_lines):
            opened.readline()
        text = opened.read(SAMPLE_CHARS)
    ended = max(text.rfind("\n"), text.rfind("\r"))
    return text if len(text) < SAMPLE_CHARS or ended < 0 else text[: ended + 1]


def _fit(sample: str, delimiter: str) -> tuple[float, int, int]:
    """Return a key to compare: share of rows with the header's width, the width, and the negative number of blanks.

    Blanks count against a delimiter because prose has blanks after commas. A width of 1 scores 0.
    """
    widths: list[int] = []
    blanks = 0
    for cells in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter):
        if cells:
            widths.append(len(cells))
            blanks += sum(cell.startswith(" ") for cell in cells[1:])
        if len(widths) == SAMPLE_ROWS:
            break
    if not widths or widths[0] == 1:
        return 0.0, 1, 0
    return widths.count(widths[0]) / len(widths), widths[0], -blanks
