"""Vectors that cannot be right: whether their inputs or the model is to blame, by the model's canaries.

A green run does not prove that a real device fails in one of these ways; `tests/flow/test_bad_model.py` runs a worker.
"""

from collections.abc import Sequence

import numpy as np
import pytest

from schemas.failures import FailureReason
from shared.cache.memory import MemoryCache
from shared.embedding.canaries import CANARY
from shared.embedding.port import TEXT, Embeddings
from shared.embedding.service import Embedder
from shared.errors import Rejected, Unavailable
from shared.records import Embedded
from tests.support.canaries import INPUTS, Spoil, SpoiledModel, Watched, constant, longer, nowhere, one_for_all
from tests.support.fakes import DIM

SHARED = np.eye(1, DIM, dtype=np.float32)[0]
TEXTS = [f"text {number}" for number in range(8)]


class SharingModel(SpoiledModel):
    """Gives one vector to all texts with the word SHARED, and a bad one to each text of `bad`, as often as it says."""

    def __init__(self) -> None:
        super().__init__()
        self.bad: dict[str, tuple[float | np.ndarray[tuple[int], np.dtype[np.float32]], int]] = {}

    def embed(self, texts: Sequence[str]) -> Embeddings:
        """Embed the texts."""
        found = super().embed(texts)
        for at, text in enumerate(texts):
            if "SHARED" in text:
                found.vectors[at] = SHARED
            row, times = self.bad.get(text, (0, 0))
            if times:
                found.vectors[at] = row
                self.bad[text] = row, times - 1
        return found


class Doubting:
    """An embedder that asks the canaries of its model, after their first look."""

    def __init__(self) -> None:
        self.model = SharingModel()
        self.watched = Watched(model=self.model)
        self.watched.canaries.keep()
        self.cache = MemoryCache(1 << 20)
        reported = self.watched.reported
        self.embedder = Embedder(TEXT, self.model, self.cache, reported, doubt=self.watched.canaries.doubt)

    @property
    def refused(self) -> list[tuple[object, ...]]:
        """The refused vectors that were reported."""
        return [each for each in self.watched.reported.named("vectors_refused") if each[2]]  # each begins with 0


@pytest.mark.parametrize(
    ("spoil", "reasons"),
    [
        (nowhere, [("text", "vector_not_finite", 8)]),
        (constant, [("text", "vector_constant", 8)]),
        (longer, [("text", "vector_wrong_dim", 8)]),
        (one_for_all, []),
    ],
)
def test_a_model_that_is_wrong_for_everything_blames_no_input(spoil: Spoil, reasons: list[tuple[object, ...]]) -> None:
    parts = Doubting()
    parts.model.spoil = spoil
    with pytest.raises(Unavailable) as outage:
        parts.embedder.embed(TEXTS)
    assert outage.value.dependency == CANARY
    assert parts.refused == reasons
    parts.model.spoil = None
    parts.watched.clock.seconds += 60
    parts.watched.canaries.keep()
    assert all(isinstance(each, Embedded) for each in parts.embedder.embed(TEXTS))


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (np.nan, FailureReason.VECTOR_NOT_FINITE),
        (0.0, FailureReason.VECTOR_CONSTANT),
        (DIM**-0.5, FailureReason.VECTOR_CONSTANT),
    ],
)
def test_an_input_that_is_bad_twice_is_refused_alone_and_not_cached(row: float, reason: FailureReason) -> None:
    parts = Doubting()
    parts.model.bad = {"text 2": (row, 1_000)}
    answers = parts.embedder.embed(TEXTS)
    assert [at for at, each in enumerate(answers) if isinstance(each, Rejected)] == [2]
    assert isinstance(answers[2], Rejected)
    assert (answers[2].reason, answers[2].field) == (reason, "text")
    assert parts.refused == [("text", reason, 1)]
    assert parts.model.calls[1:] == [TEXTS, [INPUTS[0]], ["text 2"]]
    parts.embedder.embed(TEXTS)
    assert parts.model.calls[4] == ["text 2"]


def test_an_input_that_is_bad_once_is_not_blamed() -> None:
    parts = Doubting()
    parts.model.bad = {"text 2": (np.nan, 1), "text 5": (np.nan, 1)}
    answers = parts.embedder.embed(TEXTS)
    clean = SpoiledModel().embed(TEXTS).vectors
    assert all(isinstance(each, Embedded) for each in answers)
    np.testing.assert_array_equal([each.vector for each in answers if isinstance(each, Embedded)], clean)
    assert parts.refused == [("text", "vector_not_finite", 2)]


def test_one_vector_for_many_inputs_is_used_if_the_canaries_are_right() -> None:
    parts = Doubting()
    texts = [f"SHARED {number}" for number in range(6)]
    answers = parts.embedder.embed(texts)
    assert all(isinstance(each, Embedded) and np.array_equal(each.vector, SHARED) for each in answers)
    assert parts.model.calls[1:] == [texts, [INPUTS[0]]]
    assert parts.refused == []


def test_two_spellings_of_a_word_raise_no_doubt() -> None:
    parts = Doubting()
    parts.embedder.embed(["SHARED hello", "SHARED HELLO"])
    assert len(parts.model.calls) == 2


def test_hostile_inputs_cost_one_canary_for_each_call() -> None:
    parts = Doubting()
    for number in range(20):
        parts.model.bad = {f"{number} {at}": (np.nan, 2) for at in range(50)}
        parts.embedder.embed(list(parts.model.bad))
    assert sum(parts.watched.looks[1:]) == 20
