"""Whether the first line of a table names its columns, or is already a row."""

import re
from collections.abc import Sequence

DATA = re.compile(
    r"[+-]?[\d.,]+%?"  # a number
    r"|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}.*"  # a date
    r"|[^@\s]+@[^@\s]+\.[^@\s]+"  # an address
    r"|.{80,}|.*[.!]",  # a text
    re.DOTALL,
)


def looks_like_data(columns: Sequence[str]) -> bool:
    """Return whether a cell of the first line is a number, a date, an address or a sentence, as no column is called.

    Questions are columns: those of a form.
    """
    cells = [column.strip() for column in columns if not column.rstrip().endswith("?")]
    return any(DATA.fullmatch(cell) or len(cell.split()) > 5 for cell in cells)
