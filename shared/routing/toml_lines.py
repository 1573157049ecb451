"""Where in a TOML file each table and key stands, which tomllib does not tell. Knows nothing of routing."""

import re
import tomllib
from collections.abc import Iterator
from typing import Any

Path = tuple[str, ...]
"""The keys that lead to a table or a value, the outermost first."""

CLOSING = re.compile(r"\"\"\"|'''|[]}]")
BARE = re.compile(r"[A-Za-z0-9_-]+")
ESCAPED = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\"}


class Lines:
    """The lines of a TOML text that tomllib has read without an error."""

    def __init__(self, text: str) -> None:
        self._found: dict[Path, int] = {}
        table: Path = ()
        for number, statement in _statements(text):
            paths = _paths(tomllib.loads(statement))
            if statement.lstrip(" \t").startswith("["):
                table = paths[-1]
                found = paths
            else:
                found = [table + path for path in paths]
            for path in found:
                self._found.setdefault(path, number)

    def of(self, path: Path) -> int | None:
        """Return the line, from 1, where a table or key is first named; None: it is not in the text.

        Of a value that spans lines, all that is inside stands on the line where it begins.
        """
        return self._found.get(path)


def dotted(path: Path) -> str:
    """Return a path as TOML writes it."""
    return ".".join(key if BARE.fullmatch(key) else quoted(key) for key in path)


def quoted(text: str) -> str:
    """Return a text as a TOML string, on one line."""
    return '"' + "".join(ESCAPED.get(c) or (f"\\u{ord(c):04x}" if c < " " or c == "\x7f" else c) for c in text) + '"'


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield each header or assignment with the line it begins on.

    An unfinished one never parses by itself, so the shortest run of lines that parses is a statement.
    """
    held: list[str] = []
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        held.append(line)
        if len(held) > 1 and not CLOSING.search(line):
            continue
        statement = "\n".join(held)
        try:
            found = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue
        if found:
            yield number - len(held) + 1, statement
        held = []


def _paths(parsed: dict[str, Any]) -> list[Path]:
    """Return the path of every key, the outer ones first; of an array of tables, those of its first table."""
    waiting: list[tuple[Path, Any]] = [((), parsed)]
    for path, value in waiting:  # grows while it is read
        inner = value[0] if isinstance(value, list) and value else value
        if isinstance(inner, dict):
            waiting.extend(((*path, key), each) for key, each in inner.items())
    return [path for path, _ in waiting[1:]]
