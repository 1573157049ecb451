"""Reading a sheet of an Excel workbook (.xlsx) row by row with openpyxl. Cells become text, as in a CSV file."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from millrace.ingest.rows import Row, extra_cells, trimmed
from shared.errors import Fatal

if TYPE_CHECKING:
    from openpyxl.workbook import Workbook


class WorkbookFile:
    """A sheet with a header.

    Args:
        path: Path of the workbook.
        sheet: Name of the sheet; None stands for the only one that is not empty.

    Raises:
        Fatal: openpyxl is not installed, the file is not a workbook, or several sheets could be meant.
    """

    def __init__(self, path: Path, sheet: str | None) -> None:
        self._path = path
        with _readable(path), closing(_load(path)) as book:
            names = [each.title for each in book.worksheets]
            if sheet is not None and sheet not in names:
                raise Fatal(f"{path} has no sheet {sheet}; it has {', '.join(names)}")
            shown = [each.title for each in book.worksheets if each.sheet_state == "visible"]
            filled = [name for name in shown if next(_records(book, name), None) is not None]
            if sheet is None and len(filled) > 1:
                raise Fatal(f"{path} has several sheets, {', '.join(filled)}: choose one with --sheet")
            self._sheet = sheet or (filled or names)[0]
            header = next(_records(book, self._sheet), None)
        if header is None:
            raise Fatal(f"{path}: the sheet {self._sheet} is empty: it needs a header and at least one row")
        self.columns = trimmed(header[1])

    @property
    def described(self) -> str:
        """The format of the file, in words."""
        return f"Excel workbook, sheet {self._sheet}"

    def rows(self) -> Iterator[Row]:
        """Yield the rows below the header that are not blank."""
        columns, width = self.columns, len(self.columns)
        with _readable(self._path), closing(_load(self._path)) as book:
            records = _records(book, self._sheet)
            next(records, None)
            for number, (line, cells) in enumerate(records):
                found = trimmed(cells)
                fault = extra_cells(len(found), width) if len(found) > width else None
                yield Row(number, line, dict(zip(columns, cells, strict=False)), fault)


def _load(path: Path) -> "Workbook":
    try:
        from openpyxl import load_workbook
    except ImportError as error:
        raise Fatal("to read .xlsx, install millrace[excel]; or save the sheet as CSV UTF-8") from error
    return load_workbook(path, read_only=True, data_only=True)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn any error of openpyxl on a broken file into a `Fatal`; an `OSError` is passed on as it is."""
    try:
        yield
    except (OSError, Fatal, GeneratorExit):
        raise
    except Exception as error:
        what = "is not an .xlsx workbook, or it is broken or protected by a password"
        raise Fatal(f"{path} {what} ({type(error).__name__}: {error}); save the sheet as CSV UTF-8") from error


def _records(book: "Workbook", sheet: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the cells of each row that is not blank."""
    from openpyxl.utils.escape import unescape

    opened: Any = book[sheet]
    opened.reset_dimensions()  # the size of the sheet that the file states may be wrong
    for line, values in enumerate(opened.iter_rows(values_only=True), 1):
        cells = [_text(value, unescape) for value in values]
        if any(cells):
            yield line, cells


def _text(value: object, unescape: Callable[[str], str]) -> str:
    """Return a cell as text: whole numbers without a decimal point, times in ISO 8601."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime | date):
        return value.isoformat()
    return unescape(str(value))  # Excel keeps a carriage return as _x000D_
