"""The check whether the first line of a table is a header, or is already a row of data."""

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
    """Return whether a cell of the first line is a number, date, address or sentence, which column names are not.

    Questions are accepted as column names: exports of forms have them.
    """
    cells = [column.strip() for column in columns if not column.rstrip().endswith("?")]
    return any(DATA.fullmatch(cell) or len(cell.split()) > 5 for cell in cells)
