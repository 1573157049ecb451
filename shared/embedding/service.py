"""Embedding for the stages: the cache is asked first, duplicates are embedded once, and a failing batch is halved."""

from collections.abc import Callable, Iterator, Sequence
from typing import Generic

import numpy as np

from schemas.failures import FailureReason
from shared.cache.port import VectorCache, cache_key
from shared.embedding.port import InputT, Modality, Model
from shared.errors import Fatal, Rejected, Stopped
from shared.observers import Observer
from shared.records import Embedded

STAGE = "embed"


class Embedder(Generic[InputT]):
    """Turns each input of one modality into a vector, or into a rejection if the model cannot embed it.

    Args:
        modality: The kind of the inputs.
        model: A model of that modality.
        cache: The cache that is asked before the model, and that stores the vectors that the model computes.
        observer: Notified of the number, cost and cache hits of each call.
        beat: Called before each call of the model: long texts take longer than a heartbeat may be old.
    """

    def __init__(
        self,
        modality: Modality[InputT],
        model: Model[InputT],
        cache: VectorCache,
        observer: Observer,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self._modality, self._model = modality, model
        self._cache, self._observer, self._beat = cache, observer, beat

    @property
    def fingerprint(self) -> str:
        """The model's fingerprint."""
        return self._model.fingerprint

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._model.dim

    def embed(self, inputs: Sequence[InputT]) -> list[Embedded | Rejected]:
        """Return for each input, in order, its vector or a rejection with the reason.

        Raises:
            DeviceLost: the device is dead; no input is to blame.
            Stopped: a long input is abandoned, because the worker stops.
        """
        keys = [self._key(each) for each in inputs]
        known: dict[bytes, Embedded | Rejected] = dict(self._cache.get_many(keys))
        missing = {key: each for key, each in zip(keys, inputs, strict=True) if key not in known}
        cost, answers = self._in_groups(list(missing.values()))
        fresh = dict(zip(missing, answers, strict=True))
        self._cache.put_many({key: found for key, found in fresh.items() if isinstance(found, Embedded)})
        self._observer.inputs_embedded(
            self._modality.name, len(inputs), cost, self._modality.unit, len(inputs) - len(missing)
        )
        known.update(fresh)
        return [known[key] for key in keys]

    def _key(self, given: InputT) -> bytes:
        return cache_key(self._modality.name, self._modality.content(given), self._model.fingerprint)

    def _in_groups(self, inputs: Sequence[InputT]) -> tuple[float, list[Embedded | Rejected]]:
        """Embed inputs in calls of limited size, with a heartbeat before each. Return cost and answers."""
        cost, answers = 0.0, list[Embedded | Rejected]()
        for group in self._groups(inputs):
            self._beat()
            group_cost, found = self._bisect(group)
            cost += group_cost
            answers += found
        return cost, answers

    def _groups(self, inputs: Sequence[InputT]) -> Iterator[Sequence[InputT]]:
        """Yield inputs, in order, in groups that a model may receive together."""
        limit_bytes = self._modality.together_bytes
        if limit_bytes is None:
            yield inputs
            return
        start, group_bytes = 0, 0
        for at, each in enumerate(inputs):
            size_bytes = len(self._modality.content(each))
            if at > start and group_bytes + size_bytes > limit_bytes:
                yield inputs[start:at]
                start, group_bytes = at, 0
            group_bytes += size_bytes
        yield inputs[start:]

    def _bisect(self, inputs: Sequence[InputT]) -> tuple[float, list[Embedded | Rejected]]:
        """Embed all inputs; if the model fails, halve them until each bad input is alone. Return cost and answers."""
        if not inputs:
            return 0, []
        try:
            found = self._model.embed(inputs)
        except (Fatal, Stopped):
            raise
        except Exception as error:  # noqa: BLE001  (a model may raise anything; the rejection names its class)
            if len(inputs) == 1:
                if isinstance(error, Rejected):
                    return 0, [error]
                self._model.probe()
                return 0, [self._rejected(FailureReason.MODEL_FAILED, type(error).__name__)]
            half = len(inputs) // 2
            (left_cost, left), (right_cost, right) = self._bisect(inputs[:half]), self._bisect(inputs[half:])
            return left_cost + right_cost, left + right
        finite = [bool(np.isfinite(vector).all()) for vector in found.vectors]
        not_finite = self._rejected(FailureReason.VECTOR_NOT_FINITE, "the model returned NaN or infinity")
        answers: list[Embedded | Rejected] = [
            Embedded(vector, windows) if good else not_finite
            for vector, windows, good in zip(found.vectors, found.windows, finite, strict=True)
        ]
        return found.cost, answers

    def _rejected(self, reason: FailureReason, detail: str) -> Rejected:
        return Rejected(reason, self._modality.field, detail, STAGE)
