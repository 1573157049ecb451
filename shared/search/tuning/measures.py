"""The quality of a ranking for each query, and its uncertainty: MRR, recall, nDCG, precision, MAP, and intervals."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.slices import Flags, Values, intervals

METRICS = ("mrr", "recall_at_1", "recall_at_5", "ndcg_at_10")
MORE_METRICS = ("recall_at_1", "recall_at_5", "recall_at_10", "precision_at_5", "mrr", "ndcg_at_10", "map")
"""Those that `measure_more` returns, in the order in which they are shown."""

DEPTH = 10
"""Number of ranks that all metrics but MAP consider, including MRR."""


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
    top = _top(relevant)
    discounts = 1 / np.log2(np.arange(2, DEPTH + 2))
    ideal = np.cumsum(discounts)[np.minimum(wanted, DEPTH) - 1]
    return {
        "mrr": np.where(top.any(1), 1 / (top.argmax(1) + 1), 0.0),
        "recall_at_1": _recall(top, wanted, 1),
        "recall_at_5": _recall(top, wanted, 5),
        "ndcg_at_10": (top * discounts).sum(1) / ideal,
    }


def measure_more(relevant: Flags, wanted: NDArray[np.int64]) -> dict[str, Values]:
    """Return the metrics of `measure_rankings`, recall among the first ten, precision among the first five, and MAP.

    Precision at 5 is the number of relevant hits among the first five, divided by five (Manning et al. 2008,
    Introduction to Information Retrieval, section 8.4): with fewer relevant items than five, 1 cannot be reached.

    Args:
        relevant: Shape (queries, hits): whether the hit at each rank is relevant; ranks without a hit are False.
        wanted: Shape (queries,): the number of relevant items for each query, 1 or more.
    """
    top = _top(relevant)
    found = measure_rankings(relevant, wanted) | {
        "recall_at_10": _recall(top, wanted, 10),
        "precision_at_5": np.asarray(top[:, :5].sum(1) / 5, np.float64),
        "map": average_precision(relevant, wanted),
    }
    return {name: found[name] for name in MORE_METRICS}


def average_precision(relevant: Flags, wanted: NDArray[np.int64]) -> Values:
    """Return the average precision of each query, shape (queries,); its mean over the queries is MAP.

    It is the sum of the precision at the rank of each relevant hit, divided by the number of all relevant items, so that
    one that is not among the hits counts as 0 (Manning et al. 2008, Introduction to Information Retrieval, section 8.4;
    `map` of trec_eval). With more relevant items than hits, 1 cannot be reached.

    Args:
        relevant: Shape (queries, hits): whether the hit at each rank is relevant; ranks without a hit are False.
        wanted: Shape (queries,): the number of relevant items for each query, 1 or more.
    """
    precisions = relevant.cumsum(1) / np.arange(1, relevant.shape[1] + 1)
    return np.asarray((precisions * relevant).sum(1) / wanted, np.float64)


def summarise(values: Mapping[str, Values]) -> dict[str, Any]:
    """Return the mean of each metric, and its 95 % interval under `<metric>_interval`."""
    table = np.stack(list(values.values()), axis=1)
    low, high = intervals(table)
    means = table.mean(0)
    summary: dict[str, Any] = {name: float(mean) for name, mean in zip(values, means, strict=True)}
    for place, name in enumerate(values):
        summary[f"{name}_interval"] = [float(low[place]), float(high[place])]
    return summary


def _top(relevant: Flags) -> Flags:
    """Return the first ranks, shape (queries, `DEPTH`)."""
    top = np.zeros((len(relevant), DEPTH), np.bool_)
    top[:, : relevant.shape[1]] = relevant[:, :DEPTH]
    return top


def _recall(top: Flags, wanted: NDArray[np.int64], k: int) -> Values:
    return np.asarray(top[:, :k].sum(1) / np.minimum(k, wanted), np.float64)
