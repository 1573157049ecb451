"""The vote of labelled neighbours, which decides while no trained head exists."""

import math
from collections import defaultdict
from collections.abc import Sequence

from shared.vectorstore.port import Hit

TEMPERATURE = 0.07
"""Temperature of the softmax over cosines. On Banking77 with k = 10 it gives 92.5 % accuracy and a calibration error of
0.015; an unweighted vote gives 91.5 % and 0.026, 0.2 gives 91.9 %, 0.03 gives 92.5 % and 0.024
(`docs/decisions/0007-the-vote.md`)."""


def vote(hits: Sequence[Hit], label_field: str) -> list[tuple[str, float]]:
    """Return the labels of the nearest points with their share of the vote, best first; shares sum to 1.

    Each neighbour votes with exp(cosine / 0.07): the weighting of the k-NN classifier of Wu et al. 2018,
    https://arxiv.org/abs/1805.01978, section 3.4. On a tie, the label that sorts first wins, so that a replay gives the
    same decision.
    """
    if not hits:
        return []
    best = max(hit.score for hit in hits)
    votes: dict[str, float] = defaultdict(float)
    for hit in hits:
        votes[str(hit.payload[label_field])] += math.exp((hit.score - best) / TEMPERATURE)
    total = sum(votes.values())
    return sorted(((label, votes[label] / total) for label in votes), key=lambda pair: (-pair[1], pair[0]))
