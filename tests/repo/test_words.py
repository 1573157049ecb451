"""Words that are not used, each with its replacement (`CONTRIBUTING.md`).

Docstrings, comments, messages, names and pages are checked; the data of tests and the word lists of `shared/text` are
not. A green run does not prove that a sentence is clear.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.sources import ROOT

BANNED = {
    r"tells?|telling|told": "report, show, know",
    r"mend(s|ed|ing)?": "fix",
    r"hindrances?": "reason",
    r"(?<!dead )(?<!dead-)letters?": "dead letter",
    r"so (many|much|long|often)(?! (as|that)\b)": "a number",
    r"(is|are|it's) none|none is": "is not valid, does not exist, if absent",
    r"rubbish": "invalid",
    r"anew": "again",
    r"lest": "so that ... not",
    r"(none|one|some|any|many|all|nothing) of ours": "that Millrace wrote",
    r"(is|are|was|were|be) away": "is unavailable",
    r"sp(eak|eaks|oke|oken) to": "connect to",
    r"in (its|their|his) stead": "instead",
}
PATTERNS = {re.compile(rf"\b(?:{words})\b", re.IGNORECASE): instead for words, instead in BANNED.items()}
CODE = ("schemas", "shared", "workers", "millrace", "tests", "benchmarks")
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
DATA = ("tests/", "shared/text/")
"""Folders in which strings other than docstrings are data: mails, word lists, text that a customer may write."""

ALPHABET = ("letters, digits", "letter or digit", "small letter", "four letters", "capital letter", "accented letter")
"""Phrases that mean letters of the alphabet."""

LEXICON = ("CONTRIBUTING.md", "tests/repo/test_words.py")
"""Files that list the words."""


def found(text: str) -> list[str]:
    """Return the words of a text that are not to be used."""
    for phrase in ALPHABET:
        text = text.replace(phrase, "")
    return [match.group(0) for pattern in PATTERNS for match in pattern.finditer(" ".join(text.split()))]


def named(name: str) -> str:
    """Return a name split into its words."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " ")


def passages(name: str, text: str) -> Iterator[tuple[int, str]]:
    """Yield the prose of a module, each with its line: docstrings, comments, messages, and the names it defines."""
    tree = ast.parse(text, name)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) in docstrings or not name.startswith(DATA):
                yield node.lineno, node.value
        elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            yield node.lineno, named(node.name)
        elif isinstance(node, ast.arg):
            yield node.lineno, "" if node.arg == "letter" else named(node.arg)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def strays() -> Iterator[str]:
    """Yield each place that contains a word that is not to be used."""
    for path in sorted(each for package in CODE for each in (ROOT / package).rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if name not in LEXICON:
            for line, passage in passages(name, path.read_text(encoding="utf-8")):
                yield from (f"{name}:{line} {word}" for word in found(passage))
    for page in PAGES:
        name = page.relative_to(ROOT).as_posix()
        if name not in LEXICON:
            paragraphs = re.split(r"\n(?=[-|#\n])", page.read_text(encoding="utf-8"))
            yield from (f"{name} {word}: {part.strip()[:60]}" for part in paragraphs for word in found(part))


def test_no_word_is_used_that_has_a_plainer_one() -> None:
    assert list(strays()) == []


@pytest.mark.parametrize(
    "text",
    [
        '"""Tell the user."""',
        "x = 1  # how to mend it",
        'raise ValueError("a time is none")',
        "def so_many_records(): ...",
        "class Told: ...",
        "def f(hindrance): ...",
    ],
)
def test_a_planted_word_is_found(text: str) -> None:
    assert any(found(passage) for _, passage in passages("shared/a.py", text))


def test_the_data_of_a_test_is_not_checked() -> None:
    mail = 'MAIL = "Please tell me"'
    assert [found(passage) for _, passage in passages("tests/unit/a.py", mail) if found(passage)] == []
    assert not Path(ROOT / "tests" / "unit" / "a.py").exists()


def test_letters_of_the_alphabet_are_allowed() -> None:
    assert found("letters, digits and dashes") == []
    assert found("the letter was replayed") == ["letter"]
