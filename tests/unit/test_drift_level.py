"""The level of significance follows from what is watched now. Green does not show that the false alarms are as wanted."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from math import sqrt

import numpy as np
import pytest
from structlog.testing import capture_logs

from millrace.drift_watching import Level, watched_count
from shared.drift.frames import Place
from shared.drift.judging import LEAST_LEVEL
from shared.drift.reference import Reference, Subject
from shared.drift.watched import Watched
from shared.drift.window import Window
from tests.support.drift_process import References, batch

NOW = datetime(2026, 3, 2, 8, 5, tzinfo=UTC)
OLD, NEW = "01d01d01", "0badcafe"


class Some(References):
    """References of some subjects."""

    def __init__(self, *subjects: Subject) -> None:
        self.subjects = subjects

    def every(self) -> Sequence[Reference]:
        return tuple(found for each in self.subjects if (found := self.of(each)) is not None)


def subject(model: str, key: str = "all") -> Subject:
    return Subject("tickets", "text", model, key)


def live(model: str, key: str = "all", day: int = 0, is_open: bool = True) -> Watched:
    at = NOW + timedelta(days=day)
    window = Window.of(batch(key, at, np.random.default_rng(1))) if is_open else None
    return Watched(subject(model, key), Place(None, 0), 5, at, window)


def test_references_of_old_models_do_not_count() -> None:
    references = Some(subject(OLD), subject(OLD, "tenant:a"), subject(OLD, "tenant:b"), subject(NEW))
    assert watched_count(references, []) == 3
    assert watched_count(references, [live(OLD), live(NEW, day=1)]) == 1
    assert watched_count(references, [live(OLD, "other"), live(NEW, day=1)]) == 2
    assert watched_count(Some(), [live(NEW, is_open=False)]) == 0


@pytest.mark.parametrize(("rate_per_month", "warnings"), [(1.0, 0), (1e-6, 1)])
def test_a_rate_that_the_resamples_do_not_resolve_is_said_once(rate_per_month: float, warnings: int) -> None:
    level = Level(rate_per_month, Some(subject(NEW)), list)
    with capture_logs() as logs:
        found = {level() for _ in range(3)}
    assert found == {max(LEAST_LEVEL, sqrt(rate_per_month / 720))}
    assert len(logs) == warnings
