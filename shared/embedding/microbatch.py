"""Cutting work into forward passes by cost. Pure: knows lengths, not models."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

Window = tuple[int, int]
"""A half-open range of a text's tokens."""


def split_windows(tokens: int, window_tokens: int) -> list[Window]:
    """Cut a text of so many tokens into the fewest windows, as even as can be; an empty text is one empty window.

    Even windows keep a short remainder from being a vector of its own with little to say.
    """
    pieces = max(1, -(-tokens // window_tokens))
    edges = [tokens * piece // pieces for piece in range(pieces + 1)]
    return list(pairwise(edges))


def cut_by_cost(lengths: Sequence[int], limit_tokens: int) -> Iterator[list[int]]:
    """Yield groups of indices, sorted by length, whose padded size stays within a limit.

    Args:
        lengths: Tokens of each piece, special tokens included.
        limit_tokens: The most that rows times the longest row may be; a longer piece goes alone.
    """
    group: list[int] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if group and (len(group) + 1) * lengths[index] > limit_tokens:
            yield group
            group = []
        group.append(index)
    if group:
        yield group
