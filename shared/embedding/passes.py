"""The forward passes of any model: cut by cost, halved when memory runs out, and stopped if the device is dead.

This module knows devices and costs, but neither modalities nor the content of a forward pass.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from typing_extensions import override

from shared.clock import Clock, SystemClock
from shared.embedding.microbatch import Cut
from shared.embedding.port import Matrix
from shared.errors import DeviceLost
from shared.logs import get_logger

log = get_logger("embedding")


class Failures(Protocol):
    """What the errors of a library that computes mean."""

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Return whether memory ran out, so that a smaller micro-batch may succeed."""
        ...

    def is_dead(self, error: BaseException) -> bool:
        """Return whether this process can no longer use the device."""
        ...

    def free(self) -> None:
        """Free what memory can be freed."""
        ...


class CpuFailures(Failures):
    """Those of a library that computes on the CPU."""

    @override
    def is_out_of_memory(self, error: BaseException) -> bool:
        return isinstance(error, MemoryError) or "bad_alloc" in str(error)

    @override
    def is_dead(self, error: BaseException) -> bool:
        return False

    @override
    def free(self) -> None:
        pass


CPU = CpuFailures()

Forward = Callable[[list[int]], Matrix]
"""Computes the vectors of a group, given the indices of its pieces, from cheap to costly."""

Map = Callable[[Forward, Iterable[list[int]]], Iterator[Matrix]]
"""Computes groups one after the other, as `map`, or side by side, as the `map` of a pool, and yields in their order."""


@dataclass(frozen=True, slots=True)
class Computed:
    """What the passes over some pieces have computed.

    Attributes:
        vectors: A vector for each piece, shape (pieces, dim).
        groups: The pieces that were computed together, by their indices, from cheap to costly.
        busy_s: The time from the first pass to the end of the last.
    """

    vectors: Matrix
    groups: Sequence[Sequence[int]]
    busy_s: float


class Passes:
    """Runs a model on many pieces, one micro-batch after another.

    Args:
        cut: The function that cuts pieces into micro-batches by cost.
        limit: Largest cost of one forward pass; halved permanently whenever the device runs out of memory.
        unit: The unit of costs and limit, for the log.
        failures: What the errors of the model's library mean.
        computed: How groups are computed: by the calling thread, or by several.
        clock: Measures how long passes take.
    """

    def __init__(
        self,
        cut: Cut,
        limit: float,
        unit: str,
        failures: Failures,
        computed: Map = map,
        clock: Clock | None = None,
    ) -> None:
        self._cut, self._unit, self._failures, self._computed = cut, unit, failures, computed
        self._clock = clock or SystemClock()
        self.limit = limit

    def run(self, costs: Sequence[float], dim: int, forward: Forward) -> Computed:
        """Compute a vector for each piece.

        Args:
            costs: Cost of each piece, in the unit.
            dim: Length of a vector.
            forward: Computes the vectors of a group.

        Raises:
            DeviceLost: the device is dead; the pieces may be valid.
            Exception: the model failed on a group, or a single piece does not fit into memory.
        """
        began_s = self._clock.monotonic_s()
        out = np.empty((len(costs), dim), np.float32)
        done = list[list[int]]()
        waiting = list(range(len(costs)))
        while waiting:
            cut = self._cut([costs[each] for each in waiting], self.limit)
            waiting = self._run_until_full([[waiting[at] for at in group] for group in cut], forward, out, done)
        return Computed(out, done, self._clock.monotonic_s() - began_s)

    def _run_until_full(
        self, groups: list[list[int]], forward: Forward, out: Matrix, done: list[list[int]]
    ) -> list[int]:
        """Run group after group until the device runs out of memory; return the pieces that remain."""
        computed = self._computed(forward, groups)
        for number, group in enumerate(groups):
            try:
                out[group] = next(computed)
            except Exception as error:
                if self._failures.is_dead(error):
                    raise DeviceLost(str(error)) from error
                if not self._failures.is_out_of_memory(error) or len(group) == 1:
                    raise
            else:
                done.append(group)
                continue
            self._halve()
            return [each for group in groups[number:] for each in group]
        return []

    def _halve(self) -> None:
        self.limit /= 2
        log.warning("out of memory: micro-batches are halved", limit=self.limit, unit=self._unit)
        self._failures.free()
