"""One metric of the catalogue."""

from dataclasses import dataclass
from typing import Literal

SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
STREAM = ("stream",)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its name, kind and help text, its labels, and the limits of its buckets if it is a histogram.

    Attributes:
        own_labels: Its labels in addition to those of `of`.
        of: The labels that say what it describes: a stream, unless stated otherwise.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    own_labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = SECONDS
    of: tuple[str, ...] = STREAM

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels, in the order in which their values are given."""
        return self.of + self.own_labels
