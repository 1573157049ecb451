"""EfficientNet-Lite0 on real photos: upright and turned ones, clothes, and the classes that its vectors give.

What it shows: the packaged weights are those of the architecture that its card names, and photos pass through the real
decoder. A green run does not prove anything of other models, of a GPU, or of photos of other things than clothes. Run it
with `-s` to see the figures.

The nine pictures of each orientation are not quite one picture: each has its number drawn in the middle, which moves
the vectors. They are compared as they are, and with the middle of the first one in the place of each number.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from millrace.resources import load_image_model
from shared.clock import SystemClock
from shared.decoding_settings import DecodingSettings
from shared.embedding.image.classes import ClassHead, ClassifyingModel
from shared.embedding.image.pixels import prepare_picture
from shared.embedding.port import Matrix, Pixels, UnscaledModel
from shared.embedding.registry import load_image_card
from shared.media.decoding.decoder import Decoder
from shared.model_settings import ImageSettings

CARD = load_image_card("efficientnet-lite0")
KINDS = ("Landscape", "Portrait")
ORIENTATIONS = 9
SAME, APART = 0.98, 0.9
FAITHFUL = 0.9999
MIDDLE = 0.12
"""The number takes less than this share of the shorter side, to each side of the centre."""

SAME_CLASS, SAME_PROBABILITIES = 0.97, 0.15
ACCURACY = 0.85


@dataclass(frozen=True)
class Photos:
    """The photos of clothes.

    Attributes:
        pictures: Prepared for the model.
        labels: What each shows.
        is_test: Whether each belongs to the test set.
    """

    pictures: list[Pixels]
    labels: NDArray[np.str_]
    is_test: NDArray[np.bool_]


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    """Start children that decode."""
    made = Decoder(DecodingSettings(processes=2), 1 << 24, SystemClock())
    yield made
    made.close()


@pytest.fixture(scope="module")
def other() -> ClassifyingModel:
    """Load the packaged model by torch."""
    return load_image_model(ImageSettings(device="cpu", backend="torch"))


@pytest.fixture(scope="module", params=["torch", "openvino"])
def model(request: pytest.FixtureRequest) -> ClassifyingModel:
    """Load the packaged model by each backend."""
    return load_image_model(ImageSettings(device="cpu", backend=request.param))


@pytest.fixture(scope="module")
def upright(decoder: Decoder, data_dir: Path) -> Mapping[str, list[Pixels]]:
    """Decode the pictures of each orientation."""
    folder = data_dir / "images" / "exif_orientation"
    return {
        kind: [decoder.picture((folder / f"{kind}_{n}.jpg").read_bytes(), "image").pixels for n in range(ORIENTATIONS)]
        for kind in KINDS
    }


@pytest.fixture(scope="module")
def photos(decoder: Decoder, data_dir: Path) -> Photos:
    """Decode and prepare the photos of clothes."""
    files = sorted((data_dir / "images" / "clothing").glob("*/*/*.jpg"))
    pictures = [prepare_picture(decoder.picture(each.read_bytes(), "image").pixels, CARD) for each in files]
    labels, splits = [each.parent.name for each in files], [each.parent.parent.name for each in files]
    return Photos(pictures, np.array(labels), np.array(splits) == "test")


@pytest.fixture(scope="module")
def vectors(model: ClassifyingModel, photos: Photos) -> Matrix:
    """Embed the photos of clothes."""
    return model.embed(photos.pictures).vectors


def show(figures: str) -> None:
    """Print figures, which pytest shows with `-s`."""
    print(f"\n{figures}", end="")  # noqa: T201


def head_of(model: ClassifyingModel) -> ClassHead:
    assert model.class_head is not None
    return model.class_head


def without_number(pictures: list[Pixels]) -> list[Pixels]:
    """Return pictures with the middle of the first one."""
    height, width = pictures[0].shape[:2]
    reach = int(MIDDLE * min(height, width))
    rows, columns = (slice(side // 2 - reach, side // 2 + reach) for side in (height, width))
    found = [each.copy() for each in pictures]
    for each in found:
        each[rows, columns] = found[0][rows, columns]
    return found


def classes(model: ClassifyingModel, found: Matrix) -> list[str]:
    head = head_of(model)
    return [head.names[place] for place in head.probabilities(found).argmax(axis=1)]


def test_turned_pictures_have_the_vector_and_the_class_of_the_upright_one(
    model: ClassifyingModel, upright: Mapping[str, list[Pixels]]
) -> None:
    found = {}
    for kind, pictures in upright.items():
        as_they_are, same = (
            model.embed([prepare_picture(each, CARD) for each in them]).vectors
            for them in (pictures, without_number(pictures))
        )
        show(
            f"{kind}: lowest cosine {(same @ same.T).min():.4f}, {set(classes(model, same))}; with the numbers "
            f"{(as_they_are @ as_they_are.T).min():.4f}, {classes(model, as_they_are)}"
        )
        assert len({each.shape for each in pictures}) == 1
        assert (same @ same.T).min() >= SAME
        assert len(set(classes(model, same))) == 1
        found[kind] = (as_they_are, same)
    for one, other in zip(*found.values(), strict=True):
        show(f"landscape against portrait: highest cosine {(one @ other.T).max():.4f}")
        assert (one @ other.T).max() < APART


def test_a_picture_that_stays_turned_is_noticed(model: ClassifyingModel, upright: Mapping[str, list[Pixels]]) -> None:
    """A control: the comparison above would fail if orientations were not applied."""
    for pictures in upright.values():
        turned = [np.rot90(pictures[0], times) for times in range(4)]
        found = model.embed([prepare_picture(each, CARD) for each in turned]).vectors
        assert (found @ found.T)[0, 1:].max() < SAME


def test_each_backend_has_the_vectors_of_torch(
    model: ClassifyingModel, other: ClassifyingModel, photos: Photos, vectors: Matrix
) -> None:
    cosines = (vectors * other.embed(photos.pictures).vectors).sum(axis=1)
    show(f"cosine with torch: mean {cosines.mean():.7f}, lowest {cosines.min():.7f}, {len(cosines)} photos")
    assert len(cosines) == 300
    assert cosines.min() >= FAITHFUL
    assert model.fingerprint == other.fingerprint


def test_clothes_are_recognised_by_a_regression_on_the_vectors(photos: Photos, vectors: Matrix) -> None:
    regression = LogisticRegression(C=10, max_iter=2_000)
    regression.fit(vectors[~photos.is_test], photos.labels[~photos.is_test])
    accuracy = regression.score(vectors[photos.is_test], photos.labels[photos.is_test])
    show(f"clothes: accuracy {accuracy:.4f} of {photos.is_test.sum()} photos")
    assert accuracy >= ACCURACY


def test_a_vector_gives_the_classes_of_the_features(
    model: ClassifyingModel, photos: Photos, vectors: Matrix, upright: Mapping[str, list[Pixels]]
) -> None:
    """A vector has lost the length of its features; the card's median length takes its place."""
    others = [prepare_picture(each, CARD) for pictures in upright.values() for each in pictures]
    assert isinstance(model, UnscaledModel)
    features = model.embed_unscaled([*photos.pictures, *others]).vectors
    norms, head = np.linalg.norm(features, axis=1), head_of(model)
    found = head.probabilities(np.concatenate([vectors, model.embed(others).vectors]))
    logits = features @ head.weight.T + head.bias
    exact = np.exp(logits - logits.max(axis=1, keepdims=True))
    exact /= exact.sum(axis=1, keepdims=True)
    agreement = float((found.argmax(axis=1) == exact.argmax(axis=1)).mean())
    distance = float(abs(found - exact).sum(axis=1).mean() / 2)
    show(
        f"features: median length {np.median(norms):.2f} ({norms.min():.1f} to {norms.max():.1f}); likeliest class as by "
        f"the features {agreement:.4f}; mean distance of the probabilities {distance:.3f}; of {len(features)} photos"
    )
    assert np.median(norms) == pytest.approx(CARD.feature_norm, rel=0.02)
    assert agreement >= SAME_CLASS
    assert distance < SAME_PROBABILITIES
