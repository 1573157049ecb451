"""Reading JSON Lines: one object a line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from millrace.ingest.encodings import encoding_of, opened_text
from millrace.ingest.rows import Row
from shared.decoding import parse_object
from shared.errors import Fatal, Rejected


class JsonLinesFile:
    """A file of one JSON object a line. A line that is not one costs its row alone.

    Args:
        path: Where it is.
        encoding: How it is written, unless a byte order mark says so; None is UTF-8.

    Raises:
        Fatal: the file holds one JSON document over several lines, or the encoding does not exist.
    """

    columns = None
    """Each line names its own: they are known when all are read."""

    def __init__(self, path: Path, encoding: str | None) -> None:
        self._path, self._encoding = path, encoding_of(path, encoding)
        with opened_text(path, self._encoding) as opened:
            lines = ((line, text.strip()) for line, text in enumerate(opened, 1) if text.strip())
            line, first = next(lines, (0, ""))
        if first.startswith("[") or first == "{":
            each = "." if first == "{" else ".[]"
            advice = f"`jq -c '{each}' {path.name} > tickets.jsonl` makes lines of it"
            raise Fatal(f"{path}, line {line}: expected an object on each line, found one JSON document; {advice}")

    @property
    def described(self) -> str:
        """How the file is written, in words."""
        return f"JSON Lines, {self._encoding.removesuffix('-sig').upper()}"

    def rows(self) -> Iterator[Row]:
        """Yield a row for each line that is not blank.

        Raises:
            Fatal: a byte is wrong.
        """
        number = 0
        with opened_text(self._path, self._encoding) as opened:
            for line, text in enumerate(opened, 1):
                if not text.strip():
                    continue
                try:
                    yield Row(number, line, _flat(parse_object(text)))
                except Rejected as fault:
                    yield Row(number, line, {}, fault)
                number += 1


def _flat(cells: dict[str, Any]) -> dict[str, Any]:
    """Return an object with what its objects hold beside them, under dotted names: `via.channel`."""
    nested = [(name, value) for name, value in cells.items() if isinstance(value, dict) and name != "attributes"]
    return (
        cells | {f"{name}.{inner}": value for name, held in nested for inner, value in held.items()}
        if nested
        else cells
    )
