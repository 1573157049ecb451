"""Cutting work into forward passes by cost. It is pure: it knows costs, not models."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

Cut = Callable[[Sequence[float], float], Iterator[list[int]]]
"""`cut_padded` or `cut_summed`: which of them holds for a model."""

Window = tuple[int, int]
"""A half-open range of a text's tokens."""


def split_windows(tokens: int, window_tokens: int) -> list[Window]:
    """Cut a text of so many tokens into the fewest windows, as even as can be; an empty text is one empty window.

    Even windows keep a short remainder from being a vector of its own with little to say.
    """
    pieces = max(1, -(-tokens // window_tokens))
    edges = [tokens * piece // pieces for piece in range(pieces + 1)]
    return list(pairwise(edges))


def cut_padded(costs: Sequence[float], limit: float) -> Iterator[list[int]]:
    """Yield groups of indices, from cheap to costly, for models that pad each row to the longest of its group.

    Args:
        costs: Of each piece, special tokens included; in the modality's unit.
        limit: The most that rows times the costliest row may be, in the same unit; a costlier piece goes alone.
    """
    return _cut(costs, limit, lambda rows, costliest, total: rows * costliest)


def cut_summed(costs: Sequence[float], limit: float) -> Iterator[list[int]]:
    """Yield groups of indices, from cheap to costly, for models that compute each piece as it is.

    Args:
        costs: Of each piece, such as pixels or seconds of sound; in the modality's unit.
        limit: The most that the sum of a group may be, in the same unit; a costlier piece goes alone.
    """
    return _cut(costs, limit, lambda rows, costliest, total: total)


def _cut(costs: Sequence[float], limit: float, group_cost: Callable[[int, float, float], float]) -> Iterator[list[int]]:
    group: list[int] = []
    total = 0.0
    for index in sorted(range(len(costs)), key=costs.__getitem__):
        if group and group_cost(len(group) + 1, costs[index], total + costs[index]) > limit:
            yield group
            group = []
            total = 0.0
        group.append(index)
        total += costs[index]
    if group:
        yield group
