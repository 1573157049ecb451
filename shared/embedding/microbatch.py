"""Cutting work into forward passes by cost. The functions are pure: they know costs, not models."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

Cut = Callable[[Sequence[float], float], Iterator[list[int]]]
"""The type of `cut_padded` and `cut_summed`; the model decides which of them applies."""

Window = tuple[int, int]
"""A half-open range of a text's tokens."""


def split_windows(tokens: int, window_tokens: int) -> list[Window]:
    """Cut a text of `tokens` tokens into the fewest windows, as equal as possible; an empty text is one empty window.

    With equal windows, no short remainder becomes a separate vector with little meaning.
    """
    pieces = max(1, -(-tokens // window_tokens))
    edges = [tokens * piece // pieces for piece in range(pieces + 1)]
    return list(pairwise(edges))


def cut_padded(costs: Sequence[float], limit: float) -> Iterator[list[int]]:
    """Yield groups of indices, from cheap to costly, for models that pad each row to the longest row of its group.

    Args:
        costs: Cost of each piece, including special tokens, in the modality's unit.
        limit: Largest value of rows times the costliest row, in the same unit; a costlier piece is a group of its own.
    """
    return _cut(costs, limit, lambda rows, costliest, total: rows * costliest)


def padding(groups: Iterable[Sequence[int]], costs: Sequence[float]) -> float:
    """Return the cost of filling the rows of each group up to its last one, which is the longest."""
    return sum(len(group) * costs[group[-1]] - sum(costs[each] for each in group) for group in groups)


def cut_summed(costs: Sequence[float], limit: float) -> Iterator[list[int]]:
    """Yield groups of indices, from cheap to costly, for models that compute each piece as it is.

    Args:
        costs: Cost of each piece, such as pixels or seconds of sound, in the modality's unit.
        limit: Largest sum of the costs of a group, in the same unit; a costlier piece is a group of its own.
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
