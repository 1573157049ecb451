"""Slices of an evaluation, by the values of columns or by length, and which of them are worse than the whole.

The values may be of any kind that is better when it is higher, such as 1 for a right answer and 0 for a wrong one.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
"""One value for each row: shape (rows,), float64; higher is better."""

Flags = NDArray[np.bool_]
"""Whether each row is in a slice: shape (rows,)."""

SHORT_WORDS, MEDIUM_WORDS = 6, 15
"""Maximum number of words of a short and of a medium text: about a sixth of Banking77's questions are short, and a
sixth long."""

VALUES_SHOWN = 20
"""A column's most frequent values have slices of their own; the rows with other values form one slice."""

LEAST_ROWS = 5
"""A slice with fewer rows is shown, but not tested."""

LEVEL = 0.05
"""The probability that any slice is named although no slice differs from the whole."""

COVERAGE = 0.95
Z = 1.959964
"""The number of standard deviations that bound 95 % of a normal distribution."""

RESAMPLES = 1_000
RESAMPLED_AT_ONCE = 20
PERMUTATIONS = 10_000
PERMUTED_NUMBERS = 1_000_000
"""How many numbers are permuted at once; they take 8 MB."""

SEED = 20_240_817


@dataclass(frozen=True, slots=True)
class Judged:
    """One slice compared with all rows.

    Attributes:
        rows: Number of rows in the slice.
        mean: Mean of their values.
        interval: 95 % interval of the mean.
        chance: Probability that a slice of this size, drawn at random from all rows, is as bad or worse, after Holm's
            correction for the number of slices; None if the slice was not tested, because it has too few rows or all.
        worse: Whether the slice is worse than the whole by more than chance explains: `chance` is below 5 %.
    """

    rows: int
    mean: float
    interval: tuple[float, float]
    chance: float | None
    worse: bool

    def as_dict(self) -> dict[str, object]:
        """Return the fields by name."""
        return asdict(self)


def length_slices(texts: Sequence[str]) -> dict[str, Flags]:
    """Return the slices `short`, `medium` and `long`, by the number of words of each text, without empty slices."""
    words = np.array([len(text.split()) for text in texts], np.int64)
    slices = {
        "short": words <= SHORT_WORDS,
        "medium": (words > SHORT_WORDS) & (words <= MEDIUM_WORDS),
        "long": words > MEDIUM_WORDS,
    }
    return {name: inside for name, inside in slices.items() if inside.any()}


def column_slices(columns: Mapping[str, Sequence[str | None]]) -> dict[str, Flags]:
    """Return one slice for each value of each column, named `<column> <value>`, such as `language fr`.

    The twenty most frequent values of a column have slices; the rows with other values form the slice
    `<column> (other values)`. Rows without a value, None or empty, are in none of the column's slices.

    Args:
        columns: Name of a column -> its value in each row.
    """
    slices: dict[str, Flags] = {}
    for column, values in columns.items():
        counts = Counter(value for value in values if value)
        frequent = sorted(counts, key=lambda value: (-counts[value], value))[:VALUES_SHOWN]
        for name in sorted(frequent):
            slices[f"{column} {name}"] = np.array([value == name for value in values], np.bool_)
        others = counts.keys() - set(frequent)
        if others:
            slices[f"{column} (other values)"] = np.array([value in others for value in values], np.bool_)
    return slices


def judge_slices(values: Values, slices: Mapping[str, Flags]) -> dict[str, Judged]:
    """Compare each slice with all rows, and say which slices are worse by more than chance explains.

    The test is a one-sided permutation test: how often is a slice of the same size as bad or worse if its rows are drawn
    at random from all rows? p = (k + 1) / (n + 1) for k of n = 10,000 draws (Phipson & Smyth 2010,
    https://doi.org/10.2202/1544-6115.1585). It is exact for small slices and needs no distribution. Holm's correction
    (Holm 1979, https://www.jstor.org/stable/4615733) keeps the probability of naming any slice wrongly below 5 %.

    Args:
        values: The value of each row.
        slices: Name of a slice -> its rows.
    """
    present = {name: inside for name, inside in slices.items() if inside.any()}
    tested = [name for name, inside in present.items() if LEAST_ROWS <= inside.sum() < len(values)]
    raw = _chances(values, np.stack([present[name] for name in tested], axis=1)) if tested else np.empty(0)
    corrected = dict(zip(tested, _holm(raw).tolist(), strict=True))
    return {
        name: Judged(
            rows=int(inside.sum()),
            mean=float(values[inside].mean()),
            interval=mean_interval(values[inside]),
            chance=corrected.get(name),
            worse=corrected.get(name, 1.0) < LEVEL,
        )
        for name, inside in present.items()
    }


def mean_interval(values: Values) -> tuple[float, float]:
    """Return the 95 % interval of a mean: Wilson's for values of 0 and 1, otherwise the percentile bootstrap's.

    Wilson 1927, https://doi.org/10.2307/2276774: unlike the bootstrap's, this interval has a width even if all values
    are equal.
    """
    if not bool(np.isin(values, (0.0, 1.0)).all()):
        low, high = intervals(values[:, None])
        return float(low[0]), float(high[0])
    rows, share = len(values), float(values.mean())
    middle = (share + Z**2 / (2 * rows)) / (1 + Z**2 / rows)
    half = Z / (1 + Z**2 / rows) * float(np.sqrt(share * (1 - share) / rows + Z**2 / (4 * rows**2)))
    return max(0.0, middle - half), min(1.0, middle + half)


def intervals(table: NDArray[np.float64]) -> tuple[Values, Values]:
    """Return the bounds of the percentile bootstrap interval of each column's mean, from 1,000 resamples.

    Efron & Tibshirani 1993, An Introduction to the Bootstrap, section 13.3.

    Args:
        table: Shape (rows, columns).
    """
    rng = np.random.default_rng(SEED)
    rows = len(table)
    means = []
    for _ in range(RESAMPLES // RESAMPLED_AT_ONCE):
        drawn = rng.integers(0, rows, (RESAMPLED_AT_ONCE, rows))
        counts = np.stack([np.bincount(row, minlength=rows) for row in drawn])
        means.append(counts @ table / rows)
    low, high = np.quantile(np.vstack(means), [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2], axis=0)
    return np.asarray(low, np.float64), np.asarray(high, np.float64)


def _chances(values: Values, inside: Flags) -> Values:
    """Return for each slice, a column of `inside`, the share of random slices of its size with no higher sum."""
    rng = np.random.default_rng(SEED)
    members = inside.astype(np.float64)
    highest = values @ members + 1e-9 * len(values)  # sums of equal values may differ by rounding
    at_once = max(1, PERMUTED_NUMBERS // len(values))
    no_higher = np.zeros(members.shape[1])
    for start in range(0, PERMUTATIONS, at_once):
        drawn = rng.permuted(np.tile(values, (min(at_once, PERMUTATIONS - start), 1)), axis=1)
        no_higher += (drawn @ members <= highest).sum(0)
    return np.asarray((no_higher + 1) / (PERMUTATIONS + 1), np.float64)


def _holm(chances: Values) -> Values:
    """Return Holm's corrected probabilities, in the order of the given ones."""
    order = np.argsort(chances, kind="stable")
    steps = np.maximum.accumulate(chances[order] * np.arange(len(chances), 0, -1))
    corrected = np.empty(len(chances))
    corrected[order] = np.minimum(1.0, steps)
    return corrected
