"""Reading the whole file before anything is sent, to find its rows and columns and whether it can be read."""

from collections.abc import Callable
from dataclasses import dataclass

from millrace.ingest.table_files import TableFile
from shared.errors import Fatal

COLUMNS_LIMIT = 10_000
STEP_ROWS = 1_000


@dataclass(frozen=True, slots=True)
class FileSurvey:
    """The size and the columns of a file.

    Attributes:
        rows: Number of rows, including those that cannot be used.
        columns: The header or, in JSON Lines, the names in all rows, in the order of their first appearance.
    """

    rows: int
    columns: tuple[str, ...]


def survey_file(source: TableFile, advance: Callable[[int], None]) -> FileSurvey:
    """Read a file from end to end.

    Args:
        source: The file.
        advance: Called from time to time with the number of rows read since the last call.

    Raises:
        Fatal: the file has no rows, or none that can be used; a byte does not fit the encoding, or a quote is never
            closed; it has too many columns.
    """
    header = source.table.columns
    named: dict[str, None] = {}
    rows, first_fault, usable = 0, "", False
    for row in source.rows():
        rows += 1
        if row.fault is None:
            usable = True
        elif not first_fault:
            first_fault = f"{row.name}: {row.fault.detail}"
        if header is None and not row.cells.keys() <= named.keys():
            named.update(dict.fromkeys(row.cells))
            if len(named) > COLUMNS_LIMIT:
                raise Fatal(f"{source.path}: its lines have more than {COLUMNS_LIMIT} different names")
        if rows % STEP_ROWS == 0:
            advance(STEP_ROWS)
    if not rows:
        raise Fatal(f"{source.path} has no rows{'' if header is None else ', only a header'}")
    if not usable:
        raise Fatal(f"{source.path}: none of its {rows} rows can be used; the first: {first_fault}")
    return FileSurvey(rows, tuple(named) if header is None else header)
