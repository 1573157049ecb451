"""Cutting work into forward passes, by example; the properties are in `tests/property`.

A green run does not prove that these cuts are the fastest ones; the benchmarks measured that.
"""

import pytest

from shared.embedding.microbatch import cut_padded, cut_summed, padding, split_windows


@pytest.mark.parametrize(
    ("tokens", "window", "windows"),
    [
        (0, 10, [(0, 0)]),
        (10, 10, [(0, 10)]),
        (11, 10, [(0, 5), (5, 11)]),
        (30, 10, [(0, 10), (10, 20), (20, 30)]),
        (1, 1, [(0, 1)]),
    ],
)
def test_a_text_is_cut_into_windows(tokens: int, window: int, windows: list[tuple[int, int]]) -> None:
    assert split_windows(tokens, window) == windows


@pytest.mark.parametrize(
    ("lengths", "limit", "groups"),
    [
        ([], 10, []),
        ([5, 1, 3], 100, [[1, 2, 0]]),
        ([4, 4, 4], 8, [[0, 1], [2]]),
        ([1, 1, 10], 10, [[0, 1], [2]]),
        ([50, 2], 10, [[1], [0]]),
        ([2, 2, 2], 1, [[0], [1], [2]]),
    ],
)
def test_groups_stay_within_their_padded_length(lengths: list[int], limit: int, groups: list[list[int]]) -> None:
    assert list(cut_padded(lengths, limit)) == groups


@pytest.mark.parametrize(
    ("costs", "limit", "groups"),
    [
        ([], 10, []),
        ([5, 1, 3], 100, [[1, 2, 0]]),
        ([5, 1, 3], 9, [[1, 2, 0]]),
        ([5, 1, 3], 8, [[1, 2], [0]]),
        ([1, 1, 10], 10, [[0, 1], [2]]),
        ([50, 2], 10, [[1], [0]]),
        ([0.5, 0.25, 0.5], 0.75, [[1, 0], [2]]),
        ([2, 2, 2], 1, [[0], [1], [2]]),
    ],
)
def test_groups_stay_within_their_summed_cost(costs: list[float], limit: float, groups: list[list[int]]) -> None:
    assert list(cut_summed(costs, limit)) == groups


def test_padding_is_what_the_rows_of_a_group_lack_of_its_longest() -> None:
    costs = [3.0, 7.0, 4.0, 7.0]
    assert padding([[0, 2], [1, 3]], costs) == 1
    assert padding([[0, 2, 1, 3]], costs) == 7
    assert padding([], costs) == 0
