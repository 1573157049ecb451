"""Reads the four packages as text and syntax trees; shared by the tests of the checkout."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PACKAGES = ("schemas", "shared", "workers", "millrace")
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Source:
    """One module: its path below the checkout, with forward slashes, and its text."""

    name: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The module's syntax tree."""
        return ast.parse(self.text, self.name)

    @property
    def lines(self) -> int:
        """The number of lines of the file."""
        return len(self.text.splitlines())

    @property
    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        """Every function and method, nested ones too."""
        return (n for n in ast.walk(self.tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))


def sources(folders: Sequence[str] = PACKAGES) -> list[Source]:
    """Return every module in these folders of the checkout, in order of name."""
    paths = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return [Source(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in paths]


def imported(source: Source) -> Iterator[tuple[str, int]]:
    """Yield each module that `source` imports, by statement or by literal name, with its line; relative ones as `.`."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield ("." * node.level or node.module or ""), node.lineno
    yield from imported_by_call(source)


def imported_by_call(source: Source) -> Iterator[tuple[str, int]]:
    """Yield each module that `source` imports by a call with a literal name, with its line."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__"):
            yield from ((str(a.value), node.lineno) for a in node.args[:1] if isinstance(a, ast.Constant))


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
