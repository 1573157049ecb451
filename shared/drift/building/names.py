"""Names of centroids: the words that are more frequent among their items than among all, or their commonest label."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shared.drift.reference import Seen
from shared.drift.terms import characteristic_terms

TERMS = 3
TERMS_OF_TEXT = 1_000
LEAST_SHARE = 0.15
"""A term occurs in at least this share of the texts of a centroid."""

LEAST_ITEMS, LEAST_TENANTS = 3, 2
"""A term occurs in at least these many items, of these many tenants if there are several, so that no name is the words of a
single customer."""


def centroid_names(rows: Sequence[Seen], nearest: NDArray[np.int64], k: int) -> tuple[str, ...]:
    """Return a name of each centroid, given the nearest centroid of each row, shape (n,). Names are unique.

    A term counts by the share of the centroid's texts that contain it, times the logarithm of its rarity among all texts;
    this is TF-IDF with the texts of a centroid as one document (Grootendorst 2022, https://arxiv.org/abs/2203.05794).
    """
    words = [set(characteristic_terms(row.text, TERMS_OF_TEXT)) for row in rows]
    least_tenants = min(LEAST_TENANTS, len({row.tenant_id for row in rows}))
    everywhere = Counter(word for each in words for word in each)
    texts = max(sum(map(bool, words)), 1)
    names: list[str] = []
    for number in range(k):
        own = np.flatnonzero(nearest == number).tolist()
        found = Counter(word for n in own for word in words[n])
        tenants = Counter(word for word, _ in {(word, rows[n].tenant_id) for n in own for word in words[n]})
        least = max(LEAST_SHARE * len(own), LEAST_ITEMS)
        weighed = {
            word: count / len(own) * np.log(texts / everywhere[word])
            for word, count in found.items()
            if count >= least and tenants[word] >= least_tenants
        }
        terms = sorted(weighed, key=lambda word: (-weighed[word], word))[:TERMS]
        labels = Counter(rows[n].traits["labels"] for n in own if "labels" in rows[n].traits)
        common = labels.most_common(1)[0][0] if labels else "unnamed"
        names.append(" ".join(terms) or common)
    return tuple(name if names.count(name) == 1 else f"{name} ({number})" for number, name in enumerate(names))
