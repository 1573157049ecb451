"""The findings of training: metrics on held-out examples, labels with too few of them, and probable mislabels."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256

import numpy as np
from sklearn.metrics import f1_score

from shared.routing.calibration import coverage_at_precision, expected_calibration_error, reliability
from shared.routing.training.folds import Examples
from shared.routing.training.train import Trained

FEW_EXAMPLES = 10
"""Labels with fewer examples than this cause a warning: on Banking77, ten texts per label gave an accuracy 9 points lower
than all texts (`docs/accuracy.md`)."""

MISLABELS_LISTED = 50
PAIRS_LISTED = 15


@dataclass(frozen=True, slots=True)
class Mislabel:
    """An example whose label contradicts the held-out answer, which is more certain than usual.

    Attributes:
        text: What it is shown as: its text, or its file and its text.
        label: Its label.
        suggested: The held-out answer.
        label_probability: The held-out probability of its label.
        suggested_probability: That of the answer.
    """

    text: str
    label: str
    suggested: str
    label_probability: float
    suggested_probability: float


@dataclass(frozen=True, slots=True)
class Confused:
    """Two labels that the head confuses.

    Attributes:
        label: The right label.
        taken_for: The label that the head answered instead.
        count: How often this happened.
        texts: Number of examples with the right label.
    """

    label: str
    taken_for: str
    count: int
    texts: int


def facts_of(trained: Trained, examples: Examples) -> dict[str, object]:
    """Return the facts that `head.json` holds beside the head's identity."""
    known = trained.known
    confidence = trained.held_out.max(axis=1)[known]
    answers, truth = trained.held_out.argmax(axis=1)[known], examples.truth[known]
    coverage = coverage_at_precision(confidence, answers == truth)
    suspects = mislabels(trained, examples)
    return {
        "texts": len(examples.texts),
        "data_sha256": data_digest(examples),
        "label_counts": label_counts(examples),
        "recipe": asdict(trained.recipe),
        "held_out_log_loss": trained.losses,
        "held_out": {
            "texts": int(known.sum()),
            "accuracy": float((answers == truth).mean()),
            "macro_f1": float(f1_score(truth, answers, average="macro", zero_division=0.0)),
            "ece": expected_calibration_error(confidence, answers == truth),
            "coverage_at_95_precision": coverage.share,
            "reliability": [asdict(each) for each in reliability(confidence, answers == truth)],
        },
        "thresholds": {"auto_at": trained.auto_at, "review_at": trained.review_at, "scope_at": trained.head.scope_at},
        "scope_learned": trained.scope_learned,
        "near_duplicates": trained.near_duplicates,
        "rare_labels": rare_labels(examples),
        "confused": [asdict(pair) for pair in confused(trained, examples)],
        "mislabels_found": len(suspects),
        "mislabels": [asdict(each) for each in suspects[:MISLABELS_LISTED]],
    }


def label_counts(examples: Examples) -> dict[str, int]:
    """Return the number of examples of each label."""
    counts = np.bincount(examples.truth, minlength=len(examples.labels))
    return dict(zip(examples.labels, counts.tolist(), strict=True))


def rare_labels(examples: Examples) -> list[str]:
    """Return the labels with fewer than `FEW_EXAMPLES` examples."""
    return [label for label, count in label_counts(examples).items() if count < FEW_EXAMPLES]


def data_digest(examples: Examples) -> str:
    """Return a SHA-256 over the contents of the examples and their labels that does not depend on their order."""
    pairs = sorted(zip((examples.labels[label] for label in examples.truth), examples.contents, strict=True))
    digest = sha256()
    for field in (field for pair in pairs for field in pair):
        encoded = field.encode(errors="surrogatepass")
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return digest.hexdigest()


def mislabels(trained: Trained, examples: Examples) -> list[Mislabel]:
    """Return the probable mislabels, the clearest first.

    An example is suspected of belonging to another label if its held-out probability for that label is the highest, and
    is at least the mean probability that examples with that label have for it: confident learning, Northcutt et al. 2021,
    https://arxiv.org/abs/1911.00068.
    """
    shares, truth = trained.held_out, examples.truth
    rows = np.arange(len(truth))
    own, best = shares[rows, truth], shares.argmax(axis=1)
    size, shown = len(examples.labels), examples.shown
    counts = np.bincount(truth[trained.known], minlength=size)
    means = np.bincount(truth[trained.known], own[trained.known], size) / np.maximum(counts, 1)
    means[counts == 0] = np.inf
    suspected = np.flatnonzero((best != truth) & (shares[rows, best] >= means[best]) & trained.known)
    order = suspected[np.argsort(own[suspected] - shares[suspected, best[suspected]], kind="stable")]
    return [
        Mislabel(
            shown[row],
            examples.labels[truth[row]],
            examples.labels[best[row]],
            float(own[row]),
            float(shares[row, best[row]]),
        )
        for row in order.tolist()
    ]


def confused(trained: Trained, examples: Examples) -> list[Confused]:
    """Return the pairs of labels that were confused most often on held-out examples."""
    matrix = confusion(trained, examples)
    np.fill_diagonal(matrix, 0)
    counts = label_counts(examples)
    worst = np.argsort(-matrix, axis=None, kind="stable")[:PAIRS_LISTED]
    places: Sequence[tuple[int, int]] = list(
        zip(*(axis.tolist() for axis in np.unravel_index(worst, matrix.shape)), strict=True)
    )
    names = examples.labels
    return [
        Confused(names[label], names[other], int(matrix[label, other]), counts[names[label]])
        for label, other in places
        if matrix[label, other]
    ]


def confusion(trained: Trained, examples: Examples) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Return the held-out confusion matrix: shape (labels, labels), right labels in rows, answers in columns."""
    size = len(examples.labels)
    answers = trained.held_out.argmax(axis=1)[trained.known]
    pairs = examples.truth[trained.known] * size + answers
    return np.bincount(pairs, minlength=size * size).reshape(size, size)
