"""The arithmetic of the comparison: rates, ages, ratios by round, and whether contenders gave the same labels."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

Labels = Mapping[str, str]
"""The label of each ticket by its id."""

PERCENTS = (50, 95, 99)


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of a figure over the rounds, with the least and the largest."""

    median: float
    least: float
    largest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Return the spread of at least one value."""
        return cls(median(values), min(values), max(values))


def ratios(values: Sequence[float], others: Sequence[float]) -> list[float]:
    """Return the ratio of two contenders in each round."""
    return [value / other for value, other in zip(values, others, strict=True)]


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Return p50, p95 and p99."""
    return {f"p{percent}": float(np.percentile(values, percent)) for percent in PERCENTS}


def labels_of(results: Sequence[bytes]) -> dict[str, str]:
    """Return the label of each ticket: that of a peer's result, or the likeliest of a Millrace result.

    Raises:
        ValueError: a ticket has two results.
    """
    found: dict[str, str] = {}
    for value in results:
        result: dict[str, Any] = json.loads(value)
        ticket, label = result["ticket_id"], result.get("label")
        if ticket in found:
            raise ValueError(f"two results of {ticket}")
        found[ticket] = label if label is not None else result["decision"]["top"][0]["label"]
    return found


def missing_of(labels: Labels, sent: Sequence[int]) -> list[str]:
    """Return the ids of the tickets that have no result."""
    return sorted({f"T-{number}" for number in sent} - labels.keys())


def agreement(labels: Labels, others: Labels) -> float:
    """Return the share of equal labels among the tickets that both have labelled.

    Raises:
        ValueError: both have labelled no ticket.
    """
    both = labels.keys() & others.keys()
    if not both:
        raise ValueError("the contenders have no ticket in common")
    return sum(labels[ticket] == others[ticket] for ticket in both) / len(both)
