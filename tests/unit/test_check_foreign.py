"""How many points the check of foreign points reads, and what it reports when it has not read all of them.

A green run does not prove what a real store holds (`tests/contract/test_foreign_tickets.py`).
"""

from collections.abc import Iterator, Mapping
from uuid import UUID

import pytest

from millrace.doctor import foreign_points as foreign
from millrace.doctor.finding import Finding
from millrace.doctor.foreign_points import check_foreign
from tests.support.fakes import FakeCollection, ManualClock
from workers.tickets.stages import TICKETS


class Large(FakeCollection):
    """A store with N points that have integer ids; each takes a while to read."""

    size = 50
    takes_s = 0.0
    clock = ManualClock()

    def scroll_all(self, payload: tuple[str, ...]) -> Iterator[tuple[UUID | int, Mapping[str, object]]]:
        for number in range(self.size):
            self.clock.seconds += self.takes_s
            yield number, {}

    def count(self, equals: Mapping[str, str | int], at_least: Mapping[str, int]) -> int:
        return self.size


def look(store: Large) -> list[Finding]:
    return list(check_foreign(store, TICKETS.points, store.clock))


def test_an_empty_store_gives_no_finding() -> None:
    store = Large()
    store.size = 0
    assert look(store) == []


def test_the_first_five_are_named() -> None:
    [found] = look(Large())
    assert found.state == "warning"
    assert found.detail.startswith("50 of the 50 points checked were written or overwritten by another program")
    assert found.detail.count("its id is an integer") == 5
    assert "4 (its id is an integer), and more; " in found.detail


def test_it_reads_no_more_points_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "MOST_POINTS", 20)
    [found] = look(Large())
    assert found.detail.startswith("20 of the 20 points checked")
    assert found.detail.endswith("; 30 others were not checked")


def test_it_reads_no_longer_than_the_time_limit() -> None:
    store = Large()
    store.takes_s = 6.0
    [found] = look(store)
    assert found.detail.startswith("3 of the 3 points checked")
