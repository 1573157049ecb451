"""`millrace search --like`, run in this process over the real embedded store with fake models.

A green run does not prove that what is found is alike; the demo's store shows that with real models.
"""

from pathlib import Path

import pytest

from shared.errors import Fatal
from tests.support.findable import ASKED
from tests.support.search_command import answered, run, store

__all__ = ["store"]  # the fixture


def test_an_item_finds_what_its_text_finds_but_not_itself(store: Path) -> None:
    by_text, alike = answered("--text", ASKED), answered("--like", "calls:C-1")
    expected = [hit["source_id"] for hit in by_text["hits"] if hit["matches"] and hit["source_id"] != "C-1"]
    assert expected
    assert [hit["source_id"] for hit in alike["hits"] if hit["matches"]] == expected


def test_an_item_with_a_picture_is_searched_by_it_too(store: Path) -> None:
    found = answered("--like", "products:P-1")
    assert "P-1" not in [hit["source_id"] for hit in found["hits"] if hit["stream"] == "products"]
    assert {hit["method"] for hit in found["hits"]} >= {"image"}, "some product is nearest by its picture"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("tickets:nobody", "tickets hold no item nobody of tenant acme"),
        ("T-1", "write stream:id"),
        ("notes:T-1", "write stream:id"),
        ("tickets:", "write stream:id"),
    ],
)
def test_an_item_that_is_not_stored_is_an_error(store: Path, name: str, reason: str) -> None:
    ended = run("--like", name)
    assert isinstance(ended.exception, Fatal), ended.output
    assert reason in str(ended.exception)


def test_only_one_kind_of_question_is_allowed(store: Path) -> None:
    ended = run("--like", "tickets:T-1", "--text", ASKED)
    assert ended.exit_code == 2
    assert "--like" in ended.output
