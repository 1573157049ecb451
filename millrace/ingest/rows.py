"""A row of a file, however the file is written."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.errors import Rejected


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Attributes:
        number: Its number, from 0; blank lines are not counted.
        line: The line it begins on, from 1; in a workbook the row of the sheet.
        cells: Column -> value.
        fault: Why the row as a whole cannot be used; None for a sound row.
        short: Whether it has fewer cells than the header: those missing are read as empty.
    """

    number: int
    line: int
    cells: Mapping[str, Any]
    fault: Rejected | None = None
    short: bool = False

    @property
    def name(self) -> str:
        """What the row is called in messages."""
        return f"row {self.number + 1} (line {self.line})"
