"""A row of a file, whatever the format of the file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.failures import FailureReason
from shared.errors import Rejected


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Attributes:
        number: Its number, from 0; blank lines are not counted.
        line: The line on which it begins, from 1; in a workbook the number of the sheet's row.
        cells: Column -> value.
        fault: Why the row as a whole cannot be used; None if it can.
        missing: The last columns, for which the row has no cells: they are read as empty.
    """

    number: int
    line: int
    cells: Mapping[str, Any]
    fault: Rejected | None = None
    missing: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of the row in messages."""
        return f"row {self.number + 1} (line {self.line})"


def extra_cells(count: int, width: int) -> Rejected:
    """Return the fault of a row with more cells than the header; even empty ones show that cells have shifted."""
    what = (
        f"{count} cells, but the header names {width} columns; perhaps a text that contains the delimiter is not quoted"
    )
    if width == 1:
        what = f"{count} cells, but the first line has one cell; if that line is a title, delete all lines above the header"
    return Rejected(FailureReason.UNKNOWN_FIELD, "row", what)


def trimmed(cells: Sequence[str]) -> tuple[str, ...]:
    """Return the cells without blank ones at the end."""
    width = max((place + 1 for place, cell in enumerate(cells) if cell.strip()), default=0)
    return tuple(cells[:width])
