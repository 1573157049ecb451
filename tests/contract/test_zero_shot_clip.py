"""Labels judged by the text tower of a CLIP: a small one with random weights, loaded through a user's models.toml.

A green run does not prove anything about the accuracy of a real CLIP, nor that its published files are as
docs/pictures.toml says: Millrace's authors do not have them. Nothing here has run on a GPU.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from structlog.testing import capture_logs
from transformers import CLIPTokenizer

from millrace.resources import load_image_model
from shared.embedding.image.classes import ClassifyingModel
from shared.embedding.image.pixels import prepare_picture
from shared.embedding.image.prompts import PROMPT, ClipPrompts, load_prompts
from shared.embedding.image.zero_shot import PictureZeroShot, zero_shot_for
from shared.embedding.port import Pixels
from shared.embedding.registry import ImageCard, load_image_card
from shared.errors import Fatal
from shared.model_settings import ImageSettings
from shared.routing.zero_shot import ZeroShot
from tests.support.pictures import drawn
from tests.support.small_clip import FAMILY, LOG_SCALE, LONGEST_TOKENS, save_clip, save_tokenizer

LABELS = ("dress", "running shoe", "hat", "a very long name " * 20, "été 👟")
PICTURES = [drawn(1, 40, 50), np.full((9, 9, 3), 200, np.uint8), drawn(2, 200, 37), drawn(3, 64, 64)]


def row(folder: Path, **changes: Any) -> ImageSettings:
    models = folder.parent / "models.toml"
    models.write_text(FAMILY.row(folder, **changes), encoding="utf-8")
    return ImageSettings(model="small", models_file=models, device="cpu", dtype="float32")


def card_of(folder: Path, **changes: Any) -> ImageCard:
    image = row(folder, **changes)
    return load_image_card(image.model, image.models_file)


def made(folder: Path, labels: tuple[str, ...] = LABELS) -> tuple[PictureZeroShot, ClassifyingModel, list[Pixels]]:
    model, card = load_image_model(row(folder)), card_of(folder)
    found = zero_shot_for(card, model, None, labels)
    assert found is not None
    return found, model, [prepare_picture(each, card) for each in PICTURES]


def by_the_library(whole: Any, folder: Path, card: ImageCard, pictures: list[Pixels]) -> np.ndarray[Any, Any]:
    """Return the probabilities that the library's own model gives, both towers in one call."""
    tokenizer: Any = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    tokens = tokenizer(
        [PROMPT.format(each) for each in LABELS],
        padding=True,
        truncation=True,
        max_length=LONGEST_TOKENS,
        return_tensors="pt",
    )
    shares = ((np.stack(pictures).astype(np.float64) / 255 - card.mean) / card.std).transpose(0, 3, 1, 2)
    with torch.inference_mode():
        found = whole(pixel_values=torch.from_numpy(shares.astype(np.float32)), **tokens)
    return np.asarray(found.logits_per_image.softmax(dim=1))


def test_the_probabilities_are_those_of_the_library(tmp_path: Path) -> None:
    whole = save_clip(tmp_path / "model")
    found, model, pictures = made(tmp_path / "model")
    routed: ZeroShot = found
    shares = routed.probabilities(model.embed(pictures).vectors)
    expected = by_the_library(whole, tmp_path / "model", card_of(tmp_path / "model"), pictures)
    np.testing.assert_allclose(shares, expected, atol=1e-5)
    assert np.ptp(expected, axis=0).max() > 0.01, "pictures differ, so the comparison shows something"
    assert shares.shape == (len(PICTURES), len(LABELS))
    assert shares.dtype == np.float32
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)
    assert (found.name, found.using, found.labels) == ("clip_prompts", "image", LABELS)


def test_a_label_alone_has_the_vector_that_it_has_among_others(tmp_path: Path) -> None:
    save_clip(tmp_path / "model")
    card = card_of(tmp_path / "model")
    together = load_prompts(card, LABELS)
    assert together.sentences.shape == (len(LABELS), 16)
    assert together.scale == pytest.approx(np.exp(LOG_SCALE))
    np.testing.assert_allclose(np.linalg.norm(together.sentences, axis=1), 1, atol=1e-5)
    alone = np.concatenate([load_prompts(card, (each,)).sentences for each in LABELS])
    assert (alone * together.sentences).sum(axis=1).min() > 0.99999
    assert (together.sentences @ together.sentences.T)[0, 1:].max() < 0.99


def test_pictures_alone_are_judged_as_in_a_batch(tmp_path: Path) -> None:
    save_clip(tmp_path / "model")
    found, model, pictures = made(tmp_path / "model")
    vectors = model.embed(pictures).vectors
    alone = np.concatenate([found.probabilities(model.embed([each]).vectors) for each in pictures])
    np.testing.assert_allclose(alone, found.probabilities(vectors), atol=1e-5)
    assert found.probabilities(vectors[:0]).shape == (0, len(LABELS))


def test_a_card_without_a_tokenizer_judges_nothing_and_the_reason_is_logged(tmp_path: Path) -> None:
    save_clip(tmp_path / "model", has_tokenizer=False)
    model = load_image_model(row(tmp_path / "model"))
    with capture_logs() as logs:
        assert zero_shot_for(card_of(tmp_path / "model"), model, None, LABELS) is None
    assert [each["reason"] for each in logs] == [
        "the card of CLIP lists no tokenizer, so its text tower cannot be used"
    ]


def test_a_tokenizer_beside_a_checkpoint_of_pictures_alone_is_fatal(tmp_path: Path) -> None:
    FAMILY.save(tmp_path / "model")
    save_tokenizer(tmp_path / "model")
    with pytest.raises(Fatal, match=r"text tower"):
        load_prompts(card_of(tmp_path / "model"), LABELS)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("text_projection.weight", "does not fit the text tower"),
        ("text_model.embeddings.token_embedding.weight", "does not fit the text tower"),
        ("logit_scale", "has no tensor logit_scale"),
    ],
)
def test_a_missing_tensor_is_fatal_and_not_drawn_at_random(name: str, message: str, tmp_path: Path) -> None:
    save_clip(tmp_path / "model")
    file = tmp_path / "model" / "model.safetensors"
    tensors = load_file(file)
    tensors.pop(name)
    save_file(tensors, file, {"format": "pt"})
    with pytest.raises(Fatal, match=message):
        load_prompts(card_of(tmp_path / "model"), LABELS)


def test_a_changed_tokenizer_is_fatal(tmp_path: Path) -> None:
    save_clip(tmp_path / "model")
    card = card_of(tmp_path / "model")
    (tmp_path / "model" / "merges.txt").write_text("#version: 0.2\na b</w>\n", encoding="utf-8")
    with pytest.raises(Fatal, match="has SHA-256"):
        load_prompts(card, LABELS)


def test_code_that_a_tokenizer_names_is_not_run(tmp_path: Path) -> None:
    save_clip(tmp_path / "model")
    config = {"tokenizer_class": "Trap", "auto_map": {"AutoTokenizer": ["trap.Trap", "trap.Trap"]}}
    (tmp_path / "model" / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    (tmp_path / "model" / "trap.py").write_text(f"open({str(tmp_path / 'trapped')!r}, 'w')", encoding="utf-8")
    assert isinstance(load_prompts(card_of(tmp_path / "model"), LABELS), ClipPrompts)
    assert not (tmp_path / "trapped").exists()
