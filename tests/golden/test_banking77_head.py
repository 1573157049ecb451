"""A head trained on Banking77 with the packaged MiniLM is as good as the documentation says, also at telling strangers.

10,003 real questions of 77 intents to learn, 3,080 to be asked; then the first 60 intents to learn and all 77 to be asked.
The model embeds each text once for both. A green run says nothing about long tickets, other languages or speed.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from millrace.labelled import LabelledFile, Reading, read_labelled
from millrace.router import evaluate_head, train_head
from millrace.wiring import load_text_model
from shared.embedding.port import Embeddings, TextModel
from shared.routing.evaluate import Evaluation
from shared.routing.head_files import load_head
from shared.settings import Settings

LABELS, KNOWN_LABELS = 77, 60
LEAST_ACCURACY, MOST_ECE = 0.94, 0.02

pytestmark = pytest.mark.timeout(1_200)


class Remembering:
    """A model that embeds each text once."""

    def __init__(self, model: TextModel) -> None:
        self._model = model
        self._known: dict[str, np.ndarray[tuple[int], np.dtype[np.float32]]] = {}
        self.fingerprint, self.dim = model.fingerprint, model.dim

    def embed(self, texts: Sequence[str]) -> Embeddings:
        """Embed what is new."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known |= zip(new, self._model.embed(new).vectors, strict=True)
        return Embeddings(np.array([self._known[text] for text in texts]), (1,) * len(texts), 0)

    def probe(self) -> None:
        """Ask the model."""
        self._model.probe()


@pytest.fixture(scope="module")
def reading() -> Reading:
    settings = Settings()
    return Reading(settings, Remembering(load_text_model(settings)))


def questions(data_dir: Path, part: str, labels: int = LABELS) -> LabelledFile:
    """Return the questions of the first so many intents."""
    file = read_labelled(data_dir / "text" / "banking77" / f"{part}.csv", "text", "category")
    kept = set(sorted(set(file.labels))[:labels])
    rows = [(text, label) for text, label in zip(file.texts, file.labels, strict=True) if label in kept]
    return LabelledFile(tuple(text for text, _ in rows), tuple(label for _, label in rows), file.skipped)


def figures_of(reading: Reading, data_dir: Path, labels: int, folder: Path) -> Evaluation:
    """Train on the first so many intents, and ask about all."""
    train_head(reading, questions(data_dir, "train", labels), None, folder)
    asked = questions(data_dir, "test")
    figures, unknown = evaluate_head(reading, load_head(folder), asked, None)
    assert figures.rows == 3_080
    assert len(unknown) == LABELS - labels
    return figures


def test_questions_are_answered_rightly_and_as_surely_as_rightly(
    reading: Reading, data_dir: Path, tmp_path: Path
) -> None:
    figures = figures_of(reading, data_dir, LABELS, tmp_path)
    assert figures.accuracy >= LEAST_ACCURACY
    assert figures.macro_f1 >= LEAST_ACCURACY
    assert figures.ece <= MOST_ECE
    assert figures.coverage_at_95_precision >= 0.95
    facts = load_head(tmp_path).facts["held_out"]
    assert isinstance(facts, dict)
    assert abs(facts["accuracy"] - figures.accuracy) < 0.03, "what training held out foretells what is asked later"


def test_questions_of_unknown_intents_are_told_by_both_signs_better_than_by_one(
    reading: Reading, data_dir: Path, tmp_path: Path
) -> None:
    figures = figures_of(reading, data_dir, KNOWN_LABELS, tmp_path)
    assert figures.out_of_scope == 680
    assert figures.oos_auroc is not None
    assert figures.oos_auroc_confidence is not None
    assert figures.oos_auroc_nearest is not None
    assert figures.oos_auroc > max(figures.oos_auroc_confidence, figures.oos_auroc_nearest) + 0.005
    assert figures.oos_auroc >= 0.93
    assert (figures.in_scope_accuracy or 0) >= LEAST_ACCURACY
