"""What OpenVINO adds to models of pictures: number formats, converted models that are kept, and torch where it fails.

The models are small ones with random weights; `test_image_models.py` compares their vectors with those of the libraries. A
green run does not prove that bfloat16 is faithful for a real model: each load compares it again.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from millrace.resources import load_image_model
from shared.embedding.image.model import ImageModel
from shared.embedding.image.network import TorchLayers
from shared.embedding.image.pixels import sample_pictures
from shared.embedding.openvino import converting, kept
from shared.embedding.openvino.device import has_bfloat16
from shared.embedding.openvino.layout import Unsupported
from shared.embedding.openvino.pictures import OpenVinoLayers
from shared.embedding.port import Matrix
from shared.embedding.registry import ImageCard
from shared.errors import Fatal
from shared.model_settings import ImageSettings
from tests.support.pictures import drawn
from tests.support.small_pictures import FAMILIES, Family

BY_NAME = {family.name: family for family in FAMILIES}
B0, VIT = BY_NAME["timm EfficientNet-B0"], BY_NAME["timm ViT"]
FAITHFUL = 0.9999
with_bfloat16 = pytest.mark.skipif(not has_bfloat16(), reason="this CPU has no instructions for bfloat16")

LOADED = """
import sys
from millrace.resources import load_image_model
from shared.embedding.image.pixels import grey
from shared.model_settings import ImageSettings
model = load_image_model(ImageSettings.model_validate_json(sys.argv[1]))
assert model.embed([grey(model.shape)]).vectors.shape == (1, model.dim)
print(sorted({"torch", "timm", "transformers"} & sys.modules.keys()))
"""


@pytest.fixture(autouse=True)
def models_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of models of this test."""
    folder = tmp_path / "kept"
    monkeypatch.setenv("MILLRACE_OPERATION__MODELS_DIR", str(folder))
    return folder


@pytest.fixture
def configure(tmp_path: Path) -> Callable[..., ImageSettings]:
    """Return a function that writes a small model and its row, and returns settings for it."""

    def configured(family: Family, **settings: Any) -> ImageSettings:
        folder, models = tmp_path / "model", tmp_path / "models.toml"
        if not folder.exists():
            family.save(folder)
        models.write_text(family.row(folder), encoding="utf-8")
        return ImageSettings.model_validate({"model": "small", "models_file": models, "device": "cpu", **settings})

    return configured


def load(settings: ImageSettings) -> ImageModel:
    model = load_image_model(settings)
    assert isinstance(model, ImageModel)
    return model


def format_of(model: ImageModel) -> str:
    assert isinstance(model.layers, OpenVinoLayers)
    return model.layers.dtype


def vectors(model: ImageModel) -> Matrix:
    return model.embed([*sample_pictures(model.shape), drawn(7, *model.shape[:2])]).vectors


def lowest_cosine(one: ImageModel, other: ImageModel) -> float:
    return float((vectors(one) * vectors(other)).sum(axis=1).min())


# --- number formats ---


@with_bfloat16
def test_bfloat16_is_used_where_the_vectors_stay_faithful(configure: Callable[..., ImageSettings]) -> None:
    model = load(configure(VIT))
    assert format_of(model) == "bfloat16"
    assert FAITHFUL <= lowest_cosine(model, load(configure(VIT, backend="torch"))) < 1 - 1e-6, "it is not float32"
    assert format_of(load(configure(VIT, dtype="float32"))) == "float32"


@with_bfloat16
def test_bfloat16_is_refused_where_it_changes_vectors(configure: Callable[..., ImageSettings]) -> None:
    assert format_of(load(configure(B0))) == "float32"
    with pytest.raises(
        Fatal, match=r"by openvino in bfloat16, a vector has a cosine of only 0\.\d+ with that of torch"
    ):
        load(configure(B0, dtype="bfloat16"))


def test_a_cpu_without_bfloat16_computes_in_float32(
    configure: Callable[..., ImageSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.embedding.openvino.pictures.has_bfloat16", lambda: False)
    assert format_of(load(configure(VIT))) == "float32"


def test_several_streams_change_no_vector_and_no_order(configure: Callable[..., ImageSettings]) -> None:
    one, many = (load(configure(VIT, dtype="float32", streams=count)) for count in (1, None))
    pictures = [drawn(seed, *one.shape[:2]) for seed in range(11)]
    assert (one.embed(pictures).vectors * many.embed(pictures).vectors).sum(axis=1).min() > 1 - 1e-5
    assert (one.embed(pictures).vectors * many.embed(pictures[::-1]).vectors).sum(axis=1).min() < 0.99, "they differ"


# --- where OpenVINO fails ---


def test_torch_computes_what_openvino_cannot(
    configure: Callable[..., ImageSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    def trace(*_: Any, **__: Any) -> None:
        raise RuntimeError("no rule for the operation")

    monkeypatch.setattr(torch.jit, "trace", trace)
    assert isinstance(load(configure(B0)).layers, TorchLayers)
    with pytest.raises(Unsupported, match="cannot be converted for the backend openvino: no rule for the operation"):
        load(configure(B0, backend="openvino"))


def test_a_graph_with_other_vectors_is_not_used(
    configure: Callable[..., ImageSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    convert = converting.convert

    def moved(card: ImageCard) -> Any:
        found = convert(card)
        return replace(found, vectors=np.roll(found.vectors, 1, axis=1))

    monkeypatch.setattr(converting, "convert", moved)
    assert isinstance(load(configure(B0)).layers, TorchLayers)
    with pytest.raises(Unsupported, match="by openvino in float32, a vector has a cosine of only"):
        load(configure(B0, backend="openvino"))


def test_openvino_refuses_another_device_than_the_cpu(configure: Callable[..., ImageSettings]) -> None:
    with pytest.raises(Fatal, match="the backend openvino runs on the CPU, not on cuda"):
        load(configure(B0, backend="openvino", device="cuda"))


# --- converted models that are kept ---


def test_a_kept_model_is_read_without_the_libraries_that_made_it(configure: Callable[..., ImageSettings]) -> None:
    settings = configure(B0)
    load(settings)
    run = [sys.executable, "-c", LOADED, settings.model_dump_json()]
    assert subprocess.run(run, check=True, capture_output=True, text=True).stdout == "[]\n"


def test_a_kept_model_has_the_same_vectors_and_classes(
    configure: Callable[..., ImageSettings], models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = load(configure(B0))
    monkeypatch.setattr(converting, "convert", None)
    again = load(configure(B0))
    assert lowest_cosine(made, again) >= FAITHFUL
    one, other = made.class_head, again.class_head
    assert one is not None
    assert other is not None
    assert (one.names, one.feature_norm) == (other.names, other.feature_norm)
    assert (one.weight == other.weight).all()
    assert (one.bias == other.bias).all()
    [folder] = models_dir.iterdir()
    record = json.loads((folder / "made.json").read_text(encoding="utf-8"))
    assert record["made_from"]["card"]["architecture"] == "efficientnet_b0"
    assert set(record["made_from"]["libraries"]) == {"openvino", "torch", "timm", "transformers"}


@pytest.mark.parametrize("name", ["model.xml", "model.bin", "arrays.npz", "made.json"])
def test_a_damaged_kept_model_is_made_again(
    name: str, configure: Callable[..., ImageSettings], models_dir: Path
) -> None:
    made = load(configure(VIT))
    [folder] = models_dir.iterdir()
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: len(whole) // 2])
    assert lowest_cosine(made, load(configure(VIT))) > FAITHFUL
    [again] = models_dir.iterdir()
    assert again == folder
    assert len((folder / name).read_bytes()) >= len(whole) - 8, "it is whole again"


def test_another_version_of_a_library_gets_another_folder(
    configure: Callable[..., ImageSettings], models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(configure(VIT))
    monkeypatch.setattr(kept, "version", lambda _: "0.0")
    load(configure(VIT))
    assert len(list(models_dir.iterdir())) == 2


def test_a_folder_that_cannot_be_written_stops_no_worker(
    configure: Callable[..., ImageSettings], models_dir: Path
) -> None:
    models_dir.write_text("no folder", encoding="utf-8")
    assert isinstance(load(configure(VIT)).layers, OpenVinoLayers)


def test_a_changed_file_of_the_model_is_fatal_although_a_converted_one_is_kept(
    configure: Callable[..., ImageSettings], tmp_path: Path
) -> None:
    settings = configure(VIT)
    load(settings)
    file = tmp_path / "model" / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(Fatal, match="has SHA-256"):
        load(settings)
