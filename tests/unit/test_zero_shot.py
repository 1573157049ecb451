"""Labels of pictures by their names alone: ConSE on a small world of texts, and the choice of the method.

The model of pictures knows four classes, and the text model places names in a plane, where their cosines are plain. A green
run does not prove that names of real classes help; tests/golden/test_zero_shot.py measures that.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from shared.embedding.image.classes import ClassHead, softmax
from shared.embedding.image.conse import TUNING, Conse, Tuning
from shared.embedding.image.zero_shot import zero_shot_for
from shared.embedding.port import Embeddings, Matrix, Pixels
from shared.embedding.registry import ImageCard, load_image_card
from shared.routing.zero_shot import ZeroShot

ANGLES = {"gown": 0, "robe": 20, "trainer": 90, "sneaker": 110, "cat": 180, "truck": 270, "dress": 5, "shoe": 95}
"""The place of each name on a circle, in degrees."""

NAMES = ("gown, robe", "trainer, sneaker", "cat", "truck")
PLAIN = Tuning(prompt="{}", likeliest=2, temperature=0.5, other=1.0)
CARD = load_image_card("efficientnet-lite0")
CLIP_CARD = CARD.model_copy(update={"key": "clip", "pooling": "projection"})


@dataclass
class Circle:
    """Places texts on a circle by their last word."""

    seen: list[str] = field(default_factory=list)
    fingerprint = "c1c1e000"
    dim = 2

    def embed(self, texts: Sequence[str], /) -> Embeddings:
        self.seen += texts
        angles = np.deg2rad([ANGLES[text.split()[-1]] for text in texts])
        vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
        return Embeddings(vectors, (1,) * len(texts), 0)

    def probe(self) -> None:
        """Do nothing."""


@dataclass
class Eye:
    """A model of pictures whose classes are given."""

    class_head: ClassHead | None
    fingerprint = "e7e00000"
    dim = 4

    def embed(self, inputs: Sequence[Pixels], /) -> Embeddings:
        raise NotImplementedError

    def probe(self) -> None:
        """Do nothing."""


def head(names: tuple[str, ...] = NAMES, sharpness: float = 9.0) -> ClassHead:
    """Return classes each of which is one axis of the vectors."""
    return ClassHead(names, np.eye(len(names), dtype=np.float32), np.zeros(len(names), np.float32), sharpness)


def pictures(*classes: int) -> Matrix:
    """Return a picture that plainly shows each class."""
    return np.eye(4, dtype=np.float32)[list(classes)]


def test_a_picture_gets_the_label_whose_name_is_nearest_to_that_of_its_class() -> None:
    judge: ZeroShot = Conse(head(), Circle(), ("shoe", "dress"), PLAIN)
    found = judge.probabilities(pictures(0, 1))
    assert [judge.labels[place] for place in found.argmax(axis=1)] == ["dress", "shoe"]
    assert (judge.using, found.shape) == ("image", (2, 2))
    assert found.dtype == np.float32


def test_a_picture_of_something_else_gets_little_of_the_probability() -> None:
    found = Conse(head(), Circle(), ("dress", "shoe"), PLAIN).probabilities(pictures(0, 1, 2, 3))
    assert found[:2].max(axis=1).min() > 0.5 > 0.2 > found[2:].sum(axis=1).max()
    assert (found.sum(axis=1) < 1).all()


def test_a_label_without_others_is_not_certain() -> None:
    found = Conse(head(), Circle(), ("dress",), PLAIN).probabilities(pictures(0, 3))[:, 0]
    assert found[0] > 0.5 > found[1]


def test_the_numbers_are_those_of_the_formula() -> None:
    """One class counts fully here, so that each step can be computed by hand."""
    judge = Conse(head(sharpness=1_000), Circle(), ("dress", "shoe"), PLAIN)
    places = np.deg2rad([10, 100, 180, 270])  # the mean of two names lies between them
    cosines = np.cos(places[:, None] - np.deg2rad([5, 95]))
    scores = (cosines - cosines.mean(axis=0)) / cosines.std(axis=0)
    np.testing.assert_allclose(judge.scores(pictures(0, 1, 2, 3)), scores, atol=1e-5)
    powers = np.exp(scores / 0.5)
    expected = powers / (powers.sum(axis=1, keepdims=True) + np.exp(1 / 0.5))
    np.testing.assert_allclose(judge.probabilities(pictures(0, 1, 2, 3)), expected, atol=1e-5)


def test_the_likeliest_classes_count_by_their_probability() -> None:
    between = np.array([[0.8, 0.6, 0, 0]], np.float32)
    one, two = (
        Conse(head(), Circle(), ("dress", "shoe"), Tuning(prompt="{}", likeliest=number)).scores(between)[0]
        for number in (1, 2)
    )
    np.testing.assert_allclose(one, Conse(head(), Circle(), ("dress", "shoe"), PLAIN).scores(pictures(0))[0], atol=0.02)
    assert two[0] < one[0]
    assert two[1] > one[1]


def test_a_picture_alone_is_judged_as_in_a_batch() -> None:
    judge = Conse(head(), Circle(), ("dress", "shoe"))
    every = pictures(0, 1, 2, 3)
    alone = np.concatenate([judge.probabilities(every[place : place + 1]) for place in range(4)])
    np.testing.assert_allclose(alone, judge.probabilities(every), atol=1e-6)
    assert judge.probabilities(every[:0]).shape == (0, 2)


def test_every_name_of_a_class_is_put_into_the_prompt_once() -> None:
    text = Circle()
    judge = Conse(head(), text, ("dress",))
    names = ("gown", "robe", "trainer", "sneaker", "cat", "truck", "dress")
    assert text.seen == [f"a photo of a {name}" for name in names]
    judge.probabilities(pictures(0))
    assert len(text.seen) == 7, "the names are embedded once"


def test_labels_that_all_classes_resemble_alike_are_no_error() -> None:
    judge = Conse(head(("gown", "gown", "gown", "gown")), Circle(), ("dress", "shoe"))
    assert np.isfinite(judge.probabilities(pictures(0, 1))).all()


def test_too_few_classes_or_labels_are_an_error() -> None:
    with pytest.raises(ValueError, match="at least one label"):
        Conse(head(), Circle(), ())
    with pytest.raises(ValueError, match="with 1 classes"):
        Conse(head(("gown",)), Circle(), ("dress",))


def test_softmax_is_finite_for_large_numbers() -> None:
    np.testing.assert_allclose(softmax(np.array([[1e4, 0, -1e4]])), [[1, 0, 0]])


# --- the choice of the method ---


def test_a_model_that_knows_classes_is_judged_by_conse() -> None:
    found = zero_shot_for(CARD, Eye(head()), Circle(), ("dress", "shoe"))
    assert isinstance(found, Conse)
    assert (found.name, found.labels) == ("conse", ("dress", "shoe"))
    expected = Conse(head(), Circle(), ("dress", "shoe"), TUNING).probabilities(pictures(0, 3))
    np.testing.assert_array_equal(found.probabilities(pictures(0, 3)), expected)


@pytest.mark.parametrize(
    ("card", "knows", "text", "reason"),
    [
        (CARD, None, Circle(), "knows no classes"),
        (CARD, head(), None, "no text model"),
        (CLIP_CARD, head(), Circle(), "lists no tokenizer"),
    ],
)
def test_otherwise_nothing_is_judged_and_the_reason_is_logged(
    card: ImageCard, knows: ClassHead | None, text: Any, reason: str
) -> None:
    with capture_logs() as logs:
        assert zero_shot_for(card, Eye(knows), text, ("dress",)) is None
    (line,) = logs
    assert (line["event"], line["model"]) == ("labels_not_judged_by_name", card.key)
    assert reason in line["reason"]


def test_without_labels_nothing_is_judged_or_logged() -> None:
    text = Circle()
    with capture_logs() as logs:
        assert zero_shot_for(CARD, Eye(head()), text, ()) is None
    assert (logs, text.seen) == ([], [])
