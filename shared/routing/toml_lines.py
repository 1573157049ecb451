"""The line number of each table and key in a TOML file, which tomllib does not report. Independent of routing."""

import re
import tomllib
from collections.abc import Iterator
from typing import Any

Path = tuple[str, ...]
"""The keys that lead to a table or a value, outermost first."""

CLOSING = re.compile(r"\"\"\"|'''|[]}]")
BARE = re.compile(r"[A-Za-z0-9_-]+")
ESCAPED = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\"}


class Lines:
    """The line numbers in a TOML text that tomllib has parsed without an error."""

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
        """Return the line, counted from 1, where a table or key first occurs; None if it is not in the text.

        If a value spans several lines, all keys inside it are reported on the line where it begins.
        """
        return self._found.get(path)


def dotted(path: Path) -> str:
    """Return a path in TOML syntax."""
    return ".".join(key if BARE.fullmatch(key) else quoted(key) for key in path)


def quoted(text: str) -> str:
    """Return a text as a TOML string, on one line."""
    return '"' + "".join(ESCAPED.get(c) or (f"\\u{ord(c):04x}" if c < " " or c == "\x7f" else c) for c in text) + '"'


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield each header or assignment with the line on which it begins.

    An unfinished statement never parses by itself, so the shortest run of lines that parses is a statement.
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
    """Return the path of every key, outer keys first; for an array of tables, only the keys of its first table."""
    waiting: list[tuple[Path, Any]] = [((), parsed)]
    for path, value in waiting:  # the list grows during the loop
        inner = value[0] if isinstance(value, list) and value else value
        if isinstance(inner, dict):
            waiting.extend(((*path, key), each) for key, each in inner.items())
    return [path for path, _ in waiting[1:]]
