"""The quality of a ranking for each query, and its uncertainty: MRR, recall, nDCG and bootstrap intervals."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.slices import Flags, Values, intervals

METRICS = ("mrr", "recall_at_1", "recall_at_5", "ndcg_at_10")
DEPTH = 10
"""Number of ranks that all metrics consider, including MRR."""


def measure_rankings(relevant: Flags, wanted: NDArray[np.int64]) -> dict[str, Values]:
    """Return each metric for each query.

    MRR is 1 / rank of the first relevant hit among the first ten, or 0 without one. Recall is capped as in BEIR (Thakur
    et al. 2021, https://arxiv.org/abs/2104.08663, appendix): the number of relevant hits among the first k divided by
    min(k, number of relevant texts), so that 1 can be reached. nDCG is that of Järvelin & Kekäläinen 2002 with gains 0
    and 1.

    Args:
        relevant: Shape (queries, hits): whether the hit at each rank is relevant; ranks without a hit are False.
        wanted: Shape (queries,): the number of relevant texts for each query, 1 or more.
    """
    top = np.zeros((len(relevant), DEPTH), np.bool_)
    top[:, : relevant.shape[1]] = relevant[:, :DEPTH]
    discounts = 1 / np.log2(np.arange(2, DEPTH + 2))
    ideal = np.cumsum(discounts)[np.minimum(wanted, DEPTH) - 1]
    return {
        "mrr": np.where(top.any(1), 1 / (top.argmax(1) + 1), 0.0),
        "recall_at_1": _recall(top, wanted, 1),
        "recall_at_5": _recall(top, wanted, 5),
        "ndcg_at_10": (top * discounts).sum(1) / ideal,
    }


def summarise(values: Mapping[str, Values]) -> dict[str, Any]:
    """Return the mean of each metric, and its 95 % interval under `<metric>_interval`."""
    table = np.stack(list(values.values()), axis=1)
    low, high = intervals(table)
    means = table.mean(0)
    summary: dict[str, Any] = {name: float(mean) for name, mean in zip(values, means, strict=True)}
    for place, name in enumerate(values):
        summary[f"{name}_interval"] = [float(low[place]), float(high[place])]
    return summary


def _recall(top: Flags, wanted: NDArray[np.int64], k: int) -> Values:
    return np.asarray(top[:, :k].sum(1) / np.minimum(k, wanted), np.float64)
