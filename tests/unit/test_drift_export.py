"""The samples of the drift metrics. Green does not show that the rules in `monitoring/` read them rightly."""

from datetime import UTC, datetime, timedelta

import numpy as np

from shared.drift.board import Board, Rules, Tallies
from shared.drift.export import board_samples, tally_samples
from shared.drift.frames import Place
from shared.metrics.catalogue import CATALOGUE
from shared.metrics.drift_metrics import DRIFT_METRICS
from shared.metrics.registry import Registry, Sample
from tests.support.drift_process import STREAM, Found, References, batch, judged

NOW = datetime(2026, 3, 2, 8, 5, tzinfo=UTC)
LABELS = (STREAM, "text", "all")
NOTHING = Found("no_reference", None, 0.0, ())
OWNED = {(f"{STREAM}.sums", 0)}


def filled(tallies: Tallies, models: tuple[str, ...] = ("0badcafe",), new: int = 100) -> Board:
    board = Board(STREAM, References(), Rules(judged, lambda: 0.01, 0.05), tallies)
    random = np.random.default_rng(1)
    for model in models:
        for hour in range(4):
            sums = batch("all", NOW + timedelta(hours=hour), random, "new", 600 if new else 0)
            sums = sums.model_copy(update={"model": model, "outliers": 6, "agreed": 3, "overridden": 1})
            board.take(sums.model_dump_json().encode(), Place(None, 0), hour + 10 * models.index(model))
    return board


def samples(board: Board, owned: set[tuple[str, int]] = OWNED) -> dict[tuple[str, tuple[str, ...]], float]:
    found = list(board_samples(board, References(), owned, NOW))
    assert len({(each.name, each.labels) for each in found}) == len(found), "no series twice"
    return {(each.name, each.labels): each.value for each in found}


def test_the_open_and_the_last_window() -> None:
    found = samples(filled(Tallies()))
    assert found["millrace_drift_window_items", LABELS] == 600
    assert found["millrace_drift_window_start_timestamp_seconds", LABELS] == (NOW + timedelta(hours=3)).timestamp()
    assert found["millrace_drift_last_window_timestamp_seconds", LABELS] == (NOW + timedelta(hours=2)).timestamp()
    assert found["millrace_drift_answer", (*LABELS, "drift")] == 1
    assert found["millrace_drift_answer", (*LABELS, "no_drift")] == 0
    assert found["millrace_drift_p_value", LABELS] == 0.0001
    assert found["millrace_drift_effect_ratio", LABELS] == 1
    assert found["millrace_drift_alerting", LABELS] == 1
    assert found["millrace_drift_outlier_ratio", LABELS] == 0.01
    assert found["millrace_drift_override_ratio", LABELS] == 0.25
    assert found["millrace_drift_last_batch_timestamp_seconds", (STREAM,)] == (NOW + timedelta(hours=3)).timestamp()


def test_without_a_reference_there_is_no_share_of_outliers() -> None:
    board = Board(STREAM, References(), Rules(lambda *_: NOTHING, lambda: 0.01, 0.05), Tallies())
    random = np.random.default_rng(1)
    for hour in range(2):
        sums = batch("all", NOW + timedelta(hours=hour), random, items=600)
        board.take(sums.model_dump_json().encode(), Place(None, 0), hour)
    found = samples(board)
    assert found["millrace_drift_answer", (*LABELS, "no_reference")] == 1
    assert ("millrace_drift_outlier_ratio", LABELS) not in found


def test_a_subject_whose_batches_all_have_another_reference_has_the_answer_no_reference() -> None:
    board, random = filled(Tallies()), np.random.default_rng(1)
    sums = batch("all", NOW, random, items=600).model_copy(update={"reference": "87654321"})
    board.take(sums.model_dump_json().encode(), Place(None, 0), 99)
    found = samples(board)
    assert (found["millrace_drift_answer", (*LABELS, "no_reference")], board.stream) == (1, STREAM)
    assert found["millrace_drift_answer", (*LABELS, "drift")] == 0


def test_a_subject_without_batches_for_a_week_has_no_series() -> None:
    board = filled(Tallies())
    late = board_samples(board, References(), OWNED, NOW + timedelta(days=15))
    assert {each.name for each in late} == {"millrace_drift_last_batch_timestamp_seconds"}


def test_partitions_of_other_instances_have_no_series() -> None:
    assert samples(filled(Tallies()), set()) == {}


def test_a_subject_with_two_models_has_one_series() -> None:
    assert samples(filled(Tallies(), ("0badcafe", "01d01d01")))["millrace_drift_window_items", LABELS] == 600


def test_counts_of_models_are_added_up() -> None:
    tallies = Tallies()
    filled(tallies, ("0badcafe", "01d01d01"))
    found = {(each.name, each.labels): each.value for each in tally_samples(tallies)}
    assert found["millrace_drift_windows_total", (*LABELS, "drift")] == 6
    assert found["millrace_drift_alerts_total", LABELS] == 2


def test_they_are_exported_with_their_kinds() -> None:
    registry = Registry()
    names = [metric.name for metric in DRIFT_METRICS]
    registry.compute(names, lambda: [Sample("millrace_drift_windows_total", (*LABELS, "drift"), 2.0)])
    text = registry.render().decode()
    assert "# TYPE millrace_drift_windows_total counter" in text
    assert 'millrace_drift_windows_total{answer="drift",input="text",key="all",stream="tickets"} 2.0' in text
    assert "# TYPE millrace_drift_p_value gauge" in text
    assert set(DRIFT_METRICS) <= set(CATALOGUE)
