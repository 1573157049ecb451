"""How long to wait between attempts."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential back-off with full jitter.

    The wait before attempt n (from 0) is uniform in [0, min(ceiling_s, base_s * 2**n)], after
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ ("Full Jitter").
    """

    base_s: float = 0.2
    ceiling_s: float = 5.0

    def limit_s(self, attempt: int) -> float:
        """Return the longest wait in seconds before the given attempt, counted from 0."""
        return min(self.ceiling_s, self.base_s * 2.0 ** min(attempt, 62))

    def delay_s(self, attempt: int, rng: random.Random) -> float:
        """Return one wait in seconds, drawn with the given generator."""
        return rng.uniform(0.0, self.limit_s(attempt))
