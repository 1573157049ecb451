"""Models of pictures of each backend and family: small ones with random weights, loaded through a user's models.toml.

A green run does not prove anything about the real models of these families: neither that their files are as
docs/models.md says, nor how well they embed. Nothing here has run on a GPU.
"""

import json
import tomllib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, CLIPConfig, CLIPModel, CLIPVisionModelWithProjection

from millrace.resources import load_image_model
from shared.embedding.backends import Wanted
from shared.embedding.image.export import export_onnx
from shared.embedding.image.model import ImageModel
from shared.embedding.image.pixels import prepare_picture
from shared.embedding.port import Matrix, Pixels, UnscaledModel
from shared.embedding.registry import ImageCard, load_image_card
from shared.errors import DeviceLost, Fatal
from shared.model_settings import ImageSettings
from tests.support.pictures import drawn
from tests.support.small_pictures import FAMILIES, Family
from tests.support.sources import ROOT

BY_NAME = {family.name: family for family in FAMILIES}
B0, LITE = BY_NAME["timm EfficientNet-B0"], BY_NAME["timm EfficientNet-Lite0"]
SAME = 0.99999
ROWS_FILE = ROOT / "docs" / "pictures.toml"
ROWS: dict[str, dict[str, Any]] = tomllib.loads(ROWS_FILE.read_text(encoding="utf-8"))
DIMENSIONS = {"clip-vit-b-32": 512, "efficientnet-b0": 1_280, "resnet-50": 2_048, "vit-b-16": 768}
PICTURES = [drawn(1, 40, 50), np.full((9, 9, 3), 200, np.uint8), drawn(2, 200, 37), drawn(3, 1, 1), drawn(4, 64, 64)]


@pytest.fixture(scope="module", params=BY_NAME)
def family(request: pytest.FixtureRequest) -> Family:
    """Return each family in turn."""
    return BY_NAME[request.param]


@pytest.fixture(scope="module")
def folder(family: Family, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a small model of the family."""
    return family.save(tmp_path_factory.mktemp("family") / "model")


@pytest.fixture(scope="module", autouse=True)
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep converted models in a folder of this module."""
    folder = tmp_path_factory.mktemp("kept")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("MILLRACE_OPERATION__MODELS_DIR", str(folder))
        yield folder


@pytest.fixture(scope="module", params=["torch", "openvino"])
def backend(request: pytest.FixtureRequest) -> Wanted:
    """Return each backend in turn."""
    wanted: Wanted = request.param
    return wanted


def settings(
    family: Family, folder: Path, backend: Wanted = "torch", micro_batch_pixels: int = 1 << 20, **changes: Any
) -> ImageSettings:
    models = folder.parent / "models.toml"
    models.write_text(family.row(folder, **changes), encoding="utf-8")
    configured: dict[str, Any] = {"device": "cpu", "backend": backend, "dtype": "float32"}
    return ImageSettings(model="small", models_file=models, micro_batch_pixels=micro_batch_pixels, **configured)


def loaded(family: Family, folder: Path, backend: Wanted = "torch", **changes: Any) -> tuple[ImageCard, ImageModel]:
    image = settings(family, folder, backend, **changes)
    model = load_image_model(image)
    assert isinstance(model, ImageModel)
    return load_image_card(image.model, image.models_file), model


def prepared(card: ImageCard) -> list[Pixels]:
    return [prepare_picture(each, card) for each in PICTURES]


def by_the_library(family: Family, folder: Path, card: ImageCard, pictures: list[Pixels]) -> Matrix:
    """Return the vectors that the library itself computes, of any length, one picture at a time."""
    network: Any
    if card.backend == "timm":
        network = timm.create_model(str(card.architecture), num_classes=family.options["num_classes"])
        network.load_state_dict(load_file(folder / "model.safetensors"))
        network.eval().reset_classifier(0)
    else:
        kind: Any = CLIPVisionModelWithProjection if card.pooling == "projection" else AutoModel
        network = kind.from_pretrained(folder, local_files_only=True).eval()
    rows = []
    for each in pictures:
        shares = (each.astype(np.float64) / 255 - card.mean) / card.std
        with torch.inference_mode():
            found = network(torch.from_numpy(shares.transpose(2, 0, 1)[None].astype(np.float32)))
        if card.backend == "transformers":
            pooled = {"projection": "image_embeds", "average": "pooler_output", "cls": "last_hidden_state"}[
                card.pooling
            ]
            found = found[pooled][:, 0] if card.pooling == "cls" else found[pooled]
        rows.append(found.flatten().numpy())
    return np.asarray(rows, np.float32)


def test_vectors_are_those_of_the_library_alone_and_in_a_batch(family: Family, folder: Path, backend: Wanted) -> None:
    card, model = loaded(family, folder, backend)
    pictures = prepared(card)
    found = model.embed(pictures)
    assert found.vectors.shape == (len(PICTURES), family.fields["dim"]) == (len(PICTURES), model.dim)
    assert found.vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-5)
    assert (found.windows, found.cost) == ((1,) * len(PICTURES), len(PICTURES) * card.crop_px**2)
    alone = np.concatenate([model.embed([each]).vectors for each in pictures])
    assert (alone * found.vectors).sum(axis=1).min() > SAME
    expected = by_the_library(family, folder, card, pictures)
    lengths = np.linalg.norm(expected, axis=1, keepdims=True)
    assert (expected / lengths * found.vectors).sum(axis=1).min() > SAME
    assert isinstance(model, UnscaledModel)
    np.testing.assert_allclose(model.embed_unscaled(pictures).vectors / lengths, expected / lengths, atol=1e-3)
    assert (found.vectors @ found.vectors.T).min() < 0.9, "pictures differ, so the comparisons show something"


def test_small_micro_batches_change_no_vector_and_no_order(family: Family, folder: Path, backend: Wanted) -> None:
    card, model = loaded(family, folder, backend)
    pictures = prepared(card)
    small = load_image_model(settings(family, folder, backend, 2 * card.pixels))
    assert (small.embed(pictures).vectors * model.embed(pictures).vectors).sum(axis=1).min() > SAME
    assert model.embed([]).vectors.shape == (0, model.dim)
    model.probe()


def test_a_card_that_differs_from_the_model_is_fatal(family: Family, folder: Path, backend: Wanted) -> None:
    with pytest.raises(Fatal, match="states dim = 7, but the loaded model has"):
        load_image_model(settings(family, folder, backend, dim=7))
    other = "average" if family.fields["pooling"] == "cls" else "cls"
    with pytest.raises(Fatal, match="pooling = "):
        load_image_model(settings(family, folder, backend, pooling=other))


def test_a_changed_file_is_fatal(family: Family, tmp_path: Path) -> None:
    folder = family.save(tmp_path / "model")
    image = settings(family, folder)
    tensors = load_file(folder / "model.safetensors")
    save_file({name: each + 1 for name, each in tensors.items()}, folder / "model.safetensors")
    with pytest.raises(Fatal, match="has SHA-256"):
        load_image_model(image)


def test_a_missing_tensor_is_fatal_and_not_drawn_at_random(family: Family, tmp_path: Path) -> None:
    folder = family.save(tmp_path / "model")
    file = folder / "model.safetensors"
    tensors = load_file(file)
    tensors.pop(next(name for name in tensors if name.endswith("weight")))
    save_file(tensors, file, {"format": "pt"})
    with pytest.raises(Fatal, match=r"has no tensor|does not fit config\.json"):
        load_image_model(settings(family, folder))


def test_a_picture_that_is_not_prepared_is_an_error_of_that_picture(tmp_path: Path, backend: Wanted) -> None:
    _, model = loaded(LITE, LITE.save(tmp_path / "model"), backend)
    with pytest.raises(ValueError, match="is not prepared for this model"):
        model.embed([drawn(1, 33, 32)])
    with pytest.raises(ValueError, match="is not prepared for this model"):
        model.embed([np.zeros((32, 32, 3), np.float32)])


def test_a_device_that_fails_on_a_grey_picture_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, model = loaded(LITE, LITE.save(tmp_path / "model"))
    monkeypatch.setattr(model.layers, "features", lambda _: 1 / 0)
    with pytest.raises(DeviceLost, match="even on a grey picture on cpu"):
        model.probe()


# --- weights as state dicts ---


def state_dict(family: Family, folder: Path, rename: bool = True) -> Path:
    """Replace a model's safetensors by a state dict of other names in timm's order, and return the folder."""
    network = timm.create_model(family.fields["architecture"], **family.options)
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    ordered = {name: tensors[name] for name in network.state_dict()}
    torch.save({(f"_x{name}" if rename else name): each for name, each in ordered.items()}, folder / "w.pth")
    return folder


@pytest.mark.parametrize("matched_by", ["name", "position"])
def test_a_state_dict_gives_the_same_vectors(matched_by: str, tmp_path: Path) -> None:
    card, model = loaded(B0, B0.save(tmp_path / "one" / "model"))
    other = state_dict(B0, B0.save(tmp_path / "two" / "model"), rename=matched_by == "position")
    _, again = loaded(B0, other, weights="w.pth", matched_by=matched_by)
    pictures = prepared(card)
    assert (model.embed(pictures).vectors == again.embed(pictures).vectors).all()
    assert model.fingerprint != again.fingerprint


def test_tensors_in_another_order_or_of_other_shapes_are_fatal(tmp_path: Path) -> None:
    folder = state_dict(B0, B0.save(tmp_path / "model"))
    tensors = torch.load(folder / "w.pth", weights_only=True)
    names = list(tensors)
    fields: dict[str, Any] = {"weights": "w.pth", "matched_by": "position"}
    torch.save({name: tensors[name] for name in [*names[1:], names[0]]}, folder / "w.pth")
    with pytest.raises(Fatal, match="is in the place of"):
        load_image_model(settings(B0, folder, **fields))
    torch.save(tensors | {names[0]: tensors[names[0]][:1]}, folder / "w.pth")
    with pytest.raises(Fatal, match=r"has the shape \(1, 3, 3, 3\)"):
        load_image_model(settings(B0, folder, **fields))
    torch.save(dict(list(tensors.items())[:-1]), folder / "w.pth")
    with pytest.raises(Fatal, match=r"has 359 tensors, the model 360"):
        load_image_model(settings(B0, folder, **fields))


class Trap:
    """Would write a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:  # noqa: D105
        return (Path.touch, (self.file,))


def test_a_pickle_that_runs_code_is_refused_and_does_not_run(tmp_path: Path) -> None:
    folder = state_dict(B0, B0.save(tmp_path / "model"))
    torch.save({"a": Trap(tmp_path / "trapped")}, folder / "w.pth")
    with pytest.raises(Fatal, match="is not a state dict that can be read without running code"):
        load_image_model(settings(B0, folder, weights="w.pth"))
    assert not (tmp_path / "trapped").exists()


@pytest.mark.parametrize("architecture", ["no_such_model", "hf-hub:timm/resnet18", "local-dir:/tmp"])
def test_an_architecture_that_timm_does_not_have_is_fatal(architecture: str, tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="timm has no architecture"):
        load_image_model(settings(B0, B0.save(tmp_path / "model"), architecture=architecture))


def test_code_beside_a_checkpoint_of_transformers_is_not_run(tmp_path: Path) -> None:
    family = BY_NAME["ViT"]
    folder = family.save(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config |= {"model_type": "ours", "auto_map": {"AutoConfig": "trap.Config", "AutoModel": "trap.Model"}}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "trap.py").write_text(f"open({str(tmp_path / 'trapped')!r}, 'w')", encoding="utf-8")
    with pytest.raises((Fatal, ValueError)):
        load_image_model(settings(family, folder))
    assert not (tmp_path / "trapped").exists()


# --- the rows of docs/pictures.toml ---


@pytest.mark.parametrize("key", ROWS)
def test_a_documented_row_is_complete_but_for_its_digests(key: str) -> None:
    with pytest.raises(Fatal, match=rf"\[{key}\] files: Field required"):
        load_image_card(key, ROWS_FILE)
    files = dict.fromkeys({ROWS[key]["weights"], "config.json"}, "0" * 64)
    card = ImageCard.model_validate(ROWS[key] | {"key": key, "files": files})
    assert card.dim == DIMENSIONS[key]
    if card.backend == "timm":
        network: Any = timm.create_model(str(card.architecture), num_classes=0)
        assert network.num_features == card.dim


def test_a_checkpoint_of_clip_with_both_towers_gives_the_vectors_of_its_pictures(tmp_path: Path) -> None:
    vision = dict(BY_NAME["CLIP"].options) | {"projection_dim": 16}
    text = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 4,
        "vocab_size": 50,
    }
    torch.manual_seed(8)
    make: Any = CLIPModel  # the library has no types for it
    whole = make(CLIPConfig(vision_config=vision, text_config=text, projection_dim=16)).eval()
    whole.save_pretrained(tmp_path / "model")
    card, model = loaded(BY_NAME["CLIP"], tmp_path / "model")
    pixels = np.stack(prepared(card))
    shares = ((pixels.astype(np.float64) / 255 - card.mean) / card.std).transpose(0, 3, 1, 2).astype(np.float32)
    with torch.inference_mode():
        states = whole.vision_model(pixel_values=torch.from_numpy(shares)).pooler_output
        expected = whole.visual_projection(states).numpy()
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert (model.embed(list(pixels)).vectors * expected).sum(axis=1).min() > SAME


# --- ONNX ---


@pytest.mark.parametrize("name", ["timm EfficientNet-Lite0", "timm ViT", "CLIP", "ResNet"])
def test_an_exported_model_gives_the_same_vectors(name: str, tmp_path: Path) -> None:
    _, model = loaded(BY_NAME[name], BY_NAME[name].save(tmp_path / "model"))
    assert export_onnx(model, tmp_path / "model.onnx") > SAME
    assert (tmp_path / "model.onnx").stat().st_size > 10_000


def test_an_exported_model_with_other_vectors_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, model = loaded(LITE, LITE.save(tmp_path / "model"))
    monkeypatch.setattr(torch.onnx, "export", partial(exported_without_mean, torch.onnx.export))
    with pytest.raises(Fatal, match="have a cosine of only"):
        export_onnx(model, tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()


def exported_without_mean(export: Any, network: Any, *args: Any, **options: Any) -> None:
    normalising = network.network
    shift = normalising.shift.clone()
    normalising.shift.zero_()
    export(network, *args, **options)
    normalising.shift.copy_(shift)


# --- classes ---


def test_the_classes_are_those_of_the_library(tmp_path: Path, backend: Wanted) -> None:
    folder = B0.save(tmp_path / "model")
    card, model = loaded(B0, folder, backend)
    head, pictures = model.class_head, prepared(card)
    assert head is not None
    assert len(head.names) == 1_000
    assert head.names[608] == "jean, blue jean, denim"
    found = head.probabilities(model.embed(pictures).vectors)
    assert found.shape == (len(PICTURES), 1_000)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)
    network: Any = timm.create_model("efficientnet_b0", num_classes=1_000)
    network.load_state_dict(load_file(folder / "model.safetensors"))
    network.eval()
    for row, each in zip(found, pictures, strict=True):
        shares = ((each.astype(np.float64) / 255 - card.mean) / card.std).transpose(2, 0, 1)[None].astype(np.float32)
        with torch.inference_mode():
            features = network.forward_head(network.forward_features(torch.from_numpy(shares)), pre_logits=True)
            scaled = network.classifier(features / features.norm() * card.feature_norm)
        np.testing.assert_allclose(row, scaled.softmax(1)[0].numpy(), rtol=0.02)


def test_a_model_whose_card_names_no_classes_has_none(tmp_path: Path) -> None:
    _, model = loaded(LITE, LITE.save(tmp_path / "model"))
    assert model.class_head is None
