"""Vectors of the next batch are computed while the previous one is decided and settled, so that the device is not idle.

They are only a start: what is missing, in doubt or wrong is embedded again when the batch is in hand.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.embedding.service import Ahead, Embedder
from shared.engine.timing import Stopwatch

LEAST_USED = 0.9
"""If the batch in hand needed fewer of its inputs embedded than this share, because the store knows the others, nothing is
computed ahead for the next one: it would be thrown away. So it is when a topic is read again."""


@dataclass(frozen=True, slots=True)
class AheadVectors:
    """The vectors that were computed ahead for one batch.

    Attributes:
        found: The vectors, by modality.
        doubts: How often the models had been doubted when the computation began.
    """

    found: Mapping[str, Ahead]
    doubts: int


class AheadEmbedder:
    """Computes vectors on the prepare thread, as long as they will be used and the models are trusted.

    Args:
        embedders: The embedders by modality.
        stopwatch: Measures how long it takes.
    """

    def __init__(self, embedders: Mapping[str, Embedder[Any]], stopwatch: Stopwatch) -> None:
        self._embedders = {name: each for name, each in embedders.items() if each.computes_ahead}
        self._stopwatch = stopwatch
        self._doubts: int | None = None
        self._is_used = True

    def trust(self) -> None:
        """Begin, because the models have answered rightly."""
        self._doubts = self._doubts or 0

    def doubt(self) -> None:
        """Use nothing that was computed until now, because a model answers wrongly."""
        if self._doubts is not None:
            self._doubts += 1

    def learn(self, asked: int, possible: int) -> None:
        """Learn how many of the inputs of the batch in hand needed a vector."""
        self._is_used = asked >= LEAST_USED * possible

    def embed(self, inputs: Mapping[str, Sequence[Any]], beat: Callable[[], None]) -> AheadVectors | None:
        """Return the vectors of a prepared batch as far as they can be had; None if nothing is computed.

        Args:
            inputs: The inputs of the batch, by modality.
            beat: Called before each call of a model.

        Raises:
            Stopped: by `beat`, because the worker stops.
        """
        doubts = self._doubts
        own = {name: given for name, given in inputs.items() if given and name in self._embedders}
        if doubts is None or not self._is_used or not own:
            return None
        with self._stopwatch.time("embed_ahead", sum(map(len, own.values()))):
            found = {name: self._embedders[name].embed_ahead(given, beat) for name, given in own.items()}
        return AheadVectors(found, doubts)

    def usable(self, vectors: AheadVectors | None) -> Mapping[str, Ahead]:
        """Return the vectors, by modality, unless a model has been doubted since."""
        return vectors.found if vectors is not None and vectors.doubts == self._doubts else {}
