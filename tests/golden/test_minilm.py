"""The packaged MiniLM gives the vectors recorded in `minilm.json`, and those of the library's own `encode`.

What it shows: no change of code, library or machine has moved a vector by more than rounding, so that stored
vectors and new ones can be compared. They are compared by cosine, never by digits, which differ between processors.
A green run does not prove that the vectors are useful, and covers float32 on a CPU only.

A moved vector means that every stored one is stale. If that is intended, give the model another row in `models.toml`
(so another fingerprint and collection), and record again with `python -m tests.golden.test_minilm`.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from shared.embedding.port import Embeddings
from shared.embedding.registry import load_text_card
from shared.embedding.text import SentenceModel

RECORDED = Path(__file__).with_name("minilm.json")
MODEL = "minilm-l6-v2"
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


@pytest.fixture(scope="module")
def embedded() -> Embeddings:
    return embed()


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(RECORDED.read_text(encoding="utf-8"))
    return content


def embed() -> Embeddings:
    """Embed the texts with the packaged model."""
    return SentenceModel(load_text_card(MODEL), "cpu", 1_024).embed(TEXTS)


def cosines(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the cosine of each row of one array with the same row of the other."""
    return np.asarray(
        (one * other).sum(axis=1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1), np.float32
    )


def test_the_recording_is_of_these_texts_and_this_model(recorded: dict[str, Any]) -> None:
    assert recorded["texts"] == TEXTS
    assert recorded["fingerprint"] == load_text_card(MODEL).fingerprint


def test_windows_are_as_recorded(embedded: Embeddings, recorded: dict[str, Any]) -> None:
    assert list(embedded.windows) == recorded["windows"]
    assert embedded.cost == recorded["tokens"]
    assert max(embedded.windows) > 1


def test_the_first_dimensions_are_as_recorded(embedded: Embeddings, recorded: dict[str, Any]) -> None:
    kept = np.array(recorded["vectors"], np.float32)
    assert kept.shape == (len(TEXTS), DIMENSIONS_KEPT)
    assert cosines(embedded.vectors[:, :DIMENSIONS_KEPT], kept).min() > SAME
    np.testing.assert_allclose(embedded.vectors[:, :DIMENSIONS_KEPT], kept, atol=1e-3)


def test_the_similarities_of_the_texts_are_as_recorded(embedded: Embeddings, recorded: dict[str, Any]) -> None:
    np.testing.assert_allclose(embedded.vectors @ embedded.vectors.T, np.array(recorded["cosines"]), atol=1e-3)


def test_the_library_s_own_encode_gives_the_same_for_texts_of_one_window(embedded: Embeddings) -> None:
    short = [index for index, windows in enumerate(embedded.windows) if windows == 1]
    model: Any = SentenceTransformer(str(load_text_card(MODEL).folder), device="cpu", local_files_only=True)
    expected = model.encode([TEXTS[index] for index in short], normalize_embeddings=True, show_progress_bar=False)
    assert len(short) == len(TEXTS) - 1
    assert cosines(embedded.vectors[short], np.asarray(expected, np.float32)).min() > SAME


def record() -> None:
    """Record the model's present vectors as the expected ones."""
    found = embed()
    content = {
        "fingerprint": load_text_card(MODEL).fingerprint,
        "texts": TEXTS,
        "windows": list(found.windows),
        "tokens": found.cost,
        "vectors": rounded(found.vectors[:, :DIMENSIONS_KEPT]),
        "cosines": rounded(found.vectors @ found.vectors.T),
    }
    lines = [f"{json.dumps(name)}: {by_row(value)}" for name, value in content.items()]
    RECORDED.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def rounded(matrix: NDArray[np.float32]) -> list[list[float]]:
    """Return a matrix with its numbers rounded."""
    return [[round(float(value), DIGITS) for value in row] for row in matrix]


def by_row(value: object) -> str:
    """Return a value as JSON, a list with one element per line."""
    if not isinstance(value, list):
        return json.dumps(value)
    return "[\n" + ",\n".join(f"  {json.dumps(each, ensure_ascii=False)}" for each in value) + "\n]"


if __name__ == "__main__":
    record()
