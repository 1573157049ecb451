"""How often "nothing matches" is answered wrongly, and how often a question that fits nothing gets a match."""

from dataclasses import dataclass
from math import floor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.slices import Flags, mean_interval

ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What a search judged of each query.

    Attributes:
        lowest: Shape (queries,): the lowest `chance` of any hit; infinite if no hit has one.
        fits: Shape (queries,): whether the searched collections hold anything relevant.
        found: Shape (queries,): whether any hit is relevant and matches.
    """

    lowest: NDArray[np.float64]
    fits: Flags
    found: Flags

    def part(self, chosen: Flags) -> "Judged":
        """Return the judgement of some of the queries."""
        return Judged(self.lowest[chosen], self.fits[chosen], self.found[chosen])


def measure_no_match(judged: Judged, false_rate: float) -> dict[str, Any]:
    """Return the shares of queries that are answered wrongly, each with Wilson's 95 % interval; None without such queries.

    - `lost`: of the queries that something fits, the share for which nothing matches.
    - `only_others_match`: of the same, the share for which something matches, but none of the hits that match is relevant.
    - `false_matches`: of the queries that nothing fits, the share that gets a match.
    - `at_false_rate`: what would be lost if hits matched up to such a chance that the share of false matches among these
      queries is the stated one, or as little below it as their number allows. The chance is chosen on the same queries
      that it is measured on; the interval leaves out that it was chosen.

    Args:
        judged: What was judged of each query.
        false_rate: The stated share of queries that fit nothing and may get a match; `chance` up to it is a match.
    """
    fitting, others = judged.lowest[judged.fits], judged.lowest[~judged.fits]
    lost = fitting > false_rate
    return {
        "fitting": len(fitting),
        **_share("lost", lost),
        **_share("only_others_match", ~lost & ~judged.found[judged.fits]),
        "unfitting": len(others),
        "stated_false_rate": false_rate,
        **_share("false_matches", others <= false_rate),
        "at_false_rate": _at_false_rate(fitting, others, false_rate) if len(others) and len(fitting) else None,
    }


def _at_false_rate(fitting: NDArray[np.float64], others: NDArray[np.float64], false_rate: float) -> dict[str, Any]:
    allowed = floor(false_rate * len(others) + ROUNDING)
    bound = float(np.sort(others)[allowed])
    return {
        "chance_below": bound if np.isfinite(bound) else None,
        "false_matches": float((others < bound).mean()),
        **_share("lost", ~(fitting < bound)),
    }


def _share(name: str, happened: Flags) -> dict[str, Any]:
    values = happened.astype(np.float64)
    if not len(values):
        return {name: None, f"{name}_interval": None}
    return {name: float(values.mean()), f"{name}_interval": list(mean_interval(values))}
