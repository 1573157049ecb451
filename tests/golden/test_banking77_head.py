"""A head trained on Banking77 with the packaged MiniLM detects unknown intents, by both signs better than by one.

The training set is forty questions of each of the first 60 intents; the test set is the 3,080 test questions of all 77.
The accuracy and calibration of a head of all intents are asserted in `benchmarks/end_to_end.py`, the AUROC of
other draws is in `docs/accuracy.md`. A green run does not prove anything about long tickets, other languages or speed.
"""

from collections import Counter
from pathlib import Path

import pytest

from millrace.learning.heads import evaluate_head, train_head
from millrace.learning.labelled_files import LabelledFile, Reading, read_labelled
from shared.routing.head_files import load_head
from shared.stream_settings import StreamSettings

KNOWN_LABELS, EACH = 60, 40
OUT_OF_SCOPE = 680

pytestmark = pytest.mark.timeout(600)


def training_questions(data_dir: Path) -> LabelledFile:
    """Return the first questions of the first intents."""
    file = read_labelled(data_dir / "text" / "banking77" / "train.csv", "text", "category")
    known = set(sorted(set(file.labels))[:KNOWN_LABELS])
    seen: Counter[str] = Counter()
    rows = []
    for text, label in zip(file.texts, file.labels, strict=True):
        seen[label] += 1
        if label in known and seen[label] <= EACH:
            rows.append((text, label))
    return LabelledFile(tuple(text for text, _ in rows), tuple(label for _, label in rows), 0)


def test_unknown_intents_are_detected_by_both_signs_better_than_by_one(data_dir: Path, tmp_path: Path) -> None:
    reading = Reading(StreamSettings())
    train_head(reading, training_questions(data_dir), None, tmp_path)
    asked = read_labelled(data_dir / "text" / "banking77" / "test.csv", "text", "category")
    report = evaluate_head(reading, load_head(tmp_path), asked, None)
    figures, unknown = report.figures, report.unknown
    assert (figures.out_of_scope, sum(unknown.values())) == (OUT_OF_SCOPE, OUT_OF_SCOPE)
    assert figures.oos_auroc is not None
    assert figures.oos_auroc_confidence is not None
    assert figures.oos_auroc_nearest is not None
    assert figures.oos_auroc > max(figures.oos_auroc_confidence, figures.oos_auroc_nearest) + 0.005
    assert figures.oos_auroc >= 0.92
    assert (figures.in_scope_accuracy or 0) >= 0.92
