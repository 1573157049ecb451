"""A row of a file, however the file is written."""

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
        line: The line it begins on, from 1; in a workbook the number of the sheet's row.
        cells: Column -> value.
        fault: Why the row as a whole cannot be used; None for a sound row.
        missing: The columns at the end for which it has no cell: they are read as empty.
    """

    number: int
    line: int
    cells: Mapping[str, Any]
    fault: Rejected | None = None
    missing: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What the row is called in messages."""
        return f"row {self.number + 1} (line {self.line})"


def extra_cells(count: int, width: int) -> Rejected:
    """Return the fault of a row with more cells than the header, empty ones too: they show that cells have shifted."""
    what = f"{count} cells, but the header names {width} columns; perhaps a text with the delimiter is not quoted"
    if width == 1:
        what = f"{count} cells, but the first line has one; if that is a title, delete what stands above the header"
    return Rejected(FailureReason.UNKNOWN_FIELD, "row", what)


def trimmed(cells: Sequence[str]) -> tuple[str, ...]:
    """Return the cells without blank ones at the end."""
    width = max((place + 1 for place, cell in enumerate(cells) if cell.strip()), default=0)
    return tuple(cells[:width])
