"""Finds groups of nearly identical examples, so that a fold does not hold out one whose rewording it has learned."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.feature_extraction.text import TfidfVectorizer

from shared.routing.features import PIECES
from shared.routing.inputs import TEXT_ALONE
from shared.routing.training.folds import Examples, Rows

ALIKE_VECTORS = 0.95
ALIKE_TERMS = 0.8
"""Two texts of one label are nearly identical if the cosine of their vectors reaches the first, or the cosine of their
4-grams of characters the second. Lower limits join whole labels of Banking77 into one group (`docs/accuracy.md`)."""

ALIKE_PICTURES = 0.85
"""Two pictures of one label are nearly identical if the cosine of their vectors reaches this, whatever their titles are: of
EfficientNet-Lite0, copies of at least half the size do, and so do most crops (`docs/near-duplicates.md`)."""

COMPARED_AT_ONCE = 1_024


def group_near_duplicates(examples: Examples) -> Rows:
    """Return the number of each example's group: shape (n,).

    Nearly identical examples of one label are in one group, and so are identical examples of any label, also those that
    differ in their texts only, and pictures of one product. If fewer than two labels would have two groups, nothing could
    be held out: then only identical examples are grouped.
    """
    identical = _first_rows(examples.contents)
    columns = [identical, _first_rows(examples.files), _first_rows(examples.products or examples.contents)]
    rows = [np.arange(len(identical))] * len(columns)
    compared, pieces = examples.first_input, _pieces(examples)
    alike_at = ALIKE_VECTORS if examples.inputs == TEXT_ALONE else ALIKE_PICTURES
    for label in np.unique(examples.truth):
        of_label = np.flatnonzero(examples.truth == label)
        vectors, terms = compared[of_label], pieces[of_label]
        for start in range(0, len(of_label), COMPARED_AT_ONCE):
            part = slice(start, start + COMPARED_AT_ONCE)
            alike = (vectors[part] @ vectors.T >= alike_at) | ((terms[part] @ terms.T).toarray() >= ALIKE_TERMS)
            one, other = np.nonzero(alike)
            rows.append(of_label[one + start])
            columns.append(of_label[other])
    places = (np.concatenate(rows), np.concatenate(columns))
    count = len(examples.texts)
    links = coo_matrix((np.ones(len(places[0]), np.int8), places), shape=(count, count))
    groups: Rows = connected_components(links, directed=False)[1].astype(np.intp)
    several = [len(set(groups[examples.truth == label])) > 1 for label in np.unique(examples.truth)]
    return groups if sum(several) > 1 else identical


def _pieces(examples: Examples) -> csr_matrix:
    """Return the 4-grams of each text, as unit rows; empty rows if the texts are not compared by themselves."""
    nothing = csr_matrix((len(examples.texts), 1), dtype=np.float32)
    if examples.inputs != TEXT_ALONE:
        return nothing
    try:
        return csr_matrix(TfidfVectorizer(**PIECES).fit_transform(examples.texts))
    except ValueError:  # no text has a piece of a word
        return nothing


def in_groups(groups: Rows) -> int:
    """Return the number of texts that are nearly identical to another one."""
    sizes: NDArray[np.intp] = np.bincount(groups)
    return int(sizes[sizes > 1].sum())


def _first_rows(contents: tuple[str, ...]) -> Rows:
    first: dict[str, int] = {}
    return np.array([first.setdefault(content, row) for row, content in enumerate(contents)], np.intp)
