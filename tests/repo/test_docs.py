"""The pages name files and tests that exist. Green does not show that a sentence is true: the named test does."""

import ast
import re
from pathlib import Path

import pytest

from tests.support.sources import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
NAMED = re.compile(r"`((?:[\w.-]+/)+[\w.-]+\.(?:py|toml|md|json))(?:::(\w+))?`")
LINKED = re.compile(r"\]\(([^)#:]+)\)")


def functions_of(path: Path) -> set[str]:
    """Return the names of the functions in a module."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_files_and_tests_named_in_a_page_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    gone = [name for name, _ in NAMED.findall(text) if not (ROOT / name).exists()]
    gone += [link for link in LINKED.findall(text) if not (page.parent / link).exists()]
    tests = [(name, test) for name, test in NAMED.findall(text) if test and name not in gone]
    gone += [f"{name}::{test}" for name, test in tests if test not in functions_of(ROOT / name)]
    assert not gone


def test_every_promise_of_delivery_names_a_test() -> None:
    page = (ROOT / "docs" / "delivery.md").read_text(encoding="utf-8")
    promised = page.split("## Promised")[1].split("## Not promised")[0]
    rows = [
        line for line in promised.splitlines() if line.startswith("| ") and not line.startswith(("| ---", "| sentence"))
    ]
    assert len(rows) > 15
    assert all("::test_" in row for row in rows)
