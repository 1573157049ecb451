"""Windows close by the times in the messages, a batch counts once, and alerts need two windows. A stand-in judges."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from structlog.testing import capture_logs

from schemas.drift import BatchSums, DriftAlert
from shared.drift.board import Board, Rules, Tallies
from shared.drift.frames import Place
from shared.drift.keeper import Taken
from shared.drift.reference import Reference, Subject
from shared.drift.watched import Watched
from tests.support.drift_process import MODEL, REFERENCE, STREAM, Found, References, batch, judged

NOW = datetime(2026, 3, 2, 8, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
SUBJECT = Subject(STREAM, "text", MODEL, "all")
PLACE = Place("id-1", 0)


class Feed:
    """Feeds a board with batches at consecutive offsets."""

    def __init__(self, board: Board) -> None:
        self.board, self.offset, self.random = board, 0, np.random.default_rng(1)

    def hour(self, number: int, items: int = 600, new: int = 0, **changes: object) -> Taken:
        """Add the batches of an hour; return what the first one caused."""
        first = self.add(NOW + number * HOUR, items - new, "usual", **changes)
        if new:
            self.add(NOW + number * HOUR, new, "new", **changes)
        return first

    def add(self, at: datetime, items: int, label: str = "usual", **changes: object) -> Taken:
        """Add one batch."""
        sums = batch("all", at, self.random, label, items).model_copy(update=changes)
        taken = self.board.take(sums.model_dump_json().encode(), PLACE, self.offset)
        self.offset += 1
        return taken


@pytest.fixture
def feed() -> Feed:
    return Feed(Board(STREAM, References(), Rules(judged, lambda: 0.01, 0.05), Tallies()))


def watched(feed: Feed) -> Watched:
    (found,) = feed.board
    return found


def alerts(taken: Sequence[Taken]) -> list[DriftAlert]:
    return [DriftAlert.model_validate_json(sent.value) for each in taken for sent in each.outgoing]


def test_a_window_closes_at_the_first_batch_of_a_later_hour_if_it_has_enough(feed: Feed) -> None:
    feed.hour(0, 300)
    feed.hour(1, 300)
    assert watched(feed).closed == []
    feed.hour(2, 100)
    assert [each.items for each in watched(feed).closed] == [600]
    window = watched(feed).window
    assert window is not None
    assert (window.items, window.start) == (100, NOW + 2 * HOUR)


def test_a_batch_that_was_settled_a_little_earlier_does_not_close_or_reopen_anything(feed: Feed) -> None:
    feed.add(NOW, 500)
    feed.add(NOW + HOUR, 20)
    feed.add(NOW + timedelta(minutes=54), 20)
    assert [each.items for each in watched(feed).closed] == [500]
    window = watched(feed).window
    assert window is not None
    assert window.items == 40


def test_a_batch_that_is_read_again_counts_once(feed: Feed) -> None:
    feed.hour(0)
    before = watched(feed).to_bytes()
    feed.offset = 0
    assert feed.hour(0) == Taken()
    assert watched(feed).to_bytes() == before


def test_reading_goes_on_from_a_state_that_was_written(feed: Feed) -> None:
    feed.hour(0)
    partition, value = feed.board.written(SUBJECT) or (None, b"")
    assert value is not None
    other = Feed(Board(STREAM, References(), Rules(judged, lambda: 0.01, 0.05), Tallies()))
    other.board.restore([value], {0}, "id-1")
    other.random, other.offset = feed.random, 0
    assert partition == 0
    assert other.hour(0) == Taken()
    other.random = np.random.default_rng(2)
    feed.random = np.random.default_rng(2)
    for each in (feed, other):
        each.hour(1, new=100)
    assert watched(other).to_bytes() == watched(feed).to_bytes()


def test_subjects_of_other_partitions_are_dropped(feed: Feed) -> None:
    feed.hour(0)
    feed.board.restore([], {1, 2}, "id-1")
    assert list(feed.board) == []
    assert feed.board.written(SUBJECT) is None


def test_a_topic_that_was_made_again_is_read_from_its_beginning(feed: Feed) -> None:
    feed.hour(0)
    sums = batch("all", NOW, feed.random)
    taken = feed.board.take(sums.model_dump_json().encode(), Place("id-2", 0), 0)
    window = watched(feed).window
    assert taken.changed == (SUBJECT,)
    assert window is not None
    assert window.items == 620


def test_two_windows_in_a_row_raise_one_alert_for_the_run(feed: Feed) -> None:
    taken = [feed.hour(number, new=100 if 2 <= number < 6 else 0) for number in range(8)]
    (alert,) = alerts(taken)
    assert alert.window_start == NOW + 3 * HOUR
    assert [each.name for each in alert.causes] == ["new"]
    assert alert.causes[0].since == NOW + 2 * HOUR
    taken = [feed.hour(number, new=100 if number < 11 else 0) for number in range(8, 12)]
    assert len(alerts(taken)) == 1, "a later run raises its own"


def test_one_window_alone_raises_none(feed: Feed) -> None:
    assert alerts([feed.hour(number, new=100 * (number % 2)) for number in range(8)]) == []


def test_an_effect_below_the_gate_raises_none(feed: Feed) -> None:
    assert alerts([feed.hour(number, new=20) for number in range(5)]) == []
    assert {each.answer for each in watched(feed).closed} == {"drift"}


def test_the_same_window_has_the_same_alert_id() -> None:
    found = []
    for _ in range(2):
        feed = Feed(Board(STREAM, References(), Rules(judged, lambda: 0.01, 0.05), Tallies()))
        found += alerts([feed.hour(number, new=100) for number in range(4)])
    assert found[0] == found[1]


def test_harm_is_said_if_people_replace_more_than_before(feed: Feed) -> None:
    taken = [feed.hour(0, agreed=90, overridden=10), feed.hour(1, agreed=90, overridden=10)]
    taken += [feed.hour(number, new=100, agreed=20, overridden=30) for number in (2, 3)] + [feed.hour(4)]
    (alert,) = alerts(taken)
    assert (alert.harm, alert.judged, alert.override_share_before) == ("overrides_grew", 100, 0.1)


def test_drift_without_harm_is_said_to_be_so(feed: Feed) -> None:
    taken = [feed.hour(number, new=100 * (number > 1), agreed=90, overridden=10) for number in range(5)]
    assert [each.harm for each in alerts(taken)] == ["none_seen"]


def test_traffic_that_is_not_live_is_left_out_and_counted() -> None:
    tallies = Tallies()
    feed = Feed(Board(STREAM, References(), Rules(judged, lambda: 0.01, 0.05), tallies))
    feed.add(NOW, 30, traffic="replayed")
    assert tallies.left_out == {(STREAM, "replayed"): 30}
    assert watched(feed).window is None


def test_another_reference_is_left_out_and_named_once(feed: Feed) -> None:
    feed.hour(0)
    with capture_logs() as logs:
        for _ in range(2):
            assert feed.add(NOW, 20, reference="87654321") == Taken()
    window = watched(feed).window
    assert window is not None
    assert window.items == 600
    assert [each["reference"] for each in logs if each["event"] == "batches are left out"] == ["87654321"]


@pytest.mark.parametrize("value", [b"", b"{}", b"\xff", b"null"])
def test_what_cannot_be_read_is_refused_without_quoting_it(feed: Feed, value: bytes) -> None:
    with pytest.raises(ValueError, match="not the sums of a batch"):
        feed.board.take(value, PLACE, 0)


def test_a_damaged_vector_and_another_stream_are_refused(feed: Feed) -> None:
    for changes, reason in (({"vector_sum": "AAA="}, "not the sums"), ({"stream": "calls"}, "another stream")):
        sums = batch("all", NOW, feed.random).model_copy(update=changes)
        with pytest.raises(ValueError, match=reason):
            feed.board.take(sums.model_dump_json().encode(), PLACE, 0)


def test_the_clock_closes_a_window_only_in_a_quiet_partition_and_after_its_hour(feed: Feed) -> None:
    feed.hour(0)
    assert feed.board.tick(NOW + HOUR, lambda _: False) == Taken()
    assert feed.board.tick(NOW + timedelta(minutes=50), lambda _: True) == Taken()
    assert feed.board.tick(NOW + HOUR, lambda _: True).changed == (SUBJECT,)
    assert watched(feed).window is None


def test_a_changed_model_is_named_instead_of_an_answer() -> None:
    class OldModel(References):
        def of(self, _: Subject) -> Reference | None:
            return None

        def every(self) -> Sequence[Reference]:
            found = References().of(SUBJECT._replace(model="01d01d01"))
            assert found is not None
            return (found,)

    rules = Rules(lambda *_: Found("no_reference", None, 0.0, ()), lambda: 0.01, 0.05)
    feed = Feed(Board(STREAM, OldModel(), rules, Tallies()))
    with capture_logs() as logs:
        feed.hour(0)
        feed.hour(1)
    assert [each.answer for each in (watched(feed).last,) if each] == ["no_reference"]
    assert [each["before"] for each in logs if "the model changed" in each["event"]] == [["01d01d01"]]


def test_live_batches_are_passed_on_once() -> None:
    seen: list[tuple[BatchSums, int]] = []
    rules = Rules(judged, lambda: 0.01, 0.05)
    board = Board(STREAM, References(), rules, Tallies(), on_live=lambda sums, where: seen.append((sums, where)))
    feed = Feed(board)
    feed.hour(0)
    feed.offset = 0
    feed.hour(0)
    assert [(sums.reference, where) for sums, where in seen] == [(REFERENCE, 0)]
