"""Spherical k-means: centroids of unit length, by cosine similarity (Dhillon & Modha 2001, Machine Learning 42)."""

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

ITEMS_PER_CENTROID = 16
FEWEST, MOST = 8, 160
ROUNDS = 20


def spherical_centroids(vectors: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return centroids of vectors, shape (n, dim), unit length: shape (k, dim), float32, unit length.

    The number grows with that of the vectors, from 8 to 128.
    """
    wanted = int(np.clip(len(vectors) // ITEMS_PER_CENTROID, FEWEST, MOST))
    wanted = min(wanted, len(np.unique(vectors, axis=0)))
    seed = int(rng.integers(2**31))
    centroids = KMeans(wanted, n_init=1, max_iter=ROUNDS, random_state=seed).fit(vectors).cluster_centers_
    for _ in range(ROUNDS):
        centroids = _unit(centroids)
        nearest = (vectors @ centroids.T).argmax(axis=1)
        sums = np.zeros_like(centroids)
        np.add.at(sums, nearest, vectors)
        moved = np.where(np.linalg.norm(sums, axis=1, keepdims=True) > 0, sums, centroids)
        if np.allclose(_unit(moved), centroids, atol=1e-5):
            break
        centroids = moved
    return _unit(centroids).astype(np.float32)


def _unit(vectors: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12))
