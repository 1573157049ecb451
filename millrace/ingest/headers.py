"""Whether the first line of a table names its columns, or is already a row."""

import re
from collections.abc import Sequence

DATA = re.compile(
    r"[+-]?[\d.,]+%?"  # a number
    r"|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}.*"  # a date
    r"|[^@\s]+@[^@\s]+\.[^@\s]+"  # an address
    r"|.{80,}|.*[.!?]|.*[\r\n].*",  # a text
    re.DOTALL,
)


def looks_like_data(columns: Sequence[str]) -> bool:
    """Return whether a cell of the first line is a number, a date, an address or a sentence, as no column is called."""
    return any(DATA.fullmatch(column.strip()) or len(column.split()) > 5 for column in columns)
