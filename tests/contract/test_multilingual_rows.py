"""The rows of docs/multilingual.toml load, on small models of the same architecture, through the path of a user's file.

`test_text_model.py` runs the suite of all text models on them. A green run does not prove anything about the real
models: neither that their files are as the page says, nor how well they embed.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from transformers import AutoConfig

from millrace.resources import load_text_model
from shared.embedding.files import files_of, files_table
from shared.errors import Fatal
from shared.model_settings import EmbeddingSettings
from shared.records import Vector
from shared.stream_settings import StreamSettings
from tests.support.models import load
from tests.support.multilingual import DIM, ROWS, ROWS_FILE, WINDOW, multilingual_card, row, save_model

TEXTS = ["where is my order", "où est mon colis", "refund the money please", ""]
ARCHITECTURES = dict(zip(ROWS, ("bert", "xlm-roberta", "xlm-roberta"), strict=True))


def saved(key: str, folder: Path) -> Path:
    """Write a small model like that of a row, and return its folder."""
    save_model(key, folder)
    return folder / "saved"


def user_file(key: str, folder: Path, model: Path) -> Path:
    """Write a models.toml as the page says: the row, with the sizes of the small model, and the printed digests."""
    text = ROWS_FILE.read_text(encoding="utf-8")
    start = text.index(f"[{key}]")
    table = text[start : text.find("\n\n", start)]
    stated = row(key)
    for name, value in (("source", f"path:{model}"), ("dim", DIM), ("window_tokens", WINDOW)):
        table = table.replace(f"{name} = {json.dumps(stated[name])}\n", f"{name} = {json.dumps(value)}\n")
    path = folder / "models.toml"
    path.write_text(f"{table}\n\n[{key}.files]\n{files_table(model)}\n", encoding="utf-8")
    return path


def vectors(key: str, models_file: Path) -> Vector:
    own = StreamSettings(embedding=EmbeddingSettings(model=key, models_file=models_file, device="cpu", dtype="float32"))
    return load_text_model(own).embed(TEXTS).vectors


@pytest.mark.parametrize("key", ROWS)
def test_a_row_with_its_digests_is_served(key: str, tmp_path: Path) -> None:
    model = saved(key, tmp_path / "model")
    assert AutoConfig.from_pretrained(model, local_files_only=True).model_type == ARCHITECTURES[key]
    found = vectors(key, user_file(key, tmp_path, model))
    assert found.shape == (len(TEXTS), DIM)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    library = SentenceTransformer(str(model), device="cpu", local_files_only=True)
    prompt = row(key)["prompt"]
    expected = library.encode([prompt + text for text in TEXTS], normalize_embeddings=True, show_progress_bar=False)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_row_without_digests_is_refused() -> None:
    for key in ROWS:
        own = StreamSettings(embedding=EmbeddingSettings(model=key, models_file=ROWS_FILE))
        with pytest.raises(Fatal, match=rf"\[{key}\] files: Field required"):
            load_text_model(own)


def test_the_prompt_of_e5_changes_the_vectors_and_the_collection(tmp_path: Path) -> None:
    card = multilingual_card("multilingual-e5-base", tmp_path / "model")
    other = card.model_copy(update={"prompt": "passage: "})
    assert card.prompt == "query: "
    assert other.fingerprint != card.fingerprint
    one, two = (load(each).embed(TEXTS).vectors for each in (card, other))
    assert (one * two).sum(axis=1).max() < 0.999


def test_pooling_by_the_first_token_and_by_the_mean_differ(tmp_path: Path) -> None:
    """The two XLM-RoBERTa rows have the same small weights, so only their pooling (and the prompt) differs."""
    by_first = multilingual_card("bge-m3", tmp_path / "one")
    by_mean = multilingual_card("multilingual-e5-base", tmp_path / "two").model_copy(update={"prompt": ""})
    assert by_first.files["model.safetensors"] == by_mean.files["model.safetensors"]
    one, two = (load(card).embed(TEXTS[:3]).vectors for card in (by_first, by_mean))
    assert (one * two).sum(axis=1).max() < 0.99
    with pytest.raises(Fatal, match="states pooling = mean, but the loaded model has cls"):
        load(by_first.model_copy(update={"pooling": "mean"}))


def test_pickled_weights_become_safetensors_with_the_same_vectors(tmp_path: Path) -> None:
    """BGE-M3 is published with pickled weights: the page's command converts them."""
    key, model = "bge-m3", saved("bge-m3", tmp_path / "model")
    expected = vectors(key, user_file(key, tmp_path, model))
    pickled = shutil.copytree(model, tmp_path / "pickled")
    (pickled / "model.safetensors").unlink()
    whole: Any = SentenceTransformer(str(model), device="cpu", local_files_only=True)
    torch.save(whole[0].auto_model.state_dict(), pickled / "pytorch_model.bin")
    page = ROWS_FILE.with_name("models.md").read_text(encoding="utf-8")
    command = next(line for line in page.splitlines() if "SentenceTransformer(sys.argv[1]" in line)
    code = command.split("'")[1]
    converted = tmp_path / "converted"
    exec(code.replace("sys.argv[1]", repr(str(pickled))).replace("sys.argv[2]", repr(str(converted))), {})  # noqa: S102
    assert "model.safetensors" in files_of(converted)
    assert not list(converted.rglob("*.bin"))
    np.testing.assert_allclose(vectors(key, user_file(key, tmp_path, converted)), expected, atol=1e-6)
