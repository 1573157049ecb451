"""Questions to one search over collections in memory, and the ids of what it finds."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from schemas.found import FoundItem
from shared.records import Point, Vector
from shared.search.federated.federation import Answer, Federation, Question
from shared.search.federated.source import Source
from tests.support.fakes import FakeCollection, ManualClock
from tests.support.findable import ASKED, OTHERS, asked_by, drawn, memory, ticket


def federation(*sources: Source, clock: ManualClock | None = None) -> Federation:
    """Return the search over some sources."""
    return Federation(sources, {each.stream: partial(asked_by, drawn) for each in sources}, clock or ManualClock())


def words(text: str = ASKED, streams: Sequence[str] = ("tickets", "calls", "products"), **changes: Any) -> Question:
    """Return a question by words; `changes` are further fields."""
    vectors = {name: {asked: rows[0] for asked, rows in asked_by(drawn, [text]).items()} for name in streams}
    return Question("acme", vectors, text, **changes)


def picture(vector: Vector, *streams: str, **changes: Any) -> Question:
    """Return a question by a picture."""
    return Question("acme", {name: {"picture": vector} for name in streams}, **changes)


def ids(hits: Sequence[FoundItem]) -> list[str]:
    """Return the ids of hits."""
    return [hit.source_id for hit in hits]


def tickets(*points: Point) -> FakeCollection:
    """Return a collection of tickets that fit nothing, and these points."""
    return memory(*(ticket(f"O-{at}", text) for at, text in enumerate(OTHERS)), *points)


def named(answer: Answer) -> Mapping[str, FoundItem]:
    """Return the hits by their ids."""
    return {hit.source_id: hit for hit in answer.hits}
