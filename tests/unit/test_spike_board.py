"""Outliers become messages of spikes, once, also after a restart. `test_spikes.py` shows what raises a spike."""

from datetime import timedelta

import pytest

from schemas.drift import Spike
from shared.drift.board import Tallies
from shared.drift.frames import Place
from shared.drift.keeper import Taken
from shared.drift.reference import Reference, Subject
from shared.drift.spike_board import SpikeBoard
from shared.drift.spikes import SpikeRules
from tests.support.drift_reference import BUILT, SUBJECT, outlier, reference, sums_of

PLACE = Place("id-1", 2)
RULES = SpikeRules(900, 3)


class One:
    """One reference."""

    def of(self, subject: Subject) -> Reference | None:
        return reference() if subject == SUBJECT else None

    def every(self) -> tuple[Reference, ...]:
        return (reference(),)


def board(tallies: Tallies | None = None) -> SpikeBoard:
    return SpikeBoard(SUBJECT.stream, One(), RULES, tallies or Tallies())


def spikes(taken: list[Taken]) -> list[Spike]:
    return [Spike.model_validate_json(sent.value) for each in taken for sent in each.outgoing]


def test_several_customers_with_a_new_problem_are_one_message() -> None:
    tallies = Tallies()
    found = board(tallies)
    taken = [found.take(outlier(number, f"C-{number % 4}"), PLACE, number) for number in range(8)]
    opened = [each for each in spikes(taken) if each.state == "open"]
    assert len({each.spike_id for each in opened}) == 1
    assert found.open_count == 1
    assert tallies.spikes[SUBJECT.stream] == 1
    assert {sent.topic for each in taken for sent in each.outgoing} == {"tickets.spikes"}


def test_an_outlier_that_is_read_again_changes_nothing_also_after_a_restart() -> None:
    first = board()
    for number in range(8):
        first.take(outlier(number, f"C-{number % 4}"), PLACE, number)
    partition, value = first.written(SUBJECT) or (None, b"")
    assert partition == 2
    assert value is not None
    second = board()
    second.restore([value], {2}, "id-1")
    assert second.open_count == 1
    assert [second.take(outlier(number, f"C-{number % 4}"), PLACE, number) for number in range(8)] == [Taken()] * 8


def test_other_partitions_are_dropped_and_everything_can_be_forgotten() -> None:
    found = board()
    found.take(outlier(0, "C-0"), PLACE, 0)
    found.restore([], {2}, "id-1")
    assert found.written(SUBJECT) is not None
    found.restore([], {1}, "id-1")
    assert found.written(SUBJECT) is None
    found.take(outlier(0, "C-0"), PLACE, 0)
    found.forget()
    assert found.written(SUBJECT) is None


def test_a_spike_is_closed_by_the_clock_in_a_quiet_partition_only() -> None:
    found = board()
    for number in range(8):
        found.take(outlier(number, f"C-{number % 4}"), PLACE, number)
    later = BUILT + timedelta(hours=1)
    (grown,) = spikes([found.tick(later, lambda _: False)])
    assert (grown.state, grown.items, len(grown.examples)) == ("open", 8, 8), "published, however busy the partition is"
    assert found.tick(later, lambda _: False) == Taken()
    (closed,) = spikes([found.tick(later, lambda partition: partition == 2)])
    assert closed.state == "closed"
    assert found.open_count == 0


def test_usual_traffic_of_a_subject_without_outliers_is_counted_too() -> None:
    found = board()
    found.add_traffic(sums_of(reference().centroids[:5], ["a"] * 5, BUILT), 2)
    assert found.written(SUBJECT) is not None


@pytest.mark.parametrize("value", [b"", b"{}", b"\xff", outlier(0, "C").replace(b'"tickets"', b'"calls"')])
def test_what_cannot_be_read_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match="outlier"):
        board().take(value, PLACE, 0)
