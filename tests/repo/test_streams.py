"""Streams are named in one file only: the code that runs them asks their descriptors.

A green run does not prove that no code is shaped for one stream: a field of its payload may still be named somewhere.
"""

import ast
import re

import pytest

from millrace.streams import STREAMS
from tests.support.sources import ROOT, Source, imported, sources

LIST = "millrace/streams.py"
NAMED = re.compile(rf"({'|'.join(STREAMS)})(\.\w+)*")
"""The name of a stream, or of one of its topics or collections."""


def strays(modules: list[Source]) -> list[str]:
    """Return each place of `shared` and `millrace`, except the list, that imports a stream or contains its name."""
    looked = [each for each in modules if each.name.startswith(("shared/", "millrace/")) and each.name != LIST]
    found = [
        f"{source.name}:{line} imports {name}"
        for source in looked
        for name, line in imported(source)
        if _is_stream(name) or name in {f"schemas.{stream}" for stream in STREAMS}
    ]
    return found + [f"{source.name}:{node.lineno} names a stream" for source in looked for node in _names(source)]


def _is_stream(name: str) -> bool:
    return name.startswith("workers.") and not name.startswith("workers.services")


def _names(source: Source) -> list[ast.Constant]:
    constants = [node for node in ast.walk(source.tree) if isinstance(node, ast.Constant)]
    texts = [(node, node.value) for node in constants if isinstance(node.value, str)]
    return [node for node, text in texts if NAMED.fullmatch(text) and not text.endswith(".jsonl")]


def test_no_file_but_the_list_imports_or_names_a_stream() -> None:
    assert strays(sources()) == []


@pytest.mark.parametrize(
    "text",
    [
        "from schemas.tickets import TicketRouted",
        "from workers.tickets.stages import TICKETS",
        "def f(stream='tickets'):\n    ...",
        "TOPIC = 'tickets.routed'",
    ],
)
@pytest.mark.parametrize("name", ["shared/a.py", "millrace/cli/a.py"])
def test_a_planted_name_is_found(name: str, text: str) -> None:
    assert len(strays([Source(name, text)])) == 1


@pytest.mark.parametrize("stream", STREAMS.values(), ids=lambda stream: stream.name)
def test_a_stream_is_a_folder_of_at_most_four_files(stream: object) -> None:
    folder = ROOT / "workers" / next(name for name, each in STREAMS.items() if each is stream)
    assert len(list(folder.glob("*.py"))) <= 4
