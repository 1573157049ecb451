"""A map of vectors in the plane by t-SNE, coloured by class, and two figures of how well the classes are apart.

t-SNE: van der Maaten and Hinton, Visualizing Data using t-SNE (2008). Silhouette: Rousseeuw (1987). Davies-Bouldin:
Davies and Bouldin, A Cluster Separation Measure (1979).
"""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from millrace.bulk.assembling import UNLABELLED
from millrace.bulk.folder import LABELS, METADATA, VECTORS, read_metadata
from shared.embedding.port import Matrix
from shared.errors import Fatal

SEED = 18
FEWEST = 5
"""Vectors below which a map shows nothing."""

PERPLEXITY = 30.0
"""Neighbours that t-SNE keeps near; scikit-learn's default, and at most a third of the vectors."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The vectors that are drawn.

    Attributes:
        vectors: Shape (n, dim), float32, scaled to unit length.
        labels: The class of each, shape (n,), int64; -1 without a label.
        classes: The names of all classes of the run.
        total: Number of vectors of the run.
    """

    vectors: Matrix
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Separation:
    """How well the classes are apart, in all dimensions of the vectors, not in the map.

    Attributes:
        silhouette: Mean silhouette by cosine distance, -1 to 1, higher is better; None if it cannot be computed.
        davies_bouldin: The Davies-Bouldin index, at least 0, lower is better; None if it cannot be computed.
        reason: Why there are no figures; empty if there are.
    """

    silhouette: float | None = None
    davies_bouldin: float | None = None
    reason: str = ""


def require_matplotlib() -> None:
    """Check that matplotlib is installed.

    Raises:
        Fatal: it is not.
    """
    if find_spec("matplotlib") is None:
        raise Fatal("plots need matplotlib: install millrace[train] or millrace[drift]")


def read_sample(folder: Path, most: int, seed: int = SEED) -> Sample:
    """Return the vectors of a run, or as many of them, drawn at random.

    Args:
        folder: The folder that `millrace embed` wrote.
        most: The largest number of vectors.
        seed: The seed of the draw.

    Raises:
        Fatal: the folder holds no complete run, its files do not fit together, or there are too few vectors.
    """
    metadata = read_metadata(folder / METADATA)
    vectors, labels = _array(folder / VECTORS), _array(folder / LABELS)
    classes = tuple(str(each) for each in metadata.get("classes", ()))
    fit = vectors.ndim == 2 and labels.shape == vectors.shape[:1] and vectors.dtype == np.float32
    if not fit or list(vectors.shape) != metadata.get("shape") or (labels.size and labels.max() >= len(classes)):
        raise Fatal(f"{folder}: {VECTORS}, {LABELS} and {METADATA} do not belong together: run `millrace embed` again")
    total = len(vectors)
    if total < FEWEST:
        raise Fatal(f"{folder} holds {total} vectors; a plot needs at least {FEWEST}")
    rows = np.arange(total)
    if total > most:
        rows = np.sort(np.random.default_rng(seed).choice(total, most, replace=False))
    found = np.array(vectors[rows], np.float32)
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    if not np.isfinite(found).all() or not lengths.all():
        raise Fatal(f"{folder / VECTORS} has a vector that is zero or not finite: run `millrace embed` again")
    return Sample(found / lengths, np.array(labels[rows], np.int64), classes, total)


def measure(sample: Sample) -> Separation:
    """Return how well the classes are apart; vectors without a label do not count."""
    from sklearn.metrics import davies_bouldin_score, silhouette_score

    labelled = sample.labels != UNLABELLED
    vectors, labels = sample.vectors[labelled], sample.labels[labelled]
    classes = len(np.unique(labels))
    if classes < 2:
        return Separation(
            reason=f"silhouette and Davies-Bouldin need at least 2 classes; the drawn vectors have {classes}"
        )
    if classes == len(labels):
        return Separation(reason="silhouette and Davies-Bouldin need a class with more than 1 vector")
    return Separation(
        float(silhouette_score(vectors, labels, metric="cosine")), float(davies_bouldin_score(vectors, labels))
    )


def place(sample: Sample, seed: int = SEED) -> NDArray[np.float32]:
    """Return the places of vectors in the plane by t-SNE, shape (n, 2), the same for the same vectors and seed."""
    from sklearn.manifold import TSNE

    perplexity = min(PERPLEXITY, (len(sample.vectors) - 1) / 3)
    has_spread = bool(np.ptp(sample.vectors, axis=0).any())
    start = "pca" if has_spread else "random"  # equal vectors have no principal component
    found: Any = TSNE(perplexity=perplexity, init=start, random_state=seed).fit_transform(sample.vectors)
    return np.asarray(found, np.float32)


def _array(path: Path) -> NDArray[Any]:
    try:
        found: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise Fatal(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    return found
