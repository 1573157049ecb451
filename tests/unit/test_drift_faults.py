"""What goes wrong does no lasting harm: bad messages, clocks that run ahead, two references at once, failures of judging.

Green does not show that Faust goes on after them; `tests/faults/test_drift_on_kafka.py` runs the application itself.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from schemas.drift import BatchSums, Cause, DriftAlert, packed
from shared.drift.board import OTHER_REFERENCE, Board, Rules, Tallies
from shared.drift.frames import Place
from shared.drift.keeper import Taken
from shared.drift.reading import Unreadable
from shared.drift.reference import Reference, Subject
from shared.drift.spike_board import SpikeBoard
from shared.drift.spikes import SpikeRules
from shared.drift.watched import Watched
from shared.drift.window import Window
from tests.support.drift_process import DIM, MODEL, REFERENCE, STREAM, Found, References, batch, judged

NOW = datetime(2026, 3, 2, 8, 5, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SUBJECT = Subject(STREAM, "text", MODEL, "all")
PLACE = Place("id-1", 0)
OTHER = "87654321"


class Fed:
    """A board that is fed with batches at consecutive offsets."""

    def __init__(self, judge: object = judged, references: References | None = None) -> None:
        self.tallies, self.offset, self.random = Tallies(), 0, np.random.default_rng(1)
        self.references = references or References()
        rules = Rules(judge, lambda: 0.01, 0.05)  # type: ignore[arg-type]
        self.board = Board(STREAM, self.references, rules, self.tallies)

    def add(self, at: datetime, items: int = 600, label: str = "usual", **changes: object) -> Taken:
        sums = batch("all", at, self.random, label, items).model_copy(update=changes)
        return self.send(sums, sums.settled_at)

    def send(self, sums: BatchSums, arrived: datetime) -> Taken:
        self.offset += 1
        return self.board.take(sums.model_dump_json().encode(), PLACE, self.offset, arrived)

    @property
    def watched(self) -> Watched:
        (found,) = self.board
        return found

    @property
    def window(self) -> Window:
        assert self.watched.window is not None
        return self.watched.window


class Replaceable(References):
    """A reference whose id changes; None stands for no reference."""

    now: str | None = REFERENCE

    def of(self, subject: Subject) -> Reference | None:
        found = super().of(subject)
        assert found is not None
        return None if self.now is None else replace(found, reference_id=self.now)


def alerts(taken: Sequence[Taken]) -> list[DriftAlert]:
    return [DriftAlert.model_validate_json(sent.value) for each in taken for sent in each.outgoing]


@pytest.mark.parametrize("error", [ValueError("odd"), OverflowError("large"), KeyError("topic 3"), ZeroDivisionError()])
def test_a_failure_of_judging_closes_the_window_and_keeps_the_batch(error: Exception) -> None:
    def judge(*_: object) -> Found:
        raise error

    fed = Fed(judge)
    fed.add(NOW)
    assert fed.add(NOW + HOUR, 20).changed == (SUBJECT,)
    assert (fed.window.items, fed.window.start) == (20, NOW + HOUR)
    assert fed.watched.last is not None
    assert (fed.watched.last.items, fed.watched.last.answer) == (600, "no_reference")
    fed.add(NOW + HOUR)
    assert fed.board.tick(NOW + 3 * HOUR, lambda _: True) == Taken((SUBJECT,))
    assert fed.watched.window is None
    assert fed.tallies.failures == {STREAM: 2}


def test_an_alert_that_cannot_be_made_is_a_failure_too() -> None:
    fed = Fed(lambda *_: Found("drift", 0.0, 7.0, (Cause(kind="label", name="new"),)))
    assert alerts([fed.add(NOW + number * HOUR) for number in range(4)]) == []
    assert fed.tallies.failures[STREAM] > 0
    assert fed.window.items == 600


def test_traffic_that_spikes_cannot_count_does_not_lose_the_batch() -> None:
    def refuse(*_: object) -> None:
        raise OverflowError

    tallies = Tallies()
    board = Board(STREAM, References(), Rules(judged, lambda: 0.01, 0.05), tallies, refuse)
    sums = batch("all", NOW, np.random.default_rng(1))
    assert board.take(sums.model_dump_json().encode(), PLACE, 0).changed == (SUBJECT,)
    assert tallies.failures == {STREAM: 1}


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": {"a": 10**400}},
        {"items": 2**53 + 1},
        {"failed": 2**64},
        {"squared_norms": float("inf")},
        {"centroids": {"abc": 600}},
        {"centroids": {"-1": 600}},
        {"centroids": {"16": 600}},
        {"centroids": {"9" * 5_000: 600}},
        {"centroids": {"1": 5}, "far": {"1": 6}},
        {"centroids": {"1": 5}, "far": {"2": 1}},
        {"vector_sum": packed(np.full(DIM, np.nan))},
        {"vector_sum": packed(np.ones(DIM + 1))},
        {"settled_at": NOW + timedelta(minutes=11)},
        {"settled_at": datetime(9999, 12, 31, 23, 30, tzinfo=UTC)},
    ],
)
def test_absurd_numbers_are_refused_before_anything_changes(changes: dict[str, object]) -> None:
    fed = Fed()
    fed.add(NOW)
    before = fed.watched.to_bytes()
    with pytest.raises(Unreadable):
        fed.send(batch("all", NOW, fed.random).model_copy(update=changes), NOW)
    assert fed.watched.to_bytes() == before


def test_a_clock_that_is_a_little_ahead_is_accepted() -> None:
    fed = Fed()
    fed.send(batch("all", NOW + timedelta(minutes=9), fed.random), NOW)
    assert fed.window.items == 20


def test_a_window_that_ends_in_the_last_hour_there_is_can_be_asked() -> None:
    end = datetime(9999, 12, 31, 23, 30, tzinfo=UTC)
    assert not Window(None, NOW, end, np.zeros(2), items=600).closes_at(NOW)


def test_two_references_at_once_do_not_cut_the_windows_into_pieces() -> None:
    fed = Fed()
    taken = []
    for number in range(6):
        for items, label in ((500, "usual"), (100, "new" if number >= 2 else "usual")):
            taken.append(fed.add(NOW + number * HOUR, items, label))
            taken.append(fed.add(NOW + number * HOUR, 30, reference=OTHER))
    assert {each.items for each in fed.watched.closed} == {600}
    assert len(fed.watched.closed) == 5
    (alert,) = alerts(taken)
    assert alert.causes[0].since == NOW + 2 * HOUR
    assert fed.tallies.left_out == {(STREAM, OTHER_REFERENCE): 360}


def test_a_replaced_reference_ends_one_window_and_nothing_else_is_lost() -> None:
    references = Replaceable()

    def judge(window: Window, reference: Reference | None, level: float) -> Found:
        if reference is None or window.reference != reference.reference_id:
            return Found("no_reference", None, 0.0, ())
        return judged(window, reference, level)

    fed = Fed(judge, references)
    taken = [fed.add(NOW + number * HOUR, label="new") for number in range(4)]
    assert len(alerts(taken)) == 1
    before = list(fed.watched.closed)
    references.now = OTHER
    taken = [fed.add(NOW + 3 * HOUR, 50, reference=each) for each in (REFERENCE, OTHER, REFERENCE, OTHER)]
    assert (fed.watched.closed, fed.watched.alerted) == (before, True)
    assert fed.tallies.windows[SUBJECT, "no_reference"] == 1
    assert fed.window.items == 100
    taken += [fed.add(NOW + number * HOUR, label="new", reference=OTHER) for number in (4, 5)]
    assert alerts(taken) == [], "the run goes on"


def test_without_a_reference_windows_go_on() -> None:
    references = Replaceable()
    references.now = None
    fed = Fed(lambda *_: Found("no_reference", None, 0.0, ()), references)
    for number in range(3):
        fed.add(NOW + number * HOUR, reference=None)
    assert fed.tallies.windows == {(SUBJECT, "no_reference"): 2}
    assert fed.watched.closed == []


def test_a_window_of_nothing_but_failures_closes() -> None:
    fed = Fed(lambda *_: Found("too_few", None, 0.0, ()))
    fed.add(NOW, 3, failed=800)
    fed.add(NOW + HOUR, 3)
    assert fed.tallies.windows == {(SUBJECT, "too_few"): 1}


def test_a_subject_without_batches_is_forgotten_and_its_state_removed() -> None:
    fed = Fed()
    for number in range(2):
        fed.add(NOW + number * HOUR)
    fed.board.tick(NOW + 3 * HOUR, lambda _: True)
    assert fed.board.tick(NOW + 13 * DAY, lambda _: True) == Taken()
    assert fed.board.tick(NOW + 15 * DAY, lambda _: False) == Taken(), "what waits may belong to it"
    assert fed.board.tick(NOW + 15 * DAY, lambda _: True).changed == (SUBJECT,)
    assert fed.board.written(SUBJECT) == (0, None)
    assert list(fed.board) == []
    fed.add(NOW + 15 * DAY)
    assert fed.window.items == 600


def test_a_subject_is_forgotten_in_a_busy_partition_too() -> None:
    fed = Fed()
    fed.add(NOW, 20)
    other = fed.add(NOW + 15 * DAY, 20, key="other")
    assert fed.board.tick(NOW + 15 * DAY, lambda _: False).changed == (SUBJECT,)
    assert [each.subject for each in fed.board] == list(other.changed)


@pytest.mark.parametrize("kind", ["novelty", "outputs", "topic"])
def test_since_when_does_not_depend_on_names_that_change(kind: str) -> None:
    names: Iterator[str] = iter(f"around {number}" for number in range(9))

    def judge(*_: object) -> Found:
        cause = Cause.model_validate({"kind": kind, "name": next(names), "window_share": 0.2})
        return Found("drift", 0.0001, 0.2, (cause,))

    fed = Fed(judge)
    (alert,) = alerts([fed.add(NOW + number * HOUR) for number in range(3)])
    assert alert.causes[0].since == (NOW + HOUR if kind == "topic" else NOW)


@pytest.mark.parametrize(
    ("before", "meanwhile", "said"),
    [
        ((90, 10), (1, 0), "unknown"),
        ((9, 1), (0, 90), "unknown"),
        ((900, 100), (85, 15), "none_seen"),
        ((900, 100), (79, 21), "overrides_grew"),
    ],
)
def test_nothing_is_said_about_harm_without_enough_decisions(
    before: tuple[int, int], meanwhile: tuple[int, int], said: str
) -> None:
    fed = Fed()
    fed.add(NOW, agreed=before[0], overridden=before[1])
    taken = [fed.add(NOW + HOUR, label="new", agreed=0), fed.add(NOW + 2 * HOUR, 600, "new")]
    fed.window.agreed, fed.window.overridden = meanwhile
    (alert,) = alerts([*taken, fed.add(NOW + 3 * HOUR)])
    assert alert.harm == said


def test_the_closed_windows_are_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    fed = Fed()
    for number in range(4):
        fed.add(NOW + number * HOUR)
    first = fed.watched.to_bytes()
    monkeypatch.setattr("shared.drift.watched.Closed.to_json", lambda _: pytest.fail("encoded again"))
    assert fed.watched.to_bytes() == first


def test_an_outlier_that_cannot_be_watched_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.support.drift_reference import BUILT, outlier
    from tests.unit.test_spike_board import One

    tallies = Tallies()
    board = SpikeBoard(STREAM, One(), SpikeRules(900, 3), tallies)
    with pytest.raises(Unreadable, match="runs ahead"):
        board.take(outlier(0, "C-1"), PLACE, 0, BUILT - DAY)
    monkeypatch.setattr("shared.drift.spikes.SpikeWatch.add", lambda *_: 1 // 0)
    assert board.take(outlier(0, "C-1"), PLACE, 0, BUILT).outgoing == ()
    assert tallies.failures == {STREAM: 1}
