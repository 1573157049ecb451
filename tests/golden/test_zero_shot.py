"""ConSE with the packaged models on real photos: clothes by the names of their labels, and pictures of other things.

What it shows: with nothing trained, far more labels are right than by chance, and an unknown picture is proposed to a
person less often. A green run does not prove anything of other photos, or that a proposal is right: more than half are
wrong. The constants were chosen on the training photos of the same set. Run it with `-s` to see the figures;
`python -m benchmarks.zero_shot` prints more.
"""

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from millrace.resources import load_image_model, load_text_model
from shared.clock import SystemClock
from shared.decoding_settings import DecodingSettings
from shared.embedding.image.classes import ClassifyingModel
from shared.embedding.image.zero_shot import zero_shot_for
from shared.embedding.port import Matrix, TextModel
from shared.embedding.registry import load_image_card
from shared.media.decoding.decoder import Decoder
from shared.model_settings import EmbeddingSettings, ImageSettings
from shared.pictures import PictureReader
from shared.routing.zero_shot import ZeroShot
from shared.stream_settings import StreamSettings
from tests.support.remembering import Remembering

CARD = load_image_card("efficientnet-lite0")
LABELS = ("dress", "hat", "longsleeve", "outwear", "pants", "shirt", "shoes", "shorts", "skirt", "t-shirt")
REVIEW_AT = 0.4
ACCURACY, CHANCE = 0.3, 0.1
CERTAIN = 0.8


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    """Start children that decode."""
    made = Decoder(DecodingSettings(processes=2), 1 << 24, SystemClock())
    yield made
    made.close()


@pytest.fixture(scope="module")
def model() -> ClassifyingModel:
    """Load the packaged model of pictures."""
    return load_image_model(ImageSettings(device="cpu"))


@pytest.fixture(scope="module")
def text() -> TextModel:
    """Load the packaged text model."""
    return Remembering(load_text_model(StreamSettings(embedding=EmbeddingSettings(device="cpu"))))


@pytest.fixture(scope="module")
def judge(model: ClassifyingModel, text: TextModel) -> ZeroShot:
    """Return what judges all labels."""
    return judge_of(model, text, LABELS)


@pytest.fixture(scope="module")
def clothes(model: ClassifyingModel, decoder: Decoder, data_dir: Path) -> dict[str, Matrix]:
    """Embed the test photos of each label."""
    folder = data_dir / "images" / "clothing" / "test"
    return {label: embedded(model, decoder, sorted((folder / label).glob("*.jpg"))) for label in LABELS}


@pytest.fixture(scope="module")
def other_things(model: ClassifyingModel, decoder: Decoder, data_dir: Path) -> Matrix:
    """Embed the photos of the EXIF folder, which show two scenes without clothes for sale."""
    return embedded(model, decoder, sorted((data_dir / "images" / "exif_orientation").glob("*.jpg")))


def embedded(model: ClassifyingModel, decoder: Decoder, files: list[Path]) -> Matrix:
    reader = PictureReader(decoder, CARD)
    return model.embed([reader.pixels(each.read_bytes(), "image") for each in files]).vectors


def judge_of(model: ClassifyingModel, text: TextModel, labels: tuple[str, ...]) -> ZeroShot:
    found = zero_shot_for(CARD, model, text, labels)
    assert found is not None
    assert found.name == "conse"
    return found


def show(figures: str) -> None:
    """Print figures, which pytest shows with `-s`."""
    print(f"\n{figures}", end="")  # noqa: T201


def test_clothes_are_recognised_by_names_far_more_often_than_by_chance(
    judge: ZeroShot, clothes: dict[str, Matrix]
) -> None:
    found = {label: judge.probabilities(vectors) for label, vectors in clothes.items()}
    right = np.concatenate([found[label].argmax(axis=1) == number for number, label in enumerate(LABELS)])
    confidence = np.concatenate([found[label].max(axis=1) for label in LABELS])
    show(
        f"clothes by names: {right.mean():.3f} of {len(right)} right, mean confidence {confidence.mean():.3f}; reviewed "
        f"{(confidence >= REVIEW_AT).mean():.3f}, of these right {right[confidence >= REVIEW_AT].mean():.3f}"
    )
    assert len(right) == 80
    assert right.mean() >= ACCURACY > 2 * CHANCE
    assert right[confidence >= REVIEW_AT].mean() > right.mean(), "confidence means something"
    assert confidence.mean() <= right.mean(), "it does not promise too much"


def test_pictures_of_other_things_are_not_proposed(
    judge: ZeroShot, model: ClassifyingModel, text: TextModel, other_things: Matrix
) -> None:
    highest = judge.probabilities(other_things).max()
    few = judge_of(model, text, ("dress", "shoes")).probabilities(other_things).max()
    show(f"other things: highest confidence {highest:.3f}, with two labels {few:.3f}, of {len(other_things)} photos")
    assert highest < REVIEW_AT
    assert few < REVIEW_AT


def test_clothes_of_left_out_labels_are_proposed_less_often_than_known_ones(
    model: ClassifyingModel, text: TextModel, clothes: dict[str, Matrix]
) -> None:
    """A hard case: other clothes resemble the known ones, and a large share is proposed all the same."""
    known: list[float] = []
    unknown: list[float] = []
    for half in list(combinations(LABELS, 5))[::84]:
        judge = judge_of(model, text, half)
        for label, vectors in clothes.items():
            reviewed = float((judge.probabilities(vectors).max(axis=1) >= REVIEW_AT).mean())
            (known if label in half else unknown).append(reviewed)
    show(
        f"five of ten labels: known photos reviewed {np.mean(known):.3f}, those of other labels {np.mean(unknown):.3f}"
    )
    assert np.mean(unknown) < np.mean(known)


def test_hardly_any_proposal_is_certain(judge: ZeroShot, clothes: dict[str, Matrix]) -> None:
    highest = np.concatenate([judge.probabilities(vectors).max(axis=1) for vectors in clothes.values()])
    assert (highest >= CERTAIN).mean() < 0.05
