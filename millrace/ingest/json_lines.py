"""Reading JSON Lines: one object per line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from millrace.ingest.encodings import encoding_of, opened_text
from millrace.ingest.rows import Row
from shared.decoding import parse_object
from shared.errors import Fatal, Rejected


class JsonLinesFile:
    """A file with one JSON object per line. If a line is not an object, only its row is refused.

    Args:
        path: Path of the file.
        encoding: Its encoding, unless a byte order mark shows it; None stands for UTF-8.

    Raises:
        Fatal: the file is one JSON document over several lines, or the encoding does not exist.
    """

    columns = None
    """Each line names its own columns, so all are known only when the whole file has been read."""

    def __init__(self, path: Path, encoding: str | None) -> None:
        self._path, self._encoding = path, encoding_of(path, encoding)
        with opened_text(path, self._encoding) as opened:
            lines = ((line, text.strip()) for line, text in enumerate(opened, 1) if text.strip())
            line, first = next(lines, (0, ""))
        if first.startswith("[") or first == "{":
            each = "." if first == "{" else ".[]"
            advice = f"convert it with `jq -c '{each}' {path.name} > tickets.jsonl`"
            raise Fatal(f"{path}, line {line}: expected an object on each line, found one JSON document; {advice}")

    @property
    def described(self) -> str:
        """The format of the file, in words."""
        return f"JSON Lines, {self._encoding.removesuffix('-sig').upper()}"

    def rows(self) -> Iterator[Row]:
        """Yield a row for each line that is not blank.

        Raises:
            Fatal: a byte does not fit the encoding.
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
    """Return an object and, beside them, the values of the objects in it under dotted names: `via.channel`."""
    nested = [(name, value) for name, value in cells.items() if isinstance(value, dict) and name != "attributes"]
    return (
        cells | {f"{name}.{inner}": value for name, held in nested for inner, value in held.items()}
        if nested
        else cells
    )
