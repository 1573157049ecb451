"""Counts what a worker of the demo has settled."""

from typing_extensions import override

from schemas.outcomes import Outcome
from shared.observers import Observer


class Counting(Observer):
    """Counts settled records; the demo waits for them, and computes its throughput from them."""

    def __init__(self) -> None:
        self.settled = 0

    @override
    def batch_settled(self, outcomes: dict[Outcome, int], oldest_timestamp_ms: int) -> None:
        self.settled += sum(outcomes.values())
